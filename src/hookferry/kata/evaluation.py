"""Values of nodes: what a text with its annotations, or a tree, comes to under placeholders.

A text is a template, rendered when it is wanted unless it is ``@raw``; then its annotations are
applied from left to right. A node with keys under it is a dictionary.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from hookferry.errors import ScriptRefused
from hookferry.kata.annotations import ANNOTATIONS, REMOVED, Call
from hookferry.kata.fuel import CELL, Fuel
from hookferry.kata.parser import parse
from hookferry.kata.problems import Problem, refusal
from hookferry.kata.references import resolve
from hookferry.kata.templates.lexer import TWIG, has_tags
from hookferry.kata.templates.registry import Run
from hookferry.kata.templates.template import Template, compile_template
from hookferry.kata.tree import Node, Tree
from hookferry.kata.values import Value

Scope = Mapping[str, Value]
Evaluate = Callable[[Scope, Run], Value]
"""A node that is ready to be evaluated: returns its value, or ``REMOVED``; raises ScriptError.

What it builds stays counted as held: whoever asked gives it back once the value is kept, and so
counted, somewhere, or is not needed any more.
"""

_WITHOUT_EFFECT: Final = ("raw", "ref", "text")


MAX_TEMPLATE: Final = 4_096
"""Characters of a template that is compiled while a script runs."""
STEPS_A_CHARACTER: Final = 4
"""Of such a template: compiling takes five to ten microseconds for each."""


def prepare(node: Node, problems: list[Problem], fuel: Fuel | None = None) -> Evaluate:
    """Compile a node without references.

    Args:
        node: what is to be evaluated, any number of times.
        problems: those of its templates are appended.
        fuel: pays, where a script that runs wants it.
    """
    calls = tuple(
        ANNOTATIONS[name].call for name in node.annotations if name not in _WITHOUT_EFFECT
    )
    if node.text is None:
        # A plain key without anything is an empty text, as all values are texts.
        bare = _dictionary(node, problems, fuel) if node.children else _constant("")
    elif "raw" in node.annotations:
        bare = _constant(node.text)
    else:
        bare = _rendered(node, problems, fuel)
    return _annotated(bare, calls) if calls else bare


def evaluate_document(text: str, scope: Scope, run: Run) -> dict[str, Value]:
    """Read KATA and evaluate it, paying for both.

    Raises:
        ScriptRefused: it is none.
        ScriptError: a value can't be evaluated.
        OutOfFuel: the budget is spent.
    """
    tree, problems = resolve(parse(text, fuel=run.fuel))
    evaluate = _dictionary(tree, problems, run.fuel)
    if problems:
        raise refusal(problems)
    found: dict[str, Value] = evaluate(scope, run)
    return found


def _can_pay(node: Node, problems: list[Problem], fuel: Fuel) -> bool:
    """Pay for a template before it is compiled, whether or not it was compiled before."""
    text = node.text or ""
    if not has_tags(text, TWIG):
        return True
    if len(text) > MAX_TEMPLATE:
        message = f"a template has at most {MAX_TEMPLATE:,} characters in what a script reads"
        problems.append(Problem(node.text_line, node.text_column, message))
        return False
    fuel.spend(STEPS_A_CHARACTER * len(text))
    return True


def _constant(text: str) -> Evaluate:
    return lambda scope, run: text


def _rendered(node: Node, problems: list[Problem], fuel: Fuel | None) -> Evaluate:
    payable = fuel is None or _can_pay(node, problems, fuel)
    template = _template(node, problems) if payable else None
    if template is None:
        return _constant("")
    if template.constant is not None:
        return _constant(template.constant)
    render = template.render

    def evaluate(scope: Scope, run: Run) -> Value:
        text = render(scope, run)
        run.fuel.build(len(text))
        return text

    return evaluate


def _template(node: Node, problems: list[Problem]) -> Template | None:
    """Compile a node's text, and note what is wrong with it where it stands in the script."""
    try:
        return compile_template(node.text or "", line=node.text_line, column=node.text_column)
    except ScriptRefused as refused:
        listed: Any = refused.extra["problems"]
        for each in listed:
            problem = Problem(**each)
            if node.block and problem.line > node.text_line:
                # The template does not know that every line of it is indented.
                problem = problem._replace(column=problem.column + node.text_column - 1)
            problems.append(problem)
        return None


def _annotated(bare: Evaluate, calls: tuple[Call, ...]) -> Evaluate:
    def evaluate(scope: Scope, run: Run) -> Value:
        value = bare(scope, run)
        run.fuel.spend(len(calls))
        for call in calls:
            value = call(value, scope, run)
            if value is REMOVED:
                break
        return value

    return evaluate


def _dictionary(tree: Tree, problems: list[Problem], fuel: Fuel | None) -> Evaluate:
    values = tuple((child.name, prepare(child, problems, fuel)) for child in tree.children)

    def evaluate(scope: Scope, run: Run) -> Value:
        run.fuel.spend(len(values))
        run.fuel.build(CELL * len(values))
        found = {}
        for name, inner in values:
            value = inner(scope, run)
            if value is not REMOVED:
                found[name] = value
        return found

    return evaluate
