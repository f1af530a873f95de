"""Scripts that try to take more than their budget end in an error, soon, and leak nothing.

How soon is bounded by steps rather than by a clock: a test on a busy machine measures the machine.
What a step costs is bounded by a wide margin, so that work without steps shows.
"""

from __future__ import annotations

import json
import re
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookferry.errors import ScriptError, ScriptRefused
from hookferry.kata.frame import MAX_BLOCKS, MAX_FUNCTIONS
from hookferry.kata.fuel import MEMORY, STEPS, Fuel
from hookferry.kata.result import MAX_LINES, MAX_STEPS
from hookferry.kata.script import compile_script
from kata.runs import World, play
from kata.scripts import SCRIPTS

SECONDS = 5.0
"""Ten times what any of these takes on an idle machine."""

RANGE = "{{range(1, 9999)|json_encode}}"


def loop(body: str) -> str:
    return f"start:\n  while:\n    if@bool: yes\n    do:\n{body}"


HOSTILE = {
    "nested loops": f"""\
start:
  set:
    numbers@json: {RANGE}
  repeat/outer:
    each@key: numbers
    as: i
    do:
      repeat/inner:
        each@key: numbers
        as: j
        do:
          set:
            k: {{{{i * j}}}}
""",
    "an empty loop": loop(""),
    "a loop that sets": loop("      set:\n        a: 1\n        b@key: a\n        c@int: {{a}}"),
    "a loop of loops": loop("      while:\n        if@bool: no\n        do:"),
    "a loop that logs": loop("      log: {{'x' ~ 'y'}}"),
    "texts that double": """\
start:
  set:
    a: aaaaaaaaaaaaaaaa
  while:
    if@bool: yes
    do:
      set:
        a: {{a}}{{a}}
""",
    "texts that double within a template": """\
start:
  set:
    a: {% set a = 'aaaaaaaa' %}{% for i in 1..60 %}{% set a = a ~ a %}{% endfor %}{{a}}
""",
    "lists that double": """\
start:
  set:
    a@json: [1]
  while:
    if@bool: yes
    do:
      set:
        a@json: {{a|merge(a)|json_encode}}
""",
    "lists that share": """\
start:
  set:
    a@json: ["x"]
  while:
    if@bool: yes
    do:
      var.push:
        inputs:
          key: a
          value@key: a
""",
    "dictionaries that share": """\
start:
  set:
    a@json: {"x": 1}
  while:
    if@bool: yes
    do:
      set:
        b:
          l@key: a
          r@key: a
        a@key: b
""",
    "dictionaries that grow": """\
start:
  set:
    n@int: 0
  while:
    if@bool: yes
    do:
      set:
        n@int: {{n + 1}}
      var.set:
        inputs:
          key: d:k{{n}}
          value@key: n
""",
    "placeholders by the million": """\
start:
  set:
    n@int: 0
  while:
    if@bool: yes
    do:
      set:
        n@int: {{n + 1}}
      var.set:
        inputs:
          key: k{{n}}
          value: x
""",
    "a return that is too large": "start:\n  return:\n"
    + "".join(f"    k{n}: {{{{big ~ big}}}}\n" for n in range(20)),
    "inputs that are too large": (
        "start:\n  event.publish:\n    inputs:\n      type: x\n      data:\n"
    )
    + "".join(f"        k{n}: {{{{big ~ big}}}}\n" for n in range(20)),
    "documents read again and again": loop(
        "      kata.parse:\n        inputs:\n          kata@key: document\n        output: read"
    ),
    "attributes of the inside": """\
start:
  set:
    a: {{[].__class__.__base__.__subclasses__|json_encode}}
    b: {{request_headers.__class__.__init__.__globals__}}
    c: {{range.__globals__ ?? 'none'}}
  error: {{a}}{{b}}{{c}}.
""",
}


@pytest.mark.parametrize("script", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_script_ends_in_an_error(script: str) -> None:
    scope = {"big": "x" * 1_000_000, "request_headers": {}, "document": "a:\n  b: {{1}}\n" * 1}
    fuel = Fuel()
    began = time.process_time()
    result = play(script, scope=scope, fuel=fuel)
    assert time.process_time() - began < SECONDS
    assert result.exit == "error"
    assert result.fault is None
    assert result.fuel_used <= STEPS + fuel_of_one_step(fuel)
    assert fuel.held <= MEMORY + 4_000_000
    assert len(result.log) <= MAX_LINES + 1
    assert len(result.steps) <= MAX_STEPS


def fuel_of_one_step(fuel: Fuel) -> int:
    """Return what the last payment asked for beyond what there was."""
    return max(-fuel.steps, 0)


def test_attributes_of_the_inside_are_not_there() -> None:
    result = play(HOSTILE["attributes of the inside"], scope={"request_headers": {"a": "b"}})
    assert result.error in ("null.none.", "none.", "nullnone.")


RECURSIVE = """\
start:
  function:
    uri: cerb:automation:me
    on_error:
      return:
        caught: yes
  return:
"""


def test_functions_that_call_themselves_are_stopped_and_nobody_catches_it() -> None:
    world = World(functions={"cerb:automation:me": RECURSIVE})
    result = play(RECURSIVE, world=world)
    assert (result.exit, result.out_of_fuel) == ("error", True)
    assert f"more than {MAX_FUNCTIONS} deep" in (result.error or "")
    assert len([step for step in result.steps if step.command == "function"]) == MAX_FUNCTIONS + 1


def test_functions_that_fan_out_share_one_budget() -> None:
    script = """\
start:
  repeat:
    each@json: [1, 2, 3, 4, 5, 6, 7, 8, 9]
    as: i
    do:
      function:
        uri: cerb:automation:me
"""
    result = play(script, world=World(functions={"cerb:automation:me": script}))
    assert (result.exit, result.out_of_fuel) == ("error", True)


def nested(inner: str, levels: int, key: str = "outcome/x") -> str:
    """Put commands into outcomes of outcomes."""
    lines = ["start:"]
    for level in range(levels):
        indent = "  " * (level * 2 + 1)
        lines += [f"{indent}{key}:", f"{indent}  then:"]
    indent = "  " * (levels * 2 + 1)
    return "\n".join([*lines, *(indent + line for line in inner.splitlines())]) + "\n"


def test_deep_scripts_that_call_deep_scripts_stay_within_pythons_stack() -> None:
    call = "function:\n  uri: cerb:automation:me\n  on_success:\n    return:"
    script = nested(call, 28)
    result = play(script, world=World(functions={"cerb:automation:me": script}))
    assert (result.exit, result.out_of_fuel) == ("error", True)
    assert f"more than {MAX_BLOCKS} deep" in (result.error or "")


def test_a_million_stored_keys_are_up_to_the_port() -> None:
    stored: dict[str, Any] = {}

    def store(inputs: dict[str, Any]) -> dict[str, Any]:
        if len(stored) >= 1_000:
            raise ScriptError("there are 1,000 keys already")
        stored[inputs["key"]] = inputs["value"]
        return inputs

    script = """\
start:
  repeat:
    each@json: {{range(1, 9999)|json_encode}}
    as: i
    do:
      storage.set:
        inputs:
          key: key.{{i}}
          value: x
"""
    result = play(script, world=World({"storage.set": store}))
    assert (result.exit, result.error) == (
        "error",
        "start:repeat:do:storage.set: there are 1,000 keys already",
    )


def test_a_pause_is_asked_for_often_and_may_end_the_run() -> None:
    pauses = 0

    def pause() -> None:
        nonlocal pauses
        pauses += 1
        if pauses > 20:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        play(HOSTILE["an empty loop"], fuel=Fuel(pause=pause))
    assert pauses == 21


COMMANDS = st.sampled_from(
    [
        "set:\n  a: {{a}}{{a}}x",
        "set:\n  a@json: {{[a, a]|json_encode}}",
        "set:\n  l:\n    x@key: l\n    y@key: l",
        "var.push:\n  inputs:\n    key: l\n    value@key: a",
        "var.push:\n  inputs:\n    key: l\n    value@key: l",
        "var.set:\n  inputs:\n    key: l:0:x\n    value@key: a",
        "var.unset:\n  inputs:\n    key: a, l:0",
        "log@key: l",
        "repeat:\n  each@key: l\n  as: k, a\n  do:\n    log: {{k}}",
        "function:\n  uri: cerb:automation:me\n  output: l",
        "kata.parse:\n  inputs:\n    kata@key: a\n  output: l\n  on_error:\n    log: no",
        "http.request:\n  inputs:\n    url: https://a.example\n    body@key: l\n  output: a",
    ]
)


@settings(deadline=None, max_examples=40)
@given(st.lists(COMMANDS, min_size=1, max_size=6), st.integers(100, 5_000))
def test_no_loop_of_any_commands_takes_more_than_its_budget(bodies: list[str], steps: int) -> None:
    lines = ["start:", "  while:", "    if@bool: yes", "    do:"]
    for number, body in enumerate(bodies):
        named = re.sub(r"^([a-z.]+)", rf"\1/c{number}", body)
        lines += [f"      {line}" for line in named.splitlines()]
    script = "\n".join(lines)
    fuel = Fuel(steps=steps, memory=100_000)
    functions = {"cerb:automation:me": "start:\n  return:\n    a@key: inputs"}
    result = play(script, scope={"a": "x"}, fuel=fuel, world=World(functions=functions))
    assert result.exit == "error"
    assert fuel.held <= 200_000
    if result.out_of_fuel:
        assert result.fuel_used > steps - 500 or fuel.held > 0


def test_every_command_and_every_round_of_a_loop_is_paid() -> None:
    def cost(script: str) -> int:
        return play(script, scope={"list": [1] * 1_000}).fuel_used

    nothing = cost("start:\n")
    assert cost("start:\n" + "".join(f"  log/a{n}: x\n" for n in range(100))) - nothing >= 200
    repeat = "start:\n  repeat:\n    each@key: list\n    as: x\n    do:\n"
    assert cost(repeat) - nothing >= 1_000


@settings(deadline=None, max_examples=40)
@given(SCRIPTS, st.booleans(), st.integers(50, 8_000))
def test_whatever_a_script_does_its_run_ends_with_a_result_that_can_be_written(
    script: str, simulate: bool, steps: int
) -> None:
    def answer(inputs: dict[str, Any]) -> dict[str, Any]:
        if "a" in inputs["url"]:
            raise ScriptError("no answer came", output={"status_code": 503})
        return {"body": "x"}

    fuel = Fuel(steps=steps, memory=500_000)
    world = World(
        {"http.request": answer, "storage.get": {"x": [1, 2]}}, {"cerb:automation:me": script}
    )
    scope = {"a": "1", "b": {"c": [1, 2]}}
    try:
        compile_script(script)
    except ScriptRefused:
        return
    result = play(script, scope=scope, world=world, fuel=fuel, simulate=simulate)
    assert result.fault is None
    assert 0 <= fuel.held <= 1_000_000
    json.dumps(result.printed())
    msgspec.json.encode([result.log, result.steps, result.error])
