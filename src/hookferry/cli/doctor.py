"""``hookferry doctor``: would a server run well here, and if not, what to change.

Each check is one function that returns what it found; what is checked for is in its docstring.
A running server is asked over HTTP; its data folder is not touched.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import httpx
from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from hookferry.cli.descriptors import most_allowed, needed
from hookferry.cli.flags import ConfigFlag, SettingFlags, settings_from
from hookferry.cli.terminal import Exit, out
from hookferry.clock import SystemClock
from hookferry.engine.sealing import Sealer, open_client_certificate, open_proxy, open_secrets
from hookferry.errors import HookferryError
from hookferry.ids import EPOCH_MS
from hookferry.settings import Settings
from hookferry.store.sqlite import SqliteStore
from hookferry.store.sqlite.connection import FILE_NAME, open_reader
from hookferry.store.sqlite.owner import Owner
from hookferry.transport.dns import ResolveError, Resolver

_SLOW_FSYNC_MS = 20.0


class Verdict(enum.Enum):
    """How a check ended."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"
    SKIPPED = "skipped"


Finding = tuple[Verdict, str]
_STYLES = {
    Verdict.GOOD: "green",
    Verdict.WARNING: "yellow",
    Verdict.BAD: "bold red",
    Verdict.SKIPPED: "dim",
}


def doctor(
    *,
    config: ConfigFlag = None,
    flags: SettingFlags = None,
    lookup: Annotated[
        str, Parameter(help="Name to look up, to see that DNS answers.")
    ] = "example.com",
) -> int:
    """Check this deployment: settings, disk, ledger, keys, port, DNS, clock, limits.

    Exits 1 when something would keep the server from working; warnings don't count.
    """
    settings = settings_from(flags, config)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    worst = Exit.OK
    for name, (verdict, text) in _run(settings, lookup):
        table.add_row(Text(verdict.value, _STYLES[verdict]), name, Text(text))
        if verdict is Verdict.BAD:
            worst = Exit.FAILED
    out.print(table, soft_wrap=False)
    return worst


def _run(settings: Settings, lookup: str) -> Iterator[tuple[str, Finding]]:
    running = _server_pid(settings.data)
    yield "settings", (Verdict.GOOD, "every name and value is allowed")
    yield "data folder", _safely(lambda: check_folder(settings.data))
    if running is None:
        yield "ledger", _safely(lambda: check_ledger(settings.data))
        yield "sealed secrets", _safely(lambda: asyncio.run(check_secrets(settings)))
        yield "port", _safely(lambda: check_port(settings))
    else:
        skipped = (Verdict.SKIPPED, f"in use by process {running}")
        yield "ledger", skipped
        yield "sealed secrets", skipped
        yield "server", _safely(lambda: check_server(settings))
    yield "DNS", _safely(lambda: asyncio.run(check_dns(settings, lookup)))
    yield "clock", check_clock()
    yield "open files", check_descriptors(settings)


def _safely(check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except HookferryError as error:
        return Verdict.BAD, error.detail
    except OSError as error:
        return Verdict.BAD, str(error)


def _server_pid(data: Path) -> str | None:
    """Return who owns the data folder, None if nobody does."""
    if not data.is_dir():
        return None
    try:
        owner = Owner.take(data)
    except HookferryError as error:
        return str(error.extra.get("pid") or "unknown")
    except OSError:
        return None  # not even readable: check_folder says so
    owner.release()
    return None


def check_folder(data: Path) -> Finding:
    """The data folder can be made and written, and what is written reaches the disk."""
    exists = data.is_dir()
    folder = data if exists else next(p for p in data.absolute().parents if p.is_dir())
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".hookferry-doctor-") as file:
        file.write(b"\0" * 4096)
        file.flush()
        began = time.perf_counter()
        os.fsync(file.fileno())
        took = (time.perf_counter() - began) * 1000
    note = "" if exists else " (will be made)"
    if took > _SLOW_FSYNC_MS:
        return Verdict.WARNING, (
            f"writable{note}, but an fsync took {took:.0f} ms; every acknowledgement waits for one"
        )
    return Verdict.GOOD, f"writable{note}, fsync takes {took:.1f} ms"


def check_ledger(data: Path) -> Finding:
    """The ledger opens, its schema is this build's, and SQLite finds no damage in it."""
    path = data / FILE_NAME
    if not path.exists():
        return Verdict.GOOD, "none yet; the server will make it"

    async def open_and_close() -> None:
        store = await SqliteStore.open(data, migrate=False)
        await store.aclose()

    asyncio.run(open_and_close())
    with contextlib.closing(open_reader(data)) as connection:
        (result,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    size = path.stat().st_size / 1e6
    if result != "ok":
        return Verdict.BAD, f"damaged: {result}; restore {path} from a backup"
    return Verdict.GOOD, f"sound, {size:,.1f} MB"


async def check_secrets(settings: Settings) -> Finding:
    """The master key opens every secret in the ledger."""
    if not (settings.data / FILE_NAME).exists():
        return Verdict.GOOD, "none yet"
    store = await SqliteStore.open(settings.data, migrate=False)
    try:
        changes = await store.changes(0)
    finally:
        await store.aclose()
    webhooks = [webhook for webhook in changes.webhooks if not webhook.deleted]
    text = settings.master_key
    if not text and settings.master_key_path.exists():
        text = settings.master_key_path.read_text().strip()
    if not webhooks and not text:
        return Verdict.GOOD, "none yet"
    if not text:
        return Verdict.BAD, (
            f"there are {len(webhooks)} webhooks, but no master key: put the former one into "
            f"{settings.master_key_path} or HOOKFERRY_MASTER_KEY"
        )
    sealer = Sealer.from_setting(text)
    now_ms = SystemClock().wall_ms()
    for webhook in webhooks:
        open_secrets(sealer, webhook, now_ms)
        open_client_certificate(sealer, webhook)
        open_proxy(sealer, webhook)
    return Verdict.GOOD, f"the master key opens those of {len(webhooks)} webhooks"


def check_port(settings: Settings) -> Finding:
    """Nobody else listens where the server wants to."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
        except OSError as error:
            return Verdict.BAD, (
                f"{settings.host}:{settings.port}: {error.strerror}; choose another with --port"
            )
    return Verdict.GOOD, f"{settings.host}:{settings.port} is free"


def check_server(settings: Settings) -> Finding:
    """The running server answers and says that it is ready."""
    url = f"http://{settings.host}:{settings.port}/readyz"
    try:
        answer = httpx.get(url, timeout=5, trust_env=False)
    except httpx.HTTPError as error:
        return Verdict.BAD, f"{url}: {error or type(error).__name__}"
    if answer.status_code != 200:
        return Verdict.BAD, f"{url} answers {answer.status_code}"
    return Verdict.GOOD, f"{url} answers: ready"


async def check_dns(settings: Settings, name: str) -> Finding:
    """The resolver that deliveries use answers."""
    resolver = Resolver(
        time.monotonic,
        nameservers=settings.nameservers or None,
        time_limit=settings.dns_timeout,
    )
    began = time.perf_counter()
    try:
        addresses = await resolver.resolve(name)
    except ResolveError as error:
        return Verdict.WARNING, f"{name}: {error.detail}"
    finally:
        await resolver.aclose()
    took = (time.perf_counter() - began) * 1000
    return Verdict.GOOD, f"{name} has {len(addresses)} addresses, found in {took:.0f} ms"


def check_clock() -> Finding:
    """The wall clock is in the range in which ids can be made, and plausible."""
    now = SystemClock().wall_ms()
    shown = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now / 1000))
    if now <= EPOCH_MS:
        return Verdict.BAD, f"it says {shown} UTC, which is past; set it, and run a time service"
    return Verdict.GOOD, f"{shown} UTC"


def check_descriptors(settings: Settings) -> Finding:
    """The limit on open files leaves room for callers and receivers."""
    wanted = needed(settings)
    allowed = most_allowed()
    if allowed is not None and allowed < wanted:
        return Verdict.WARNING, (
            f"{allowed:,} allowed, {wanted:,} may be needed (connections + in_flight); "
            "raise the hard limit with ulimit -Hn"
        )
    shown = "any number" if allowed is None else f"{allowed:,}"
    return Verdict.GOOD, f"{shown} allowed, {wanted:,} may be needed"
