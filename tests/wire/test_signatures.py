"""sign and verify: vectors, any bytes, any flipped byte, and the reason for each refusal."""

import subprocess
import sys
from email.message import Message

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vectors import V1, V2, V3, Vector

import hookferry
from hookferry import Reason, VerificationFailed, sign, verify
from hookferry.errors import HookferryError, InvalidField
from hookferry.wire import standard_webhooks as sw

NOW = 1_700_000_000
HMAC = V1.secret
OTHER = V2.secret
KEYS = st.sampled_from([(V1.secret, V1.secret), (V3.secret, V3.public)])


def refusal(*args: object, **kwargs: object) -> VerificationFailed:
    """Verify, and return why it failed."""
    with pytest.raises(VerificationFailed) as refused:
        verify(*args, **kwargs)  # type: ignore[arg-type]
    assert refused.value.extra["reason"] == refused.value.reason
    return refused.value


@pytest.mark.parametrize("vector", [V1, V2, V3])
def test_the_public_vectors_hold_both_ways(vector: Vector) -> None:
    assert (
        sign("standard", vector.secret, vector.body, id=vector.id, timestamp=vector.timestamp)
        == vector.headers
    )
    for secret in filter(None, (vector.secret, vector.public)):
        genuine = verify("standard", secret, vector.headers, vector.body, now=vector.timestamp)
        assert (genuine.id, genuine.timestamp) == (vector.id, vector.timestamp)


@given(body=st.binary(max_size=2000), keys=KEYS)
def test_what_is_signed_verifies_whatever_the_bytes(body: bytes, keys: tuple[str, str]) -> None:
    headers = sign("standard", keys[0], body, id="msg_1", timestamp=NOW)
    verify("standard", keys[1], headers, body, now=NOW)


@given(body=st.binary(min_size=1, max_size=300), keys=KEYS, data=st.data())
def test_one_flipped_bit_anywhere_in_the_body_fails(
    body: bytes, keys: tuple[str, str], data: st.DataObject
) -> None:
    headers = sign("standard", keys[0], body, id="msg_1", timestamp=NOW)
    bit = data.draw(st.integers(0, len(body) * 8 - 1))
    flipped = bytearray(body)
    flipped[bit // 8] ^= 1 << bit % 8
    assert refusal("standard", keys[1], headers, bytes(flipped), now=NOW).reason == "mismatch"


@pytest.mark.parametrize("keys", [(V1.secret, V1.secret), (V3.secret, V3.public)])
def test_every_single_character_of_every_signed_header_counts(keys: tuple[str, str]) -> None:
    headers = sign("standard", keys[0], b"{}", id="msg_1", timestamp=NOW)
    tried = 0
    for name, value in headers.items():
        for place, character in enumerate(value):
            for other in "0A/=,. ":
                changed = {**headers, name: value[:place] + other + value[place + 1 :]}
                if other == character or changed[name].strip(" ") == value:
                    continue
                refusal("standard", keys[1], changed, b"{}", now=NOW, tolerance=None)
                tried += 1
    assert tried > 300


def test_the_parts_signed_can_not_be_pushed_into_one_another() -> None:
    headers = sign("standard", HMAC, b"34.{}", id="msg_1", timestamp=12)
    shifted = {**headers, "webhook-timestamp": "1234"}
    assert refusal("standard", HMAC, shifted, b".{}", now=1234).reason == "mismatch"
    with pytest.raises(InvalidField) as refused:
        sign("standard", HMAC, b"{}", id="msg.1", timestamp=12)
    assert refused.value.field == "id"


@pytest.mark.parametrize("message_id", ["", "a b", "a\r\nx: y", "ä", "x" * 257])
def test_an_id_that_is_no_safe_header_value_is_not_signed(message_id: str) -> None:
    with pytest.raises(InvalidField):
        sign("standard", HMAC, b"", id=message_id)


def test_while_a_secret_rotates_both_sign_newest_first_and_either_verifies() -> None:
    headers = sign("standard", [V3.secret, HMAC, OTHER], b"{}", id="msg_1", timestamp=NOW)
    assert [s.split(",")[0] for s in headers["webhook-signature"].split(" ")] == ["v1a", "v1", "v1"]
    for secret in (HMAC, OTHER, V3.public, V3.secret):
        verify("standard", secret, headers, b"{}", now=NOW)
    verify("standard", [sw.new_secret(), OTHER], headers, b"{}", now=NOW)
    assert refusal("standard", sw.new_secret(), headers, b"{}", now=NOW).reason == "mismatch"


def test_signatures_of_versions_not_known_yet_are_passed_over() -> None:
    headers = sign("standard", HMAC, b"{}", id="msg_1", timestamp=NOW)
    headers["webhook-signature"] = "v2,AAAA v9 " + headers["webhook-signature"]
    verify("standard", HMAC, headers, b"{}", now=NOW)


@pytest.mark.parametrize(("off", "reason"), [(301, "stale"), (-301, "future")])
def test_a_timestamp_may_be_300_seconds_off_either_way_and_not_one_more(
    off: int, reason: str
) -> None:
    headers = sign("standard", HMAC, b"{}", id="msg_1", timestamp=NOW)
    verify("standard", HMAC, headers, b"{}", now=NOW + off - off // abs(off))
    refused = refusal("standard", HMAC, headers, b"{}", now=NOW + off)
    assert refused.reason == reason
    assert "301 s" in refused.detail
    verify("standard", HMAC, headers, b"{}", now=NOW + off, tolerance=301)
    verify("standard", HMAC, headers, b"{}", now=NOW + off * 1_000_000, tolerance=None)
    assert refusal("standard", HMAC, headers, b"{}", now=NOW + 2, tolerance=1).reason == "stale"


def test_an_old_forgery_is_called_a_forgery() -> None:
    headers = sign("standard", OTHER, b"{}", id="msg_1", timestamp=NOW - 9999)
    assert refusal("standard", HMAC, headers, b"{}", now=NOW).reason == "mismatch"


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_header_that_is_missing_empty_or_doubled_is_named(name: str) -> None:
    headers = sign("standard", HMAC, b"{}", id="msg_1", timestamp=NOW)
    for without in ({k: v for k, v in headers.items() if k != name}, {**headers, name: " "}):
        refused = refusal("standard", HMAC, without, b"{}", now=NOW)
        assert refused.reason == Reason.MISSING_HEADER
        assert name in refused.detail
    doubled = [*headers.items(), (name.title(), headers[name])]
    refused = refusal("standard", HMAC, doubled, b"{}", now=NOW)
    assert refused.reason == Reason.BAD_ENCODING
    assert name in refused.detail


def test_the_headers_of_the_standard_librarys_server_are_taken_as_they_are() -> None:
    headers = Message()  # no Mapping, and its iteration yields names only
    for name, value in sign("standard", HMAC, b"{}", id="msg_1", timestamp=NOW).items():
        headers[name.title()] = value
    assert verify("standard", HMAC, headers, b"{}", now=NOW).id == "msg_1"


@pytest.mark.parametrize("message_id", ["ä", "\udc80"])
def test_an_id_is_ascii(message_id: str) -> None:
    headers = sign("standard", HMAC, b"{}", id="msg_1", timestamp=NOW)
    headers["webhook-id"] = message_id
    assert refusal("standard", HMAC, headers, b"{}", now=NOW).reason == Reason.BAD_ENCODING


@pytest.mark.parametrize(
    "timestamp", ["now", "-1", "1.5", "1e9", "٣", "1_0", "9" * 13, "0x10", "+1"]
)
def test_a_timestamp_is_a_plain_number_of_seconds(timestamp: str) -> None:
    headers = sign("standard", HMAC, b"{}", id="msg_1", timestamp=NOW)
    headers["webhook-timestamp"] = timestamp
    refused = refusal("standard", HMAC, headers, b"{}", now=NOW, tolerance=None)
    assert refused.reason == Reason.BAD_ENCODING


@pytest.mark.parametrize(
    "signature", ["nonsense", "v1", "v1,", "v1,!!!", "v1;AAAA", "v1a,AAAA", "sha256=00", ", , ,"]
)
def test_a_signature_header_without_any_usable_signature_says_which_form_is_expected(
    signature: str,
) -> None:
    headers = sign("standard", HMAC, b"{}", id="msg_1", timestamp=NOW)
    headers["webhook-signature"] = signature
    refused = refusal("standard", HMAC, headers, b"{}", now=NOW)
    assert refused.reason == Reason.BAD_ENCODING
    assert "'v1,<base64>'" in refused.detail


def test_a_stranger_can_not_have_thousands_of_signatures_checked() -> None:
    headers = sign("standard", HMAC, b"{}", id="msg_1", timestamp=NOW)
    many = " ".join(["v1,AAAA"] * sw.MAX_SIGNATURES)
    headers["webhook-signature"] = f"{many} {headers['webhook-signature']}"
    refused = refusal("standard", HMAC, headers, b"{}", now=NOW)
    assert refused.reason == Reason.BAD_ENCODING
    assert str(sw.MAX_SIGNATURES) in refused.detail


@pytest.mark.parametrize("secret", ["", [], [""]])
def test_without_a_secret_nothing_is_genuine(secret: str | list[str]) -> None:
    headers = sign("standard", HMAC, b"{}", id="msg_1", timestamp=NOW)
    assert refusal("standard", secret, headers, b"{}", now=NOW).reason == Reason.NO_SECRET
    with pytest.raises(InvalidField):
        sign("standard", secret, b"{}", id="msg_1")


def test_no_refusal_tells_the_signature_that_would_have_been_right() -> None:
    right = sign("standard", HMAC, b"{}", id="msg_1", timestamp=NOW)
    wrong = sign("standard", OTHER, b"{}", id="msg_1", timestamp=NOW)
    refused = refusal("standard", HMAC, wrong, b"{}", now=NOW)
    assert right["webhook-signature"][3:] not in refused.detail
    assert HMAC[6:] not in refused.detail


def test_an_unknown_scheme_and_a_body_that_is_no_bytes_are_mistakes_of_the_caller() -> None:
    with pytest.raises(InvalidField, match="standard") as refused:
        verify("standrad", HMAC, {}, b"")
    assert refused.value.field == "scheme"
    with pytest.raises(TypeError, match="bytes as they are on the wire"):
        verify("standard", HMAC, {}, "{}")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="bytes as they are on the wire"):
        sign("standard", HMAC, {"a": 1}, id="msg_1")  # type: ignore[arg-type]


def test_headers_may_be_a_mapping_or_pairs_in_any_case_and_the_clock_is_the_machines() -> None:
    headers = sign("standard", HMAC, b"{}", id="msg_1")
    verify("standard", HMAC, [(k.upper(), v) for k, v in headers.items()], bytearray(b"{}"))


def test_a_failed_verification_is_a_hookferry_error_with_a_stable_code() -> None:
    refused = refusal("standard", HMAC, {}, b"")
    assert isinstance(refused, HookferryError)
    assert refused.code == "verification_failed"
    assert {r.value for r in Reason} == {
        "no_secret",
        "missing_header",
        "bad_encoding",
        "mismatch",
        "stale",
        "future",
        "malformed",
        "digest_mismatch",
        "key_unavailable",
    }


def test_what_users_import_brings_no_server_along() -> None:
    code = (
        "import sys, hookferry; "
        "print({'litestar', 'uvicorn', 'sqlalchemy', 'httpx'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.stderr) == ("set()\n", "")
    assert hookferry.__version__
