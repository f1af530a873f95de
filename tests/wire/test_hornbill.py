"""Profile hornbill: onEntityEvent in JSON and XML."""

import json
import sys
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rendered import event, rendering, sent

from hookferry.errors import InvalidField
from hookferry.wire import xml
from hookferry.wire.profiles import HORNBILL

DATA = b'{"h_pk_reference":"IN00000123","h_empty":null,"h_summary":"Printer <3 & co"}'
META = {"entity": "Requests", "actor_id": "admin", "actor_name": "System Administrator"}
TYPE = "h_itsm_requests.created"


def test_json_is_the_reading_of_the_behaviours_byte_for_byte() -> None:
    body, headers = sent(HORNBILL, event(TYPE, DATA, **META), [])
    assert body == (
        b'{"onEntityEvent":{"eventSource":"urn:webhook:entity:h_itsm_requests:created",'
        b'"eventTime":"2018-04-05 08:28:01Z","actionBy":"admin",'
        b'"actionByName":"System Administrator","entity":"Requests","table":"h_itsm_requests",'
        b'"record":{"h_pk_reference":"IN00000123","h_summary":"Printer <3 & co"}}}'
    )
    assert headers == {}
    assert rendering(HORNBILL).content_type == "application/json; charset=utf-8"


def test_xml_is_the_reading_of_the_behaviours_byte_for_byte() -> None:
    body, headers = sent(HORNBILL, event(TYPE, DATA, **META), [], payload_format="xml")
    assert body == (
        b'<?xml version="1.0" encoding="utf-8"?><onEntityEvent>'
        b"<eventSource>urn:webhook:entity:h_itsm_requests:created</eventSource>"
        b"<eventTime>2018-04-05 08:28:01Z</eventTime><actionBy>admin</actionBy>"
        b"<actionByName>System Administrator</actionByName><entity>Requests</entity>"
        b"<table>h_itsm_requests</table><record><h_pk_reference>IN00000123</h_pk_reference>"
        b"<h_summary>Printer &lt;3 &amp; co</h_summary></record></onEntityEvent>"
    )
    assert headers == {}
    content_type = rendering(HORNBILL, payload_format="xml").content_type
    assert content_type == "application/xml; charset=utf-8"


def test_table_and_event_name_are_the_types_and_the_entity_falls_back_to_the_table() -> None:
    def said(type_: str) -> dict[str, object]:
        inner: dict[str, object] = json.loads(sent(HORNBILL, event(type_), [])[0])["onEntityEvent"]
        return inner

    two = said("requests.updated")
    assert (two["table"], two["entity"]) == ("requests", "requests")
    assert said("sm.requests.update")["eventSource"] == "urn:webhook:entity:sm.requests:update"
    assert said("ping")["eventSource"] == "urn:webhook:entity:ping:ping"
    assert two["actionBy"] == two["actionByName"] == ""


@pytest.mark.parametrize(
    ("data", "record"),
    [
        (b"null", {}),
        (b" { } ", {}),
        (b'{"a":null}', {}),
        (b'{"a":null,"b":1,"c":null}', {"b": 1}),
        (b' {"a" : {"inner":null} , "b" : [null] } ', {"a": {"inner": None}, "b": [None]}),
        (b'{"a":"null","b":"","c":0,"d":false}', {"a": "null", "b": "", "c": 0, "d": False}),
        (b"[1,null]", {"value": [1, None]}),
        (b'"null"', {"value": "null"}),
        (b" [ ] ", {"value": []}),
        (b"7", {"value": 7}),
    ],
)
def test_the_record_is_the_data_without_columns_that_are_null(
    data: bytes, record: dict[str, object]
) -> None:
    body, _ = sent(HORNBILL, event(TYPE, data), [])
    assert json.loads(body)["onEntityEvent"]["record"] == record


@pytest.mark.parametrize("payload_format", ["json", "xml"])
@pytest.mark.parametrize(
    ("opening", "closing"), [('{"a":null,"b":[', '],"c":null}'), ("[[", "]]"), ('{"b":[', "]}")]
)
def test_depth_is_no_matter(opening: str, closing: str, payload_format: str) -> None:
    depth = sys.getrecursionlimit() * 2
    data = opening + "[" * depth + '{"x":null}' + "]" * depth + closing
    body, _ = sent(HORNBILL, event(TYPE, data.encode()), [], payload_format=payload_format)
    if payload_format == "xml":
        body = xml.to_json(body)
    assert body.count(b"null") == 1  # the inner one
    assert body.count(b"[") == body.count(b"]") == data.count("[")


def test_numbers_keep_their_digits() -> None:
    data = b'{"a":12345678901234567890.10,"b":1e400,"c":-0.0}'
    body, _ = sent(HORNBILL, event(TYPE, data), [])
    assert data in body
    body, _ = sent(HORNBILL, event(TYPE, data), [], payload_format="xml")
    assert b'<a type="number">12345678901234567890.10</a>' in body
    assert b'<b type="number">1e400</b>' in body


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.text(max_size=10), st.text(max_size=10))
def test_json_and_xml_say_the_same_of_any_data(data: object, actor: str, entity: str) -> None:
    what = event(TYPE, json.dumps(data).encode(), actor_name=actor, entity=entity or "e")
    as_json, _ = sent(HORNBILL, what, [])
    as_xml, _ = sent(HORNBILL, what, [], payload_format="xml")
    root = ElementTree.fromstring(as_xml)
    assert root.tag == "onEntityEvent"
    inner = json.loads(as_json)["onEntityEvent"]
    assert [child.tag for child in root] == list(inner)
    assert json.loads(xml.to_json(as_xml)) == inner
    if isinstance(data, dict):
        assert inner["record"] == {key: v for key, v in data.items() if v is not None}


def test_the_same_bytes_go_to_every_webhook_of_a_format() -> None:
    assert rendering(HORNBILL, number=1) is rendering(HORNBILL, number=2)
    assert rendering(HORNBILL, payload_format="xml") is not rendering(HORNBILL)


def test_there_is_no_secret_and_the_refusal_points_at_credentials() -> None:
    assert HORNBILL.new_secret() is None
    for refuse in (HORNBILL.check_secret, HORNBILL.prepare_secret):
        with pytest.raises(InvalidField, match="credential") as refused:
            refuse("secret")
        assert refused.value.field == "secret"


def test_the_rules_are_those_of_the_semantics() -> None:
    profile = HORNBILL
    assert profile.formats == ("json", "xml")
    assert profile.retry.schedule == ()
    assert profile.failure_limit is None
    assert profile.failure_window is None
    assert not profile.gone_disables
    assert not profile.breaker
    assert profile.unique_name
    assert profile.signature is None
    assert [s for s in range(100, 600) if profile.succeeded(s)] == [200]
    with pytest.raises(InvalidField):
        profile.check_name("a b")
