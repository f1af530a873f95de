"""Verifying each profile by its own rule: what is accepted, what is refused and why."""

import base64
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookferry import Reason, VerificationFailed, sign, verify
from hookferry.errors import InvalidField
from hookferry.wire.profiles import PROFILES
from hookferry.wire.schemes import SCHEMES
from hookferry.wire.standard_webhooks import new_secret

STANDARD = new_secret()
SECRETS = {
    "standard": STANDARD,
    "raw": STANDARD,
    "cloudevents": STANDARD,
    "superoffice": "Something Super Secret",
    "happyfox": "my-webhook-key",
    "hornbill": "admin:pass:word",
}
HEADER = {
    "superoffice": "X-SuperOffice-Signature",
    "happyfox": "X-Webhook-Signature",
    "hornbill": "Authorization",
}
BODY_SIGNED = ["superoffice", "happyfox"]
BODY = b'{"EventId":"guid-1","uuid":"uuid-1"}'


def refusal(scheme: str, headers: object, body: bytes = BODY) -> VerificationFailed:
    with pytest.raises(VerificationFailed) as refused:
        verify(scheme, SECRETS[scheme], headers, body)  # type: ignore[arg-type]
    return refused.value


def test_every_profile_has_a_scheme_of_its_name_and_its_note_names_one() -> None:
    assert set(SCHEMES) == set(PROFILES) == set(SECRETS)
    for profile in PROFILES.values():
        note = profile.signature
        if note is not None:
            headers = sign(note.scheme, SECRETS[profile.name], BODY, id="m")
            assert note.header.lower() in {name.lower() for name in headers}


@pytest.mark.parametrize("scheme", SECRETS)
def test_what_is_signed_verifies(scheme: str) -> None:
    headers = sign(scheme, SECRETS[scheme], BODY, id="msg_1")
    genuine = verify(scheme, SECRETS[scheme], headers, BODY)
    wanted = {"superoffice": "guid-1", "happyfox": "uuid-1", "hornbill": ""}
    assert genuine.id == wanted.get(scheme, "msg_1")
    assert (genuine.timestamp is None) == (scheme in wanted)


@pytest.mark.parametrize("scheme", sorted(set(SECRETS) - {"hornbill"}))
@given(body=st.binary(max_size=200), data=st.data())
def test_one_flipped_bit_of_the_body_is_a_mismatch(
    scheme: str, body: bytes, data: st.DataObject
) -> None:
    headers = sign(scheme, SECRETS[scheme], body + b"x", id="m")
    flipped = bytearray(body + b"x")
    bit = data.draw(st.integers(0, len(flipped) * 8 - 1))
    flipped[bit // 8] ^= 1 << bit % 8
    assert refusal(scheme, headers, bytes(flipped)).reason == Reason.MISMATCH


@pytest.mark.parametrize("scheme", BODY_SIGNED)
def test_every_single_character_of_the_signature_counts(scheme: str) -> None:
    [(name, value)] = sign(scheme, SECRETS[scheme], BODY, id="m").items()
    for place, character in enumerate(value):
        for other in "0aA/=, ":
            changed = value[:place] + other + value[place + 1 :]
            if other != character:
                refusal(scheme, {name: changed})
    for changed in (value[:-1], value + "A", f"{value},{value}", f" x{value}", value.upper()):
        refusal(scheme, {name: changed})


@pytest.mark.parametrize("scheme", BODY_SIGNED)
def test_either_secret_verifies_while_one_rotates_and_the_first_signs(scheme: str) -> None:
    headers = sign(scheme, ["new", "old"], BODY, id="m")
    assert headers == sign(scheme, "new", BODY, id="m")
    verify(scheme, ["old", "new"], headers, BODY)
    with pytest.raises(VerificationFailed):
        verify(scheme, "old", headers, BODY)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"\xff\x00", b"[]", b'{"EventId":5,"uuid":null}', b"{}", b"[" * 100_000),
        b'{"EventId":"\xff","uuid":"\xff"}',
    ],
)
@pytest.mark.parametrize("scheme", BODY_SIGNED)
def test_a_genuine_body_without_an_id_is_genuine_all_the_same(scheme: str, body: bytes) -> None:
    headers = sign(scheme, SECRETS[scheme], body, id="m")
    assert verify(scheme, SECRETS[scheme], headers, body).id == ""


def test_the_id_is_the_signed_bodys_and_never_a_headers() -> None:
    headers = sign("superoffice", SECRETS["superoffice"], BODY, id="m")
    headers["X-SuperOffice-EventId"] = "forged"
    assert verify("superoffice", SECRETS["superoffice"], headers, BODY).id == "guid-1"


@pytest.mark.parametrize("scheme", HEADER)
@pytest.mark.parametrize("missing", [{}, [], "blank", "other"])
def test_a_missing_header_is_named(scheme: str, missing: object) -> None:
    name = HEADER[scheme]
    given_ = {"blank": {name: "  "}, "other": {name + "2": "x"}}.get(str(missing), missing)
    refused = refusal(scheme, given_)
    assert refused.reason == Reason.MISSING_HEADER
    assert name.lower() in refused.detail


@pytest.mark.parametrize("scheme", HEADER)
def test_a_header_given_twice_is_ambiguous(scheme: str) -> None:
    [(name, value)] = sign(scheme, SECRETS[scheme], BODY, id="m").items()
    refused = refusal(scheme, [(name, value), (name.lower(), value)])
    assert refused.reason == Reason.BAD_ENCODING


@pytest.mark.parametrize("scheme", SECRETS)
@given(
    value=st.text(st.characters(exclude_categories=()), max_size=60)
    | st.sampled_from(["sha1=", "sha1=" + "g" * 40, "sha256=00", "Basic", "Basic ", "Basic ä", "="])
)
def test_no_header_makes_it_raise_anything_but_a_failed_verification(
    scheme: str, value: str
) -> None:
    headers = dict.fromkeys(sign(scheme, SECRETS[scheme], BODY, id="m"), value)
    refused = refusal(scheme, headers)
    assert refused.reason in (Reason.BAD_ENCODING, Reason.MISSING_HEADER, Reason.MISMATCH)
    assert SECRETS[scheme] not in refused.detail


def test_basic_credentials_are_user_and_password_the_first_colon_between_them() -> None:
    headers = sign("hornbill", "admin:pass:word", b"", id="m")
    assert headers == {"Authorization": "Basic YWRtaW46cGFzczp3b3Jk"}
    verify("hornbill", "admin:pass:word", {"authorization": "bASIC  YWRtaW46cGFzczp3b3Jk"}, b"any")
    for secret in ("ä:€", ":", "user:" + "x" * 4096):
        verify("hornbill", secret, sign("hornbill", secret, b"", id="m"), b"")
    for pair in ("admin:pass:worD", "admin:", ":", "admin:pass:word:"):
        encoded = base64.b64encode(pair.encode()).decode()
        assert refusal("hornbill", {"Authorization": f"Basic {encoded}"}).reason == "mismatch"
    for value in (
        "Bearer YWRtaW46cGFzczp3b3Jk",
        "Basic !",
        "Basic YWRtaW4=",
        "YWRtaW46cGFzczp3b3Jk",
    ):
        assert refusal("hornbill", {"Authorization": value}).reason == "bad_encoding"


@pytest.mark.parametrize(
    ("scheme", "secret"),
    [
        ("superoffice", "x" * 257),
        ("superoffice", "\udc80"),
        ("happyfox", "x" * 257),
        ("hornbill", "no-colon"),
        ("hornbill", "a:\udc80"),
        ("cloudevents", "plain"),
    ],
)
@pytest.mark.parametrize(
    "use",
    [
        lambda scheme, secret: sign(scheme, secret, b"", id="m"),
        lambda scheme, secret: verify(scheme, secret, {}, b""),
    ],
)
def test_a_secret_that_is_none_of_the_schemes_is_the_callers_mistake(
    scheme: str, secret: str, use: Callable[[str, str], object]
) -> None:
    with pytest.raises(InvalidField) as refused:
        use(scheme, secret)
    assert refused.value.field == "secret"
    assert secret not in refused.value.detail
