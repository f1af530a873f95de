"""Which caught requests are meant: the filters of lists and exports, and of replays in bodies."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

import msgspec
from litestar.di import NamedDependency, Provide
from litestar.params import FromQuery, QueryParameter

from hookferry.api.wire import decode_json, id_in, time_ms
from hookferry.domain.request import Verdict
from hookferry.errors import InvalidField, MalformedJson
from hookferry.match.conditions import MAX_BYTES, Condition, parse_condition
from hookferry.store.ports import RequestFilter

MAX_TEXT: Final = 200
"""Characters of a text searched for."""
METHOD: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}")
HEADER: Final = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}):[ \t]*(.{0,200})", re.DOTALL)
EXPORTS: Final = {"ndjson": "application/x-ndjson", "har": "application/json"}
"""Media types of exports, by the name of their form."""
VERDICTS: Final = {verdict.label: verdict for verdict in Verdict}

WhereQuery = Annotated[
    str | None,
    QueryParameter(
        description="a condition as JSON, such as "
        '{"path": "data.action", "op": "equals", "value": "opened"}'
    ),
]
VerdictQuery = Annotated[
    str | None, QueryParameter(description="one or several verdicts, separated by commas")
]


class RequestSearch(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which caught requests; the same names as the list's query parameters."""

    source: str | None = None
    verdict: str | None = None
    """One or several verdicts, separated by commas."""
    reason: str | None = None
    method: str | None = None
    status_code: int | None = None
    """What the caller was answered."""
    client: str | None = None
    """The caller's address."""
    key: str | None = None
    """The duplicate key."""
    duplicate_of: str | None = None
    path: str | None = None
    """A part of path and query."""
    header: str | None = None
    """A header's name, a colon, and a part of its value."""
    text: str | None = None
    """A part of the body."""
    after: str | None = None
    before: str | None = None
    where: dict[str, Any] | None = None
    """A condition on the event that the request became, or would have become."""


def search_in_query(
    verdict: VerdictQuery = None,
    reason: FromQuery[str | None] = None,
    method: FromQuery[str | None] = None,
    status_code: FromQuery[int | None] = None,
    client: FromQuery[str | None] = None,
    key: FromQuery[str | None] = None,
    duplicate_of: FromQuery[str | None] = None,
    path: FromQuery[str | None] = None,
    header: FromQuery[str | None] = None,
    text: FromQuery[str | None] = None,
    after: FromQuery[str | None] = None,
    before: FromQuery[str | None] = None,
    where: WhereQuery = None,
) -> RequestSearch:
    """Return the search that a query spells out; the source is its handler's business."""
    return RequestSearch(
        verdict=verdict,
        reason=reason,
        method=method,
        status_code=status_code,
        client=client,
        key=key,
        duplicate_of=duplicate_of,
        path=path,
        header=header,
        text=text,
        after=after,
        before=before,
        where=None if where is None else _document(where),
    )


Searched = NamedDependency[RequestSearch]
SEARCH = Provide(search_in_query, sync_to_thread=False)
"""The dependency ``wanted``: which requests a call is about."""


def _document(text: str) -> dict[str, Any]:
    if len(text) > MAX_BYTES:
        raise InvalidField(f"where has at most {MAX_BYTES:,} bytes of JSON", field="where")
    try:
        document = decode_json(text.encode())
    except MalformedJson as error:
        raise InvalidField(f"where is a condition as JSON: {error.detail}", field="where") from None
    if not isinstance(document, dict):
        raise InvalidField("where is a condition: a JSON object", field="where")
    return document


def condition_in(where: dict[str, Any] | None) -> Condition | None:
    """Return the condition of a search; raises InvalidField."""
    return None if where is None else parse_condition(where, "where")


def filter_in(tenant_id: int, wanted: RequestSearch, source_id: int | None) -> RequestFilter:
    """Turn a search into the ledger's filter; its condition is ``condition_in``.

    Args:
        tenant_id: whose requests.
        wanted: which.
        source_id: only those of this source, beside the one that the search names.

    Raises:
        InvalidField: naming the field.
    """
    if wanted.source is not None:
        source_id = id_in("src", wanted.source, field="source")
    verdicts = None
    if wanted.verdict is not None:
        try:
            verdicts = tuple(VERDICTS[name.strip()] for name in wanted.verdict.split(","))
        except KeyError as error:
            raise InvalidField(
                f"{error} is not a verdict; choose from {', '.join(VERDICTS)}", field="verdict"
            ) from None
    if wanted.status_code is not None and not 100 <= wanted.status_code <= 999:
        raise InvalidField("status_code is an HTTP status such as 401", field="status_code")
    if wanted.method is not None and not METHOD.fullmatch(wanted.method):
        raise InvalidField("method is one such as POST", field="method")
    for field in ("reason", "client", "key", "path", "text"):
        value = getattr(wanted, field)
        if value is not None and not 1 <= len(value) <= MAX_TEXT:
            raise InvalidField(f"{field} has 1 to {MAX_TEXT} characters", field=field)
    return RequestFilter(
        tenant_id=tenant_id,
        source_id=source_id,
        verdicts=verdicts,
        reason=wanted.reason,
        method=wanted.method,
        status=wanted.status_code,
        client=wanted.client,
        key=wanted.key,
        duplicate_of=None
        if wanted.duplicate_of is None
        else id_in("req", wanted.duplicate_of, field="duplicate_of"),
        after_ms=time_ms(wanted.after, field="after"),
        before_ms=time_ms(wanted.before, field="before"),
        path=wanted.path,
        header=None if wanted.header is None else _header(wanted.header),
        text=wanted.text,
    )


def _header(text: str) -> tuple[str, str]:
    found = HEADER.fullmatch(text)
    if found is None:
        raise InvalidField(
            "header is a name, a colon and a part of the value, such as x-github-event:push",
            field="header",
        )
    return found[1], found[2]
