from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from hookferry.catch.addresses import network_of
from hookferry.catch.definition import SourceDefinition, SourceLimits, parse_source
from hookferry.catch.source_forms import FORMS
from hookferry.catch.source_secrets import parts_of
from hookferry.domain.source import Respond
from hookferry.errors import HookferryError, InvalidField, UnknownField

LIMITS = SourceLimits(caught_limit=1_000_000, retention_days=30)
GUID = "3f0c9a6be27d4158a1b2c3d4e5f60718293a4b5c"


def parsed(**fields: Any) -> SourceDefinition:
    return parse_source({"name": "shop", **fields}, LIMITS)


def refused(**fields: Any) -> HookferryError:
    with pytest.raises((InvalidField, UnknownField)) as error:
        parsed(**fields)
    return error.value


def test_a_name_is_all_that_a_source_needs() -> None:
    assert parsed() == SourceDefinition(name="shop")


@pytest.mark.parametrize(
    ("fields", "at", "remedy"),
    [
        ({"name": ""}, "name", "1 to 100 printable"),
        ({"name": " shop"}, "name", "blanks at its ends"),
        ({"name": "a\nb"}, "name", "printable characters"),
        ({"name": "a\u2028b"}, "name", "printable characters"),
        ({"name": "a\u202eb"}, "name", "printable characters"),
        ({"name": "x" * 101}, "name", "1 to 100 printable"),
        ({"name": "src_0000000000000"}, "name", "as ids do"),
        ({"guid": GUID.upper()}, "guid", "openssl rand -hex 20"),
        ({"guid": GUID[1:]}, "guid", "40 hex digits"),
        ({"guid": "7" * 40}, "guid", "guesses it can call"),
        ({"guid": "0123456789" * 4}, "guid", "guesses it can call"),
        ({"guid": "0123456789abcdef" * 2 + "01234567"}, "guid", "guesses it can call"),
        ({"guid": "1" * 34 + "234567"}, "guid", "leave it out"),
        ({"description": "x" * 2001}, "description", "2,000 characters"),
        ({"methods": ["PO ST"]}, "methods[0]", "such as POST"),
        ({"methods": ["post", "POST"]}, "methods", "each once"),
        ({"methods": [f"M{n}" for n in range(21)]}, "methods", "at most 20"),
        ({"allow_ips": ["10.0.0.0/33"]}, "allow_ips[0]", "203.0.113.0/24"),
        ({"allow_ips": ["10.0.0.1/8"]}, "allow_ips[0]", "write 10.0.0.0/8"),
        ({"allow_ips": ["fe80::1%eth0"]}, "allow_ips[0]", "2001:db8::7"),
        ({"allow_ips": ["10.0.0.0/" + "0" * 60 + "8"]}, "allow_ips[0]", "203.0.113.0/24"),
        ({"allow_ips": ["example.com"]}, "allow_ips[0]", "neither an address nor a network"),
        ({"allow_ips": [f"10.0.{n // 256}.{n % 256}" for n in range(1001)]}, "allow_ips", "1,000"),
        ({"max_body": 0}, "max_body", "1 to 1,000,000 bytes"),
        ({"max_body": 1_000_001}, "max_body", "1 to 1,000,000 bytes"),
        ({"rate_limit": {"per_second": 0}}, "rate_limit.per_second", "0.001 to 10,000"),
        ({"rate_limit": {"per_second": 1, "burst": 0}}, "rate_limit.burst", "1 to 10,000"),
        ({"handshakes": ["slak"]}, "handshakes[0]", "did you mean 'slack'"),
        ({"handshakes": ["slack", "slack"]}, "handshakes", "twice"),
        ({"verify_token": ""}, "verify_token", "1 to 256"),
        ({"verify_token": "x" * 257}, "verify_token", "1 to 256"),
        ({"verify_token": "a\x00b"}, "verify_token", "printable"),
        ({"verify_token": "********"}, "verify_token", "stays as it is"),
        ({"deduplicate": {"heder": "X-Id"}}, "deduplicate.heder", "did you mean 'header'"),
        ({"window": 0.5}, "window", "1 to 2,592,000 seconds"),
        ({"event_type": "not a type"}, "event_type", "such as 'contact.created'"),
        ({"event_type": {"header": "X", "path": "y"}}, "event_type", "one alone"),
        ({"condition": {"op": "equals"}}, "condition", ""),
        ({"parse": "maybe"}, "parse", "maybe"),
        ({"refuse_status": 302}, "refuse_status", "200 to 299 or 400 to 599"),
        ({"refuse_status": 199}, "refuse_status", "200 to 299 or 400 to 599"),
        ({"refuse_status": 600}, "refuse_status", "200 to 299 or 400 to 599"),
        ({"cors": ["https://app.example/"]}, "cors[0]", "without a path"),
        ({"cors": ["app.example"]}, "cors[0]", "scheme://host"),
        ({"cors": ["null"]}, "cors[0]", "scheme://host"),
        ({"public_url": "ftp://x.example/"}, "public_url", "https://hooks.example/github"),
        ({"public_url": "/hooks"}, "public_url", "https://hooks.example/github"),
        ({"public_url": "https://x.example/?a=b"}, "public_url", "without a query"),
        ({"public_url": "https://me:pw@x.example/"}, "public_url", "credentials"),
        ({"public_url": "https://x.example:99999/"}, "public_url", "https://hooks.example/github"),
        ({"retention_days": 0}, "retention_days", "0.001 to 30 days"),
        ({"retention_days": 31}, "retention_days", "0.001 to 30 days"),
        ({"keep": 0}, "keep", "1 to 100,000 requests"),
        ({"silent_after": 59}, "silent_after", "60 to 2,592,000 seconds"),
        ({"expires_at": "2026-01-31T09:30:00Z"}, "expires_at", "only a bin has an end"),
        ({"bin": True, "respond": {"webhook": "x"}}, "respond.webhook", "no events"),
        ({"bin": True, "respond": {"automation": "x"}}, "respond.automation", "no events"),
        ({"bin": True, "automations_kata": "a:"}, "automations_kata", "no events"),
        (
            {"respond": {"webhook": "x", "automation": "y"}},
            "respond.automation",
            "respond.webhook and respond.automation both say who answers callers; keep one",
        ),
        (
            {"respond": {"automation": "y"}, "automations_kata": "a:"},
            "automations_kata",
            "set the other to null",
        ),
        (
            {"respond": {"webhook": "x"}, "automations_kata": "a:"},
            "automations_kata",
            "set the other to null",
        ),
        ({"respond": {"deadline": 61}}, "respond.deadline", "0.1 to 60 seconds"),
    ],
)
def test_a_field_that_breaks_its_rule_is_named_with_the_remedy(
    fields: dict[str, Any], at: str, remedy: str
) -> None:
    error = refused(**fields)
    assert (error.field or "").startswith(at)
    assert remedy in error.detail


@pytest.mark.parametrize(
    ("fields", "at", "remedy"),
    [
        ({"verify": "github"}, "verify", '{"preset": "github"'),
        ({"window": "5m"}, "window", "a number of seconds, such as 300"),
        ({"rate_limit": 5}, "rate_limit", '{"per_second": 10, "burst": 20}'),
        ({"rate_limit": {"per_second": "x"}}, "rate_limit.per_second", "such as 10"),
        ({"rate_limit": {"persecond": 1}}, "rate_limit.persecond", "did you mean 'per_second'"),
        ({"methods": "POST"}, "methods", 'methods is a list of texts, such as ["POST"]'),
        ({"methods": ["GET", 5]}, "methods[1]", 'methods is a list of texts, such as ["POST"]'),
        ({"parse": "maybe"}, "parse", "parse is one of 'auto', 'require', not 'maybe'"),
        ({"parse": True}, "parse", "parse is one of 'auto', 'require'"),
        ({"respond": {"bdy": "x"}}, "respond.bdy", "did you mean 'body'"),
        ({"respond": {"status": "200"}}, "respond.status", "a whole number, such as 200"),
        ({"respond": {"late": {"stats": 5}}}, "respond.late.stats", "did you mean 'status'"),
        ({"respond": {"headers": {"X-A": "1", "X-B": 2}}}, "respond.headers.X-B", "in quotes"),
        ({"respond": {"late": {"headers": {"X": []}}}}, "respond.late.headers.X", "in quotes"),
        ({"secret": "correct horse"}, "secret", '{"verify": {"secret": "..."}}'),
        ({"secrets": ["correct horse"]}, "secrets", '{"verify": {"secrets": ["...", "..."]}}'),
        ({"preset": "github"}, "preset", '{"verify": {"preset": "github"}}'),
        ({"retries": 5}, "retries", "known fields: "),
    ],
)
def test_what_is_written_otherwise_is_answered_by_how_it_is_written(
    fields: dict[str, Any], at: str, remedy: str
) -> None:
    error = refused(**fields)
    assert error.field == at
    assert remedy in error.detail
    assert "correct horse" not in error.detail


@pytest.mark.parametrize("document", [[], None, "shop", 5])
def test_a_definition_is_an_object(document: object) -> None:
    with pytest.raises(InvalidField, match="the body is a JSON object, such as"):
        parse_source(document, LIMITS)


def test_every_field_says_how_it_is_written() -> None:
    def places(struct: type[Any], at: str) -> Iterator[str]:
        for name, kind in get_type_hints(struct).items():
            yield at + name
            for part in get_args(kind) or (kind,):
                if isinstance(part, type) and issubclass(part, msgspec.Struct):
                    yield from places(part, f"{at}{name}.")

    assert {*places(SourceDefinition, ""), ""} == {*FORMS, "parse"}


@pytest.mark.parametrize(
    ("fields", "at", "remedy"),
    [
        ({"status": 100}, "respond.status", "200 to 299 or 400 to 599"),
        ({"status": 301}, "respond.status", "not redirected"),
        ({"body": "ok"}, "respond.body", "give respond.status too"),
        ({"status": 200, "body": "x" * 65_537}, "respond.body", "65,536"),
        ({"status": 200, "body": "{{ data."}, "respond.body", ""),
        ({"headers": {"a b": "x"}}, "respond.headers", "RFC 9110"),
        ({"headers": {"X-A": "1", "x-a": "2"}}, "respond.headers", "twice"),
        ({"headers": {"X-A": "1\r\nSet-Cookie: a=b"}}, "respond.headers.X-A", "line breaks"),
        ({"headers": {"X-A": "x" * 4097}}, "respond.headers.X-A", "4,096 bytes"),
        ({"headers": {"X-A": "{{ data."}}, "respond.headers.X-A", ""),
        ({"headers": {f"X-{n}": "" for n in range(65)}}, "respond.headers", "at most 64"),
        ({"headers": {"Set-Cookie": "a=b"}}, "respond.headers.Set-Cookie", "server's own"),
        ({"headers": {"content-length": "1"}}, "respond.headers.content-length", "server's own"),
        ({"headers": {"Transfer-Encoding": "x"}}, "respond.headers.Transfer-Encoding", "own"),
        ({"headers": {"Connection": "close"}}, "respond.headers.Connection", "server's own"),
        ({"headers": {"Proxy-Authenticate": "x"}}, "respond.headers.Proxy-Authenticate", "own"),
        (
            {"headers": {"Content-Security-Policy": "x"}},
            "respond.headers.Content-Security-Policy",
            "server's own",
        ),
        (
            {"headers": {"Access-Control-Allow-Origin": "*"}},
            "respond.headers.Access-Control-Allow-Origin",
            "cors",
        ),
        ({"deadline": 0.05}, "respond.deadline", "0.1 to 60 seconds"),
        ({"deadline": 61}, "respond.deadline", "0.1 to 60 seconds"),
        ({"late": {"status": 307}}, "respond.late.status", "not redirected"),
        ({"late": {"status": 204, "body": "x"}}, "respond.late.body", "respond.late.status"),
        ({"late": {"headers": {"Upgrade": "x"}}}, "respond.late.headers.Upgrade", "own"),
        ({"stauts": 200}, "respond", "stauts"),
    ],
)
def test_an_answer_that_breaks_a_rule_is_named_with_the_remedy(
    fields: dict[str, Any], at: str, remedy: str
) -> None:
    error = refused(respond=fields)
    assert (error.field or "").startswith(at)
    assert remedy in error.detail


def test_an_unknown_field_names_the_nearest() -> None:
    error = refused(verfy={"preset": "github"})
    assert isinstance(error, UnknownField)
    assert "did you mean 'verify'?" in error.detail


def test_a_name_may_have_blanks_inside() -> None:
    assert parsed(name="GitHub of the shop").name == "GitHub of the shop"


def test_only_a_bin_may_go_without_a_name() -> None:
    with pytest.raises(InvalidField, match="required of all but bins"):
        parse_source({}, LIMITS)
    assert parse_source({"bin": True}, LIMITS).name is None


def test_methods_are_upper_cased() -> None:
    assert parsed(methods=["post", "Query"]).methods == ("POST", "QUERY")


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("203.0.113.7", "203.0.113.7/32"),
        ("203.0.113.0/24", "203.0.113.0/24"),
        ("2001:db8::7", "2001:db8::7/128"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("::ffff:203.0.113.7", "203.0.113.7/32"),
        ("::ffff:203.0.113.0/120", "203.0.113.0/24"),
        ("::/0", "::/0"),
    ],
)
def test_an_address_alone_is_one_host_and_a_mapped_one_is_ipv4(text: str, network: str) -> None:
    assert str(network_of(text, field="allow_ips[0]")) == network
    assert parsed(allow_ips=[text]).allow_ips == (text,)


def test_answers_may_have_templates_and_ordinary_headers() -> None:
    respond = {
        "status": 200,
        "headers": {"Content-Type": "application/json", "X-Id": "{{ data.id }}"},
        "body": '{"hello": "{{ data.name }}"}',
        "late": {"status": 202, "body": "later"},
    }
    got = parsed(respond=respond).respond
    assert isinstance(got, Respond)
    assert (got.status, got.late.body) == (200, "later")


@pytest.mark.parametrize("origin", ["*", "https://app.example", "http://[::1]:8080", "http://x"])
def test_origins_are_taken_as_browsers_send_them(origin: str) -> None:
    assert parsed(cors=[origin]).cors == (origin,)


def test_an_address_that_senders_sign_may_have_a_port_and_a_path() -> None:
    url = "https://hooks.example:8443/a/b"
    assert parsed(public_url=url).public_url == url


def test_a_bin_may_say_when_it_ends() -> None:
    end = parsed(bin=True, expires_at="2026-01-31T09:30:00Z").expires_at
    assert end == dt.datetime(2026, 1, 31, 9, 30, tzinfo=dt.UTC)


def test_secrets_are_taken_out_of_a_scheme() -> None:
    assert parts_of({"preset": "github"}) == ({"preset": "github"}, None)
    assert parts_of({"preset": "github", "secret": "a"}) == ({"preset": "github"}, ("a",))
    assert parts_of({"secrets": ["b", "a"]}) == ({}, ("b", "a"))


@pytest.mark.parametrize(
    ("verify", "at"),
    [
        ({"secret": "a", "secrets": ["b"]}, "verify.secrets"),
        ({"secret": ""}, "verify.secret"),
        ({"secret": 7}, "verify.secret"),
        ({"secret": "********"}, "verify.secret"),
        ({"secret": "x" * 16_385}, "verify.secret"),
        ({"secrets": []}, "verify.secrets"),
        ({"secrets": "a"}, "verify.secrets"),
        ({"secrets": ["a", None]}, "verify.secrets[1]"),
        ({"secrets": ["a", "a"]}, "verify.secrets"),
        ({"secrets": [f"s{n}" for n in range(9)]}, "verify.secrets"),
    ],
)
def test_what_is_no_secret_is_refused_and_not_quoted(verify: dict[str, Any], at: str) -> None:
    with pytest.raises(InvalidField) as error:
        parts_of(verify)
    assert error.value.field == at
