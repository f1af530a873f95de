"""Commands that end a run, or the simulation of an action."""

from __future__ import annotations

from typing import Final

from hookferry.domain.run import MESSAGE_CHARACTERS, RunExit
from hookferry.kata.commands.compiler import Compiler, Place
from hookferry.kata.commands.registry import Example, command
from hookferry.kata.frame import Execute, Finished, Frame, Mocked
from hookferry.kata.tree import Node
from hookferry.kata.values import text_of

_UNSAID: Final = "the script ended with error: and said nothing"

_MOCK: Final = """\
start:
  http.request:
    output: answer
    inputs:
      url: https://api.example/
    on_simulate:
      simulate.{}:
        status_code@int: {}
        body: Hello
    on_{}:
      return:
        body@key: answer:body
"""


@command(
    "return",
    group="State transitions",
    examples=(
        Example(
            script="""\
start:
  return:
    status_code@int: 200
    headers:
      Content-Type: text/plain
    body: Hello, {{request_params.name}}!
""",
            scope={"request_params": {"name": "Joe"}},
            returned={
                "status_code": 200,
                "headers": {"Content-Type": "text/plain"},
                "body": "Hello, Joe!",
            },
        ),
    ),
)
def prepare_return(compiler: Compiler, node: Node, place: Place) -> Execute:
    """Ends the run in the exit `return` and gives its keys to whoever called."""
    value = compiler.dictionary(node)

    def end(frame: Frame) -> Finished:
        # What it builds stays held: it is kept.
        return Finished(value(frame))

    return end


@command(
    "error",
    group="State transitions",
    examples=(
        Example(
            script="""\
start:
  error: There is no order {{number}}.
""",
            scope={"number": "4711"},
            exit=RunExit.ERROR,
            returned={"error": "There is no order 4711."},
        ),
    ),
)
def prepare_error(compiler: Compiler, node: Node, place: Place) -> Execute:
    """Ends the run in the exit `error`. The message goes to the log; an HTTP caller gets 500 and
    no body. With keys under it, their dictionary is given to whoever called it as a function, and
    the message is in the one named `error`."""
    value = compiler.value(node)

    def end(frame: Frame) -> Finished:
        said = frame.evaluate(value)
        if isinstance(said, dict):
            message = said.get("error")
            message = message if isinstance(message, str) else ""
        else:
            message = text_of(said)
            said = {"error": message or _UNSAID}
        return Finished(said, message[:MESSAGE_CHARACTERS] or _UNSAID)

    return end


@command(
    "simulate.success",
    group="Simulation",
    examples=(
        Example(
            script=_MOCK.format("success", 200, "success"),
            simulate=True,
            returned={"body": "Hello"},
        ),
    ),
)
def prepare_success(compiler: Compiler, node: Node, place: Place) -> Execute:
    """Says, under `on_simulate:`, what the action comes to; its `on_success:` goes on with it."""
    return _mock(compiler, node, place, success=True)


@command(
    "simulate.error",
    group="Simulation",
    examples=(
        Example(
            script=_MOCK.format("error", 500, "error"), simulate=True, returned={"body": "Hello"}
        ),
    ),
)
def prepare_failure(compiler: Compiler, node: Node, place: Place) -> Execute:
    """Says, under `on_simulate:`, what the action fails with; its `on_error:` goes on with it."""
    return _mock(compiler, node, place, success=False)


def _mock(compiler: Compiler, node: Node, place: Place, *, success: bool) -> Execute:
    if not place.mocking:
        compiler.problem(node, f"{node.key}: stands under an on_simulate: only")
    value = compiler.value(node)
    return lambda frame: Mocked(success, frame.evaluate(value))
