"""Scripts are checked whole when they are saved."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookferry.errors import ScriptRefused
from hookferry.kata.fuel import Fuel
from hookferry.kata.script import compile_script
from kata.runs import play


def problems(script: str) -> list[dict[str, Any]]:
    with pytest.raises(ScriptRefused) as refused:
        compile_script(script)
    listed: Any = refused.value.extra["problems"]
    return listed


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("retrun:", "did you mean return?"),
        ("await:\n    until: now", "end with return:"),
        ("decision:\n    set:\n      a: 1", "outcomes only"),
        ("decision: x", "has outcomes under it"),
        ("outcome/x:\n    if@bool: yes", "needs the key then:"),
        ("outcome/x:\n    iff@bool: yes\n    then:", "did you mean if?"),
        ("repeat:\n    each@csv: 1\n    do:", "needs the key as:"),
        ("repeat:\n    each@csv: 1\n    as: a b\n    do:", "as: names one placeholder"),
        ("repeat:\n    each@csv: 1\n    as: {{x}}\n    do:", "as: names one placeholder"),
        ("while:\n    do:", "needs the key if:"),
        ("http.request:", "needs inputs: with url"),
        ("http.request:\n    inputs:\n      method: GET", "needs the key url:"),
        ("http.request:\n    inputs:\n      ulr: x", "did you mean url?"),
        ("http.request:\n    input:\n      url: x", "did you mean inputs?"),
        ("http.request:\n    output: a b\n    inputs:\n      url: x", "names a placeholder"),
        ("http.request:\n    inputs: x", "takes no text"),
        ("http.request:\n    inputs@json: {}", "takes no annotations"),
        ("http.request:\n    on_success: x\n    inputs:\n      url: x", "has commands under it"),
        ("function:\n    inputs:\n      a: 1", "needs the key uri:"),
        ("simulate.success:\n    a: 1", "under an on_simulate: only"),
        ("set: x", "has placeholders under it"),
        ("set@json: {}", "has placeholders under it"),
        ("return: x", "has keys under it"),
        ("set:\n    a: {{ b", "}}"),
        ("set:\n    a: {{ b|uper }}", "upper"),
        ("set:\n    a@jsn: 1", "@jsn"),
        ("set:\n    a@ref: nothing", "nothing"),
        ("storage.get/a/b:", "id"),
        ("record.create:\n    output: x", "record.create is a command of Cerb that is not part of"),
        ("decrypt.pgp:", "decrypt.pgp is a command of Cerb that is not part of hookferry"),
        ("set:\n    a@foo: 1", "there is no annotation @foo; known are base64"),
    ],
)
def test_what_is_wrong_is_said(line: str, message: str) -> None:
    listed = problems(f"start:\n  {line}\n")
    assert any(message in problem["message"] for problem in listed), listed


def test_a_script_begins_with_start() -> None:
    assert "start:" in problems("")[0]["message"]
    assert "did you mean start?" in problems("strat:\n  return:\nstart:\n")[0]["message"]


def test_every_problem_is_listed_with_its_place() -> None:
    script = """\
start:
  sett:
    a: 1
  set:
    b: {{ 1 + }}
    c@text:
      fine
        {{ d|nope }}
  http.request:
    inputs:
      url: {% if %}
    on_error:
      repaet:
  return:
    e@ref: missing
others:
"""
    assert [(problem["line"], problem["column"]) for problem in problems(script)] == [
        (2, 3),
        (5, 15),
        (8, 14),
        (11, 12),
        (11, 18),
        (13, 7),
        (15, 5),
        (16, 1),
    ]


def test_what_stands_under_on_simulate_may_mock_at_any_depth() -> None:
    script = """\
start:
  http.request:
    output: answer
    inputs:
      url: https://a.example
    on_simulate:
      decision:
        outcome/bad:
          if@bool: {{bad}}
          then:
            simulate.error:
              error: No answer.
        outcome/good:
          then:
            simulate.success:
              body: Hello
    on_error:
      return:
        error@key: answer:error
  return:
    body@key: answer:body
"""
    assert play(script, scope={"bad": True}, simulate=True).returned == {"error": "No answer."}
    assert play(script, simulate=True).returned == {"body": "Hello"}


def test_a_script_is_compiled_once_and_runs_any_number_of_times() -> None:
    script = """\
start:
  var.push:
    inputs:
      key: list
      value: {{x}}
  return:
    list@key: list
"""
    assert (
        play(script, scope={"x": 1}).returned
        == play(script, scope={"x": 1}).returned
        == {"list": ["1"]}
    )


def test_references_are_in_their_places() -> None:
    script = """\
start:
  outcome/a:
    if@bool: yes
    then@ref: ending
&ending:
  return:
    headers@ref: common.headers
&common:
  headers:
    X-From: {{name}}
"""
    assert play(script, scope={"name": "me"}).returned == {"headers": {"X-From": "me"}}


LINES = st.sampled_from(
    [
        "start:",
        "inputs:",
        "text/name:",
        "set:",
        "set/a:",
        "a: 1",
        "b@int: {{a}}",
        "c@json,key: [",
        "d@text:",
        "return:",
        "decision:",
        "outcome/x:",
        "if@bool: {{a}}",
        "then:",
        "repeat:",
        "each@csv: 1,2",
        "as: k, v",
        "do:",
        "while:",
        "http.request:",
        "inputs:",
        "url: {{",
        "output: x",
        "on_error:",
        "on_simulate:",
        "simulate.success:",
        "log: {{a.b}}",
        "function:",
        "uri: cerb:automation:x",
        "&r:",
        "e@ref: r",
        "kata.parse:",
        "kata@raw:",
        "error: {% if a %}no{% endif %}",
        "",
        "# comment",
    ]
)


@given(st.lists(st.tuples(st.integers(0, 5), LINES), max_size=25))
def test_any_text_is_a_script_that_runs_within_its_budget_or_refused(
    lines: list[tuple[int, str]],
) -> None:
    script = "\n".join("  " * indent + line for indent, line in lines)
    fuel = Fuel(steps=500)
    try:
        compile_script(script)
    except ScriptRefused:
        return
    result = play(script, fuel=fuel)
    assert result.fuel_used <= 500 or result.out_of_fuel


@given(st.text(max_size=200))
def test_any_characters_are_a_script_or_refused(text: str) -> None:
    with contextlib.suppress(ScriptRefused):
        compile_script(text)


def test_a_script_has_a_size_also_with_its_references_written_out() -> None:
    assert "it may have 65,536" in problems("# " + "x" * 65_535)[0]["message"]
    script = "start:\n" + "".join(f"  set/s{n}@ref: big\n" for n in range(70))
    script += "&big:\n  text: " + "x" * 2_000
    assert "with its references written out" in problems(script)[0]["message"]
