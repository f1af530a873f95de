"""What docs/kata.md shows is what happens: its examples run, its limits are those of the code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from hookferry.kata import frame, fuel, heads, parser, tree, values
from hookferry.kata.commands import compiler
from hookferry.kata.templates import lexer, patterns, reader
from hookferry.kata.templates.expressions import _LEFT, _RIGHT
from kata.runs import play
from kata.templates.rendering import rendered

PAGE = (Path(__file__).parents[2] / "docs" / "kata.md").read_text()
_BLOCK = r"```{}\n(.*?)```"
TEMPLATES = re.findall(
    _BLOCK.format("twig") + r"\n\nprints\n\n" + _BLOCK.format("text"), PAGE, re.DOTALL
)
SCRIPTS = re.findall(
    _BLOCK.format("yaml")
    + r"\n\nreturns(?:, with the inputs `([^`]+)`,)?\n\n"
    + _BLOCK.format("json"),
    PAGE,
    re.DOTALL,
)


def test_every_example_is_run() -> None:
    assert len(TEMPLATES) == PAGE.count("```twig")
    assert len(SCRIPTS) == PAGE.count("```yaml")
    assert len(TEMPLATES) + len(SCRIPTS) > 10


@pytest.mark.parametrize(("template", "text"), TEMPLATES)
def test_a_template_prints_what_stands_after_it(template: str, text: str) -> None:
    assert rendered(template.removesuffix("\n")).rstrip("\n") == text.rstrip("\n")


@pytest.mark.parametrize(("script", "inputs", "returned"), SCRIPTS)
def test_a_script_returns_what_stands_after_it(script: str, inputs: str, returned: str) -> None:
    assert play(script, inputs=json.loads(inputs or "{}")).returned == json.loads(returned)


def test_every_operator_is_listed() -> None:
    for operator in (*_LEFT, *_RIGHT):
        assert f"`{operator}`" in PAGE


def test_the_limits_are_those_of_the_code() -> None:
    rows = dict(re.findall(r"^\| ([^|`]+) \| ([^|]+) \|$", PAGE.partition("## Limits")[2], re.M))
    assert rows["a script"] == (
        f"{compiler.MAX_TEXT:,} characters, {parser.MAX_LINES:,} lines;"
        f" {compiler.MAX_WRITTEN_OUT:,} characters with its references written out"
    )
    assert rows["levels of keys"] == f"{tree.MAX_LEVELS}"
    assert rows["a key, an id"] == f"{heads.MAX_NAME} characters"
    assert rows["annotations of a key"] == f"{heads.MAX_ANNOTATIONS}"
    assert rows["words and signs in the tags of a template"] == f"{lexer.MAX_WORDS:,}"
    assert rows["levels of brackets, operands and blocks in a template"] == str(reader.MAX_NESTING)
    assert rows["levels of a value"] == f"{values.MAX_DEPTH}"
    assert rows["a regular expression"] == f"{patterns.MAX_PATTERN} characters"
    assert rows["blocks of commands within each other in a run"] == f"{frame.MAX_BLOCKS}"
    assert rows["functions that call functions"] == f"{frame.MAX_FUNCTIONS}"
    assert f"{fuel.STEPS:,} steps, {fuel.MEMORY >> 20} MB" in PAGE
