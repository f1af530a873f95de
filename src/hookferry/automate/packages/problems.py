"""What is wrong with a package, all of it at once: which record, which field, why."""

from __future__ import annotations

from typing import Final, NoReturn

from hookferry.errors import HookferryError, PackageRefused, ScriptRefused

MAX_PROBLEMS: Final = 100
"""Problems that are listed: whoever has more begins with these."""
MAX_MESSAGE: Final = 500
"""Characters of a problem: it may quote what was given."""


class Problems:
    """Collects what is wrong.

    Attributes:
        found: the problems as they are shown.
    """

    def __init__(self) -> None:
        self.found: list[dict[str, str | None]] = []

    def add(self, record: str | None, field: str | None, message: str) -> None:
        """Note a problem.

        Args:
            record: the record's uid; None where it is the package's own.
            field: the field's path, in the record or in the package.
            message: what is wrong, and what would be right.
        """
        if len(self.found) < MAX_PROBLEMS:
            cut = message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 1] + "…"
            self.found.append({"record": record, "field": field, "message": cut})

    def add_error(self, record: str | None, field: str | None, error: HookferryError) -> None:
        """Note what an error says; one of a script notes each of its problems."""
        inner = error.extra.get("problems") if isinstance(error, ScriptRefused) else None
        if not isinstance(inner, list):
            self.add(record, field, error.detail)
            return
        for problem in inner:
            place = f"line {problem['line']}, column {problem['column']}"
            self.add(record, field, f"{place}: {problem['message']}")

    def of(self, record: str) -> bool:
        """Tell whether something is wrong with a record."""
        return any(problem["record"] == record for problem in self.found)

    def check(self) -> None:
        """Raise PackageRefused if there are any."""
        if self.found:
            self.refuse()

    def refuse(self) -> NoReturn:
        """Raise PackageRefused with all of them; the first is its detail."""
        first = self.found[0]
        record = f"record {first['record']!r}" if first["record"] is not None else None
        place = ", ".join(part for part in (record, first["field"]) if part)
        message = first["message"] or ""
        raise PackageRefused(
            f"nothing was imported: {place}: {message}"
            if place
            else f"nothing was imported: {message}",
            field=first["field"],
            problems=self.found,
        )
