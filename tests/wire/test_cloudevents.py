"""Profile cloudevents: both content modes, read back by the CloudEvents SDK."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.http import HTTPMessage, from_http
from cloudevents.core.formats.json import JSONFormat
from hypothesis import given
from hypothesis import strategies as st
from rendered import AT_MS, event, rendering, sent

from hookferry import verify
from hookferry.domain.event import Event
from hookferry.wire.profiles import CLOUDEVENTS
from hookferry.wire.standard_webhooks import new_secret

SECRET = new_secret()
MODES = pytest.mark.parametrize("mode", ["json", "binary"])
META = {
    "primary_key": 18,
    "external_id": "order-1",
    "application": "shop",
    "entity": "order",
    "changes": ["total", "state"],
    "actor_id": "u-5",
    "actor_name": 'Ada L. \U0001f600 100% "€"',
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b9c7c989f97918e1-01",
    "tracestate": "rojo=1,congo=2",
}
EXTENSIONS = {
    "externalid": "order-1",
    "application": "shop",
    "entity": "order",
    "changes": "total,state",
    "actorid": "u-5",
    "actorname": 'Ada L. \U0001f600 100% "€"',
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b9c7c989f97918e1-01",
    "tracestate": "rojo=1,congo=2",
}


def read(what: Event, mode: str, **changes: Any) -> BaseCloudEvent:
    """Render a request and have the SDK read it; verify its signature on the way."""
    body, headers = sent(CLOUDEVENTS, what, [SECRET], payload_format=mode, **changes)
    verify("cloudevents", SECRET, headers, body, now=AT_MS / 1000)
    content_type = rendering(CLOUDEVENTS, payload_format=mode).content_type
    return from_http(HTTPMessage({"content-type": content_type, **headers}, body), JSONFormat())


@MODES
def test_the_sdk_reads_every_attribute_and_the_data(mode: str) -> None:
    found = read(event("order.paid", b'{"order": 17}', **META), mode)
    assert found.get_specversion() == "1.0"
    assert found.get_id() == f"evt_{0x0123_4567_89AB_CDEF}"
    assert found.get_source() == "https://hooks.example.com/tenants/Cust54321"
    assert found.get_type() == "order.paid"
    assert found.get_subject() == "18"
    assert found.get_time() == datetime(2018, 4, 5, 8, 28, 1, 573_000, UTC)
    assert found.get_datacontenttype() == "application/json"
    assert found.get_data() == {"order": 17}
    assert {name: found.get_extension(name) for name in EXTENSIONS} == EXTENSIONS


@MODES
def test_what_the_publisher_does_not_say_is_left_out(mode: str) -> None:
    found = read(event("order.paid", b"{}", primary_key="", changes=[]), mode)
    assert set(found.get_attributes()) == {
        "specversion", "id", "source", "type", "time", "datacontenttype",
    }  # fmt: skip


@MODES
@pytest.mark.parametrize("data", ["null", "[1]", '"text"', "5", "true", '{"a": null}'])
def test_any_json_value_is_data(mode: str, data: str) -> None:
    assert read(event("a.b", data.encode()), mode).get_data() == json.loads(data)


def test_the_datas_bytes_are_not_re_encoded() -> None:
    data = b' {"b" : 1.0, "a":"\\u00e9\\/", "b":12345678901234567890.10} '
    structured, _ = sent(CLOUDEVENTS, event("a.b", data), [SECRET])
    assert structured.endswith(b',"data":' + data + b"}")
    binary, _ = sent(CLOUDEVENTS, event("a.b", data), [SECRET], payload_format="binary")
    assert binary == data


def test_content_types_are_those_of_the_binding() -> None:
    content_type = rendering(CLOUDEVENTS).content_type
    assert content_type == "application/cloudevents+json; charset=utf-8"
    assert rendering(CLOUDEVENTS, payload_format="binary").content_type == "application/json"


def test_header_values_are_percent_encoded_as_in_the_bindings_example() -> None:
    what = event("a.b", actor_name="Euro \u20ac \U0001f600")
    _, headers = sent(CLOUDEVENTS, what, [SECRET], payload_format="binary")
    assert headers["ce-actorname"] == "Euro%20%E2%82%AC%20%F0%9F%98%80"
    visible = "".join(map(chr, range(0x21, 0x7F)))
    what = event("a.b", actor_name=visible)
    _, headers = sent(CLOUDEVENTS, what, [SECRET], payload_format="binary")
    assert headers["ce-actorname"] == visible.replace("%", "%25").replace('"', "%22")


@given(st.text(), st.lists(st.text(max_size=5), max_size=3))
def test_both_modes_say_the_same_whatever_the_texts_hold(name: str, changes: list[str]) -> None:
    what = event("a.b", actor_name=name, entity=name, changes=changes)
    structured, binary = read(what, "json"), read(what, "binary")
    assert structured.get_attributes() == binary.get_attributes()
    said = structured.get_extension("actorname")
    assert said is None or not re.search(r"[\x00-\x1f\x7f-\x9f\ufffe\uffff\U0001ffff]", said)


def test_attribute_names_are_lower_case_letters_and_digits_20_at_most() -> None:
    _, headers = sent(CLOUDEVENTS, event("a.b", **META), [SECRET], payload_format="binary")
    names = {name.removeprefix("ce-") for name in headers if name.startswith("ce-")}
    assert names >= set(EXTENSIONS)
    assert all(re.fullmatch(r"[a-z0-9]{1,20}", name) for name in names)


@MODES
def test_each_request_says_who_sends_as_the_handshake_did(mode: str) -> None:
    _, headers = sent(CLOUDEVENTS, event("a.b"), [SECRET], payload_format=mode)
    assert headers["webhook-request-origin"] == "hooks.example.com"


@MODES
def test_a_retry_keeps_id_and_body_and_signs_the_new_time(mode: str) -> None:
    first, one = sent(CLOUDEVENTS, event("a.b"), [SECRET], payload_format=mode)
    again, two = sent(
        CLOUDEVENTS, event("a.b"), [SECRET], payload_format=mode, attempt=2, now_s=AT_MS
    )
    assert first == again
    differing = {name for name in one if one[name] != two[name]}
    assert differing == {"webhook-timestamp", "webhook-signature"}


def test_the_rules_are_those_of_standard_and_there_is_a_handshake() -> None:
    assert CLOUDEVENTS.formats == ("json", "binary")
    assert CLOUDEVENTS.handshake
    assert len(CLOUDEVENTS.retry.schedule) == 9
    assert CLOUDEVENTS.breaker
    assert [s for s in range(100, 600) if CLOUDEVENTS.succeeded(s)] == list(range(200, 300))
