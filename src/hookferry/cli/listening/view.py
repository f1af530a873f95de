"""What a listener shows: lines on a terminal with one selected, plain lines, or NDJSON.

Everything that came from outside is made fit for a terminal (``hookferry.cli.terminal.safe``).
"""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from hookferry.cli.listening.details import details
from hookferry.cli.listening.relay import Entry
from hookferry.cli.terminal import err, safe

ROWS: Final = 12
"""Requests that can be selected: the last so many. Older ones are in the terminal's history."""
HELD_BYTES: Final = 64 * 1024 * 1024
"""Bytes of their bodies; beyond, fewer can be selected."""
HELP: Final = "up/down select · r replay · d details · q quit"


class Lines:
    """One line on standard output for each request that was forwarded.

    Args:
        console: where to.
        title: what is listened to.
    """

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._title = title
        self._waiting = False

    def __enter__(self) -> None:
        """Nothing has to be prepared."""

    def __exit__(self, *exception: object) -> None:
        """Nothing has to be tidied up."""

    def began(self, entry: Entry) -> None:
        """Nothing is shown until it ends."""

    def changed(self, entry: Entry) -> None:
        """Say once that requests have to wait."""
        if not self._waiting:
            self._waiting = True
            self.note(f"the local program can't be reached ({entry.waiting}); waiting for it")

    def ended(self, entry: Entry) -> None:
        """Print it."""
        self._waiting = False
        self._console.print(line_of(entry))

    def note(self, text: str) -> None:
        """Print a note to standard error."""
        err.print(Text(safe(text, 1_000), "yellow"))

    def listening(self, *, again: bool) -> None:
        """Say that there is a connection, so that requests are heard of from now on."""
        self.note(("hookferry is back; " if again else "") + f"listening to {self._title}")


class JsonLines(Lines):
    """One JSON document a line for each request that was forwarded."""

    def ended(self, entry: Entry) -> None:
        """Print it."""
        self._waiting = False
        self._console.file.write(msgspec.json.encode(document_of(entry)).decode() + "\n")
        self._console.file.flush()


class Screen:
    """Lines on a terminal; the last of them can be selected.

    Args:
        console: the terminal.
        title: what is listened to.
    """

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._title = title
        self._rows: deque[Entry] = deque()
        self._selected: Entry | None = None
        """None follows the newest."""
        self._note = ""
        self._over = False
        self._live = Live(console=console, auto_refresh=False, get_renderable=self._render)

    def __enter__(self) -> None:
        """Begin to show."""
        self._live.start(refresh=True)

    def __exit__(self, *exception: object) -> None:
        """Leave the lines on the terminal, and the cursor behind them."""
        self._over = True
        self._live.stop()

    def suspend(self, suspended: bool) -> None:
        """Leave the terminal to others, or take it again."""
        if suspended:
            self._live.stop()
        else:
            self._live.start(refresh=True)

    # ------------------------------------------------------------------ what happens

    def began(self, entry: Entry) -> None:
        """Show a further request."""
        self._rows.append(entry)
        self._make_room()
        self._refresh()

    def changed(self, entry: Entry) -> None:
        """Show it as it is now."""
        self._refresh()

    def ended(self, entry: Entry) -> None:
        """Show what it came to."""
        self._make_room()
        self._refresh()

    def note(self, text: str) -> None:
        """Show something that is about no request, until the next such thing."""
        self._note = safe(text)
        self._refresh()

    def listening(self, *, again: bool) -> None:
        """Say that there is a connection; that there was one all the time need not be said."""
        self.note("hookferry is back" if again else "")

    # ------------------------------------------------------------------ keys

    @property
    def selected(self) -> Entry | None:
        """The request that keys are about: one that was selected, else the newest."""
        if self._selected is not None:
            return self._selected
        return self._rows[-1] if self._rows else None

    def move(self, by: int) -> None:
        """Select the request before (-1) or after (1); after the newest, follow the newest."""
        rows = list(self._rows)
        if not rows:
            return
        present = len(rows) - 1 if self._selected is None else rows.index(self._selected)
        wanted = max(0, present + by)
        self._selected = rows[wanted] if wanted < len(rows) else None
        self._refresh()

    def show_details(self) -> None:
        """Print all there is to know of the selected request above the lines."""
        entry = self.selected
        if entry is not None:
            self._console.print(details(entry), soft_wrap=False)
            self._refresh()

    # ------------------------------------------------------------------ drawing

    def _make_room(self) -> None:
        """Let the oldest requests go that have ended; their lines stay in the history."""
        held = sum(len(entry.request.body) for entry in self._rows)
        while self._rows and (len(self._rows) > ROWS or held > HELD_BYTES):
            oldest = self._rows[0]
            if oldest is self._rows[-1] or not _is_over(oldest):
                return
            self._rows.popleft()
            held -= len(oldest.request.body)
            if oldest is self._selected:
                self._selected = None
            self._console.print(self._row(oldest))

    def _refresh(self) -> None:
        self._live.refresh()

    def _render(self) -> Group:
        if self._over:
            return Group(*(self._row(entry) for entry in self._rows))
        # What does not fit would be cut off below; the newest and the footer are what matters.
        shown = list(self._rows)[-max(1, self._console.height - 4) :]
        rows = [self._row(entry, marked=entry is self.selected) for entry in shown]
        footer = [(self._note, "yellow")] if self._note else []
        footer += [(self._title, "dim"), (HELP, "dim")]
        return Group(*rows, *(_one_line(Text(text, style)) for text, style in footer))

    def _row(self, entry: Entry, *, marked: bool = False) -> Text:
        return _one_line(Text.assemble(("> " if marked else "  ", "bold cyan"), line_of(entry)))


def _one_line(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _is_over(entry: Entry) -> bool:
    return entry.forwarded is not None or entry.only_shown


def line_of(entry: Entry) -> Text:
    """Return the line that shows a request."""
    request = entry.request
    when = (request.received_at or datetime.now(UTC)).astimezone()
    target = (request.path or "/") + (f"?{request.query}" if request.query else "")
    line = Text.assemble(
        (f"{when:%H:%M:%S} ", "dim"),
        (f"{safe(request.method, 12):<6} ", "bold"),
        f"{safe(target, 60)}  ",
        (f"{safe(request.event_type or '', 40)}  " if request.event_type else "", "cyan"),
        (f"{request.verdict}  ", "green" if request.verdict == "accepted" else "yellow"),
    )
    if entry.again:
        line.append("again  ", "magenta")
    result = entry.forwarded
    if result is not None:
        if result.status is None:
            line.append(result.error or "", "bold red")
        else:
            line.append(str(result.status), "green" if result.status < 400 else "bold red")
        line.append(f"  {result.seconds * 1000:,.0f} ms", "dim")
    elif entry.waiting is not None:
        line.append(f"waits: {entry.waiting}", "yellow")
    elif not entry.only_shown:
        line.append("...", "yellow")
    if entry.answered is not None:
        line.append("  answered" if entry.answered else "  too late to answer", "dim")
    return line


def document_of(entry: Entry) -> dict[str, Any]:
    """Return the JSON document that tells of a request."""
    request, result = entry.request, entry.forwarded
    document: dict[str, Any] = {
        "id": request.id,
        "received_at": request.received_at,
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "event_type": request.event_type,
        "verdict": request.verdict,
        "body_size": len(request.body),
    }
    if result is not None:
        document |= {
            "redelivery": entry.again,
            "status": result.status,
            "error": result.error,
            "detail": result.detail,
            "duration_ms": round(result.seconds * 1000, 1),
        }
    if entry.answered is not None:
        document["answered"] = entry.answered
    return document
