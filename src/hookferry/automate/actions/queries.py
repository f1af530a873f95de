"""``data.query``: scripts look into the ledger, their own tenant's only."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeVar

from hookferry.automate.actions.context import Context
from hookferry.domain.delivery import Delivery, DeliveryState
from hookferry.domain.event import Event, EventState
from hookferry.domain.request import CaughtRequest, Verdict
from hookferry.domain.run import Run, RunExit
from hookferry.errors import InvalidField, ScriptError, Unavailable
from hookferry.ids import decode, encode
from hookferry.kata.dates import read_date
from hookferry.kata.values import kind_of, text_of
from hookferry.store.ports import DeliveryFilter, EventFilter, RequestFilter, RunFilter, Store
from hookferry.wire.timestamps import rfc3339_ms

USUAL: Final = 25
"""Records where a query does not say."""
MOST: Final = 250
RECORDS: Final = ("events", "deliveries", "requests", "runs")
_MAX_QUERY = 2_000
_TERM = re.compile(r"""\s*([a-z_]{1,30}):(?:"([^"]*)"|'([^']*)'|([^\s"']\S*))(?:\s+|$)""")
_PARAM = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_COMMON = ("type", "limit", "after", "before")
_FIELDS: Final = {
    "events": ("event_type", "state", "id"),
    "deliveries": ("event_type", "state", "status", "event", "webhook", "text"),
    "requests": ("source", "verdict", "method", "status", "text"),
    "runs": ("automation", "exit", "event"),
}
E = TypeVar("E")


class Queries:
    """Carries the command out.

    Args:
        store: what is looked into.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def query(self, context: Context, inputs: Mapping[str, Any]) -> Any:
        """Return records as a list of dictionaries, newest first, at ``data``.

        Raises:
            ScriptError: the query is none; says what it may be.
        """
        terms = _terms(text_of(inputs.get("query")), inputs.get("query_params"))
        kind = terms.pop("type", "")
        if kind not in RECORDS:
            raise ScriptError(f"data.query: type: is one of {', '.join(RECORDS)}")
        unknown = terms.keys() - {*_COMMON, *_FIELDS[kind]}
        if unknown:
            raise ScriptError(
                f"data.query: {kind} have no {min(unknown)!r}; they have "
                f"{', '.join((*_FIELDS[kind], *_COMMON))}"
            )
        limit = _number(terms.pop("limit", str(USUAL)), "limit", MOST)
        times: dict[str, Any] = {
            f"{name}_ms": int(read_date(terms.pop(name), context.now, None) * 1000)
            for name in ("after", "before")
            if name in terms
        }
        read: Callable[..., Any] = getattr(self, f"_{kind}")
        try:
            found: list[dict[str, Any]] = context.waits(
                read(context.tenant.id, terms, times, limit)
            )
        except (InvalidField, Unavailable) as error:
            raise ScriptError(f"data.query: {error.detail}") from None
        context.fuel.build(sum(1_000 + len(str(record)) for record in found))
        return {"data": found, "_": {"type": kind, "limit": limit, "returned": len(found)}}

    async def _events(
        self, tenant_id: int, terms: dict[str, str], times: dict[str, Any], limit: int
    ) -> list[dict[str, Any]]:
        where = EventFilter(
            tenant_id=tenant_id,
            type=terms.get("event_type"),
            state=_choice(EventState, terms.get("state"), "state"),
            external_id=terms.get("id"),
            **times,
        )
        return [_event(event) for event in await self._store.events(where, limit=limit)]

    async def _deliveries(
        self, tenant_id: int, terms: dict[str, str], times: dict[str, Any], limit: int
    ) -> list[dict[str, Any]]:
        state = _choice(DeliveryState, terms.get("state"), "state")
        where = DeliveryFilter(
            tenant_id=tenant_id,
            event_type=terms.get("event_type"),
            states=None if state is None else (state,),
            status=_status(terms),
            event_id=_id("evt", terms.get("event")),
            webhook_id=_id("wh", terms.get("webhook")),
            text=terms.get("text"),
            **times,
        )
        return [_delivery(found) for found in await self._store.deliveries(where, limit=limit)]

    async def _requests(
        self, tenant_id: int, terms: dict[str, str], times: dict[str, Any], limit: int
    ) -> list[dict[str, Any]]:
        verdict = _choice(Verdict, terms.get("verdict"), "verdict")
        where = RequestFilter(
            tenant_id=tenant_id,
            source_id=_id("src", terms.get("source")),
            verdicts=None if verdict is None else (verdict,),
            method=terms.get("method"),
            status=_status(terms),
            text=terms.get("text"),
            **times,
        )
        return [_request(found) for found in await self._store.requests(where, limit=limit)]

    async def _runs(
        self, tenant_id: int, terms: dict[str, str], times: dict[str, Any], limit: int
    ) -> list[dict[str, Any]]:
        wanted = terms.get("exit")
        if wanted is not None and wanted not in set(RunExit):
            raise ScriptError(f"data.query: exit: is one of {', '.join(RunExit)}")
        where = RunFilter(
            tenant_id=tenant_id,
            automation_id=_id("auto", terms.get("automation")),
            exit=None if wanted is None else RunExit(wanted),
            event_id=_id("evt", terms.get("event")),
            **times,
        )
        return [_run(found) for found in await self._store.runs(where, limit=limit)]


def _terms(query: str, params: Any) -> dict[str, str]:
    """Read ``field:value`` terms; values with blanks in quotes, ``${name}`` for a parameter."""
    if len(query) > _MAX_QUERY:
        raise ScriptError(f"data.query:query has at most {_MAX_QUERY:,} characters")
    if params is not None and not isinstance(params, dict):
        raise ScriptError(f"data.query: query_params: is a dictionary, not {kind_of(params)}")
    terms: dict[str, str] = {}
    at = 0
    while at < len(query.rstrip()):
        found = _TERM.match(query, at)
        if found is None:
            raise ScriptError(
                f"data.query: {query[at : at + 40]!r} is no term such as type:events or "
                "after:'-1 day'"
            )
        value = next(value for value in found.groups()[1:] if value is not None)
        terms[found[1]] = _PARAM.sub(partial(_param, params or {}), value)
        at = found.end()
    return terms


def _param(params: Mapping[str, Any], found: re.Match[str]) -> str:
    if found[1] not in params:
        raise ScriptError(f"data.query: query_params: has no {found[1]!r}")
    return text_of(params[found[1]])


def _number(text: str, field: str, most: int) -> int:
    if not text.isdecimal() or not 1 <= int(text[:9]) <= most:
        raise ScriptError(f"data.query: {field}: is a number from 1 to {most}")
    return int(text)


def _status(terms: Mapping[str, str]) -> int | None:
    return _number(terms["status"], "status", 599) if "status" in terms else None


def _id(kind: str, text: str | None) -> int | None:
    return None if text is None else decode(kind, text)


def _choice(kind: type[E], name: str | None, field: str) -> E | None:
    if name is None:
        return None
    members: Mapping[str, E] = {m.name.lower(): m for m in kind}  # type: ignore[attr-defined]
    if name not in members:
        raise ScriptError(f"data.query: {field}: is one of {', '.join(members)}")
    return members[name]


def _time(unix_ms: int) -> str:
    return rfc3339_ms(unix_ms).decode()


def _event(event: Event) -> dict[str, Any]:
    return {
        "id": encode("evt", event.id),
        "type": event.type,
        "state": event.state.name.lower(),
        "received_at": _time(event.received_at_ms),
        "external_id": event.meta.external_id,
        "entity": event.meta.entity,
        "primary_key": event.meta.primary_key,
    }


def _delivery(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": encode("dlv", delivery.id),
        "event": encode("evt", delivery.event_id),
        "webhook": encode("wh", delivery.webhook_id),
        "state": delivery.state.name.lower(),
        "attempts": delivery.attempts,
        "last_status": delivery.last_status,
        "last_error": delivery.last_error,
    }


def _request(request: CaughtRequest) -> dict[str, Any]:
    return {
        "id": encode("req", request.id),
        "source": encode("src", request.source_id),
        "verdict": request.verdict.label,
        "method": request.method,
        "path": request.path.decode("latin-1"),
        "status": request.status,
        "received_at": _time(request.received_at_ms),
    }


def _run(run: Run) -> dict[str, Any]:
    return {
        "id": encode("run", run.id),
        "automation": run.automation,
        "exit": run.exit.value,
        "error": run.error,
        "started_at": _time(run.started_at_ms),
        "duration_ms": run.duration_ms,
    }
