"""The commands of scripts. Importing this package makes all of them known."""

from hookferry.kata.commands import (  # noqa: F401 - they register their commands
    actions,
    ending,
    flow,
    log,
    memory,
    parsing,
)
from hookferry.kata.commands.registry import COMMANDS, action_names

__all__ = ["COMMANDS", "action_names"]
