from __future__ import annotations

import base64
import hashlib
import hmac
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookferry.errors import ScriptError
from hookferry.kata.templates.library import digests
from hookferry.kata.templates.library.coercion import from_octets
from kata.library.rendering import a_run
from kata.templates.rendering import rendered as render

NAMES = {
    "md5": "md5",
    "sha1": "sha1",
    "sha256": "sha256",
    "sha384": "sha384",
    "sha512": "sha512",
    "sha3-256": "sha3_256",
}


@given(st.binary(), st.binary(), st.sampled_from(sorted(NAMES)))
def test_digests_are_those_of_the_bytes(data: bytes, key: bytes, name: str) -> None:
    said, secret = from_octets(data), from_octets(key)
    assert digests.hash_of(a_run(), said, name) == hashlib.new(NAMES[name], data).hexdigest()
    expected = hmac.new(key, data, NAMES[name]).hexdigest()
    assert digests.hash_hmac(a_run(), said, secret, name) == expected


def test_raw_bytes_of_a_digest_can_be_encoded() -> None:
    expected = base64.b64encode(hmac.digest(b"key", b"body", "sha256")).decode()
    assert render("{{ 'body'|hash_hmac('key', 'sha256', true)|base64_encode }}") == expected
    expected = base64.b64encode(hashlib.sha512(b"body").digest()).decode()
    assert render("{{ 'body'|hash('sha512', binary=true)|base64_encode }}") == expected


def test_a_key_may_be_raw_bytes_as_chains_of_keys_are() -> None:
    first = hmac.digest(b"AWS4secret", b"20260301", "sha256")
    expected = hmac.digest(first, b"eu-central-1", "sha256").hex()
    assert expected == render(
        "{% set first = '20260301'|hash_hmac('AWS4secret', 'sha256', true) %}"
        "{{ 'eu-central-1'|hash_hmac(first, 'sha256') }}"
    )


def test_the_checksum_is_that_of_zip_files() -> None:
    assert digests.hash_of(a_run(), "abc", "crc32b") == f"{zlib.crc32(b'abc'):08x}"


def test_an_unknown_algorithm_is_refused_with_those_there_are() -> None:
    with pytest.raises(ScriptError, match="md5, sha1, sha224, sha256"):
        render("{{ 'a'|hash_hmac('k', 'sha257') }}")


def test_a_signature_of_cerbs_guide_is_recomputed() -> None:
    """The vector of its custom API's authentication by HMAC."""
    assert (
        render(
            "{% set signed = [method, path, params|map((v, k) => k ~ '=' ~ v)|sort|join('&'),"
            " type, date, body|sha1]|join('\n') %}{{ signed|hash_hmac(secret, 'sha256') }}",
            method="POST",
            path="some/path",
            params={"b": "bar", "a": "foo"},
            type="application/json",
            date="Wed, 21 Feb 2024 03:32:56 +0000",
            body="This is a test body",
            secret="F7WDMN65Y3BNZN1TV6UWE7NWF76FW5G3",
        )
        == "11213c4eef09e3597ef3d41ac0dde59fa94fc4c0157877dbf815461073a5ce44"
    )
