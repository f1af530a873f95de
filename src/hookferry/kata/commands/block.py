"""Commands one after the other: what stands under ``start:``, ``then:``, ``do:``, ``on_error:``."""

from __future__ import annotations

from typing import Final, NamedTuple

from hookferry.errors import OutOfFuel
from hookferry.kata.frame import MAX_BLOCKS, Execute, Frame, NodeRef, Signal

COMMAND_STEPS: Final = 2
"""What a command costs beside the templates that it renders: two microseconds or so."""


class Prepared(NamedTuple):
    """A command that is ready to run."""

    ref: NodeRef
    execute: Execute


class Block:
    """Commands one after the other."""

    __slots__ = ("_commands",)

    def __init__(self, commands: tuple[Prepared, ...]) -> None:
        self._commands = commands

    def execute(self, frame: Frame) -> Signal | None:
        """Carry them out until one of them ends the run or the simulation of an action.

        Raises:
            ScriptError: one of them can't be done; ``frame.node`` says which.
            OutOfFuel: they take more than there is.
        """
        if frame.blocks >= MAX_BLOCKS:
            raise OutOfFuel(f"blocks of commands are nested more than {MAX_BLOCKS} deep")
        fuel, journal = frame.fuel, frame.journal
        frame.blocks += 1
        try:
            for ref, execute in self._commands:
                fuel.spend(COMMAND_STEPS)
                frame.node = ref.path
                step = journal.begin(ref.path, ref.command, frame.function)
                signal = execute(frame)
                if step is not None:
                    journal.end(step)
                if signal is not None:
                    return signal
        finally:
            frame.blocks -= 1
        return None
