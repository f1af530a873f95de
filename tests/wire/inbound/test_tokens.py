"""Basic, bearer, header and query tokens."""

from __future__ import annotations

from typing import Any

import pytest

from hookferry.errors import InvalidField
from hookferry.wire.inbound.definition import compile_verification
from hookferry.wire.inbound.received import Received
from hookferry.wire.verification import Reason, VerificationFailed

from .samples import NOW, b64, request, with_header

BASIC = request({"Authorization": "Basic " + b64("Jürgen:geheim:1".encode())})
BEARER = request({"Authorization": "bearer  tok-1"})
HEADER = request({"X-Token": "tok=1"})
QUERY = request({}, url="https://hooks.example.com/x?token=a%2Bb&c=1")

CASES: list[tuple[dict[str, Any], str, Received]] = [
    ({"type": "basic"}, "Jürgen:geheim:1", BASIC),
    ({"type": "bearer"}, "tok-1", BEARER),
    ({"type": "token", "place": "header:X-Token", "prefix": "tok="}, "1", HEADER),
    ({"type": "token", "place": "header:x-token"}, "tok=1", HEADER),
    ({"type": "token", "place": "query:token"}, "a+b", QUERY),
    ({"type": "token", "place": "body:id"}, "evt_1", HEADER),
]


@pytest.mark.parametrize(("scheme", "secret", "given"), CASES, ids=lambda v: str(v)[:40])
def test_what_is_shown_has_to_be_one_of_the_secrets(
    scheme: dict[str, Any], secret: str, given: Received
) -> None:
    compile_verification(scheme, ["a:b", secret]).verify(given, NOW, {})
    for other in (secret + "1", secret[:-1] + "?", secret.upper(), secret[1:] + ":"):
        if other != secret:
            with pytest.raises(VerificationFailed) as refused:
                compile_verification(
                    scheme,
                    [other if ":" in other else other + ":"]
                    if scheme["type"] == "basic"
                    else [other],
                ).verify(given, NOW, {})
            assert refused.value.reason is Reason.MISMATCH
            assert secret not in refused.value.detail


@pytest.mark.parametrize(
    ("scheme", "value", "reason"),
    [
        ({"type": "basic"}, None, Reason.MISSING_HEADER),
        ({"type": "basic"}, b"Bearer x", Reason.BAD_ENCODING),
        ({"type": "basic"}, b"Basic !", Reason.BAD_ENCODING),
        ({"type": "basic"}, b"Basic \xff", Reason.BAD_ENCODING),
        ({"type": "basic"}, b"Basic", Reason.MISMATCH),
        ({"type": "bearer"}, b"Bearer", Reason.MISMATCH),
        ({"type": "bearer"}, b"Token x", Reason.BAD_ENCODING),
        (
            {"type": "token", "place": "header:Authorization", "prefix": "k "},
            b"x",
            Reason.BAD_ENCODING,
        ),
        ({"type": "token", "place": "query:token"}, b"x", Reason.MALFORMED),
    ],
)
def test_what_is_missing_or_in_another_form_fails_closed(
    scheme: dict[str, Any], value: bytes | None, reason: Reason
) -> None:
    given = with_header(BASIC, "Authorization", *([] if value is None else [value]))
    with pytest.raises(VerificationFailed) as refused:
        compile_verification(scheme, ["user:x"]).verify(given, NOW, {})
    assert refused.value.reason is reason


def test_a_member_given_twice_is_refused() -> None:
    given = request({}, url="https://hooks.example.com/x?token=a&token=a")
    with pytest.raises(VerificationFailed) as refused:
        compile_verification({"type": "token", "place": "query:token"}, ["a"]).verify(
            given, NOW, {}
        )
    assert refused.value.reason is Reason.MALFORMED


def test_a_basic_secret_without_a_colon_is_refused() -> None:
    with pytest.raises(InvalidField, match="user:password"):
        compile_verification({"type": "basic"}, ["password"])
