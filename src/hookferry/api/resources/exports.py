"""``/api/v1/deliveries/export``: deliveries as NDJSON for programs, as CSV for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Sequence
from typing import Annotated

import msgspec
from litestar import Router, get
from litestar.params import QueryParameter
from litestar.response import Stream

from hookferry.api.framework import Answer, Owner
from hookferry.api.resources.deliveries import (
    WANTED,
    DeliveryView,
    Wanted,
    delivery_filter,
    show_deliveries,
)
from hookferry.api.services import Services
from hookferry.errors import InvalidField
from hookferry.store.ports import DeliveryFilter

CHUNK = 250
"""Deliveries that an export holds at a time."""
FormatQuery = Annotated[str, QueryParameter(name="format", description="csv or ndjson")]
_FORMATS = {"csv": "text/csv", "ndjson": "application/x-ndjson"}
_COLUMNS = DeliveryView.__struct_fields__
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""How a cell begins that a spreadsheet would calculate instead of show (OWASP, CSV injection)."""


def csv_line(values: Sequence[object]) -> bytes:
    """Return a line of CSV (RFC 4180) in which no cell is a formula to a spreadsheet."""
    cells = [
        f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
        for value in values
    ]
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue().encode()


def _csv_row(view: DeliveryView) -> bytes:
    row = msgspec.to_builtins(view)
    return csv_line(["" if row[name] is None else row[name] for name in _COLUMNS])


def _json_row(view: DeliveryView) -> bytes:
    return msgspec.json.encode(view) + b"\n"


async def export_lines(s: Services, where: DeliveryFilter, form: str) -> AsyncIterator[bytes]:
    """Yield an export page by page; memory does not grow with it."""
    if form == "csv":
        yield csv_line(_COLUMNS)
    row = _csv_row if form == "csv" else _json_row
    below: int | None = None
    while True:
        found = await s.store.deliveries(where, limit=CHUNK, below_id=below)
        shown = await show_deliveries(s, where.tenant_id, found)
        yield b"".join(row(shown[d.id]) for d in found)
        if len(found) < CHUNK:
            return
        below = found[-1].id


def export_router(s: Services) -> Router:
    """Return the address ``/deliveries/export``."""

    @get(
        "/",
        summary="Export deliveries as CSV or NDJSON",
        opt={"answers": [Answer(200, str, media) for media in _FORMATS.values()]},
    )
    async def export(owner: Owner, wanted: Wanted, form: FormatQuery = "ndjson") -> Stream:
        if form not in _FORMATS:
            raise InvalidField(f"format is one of {', '.join(_FORMATS)}", field="format")
        where = delivery_filter(owner.id, wanted)
        return Stream(
            export_lines(s, where, form),
            media_type=_FORMATS[form],
            headers={"content-disposition": f'attachment; filename="deliveries.{form}"'},
        )

    return Router(
        "/deliveries/export",
        route_handlers=[export],
        dependencies={"wanted": WANTED},
        tags=["deliveries"],
    )
