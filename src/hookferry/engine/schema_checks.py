"""The JSON Schema of an event type at work: enforced or warned of, compiled once per version."""

from __future__ import annotations

from hookferry.domain.tenant import EventType
from hookferry.errors import ConditionError, InvalidField, SchemaViolation
from hookferry.match.facts import Facts
from hookferry.match.schemas import Schema, Violation

OFF, WARN, ENFORCE = MODES = ("off", "warn", "enforce")
MAX_STORED = 500
"""Characters of a warning that are kept with an event."""


class SchemaCheck:
    """Holds events against the schema of their type.

    Args:
        event_type: a type with a schema.
    """

    __slots__ = ("_document", "_enforce", "_name", "_schema", "_unusable")

    def __init__(self, event_type: EventType) -> None:
        self._name = event_type.name
        self._enforce = event_type.schema_mode != WARN
        self._document = event_type.schema
        self._schema: Schema | None = None
        self._unusable: Violation | None = None

    def admit(self, facts: Facts) -> str | None:
        """Return how an event's data breaks the schema where that is only a warning, else None.

        Raises:
            SchemaViolation: it breaks a schema that is enforced.
        """
        violation = self._violation(facts)
        if violation is None:
            return None
        if self._enforce:
            raise SchemaViolation(
                f"the data is not what the schema of {self._name!r} asks for; {violation}",
                field=violation.at,
            )
        return str(violation)[:MAX_STORED]

    def _violation(self, facts: Facts) -> Violation | None:
        schema = self._schema
        if schema is None:
            if self._unusable is None:
                schema = self._compile()
            if schema is None:
                return self._unusable
        try:
            data = facts.data
        except ConditionError as error:
            return Violation("data", error.detail)
        return schema.violation(data, len(facts.payload))

    def _compile(self) -> Schema | None:
        # Not when it is read: ten thousand types would hold up a start.
        assert self._document is not None
        try:
            self._schema = Schema(self._document)
        except InvalidField as error:  # saved by a build that took more than this one
            self._unusable = Violation("data", f"the schema can't be used: {error.detail}")
        return self._schema


def check_of(event_type: EventType) -> SchemaCheck | None:
    """Return the check of an event type, None where it has none in use."""
    if event_type.schema is None or event_type.schema_mode == OFF or event_type.archived:
        return None
    return SchemaCheck(event_type)
