"""The debugger says which of the usual mistakes it was, and gives nothing away."""

from __future__ import annotations

import base64
import gzip
import json
import re
from typing import Any

import pytest

from hookferry.wire.inbound.definition import compile_verification
from hookferry.wire.inbound.likely import MAX_BODY
from hookferry.wire.inbound.received import Explanation, Received

from .samples import NOW, SAMPLES, TEXT, URL, b64, mac, request

DOCUMENT = {"b": "Grüße", "a": [1, {"c": None}]}
COMPACT = json.dumps(DOCUMENT, separators=(",", ":"), ensure_ascii=False).encode()
GITHUB = {"preset": "github"}


def github(signed: bytes, sent: bytes | None = None, key: bytes = TEXT.encode()) -> Received:
    signature = "sha256=" + mac(signed, key).hex()
    return request({"X-Hub-Signature-256": signature}, signed if sent is None else sent)


def explain(
    given: Received, scheme: dict[str, Any] = GITHUB, secret: str = TEXT, now: float = NOW
) -> Explanation:
    explained = compile_verification(scheme, [secret]).explain(given, now, {})
    assert not explained.genuine
    return explained


@pytest.mark.parametrize(
    ("signed", "sent", "said"),
    [
        (COMPACT + b"\n", COMPACT, "ended with a line feed"),
        (COMPACT + b"\r\n", COMPACT, "ended with CR LF"),
        (COMPACT, COMPACT + b"\n", "no line end at its end"),
        (b"a\r\nb\r\n", b"a\nb\n", "line ends were CR LF"),
        (b"a\nb\n", b"a\r\nb\r\n", "line ends were LF"),
        (COMPACT, b"\xef\xbb\xbf" + COMPACT, "no byte order mark"),
        (b"", COMPACT, "the body were empty"),
        (COMPACT, gzip.compress(COMPACT, mtime=0), "unpacked"),
        (COMPACT, json.dumps(DOCUMENT, ensure_ascii=False).encode(), "without blanks:"),
        (
            json.dumps(DOCUMENT, separators=(",", ":")).encode(),
            COMPACT,
            "without blanks and in ASCII",
        ),
        (json.dumps(DOCUMENT).encode(), COMPACT, "with blanks after commas and colons, in ASCII"),
        (
            json.dumps(DOCUMENT, indent=2, ensure_ascii=False).encode(),
            COMPACT,
            "in lines, indented by 2",
        ),
    ],
)
def test_what_became_of_the_body_on_its_way_is_found(signed: bytes, sent: bytes, said: str) -> None:
    explained = explain(github(signed, sent))
    assert "It would verify if" in explained.detail
    assert said in explained.detail
    assert explained.trials[0].signed == sent


@pytest.mark.parametrize(
    ("key", "secret", "said"),
    [
        (b"\x01" * 16, "01" * 16, "key to 'hex'"),
        (b"key-of-16-bytes!", b64(b"key-of-16-bytes!"), "key to 'base64'"),
        (b"k" * 24, "whsec_" + b64(b"k" * 24), "key to 'whsec'"),
        (TEXT.encode(), f" {TEXT}\n", "no blanks around it"),
        (b"abc", "whsec_abc", "without what stands before '_'"),
    ],
)
def test_a_secret_in_another_form_is_found(key: bytes, secret: str, said: str) -> None:
    explained = explain(github(COMPACT, key=key), secret=secret)
    assert said in explained.detail
    assert secret.strip() not in repr(explained)


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"X-Sig": mac(COMPACT).hex()}, "'header:x-sig', prefix '', encoding 'hex'"),
        ({"X-Sig": "v1," + b64(mac(COMPACT))}, "prefix 'v1,', encoding 'base64'"),
        ({"X-Hub-Signature-256": mac(COMPACT).hex()}, "prefix ''"),
        (
            {"X-Hub-Signature-256": "sha256=" + mac(COMPACT, algorithm="sha512").hex()},
            "algorithm 'hmac-sha512'",
        ),
        ({"X-Hub-Signature": "sha1=" + mac(COMPACT, algorithm="sha1").hex()}, "'hmac-sha1'"),
    ],
)
def test_a_signature_in_another_place_or_form_is_found(headers: dict[str, str], said: str) -> None:
    assert said in explain(request(headers, COMPACT)).detail


@pytest.mark.parametrize(
    ("signed", "given"),
    [
        (URL.replace("https", "http"), URL),
        (URL, URL.replace("https", "http")),
        (URL.replace(".com", ".com:443"), URL),
        (URL, URL.replace(".com", ".com:8443")),
        (URL.partition("?")[0], URL),
        (URL.replace("0123?", "0123/?"), URL),
        (URL, URL.replace("0123?", "0123/?")),
    ],
)
def test_another_address_is_found(signed: str, given: str) -> None:
    headers = {"x-square-hmacsha256-signature": b64(mac(signed.encode() + COMPACT))}
    explained = explain(request(headers, COMPACT, url=given), {"preset": "square"})
    assert f"if the address were {signed}: set the source's public_url" in explained.detail


def test_a_time_in_another_unit_is_found() -> None:
    headers = {
        "X-Slack-Signature": "v0=" + mac(b"v0:%d000:" % NOW + COMPACT).hex(),
        "X-Slack-Request-Timestamp": f"{NOW}000",
    }
    explained = explain(request(headers, COMPACT), {"preset": "slack"})
    assert "timestamp_unit 'ms'" in explained.detail
    assert explained.reason == "bad_encoding"
    assert explained.timestamp is None
    assert explained.trials[0].matches


def test_an_old_request_is_only_old() -> None:
    sample = SAMPLES["slack"]
    explained = explain(sample.request, {"preset": "slack"}, now=NOW + 400)
    assert explained.reason == "stale"
    assert "It would verify" not in explained.detail
    assert explained.timestamp == NOW
    assert explained.trials[0].matches


def test_a_forgery_is_not_explained_away_and_no_right_signature_is_shown() -> None:
    given = github(COMPACT, COMPACT + b" ", key=b"somebody else's")
    explained = explain(given)
    assert "It would verify" not in explained.detail
    written = repr(explained)
    for body in (COMPACT, COMPACT + b" "):
        right = mac(body)
        assert right.hex() not in written
        assert b64(right) not in written
        assert base64.urlsafe_b64encode(right).decode() not in written
    assert not re.search(r"[0-9a-f]{64}", written.replace(explained.trials[0].given[0], ""))


@pytest.mark.parametrize(
    "body", [b"\x1f\x8bnot gzip", b'["\\ud800"]', b"[" * 90_000, b"1" * 9_000, b"\xff{"]
)
def test_a_body_that_can_not_be_written_anew_is_passed_over(body: bytes) -> None:
    assert "It would verify" not in explain(github(b"something else", body)).detail


def test_a_packed_body_is_not_unpacked_without_end() -> None:
    bomb = gzip.compress(bytes(20 * MAX_BODY))
    assert "It would verify" not in explain(github(bytes(20 * MAX_BODY), bomb)).detail


def test_a_very_large_body_is_not_written_anew() -> None:
    large = b'["' + b"x" * MAX_BODY + b'"]'
    assert "It would verify" not in explain(github(large + b"\n", large)).detail
