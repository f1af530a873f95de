"""Caught events on their way out: bodies, headers and hops of the requests made for them."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookferry.domain.event import Event, EventMeta
from hookferry.domain.request import Caught, CaughtRequest, Verdict
from hookferry.domain.tenant import Tenant
from hookferry.domain.webhook import Webhook
from hookferry.engine import dispatch
from hookferry.engine.definition import DefinitionLimits, parse_definition
from hookferry.engine.dispatch import Carrier, Plan, PreparedSecret
from hookferry.engine.forwarding import MAX_FATES
from hookferry.engine.intake import Answer, Receipt
from hookferry.engine.log_view import SentRequests
from hookferry.engine.matching import MAX_HOPS
from hookferry.errors import InvalidField
from hookferry.transport.target import parse_target
from hookferry.wire import standard_webhooks
from hookferry.wire.bodies import form_of
from hookferry.wire.hops import hops_in
from hookferry.wire.profiles import PROFILES, profile_named

from .kit import SECRET, TENANT, Rig

Headers = tuple[tuple[bytes, bytes], ...]
JSON = (b"Content-Type", b"application/json")
AT_MS = 1_769_851_800_000


def lines_of(head: bytes) -> list[tuple[bytes, bytes]]:
    """Return the headers of a request's head, as a receiver would split them."""
    first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    assert first == b"POST /in HTTP/1.1"
    return [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]


def values(head: bytes, name: bytes) -> list[bytes]:
    return [value for known, value in lines_of(head) if known.lower() == name.lower()]


def plan_of(profile: str = "raw", authorization: Any = None, **fields: Any) -> Plan:
    kind = profile_named(profile)
    webhook = Webhook(
        id=9,
        tenant_id=1,
        number=3,
        name="crm",
        target_url="https://crm.example/in",
        events=("*",),
        profile=profile,
        payload_format=fields.pop("payload_format", kind.formats[0]),
        **fields,
    )
    target, path = parse_target(webhook.target_url)
    keys = (
        ()
        if profile == "hornbill"
        else (PreparedSecret(kind.prepare_secret(SECRET.decode()), None),)
    )
    rendering = kind.rendering(webhook, Tenant(id=1, name="default"), "https://hooks.example")
    return Plan(webhook, kind, rendering, target, path, 15.0, keys, authorization)


def caught_event(
    headers: Headers = (JSON,), body: bytes = b'{"a":1}', *, form: str | None = None, **meta: Any
) -> Event:
    by_name = {name.lower(): value for name, value in headers}
    form = form or form_of(by_name.get(b"content-type"), body, by_name.get(b"content-encoding"))
    caught = Caught(request_id=5, source_id=6, form=form, headers=headers)
    return Event(7, 1, "github.push", body, AT_MS, meta=EventMeta(caught=caught, **meta))


def rendered(plan: Plan, event: Event) -> tuple[bytes, bytes, bytes]:
    return plan.render(Carrier(event), AT_MS, 1)


def sent_head(came: Headers, *names: str, profile: str = "raw", **fields: Any) -> bytes:
    plan = plan_of(profile, forward_headers=names, **fields)
    return rendered(plan, caught_event((JSON, *came)))[0]


# --------------------------------------------------------------------------- bodies

BODIES = [
    (b"application/x-www-form-urlencoded", b"a=1&b=%FF", b'{"a":"1","b":"\xef\xbf\xbd"}'),
    (b"text/xml", b"<a b='1'>x</a>", b'{"a":{"@b":"1","#text":"x"}}'),
    (b"text/plain; charset=latin-1", b"\xe9", '"é"'.encode()),
    (b"image/png", b"\x00\xff", b'{"base64":"AP8="}'),
    (b"application/json", b'{ "n" : 1.00 }', b'{ "n" : 1.00 }'),
]


@pytest.mark.parametrize(("content_type", "body", "data"), BODIES)
def test_every_profile_but_raw_sends_what_the_body_says_as_json(
    content_type: bytes, body: bytes, data: bytes
) -> None:
    event = caught_event(((b"content-type", content_type),), body)
    for name in sorted(PROFILES):
        for payload_format in PROFILES[name].formats:
            plan = plan_of(name, payload_format=payload_format)
            head, _, out = rendered(plan, event)
            (said,) = values(head, b"Content-Type")
            if name == "raw":
                assert (out, said) == (body, content_type)
                continue
            assert said.decode() == plan.rendering.content_type
            if said.startswith(b"application/xml"):
                continue
            msgspec.json.decode(out)
            if name != "hornbill":  # which leaves nulls out of the record, and so writes it anew
                assert data in out


def test_raw_sends_the_bytes_with_their_type_and_coding() -> None:
    body = gzip.compress(b'{"a":1}', mtime=0)
    headers = (JSON, (b"Content-Encoding", b"gzip"), (b"x-other", b"1"))
    head, logged, out = rendered(plan_of(), caught_event(headers, body))
    assert out == body
    assert values(head, b"Content-Type") == [b"application/json"]
    assert values(head, b"Content-Encoding") == [b"gzip"]
    assert values(head, b"Content-Length") == [b"%d" % len(body)]
    assert values(head, b"x-other") == []
    assert logged == head


def test_raw_gives_no_type_to_a_body_that_came_without_one() -> None:
    head, _, out = rendered(plan_of(), caught_event((), b"\x00"))
    assert (out, values(head, b"Content-Type")) == (b"\x00", [])


def test_what_is_not_the_original_body_has_none_of_its_coding() -> None:
    body = gzip.compress(b'{"a":1}')
    headers = (JSON, (b"Content-Encoding", b"gzip"), (b"Content-MD5", b"x"), (b"Digest", b"y"))
    event = caught_event(headers, body)
    head, _, out = rendered(plan_of("standard", forward_headers=("*", "Content-MD5")), event)
    assert b'"data":{"a":1}' in out
    assert [n for n, _ in lines_of(head) if n.startswith((b"Content-", b"Digest"))] == [
        b"Content-Type",
        b"Content-Length",
    ]
    head, _, _ = rendered(plan_of(forward_headers=("*",)), event)
    assert values(head, b"Content-MD5") == [b"x"]
    assert values(head, b"Digest") == [b"y"]


def test_a_caught_body_is_read_once_for_all_webhooks(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Event] = []
    read = dispatch.as_data
    monkeypatch.setattr(dispatch, "as_data", lambda event: reads.append(event) or read(event))
    carrier = Carrier(caught_event(((b"Content-Type", b"text/plain"),), b"hello"))
    for name in ("standard", "hornbill", "happyfox", "raw", "superoffice"):
        plan_of(name).render(carrier, AT_MS, 1)
    assert len(reads) == 1


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_a_published_event_is_sent_as_if_nothing_were_ever_caught(profile: str) -> None:
    published = Event(7, 1, "github.push", b'{"a":1}', AT_MS, meta=EventMeta(hops=3))
    plain, forwarding = plan_of(profile), plan_of(profile, forward_headers=("*",))
    assert rendered(plain, published) == rendered(forwarding, published)
    head, _, _ = rendered(plain, published)
    assert values(head, b"Hookferry-Hops") == []
    assert len(values(head, b"Content-Type")) == 1


# --------------------------------------------------------------------------- headers


def test_no_header_is_forwarded_that_was_not_asked_for() -> None:
    head = sent_head(((b"X-GitHub-Event", b"push"),), profile="standard")
    assert values(head, b"X-GitHub-Event") == []


def test_named_headers_go_in_their_order_with_repeats_and_their_own_case() -> None:
    headers = (
        (b"X-B", b"1"),
        (b"x-a", b"\xe9\t \xff"),
        (b"X-Not", b"no"),
        (b"X-b", b""),
        (b"X-B", b"2"),
    )
    for profile in PROFILES:
        head = sent_head(headers, "x-b", "X-A", profile=profile)
        assert [pair for pair in lines_of(head) if pair[0].lower() in (b"x-a", b"x-b")] == [
            (b"X-B", b"1"),
            (b"x-a", b"\xe9\t \xff"),
            (b"X-b", b""),
            (b"X-B", b"2"),
        ]
        assert values(head, b"X-Not") == []


def test_a_star_forwards_all_but_what_authenticates() -> None:
    secret = ((b"Authorization", b"Bearer x"), (b"COOKIE", b"a=b"), (b"X-Gitlab-Token", b"y"))
    headers = (
        (b"X-Hub-Signature-256", b"sha256=00"),
        (b"User-Agent", b"GitHub-Hookshot/1"),
        *secret,
    )
    head = sent_head(headers, "*")
    assert values(head, b"X-Hub-Signature-256") == [b"sha256=00"]
    assert values(head, b"User-Agent") == [b"GitHub-Hookshot/1"]
    for name, _ in secret:
        assert values(head, name) == []
    head = sent_head(headers, "*", "authorization", "Cookie", "X-Gitlab-Token")
    for name, value in secret:
        assert values(head, name) == [value]


def test_headers_of_one_connection_end_at_it() -> None:
    ends = (
        *[
            b"Host",
            b"Connection",
            b"Keep-Alive",
            b"Transfer-Encoding",
            b"TE",
            b"Trailer",
            b"Upgrade",
        ],
        *[b"Proxy-Authorization", b"Proxy-Connection", b"Expect", b"HTTP2-Settings"],
        *[b"Accept-Encoding"],
    )
    headers = (
        *[(name, b"caught") for name in ends],
        (b"Content-Length", b"999"),
        (b"connection", b"close, X-Hop , x-second"),
        (b"X-Hop", b"caught"),
        (b"X-Second", b"caught"),
        (b"X-End", b"to end"),
    )
    head = sent_head(headers, "*", "X-Hop")
    assert b"caught" not in head
    assert values(head, b"Content-Length") == [b"7"]
    assert values(head, b"X-End") == [b"to end"]


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_nothing_that_came_passes_for_what_the_profile_writes(profile: str) -> None:
    own = profile_named(profile).own_headers
    headers = tuple((name.title().encode() + b"x" * name.endswith("-"), b"forged") for name in own)
    head = sent_head(headers, "*", profile=profile)
    assert b"forged" not in head


def test_the_webhooks_own_headers_and_credential_win() -> None:
    headers = ((b"x-own", b"caught"), (b"Authorization", b"caught"), (b"User-Agent", b"caught"))
    head = sent_head(
        headers,
        "*",
        "Authorization",
        headers={"X-Own": "mine", "user-agent": "me"},
        authorization=("Authorization", "Bearer mine"),
    )
    assert b"caught" not in head
    assert values(head, b"X-Own") == [b"mine"]
    assert values(head, b"User-Agent") == [b"me"]
    assert values(head, b"Authorization") == [b"Bearer mine"]


def test_a_profile_that_has_its_own_user_agent_keeps_it() -> None:
    head = sent_head(((b"User-Agent", b"caught"),), "*", profile="superoffice")
    assert values(head, b"User-Agent") == [profile_named("superoffice").user_agent.encode()]


def test_defaults_stand_where_nothing_was_forwarded_in_their_place() -> None:
    head = sent_head((), "*")
    assert values(head, b"Accept") == [b"*/*"]
    assert values(head, b"User-Agent")[0].startswith(b"hookferry/")
    assert values(sent_head(((b"accept", b"text/html"),), "*"), b"Accept") == [b"text/html"]


def test_a_forwarded_credential_is_masked_in_the_log() -> None:
    plan = plan_of(forward_headers=("Authorization", "X-Plain"))
    headers = (JSON, (b"authorization", b"Bearer s3cret"), (b"X-Plain", b"seen"))
    head, logged, _ = rendered(plan, caught_event(headers))
    assert values(head, b"authorization") == [b"Bearer s3cret"]
    assert values(logged, b"authorization") == [b"********"]
    assert values(logged, b"X-Plain") == [b"seen"]
    assert len(lines_of(logged)) == len(lines_of(head))


def test_a_value_can_not_begin_another_header() -> None:
    headers = (
        (b"X-Value", b"1\r\nX-Evil: 2"),
        (b"X-Name: 1\r\nX-Evil", b"2"),
        (b"X-Feed", b"1\nX-Evil: 2"),
        (b"X-Nul", b"1\0"),
        (b"X-Good", b"1"),
    )
    head = sent_head(headers, "*")
    assert b"Evil" not in head
    assert b"\0" not in head
    assert values(head, b"X-Good") == [b"1"]


def test_a_trace_of_the_events_own_takes_the_place_of_the_one_that_came() -> None:
    came = b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01"
    headers = (JSON, (b"traceparent", came), (b"tracestate", b"a=b"))
    plan = plan_of(forward_headers=("*",))
    own = "00-" + "3" * 32 + "-" + "4" * 16 + "-01"
    head, _, _ = rendered(plan, caught_event(headers, traceparent=own))
    assert values(head, b"traceparent") == [own.encode()]
    assert values(head, b"tracestate") == []
    head, _, _ = rendered(plan, caught_event(headers))
    assert values(head, b"traceparent") == [came]


def test_what_becomes_of_a_name_is_remembered_to_a_limit() -> None:
    plan = plan_of(forward_headers=("*",))
    for number in range(3 * MAX_FATES):
        headers = ((b"X-%d" % number, b"v"), (b"Cookie", b"c"))
        head, _, _ = rendered(plan, caught_event(headers))
        assert values(head, b"X-%d" % number) == [b"v"]
        assert values(head, b"Cookie") == []
    assert len(plan._forwarding._fates) <= MAX_FATES


NAMES = st.text("abcXYZ019!#$%&'*+.^_`|~-", min_size=1, max_size=12).map(str.encode)
VALUES = st.binary(max_size=20).map(lambda v: v.translate(None, b"\r\n\0").strip(b" \t"))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(NAMES, VALUES), max_size=10), st.binary(max_size=40))
def test_whatever_headers_came_are_forwarded_as_they_came(
    came: list[tuple[bytes, bytes]], body: bytes
) -> None:
    headers = tuple((b"X-" + name, value) for name, value in came)
    head, _, out = rendered(
        plan_of(forward_headers=("*", *{name.decode().lower() for name, _ in headers})),
        caught_event(headers, body),
    )
    assert out == body
    assert [pair for pair in lines_of(head) if pair[0].startswith(b"X-")] == list(headers)


# --------------------------------------------------------------------------- hops


def test_each_request_for_a_caught_event_says_how_many_hops_it_has_behind_it() -> None:
    for profile in PROFILES:
        head, _, _ = rendered(plan_of(profile), caught_event(hops=0))
        assert values(head, b"Hookferry-Hops") == [b"1"]
    head, _, _ = rendered(plan_of(), caught_event(hops=998))
    assert values(head, b"Hookferry-Hops") == [b"999"]
    head, _, _ = rendered(plan_of(), caught_event(hops=5_000))
    assert hops_in(lines_of(head)) == 999


def test_the_hops_that_came_are_never_passed_on() -> None:
    plan = plan_of(forward_headers=("*",))
    event = caught_event((JSON, (b"hookferry-hops", b"0")), hops=2)
    assert values(rendered(plan, event)[0], b"Hookferry-Hops") == [b"3"]


@pytest.mark.parametrize(
    ("came", "hops"),
    [
        ([], 0),
        ([b"3"], 3),
        ([b"0", b"12", b"4"], 12),
        ([b"999"], 999),
        *[([v], 0) for v in (b"", b"1000", b"-1", b"+1", b" 1", b"1.5", b"1, 2", b"\xb2", b"a")],
    ],
)
def test_hops_are_read_strictly_and_the_largest_counts(came: list[bytes], hops: int) -> None:
    headers = [(b"x", b"7"), *((b"HookFerry-Hops", value) for value in came)]
    assert hops_in(headers) == hops


# --------------------------------------------------------------------------- saving


def definition(**fields: Any) -> Any:
    document = {"name": "crm", "target_url": "https://crm.example/", "events": ["*"], **fields}
    return parse_definition(document, DefinitionLimits(headers=3))


@pytest.mark.parametrize("names", [[], ["*"], ["X-GitHub-Event", "*", "Authorization"]])
def test_names_and_the_star_are_saved_as_written(names: list[str]) -> None:
    assert definition(forward_headers=names).forward_headers == tuple(names)


@pytest.mark.parametrize(
    ("fields", "field", "says"),
    [
        ({"forward_headers": ["a", "b", "c", "d"]}, "forward_headers", "at most 3"),
        ({"forward_headers": ["X-A", "x-a"]}, "forward_headers[1]", "twice"),
        ({"forward_headers": ["*", "*"]}, "forward_headers[1]", "twice"),
        ({"forward_headers": ["X A"]}, "forward_headers[0]", "not a header name"),
        ({"forward_headers": ["X"], "headers": {"x": "1"}}, "forward_headers[0]", "in headers too"),
        ({"forward_headers": ["Host"]}, "forward_headers[0]", "never forwarded"),
        ({"forward_headers": ["x", "Proxy-Foo"]}, "forward_headers[1]", "never forwarded"),
        (
            {"forward_headers": ["x", "Proxy-Authorization"]},
            "forward_headers[1]",
            "never forwarded",
        ),
        ({"forward_headers": ["Hookferry-Hops"]}, "forward_headers[0]", "never forwarded"),
        ({"forward_headers": ["content-type"]}, "forward_headers[0]", "as it came"),
        ({"forward_headers": ["Webhook-Id"]}, "forward_headers[0]", "profile"),
        (
            {"forward_headers": ["X-SuperOffice-Event"], "profile": "superoffice"},
            "forward_headers[0]",
            "profile",
        ),
    ],
)
def test_names_that_can_not_be_forwarded_are_refused_when_saved(
    fields: dict[str, Any], field: str, says: str
) -> None:
    with pytest.raises(InvalidField, match=says) as refused:
        definition(**fields)
    assert refused.value.field == field


# --------------------------------------------------------------------------- in the engine


async def caught_by(rig: Rig, headers: Headers, body: bytes, **meta: Any) -> Answer:
    """Have the intake take a request as the pipeline hands it over."""
    event = caught_event(headers, body, **meta)
    assert event.meta.caught is not None
    request = CaughtRequest(
        id=rig.engine.ids.next(),
        tenant_id=TENANT,
        source_id=6,
        received_at_ms=rig.clock.wall_ms(),
        verdict=Verdict.ACCEPTED,
        method="POST",
        path=b"",
        query=b"",
        headers=headers,
        body=body,
        client="192.0.2.1",
        event_id=rig.engine.ids.next(),
    )
    told: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    rig.engine.intake.catch(
        rig.tenant, event.type, body, event.meta, request, (), told.set_result, waits=False
    )
    return await told


async def catch(rig: Rig, headers: Headers, body: bytes) -> Receipt:
    receipt = await caught_by(rig, headers, body)
    assert isinstance(receipt, Receipt)
    return receipt


async def test_a_caught_request_is_forwarded_byte_for_byte_and_signed_as_sent(rig: Rig) -> None:
    await rig.webhook(profile="raw", forward_headers=("X-Hub-Signature-256",))
    body = b"payload=%7B%7D&\x00\xff"
    headers = (
        (b"Content-Type", b"application/x-www-form-urlencoded"),
        (b"X-Hub-Signature-256", b"sha256=\xe9"),
    )
    receipt = await catch(rig, headers, body)
    assert receipt.deliveries == 1
    await rig.quiet()
    (sent,) = rig.sent["crm"]
    assert sent.body == body
    for name, value in headers:
        assert values(sent.head, name) == [value]
    standard_webhooks.verify(
        [standard_webhooks.parse_signing_key(SECRET.decode())],
        {name.decode(): value.decode("latin-1") for name, value in lines_of(sent.head)},
        sent.body,
        now=int(rig.clock.wall_ms() / 1000),
    )
    requests = SentRequests(rig.store, rig.engine.directory, rig.engine.planner)
    delivery = await rig.delivery()
    (attempt,) = await rig.attempts(delivery)
    shown = (await requests.of(delivery, [attempt]))[attempt.id]
    assert (shown.body, shown.missing) == (body, None)
    assert shown.content_type == "application/x-www-form-urlencoded"


async def test_a_condition_sees_what_the_body_says(rig: Rig) -> None:
    condition = {"path": "data.ref", "op": "equals", "value": "main"}
    await rig.webhook(condition=condition)
    form = ((b"Content-Type", b"application/x-www-form-urlencoded"),)
    assert (await catch(rig, form, b"ref=main")).deliveries == 1
    assert (await catch(rig, form, b"ref=other")).deliveries == 0


async def test_hops_that_a_caller_claims_pass_no_catalogue_by(rig: Rig) -> None:
    await rig.change_tenant(strict_types=True)
    for hops in (0, 1):
        told = await caught_by(rig, (JSON,), b"{}", hops=hops)
        assert isinstance(told, InvalidField)
        assert "registered" in told.detail


async def test_a_request_that_went_round_too_often_is_kept_and_sent_to_nobody(rig: Rig) -> None:
    await rig.webhook()
    for hops, deliveries in ((MAX_HOPS, 1), (MAX_HOPS + 1, 0)):
        told = await caught_by(rig, (JSON,), b"{}", hops=hops)
        assert isinstance(told, Receipt)
        assert told.deliveries == deliveries
    assert await rig.event_states() == ["matched", "unmatched"]
