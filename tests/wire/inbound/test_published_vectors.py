"""What providers and RFCs publish verifies as published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hookferry.wire.inbound.definition import compile_verification
from hookferry.wire.inbound.http_signatures import signature_base
from hookferry.wire.inbound.keys import parse_key
from hookferry.wire.inbound.presets import PRESETS
from hookferry.wire.inbound.received import Received
from hookferry.wire.inbound.structured_fields import InnerList, Item, parse_dictionary
from hookferry.wire.verification import Reason, VerificationFailed

from .samples import flipped, request

ALL = json.loads((Path(__file__).parent / "published_vectors.json").read_text())
WHOLE = [vector for vector in ALL if vector.get("covers_body", True)]
HEADERS_ONLY = [vector for vector in ALL if not vector.get("covers_body", True)]


def named(vector: dict[str, Any]) -> str:
    return str(vector["name"])


def received(vector: dict[str, Any]) -> Received:
    made = request(
        vector["headers"], vector["body"].encode(), url=vector["url"], method=vector["method"]
    )
    # A request has one Host, and some vectors sign theirs.
    own = [pair for pair in made.headers if pair != (b"host", b"hooks.example.com")]
    return msgspec.structs.replace(made, headers=own)


def test_every_preset_that_says_so_has_a_published_vector() -> None:
    said = {preset.name for preset in PRESETS.values() if preset.evidence == "V"}
    assert said <= {vector["scheme"].get("preset") for vector in WHOLE}


@pytest.mark.parametrize("vector", WHOLE, ids=named)
def test_a_published_vector_verifies_and_no_other_byte_of_its_body_does(
    vector: dict[str, Any],
) -> None:
    verifier = compile_verification(vector["scheme"], vector["secrets"])
    verifier.verify(received(vector), vector["now"], {})
    if vector["name"] == "adyen":
        return  # eight members are signed: test_adyen
    for changed in flipped(vector["body"].encode()):
        with pytest.raises(VerificationFailed):
            verifier.verify(
                msgspec.structs.replace(received(vector), body=changed), vector["now"], {}
            )


@pytest.mark.parametrize("vector", HEADERS_ONLY, ids=named)
def test_a_published_signature_that_leaves_out_the_body_is_right_and_refused(
    vector: dict[str, Any],
) -> None:
    given = received(vector)
    with pytest.raises(VerificationFailed) as refused:
        compile_verification(vector["scheme"], vector["secrets"]).verify(given, vector["now"], {})
    assert refused.value.reason is Reason.DIGEST_MISMATCH
    [described] = parse_dictionary(vector["headers"]["Signature-Input"].encode()).values()
    [signature] = parse_dictionary(vector["headers"]["Signature"].encode()).values()
    assert isinstance(described, InnerList)
    assert isinstance(signature, Item)
    assert isinstance(signature.value, bytes)
    key = parse_key(
        vector["secrets"][0], vector["scheme"]["algorithm"], vector["scheme"].get("key", "pem")
    )
    base = signature_base(given, described)
    assert key.matches(base, [signature.value])
    assert not key.matches(base + b" ", [signature.value])
