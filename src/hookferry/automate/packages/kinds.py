"""The records that a package may hold, and who has their rules.

Cerb's contexts are names of ours here: its webhooks and portals are sources (behaviours S-CB-08,
S-CB-15, S-CB-22). A record is built as its own room does it and saved by ``importing``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hookferry.automate.packages.prompts import Choice
from hookferry.domain.automation import Automation
from hookferry.domain.credential import Credential
from hookferry.domain.source import Source
from hookferry.domain.tenant import EventType
from hookferry.domain.timer import Timer
from hookferry.domain.webhook import Webhook
from hookferry.errors import InvalidField
from hookferry.ids import encode
from hookferry.kata.problems import hint
from hookferry.store.ports import ConfigRecord

Record = Automation | Credential | EventType | Source | Timer | Webhook
"""What a package may hold."""
Fields = dict[str, Any]


Beside = Collection[Any]
"""What is saved in the same transaction, built already."""


async def _as_it_is(record: Any) -> Any:
    return record


def _nowhere(record: Any) -> None:
    return None


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One type of record, and how the room that has its rules is asked."""

    type: str
    """As the outside face calls it."""
    collection: str
    """Where its records are, below ``/api/v1/``."""
    prefix: str | None
    """Of its records' ids; None where they are called by their names."""
    all: Callable[[int], Sequence[Any]]
    """Returns a tenant's live records."""
    check_room: Callable[[int, int], None]
    """Raises Conflict unless a tenant may have so many more."""
    draft: Callable[[int, int, Fields, Beside], Awaitable[Sequence[ConfigRecord]]]
    """Builds a record of a tenant, an id and a definition, and what belongs to it; the record comes
    first. Raises InvalidInput, Conflict, NotFound."""
    change: Callable[[Any, Fields, Beside], Awaitable[Sequence[ConfigRecord]]]
    """Builds a record changed by a merge patch, and what belongs to it; as ``draft``."""
    fields: Callable[[Any], Fields]
    """Returns the definition behind a record, without its secrets."""
    ask: Callable[[Any], Awaitable[Any]] = _as_it_is
    """Asks whoever has a say before a record is saved; returns the record to save."""
    url: Callable[[Any], str | None] = _nowhere
    """Returns the address that a record takes requests at, if it does."""

    def key(self, number: int, name: str) -> str:
        """Return what a record is called by on the outside face: its id, or its name."""
        return name if self.prefix is None else encode(self.prefix, number)


CONTEXTS: Final = {
    "automation": "automation",
    "cerb.contexts.automation": "automation",
    "source": "source",
    "webhook_listener": "source",
    "cerb.contexts.webhook_listener": "source",
    "cerb.contexts.webhook.listener": "source",
    "community_portal": "source",
    "cerb.contexts.portal": "source",
    "cerberusweb.contexts.portal": "source",
    "webhook": "webhook",
    "timer": "timer",
    "event_type": "event_type",
    "credential": "credential",
}
"""Types by what a package may call them."""
NO_BOTS: Final = (
    "the behaviors of Cerb's bots are not run here: write what they do as an automation"
)
BOTS: Final = ("bots", "behaviors")
"""Where Cerb's older packages have them, beside ``records``."""
_BOTS: Final = frozenset(
    f"{room}{name}"
    for room in ("", "cerb.contexts.", "cerberusweb.contexts.")
    for name in ("bot", "behavior")
)
"""What records of packages call them."""
_PORTALS: Final = frozenset(name for name in CONTEXTS if name.endswith("portal"))
_BOOKKEEPING: Final = ("created", "created_at", "updated", "updated_at", "links")
"""What Cerb keeps of any record, and a package of its says now and then."""
_OF_PORTALS: Final = ("code", "extension_id", "params", "plugin_id", "uri")
"""What says where a portal is; a source has an address of its own."""
SECRETS: Final[dict[str, tuple[str, ...]]] = {
    "credential": ("password", "token", "value"),
    "source": ("verify.secret", "verify.secrets", "verify_token"),
    "webhook": ("secret", "proxy", "client_certificate.private_key"),
}
"""Fields, by type, that no package has as they are."""


class Kinds:
    """The types there are.

    Args:
        kinds: in the order in which their records are saved: what others rest on comes first.
    """

    def __init__(self, kinds: Sequence[Kind]) -> None:
        self.ordered = tuple(kinds)
        self._by_type = {kind.type: kind for kind in kinds}

    def of(self, context: str) -> Kind:
        """Return the type that a package's ``_context`` means; raises InvalidField."""
        if context in _BOTS:
            raise InvalidField(NO_BOTS, field="_context")
        try:
            return self._by_type[CONTEXTS[context]]
        except KeyError:
            raise InvalidField(
                f"hookferry has no records of the type {context[:100]!r}; "
                + hint(context, CONTEXTS),
                field="_context",
            ) from None

    def choices(self, tenant_id: int, context: str) -> list[Choice]:
        """Return what a chooser may take; raises InvalidField."""
        kind = self.of(context)
        return [
            Choice(kind.key(record.id, record.name), record.name, self._readable(kind, record))
            for record in kind.all(tenant_id)
        ]

    @staticmethod
    def _readable(kind: Kind, record: Any) -> Fields:
        fields = {
            name: value
            for name, value in kind.fields(record).items()
            if isinstance(value, str | int | float | bool)
        }
        url = kind.url(record)
        return fields if url is None else {**fields, "url": url}


def definition(context: str, fields: Fields) -> Fields:
    """Return a record's fields under our names.

    Args:
        context: what the package calls its type.
        fields: what it says of it, without ``uid`` and ``_context``.

    Raises:
        InvalidField: it is one of Cerb's older forms.
    """
    fields = {name: value for name, value in fields.items() if name not in _BOOKKEEPING}
    if CONTEXTS.get(context) != "source" or context == "source":
        return fields
    params = "params" if context in _PORTALS else "extension_params"
    if params in fields:
        kata = fields.pop(params)
        if not isinstance(kata, dict) or set(kata) - {"automations_kata"}:
            raise InvalidField(
                f"{params} names the automations that answer, as automations_kata; {NO_BOTS}",
                field=params,
            )
        fields |= kata
    if context in _PORTALS:
        fields = {name: value for name, value in fields.items() if name not in _OF_PORTALS}
    if "automations_kata" not in fields:
        raise InvalidField(
            "automations_kata is missing: which automation answers, such as\n"
            "automation/answer:\n  uri: cerb:automation:example.name",
            field="automations_kata",
        )
    return fields
