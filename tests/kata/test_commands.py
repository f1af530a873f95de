"""Every command does what its documentation shows, and is documented whole."""

from __future__ import annotations

import pytest

from hookferry.kata.commands import COMMANDS, action_names
from hookferry.kata.commands.registry import Command, Example
from kata.runs import World, play

EXAMPLES = [
    pytest.param(example, id=f"{command.name}-{number}")
    for command in COMMANDS.values()
    for number, example in enumerate(command.examples)
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_of_the_reference_comes_to_what_it_says(example: Example) -> None:
    result = play(
        example.script,
        scope=example.scope,
        world=World(example.outputs, example.functions),
        simulate=example.simulate,
    )
    assert (result.exit, result.returned) == (example.exit, example.returned)
    if example.log:
        assert tuple(line.message for line in result.log) == example.log


@pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda command: command.name)
def test_a_command_shows_itself_in_its_examples(command: Command) -> None:
    assert all(
        f"{command.name}:" in e.script or f"{command.name}/" in e.script for e in command.examples
    )
    assert all(each.doc for each in (*command.keys, *(command.inputs or ())))


def test_what_acts_on_the_world_is_up_to_the_policy() -> None:
    assert sorted(action_names()) == [
        "data.query",
        "event.publish",
        "function",
        "http.request",
        "storage.delete",
        "storage.get",
        "storage.set",
        "webhook.send",
    ]
