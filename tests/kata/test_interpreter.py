"""Commands, exits, errors and simulation as runs show them."""

from __future__ import annotations

from typing import Any

import pytest

from hookferry.errors import Overloaded, ScriptError
from hookferry.kata.fuel import Fuel
from hookferry.kata.result import MAX_LINES, MAX_STEPS
from kata.runs import World, play

GET = """\
start:
  http.request/get:
    output: answer
    inputs:
      url: https://a.example/{{path}}
    on_success:
      set:
        went: well
    on_error:
      set:
        went: badly
  return:
    went@key: went
    answer@key: answer
"""


def test_a_run_without_a_verdict_exits() -> None:
    result = play("start:\n  set:\n    a: 1")
    assert (result.exit, result.returned, result.error) == ("exit", {}, None)


def test_nothing_after_a_return_is_reached() -> None:
    result = play("start:\n  return:\n    a: 1\n  log: here")
    assert result.returned == {"a": "1"}
    assert result.log == []


def test_a_return_deep_inside_ends_the_run() -> None:
    script = """\
start:
  repeat:
    each@csv: 1, 2, 3
    as: i
    do:
      outcome/two:
        if@bool: {{i == 2}}
        then:
          return:
            i@key: i
  return:
    i: none
"""
    assert play(script).returned == {"i": "2"}


def test_a_return_without_keys_returns_nothing() -> None:
    assert play("start:\n  return:").returned == {}
    assert play("start:\n  return@json:\n").returned == {}


def test_a_return_of_something_else_than_a_dictionary_is_an_error() -> None:
    result = play("start:\n  return@json: [1]")
    assert result.exit == "error"
    assert "a list" in (result.error or "")


def test_an_error_says_so_in_the_log_and_to_the_simulator() -> None:
    result = play("start:\n  set:\n    a: 1\n  error/no: There is no {{a}}.")
    assert (result.exit, result.error) == ("error", "There is no 1.")
    assert [(line.level, line.node, line.message) for line in result.log] == [
        ("error", "start:error/no", "There is no 1.")
    ]
    assert result.printed() == {
        "__exit": "error",
        "__return": {"error": "There is no 1."},
        "inputs": {},
        "a": "1",
    }
    assert list(result.printed())[:2] == ["__exit", "__return"]


def test_an_error_with_keys_gives_them_to_the_caller_of_a_function() -> None:
    result = play("start:\n  error:\n    error: Gone\n    code@int: 7")
    assert (result.error, result.returned) == ("Gone", {"error": "Gone", "code": 7})
    assert play("start:\n  error:").error == "the script ended with error: and said nothing"


def test_the_simulator_prints_what_was_returned_first() -> None:
    printed = play("start:\n  return:\n    b: 2", scope={"a": 1}).printed()
    assert list(printed.items()) == [
        ("__exit", "return"),
        ("__return", {"b": "2"}),
        ("a", 1),
        ("inputs", {}),
    ]


def test_a_key_that_is_optional_and_empty_is_left_out() -> None:
    script = """\
start:
  set:
    a: 1
    b@optional: {{none}}
  return:
    a@key: a
    c@key,optional: b
"""
    result = play(script)
    assert result.returned == {"a": "1"}
    assert "b" not in result.dictionary


def test_a_dictionary_replaces_what_was_there() -> None:
    script = """\
start:
  set/a:
    x:
      a: 1
  set/b:
    x:
      b: 2
  return:
    x@key: x
"""
    assert play(script).returned == {"x": {"b": "2"}}


def test_a_decision_takes_the_first_outcome_that_matches() -> None:
    script = """\
start:
  decision:
    outcome/a:
      if@bool: {{n > 10}}
      then:
        return:
          is: large
    outcome/b:
      if@bool: {{n > 5}}
      then:
        return:
          is: middling
    outcome/c:
      if@bool: {{n > 0}}
      then:
        return:
          is: small
  return:
    is: nothing
"""
    said = [play(script, scope={"n": n}).returned["is"] for n in (11, 6, 1, 0)]
    assert said == ["large", "middling", "small", "nothing"]


@pytest.mark.parametrize("word", ["no", "0", "off", "false", "n", ""])
def test_a_condition_reads_words_that_mean_no_with_or_without_bool(word: str) -> None:
    for key in ("if", "if@bool"):
        script = f"start:\n  outcome/x:\n    {key}: {{{{word}}}}\n    then:\n      return:\n"
        assert play(script, scope={"word": word}).exit == "exit"
        assert play(script, scope={"word": "yes"}).exit == "return"


def test_what_is_optional_and_empty_is_no_and_nothing_elsewhere() -> None:
    script = """\
start:
  outcome/x:
    if@optional: {{nothing}}
    then:
      error: not reached
  log@optional: {{nothing}}
  storage.get:
    output: got
    inputs:
      key@optional: {{nothing}}
    on_error:
      return:
        said@key: got:error
"""
    result = play(script)
    assert result.returned == {"said": "key: is empty; it is required"}
    assert [line.message for line in result.log] == [""]


def test_repeat_goes_over_lists_with_places_and_dictionaries_with_keys() -> None:
    script = """\
start:
  repeat:
    each@key: things
    as: key, value
    do:
      var.push:
        inputs:
          key: seen
          value: {{key}}={{value}}
  return:
    seen@key: seen
"""
    assert play(script, scope={"things": ["a", "b"]}).returned == {"seen": ["0=a", "1=b"]}
    assert play(script, scope={"things": {"x": 1}}).returned == {"seen": ["x=1"]}
    assert play(script, scope={"things": []}).returned == {"seen": None}


@pytest.mark.parametrize("things", ["a, b", None, 5])
def test_repeat_takes_nothing_else(things: Any) -> None:
    script = "start:\n  repeat:\n    each@key: things\n    as: x\n    do:\n      log: {{x}}"
    result = play(script, scope={"things": things})
    assert result.exit == "error"
    assert "repeat: takes a list or a dictionary" in (result.error or "")
    assert result.log[-1].node == "start:repeat"


def test_a_loop_that_fails_in_its_condition_says_where() -> None:
    script = """\
start:
  while:
    if@bool: {{1 / (3 - n)}}
    do:
      set:
        n@int: {{n + 1}}
"""
    result = play(script, scope={"n": 1})
    assert (result.exit, result.log[-1].node) == ("error", "start:while")


# What the world does


def test_an_action_that_succeeds_goes_on_in_on_success() -> None:
    world = World({"http.request": {"status_code": 200}})
    result = play(GET, scope={"path": "x"}, world=world)
    assert result.returned == {"went": "well", "answer": {"status_code": 200}}
    assert world.performed == [("http.request", {"url": "https://a.example/x", "method": "GET"})]
    assert world.nodes == [("start:http.request/get", "http.request", 2)]


def test_an_action_that_fails_goes_on_in_on_error() -> None:
    failure = ScriptError("the answer has status 503", output={"status_code": 503})
    result = play(GET, world=World({"http.request": failure}))
    assert result.returned == {
        "went": "badly",
        "answer": {"status_code": 503, "error": "the answer has status 503"},
    }


def test_an_action_whose_inputs_fail_goes_on_in_on_error() -> None:
    world = World()
    result = play(GET.replace("{{path}}", "{{1 / 0}}"), world=world)
    assert result.returned["went"] == "badly"
    result = play(GET.replace("https://a.example/{{path}}", "{{path}}"), world=world)
    assert result.returned["went"] == "badly"
    assert world.performed == []


def test_what_goes_wrong_in_on_success_is_not_caught_by_its_own_on_error() -> None:
    script = GET.replace("went: well", "went: {{1 / 0}}")
    result = play(script, world=World({"http.request": {}}))
    assert result.exit == "error"
    assert result.log[-1].node == "start:http.request/get:on_success:set"


def test_an_action_without_output_leaves_the_placeholders_alone() -> None:
    result = play(GET.replace("    output: answer\n", ""), world=World({"http.request": 5}))
    assert result.returned["answer"] is None


def test_an_action_that_breaks_ends_the_run_and_says_what_it_was() -> None:
    fault = Overloaded("nobody thought of this")
    result = play(GET, world=World({"http.request": fault}))
    assert (result.exit, result.fault) == ("error", fault)
    assert result.error == "http.request broke unexpectedly"


def test_a_function_that_breaks_ends_the_run_too() -> None:
    result = play(CALL, world=World(functions={"cerb:automation:sum": "strat:"}))
    assert (result.exit, result.error) == ("error", "function broke unexpectedly")
    assert result.fault is not None


def test_what_ends_the_whole_program_is_let_through() -> None:
    with pytest.raises(KeyboardInterrupt):
        play(GET, world=World({"http.request": KeyboardInterrupt()}))


def test_a_simulation_carries_out_no_action() -> None:
    world = World({"http.request": {"status_code": 200}})
    result = play(GET, world=world, simulate=True)
    assert world.performed == []
    assert result.returned == {"went": "well", "answer": None}
    assert [line.message for line in result.log] == ["simulated: http.request was not carried out"]


def test_a_simulation_runs_what_only_works_on_the_memory() -> None:
    script = (
        "start:\n  var.push:\n    inputs:\n      key: a\n      value: 1\n  return:\n    a@key: a"
    )
    assert play(script, simulate=True).returned == {"a": ["1"]}


def test_commands_under_on_simulate_replace_the_action_alone() -> None:
    script = GET.replace(
        "    on_success:\n",
        "    on_simulate:\n      set:\n        answer: mock\n    on_success:\n",
    )
    assert play(script, simulate=True).returned == {"went": None, "answer": "mock"}


# Functions

SUM = """\
inputs:
  array/numbers:
    required@bool: yes
start:
  return:
    sum@int: {{array_sum(inputs.numbers)}}
"""
CALL = """\
start:
  set:
    mine: 1
  function/sum:
    uri: cerb:automation:sum
    output: result
    inputs:
      numbers@csv: 2,4,8
    on_error:
      return:
        said@key: result:error
  return:
    result@key: result
    mine@key: mine
"""


def call(script: str, policy: str = "", **options: Any) -> Any:
    world = World(functions={"cerb:automation:sum": (script, policy)})
    return play(CALL, world=world, **options)


def test_a_function_returns_to_its_caller() -> None:
    assert call(SUM).returned == {"result": {"sum": 14}, "mine": "1"}
    assert call("start:\n  set:\n    mine: 2").returned == {"result": {}, "mine": "1"}


def test_a_function_sees_its_inputs_alone() -> None:
    script = "start:\n  return:\n    mine: {{mine}}\n    n: {{inputs.numbers|length}}"
    assert call(script).returned["result"] == {"mine": "", "n": "3"}


def test_a_function_that_fails_is_an_error_of_the_command() -> None:
    assert call("start:\n  error: no").returned == {"said": "no"}
    assert call(SUM.replace("numbers:", "others:")).returned == {
        "said": "inputs:others is required"
    }
    assert call("start:\n  set:\n    a: {{1 / 0}}").exit == "return"


def test_a_function_that_is_not_there_is_an_error_of_the_command() -> None:
    result = play(CALL, world=World())
    assert result.returned == {"said": "there is no automation cerb:automation:sum"}


def test_a_function_has_a_policy_of_its_own() -> None:
    script = "start:\n  http.request:\n    inputs:\n      url: https://a.example\n  return:"
    result = call(script)
    assert result.exit == "error"
    assert "the policy does not allow http.request" in (result.error or "")


def test_the_log_tells_functions_apart() -> None:
    result = call("start:\n  log: inside\n  return:")
    assert [(line.function, line.message) for line in result.log] == [
        ("cerb:automation:sum", "inside")
    ]
    assert [(step.function, step.node) for step in result.steps] == [
        (None, "start:set"),
        (None, "start:function/sum"),
        ("cerb:automation:sum", "start:log"),
        ("cerb:automation:sum", "start:return"),
        (None, "start:return"),
    ]


def test_a_function_spends_the_budget_of_its_caller() -> None:
    alone = play("start:\n  log: hi").fuel_used
    assert (
        call(
            "start:\n  repeat:\n    each@key: inputs:numbers\n    as: n\n    do:\n      log: hi"
        ).fuel_used
        > alone
    )
    assert call("start:\n  while:\n    if: yes\n    do:").out_of_fuel


def test_a_simulation_runs_functions_and_simulates_what_they_do() -> None:
    script = (
        "start:\n  http.request:\n    inputs:\n      url: https://a.example\n  return:\n    a: 1"
    )
    result = call(script, "commands:\n  all:\n    allow: yes", simulate=True)
    assert result.returned["result"] == {"a": "1"}
    assert result.log[0].message == "simulated: http.request was not carried out"


# Inputs


def test_inputs_are_checked_and_read_by_name() -> None:
    script = """\
inputs:
  text/n:
    type: number
    required@bool: yes
start:
  return:
    n@key: inputs:n
"""
    assert play(script, inputs={"n": "5"}).returned == {"n": 5}
    assert play(script).exit == "error"
    assert play(script, inputs={"n": "x"}).exit == "error"


# The budget


@pytest.mark.parametrize("steps", range(0, 60, 3))
def test_a_spent_budget_ends_the_run_whatever_on_error_says(steps: int) -> None:
    script = GET.replace("went: badly", "went@int: {{1 + 1}}")
    whole = play(script, world=World({"http.request": {}})).fuel_used
    result = play(script, world=World({"http.request": {}}), fuel=Fuel(steps=steps))
    assert result.out_of_fuel is (steps < whole)
    assert result.exit == ("error" if steps < whole else "return")


def test_no_on_error_catches_a_spent_budget() -> None:
    script = GET.replace("{{path}}", "{% for i in 1..9999999 %}{{i}}{% endfor %}")
    result = play(script)
    assert (result.exit, result.out_of_fuel) == ("error", True)
    assert "went" not in result.dictionary


def test_memory_that_is_not_used_any_more_is_given_back() -> None:
    script = """\
start:
  set:
    n@int: 0
  while:
    if@bool: {{n < 10}}
    do:
      set:
        n@int: {{n + 1}}
        text: {{request_body}}
      http.request:
        inputs:
          url: https://a.example
          body@key: text
        output: answer
      var.set:
        inputs:
          key: deep:text
          value@key: text
      repeat:
        each@json: {{[text]|json_encode}}
        as: item
        do:
          log: {{item|length}}
  return:
    n@key: n
"""
    fuel = Fuel()
    world = World({"http.request": {"body": "y" * 1_000_000}})
    result = play(script, scope={"request_body": "x" * 1_000_000}, world=world, fuel=fuel)
    assert result.returned == {"n": 10}, result.error
    assert 5_000_000 < fuel.held < 6_000_000


# What is written down


def test_steps_say_when_they_began_and_how_long_they_took() -> None:
    result = play("start:\n  outcome/a:\n    then:\n      log: hi\n  return:")
    assert [(step.node, step.command) for step in result.steps] == [
        ("start:outcome/a", "outcome"),
        ("start:outcome/a:then:log", "log"),
        ("start:return", "return"),
    ]
    outer, inner, last = result.steps
    assert outer.at_ms < inner.at_ms < last.at_ms
    assert outer.duration_ms is not None
    assert inner.duration_ms is not None
    assert outer.duration_ms > inner.duration_ms > 0


def test_a_step_in_which_the_run_ended_has_no_duration() -> None:
    result = play("start:\n  outcome/a:\n    then:\n      set:\n        a: {{1 / 0}}")
    assert [step.duration_ms for step in result.steps] == [None, None]


def test_a_log_and_steps_are_bounded_and_the_last_line_is_kept() -> None:
    script = """\
start:
  repeat:
    each@json: {{(1..10000)|keys|json_encode}}
    as: n
    do:
      log: {{n}}
  error: at last
"""
    result = play(script)
    assert len(result.log) == MAX_LINES + 1
    assert result.log[-1].message == "at last"
    assert result.log_dropped == 10_000 - MAX_LINES
    assert len(result.steps) == MAX_STEPS
    assert result.steps_dropped == 10_002 - MAX_STEPS


def test_octets_that_are_no_text_are_not_in_the_log() -> None:
    result = play("start:\n  log@base64: no//\n  error@base64: /w==")
    assert [line.message for line in result.log] == ["???", "?"]
    assert result.error == "?"


def test_a_message_is_cut() -> None:
    result = play("start:\n  log: {{a}}\n  log.warn@key: b", scope={"a": "x" * 5_000, "b": [1]})
    assert [len(line.message) for line in result.log] == [1_024, 3]
    assert [line.level for line in result.log] == ["debug", "warn"]


# Documents of KATA

PARSE = """\
start:
  kata.parse:
    output: read
    inputs:
      kata@key: document
      dict:
        name: Janey
      schema:
        attributes:
          automation:
            multiple@bool: yes
            required@bool: yes
            types:
              object:
                attributes:
                  uri:
                    required@bool: yes
                    types:
                      text:
                  disabled:
                    types:
                      bool:
                  inputs:
                    types:
                      list:
                      array:
    on_error:
      return:
        said@key: read:error
  return:
    read@key: read
"""


def parsed(document: str) -> Any:
    return play(PARSE, scope={"document": document, "name": "hidden"}).returned


def test_a_document_sees_its_own_placeholders_alone() -> None:
    document = (
        "automation/a:\n  uri: {{name}}\nautomation/b:\n  uri: x{{document}}\n  disabled@bool: no"
    )
    assert parsed(document) == {
        "read": {
            "automation/a": {"uri": "Janey"},
            "automation/b": {"uri": "x", "disabled": False},
        }
    }


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("", "automation is missing"),
        ("automation:\n", "automation:uri is missing"),
        ("automation: x", "automation is a text; it has to be object"),
        ("automation:\n  uri: x\n  disabled: no", "it has to be bool"),
        ("automation:\n  uri: x\n  uri/b: y", "uri: can be there once"),
        ("automation:\n  uri@bool: yes", "is a boolean; it has to be text"),
        ("automation:\n  uri: x\nother: 1", "the schema has no key other"),
        ("automation:\n  uri: {{", "line 2"),
        ("automation:\n  uri: {{1 / 0}}", "zero"),
        ("automation:\n  uri: " + "{{1}}" * 1_000, "at most 4,096 characters"),
        ("a: " + "x" * 40_000, "at most 32,768 characters"),
    ],
)
def test_a_document_that_does_not_fit_its_schema_is_an_error(document: str, message: str) -> None:
    assert message in parsed(document)["said"]


def test_a_schema_that_is_none_is_an_error() -> None:
    script = PARSE.replace("object:", "objekt:")
    result = play(script, scope={"document": "automation: x"})
    assert "there is no type objekt; did you mean object?" in result.returned["said"]


def test_an_error_says_which_command_it_is_of() -> None:
    result = play("start:\n  outcome/a:\n    then:\n      set/b:\n        c@json: no json")
    assert (result.error or "").startswith("start:outcome/a:then:set/b: @json wants JSON")
    assert (result.log[-1].node, result.log[-1].message[:5]) == (
        "start:outcome/a:then:set/b",
        "@json",
    )
    assert play("start:\n  error: as it is").error == "as it is"
