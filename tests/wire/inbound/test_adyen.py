"""Adyen's standard webhooks: every item is verified."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from hookferry.wire.verification import Reason, VerificationFailed

from .samples import NOW, SAMPLES

GENUINE = SAMPLES["adyen"]


def refusal(body: bytes) -> VerificationFailed:
    with pytest.raises(VerificationFailed) as refused:
        GENUINE.verifier().verify(msgspec.structs.replace(GENUINE.request, body=body), NOW, {})
    return refused.value


def item(document: dict[str, Any], number: int) -> dict[str, Any]:
    found: dict[str, Any] = document["notificationItems"][number]["NotificationRequestItem"]
    return found


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "pspReference": lambda one: one.update(pspReference="psp9"),
    "originalReference": lambda one: one.update(originalReference="psp0"),
    "merchantAccountCode": lambda one: one.update(merchantAccountCode="Other"),
    "merchantReference": lambda one: one.update(merchantReference="order-9"),
    "value": lambda one: one["amount"].update(value=1),
    "currency": lambda one: one["amount"].update(currency="USD"),
    "eventCode": lambda one: one.update(eventCode="REFUND"),
    "success": lambda one: one.update(success="false"),
    "hmacSignature": lambda one: one["additionalData"].update(hmacSignature="A" * 43 + "="),
}


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_signed_member_of_every_item_counts(
    change: Callable[[dict[str, Any]], object], number: int
) -> None:
    document = json.loads(GENUINE.request.body)
    change(item(document, number))
    refused = refusal(json.dumps(document).encode())
    assert refused.reason is Reason.MISMATCH
    assert f"item {number}" in refused.detail


def test_an_item_that_is_added_without_a_signature_is_refused() -> None:
    document = json.loads(GENUINE.request.body)
    for wrong in ({}, {"hmacSignature": None}, {"hmacSignature": "!"}, {"hmacSignature": ""}):
        added = json.loads(GENUINE.request.body)["notificationItems"][0]
        added["NotificationRequestItem"]["additionalData"] = wrong
        both = {**document, "notificationItems": [*document["notificationItems"], added]}
        refused = refusal(json.dumps(both).encode())
        assert refused.reason is Reason.BAD_ENCODING
        assert "item 2" in refused.detail


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"notificationItems":[]}', b'{"notificationItems":[{}]}', b"[" * 5000]
)
def test_a_body_that_is_not_adyens_is_malformed(body: bytes) -> None:
    assert refusal(body).reason is Reason.MALFORMED


def test_a_body_of_very_many_items_is_malformed() -> None:
    document = json.loads(GENUINE.request.body)
    document["notificationItems"] *= 51
    assert refusal(json.dumps(document).encode()).reason is Reason.MALFORMED
