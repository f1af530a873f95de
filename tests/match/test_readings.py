"""What a source reads of a request: a type that is one, and a key that is this request's alone."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookferry.errors import InvalidField
from hookferry.match.patterns import check_event_type
from hookferry.match.readings import (
    MAX_KEY,
    MAX_KEY_HEADERS,
    MAX_KEY_TEXT,
    DuplicateKey,
    EventTypeRule,
)
from hookferry.wire.inbound.presets import PRESETS

from .events import encode, facts, values
from .requests import caught, headers

GITHUB = caught(
    {"action": "opened", "n": 7, "type": "a b/c", "none": None, "yes": True, "list": [1]},
    headers=headers(X_GitHub_Event="pull_request", X_Blank="  ", X_Odd=" .a..b. "),
)


@pytest.mark.parametrize(
    ("document", "wanted"),
    [
        (None, "webhook.received"),
        ("github.push", "github.push"),
        ({"header": "X-GitHub-Event"}, "pull_request"),
        ({"header": "x-github-event", "prefix": "github."}, "github.pull_request"),
        ({"header": "x_github_event", "prefix": "gh-"}, "gh-pull_request"),
        ({"header": "X-Other", "prefix": "github."}, "github.unknown"),
        ({"header": "X-Other"}, "webhook.received"),
        ({"header": "X-Other", "prefix": "github.", "default": "github.odd"}, "github.odd"),
        ({"header": "X-Blank", "default": "github.odd"}, "github.odd"),
        ({"header": "X-Odd", "prefix": "p."}, "p.a.b"),
        ({"path": "data.action"}, "opened"),
        ({"path": "data.n", "prefix": "n."}, "n.7"),
        ({"path": "data.type"}, "a_b_c"),
        ({"path": "data.none"}, "webhook.received"),
        ({"path": "data.yes"}, "webhook.received"),
        ({"path": "data.list"}, "webhook.received"),
        ({"path": "data.missing", "default": "x"}, "x"),
        ({"path": "query.type"}, "webhook.received"),
        ({"template": "github.{{ headers.x-github-event }}.{{ data.action }}"},
         "github.pull_request.opened"),
        ({"template": "github.{{ headers.x-other }}.{{ data.action }}"}, "github.opened"),
        ({"template": "github.{{ headers.x-other }}", "default": "github.odd"}, "github.odd"),
        ({"template": "{{ data.action }}", "prefix": "github."}, "github.opened"),
        ({"template": "github.push"}, "github.push"),
        ({"template": ""}, "webhook.received"),
    ],
)  # fmt: skip
def test_a_request_has_the_type_that_its_source_reads(document: object, wanted: str) -> None:
    assert EventTypeRule(document).of(GITHUB) == wanted


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("Push Hook", "p.Push_Hook"),
        ("a/b:c", "p.a_b_c"),
        ("jira:issue.updated", "p.jira_issue.updated"),
        ("größe", "p.gr__e"),
        ("a\r\nb", "p.a__b"),
        ("...", "p.unknown"),
        (".a", "p.a"),
        ("1.2.3.4.5.6.7.8.9", "p.1.2.3.4.5.6.7"),
        ("a" * 200, "p." + "a" * 126),
        ("a" * 125 + ".b", "p." + "a" * 125),
        ("." * 2000 + "a", "p.unknown"),
    ],
)
def test_what_is_said_is_made_a_type(said: str, wanted: str) -> None:
    rule = EventTypeRule({"path": "data.said", "prefix": "p."})
    assert rule.of(caught({"said": said})) == wanted


RULES = [
    EventTypeRule({"path": "data", "prefix": "p."}),
    EventTypeRule({"path": "data.a"}),
    EventTypeRule({"template": "{{ data }}.{{ data.a }}", "prefix": "p", "default": "d"}),
    EventTypeRule({"header": "x-type", "prefix": "a." * 7}),
]


@given(values, st.text(st.characters(max_codepoint=255), max_size=200))
def test_whatever_is_said_the_type_is_one(data: Any, said: str) -> None:
    event = caught(data, headers=headers(X_Type=said))
    for rule in RULES:
        check_event_type(rule.of(event))


@pytest.mark.parametrize(
    ("document", "field", "told"),
    [
        ("not a type", "event_type", "is not an event type"),
        (7, "event_type", "an event type is a type such as"),
        ([], "event_type", "an event type is a type such as"),
        ({}, "event_type", "one of header, path, template is needed"),
        ({"prefix": "a."}, "event_type", "one of header, path, template is needed"),
        ({"header": "X-A", "path": "data.a"}, "event_type", "one alone"),
        ({"headers": "X-A"}, "event_type.headers", "did you mean 'header'?"),
        ({"qqqq": "X-A"}, "event_type.qqqq", "an event type is a type such as"),
        ({"header": "X A"}, "event_type.header", "a header's name is wanted"),
        ({"header": ""}, "event_type.header", "a header's name is wanted"),
        ({"header": 1}, "event_type.header", "a header's name is wanted"),
        ({"path": "dta.a"}, "event_type.path", "did you mean 'data'?"),
        ({"path": 1}, "event_type.path", "path is a text"),
        ({"path": ""}, "event_type.path", "a path is 1 to"),
        ({"template": "{{ dta.a }}"}, "event_type.template", "did you mean 'data'?"),
        ({"header": "X-A", "prefix": "a b."}, "event_type.prefix", "is not an event type"),
        ({"header": "X-A", "prefix": "."}, "event_type.prefix", "is not an event type"),
        ({"header": "X-A", "prefix": 1}, "event_type.prefix", "prefix is a text"),
        ({"header": "X-A", "default": "a b"}, "event_type.default", "is not an event type"),
        ({"header": "X-A", "default": 1}, "event_type.default", "default is a text"),
    ],
)
def test_a_rule_that_reads_no_type_is_refused_when_it_is_saved(
    document: object, field: str, told: str
) -> None:
    with pytest.raises(InvalidField) as refused:
        EventTypeRule(document)
    assert refused.value.field == field
    assert told in refused.value.detail


# -- duplicate keys -----------------------------------------------------------------------------

BODY = b'{"id": 7}'


def key(document: object, data: Any = None, *, body: bytes = BODY, **request: Any) -> str | None:
    return DuplicateKey(document).of(caught(data, **request), body)


@pytest.mark.parametrize(
    ("document", "wanted"),
    [
        ({"header": "X-Request-Id"}, "r-1"),
        ({"header": "x_request_id"}, "r-1"),
        ({"json_path": "id"}, "7"),
        ({"json_path": "$.id"}, "7"),
        ({"json_path": "data.id"}, "inner"),
        ({"json_path": "items.0.sku"}, "a-1"),
        ({"template": "{{ headers.x-request-id }}/{{ data.id }}"}, "r-1/7"),
    ],
)
def test_a_request_has_the_key_that_its_source_reads(document: object, wanted: str) -> None:
    data = {"id": 7, "data": {"id": "inner"}, "items": [{"sku": "a-1"}]}
    assert key(document, data, headers=headers(X_Request_Id="r-1")) == wanted


@pytest.mark.parametrize("document", [None, {}])
def test_a_source_without_keys_has_none(document: object) -> None:
    assert key(document, {"id": 7}) is None


@pytest.mark.parametrize(
    "document",
    [
        {"header": "X-Other"},
        {"header": "X-Empty"},
        {"json_path": "missing"},
        {"json_path": "none"},
        {"json_path": "yes"},
        {"json_path": "list"},
        {"json_path": "empty"},
        {"json_path": "blank"},
        {"template": "{{ data.id }}/{{ data.missing }}"},
        {"template": "{{ data.id }}/{{ data.empty }}"},
        {"template": "{{ data.long }}"},
        {"template": "{{ data.long }}{{ data.id }}"},
    ],
)
def test_where_the_key_or_a_part_is_missing_the_bytes_are_the_key(document: object) -> None:
    data = {
        "id": 7,
        "none": None,
        "yes": True,
        "list": [1],
        "empty": "",
        "long": "x" * MAX_KEY_TEXT,
    }
    given = headers(X_Empty="")
    by_bytes = key({"body_hash": True}, data, headers=given)
    assert by_bytes is not None
    assert by_bytes.startswith("body:")
    assert key(document, data, headers=given) == by_bytes
    assert key(document, data, headers=given, body=BODY + b" ") != by_bytes


def test_the_digest_of_a_request_tells_what_is_another() -> None:
    document = {"body_hash": True, "headers": ["X-A", "X-B"]}
    requests: list[dict[str, Any]] = [
        {},
        {"body": b'{"id": 8}'},
        {"method": "PUT"},
        {"path": b"a"},
        {"query": b"a"},
        {"path": b"a", "query": b"b"},
        {"path": b"ab"},
        {"headers": headers(X_A="1")},
        {"headers": headers(X_B="1")},
        {"headers": headers(X_A="1", X_B="1")},
        {"headers": headers(X_A="11")},
    ]
    keys = [key(document, {"id": 7}, **request) for request in requests]
    assert None not in keys
    assert len(set(keys)) == len(requests)
    again = [key(document, {"id": 7}, **request) for request in requests]
    assert keys == again
    other = headers(X_A="1", X_C="2")
    assert key(document, {"id": 7}, headers=other) == keys[7], "headers that do not count"


@pytest.mark.parametrize("document", [{"body_hash": True}, {"header": "X-Id"}, {"json_path": "id"}])
def test_a_request_with_nothing_in_it_is_nobodys_duplicate(document: object) -> None:
    assert key(document, None, body=b"") is None
    assert key(document, None, body=b"", query=b"a=1") is not None
    assert key({"header": "X-Id"}, None, body=b"", headers=headers(X_Id="1")) == "1"


def test_a_long_or_odd_key_is_kept_as_its_digest() -> None:
    def of(text: str) -> str | None:
        return key({"json_path": "id"}, {"id": text})

    assert of("a" * MAX_KEY) == "a" * MAX_KEY
    for text in ("a" * (MAX_KEY + 1), "a\x00b", "a\r\nb", "a\u2028b"):
        assert of(text) == f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def test_data_that_can_not_be_read_leaves_the_bytes() -> None:
    payload = b'{"id": 1e400}'
    read = DuplicateKey({"json_path": "id"}).of(caught(payload=payload), payload)
    assert read == DuplicateKey({"body_hash": True}).of(caught(payload=payload), payload)
    assert EventTypeRule({"path": "data.id"}).of(caught(payload=payload)) == "webhook.received"


def test_an_event_that_was_published_has_the_key_of_its_body() -> None:
    read = DuplicateKey({"header": "X-Id"}).of(facts({"id": 7}), BODY)
    assert read is not None
    assert read.startswith("body:")


@given(values, st.binary(max_size=20))
def test_whatever_comes_its_key_is_short_text_and_the_same_again(data: Any, body: bytes) -> None:
    event = caught(data, query=body, headers=((b"X-Id", body),))
    for document in (
        {"header": "X-Id"},
        {"json_path": "a"},
        {"template": "{{ data }}{{ query.a }}"},
        {"body_hash": True, "headers": ["X-Id"]},
    ):
        read = DuplicateKey(document).of(event, encode(data))
        assert read == DuplicateKey(document).of(event, encode(data))
        assert read is not None
        assert len(read) <= MAX_KEY
        assert read.isprintable()


@pytest.mark.parametrize(
    ("document", "field", "told"),
    [
        ("X-Id", "deduplicate", 'a duplicate key is {"header"'),
        ({"headr": "X-Id"}, "deduplicate.headr", "did you mean 'header'?"),
        ({"jsonpath": "id"}, "deduplicate.jsonpath", "did you mean 'json_path'?"),
        ({"qqqq": 1}, "deduplicate.qqqq", "{} for none"),
        ({"header": "X-Id", "json_path": "id"}, "deduplicate", "one alone"),
        ({"headers": ["X-Id"]}, "deduplicate", "one of header, json_path"),
        ({"header": "X-Id", "headers": ["X-Id"]}, "deduplicate.headers", "with a body_hash only"),
        ({"header": "X Id"}, "deduplicate.header", "a header's name is wanted"),
        ({"json_path": ""}, "deduplicate.json_path", "a path is 1 to"),
        ({"json_path": 1}, "deduplicate.json_path", "json_path is a text"),
        ({"template": "same"}, "deduplicate.template", "all but the first would be duplicates"),
        ({"template": "{{ x }}"}, "deduplicate.template", "starts at nothing"),
        ({"body_hash": False}, "deduplicate.body_hash", "body_hash is true"),
        ({"body_hash": 1}, "deduplicate.body_hash", "body_hash is true"),
        ({"body_hash": True, "headers": "X-Id"}, "deduplicate.headers", "a list of names"),
        ({"body_hash": True, "headers": ["X-A", "X B"]}, "deduplicate.headers[1]", "is wanted"),
        (
            {"body_hash": True, "headers": ["X-A"] * (MAX_KEY_HEADERS + 1)},
            "deduplicate.headers",
            "16 at most",
        ),
    ],
)
def test_a_key_that_tells_nothing_is_refused_when_it_is_saved(
    document: object, field: str, told: str
) -> None:
    with pytest.raises(InvalidField) as refused:
        DuplicateKey(document)
    assert refused.value.field == field
    assert told in refused.value.detail


@pytest.mark.parametrize("name", PRESETS)
def test_what_the_presets_read_is_readable(name: str) -> None:
    EventTypeRule(PRESETS[name].event_type)
    DuplicateKey(PRESETS[name].deduplicate)
