"""The templates of a package: ``{{{expr}}}``, ``{{% command %}}``, ``{{# comment #}}``.

Their delimiters are other than those of scripts, which so pass through as they are (behaviours
S-CB-05). They are rendered after the JSON was decoded: what an answer says stays inside its text.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final

from hookferry.automate.packages.problems import Problems
from hookferry.errors import ScriptError, ScriptRefused
from hookferry.kata.problems import hint
from hookferry.kata.templates import PACKAGE, Run, compile_template
from hookferry.kata.templates.lexer import Problems as Unread
from hookferry.kata.templates.lexer import lex

_UID: Final = "uid"
_OPENING: Final = re.compile(r"\{\{[{%#]")


def has_template(text: str) -> bool:
    """Tell whether something in a text is rendered."""
    return _OPENING.search(text) is not None


def literal(text: str) -> str:
    """Return a template that renders to ``text``, whatever that is."""
    if not has_template(text):
        return text
    shown = _OPENING.sub(lambda found: "{{{'" + found[0] + "'}}}", text)
    return shown.replace("\r", "{{{'\\r'}}}")  # the end of a line is read as a newline


def uids_in(text: str) -> list[str]:
    """Return the records that a template refers to, as ``uid.X`` or ``uid['X']``; it has to be
    one that compiles."""
    found = []
    for segment in lex(text, PACKAGE, Unread(text, 1, 1)):
        words = segment.tokens
        for before, name, sign, member in zip(
            [None, *words], words, words[1:], words[2:], strict=False
        ):
            if (name.kind, name.text) != ("name", _UID) or (
                before is not None and before.text == "."
            ):
                continue
            if (sign.text, member.kind) in ((".", "name"), ("[", "string")):
                found.append(member.text)
    return found


class Renderer:
    """Renders the records of one package.

    Args:
        run: pays for it, and has the time.
        problems: where what can't be rendered is noted.
        uids: of its records, whether they are imported or left out.
    """

    def __init__(self, run: Run, problems: Problems, uids: Collection[str] = ()) -> None:
        self._run = run
        self._problems = problems
        self._uids = uids

    def render(self, value: Any, scope: dict[str, Any], record: str, field: str) -> Any:
        """Return a JSON value with every text and key in it rendered.

        Args:
            value: at most ``manifest.MAX_DEPTH`` levels deep.
            scope: the names that templates may use.
            record: the record's uid, for problems.
            field: the value's path in it.
        """
        self._run.fuel.spend()
        if isinstance(value, str):
            return self._text(value, scope, record, field)
        if isinstance(value, list):
            return [
                self.render(item, scope, record, f"{field}[{position}]")
                for position, item in enumerate(value)
            ]
        if isinstance(value, dict):
            return self._members(value, scope, record, field)
        return value

    def _members(
        self, value: dict[str, Any], scope: dict[str, Any], record: str, field: str
    ) -> dict[str, Any]:
        rendered: dict[str, Any] = {}
        for key, item in value.items():
            name = self._text(key, scope, record, field)
            at = f"{field}.{name[:100]}" if field else name[:100]
            if name in rendered:
                self._problems.add(record, at, "two keys are this one when they are rendered")
            rendered[name] = self.render(item, scope, record, at)
        return rendered

    def _text(self, text: str, scope: dict[str, Any], record: str, field: str) -> str:
        if not has_template(text):
            return text
        try:
            rendered = compile_template(text, delimiters=PACKAGE).render(scope, self._run)
            self._run.fuel.build(len(rendered))
        except (ScriptRefused, ScriptError) as error:
            self._problems.add_error(record, field, error)
            return ""
        if _UID in text:
            self._check_uids(text, record, field)
        return rendered

    def _check_uids(self, text: str, record: str, field: str) -> None:
        """Note the records that a template refers to and that are not in the package."""
        self._run.fuel.read(len(text))
        for uid in dict.fromkeys(uids_in(text)):
            if uid not in self._uids:
                self._problems.add(
                    record,
                    field,
                    f"{_UID}.{uid[:100]}: the package has no record {uid[:100]!r}; "
                    + hint(uid, self._uids),
                )
