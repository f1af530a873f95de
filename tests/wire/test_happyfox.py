"""Profile happyfox: uuid, kind of event and ticket, signed with the tenant's one key."""

import hashlib
import hmac
import json
import uuid

import pytest
from rendered import AT_MS, EVENT_ID, event, rendering, sent

from hookferry import verify
from hookferry.errors import InvalidField
from hookferry.wire.profiles import HAPPYFOX
from hookferry.wire.uuids import event_in

KEY = "my-webhook-key"
# Section 5b of the behaviours.
VECTOR = b'{"uuid":"0f9c6d1e-8d53-4f1b-9f64-7e5f3a2b1c0d","ticket":{"id":1}}'
VECTOR_SIGNATURE = "6ac268d4f19a65f074f11f41e5da50e6a406047c"


def test_the_signature_is_that_of_the_vector() -> None:
    assert HAPPYFOX.prepare_secret(KEY).sign(VECTOR).decode() == f"sha1={VECTOR_SIGNATURE}"
    headers = {"X-Webhook-Signature": f"sha1={VECTOR_SIGNATURE}"}
    genuine = verify("happyfox", KEY, headers, VECTOR)
    assert genuine.id == "0f9c6d1e-8d53-4f1b-9f64-7e5f3a2b1c0d"


def test_the_body_is_uuid_kind_type_time_and_the_data_as_it_came() -> None:
    data = b' {"id": 1.0, "subject":"\\u00e9"} '
    body, headers = sent(HAPPYFOX, event("ticket.created", data), [KEY])
    assert b'"ticket":' + data + b"}" in body
    parsed = json.loads(body)
    assert list(parsed) == ["uuid", "event", "type", "timestamp", "ticket"]
    assert parsed["event"] == "ticket_created"
    assert parsed["type"] == "ticket.created"
    assert parsed["timestamp"] == "2018-04-05T08:28:01.573Z"
    right = hmac.digest(KEY.encode(), body, hashlib.sha1).hex()
    assert headers == {"x-webhook-signature": f"sha1={right}"}
    assert rendering(HAPPYFOX).content_type == "application/json"


@pytest.mark.parametrize(
    ("type_", "kind"),
    [
        ("ticket.created", "ticket_created"),
        ("ticket.updated", "ticket_updated"),
        ("smart_rule", "smart_rule"),
        ("smart.rule", "smart_rule"),
        ("a.b-c.d", "a_b-c_d"),
    ],
)
def test_the_kind_is_the_type_with_underscores(type_: str, kind: str) -> None:
    body, _ = sent(HAPPYFOX, event(type_), [])
    assert json.loads(body)["event"] == kind


def test_a_retry_or_resend_keeps_uuid_body_and_signature() -> None:
    what = event("ticket.updated", b'{"id":1}')
    first = sent(HAPPYFOX, what, [KEY])
    assert first == sent(HAPPYFOX, what, [KEY], attempt=4, now_s=AT_MS // 1000 + 86_400)


def test_each_webhook_has_a_uuid_of_its_own_for_an_event() -> None:
    uuids = {
        json.loads(sent(HAPPYFOX, event("t.c", id=EVENT_ID + n), [], number=number)[0])["uuid"]
        for n in range(3)
        for number in (0, 1, 2, 2**31)
    }
    assert len(uuids) == 12
    for text in uuids:
        assert uuid.UUID(text).version == 8
        assert event_in(text) in range(EVENT_ID, EVENT_ID + 3)


def test_without_a_key_nothing_is_signed() -> None:
    assert sent(HAPPYFOX, event("ticket.created"), [])[1] == {}


def test_the_tenants_key_signs_and_a_webhook_has_no_secret_of_its_own() -> None:
    assert HAPPYFOX.tenant_key
    assert HAPPYFOX.new_secret() is None
    with pytest.raises(InvalidField, match="webhook_key") as refused:
        HAPPYFOX.check_secret("secret")
    assert refused.value.field == "secret"
    for key in ("", "x" * 257):
        with pytest.raises(InvalidField):
            HAPPYFOX.prepare_secret(key)


def test_the_rules_are_those_of_the_semantics() -> None:
    profile = HAPPYFOX
    assert profile.retry.schedule == ()
    assert profile.failure_limit is None
    assert profile.failure_window is None
    assert not profile.gone_disables
    assert not profile.breaker
    assert not profile.unique_name
    assert not profile.takes_properties
    assert not profile.test_on_save
    assert [s for s in range(100, 600) if profile.succeeded(s)] == list(range(200, 300))
    profile.check_name("any name")
