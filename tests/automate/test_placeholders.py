"""What scripts know of an event: Cerb's contract, SuperOffice's names, bytes as they came."""

from __future__ import annotations

import gzip
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automate.stage import WEBHOOK, Stage, caught, published
from hookferry.automate.placeholders import MAX_ENTRIES, MAX_LEVELS, MAX_PARAMETERS, placeholders
from hookferry.domain.event import Event
from hookferry.ids import encode
from hookferry.kata.templates.library.coercion import octets

FORM = ("Content-Type", "application/x-www-form-urlencoded")


def known(event: Event, /, **properties: Any) -> dict[str, Any]:
    return placeholders(event, msgspec.structs.replace(WEBHOOK, properties=properties))


def parameters(query: str = "", form: bytes | None = None) -> dict[str, Any]:
    event = caught(query=query) if form is None else caught(form, FORM, query=query)
    found: dict[str, Any] = known(event)["request_params"]
    return found


# --------------------------------------------------------------------------- Cerb's contract


def test_a_request_is_described_as_cerb_does() -> None:
    found = known(caught(b"hello", ("X-Custom-Header", "true"), method="post", path="a/b"))
    assert {name: found[name] for name in found if name.startswith("request_")} == {
        "request_method": "POST",
        "request_path": "a/b",
        "request_client_ip": "203.0.113.9",
        "request_headers": {"x_custom_header": "true"},
        "request_params": {},
        "request_body": "hello",
    }


def test_headers_of_a_name_are_one_and_cookies_are_not_shown() -> None:
    found = known(caught(b"", ("X-A", "1"), ("Cookie", "session=1"), ("x-a", "2"), ("COOKIE", "b")))
    assert found["request_headers"] == {"x_a": "1, 2"}


def test_names_of_parameters_are_folded() -> None:
    assert parameters(
        "User-Name=Joe+Customer&my.key=1&empty&größe=3".encode().decode("latin-1")
    ) == {
        "user_name": "Joe Customer",
        "my_key": "1",
        "empty": "",
        "größe": "3",
    }


def test_fields_of_a_form_are_parameters_and_go_before_the_querys() -> None:
    found = parameters(
        "text=query&token=q", b"text=form&rawRequest=%7B%22q3_name%22%3A%22Joe%22%7D"
    )
    assert found == {"text": "form", "token": "q", "rawrequest": '{"q3_name":"Joe"}'}


def test_fields_of_a_multipart_form_are_parameters() -> None:
    part = '--b\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    body = "".join(part.format(*pair) for pair in (("rawRequest", "{}"), ("Tag[]", "a")))
    event = caught(f"{body}--b--\r\n".encode(), ("Content-Type", "multipart/form-data; boundary=b"))
    assert known(event)["request_params"] == {"rawrequest": "{}", "tag": ["a"]}


def test_of_several_parameters_the_last_counts_and_brackets_make_a_list() -> None:
    assert parameters("a=1&a=2&b[]=1&b[]=2") == {"a": "2", "b": ["1", "2"]}
    assert parameters(form=b"a=1&a=2&b[]=1&b[]=2") == {"a": "2", "b": ["1", "2"]}


def test_parameters_are_bounded() -> None:
    many = "&".join(f"p{n}=1" for n in range(MAX_PARAMETERS + 5))
    assert len(parameters(many)) == MAX_PARAMETERS
    assert len(parameters(form=many.encode())) == MAX_PARAMETERS
    again = b"&".join([b"a[]=1"] * (MAX_PARAMETERS + 5))
    assert len(parameters(form=again)["a"]) == MAX_PARAMETERS


def test_a_form_with_many_commas_is_still_a_form() -> None:
    assert parameters(form=b"text=" + b"," * (2 * MAX_ENTRIES))["text"] == "," * (2 * MAX_ENTRIES)


def test_the_parameters_of_json_are_those_of_the_query_alone() -> None:
    event = caught(b'{"a": 1}', ("Content-Type", "application/json"), query="b=2")
    assert known(event)["request_params"] == {"b": "2"}


# --------------------------------------------------------------------------- bytes


@given(st.binary(max_size=64))
def test_a_body_of_any_bytes_is_lossless(body: bytes) -> None:
    assert octets(known(caught(body))["request_body"]) == body


def test_headers_and_parameters_of_any_bytes_are_lossless() -> None:
    event = caught(b"", ("X-Name", "\xff\xe4"), query="a=%ff%e4&b=\xff")
    found = known(event)
    assert octets(found["request_headers"]["x_name"]) == b"\xff\xe4"
    assert octets(found["request_params"]["a"]) == b"\xff\xe4"
    assert octets(found["request_params"]["b"]) == b"\xff"


def test_text_in_headers_is_utf_8() -> None:
    name = "é".encode().decode("latin-1")
    assert known(caught(b"", ("X-Name", name)))["request_headers"]["x_name"] == "é"


def test_a_compressed_body_is_as_it_came_and_its_data_are_read() -> None:
    body = gzip.compress(b'{"a": 1}')
    headers = ("Content-Type", "application/json"), ("Content-Encoding", "gzip")
    found = known(caught(body, *headers))
    assert octets(found["request_body"]) == body
    assert found["event"]["data"] == {"a": 1}


def test_fields_of_a_compressed_form_are_parameters() -> None:
    event = caught(gzip.compress(b"a=1"), FORM, ("Content-Encoding", "gzip"))
    assert known(event)["request_params"] == {"a": "1"}


async def test_a_binary_body_is_hashed_and_answered_as_it_came() -> None:
    body = bytes(range(256))
    ended = await Stage().plays(
        "start:\n  return:\n    headers:\n      X-Hash: {{request_body|md5}}\n"
        "    body@key: request_body",
        scope=known(caught(body)),
    )
    assert ended.answer is not None
    assert ended.answer.body == body
    assert ended.answer.headers == (("X-Hash", "e2c865db4162bed963bfaa9ef6ac18f0"),)


# --------------------------------------------------------------------------- events


def test_an_event_is_known_by_superoffices_names_too() -> None:
    found = known(
        published(
            {"name": "Joe", "city": "Oslo"},
            entity="contact",
            primary_key=12,
            changes=["name", "gone"],
            actor_id=3,
            actor_name="Ann",
            application="crm",
        ),
        Region="north",
    )
    event = encode("evt", 7)
    assert found["Changes"] == {"name": "Joe", "gone": None}
    assert (found["EventId"], found["Event"]) == (event, "contact.created")
    assert (found["Entity"], found["PrimaryKey"]) == ("contact", 12)
    assert (found["ChangedByAssociateId"], found["ContextIdentifier"]) == (3, "crm")
    assert found["Timestamp"] == found["event"]["time"] == "2026-09-21T14:13:20.000Z"
    assert found["event"]["actor"] == {"id": 3, "name": "Ann"}
    assert found["event"]["data"] == {"name": "Joe", "city": "Oslo"}
    assert found["Region"] == "north"


@pytest.mark.parametrize("name", ["request_body", "Event", "event", "request_headers", "Changes"])
def test_properties_never_hide_what_the_event_says(name: str) -> None:
    assert known(published({}), **{name: "forged"})[name] != "forged"
    assert known(caught(b"x"), **{name: "forged"})[name] != "forged"


def test_a_published_event_looks_like_a_request_of_its_data() -> None:
    found = known(published({"a": 1}))
    assert (found["request_method"], found["request_body"]) == ("POST", '{"a":1}')
    assert found["request_headers"] == {"content_type": "application/json"}


@pytest.mark.parametrize(
    "body",
    [
        json.dumps([1] * (MAX_ENTRIES + 1)),
        "[" * (MAX_LEVELS + 1) + "]" * (MAX_LEVELS + 1),
        json.dumps("x" * 1_100_000),
    ],
    ids=["many", "deep", "long"],
)
async def test_data_that_no_script_could_hold_are_left_to_its_body(body: str) -> None:
    event = caught(body.encode(), ("Content-Type", "application/json"))
    found = known(event)
    assert found["event"]["data"] is None
    assert found["request_body"] == body
    ended = await Stage().plays("start:\n  return:\n    status_code: 204\n", scope=found)
    assert ended.record.error is None
    assert ended.record.steps_used < 2_000


def test_data_of_usual_size_are_there() -> None:
    data = [{"n": n} for n in range(MAX_ENTRIES // 2)]
    assert known(published(data))["event"]["data"] == data


@given(st.binary(max_size=40))
def test_whatever_the_body_says_there_are_placeholders(body: bytes) -> None:
    for kind in ("application/json", "text/xml", FORM[1], "multipart/form-data; boundary=b"):
        assert known(caught(body, ("Content-Type", kind)))["request_method"] == "POST"
