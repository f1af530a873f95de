"""``kata.parse``: a document of KATA is read while the script runs."""

from __future__ import annotations

from typing import Final

from hookferry.errors import ScriptError, ScriptRefused
from hookferry.kata.commands.acting import declare
from hookferry.kata.commands.registry import Call, Example, Input
from hookferry.kata.commands.schema import check
from hookferry.kata.evaluation import evaluate_document
from hookferry.kata.frame import Frame
from hookferry.kata.values import Value, kind_of

MAX_TEXT: Final = 32 * 1024
"""Characters of a document that a script reads."""
CHARACTERS_A_STEP: Final = 4
"""Of what is read and compiled: a microsecond or so."""


def _parse(frame: Frame, call: Call) -> Value:
    text, scope = call.inputs["kata"], call.inputs["dict"]
    if not isinstance(text, str) or len(text) > MAX_TEXT:
        raise ScriptError(f"kata: is a text of at most {MAX_TEXT:,} characters; use kata@raw:")
    if not isinstance(scope, dict):
        raise ScriptError(f"dict: is a dictionary of placeholders, not {kind_of(scope)}")
    frame.fuel.spend(1 + len(text) // CHARACTERS_A_STEP)
    try:
        with frame.fuel.scratch():
            document = evaluate_document(text, scope, frame.run)
    except ScriptRefused as error:
        raise ScriptError(f"kata: {error.detail}") from None
    schema = call.inputs.get("schema")
    if schema is not None:
        check(document, schema, frame.fuel)
    return document


declare(
    "kata.parse",
    "Reads a document of KATA: a dictionary of its keys. Its templates see the placeholders of"
    " `dict:` only.",
    group="Values",
    inputs=(
        Input("kata", "the document; `kata@raw:` keeps its templates", required=True),
        Input("dict", "placeholders", default={}),
        Input(
            "schema",
            "what the document has to be: `attributes:` by key, each with `types:` (`array`,"
            " `bool`, `list`, `object` with `attributes:`, `text`), `required@bool:` and"
            " `multiple@bool:`",
        ),
    ),
    output="the document as a dictionary",
    perform=_parse,
    examples=(
        Example(
            script="""\
start:
  kata.parse:
    output: results
    inputs:
      kata@raw:
        template@text:
          Hello {{name}}! Thanks for writing to {{company}}.
      dict:
        name: Janey
        company: Cerb
  return:
    text@key: results:template
""",
            returned={"text": "Hello Janey! Thanks for writing to Cerb."},
        ),
    ),
)
