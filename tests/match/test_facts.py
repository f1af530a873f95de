"""Paths and expressions see the request that an event was born from, and nothing else changes."""

from __future__ import annotations

from typing import Any

import pytest

from hookferry import ids
from hookferry.errors import ConditionError, InvalidField
from hookferry.match.caught import MAX_PARAMETERS
from hookferry.match.cel import MAX_WORK, CelCondition
from hookferry.match.conditions import parse_condition
from hookferry.match.facts import MISSING, Facts, Path

from .events import facts
from .requests import REQUEST_ID, caught, headers

HEADERS = (
    (b"Host", b"h.example"),
    (b"X-GitHub-Event", b"push"),
    (b"x-github-event", b"second"),
    (b"x.dotted", b"d"),
    (b"X-Name", b"J\xf6rg"),
    (b"X-Empty", b""),
)


def found(path: str, event: Facts) -> Any:
    return Path(path).of(event)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("headers.x-github-event", "push"),
        ("headers.X-GitHub-Event", "push"),
        ("headers.x_github_event", "push"),
        ("headers.X_GITHUB-event", "push"),
        ("headers.x\\.dotted", "d"),
        ("headers.x.dotted", "d"),
        ("headers.x-name", "Jörg"),
        ("headers.x-empty", ""),
        ("headers.x-github", MISSING),
        ("headers.ö", MISSING),
        ("headers.authorization", MISSING),
    ],
)
def test_a_header_is_found_whatever_its_case_and_dashes(path: str, value: object) -> None:
    assert found(path, caught(headers=HEADERS)) == value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("query.name", "J\xf6rg B"),
        ("query.hub.mode", "subscribe"),
        ("query.a b", "2"),
        ("query.ü", "3"),
        ("query.flag", ""),
        ("query.empty", ""),
        ("query.bad", "\ufffd"),
        ("query.broken", "%zz%"),
        ("query.equals", "a=b"),
        ("query.Name", MISSING),
        ("query.nothing", MISSING),
        ("query.a+b", MISSING),
    ],
)
def test_a_parameter_is_found_decoded(path: str, value: object) -> None:
    event = caught(
        query=b"&name=J%C3%B6rg+B&name=other&hub%2Emode=subscribe&a+b=2&%C3%BC=3&flag&empty="
        b"&bad=%FF&broken=%zz%&equals=a=b&=nameless"
    )
    assert found(path, event) == value


def test_parameters_beyond_the_first_thousand_are_not_looked_at() -> None:
    query = b"&".join([b"a=1"] * (MAX_PARAMETERS - 1) + [b"last=1", b"beyond=1"])
    event = caught(query=query)
    assert found("query.last", event) == "1"
    assert found("query.beyond", event) is MISSING


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("request.method", "PUT"),
        ("request.path", "a/%62/\xff"),
        ("request.query", "a=%62&c"),
        ("request.client", "192.0.2.7"),
        ("id", ids.encode("req", REQUEST_ID)),
    ],
)
def test_the_request_itself_is_there_as_it_came(path: str, value: str) -> None:
    event = caught(method="PUT", path=b"a/%62/\xff", query=b"a=%62&c", client="192.0.2.7")
    assert found(path, event) == value


def test_a_client_that_is_not_known_is_not_there() -> None:
    assert found("request.client", caught()) is MISSING


@pytest.mark.parametrize(
    "path",
    ["headers.host", "query.name", "request.method", "request.query", "request.client", "id"],
)
def test_an_event_that_was_published_has_no_request(path: str) -> None:
    assert found(path, facts({"headers": {"host": "h"}})) is MISSING


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("headers", "names no header"),
        ("query", "names no parameter"),
        ("request", "'request.method', 'request.path', 'request.query', 'request.client'"),
        ("request.body", "leads nowhere; a request has"),
        ("request.method.x", "leads nowhere; a request has"),
        ("queri.name", "did you mean 'query'?"),
        ("request_method", "did you mean 'request'?"),
    ],
)
def test_a_path_into_nothing_of_a_request_is_refused_when_it_is_saved(path: str, told: str) -> None:
    with pytest.raises(InvalidField) as refused:
        Path(path, field="condition.path")
    assert told in refused.value.detail
    assert refused.value.field == "condition.path"


def test_conditions_hold_against_requests() -> None:
    event = caught({"action": "opened"}, b"team=a", headers=HEADERS)
    wanted = {
        "all": [
            {"path": "headers.x-github-event", "op": "equals", "value": "push"},
            {"path": "query.team", "op": "in", "value": ["a", "b"]},
            {"path": "request.method", "op": "equals", "value": "POST"},
            {"path": "headers.x-other", "op": "exists", "value": False},
        ]
    }
    assert parse_condition(wanted).holds(event)
    assert not parse_condition(wanted).holds(facts({"action": "opened"}))


def test_expressions_see_requests() -> None:
    event = caught({"n": 1}, b"team=a+b&team=c", headers=HEADERS, client="192.0.2.7")
    for expression in (
        'event.headers["x-github-event"] == "push" && event.data.n == 1',
        'event.headers["x-name"] == "Jörg"',
        'event.query.team == "a b"',
        'event.request.method == "POST" && event.request.client == "192.0.2.7"',
        'event.request.query == "team=a+b&team=c" && event.request.path == ""',
        '!("x-other" in event.headers)',
    ):
        assert CelCondition(expression).holds(event), expression
        with pytest.raises(ConditionError):
            CelCondition(expression).holds(facts({"n": 1}))
    assert CelCondition("!has(event.headers) && !has(event.request)").holds(facts({"n": 1}))


def test_what_an_expression_looks_at_in_a_request_counts_as_work() -> None:
    condition = CelCondition("event.headers.a == event.headers.b && event.data.n == 1")
    small = caught({"n": 1}, headers=headers(a="x", b="x"))
    assert condition.holds(small)
    value = "x" * MAX_WORK
    for event in (caught({"n": 1}, headers=headers(a=value)), caught({"n": 1}, value.encode())):
        with pytest.raises(ConditionError, match="looks at"):
            condition.holds(event)


def test_data_that_is_no_text_can_not_be_read_and_is_no_bug() -> None:
    for payload in (b'{"a": "\xff"}', b"[" * 5_000, b'{"a": 1e400}'):
        with pytest.raises(ConditionError, match="can't be read"):
            found("data.a", caught(payload=payload))
