"""``hookferry verify``: is this request genuine, and if not, why not."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from hookferry.cli.reading import read_bytes, read_text
from hookferry.cli.terminal import CommandError, Exit, out, safe
from hookferry.errors import InvalidField, InvalidInput
from hookferry.ids import encode
from hookferry.wire import schemes
from hookferry.wire.inbound.received import Explanation, KeyNeeded
from hookferry.wire.uuids import event_in
from hookferry.wire.verification import Reason, VerificationFailed, Verified

SHOWN = 4_000
"""Characters of signed content that are shown."""


def verify(
    *,
    secret: Annotated[
        str,
        Parameter(
            help="The signing secret or public key (under hornbill user:password); @FILE reads it "
            "from a file."
        ),
    ] = "",
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
    scheme: Annotated[
        str,
        Parameter(
            help=f"One of: {', '.join(schemes.SCHEMES)}; or a provider, such as github or stripe "
            "(docs/verification.md); or a scheme as JSON, or @FILE with one."
        ),
    ] = "standard",
    tolerance: Annotated[
        float | None,
        Parameter(
            help="Seconds the signature may be old or ahead; negative for any. The scheme's own "
            "when left out."
        ),
    ] = None,
    url: Annotated[
        str, Parameter(help="The address as the sender knows it, where it is signed.")
    ] = "",
    method: Annotated[str, Parameter(help="The method, where it is signed.")] = "POST",
    certificate: Annotated[
        Path | None, Parameter(help="File of the signing certificate (PEM), where there is one.")
    ] = None,
    explain: Annotated[
        bool, Parameter(negative=(), help="Show what is taken as signed, and the likely mistake.")
    ] = False,
) -> None:
    """Check the signature of a request.

    Exits 0 when it is genuine, 1 when it is not, with the reason, and 2 when it can't be told:
    without a secret, for instance.
    """
    lines = list(header or ())
    if headers is not None:
        lines += read_bytes(f"@{headers}", "--headers").decode("latin-1").splitlines()
    chosen = _scheme(scheme)
    given: dict[str, Any] = {
        "secret": read_text(secret, "--secret"),
        "headers": [_pair(line) for line in lines if line.strip()],
        "body": read_bytes(body, "--body"),
        "method": method,
        "url": url,
        "keys": {},
    }
    if tolerance is not None:
        given["tolerance"] = None if tolerance < 0 else tolerance
    try:
        try:
            _check(chosen, given, explain)
        except KeyNeeded as needed:
            if certificate is None:
                raise CommandError(
                    f"the request was signed with the certificate at {safe(needed.url, 500)}: "
                    "fetch it and give its file as --certificate",
                    Exit.USAGE,
                ) from None
            given["keys"] = {needed.url: read_bytes(f"@{certificate}", "--certificate")}
            _check(chosen, given, explain)
    except InvalidInput as error:
        raise CommandError(error.detail, Exit.USAGE) from None
    except VerificationFailed as error:
        raise _not_genuine(error.reason, error.detail) from None


def _check(scheme: str | dict[str, Any], given: dict[str, Any], explain: bool) -> None:
    if explain:
        explanation = schemes.explain(scheme, **given)
        _show(explanation)
        if not explanation.genuine:
            raise _not_genuine(explanation.reason, explanation.detail)
    found = schemes.verify(scheme, **given)
    out.print("genuine: " + ", ".join(_said(scheme, found)), markup=False)


def _not_genuine(reason: str | None, detail: str) -> CommandError:
    if reason == Reason.NO_SECRET:  # nothing was tried
        return CommandError("there is no secret to verify with: give --secret", Exit.USAGE)
    return CommandError(f"not genuine ({reason}): {detail}")


def _show(explanation: Explanation) -> None:
    """Print what verification took as signed."""
    out.print(f"algorithm: {explanation.algorithm}", markup=False)
    if explanation.timestamp is not None:
        out.print(f"signed at: {_moment(explanation.timestamp)}", markup=False)
    for trial in explanation.trials:
        note = f" ({trial.note})" if trial.note else ""
        for given in trial.given:
            out.print(f"signature: {safe(given, SHOWN)}", markup=False)
        # As Python writes bytes: what can't be seen, such as a line end, is what differs most.
        content = safe(repr(trial.signed)[2:-1], SHOWN)
        out.print(f"signed{note}, {len(trial.signed):,} bytes: {content}", markup=False)
        out.print("matches" if trial.matches else "does not match", markup=False)


def _scheme(text: str) -> str | dict[str, Any]:
    """Return a scheme's name, or the scheme that is written out."""
    if not text.startswith(("{", "@")):
        try:
            schemes.check_known(text)
        except InvalidField as error:
            raise CommandError(error.detail, Exit.USAGE) from None
        return text
    try:
        return msgspec.json.decode(read_bytes(text, "--scheme"), type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CommandError(f"--scheme is no JSON object: {error}", Exit.USAGE) from None


def _said(scheme: str | dict[str, Any], found: Verified) -> list[str]:
    """Return what a genuine request says of itself, in words."""
    if scheme == "hornbill":
        return ["user name and password are right; nothing vouches for the body"]
    said = [f"id {safe(found.id) or 'none'}"]
    event = event_in(found.id)
    if event is not None:
        said.append(f"event {encode('evt', event)}")
    if found.timestamp is not None:
        said.append(f"signed {_moment(found.timestamp)}")
    return said


def _moment(seconds: int) -> str:
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"


def _pair(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name.strip():
        raise CommandError(f"{safe(line, 60)!r} is not a header; write 'name: value'", Exit.USAGE)
    return name.strip(), value.strip()
