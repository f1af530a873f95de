"""Profile superoffice: body, headers, signature and rules as SuperOffice has them."""

import base64
import hashlib
import hmac
import json
import uuid
from importlib.metadata import version

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rendered import EVENT_ID, TENANT, WEBHOOK, event, rendering, sent

from hookferry import verify
from hookferry.domain.event import Event
from hookferry.errors import InvalidField
from hookferry.wire.profiles import SUPEROFFICE
from hookferry.wire.profiles.superoffice import STANDARD_KEYS
from hookferry.wire.uuids import event_in

SECRET = "Something Super Secret"
# Section 4b of the behaviours: 281 bytes, and the signature computed there.
VECTOR = (
    b'{"EventId":"88f91933-edce-4c1a-8ded-ade8e2f72434","Timestamp":"2018-04-05T08:28:01.5732501Z",'
    b'"Changes":["contact_id","name"],"Event":"contact.changed","PrimaryKey":18,"Entity":"contact",'
    b'"ContextIdentifier":"Cust54321","ChangedByAssociateId":5,'
    b'"WebhookName":"Tonys Contact Handler"}'
)
VECTOR_SIGNATURE = "J+nikgWWQ31NbJmTwQN+9ipX3w/Smqfnr9aqtEYBfSE="
VECTOR_META = {"primary_key": 18, "actor_id": 5, "changes": ["contact_id", "name"]}


def body_of(what: Event, **changes: object) -> dict[str, object]:
    """The body, parsed; a key that is there twice fails."""

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        assert len({key for key, _ in pairs}) == len(pairs)
        return dict(pairs)

    body, _ = sent(SUPEROFFICE, what, [], **changes)
    parsed: dict[str, object] = json.loads(body, object_pairs_hook=once)
    return parsed


def test_the_signature_is_that_of_the_vector() -> None:
    assert len(VECTOR) == 281
    key = SUPEROFFICE.prepare_secret(SECRET)
    assert key.sign(VECTOR).decode() == VECTOR_SIGNATURE
    genuine = verify("superoffice", SECRET, {"X-SuperOffice-Signature": VECTOR_SIGNATURE}, VECTOR)
    assert genuine.id == "88f91933-edce-4c1a-8ded-ade8e2f72434"


def test_the_body_is_that_of_the_vector_byte_for_byte_but_for_guid_and_milliseconds() -> None:
    body, headers = sent(SUPEROFFICE, event("contact.changed", **VECTOR_META), [SECRET])
    guid = headers["x-superoffice-eventid"]
    expected = VECTOR.replace(b"88f91933-edce-4c1a-8ded-ade8e2f72434", guid.encode())
    assert body == expected.replace(b".5732501Z", b".5730000Z")
    right = base64.b64encode(hmac.digest(SECRET.encode(), body, hashlib.sha256)).decode()
    assert headers == {
        "x-superoffice-event": "contact.changed",
        "x-superoffice-eventid": guid,
        "x-superoffice-retry": "0",
        "x-superoffice-signature": right,
    }


def test_content_type_and_user_agent_are_superoffices() -> None:
    assert rendering(SUPEROFFICE).content_type == "application/json; charset=utf-8"
    assert f"NetServer-Webhook/{version('hookferry')}" == SUPEROFFICE.user_agent


def test_one_guid_stands_in_header_and_body_and_is_kept_over_retries_resends_and_webhooks() -> None:
    what = event("contact.changed")
    guids = set()
    for attempt in (1, 2, 3, 12):
        for number in (1, 2):
            body, headers = sent(SUPEROFFICE, what, [], attempt=attempt, number=number)
            assert json.loads(body)["EventId"] == headers["x-superoffice-eventid"]
            assert headers["x-superoffice-retry"] == str(attempt - 1)
            guids.add(headers["x-superoffice-eventid"])
    [guid] = guids
    assert uuid.UUID(guid).version == 8
    assert event_in(guid) == EVENT_ID


def test_no_secret_no_signature() -> None:
    _, headers = sent(SUPEROFFICE, event("contact.changed"), [])
    assert "x-superoffice-signature" not in headers
    assert not SUPEROFFICE.secret_by_default


def test_while_a_secret_rotates_the_newest_signs_alone() -> None:
    body, headers = sent(SUPEROFFICE, event("contact.changed"), ["new", "old"])
    verify("superoffice", "new", headers, body)
    verify("superoffice", ["old", "new"], headers, body)


@pytest.mark.parametrize("secret", ["x", " blanks count ", "ä€😀", "a" * 256, "whsec_AAAA", "\t"])
def test_a_secret_is_taken_as_typed_its_utf8_bytes_being_the_key(secret: str) -> None:
    SUPEROFFICE.check_secret(secret)
    body, headers = sent(SUPEROFFICE, event("contact.changed"), [secret])
    right = base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()
    assert headers["x-superoffice-signature"] == right


@pytest.mark.parametrize("secret", ["", "a" * 257, "\ud800"])
def test_any_other_secret_is_refused_without_being_quoted(secret: str) -> None:
    with pytest.raises(InvalidField) as refused:
        SUPEROFFICE.check_secret(secret)
    assert refused.value.field == "secret"
    assert not secret or secret not in refused.value.detail


def test_entity_and_key_are_what_the_publisher_says_else_what_the_type_says() -> None:
    said = body_of(event("contact.changed", entity="company", primary_key="18"))
    assert (said["Entity"], said["PrimaryKey"]) == ("company", 18)
    assert body_of(event("contact.changed"))["Entity"] == "contact"
    assert body_of(event("list.category.created"))["Entity"] == "list.category"
    assert body_of(event("ping"))["Entity"] == "ping"


@pytest.mark.parametrize(
    ("given_", "sent_"),
    [
        (None, 0),
        (0, 0),
        (-7, -7),
        ("5", 5),
        ("-12", -12),
        ("0", 0),
        ("007", "007"),
        ("AB-5", "AB-5"),
        ("1e3", "1e3"),
        ("٣", "٣"),
        ("9" * 30, "9" * 30),
        ('a"b', 'a"b'),
    ],
)
def test_ids_are_numbers_where_they_can_be(given_: str | int | None, sent_: str | int) -> None:
    body = body_of(event("contact.changed", primary_key=given_, actor_id=given_))
    assert body["PrimaryKey"] == body["ChangedByAssociateId"] == sent_


def test_the_context_is_the_tenant_and_default_on_site() -> None:
    assert body_of(event("a.b"))["ContextIdentifier"] == "Cust54321"
    on_site = msgspec.structs.replace(TENANT, name="default")
    assert body_of(event("a.b"), tenant=on_site)["ContextIdentifier"] == "Default"


def test_data_travels_as_field_values_its_bytes_as_they_came() -> None:
    data = b' {"name" : "\\u00e9", "n": 1.50, "big": 12345678901234567890.10} '
    body, _ = sent(SUPEROFFICE, event("contact.changed", data), [])
    assert b',"FieldValues":' + data + b"}" in body
    assert body_of(event("contact.changed", b"{}"))["FieldValues"] == {}
    assert "FieldValues" not in body_of(event("contact.changed", b" null "))
    for other in (b"[1]", b'"x"', b"5", b"false"):
        assert body_of(event("a.b", other))["FieldValues"] == {"value": json.loads(other)}


def test_properties_are_top_level_keys_behind_the_standard_ones() -> None:
    properties = {"site": "north", "nested": {"a": [1, None]}, 'od"d': "ä"}
    body = body_of(event("contact.changed", b"{}", **VECTOR_META), properties=properties)
    assert list(body) == [*STANDARD_KEYS, *properties]
    assert {key: body[key] for key in properties} == properties


def test_properties_never_override_a_standard_key_in_any_spelling() -> None:
    properties: dict[str, object] = {}
    for key in STANDARD_KEYS:
        properties |= {key: "forged", key.lower(): "forged", key.upper(): "forged"}
    plain = sent(SUPEROFFICE, event("contact.changed", b"{}", **VECTOR_META), [SECRET])
    assert plain == sent(
        SUPEROFFICE,
        event("contact.changed", b"{}", **VECTOR_META),
        [SECRET],
        properties=properties,
    )
    # Also where the standard key is not in this very body: a reader may look for it.
    assert "FieldValues" not in body_of(event("a.b"), properties=properties)


@pytest.mark.parametrize("verb", ["started", "stopped", "errors"])
def test_a_state_event_has_its_type_in_header_and_body_and_no_entity(verb: str) -> None:
    what = event(f"webhook123.{verb}")
    body, headers = sent(SUPEROFFICE, what, [])
    assert json.loads(body)["Event"] == headers["x-superoffice-event"] == f"webhook123.{verb}"
    assert list(json.loads(body)) == [
        k for k in STANDARD_KEYS if k not in ("Entity", "FieldValues")
    ]
    assert json.loads(body)["PrimaryKey"] == 123
    assert json.loads(body)["ChangedByAssociateId"] == 0
    assert body_of(event(f"webhook123.{verb}", primary_key=5))["PrimaryKey"] == 5
    assert body_of(event(f"webhook.{verb}"))["Entity"] == "webhook"


def test_the_test_event_is_superoffices_and_marked_in_the_headers() -> None:
    type_, payload, meta = SUPEROFFICE.test_event(WEBHOOK)
    what = Event(5, 1, type_, payload, 0, meta=meta)
    body = body_of(what)
    assert (body["Event"], body["Entity"], body["PrimaryKey"], body["Changes"]) == (
        "test",
        "test",
        0,
        [],
    )
    assert "FieldValues" not in body
    assert sent(SUPEROFFICE, what, [])[1]["x-hook-test"] == "true"
    assert "x-hook-test" not in sent(SUPEROFFICE, event("contact.changed"), [])[1]


@given(
    st.text(max_size=20),
    st.lists(st.text(max_size=8), max_size=4),
    st.one_of(st.none(), st.text(max_size=8), st.integers()),
    st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=4),
)
def test_whatever_the_texts_hold_the_body_is_json_and_says_them(
    name: str, changes: list[str], actor: str | int | None, properties: dict[str, str]
) -> None:
    name = name.encode("utf-8", "replace").decode()
    body = body_of(
        event("a.b", changes=changes, actor_id=actor, entity="x"), name=name, properties=properties
    )
    assert body["WebhookName"] == name
    assert body["Changes"] == changes


def test_the_rules_are_those_of_the_semantics() -> None:
    profile = SUPEROFFICE
    assert (profile.retry.schedule, profile.retry.jitter) == ((1, 4), 0)
    assert profile.failure_limit == 7
    assert profile.failure_window is None
    assert profile.gone_disables
    assert not profile.breaker
    assert not profile.unique_name
    assert profile.takes_properties
    assert profile.test_on_save
    assert not profile.tenant_key
    assert [s for s in range(100, 600) if profile.succeeded(s)] == [200]
    profile.check_name("Tonys Contact Handler")
    for name in ("", " a", "a ", "a\nb", "x" * 101):
        with pytest.raises(InvalidField):
            profile.check_name(name)
