"""The templates of a package: ``{{{expr}}}``, ``{{% command %}}``, ``{{# comment #}}``.

Their delimiters are other than those of scripts, which so pass through as they are (behaviours
S-CB-05). They are rendered after the JSON was decoded: what an answer says stays inside its text.
"""

from __future__ import annotations

import re
from typing import Any, Final

from hookferry.automate.packages.problems import Problems
from hookferry.errors import ScriptError, ScriptRefused
from hookferry.kata.templates import PACKAGE, Run, compile_template

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


class Renderer:
    """Renders the records of one package.

    Args:
        run: pays for it, and has the time.
        problems: where what can't be rendered is noted.
    """

    def __init__(self, run: Run, problems: Problems) -> None:
        self._run = run
        self._problems = problems

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
        return rendered
