"""Commands that write to the log of the automation."""

from __future__ import annotations

import json
from typing import Final

from hookferry.domain.run import MESSAGE_CHARACTERS
from hookferry.kata.commands.compiler import Compiler, Place
from hookferry.kata.commands.registry import Example, command
from hookferry.kata.frame import Execute, Frame
from hookferry.kata.result import Level
from hookferry.kata.tree import Node
from hookferry.kata.values import Value, size_of, text_of

_LEVELS: Final[dict[str, Level]] = {
    "log": "debug",
    "log.warn": "warn",
    "log.error": "error",
    "log.alert": "alert",
}


@command(
    *_LEVELS,
    group="Logging",
    examples=(
        Example(
            script="""\
start:
  log: Order {{number}} came in
  log.warn: Its amount is {{amount}}
  log.error: It has no customer
  log.alert: Somebody should look at it
  return:
""",
            scope={"number": 4711, "amount": 0},
            log=(
                "Order 4711 came in",
                "Its amount is 0",
                "It has no customer",
                "Somebody should look at it",
            ),
        ),
    ),
)
def prepare_log(compiler: Compiler, node: Node, place: Place) -> Execute:
    """Writes a message to the log of the automation: to look into it (`log`), a warning, an
    error, or an alert. A message is cut at 1,024 characters; what is no text is written as JSON."""
    value = compiler.value(node)
    level = _LEVELS[node.key]

    def write(frame: Frame) -> None:
        frame.log(level, _text(frame, frame.evaluate(value)))

    return write


def _text(frame: Frame, value: Value) -> str:
    if not isinstance(value, list | dict):
        return text_of(value)
    frame.fuel.read(size_of(value, frame.fuel))
    return json.dumps(value, ensure_ascii=False)[:MESSAGE_CHARACTERS]
