"""Policies: which actions an automation may take, by rules over what it asks for.

Cerb's rules (https://cerb.ai/docs/automations/#policies): those of the command in their order,
then those of ``all:``; a rule that says no is passed over, the first that says yes decides, and
where none does the answer is no. A rule that fails decides nothing either, so it can't allow; where
a ``deny`` fails, what it asked about is denied.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from hookferry.errors import OutOfFuel, ScriptError
from hookferry.kata.annotations import says_yes
from hookferry.kata.commands import COMMANDS, action_names
from hookferry.kata.commands.compiler import Compiler, read_tree
from hookferry.kata.evaluation import Evaluate
from hookferry.kata.problems import hint, refusal
from hookferry.kata.templates.registry import Run
from hookferry.kata.tree import Node
from hookferry.kata.values import Value

MAX_TIME_LIMIT_MS: Final = 300_000
ALL: Final = "all"

_SCOPES: Final = ("commands", "callers", "settings")
_SETTINGS: Final = ("time_limit_ms",)


class Verdict(NamedTuple):
    """What a policy says of an action."""

    allowed: bool
    reason: str
    """The rule that decided, or why none did."""


class _Rule(NamedTuple):
    path: str
    allows: bool
    holds: Evaluate

    def decides(self, scope: Mapping[str, Value], run: Run) -> bool:
        with run.fuel.scratch():
            return says_yes(self.holds(scope, run), run.fuel)


class Policy:
    """A policy, compiled.

    Args:
        rules: by command, and those of ``all``.
        time_limit_ms: how long a run may take, in milliseconds; None where it does not say.
    """

    __slots__ = ("_rules", "time_limit_ms")

    def __init__(
        self, rules: Mapping[str, tuple[_Rule, ...]], time_limit_ms: int | None = None
    ) -> None:
        self._rules = rules
        self.time_limit_ms = time_limit_ms

    def decide(self, command: str, scope: Mapping[str, Value], run: Run) -> Verdict:
        """Tell whether an action is allowed.

        Args:
            command: its name.
            scope: what rules may look at: ``node.id``, ``node.type``, ``inputs``, ``output``.
            run: pays.

        Raises:
            OutOfFuel: the rules cost more than there is.
        """
        failure = ""
        for name in (command, ALL):
            for rule in self._rules.get(name, ()):
                run.fuel.spend()
                try:
                    decides = rule.decides(scope, run)
                except OutOfFuel:
                    raise
                except ScriptError as error:
                    why = f"{rule.path} fails: {error.detail}"
                    if not rule.allows:
                        return Verdict(False, why)
                    failure = failure or f"; {why}"
                    continue
                if decides:
                    return Verdict(rule.allows, rule.path)
        none = f"no rule under commands:{command}: or commands:all: allows it"
        return Verdict(False, none + failure)


def compile_policy(text: str) -> Policy:
    """Read a policy.

    Raises:
        ScriptRefused: it is none; every problem is listed.
    """
    compiler = _PolicyCompiler()
    tree = read_tree(text, compiler)
    scopes = compiler.known(tree, _SCOPES, "a policy")
    rules = compiler.commands(scopes["commands"]) if "commands" in scopes else {}
    limit = None
    if "settings" in scopes:
        limit = compiler.time_limit(scopes["settings"])
    if "callers" in scopes:
        # Nothing that has callers runs here; packages of Cerb bring such rules along.
        compiler.no_text(scopes["callers"])
    if compiler.problems:
        raise refusal(compiler.problems)
    return Policy(rules, limit)


class _PolicyCompiler(Compiler):
    __slots__ = ()

    def no_text(self, node: Node) -> None:
        if node.text is not None or node.annotations:
            self.problem(node, f"{node.label}: has keys under it, no text and no annotations")

    def commands(self, node: Node) -> dict[str, tuple[_Rule, ...]]:
        self.no_text(node)
        rules = {}
        for child in node.children:
            if child.name != ALL and child.name not in COMMANDS:
                message = (
                    f"there is no command {child.name}; {hint(child.name, [*action_names(), ALL])}"
                )
                self.problem(child, message)
                continue
            self.no_text(child)
            rules[child.name] = tuple(
                self._rule(rule, f"commands:{child.name}:{rule.name}") for rule in child.children
            )
        return rules

    def _rule(self, node: Node, path: str) -> _Rule:
        if node.key not in ("allow", "deny"):
            self.problem(
                node, f"{node.key} is no rule; rules are allow: and deny:, each with an id: deny/x:"
            )
        if not node.text:
            self.problem(node, f"{node.label}: is yes or no, or a template that says so")
        return _Rule(path, node.key == "allow", self.value(node))

    def time_limit(self, node: Node) -> int | None:
        self.no_text(node)
        limit: Any = self.known(node, _SETTINGS, "settings:").get("time_limit_ms")
        if limit is None:
            return None
        text = (limit.text or "").strip()
        milliseconds = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
        if not 1 <= milliseconds <= MAX_TIME_LIMIT_MS:
            self.problem(
                limit,
                f"time_limit_ms: is a number of milliseconds, 1 to {MAX_TIME_LIMIT_MS:,}",
            )
        return milliseconds
