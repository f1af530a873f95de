"""The writer in a process of its own: what it is asked arrives, and neither outlives the other."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import select
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from hookferry import errors
from hookferry.errors import HookferryError, LedgerOwned, NameTaken, StorageDown, StorageFull
from hookferry.store.ports import Acceptance, EventFilter
from hookferry.store.sqlite import SqliteStore, owner
from hookferry.store.sqlite.apart import ApartWriter
from hookferry.store.sqlite.child import Child
from hookferry.store.sqlite.connection import FILE_NAME
from hookferry.store.sqlite.frames import pickled, unpickled
from hookferry.store.sqlite.owner import FINISH_SECONDS, LOCK_NAME, Owner
from hookferry.store.sqlite.writer import Writer
from store.code import Code
from store.conformance.books import Books, Maker

EVERYTHING = EventFilter(tenant_id=1)
PATIENCE = 30.0
"""Seconds after which something that should have happened long ago is taken for lost."""


class Lost:
    """Counts how often it was told."""

    def __init__(self) -> None:
        self.told = 0
        self.event = asyncio.Event()

    def __call__(self) -> None:
        self.told += 1
        self.event.set()


@pytest.fixture
def lost() -> Lost:
    return Lost()


@pytest.fixture
async def store(tmp_path: Path, lost: Lost) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(tmp_path, writer_lost=lost)
    yield store
    await store.aclose()


@pytest.fixture
def books(store: SqliteStore) -> Books:
    return Books(store, Maker())


def child_of(store: SqliteStore) -> int:
    """Return the process id of a ledger's writer."""
    assert isinstance(store._writer, ApartWriter)
    return store._writer._process.pid


def children() -> set[int]:
    """Return the processes that this one has."""
    task = Path(f"/proc/{os.getpid()}/task")
    return {int(n) for path in task.glob("*/children") for n in path.read_text().split()}


def environment(pid: int) -> list[bytes]:
    """Return a process's variables."""
    return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")


def ended(pid: int) -> bool:
    """Say whether a process has ended; one that nobody has collected yet has, too."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] in "ZX"


def wait_for_end(pid: int) -> None:
    """Wait until a process that is not a child of this one has ended."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([process], [], [], PATIENCE)[0], "it lives on"
    finally:
        os.close(process)


# --------------------------------------------------------------------------- what travels


def leaves(root: type[HookferryError] = HookferryError) -> Iterator[type[HookferryError]]:
    """Walk the error tree; inner errors are raised as well."""
    yield root
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from leaves(child)


@pytest.mark.parametrize("kind", list(leaves()), ids=lambda kind: kind.__name__)
def test_every_error_of_the_tree_arrives_as_it_was_raised(kind: type[HookferryError]) -> None:
    error = (
        kind("try again", retry_after=17)
        if issubclass(kind, errors.Unavailable)
        else kind("choose another", field="a.b", problems=[{"line": 1}])
    )
    arrived = unpickled(pickled(error))
    assert type(arrived) is kind
    assert vars(arrived) == vars(error)
    assert (str(arrived), arrived.code) == (str(error), error.code)


async def test_an_error_in_the_child_arrives_as_itself(store: SqliteStore, books: Books) -> None:
    first = await books.webhook("crm")
    with pytest.raises(NameTaken) as taken:
        await store.save_webhook_unique(books.make.webhook("crm"))
    assert taken.value.field == "name"
    await store._write(Code("lambda c: c.execute('PRAGMA max_page_count=1').fetchone()"))
    with pytest.raises(StorageFull) as full:
        await books.accept(Acceptance(books.make.event(payload=b"x" * 10_000_000), ()))
    assert full.value.retry_after > 0
    assert (await store.changes(0)).webhooks == [first]


async def test_an_error_that_can_not_travel_arrives_as_one_that_names_it(
    store: SqliteStore, lost: Lost
) -> None:
    odd = Code("lambda c: (_ for _ in ()).throw(type('Odd', (Exception,), {})('secret'))")
    with pytest.raises(RuntimeError, match=r"^Odd$"):
        await store._write(odd)
    assert await store._write(Code("lambda c: 'goes on'")) == "goes on"
    assert not lost.told


async def test_a_result_that_can_not_travel_is_an_error_of_its_caller_alone(
    store: SqliteStore, books: Books
) -> None:
    with pytest.raises(TypeError, match="pickle"):
        await store._write(Code("lambda c: c.execute('BEGIN')"))
    await books.accept(Acceptance(books.make.event(), ()))  # also the transaction is gone


async def test_what_can_not_be_asked_is_refused_before_it_is_sent(
    store: SqliteStore, books: Books
) -> None:
    with pytest.raises((AttributeError, pickle.PicklingError)):
        store._write(lambda connection: None)
    await books.accept(Acceptance(books.make.event(), ()))


async def test_a_burst_of_more_than_the_socket_takes_is_stored_whole(books: Books) -> None:
    events = [books.make.event(payload=b"x" * 100_000) for _ in range(40)]
    await asyncio.gather(*(books.accept(Acceptance(event, ())) for event in events))
    stored = await books.store.events(EVERYTHING, limit=100)
    assert {e.id: e.payload for e in stored} == {e.id: e.payload for e in events}


async def test_a_commit_is_answered_once_it_is_done(
    store: SqliteStore, books: Books, tmp_path: Path
) -> None:
    await store._write(Code("lambda c: c.execute('PRAGMA busy_timeout=1').fetchone()"))
    event = books.make.event()
    foreign = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    with contextlib.closing(foreign):
        foreign.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageDown, match="locked"):
            await books.accept(Acceptance(event, ()))
        foreign.execute("ROLLBACK")
    await books.accept(Acceptance(event, ()))
    assert await store.event(1, event.id) == event


# --------------------------------------------------------------------------- what waits


async def test_more_waiting_calls_than_the_limit_are_refused(tmp_path: Path, lost: Lost) -> None:
    await (await SqliteStore.open(tmp_path)).aclose()
    held = Owner.take(tmp_path)
    writer = await ApartWriter.open(tmp_path, held.descriptor, limit=3, lost=lost)
    one = Code("lambda c: 1")
    calls = [writer.run(Writer.call, one) for _ in range(3)]
    with pytest.raises(StorageDown, match="3 calls wait for the ledger"):
        writer.run(Writer.call, one)
    assert await asyncio.gather(*calls) == [1, 1, 1]
    assert await writer.run(Writer.call, one) == 1
    await writer.aclose()
    held.release()


async def test_a_cancelled_call_does_not_disturb_the_others(store: SqliteStore) -> None:
    calls = [store._write(Code(f"lambda c: {n}")) for n in range(5)]
    calls[1].cancel()
    calls[3].cancel()
    assert await asyncio.gather(calls[0], calls[2], calls[4]) == [0, 2, 4]


# --------------------------------------------------------------------------- how it ends


async def test_a_killed_child_fails_what_waits_and_is_told_once(
    store: SqliteStore, books: Books, lost: Lost, tmp_path: Path
) -> None:
    kept = books.make.event()
    await books.accept(Acceptance(kept, ()))
    child = child_of(store)
    os.kill(child, signal.SIGSTOP)  # so that it answers nothing any more
    calls = [store._write(Code("lambda c: 1")) for _ in range(3)]
    calls[1].cancel()
    os.kill(child, signal.SIGKILL)
    for call in (calls[0], calls[2]):
        with pytest.raises(StorageDown, match="has ended"):
            async with asyncio.timeout(PATIENCE):
                await call
    async with asyncio.timeout(PATIENCE):
        await lost.event.wait()
    with pytest.raises(StorageDown, match="closed"):
        await books.accept(Acceptance(books.make.event(), ()))
    async with asyncio.timeout(PATIENCE):
        await store.aclose()
    assert lost.told == 1
    assert ended(child)
    again = await SqliteStore.open(tmp_path)
    assert [e.id for e in await again.events(EVERYTHING, limit=10)] == [kept.id]
    await again.aclose()


async def test_closing_does_first_what_was_asked_and_leaves_nothing_behind(
    store: SqliteStore, books: Books, lost: Lost, tmp_path: Path
) -> None:
    child = child_of(store)
    first = store._write(Code("lambda c: c.execute('SELECT count(*) FROM events').fetchone()"))
    waiting = [store._write(Code(f"lambda c: {n}")) for n in range(20)]
    event = books.make.event()
    accepted = asyncio.create_task(books.accept(Acceptance(event, ())))
    await first  # by now the task has asked
    async with asyncio.timeout(PATIENCE):
        await store.aclose()
    assert [call.result() for call in waiting] == list(range(20))
    await accepted
    assert ended(child)
    assert not lost.told
    assert sorted(os.listdir(tmp_path)) == sorted([FILE_NAME, LOCK_NAME])
    assert (tmp_path / LOCK_NAME).read_text() == ""
    again = await SqliteStore.open(tmp_path)
    assert await again.event(1, event.id) == event
    await again.aclose()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_for_the_whole_service_does_not_end_the_child(
    store: SqliteStore, books: Books, lost: Lost, number: signal.Signals
) -> None:
    os.kill(child_of(store), number)
    await books.accept(Acceptance(books.make.event(), ()))
    assert not ended(child_of(store))
    assert not lost.told


async def test_no_setting_of_the_parent_is_in_the_childs_environment(
    tmp_path: Path, lost: Lost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOKFERRY_MASTER_KEY", "the key that seals")
    monkeypatch.setenv("ANOTHER_NAME", "stays")
    store = await SqliteStore.open(tmp_path, writer_lost=lost)
    environ = environment(child_of(store))
    await store.aclose()
    assert b"ANOTHER_NAME=stays" in environ
    assert not [line for line in environ if line.startswith(b"HOOKFERRY_")]


async def test_a_child_that_can_not_open_the_ledger_says_why_and_ends(
    tmp_path: Path, lost: Lost
) -> None:
    held = Owner.take(tmp_path)
    before = children()
    with pytest.raises(sqlite3.OperationalError, match="unable to open") as caught:
        await ApartWriter.open(tmp_path / "none", held.descriptor, limit=3, lost=lost)
    assert caught.value.sqlite_errorcode == sqlite3.SQLITE_CANTOPEN
    assert children() == before
    assert not lost.told
    held.release()


async def test_a_child_that_ends_at_once_is_told_as_such(
    tmp_path: Path, lost: Lost, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Owner.take(tmp_path)
    monkeypatch.setattr("hookferry.store.sqlite.child._MAIN", "this")  # prints, and ends
    with pytest.raises(StorageDown, match="has ended"):
        await ApartWriter.open(tmp_path, held.descriptor, limit=3, lost=lost)
    assert not lost.told
    held.release()


async def test_a_child_that_was_started_ahead_writes_the_ledger_it_is_given(
    tmp_path: Path, lost: Lost
) -> None:
    child = await asyncio.to_thread(Child)
    store = await SqliteStore.open(tmp_path, writer_lost=lost, child=child)
    books = Books(store, Maker())
    event = books.make.event()
    await books.accept(Acceptance(event, ()))
    assert await store.event(1, event.id) == event
    assert children() == {child_of(store)} == {child.process.pid}
    await store.aclose()
    assert not lost.told


async def test_a_child_that_is_never_given_a_ledger_ends_with_its_parents_channel() -> None:
    child = await asyncio.to_thread(Child)
    child.channel.close()
    assert await asyncio.to_thread(child.process.wait, PATIENCE) == 0


# --------------------------------------------------------------------------- the parent's death

COMMIT_FOR_EVER = """
import asyncio, sys
from pathlib import Path
from hookferry.clock import SystemClock
from hookferry.domain.event import Event
from hookferry.ids import IdSource
from hookferry.store.ports import Acceptance, Batch
from hookferry.store.sqlite import SqliteStore

async def main():
    store = await SqliteStore.open(Path(sys.argv[1]), writer_lost=lambda: None)
    print(store._writer._process.pid, flush=True)
    source = IdSource(SystemClock())

    async def go_on():
        while True:
            event = Event(source.next(), 1, "a.b", b"x" * 100_000, 0)
            await store.commit(Batch(1, [Acceptance(event, ())]))
            print(event.id, flush=True)

    await asyncio.gather(*(go_on() for _ in range(8)))

asyncio.run(main())
"""


async def test_a_killed_parent_leaves_every_commit_that_it_was_told_of_and_no_child(
    tmp_path: Path,
) -> None:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", COMMIT_FOR_EVER, str(tmp_path), stdout=pipe
    )
    assert process.stdout is not None
    child = int(await process.stdout.readline())
    told = [int(await process.stdout.readline()) for _ in range(20)]
    process.kill()
    await process.wait()
    store = await SqliteStore.open(tmp_path)  # at once: its child has some commits to do still
    told += [int(line) for line in (await process.stdout.read()).split(b"\n")[:-1]]
    stored = {event.id for event in await store.events(EVERYTHING, limit=100_000)}
    await store.aclose()
    assert set(told) <= stored
    wait_for_end(child)


@contextlib.contextmanager
def killed_while_its_child_commits(
    folder: Path,
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A parent that was killed, and its child, stopped; the parent is collected at the end."""
    command = [sys.executable, "-c", COMMIT_FOR_EVER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.stdout.readline()  # it commits
        os.kill(child, signal.SIGSTOP)
        process.kill()
        yield process, child


def test_nobody_owns_a_folder_while_a_dead_owners_child_may_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with killed_while_its_child_commits(tmp_path) as (_, child):
        pass  # and collected
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            os.kill(child, signal.SIGCONT)
            wait_for_end(child)

    monkeypatch.setattr(owner, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))
    try:
        Owner.take(tmp_path).release()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    assert len(looks) == 3


HOLD = """
import sys
from pathlib import Path
from hookferry.store.sqlite.owner import LOCK_NAME, Owner
folder = Path(sys.argv[1])
owner = Owner.take(folder)
(folder / LOCK_NAME).write_text(sys.argv[2])
print("held", flush=True)
sys.stdin.read()
"""


def hold(folder: Path, pid: int) -> subprocess.Popen[bytes]:
    """Have a process hold a folder's lock as if it had been left behind by another."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), f"{pid}\n"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


@pytest.fixture
def dead() -> int:
    """The id of a process that was."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_a_dead_owner_left_behind_is_waited_for(
    tmp_path: Path, dead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = hold(tmp_path, dead)
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            left.communicate()

    monkeypatch.setattr(owner, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))
    taken = Owner.take(tmp_path)
    assert len(looks) == 3
    assert (tmp_path / LOCK_NAME).read_text() == f"{os.getpid()}\n"
    taken.release()


def test_what_a_dead_owner_left_behind_is_not_waited_for_without_end(
    tmp_path: Path, dead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = hold(tmp_path, dead)
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds
        assert now[0] < 2 * FINISH_SECONDS

    monkeypatch.setattr(owner, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
    try:
        with pytest.raises(LedgerOwned, match=f"process {dead} owns"):
            Owner.take(tmp_path)
    finally:
        left.communicate()
    assert now[0] >= FINISH_SECONDS


def test_an_owner_that_lives_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    living = hold(tmp_path, os.getppid())
    waited: list[float] = []
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=waited.append)
    monkeypatch.setattr(owner, "time", clock)
    try:
        with pytest.raises(LedgerOwned, match=f"process {os.getppid()} owns"):
            Owner.take(tmp_path)
    finally:
        living.communicate()
    assert not waited


def test_an_owner_that_was_killed_and_not_yet_collected_is_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with killed_while_its_child_commits(tmp_path) as (process, child):
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # a zombie from now on

        def sleep(_: float) -> None:
            os.kill(child, signal.SIGCONT)
            wait_for_end(child)

        clock = SimpleNamespace(monotonic=time.monotonic, sleep=sleep)
        monkeypatch.setattr(owner, "time", clock)
        try:
            Owner.take(tmp_path).release()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
