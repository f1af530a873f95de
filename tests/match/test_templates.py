"""Templates print what an event has, within a limit, and never fail once they are saved."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookferry.errors import InvalidField
from hookferry.match.facts import Facts
from hookferry.match.templates import MAX_PLACES, MAX_TEXT, Template

from .events import encode, events, facts, values
from .requests import caught, headers

DATA = {
    "name": "Jörg",
    "n": 5,
    "f": 2.5,
    "big": 2**70,
    "yes": True,
    "no": False,
    "nothing": None,
    "empty": "",
    "list": [1, {"a": None}],
    "first name": "Jo",
    "a.b": "dotted",
    "it's": "quoted",
    "back\\slash": "b",
    "größe": "XL",
    "items": [{"sku": "a-1"}],
}


def printed(text: str, event: Facts | None = None, limit: int = 10_000) -> str:
    return Template(text).render(facts(DATA) if event is None else event, limit)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("", ""),
        ("no place } }} %} #} { here", "no place } }} %} #} { here"),
        ("{{ data.name }}", "Jörg"),
        ("{{data.name}}", "Jörg"),
        ("{{\tdata.name\r\n}}", "Jörg"),
        ("<{{ data.name }}|{{ data.n }}>", "<Jörg|5>"),
        ("{{ data.f }} {{ data.big }}", "2.5 1180591620717411303424"),
        ("{{ data.yes }} {{ data.no }}", "true false"),
        ("[{{ data.nothing }}{{ data.empty }}{{ data.missing }}{{ data.n.deeper }}]", "[]"),
        ("{{ data.list }}", '[1,{"a":null}]'),
        ("{{ data.items.0.sku }}{{ data.items[0].sku }}{{ data.items[1].sku }}", "a-1a-1"),
        ("{{ data['first name'] }}", "Jo"),
        ('{{ data["first name"] }}', "Jo"),
        ("{{ data['a.b'] }}", "dotted"),
        ('{{ data["it\'s"] }}', "quoted"),
        ("{{ data.größe }}", "XL"),
        ("{{ type }}", "order.paid"),
        ('{"n": {{ data.n }}}', '{"n": 5}'),
        ("{{ '{{' }} {{ \"}}\" }} {{ '{%' }}{{ '' }}", "{{ }} {%"),
        ("{{ headers.host }}{{ request.method }}{{ query.a }}{{ id }}", ""),
        ("{{ data.name|json_encode }}", '"J\\u00f6rg"'),
        ("{{ data.n | json_encode }} {{ data.big|json_encode }}", "5 1180591620717411303424"),
        ("{{ data.list|json_encode }} {{data.yes|json_encode}}", '[1,{"a":null}] true'),
        ("{{ data.nothing|json_encode }} {{ data.missing|json_encode }}", "null null"),
        ("{{ data.empty|json_encode }} {{ data.n.deeper|json_encode }}", '"" null'),
        ("{{ headers.host|json_encode }} {{ type|json_encode }}", 'null "order.paid"'),
        ("{{ 'a \"b\"'|json_encode }}", '"a \\"b\\""'),
    ],
)
def test_a_place_prints_what_is_there(text: str, result: str) -> None:
    assert printed(text) == result


def test_places_see_the_request_of_a_caught_event() -> None:
    event = caught(
        {"id": 1}, b"name=a%20b", headers=headers(X_GitHub_Event="push"), client="192.0.2.7"
    )
    text = (
        "{{ headers.x-github-event }} {{ headers['X-GitHub-Event'] }} {{ headers.x_github_event }}"
        " {{ query.name }} {{ request.method }} {{ request.client }} {{ id }}"
    )
    assert printed(text, event) == "push push push a b POST 192.0.2.7 req_0000000000007"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{{", "'{{' at character 1 is no place to fill"),
        ("abc {{ }}", "'{{ }}' at character 5"),
        ("{{ data.name", "at character 1"),
        ("{{ data.name }", "at character 1"),
        ("{{ data. }}", "at character 1"),
        ("{{ data.a b }}", "at character 1"),
        ("{{ data.a|upper }}", "'|upper }}' at character 10: these templates have one filter"),
        ("{{ data.a|json_encode|raw }}", "'|json_encode|raw }}' at character 10: these templates"),
        ("{{ data.a|json_encode(1) }}", "have one filter, json_encode, without arguments and once"),
        ("{{ data.a || data.b }}", "at character 11: these templates have one filter, json_encode"),
        ("{{ data.a|json_encode ~ 'b' }}", "at character 1 is no place to fill"),
        ("{{ |json_encode }}", "at character 1 is no place to fill"),
        ("{{ data.a ~ 'b' }}", "without operators"),
        ("{{- data.a }}", "at character 1"),
        ("{{ data.a-}}", "at character 1"),
        ("{{ data['a }}", "at character 1"),
        ("{{ data[a] }}", "at character 1"),
        ("{{ 'a }}", "at character 1"),
        ("{{ 1 }}", "at character 1"),
        ("{{ data.a }}{{ {{ }}", "at character 13"),
        ("a {% if x %}", "'{%' at character 3 begins what these templates don't have"),
        ("{# note #}", "write {{ '{#' }}"),
        ("x{{ name }}", "at character 2: the path 'name' starts at nothing"),
        ("{{ headrs.x }}", "did you mean 'headers'?"),
        ("{{ headers }}", "names no header"),
        ("{{ data" + ".a" * 17 + " }}", "a path is 1 to 16 names"),
        ("{{ data.a }}" * (MAX_PLACES + 1), f"at most {MAX_PLACES} places"),
        ("a" * (MAX_TEXT + 1), "at most 65,536 characters"),
    ],
)
def test_what_can_not_be_filled_is_refused_when_it_is_saved(text: str, told: str) -> None:
    with pytest.raises(InvalidField) as refused:
        Template(text, field="respond.body")
    assert refused.value.field == "respond.body"
    assert told in refused.value.detail


def test_a_text_that_is_too_long_is_cut_at_a_character() -> None:
    event = facts({"e": "é" * 50, "x": "x" * 50})
    assert printed("{{ data.e }}", event, 9) == "éééé"
    assert printed("ab{{ data.x }}cd", event, 10) == "ab" + "x" * 8
    assert printed("ab{{ data.x }}cd", event, 54) == "ab" + "x" * 50 + "cd"
    assert printed("abcdef{{ data.x }}", event, 3) == "abc"
    assert printed("é" * 9, event, 5) == "éé"
    assert printed("{{ data }}", event, 0) == ""


def test_data_that_can_not_be_read_prints_nothing() -> None:
    for payload in (b'{"a": "\xff"}', b"[" * 5_000, b'{"a": 1e400}'):
        assert printed("[{{ data.a }}{{ data }}]", caught(payload=payload)) == "[]"
        assert printed("[{{ data.a|json_encode }}]", caught(payload=payload)) == "[null]"


def test_a_template_knows_whether_it_is_always_the_same() -> None:
    assert Template("ok {{ '{{' }}").constant == "ok {{"
    assert Template("").constant == ""
    assert Template("{{ data.a }}").constant is None


def test_a_header_is_one_line_of_ascii_whatever_is_filled_in() -> None:
    event = facts({"a": "x\r\nset-cookie: y\x00\x85\t", "e": "Jörg \u2028 B"})
    header = Template("{{ data.a }}").render_header(event, 1000)
    assert header == "xset-cookie: y"
    assert Template("a\nb{{ data.e }} ").render_header(event, 1000) == "abJ?rg ? B"
    assert Template("{{ data.e }}").render_header(event, 4) == "J?rg"


@given(events, st.integers(0, 60), st.sampled_from(["", "é", "a{{ '{{' }}"]))
def test_whatever_is_there_is_printed_within_the_limit(
    event: Facts, limit: int, around: str
) -> None:
    template = Template(
        around + "{{ data }}" + around + "{{ data.a }}{{ actor.name }}{{ data['a.b'][0] }}"
    )
    text = template.render(event, limit)
    assert len(text.encode()) <= limit
    assert template.render(event, 10**6).startswith(text)
    header = template.render_header(event, limit)
    assert header.isascii()
    assert len(header) <= limit
    assert header == "" or header.isprintable()


@given(
    values,
    st.integers(0, 300),
    st.text(st.characters(codec="utf-8", exclude_characters="{"), max_size=30),
)
def test_a_template_that_is_json_stays_json_whatever_the_caller_sends(
    sent: object, more: int, name: str
) -> None:
    event = facts({"a": sent, "a.b": [sent]})
    written = {"kind": "data.a", "é": "data", "who": "actor.name", name + "!": "data['a.b'][0]"}
    members = (
        f"{encode(key).decode()}: {{{{ {path}|json_encode }}}}" for key, path in written.items()
    )
    template = Template("{" + ", ".join(members) + "}")
    whole = json.loads(template.render(event, 10**6))
    assert list(whole.values()) == [sent, {"a": sent, "a.b": [sent]}, None, sent]
    assert list(whole) == list(written)
    limit = len(template.render(facts(None), 10**6).encode()) + more
    filled = template.render(event, limit)
    assert len(filled.encode()) <= limit
    # A value that has no room is left out whole; none is cut.
    made = json.loads(filled)
    assert list(made) == list(written)
    assert all(made[key] in (whole[key], None) for key in written)


def test_a_value_of_json_for_which_there_is_no_room_counts_as_not_filled() -> None:
    event = facts({"long": "x" * 50, "short": "y"})
    template = Template('[{{ data.long|json_encode }}, {{ data.short|json_encode }}, "é"]')
    assert template.fill(event, 70) == (f'["{"x" * 50}", "y", "é"]', 2)
    assert template.fill(event, 60) == ('[null, "y", "é"]', 1)
    assert template.fill(facts({"short": None}), 60) == ('[null, null, "é"]', 0)


def test_json_in_a_header_keeps_its_characters() -> None:
    header = Template("{{ data.e|json_encode }}").render_header(facts({"e": "Jörg\r\n"}), 100)
    assert json.loads(header) == "Jörg\r\n"


pieces = st.sampled_from(
    [
        "{{",
        "}}",
        " ",
        "data",
        ".",
        "a",
        "[",
        "]",
        "'",
        '"',
        "0",
        "{%",
        "{#",
        "-",
        "|",
        "|json_encode",
        "é",
        "\\",
    ]
)


@given(st.lists(pieces, max_size=14).map("".join) | st.text(max_size=20))
def test_any_text_is_a_template_or_is_refused(text: str) -> None:
    try:
        template = Template(text)
    except InvalidField:
        return
    assert len(template.render(facts({"a": {"0": [1]}}), 1000).encode()) <= 1000
