"""Of the handlers of an event the first that is enabled runs, and what is none is refused."""

from __future__ import annotations

import random
from typing import Any

import pytest

from hookferry.errors import OutOfFuel, ScriptError, ScriptRefused
from hookferry.kata.fuel import Fuel
from hookferry.kata.handlers import Choice, parse_handlers
from hookferry.kata.templates.registry import Run

from .trees import script

EVENT = {"request_method": "POST", "request_params": {"name": "Kina", "age": "37"}}


def choose(text: str, **scope: Any) -> Choice | None:
    run = Run(Fuel(), now=0.0, rng=random.Random(1))
    return parse_handlers(script(text)).choose(EVENT | scope, run)


def chosen(text: str, **scope: Any) -> str | None:
    choice = choose(text, **scope)
    return None if choice is None else choice.handler


def test_the_seeds_handler_runs_its_automation() -> None:
    text = """
        automation/example:
            uri: cerb:automation:example.webhook.respond
            disabled@bool: no
        """
    assert choose(text) == Choice("example", "example.webhook.respond", {})


@pytest.mark.parametrize(
    "uri",
    ["cerb:automation:a.b", "hookferry:automation:a.b", "a.b", "{{'cerb:automation:a'}}.b"],
)
def test_an_automation_is_named_by_its_uri_or_its_name(uri: str) -> None:
    choice = choose(f"automation/x:\n  uri: {uri}\n")
    assert choice is not None
    assert choice.automation == "a.b"


def test_inputs_are_templates_over_the_event() -> None:
    text = """
        automation/x:
          uri: a
          inputs:
            who: Dear {{request_params.name}}
            age@key,int: request_params:age
            nested:
              method: {{request_method|lower}}
              none@optional: {{missing}}
        """
    assert choose(text) == Choice(
        "x", "a", {"who": "Dear Kina", "age": 37, "nested": {"method": "post"}}
    )


@pytest.mark.parametrize("inputs", ["inputs:", "inputs@key: missing", "inputs@optional: {{x}}"])
def test_a_handler_may_have_no_inputs(inputs: str) -> None:
    assert choose(f"automation/x:\n  uri: a\n  {inputs}\n") == Choice("x", "a", {})


def test_inputs_may_be_copied_whole() -> None:
    choice = choose("automation/x:\n  uri: a\n  inputs@key: request_params\n")
    assert choice is not None
    assert choice.inputs == {"name": "Kina", "age": "37"}


@pytest.mark.parametrize(
    ("rules", "runs"),
    [
        ("", True),
        ("enabled@bool: yes", True),
        ("enabled@bool: no", False),
        ("disabled@bool: yes", False),
        ("disabled@bool: no", True),
        ("disabled: off", True),
        ("disabled: {{request_method == 'GET'}}", True),
        ("disabled: {{request_method == 'POST'}}", False),
        ("enabled@bool: no\n  disabled@bool: no", True),
        ("enabled@bool: yes\n  disabled@bool: yes", True),
        ("disabled@bool: yes\n  enabled@bool: yes", False),
        ("enabled/a@bool: no\n  enabled/b@bool: yes", True),
        ("enabled/a@bool: no\n  enabled/b@bool: no", False),
        ("disabled/a@bool: no\n  disabled/b@bool: yes\n  enabled/c@bool: yes", False),
    ],
)
def test_the_first_rule_that_is_true_decides(rules: str, runs: bool) -> None:
    assert chosen(f"automation/x:\n  uri: a\n  {rules}\n") == ("x" if runs else None)


HANDLERS = """
    automation/get:
      uri: a.get
      enabled@bool: {{request_method == 'GET'}}

    automation/vip:
      uri: a.vip
      enabled@ref: is_vip

    # the rest
    automation/rest:
      uri: a.rest
      disabled@ref: is_vip

    &is_vip@bool: {{request_params.name == 'Kina'}}
    """


def test_the_first_enabled_handler_runs() -> None:
    assert chosen(HANDLERS) == "vip"
    assert chosen(HANDLERS, request_method="GET") == "get"
    assert chosen(HANDLERS, request_params={}) == "rest"


def test_without_an_enabled_handler_nothing_runs() -> None:
    assert choose("automation/x:\n  uri: a\n  disabled@bool: yes\n") is None
    assert choose("# none yet\n") is None


def test_a_handler_that_is_not_enabled_costs_no_inputs() -> None:
    text = "automation/x:\n  uri: a\n  disabled: yes\n  inputs:\n    a@json: none\n"
    assert choose(text) is None
    with pytest.raises(ScriptError, match="@json wants JSON"):
        choose(text.replace("yes", "no"))


def test_a_template_may_name_no_automation() -> None:
    with pytest.raises(ScriptError, match=r"automation/x:uri names no automation; write it as"):
        choose("automation/x:\n  uri: cerb:automation:{{missing}}\n")


def test_inputs_are_a_dictionary() -> None:
    with pytest.raises(ScriptError, match="inputs came to a text; it has to be a dictionary"):
        choose("automation/x:\n  uri: a\n  inputs@text: a\n")


def test_choosing_is_paid_for() -> None:
    text = "automation/x:\n  uri: a\n  enabled: {% for i in 1..100000 %}{% endfor %}yes\n"
    with pytest.raises(OutOfFuel):
        choose(text)


@pytest.mark.parametrize(
    ("text", "place", "told"),
    [
        ("automaton/x:\n  uri: a", (1, 1), "no handlers automaton/; did you mean automation?"),
        ("automation:\n  uri: a", (1, 1), "a handler has a name: automation/answer:"),
        ("automation/x:\n  inputs:", (1, 1), "a handler names its automation"),
        ("automation/x: a", (1, 1), "automation/x: has keys under it"),
        ("automation/x:\n  uri: a\n  input:", (3, 3), "no input:; did you mean inputs?"),
        ("automation/x:\n  uri: a\n  inputs: b", (3, 3), "inputs: has keys under it, no text"),
        ("automation/x:\n  uri: cerb:behavior:5", (2, 3), "this names no automation; write it as"),
        ("automation/x:\n  uri:", (2, 3), "this names no automation"),
        ("automation/x:\n  uri: a\n  enabled:\n    x: 1", (3, 3), "enabled: is yes or no"),
        ("automation/x:\n  uri: a\n  enabled: {{ (", (3, 15), ""),
        ("automation/x:\n  uri: a\n  enabled@ref: y", (3, 3), "there is no reference &y"),
        (
            "automation/x:\n  uri: a\nautomation/x:\n  uri: b",
            (3, 1),
            "automation/x is there already",
        ),
    ],
)
def test_what_is_wrong_is_told_when_it_is_saved(
    text: str, place: tuple[int, int], told: str
) -> None:
    with pytest.raises(ScriptRefused) as refused:
        parse_handlers(text)
    listed: Any = refused.value.extra["problems"]
    assert (listed[0]["line"], listed[0]["column"]) == place
    assert told in listed[0]["message"]
