"""What holds under every profile, whatever is published."""

import json
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rendered import TENANT, event, rendering, sent

from hookferry import verify
from hookferry.domain.tenant import Tenant
from hookferry.wire import xml
from hookferry.wire.profiles import PROFILES
from hookferry.wire.standard_webhooks import new_secret

STANDARD = new_secret()
SECRETS = {
    "standard": STANDARD,
    "raw": STANDARD,
    "cloudevents": STANDARD,
    "superoffice": "as typed",
    "happyfox": "the key",
}
FORMATS = [(name, form) for name, profile in PROFILES.items() for form in profile.formats]
EVERY = pytest.mark.parametrize(("name", "payload_format"), FORMATS)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
TEXT = st.none() | st.text(max_size=12)
TYPES = st.from_regex(r"[A-Za-z0-9_-]{1,8}(\.[A-Za-z0-9_-]{1,8}){0,3}", fullmatch=True)


def data_in(name: str, payload_format: str, body: bytes) -> object:
    """Find the published data in a body."""
    if name == "raw" or payload_format == "binary":
        return json.loads(body)
    parsed = json.loads(xml.to_json(body) if payload_format == "xml" else body)
    if name == "hornbill":
        return (parsed if payload_format == "xml" else parsed["onEntityEvent"])["record"]
    member = {"superoffice": "FieldValues", "happyfox": "ticket"}.get(name, "data")
    return parsed.get(member)


def as_carried(name: str, data: object) -> object:
    """Data as a profile carries it: two of them have room for an object only."""
    if name == "superoffice":
        return data if data is None or isinstance(data, dict) else {"value": data}
    if name == "hornbill":
        if data is None:
            return {}
        if not isinstance(data, dict):
            return {"value": data}
        return {key: value for key, value in data.items() if value is not None}
    return data


@EVERY
@given(
    data=JSON,
    type_=TYPES,
    meta=st.fixed_dictionaries(
        {
            "entity": TEXT,
            "application": TEXT,
            "external_id": TEXT,
            "actor_name": TEXT,
            "actor_id": TEXT | st.integers(-(2**63), 2**63 - 1),
            "primary_key": TEXT | st.integers(-(2**63), 2**63 - 1),
            "changes": st.none() | st.lists(st.text(max_size=5), max_size=3),
            "traceparent": TEXT,
        }
    ),
)
def test_any_event_is_a_well_formed_request_that_verifies_and_carries_the_data(
    name: str, payload_format: str, data: object, type_: str, meta: dict[str, object]
) -> None:
    profile = PROFILES[name]
    secrets = [SECRETS[name]] if name in SECRETS else []
    what = event(type_, json.dumps(data).encode(), **meta)
    body, headers = sent(profile, what, secrets, payload_format=payload_format)
    assert all(re.fullmatch(r"[!-~]([ -~]*[!-~])?", value) for value in headers.values())
    assert all(re.fullmatch(r"[a-z0-9-]+", header) for header in headers)
    if secrets:
        verify(name, secrets, headers, body, tolerance=None)
    assert data_in(name, payload_format, body) == as_carried(name, data)


@EVERY
def test_every_real_payload_arrives_as_it_was(
    name: str, payload_format: str, real_payloads: list[tuple[str, bytes]]
) -> None:
    for type_, data in real_payloads:
        body, _ = sent(PROFILES[name], event(type_, data), [], payload_format=payload_format)
        assert data_in(name, payload_format, body) == as_carried(name, json.loads(data))
        assert payload_format == "xml" or name == "hornbill" or data in body


@EVERY
def test_the_body_is_the_same_on_every_attempt(name: str, payload_format: str) -> None:
    how = rendering(PROFILES[name], payload_format=payload_format)
    again = rendering(PROFILES[name], payload_format=payload_format)
    what = event("order.paid", b'{"a":1}')
    assert how.body(what, "evt_1") == how.body(what, "evt_1") == again.body(what, "evt_1")


def test_names_of_tenants_and_webhooks_are_at_home_in_every_request() -> None:
    tenant: Tenant = msgspec.structs.replace(TENANT, name="a.B-c_9")
    for name, form in FORMATS:
        profile = PROFILES[name]
        webhook = {"name": 'quo"te\\ ä', "payload_format": form, "tenant": tenant}
        secrets = [SECRETS[name]] if name in SECRETS else []
        body, _ = sent(profile, event("a.b", b"{}"), secrets, **webhook)
        (json.loads if form != "xml" else xml.to_json)(body)
