"""Policies: who says nothing forbids."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookferry.errors import OutOfFuel, ScriptRefused
from hookferry.kata.fuel import Fuel
from hookferry.kata.policy import Verdict, compile_policy
from hookferry.kata.templates.registry import Run
from kata.runs import NOW, World, play

API = """\
commands:
  http.request:
    allow/ourApi@bool:
      {{inputs.url starts with 'https://api.example/'
         and inputs.method == 'GET' ? 'yes'}}
  all:
    deny: yes
"""
REQUEST = """\
start:
  http.request/get:
    output: answer
    inputs:
      url: {{url}}
      method: {{method}}
    on_error:
      return:
        caught: yes
  return:
    body@key: answer:body
"""


def decide(
    policy: str, command: str = "http.request", fuel: Fuel | None = None, **scope: Any
) -> Verdict:
    run = Run(fuel or Fuel(), now=NOW, rng=random.Random(1))
    return compile_policy(policy).decide(command, scope, run)


def test_what_no_rule_allows_is_denied() -> None:
    for policy in ("", "commands:\r\n  ", "commands:\n  storage.get:\n    allow: yes"):
        verdict = decide(policy)
        assert not verdict.allowed
        assert "no rule" in verdict.reason


def test_a_get_of_our_api_is_allowed_and_nothing_else() -> None:
    world = World({"http.request": {"body": "hello"}})

    def ask(url: str, method: str) -> Any:
        return play(REQUEST, scope={"url": url, "method": method}, world=world, policy=API)

    assert ask("https://api.example/orders", "GET").returned == {"body": "hello"}
    assert ask("https://other.example/orders", "GET").exit == "error"
    assert ask("https://api.example/orders", "POST").exit == "error"
    assert len(world.performed) == 1


def test_a_denial_ends_the_run_and_no_on_error_is_asked() -> None:
    result = play(REQUEST, scope={"url": "https://x.example/", "method": "GET"}, policy="")
    assert (result.exit, result.out_of_fuel) == ("error", False)
    assert result.error is not None
    assert "the policy does not allow http.request" in result.error
    assert result.log[-1].node == "start:http.request/get"


def test_commands_that_do_not_act_need_no_policy() -> None:
    script = """\
start:
  set:
    a: 1
  log: hi
  var.set:
    inputs:
      key: b:c
      value: {{a}}
  return:
    b@key: b
"""
    assert play(script, policy="commands:\r\n  ").returned == {"b": {"c": "1"}}


def test_a_rule_that_says_no_is_passed_over() -> None:
    assert decide("commands:\n  http.request:\n    allow/a@bool: no\n    allow/b: yes").allowed
    assert not decide("commands:\n  http.request:\n    allow/a@bool: no").allowed
    assert decide("commands:\n  http.request:\n    deny/a@bool: no\n    allow: yes").allowed


def test_the_first_rule_that_says_yes_decides() -> None:
    plain = """\
commands:
  http.request:
    deny/http@bool:
      {{inputs.url starts with 'http://' ? 'yes'}}
    allow: yes
"""
    assert decide(plain, inputs={"url": "https://a.example"}) == Verdict(
        True, "commands:http.request:allow"
    )
    assert decide(plain, inputs={"url": "http://a.example"}) == Verdict(
        False, "commands:http.request:deny/http"
    )


def test_a_denial_tells_of_the_rule_that_could_not_be_asked() -> None:
    verdict = decide("commands:\n  http.request:\n    allow@bool: {{1 / 0}}\n    allow/b@bool: no")
    assert not verdict.allowed
    assert verdict.reason.startswith("no rule under commands:http.request: or commands:all:")
    assert "; commands:http.request:allow fails: " in verdict.reason
    assert "divided by zero" in verdict.reason


def test_rules_for_all_come_after_those_of_the_command() -> None:
    policy = "commands:\n  all:\n    allow: yes\n  http.request:\n    deny: yes"
    assert not decide(policy).allowed
    assert decide(policy, "storage.get").allowed


@pytest.mark.parametrize("url", ["HTTP://a.example/", " http://a.example/", "http://A.example/"])
def test_a_rule_sees_a_url_in_one_form(url: str) -> None:
    rule = "deny@bool: {{inputs.url starts with 'http://a.example/'}}"
    policy = f"commands:\n  all:\n    {rule}\n    allow: yes"
    world = World()
    assert (
        play(REQUEST, scope={"url": url, "method": "GET"}, policy=policy, world=world).exit
        == "error"
    )
    assert world.performed == []


def test_a_rule_sees_the_method_in_capitals_and_get_where_none_is_given() -> None:
    policy = "commands:\n  all:\n    allow@bool: {{inputs.method == 'GET'}}"
    script = "start:\n  http.request:\n    inputs:\n      url: https://a.example/{}\n  return:\n"
    assert play(script.format(""), policy=policy).exit == "return"
    assert play(script.format("\n      method: get"), policy=policy).exit == "return"
    assert play(script.format("\n      method: post"), policy=policy).exit == "error"


def test_rules_see_the_node_and_the_output() -> None:
    policy = (
        "commands:\n  all:\n    allow@bool: {{node.id == 'start:http.request/get:'"
        " and node.type == 'http.request' and output == 'answer'}}"
    )
    assert (
        play(REQUEST, scope={"url": "https://a.example", "method": "GET"}, policy=policy).exit
        == "return"
    )


def test_rules_see_nothing_of_the_scripts_placeholders() -> None:
    policy = "commands:\n  all:\n    allow@bool: {{method}}"
    assert (
        play(REQUEST, scope={"url": "https://a.example", "method": "GET"}, policy=policy).exit
        == "error"
    )


def test_rules_see_the_uri_of_a_function() -> None:
    policy = (
        "commands:\n  function:\n    deny@bool: {{uri != 'cerb:automation:mine'}}\n    allow: yes"
    )
    world = World(
        functions=dict.fromkeys(
            ("cerb:automation:mine", "cerb:automation:yours"), "start:\n  return:\n"
        )
    )
    script = "start:\n  function:\n    uri: cerb:automation:{}\n  return:\n"
    assert play(script.format("mine"), policy=policy, world=world).exit == "return"
    assert play(script.format("yours"), policy=policy, world=world).exit == "error"


def test_a_rule_that_fails_never_allows() -> None:
    broken = "@bool: {{1 / 0}}"
    assert not decide(f"commands:\n  all:\n    allow{broken}").allowed
    assert not decide(f"commands:\n  all:\n    deny{broken}\n    allow: yes").allowed


def test_a_policy_pays_for_what_it_does() -> None:
    with pytest.raises(OutOfFuel):
        decide(
            "commands:\n  all:\n    allow@bool: {% for i in 1..99999 %}{{i}}{% endfor %}",
            fuel=Fuel(steps=100),
        )


def test_a_simulation_asks_the_policy_too() -> None:
    script = REQUEST.replace(
        "    on_error:",
        "    on_simulate:\n      simulate.success:\n        body: mock\n    on_error:",
    )
    scope = {"url": "https://a.example", "method": "GET"}
    assert play(script, scope=scope, simulate=True).returned == {"body": "mock"}
    assert play(script, scope=scope, simulate=True, policy="").exit == "error"


def test_a_time_limit_is_read_where_there_is_one() -> None:
    assert compile_policy("").time_limit_ms is None
    assert compile_policy("settings: \n time_limit_ms: 30000\n").time_limit_ms == 30_000


def test_callers_are_accepted() -> None:
    compile_policy(
        "callers:\n  cerb.toolbar.projectBoardColumn:\n    allow@bool: {{x}}\n    deny: yes\n"
    )


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("comands:\n", "did you mean commands?"),
        ("commands:\n  http.requst:\n    allow: yes", "did you mean http.request?"),
        ("commands:\n  http.request:\n    permit: yes", "rules are allow: and deny:"),
        ("commands:\n  http.request: yes", "has keys under it"),
        ("commands:\n  all:\n    allow@bool: {{", "line 3"),
        ("settings:\n  time_limit_ms: soon", "a number of milliseconds"),
        ("settings:\n  time_limit_ms: 99999999", "a number of milliseconds"),
        ("settings:\n  limit: 1", "time_limit_ms"),
    ],
)
def test_a_policy_that_is_none_says_why(policy: str, message: str) -> None:
    with pytest.raises(ScriptRefused) as refused:
        compile_policy(policy)
    assert message in refused.value.detail


def test_every_problem_of_a_policy_is_listed() -> None:
    with pytest.raises(ScriptRefused) as refused:
        compile_policy(
            "commands:\n  a.b:\n  all:\n    maybe: yes\nsettings:\n  time_limit_ms: 0\nx:"
        )
    problems: Any = refused.value.extra["problems"]
    assert [problem["line"] for problem in problems] == [2, 4, 6, 7]


@given(st.lists(st.sampled_from(["allow", "deny"]), max_size=4), st.data())
def test_an_action_is_allowed_only_by_an_allow_that_stands_first_among_the_true(
    kinds: list[str], data: st.DataObject
) -> None:
    says = [data.draw(st.booleans()) for _ in kinds]
    rules = "".join(
        f"    {kind}/r{at}@bool: {'yes' if yes else 'no'}\n"
        for at, (kind, yes) in enumerate(zip(kinds, says, strict=True))
    )
    first = next((kind for kind, yes in zip(kinds, says, strict=True) if yes), "deny")
    assert decide(f"commands:\n  http.request:\n{rules}").allowed is (first == "allow")


def test_a_rule_whose_value_is_left_out_says_no() -> None:
    assert not decide("commands:\n  all:\n    allow@optional: {{nothing}}").allowed
