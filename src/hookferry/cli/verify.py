"""``hookferry verify``: is this request genuine, and if not, why not."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from hookferry import verify as check
from hookferry.cli.reading import read_bytes, read_text
from hookferry.cli.terminal import CommandError, Exit, out, safe
from hookferry.errors import InvalidField
from hookferry.ids import encode
from hookferry.wire.schemes import DEFAULT_TOLERANCE_S, SCHEMES
from hookferry.wire.uuids import event_in
from hookferry.wire.verification import VerificationFailed, Verified


def verify(
    *,
    secret: Annotated[
        str,
        Parameter(
            help="The signing secret (under hornbill user:password); @FILE reads it from a file."
        ),
    ],
    body: Annotated[
        str,
        Parameter(
            allow_leading_hyphen=True, help="The body: @FILE, - for stdin, or the text itself."
        ),
    ] = "-",
    header: Annotated[
        list[str] | None,
        Parameter(
            name=["--header", "-H"], negative=(), help="One header, as 'name: value'; repeat it."
        ),
    ] = None,
    headers: Annotated[
        Path | None, Parameter(help="File of headers, one 'name: value' a line.")
    ] = None,
    scheme: Annotated[str, Parameter(help=f"One of: {', '.join(SCHEMES)}.")] = "standard",
    tolerance: Annotated[
        float, Parameter(help="Seconds the signature may be old or ahead; negative for any.")
    ] = float(DEFAULT_TOLERANCE_S),
) -> None:
    """Check the signature of a request.

    Exits 0 when it is genuine, 1 when it is not, with the reason.
    """
    lines = list(header or ())
    if headers is not None:
        lines += read_bytes(f"@{headers}", "--headers").decode("latin-1").splitlines()
    pairs = [_pair(line) for line in lines if line.strip()]
    try:
        found = check(
            scheme,
            read_text(secret, "--secret"),
            pairs,
            read_bytes(body, "--body"),
            tolerance=None if tolerance < 0 else tolerance,
        )
    except VerificationFailed as error:
        raise CommandError(f"not genuine ({error.reason}): {error.detail}") from None
    except InvalidField as error:
        raise CommandError(error.detail, Exit.USAGE) from None
    out.print("genuine: " + ", ".join(_said(scheme, found)), markup=False)


def _said(scheme: str, found: Verified) -> list[str]:
    """Return what a genuine request says of itself, in words."""
    if scheme == "hornbill":
        return ["user name and password are right; nothing vouches for the body"]
    said = [f"id {safe(found.id) or 'none'}"]
    event = event_in(found.id)
    if event is not None:
        said.append(f"event {encode('evt', event)}")
    if found.timestamp is not None:
        signed = dt.datetime.fromtimestamp(found.timestamp, dt.UTC)
        said.append(f"signed {signed:%Y-%m-%d %H:%M:%S} UTC")
    return said


def _pair(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name.strip():
        raise CommandError(f"{safe(line, 60)!r} is not a header; write 'name: value'", Exit.USAGE)
    return name.strip(), value.strip()
