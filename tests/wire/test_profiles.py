"""Profiles standard and raw: bodies without re-encoding, headers that other libraries verify."""

import json
from datetime import UTC, datetime

import msgspec
import pytest
import standardwebhooks
import svix.webhooks
from hypothesis import given
from hypothesis import strategies as st
from vectors import V1, V2, V3

from hookferry import verify
from hookferry.domain.event import Event, EventMeta
from hookferry.domain.tenant import Tenant
from hookferry.domain.webhook import Webhook
from hookferry.errors import InvalidField
from hookferry.wire.profiles import PROFILES, RAW, STANDARD, profile_named
from hookferry.wire.profiles.base import Profile, Rendering
from hookferry.wire.timestamps import rfc3339_ms

TENANT = Tenant(id=1, name="acme")
WEBHOOK = Webhook(
    id=1, tenant_id=1, number=1, name="hook", target_url="https://x.example/", events=("*",)
)


def rendering(profile: Profile) -> Rendering:
    return profile.rendering(WEBHOOK, TENANT, "https://hookferry.example")


def sent(
    profile: Profile, event: Event, secrets: list[str], now_s: int
) -> tuple[bytes, dict[str, str]]:
    """Render a request as the engine does; return body and headers as a receiver sees them."""
    how, event_id = rendering(profile), f"evt_{event.id}"
    body = how.body(event, event_id)
    keys = [profile.prepare_secret(s) for s in secrets]
    lines = how.headers(event, event_id, body, keys, now_s, 1)
    assert lines.endswith(b"\r\n")
    return body, dict(
        line.split(": ", 1) for line in lines.decode("ascii").removesuffix("\r\n").split("\r\n")
    )


def test_every_real_payload_is_in_the_body_verbatim_and_verifies_with_other_libraries(
    real_payloads: list[tuple[str, bytes]],
) -> None:
    now_s = int(datetime.now(UTC).timestamp())
    for number, (event_type, data) in enumerate(real_payloads):
        event = Event(number, 1, event_type, data, now_s * 1000)
        for profile in (STANDARD, RAW):
            body, headers = sent(profile, event, [V2.secret, V1.secret], now_s)
            assert data in body
            standardwebhooks.Webhook(V1.secret).verify(body, headers)
            svix.webhooks.Webhook(V2.secret).verify(body, headers)
            verify("standard", V1.secret, headers, body)
        assert body == data  # raw
        envelope = json.loads(rendering(STANDARD).body(event, "evt_1"))
        assert list(envelope) == ["type", "timestamp", "data"]
        assert envelope["type"] == event_type
        assert envelope["data"] == json.loads(data)


def test_the_payloads_bytes_are_not_re_encoded() -> None:
    payload = b' {"b" : 1.0, "a":"\\u00e9\\/", "b":12345678901234567890.10} '
    event = Event(1, 1, "contact.created", payload, 0)
    assert rendering(RAW).body(event, "evt_1") == payload
    assert (
        rendering(STANDARD).body(event, "evt_1")
        == b'{"type":"contact.created","timestamp":"1970-01-01T00:00:00.000Z","data":'
        + payload
        + b"}"
    )


def test_the_timestamp_is_when_it_happened_as_the_publisher_says_else_when_it_was_received() -> (
    None
):
    received = Event(1, 1, "a", b"1", 1_700_000_000_123)
    assert b'"2023-11-14T22:13:20.123Z"' in rendering(STANDARD).body(received, "evt_1")
    occurred = msgspec.structs.replace(received, meta=EventMeta(occurred_at_ms=1_600_000_000_000))
    assert b'"2020-09-13T12:26:40.000Z"' in rendering(STANDARD).body(occurred, "evt_1")


@given(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59)))  # noqa: DTZ001
def test_a_time_reads_back_as_it_was_whatever_was_asked_before(naive: datetime) -> None:
    moment = naive.replace(microsecond=naive.microsecond // 1000 * 1000, tzinfo=UTC)
    unix_ms = round((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)
    text = rfc3339_ms(unix_ms).decode()
    assert datetime.fromisoformat(text) == moment
    assert len(text) == 24
    assert text == rfc3339_ms(unix_ms).decode()


def test_a_retry_keeps_id_and_body_and_signs_the_new_time() -> None:
    event = Event(7, 1, "a", b"{}", 0)
    body, first = sent(STANDARD, event, [V1.secret], 1000)
    again, second = sent(STANDARD, event, [V1.secret], 1300)
    assert body == again
    assert first["webhook-id"] == second["webhook-id"] == "evt_7"
    assert first["webhook-signature"] != second["webhook-signature"]
    verify("standard", V1.secret, second, again, now=1300, tolerance=0)


def test_an_asymmetric_key_signs_under_both_profiles() -> None:
    for profile in (STANDARD, RAW):
        profile.check_secret(V3.secret)
        body, headers = sent(profile, Event(1, 1, "a", b"{}", 0), [V3.secret], 5)
        verify("standard", str(V3.public), headers, body, now=5)


@pytest.mark.parametrize("profile", [STANDARD, RAW])
def test_a_profile_makes_secrets_it_takes_and_explains_those_it_does_not(profile: Profile) -> None:
    profile.check_secret(profile.new_secret())
    with pytest.raises(InvalidField, match="24 to 75 bytes") as refused:
        profile.check_secret("whsec_AAAA")
    assert refused.value.field == "secret"


def test_profiles_are_found_by_name_and_a_wrong_name_is_answered_with_the_right_ones() -> None:
    assert all(profile.name == name for name, profile in PROFILES.items())
    assert profile_named("raw") is RAW
    with pytest.raises(InvalidField, match="raw, standard, superoffice") as refused:
        profile_named("standart")
    assert refused.value.field == "profile"


def test_the_defaults_are_those_of_the_semantics() -> None:
    for profile in (STANDARD, RAW):
        assert profile.retry.schedule == (
            5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600,
        )  # fmt: skip
        assert profile.retry.jitter == 0.2
        assert [s for s in range(100, 600) if profile.succeeded(s)] == list(range(200, 300))
        assert profile.failure_window == 5 * 24 * 3600
        assert profile.failure_limit is None
        assert profile.gone_disables
        assert profile.breaker
        assert profile.unique_name
        profile.check_name("no-spaces.here_1")
        for name in ("", "a b", "a\tb", "x" * 101, "a\x00"):
            with pytest.raises(InvalidField):
                profile.check_name(name)
