"""RFC 9421: which signatures count, and what they have to cover."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pytest

from hookferry.wire.inbound.definition import compile_verification
from hookferry.wire.inbound.reading import MAX_FORM_FIELDS
from hookferry.wire.inbound.received import Received
from hookferry.wire.inbound.structured_fields import (
    InnerList,
    NotStructured,
    parse_dictionary,
    serialize_inner_list,
)
from hookferry.wire.verification import Reason, VerificationFailed, Verified

from .samples import BODY, NOW, TEXT, URL, b64, mac, request, with_header

DIGEST = f"sha-256=:{b64(hashlib.sha256(BODY).digest())}:"
SCHEME = {"type": "http_signature", "algorithm": "hmac-sha256"}


def signed(
    components: dict[str, str],
    parameters: str = f";created={NOW}",
    *,
    label: str = "sig1",
    digest: str = DIGEST,
    url: str = URL,
    headers: dict[str, str] | None = None,
) -> Received:
    """A request signed over components, which are given with their values."""
    inner = f"({' '.join(components)}){parameters}"
    lines = [f"{name}: {value}" for name, value in components.items()]
    base = "\n".join([*lines, f'"@signature-params": {inner}'])
    return request(
        {
            "Content-Digest": digest,
            "Signature-Input": f"{label}={inner}",
            "Signature": f"{label}=:{b64(mac(base.encode()))}:",
            **(headers or {}),
        },
        url=url,
    )


def verify(given: Received, now: float = NOW, **scheme: Any) -> Verified:
    return compile_verification({**SCHEME, **scheme}, [TEXT]).verify(given, now, {})


def refusal(given: Received, now: float = NOW, **scheme: Any) -> Reason:
    with pytest.raises(VerificationFailed) as refused:
        verify(given, now, **scheme)
    return refused.value.reason


BODY_ONLY = {'"content-digest"': DIGEST}


@pytest.mark.parametrize(
    ("identifier", "value", "url"),
    [
        ('"@method"', "POST", URL),
        ('"@target-uri"', URL, URL),
        ('"@authority"', "hooks.example.com", URL),
        ('"@authority"', "hooks.example.com", "https://Hooks.Example.COM:443/"),
        ('"@authority"', "hooks.example.com:8443", "https://hooks.example.com:8443/"),
        ('"@authority"', "[::1]", "http://[::1]:80/"),
        ('"@scheme"', "https", URL),
        ('"@path"', "/webhooks/0123", URL),
        ('"@path"', "/", "https://hooks.example.com"),
        ('"@query"', "?a=1&b=%2F", URL),
        ('"@query"', "?", "https://hooks.example.com/x"),
        ('"@request-target"', "/webhooks/0123?a=1&b=%2F", URL),
        ('"@query-param";name="b"', "%2F", URL),
        ('"@query-param";name="a%20b"', "%C3%BC%20%7E*", "https://h.example/?a+b=%c3%bc+%7e*"),
        ('"user-agent"', "sender/1", URL),
        ('"x-two"', "a, b", URL),
    ],
)
def test_every_component_of_a_request_can_be_covered(identifier: str, value: str, url: str) -> None:
    given = signed({**BODY_ONLY, identifier: value}, url=url)
    given = with_header(given, "x-two", b" a ", b"b\t")
    verify(given)
    other = signed({**BODY_ONLY, identifier: value + "x"}, url=url)
    assert refusal(with_header(other, "x-two", b"a", b"b")) is Reason.MISMATCH


@pytest.mark.parametrize(
    ("identifier", "reason"),
    [
        ('"@status"', Reason.BAD_ENCODING),
        ('"@nonsense"', Reason.BAD_ENCODING),
        ('"X-Upper"', Reason.BAD_ENCODING),
        ('"user-agent";sf', Reason.BAD_ENCODING),
        ('"user-agent";bs', Reason.BAD_ENCODING),
        ('"@query-param"', Reason.BAD_ENCODING),
        ('"@query-param";name="none"', Reason.BAD_ENCODING),
        ('"@query-param";name="twice"', Reason.BAD_ENCODING),
        ('"not-there"', Reason.MISSING_HEADER),
        ("17", Reason.BAD_ENCODING),
        ("user-agent", Reason.BAD_ENCODING),
        ('"content-digest"', Reason.BAD_ENCODING),
    ],
)
def test_a_component_that_is_not_supported_or_not_there_fails_closed(
    identifier: str, reason: Reason
) -> None:
    inner = f'("content-digest" {identifier});created={NOW}'
    given = request(
        {"Content-Digest": DIGEST, "Signature-Input": f"s={inner}", "Signature": "s=:AAAA:"},
        url="https://hooks.example.com/?twice=1&twice=2",
    )
    assert refusal(given) is reason


def test_a_query_of_very_many_members_fails_closed() -> None:
    url = "https://hooks.example.com/?a=1" + "&b=1" * MAX_FORM_FIELDS
    given = signed({**BODY_ONLY, '"@query-param";name="a"': "1"}, url=url)
    assert refusal(given) is Reason.BAD_ENCODING


def test_the_body_is_compared_with_every_digest_that_is_known() -> None:
    wrong = f"sha-512=:{b64(bytes(64))}:"
    right = f"sha-512=:{b64(hashlib.sha512(BODY).digest())}:"
    for digest in (DIGEST, right, f"{DIGEST}, {right}", f"md5=:AAAA:, {DIGEST}"):
        verify(signed({'"content-digest"': digest}, digest=digest))
    for digest in (f"{DIGEST}, {wrong}", "md5=:AAAA:", "sha-256=1", "sha-256", "sha-256=(:AAAA:)"):
        given = signed({'"content-digest"': digest}, digest=digest)
        assert refusal(given) is Reason.DIGEST_MISMATCH
    changed = msgspec.structs.replace(signed(BODY_ONLY), body=BODY + b" ")
    assert refusal(changed) is Reason.DIGEST_MISMATCH


def test_a_signature_that_leaves_out_what_has_to_be_covered_does_not_count() -> None:
    assert refusal(signed({'"@method"': "POST"})) is Reason.DIGEST_MISMATCH
    assert refusal(signed({})) is Reason.DIGEST_MISMATCH
    both = signed({**BODY_ONLY, '"@method"': "POST"})
    verify(both, covered=["@method"])
    assert refusal(both, covered=["@method", "@path"]) is Reason.MISSING_HEADER


@pytest.mark.parametrize(
    ("parameters", "now", "reason"),
    [
        (f";created={NOW}", NOW + 300, None),
        (f";created={NOW}", NOW + 301, Reason.STALE),
        (f";created={NOW}", NOW - 301, Reason.FUTURE),
        (f";created={NOW};expires={NOW + 10}", NOW + 10, None),
        (f";created={NOW};expires={NOW + 10}", NOW + 11, Reason.STALE),
        ("", NOW, Reason.STALE),
        (';created="now"', NOW, Reason.BAD_ENCODING),
        (";created", NOW, Reason.BAD_ENCODING),
        (";created=-1", NOW, Reason.BAD_ENCODING),
        (f';created={NOW};alg="hmac-sha256"', NOW, None),
        (f';created={NOW};alg="ed25519"', NOW, Reason.BAD_ENCODING),
    ],
)
def test_parameters_are_judged(parameters: str, now: float, reason: Reason | None) -> None:
    given = signed(BODY_ONLY, parameters)
    if reason is None:
        verify(given, now)
    else:
        assert refusal(given, now) is reason


def test_any_age_is_taken_where_the_source_says_so() -> None:
    verify(signed(BODY_ONLY, ""), NOW + 10**8, tolerance=None)
    verify(signed(BODY_ONLY, f";created={NOW};expires=1"), NOW + 10**8, tolerance=None)


def test_keyid_and_tag_may_be_asked_for_and_the_nonce_is_the_messages_id() -> None:
    given = signed(BODY_ONLY, f';created={NOW};keyid="k1";tag="app";nonce="n-1"')
    assert verify(given, keyid="k1", tag="app") == Verified(id="n-1", timestamp=NOW)
    assert refusal(given, keyid="k2") is Reason.BAD_ENCODING
    assert refusal(given, tag="other") is Reason.BAD_ENCODING


def test_one_good_signature_among_several_is_enough_and_several_are_few() -> None:
    good = signed(BODY_ONLY)
    [described], [value] = good.values(b"signature-input"), good.values(b"signature")

    def among(count: int) -> Received:
        others = [f's{n}=("content-digest");created={NOW}' for n in range(count)]
        proofs = [f"s{n}=:AAAA:" for n in range(count)]
        given = with_header(
            good, "Signature-Input", ", ".join([*others, described.decode()]).encode()
        )
        return with_header(given, "Signature", ", ".join([*proofs, value.decode()]).encode())

    verify(among(7))
    assert refusal(among(8)) is Reason.BAD_ENCODING


@pytest.mark.parametrize(
    ("described", "value"),
    [
        (b"sig1=()", b"sig2=:AAAA:"),
        (b'sig1=("content-digest")', b'sig1="text"'),
        (b'sig1="content-digest"', b"sig1=:AAAA:"),
        (b"sig1", b"sig1=:AAAA:"),
        (b"sig1=(", b"sig1=:AAAA:"),
        (b"\xff", b"sig1=:AAAA:"),
        (b'sig1=("content-digest")', b"sig1=:A:"),
    ],
)
def test_headers_that_are_no_signatures_are_bad_encoding(described: bytes, value: bytes) -> None:
    given = with_header(signed(BODY_ONLY), "Signature-Input", described)
    assert refusal(with_header(given, "Signature", value)) is Reason.BAD_ENCODING


@pytest.mark.parametrize(
    "text",
    [
        '("a" "b";x;y=1);created=5;s="q\\"\\\\";t=tok/en:*;b=:AAE=:;n=-1.5;f=?0',
        "()",
        "( )",
        '("a"   "b" )',
    ],
)
def test_an_inner_list_is_written_as_it_was_read_in_its_canonical_form(text: str) -> None:
    [inner] = parse_dictionary(f"k={text}".encode()).values()
    assert isinstance(inner, InnerList)
    canonical = serialize_inner_list(inner)
    assert canonical == " ".join(text.split()).replace("( )", "()").replace(" )", ")")
    [again] = parse_dictionary(f"k={canonical}".encode()).values()
    assert again == inner


@pytest.mark.parametrize(
    "text",
    [
        *("a=1,", "a=1,,b=2", "a=1 b=2", "a=1;", "a=1;b=", "A=1", "=1", "a=", 'a="x', "a=:x"),
        *("a=:AAA:", "a=?2", "a=1.2345", "a=1234567890123456", "a=(1", "a=(1,2)", "a=((1))"),
        *('a=("b""c")', "a=1, a=2", "a=1;x;x", 'a="\t"', 'a="\\n"', "a=ü", "a=--1", "a=1.", "a=(1"),
        ",".join(f"k{n}" for n in range(65)),
        "a=(" + " ".join(["1"] * 65) + ")",
        "a=1" + "".join(f";p{n}" for n in range(65)),
    ],
)
def test_what_is_no_dictionary_is_refused(text: str) -> None:
    with pytest.raises(NotStructured):
        parse_dictionary(text.encode())


def test_an_explanation_shows_the_signature_base_of_each_label() -> None:
    explained = compile_verification(SCHEME, [TEXT]).explain(signed(BODY_ONLY), NOW, {})
    [trial] = explained.trials
    assert trial.matches
    assert trial.note == "labelled sig1"
    assert trial.signed.startswith(f'"content-digest": {DIGEST}\n"@signature-params": '.encode())
    assert trial.given[0].startswith(":")
