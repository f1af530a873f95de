"""Group commit: gathers accepts and settlements into one durable transaction at a time.

At once when the ledger is idle, gathered while it is busy (DESIGN section 3). What asks for a
commit is told only after it happened. A batch that can't be stored is split until the bad row
fails alone; a ledger that is full or away fails the accepts (their publishers try again) and
keeps the settlements, which nobody else remembers.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

import msgspec
import structlog

from hookferry.errors import CallEnded, HookferryError, StorageDown, Unavailable
from hookferry.store.ports import (
    Acceptance,
    Batch,
    Committed,
    DedupeKey,
    HealthChange,
    Ledger,
    RequestAnswer,
    Resolution,
    Settlement,
)
from hookferry.telemetry import Metrics

log = structlog.get_logger(__name__)
T = TypeVar("T")

MAX_ACCEPTS = 500
MAX_SETTLEMENTS = 1_000
GATHER_SECONDS = 0.002
_WORTH_A_COMMIT = 16
"""As many are worth a commit of their own where it goes on beside the event loop (measured)."""
_BUSY = 4
"""A batch this large says that as many are coming soon: the next one waits to gather."""
_RETRY_SECONDS = (0.1, 0.5, 1.0, 2.0)
_STALE_ROUNDS = 100
_ENDED = (
    "the wait for a synchronous webhook was ended meanwhile (its delivery was cancelled, or "
    "another node took over), so no verdict is stored; publish again with the same id to learn "
    "what became of the event"
)
MAX_ANSWERS = 500
MAX_RESOLVES = 100
"""Synchronous answers in one commit; held deliveries make them heavier than a settlement."""


class Entry(Protocol):
    """Something that waits to be accepted."""

    def build(self) -> Acceptance:
        """Match against the configuration as it is now; raises HookferryError to be refused."""
        ...

    def committed(self, acceptance: Acceptance) -> None:
        """It is durable."""
        ...

    def repeated(self, first: DedupeKey) -> None:
        """It was not stored: an earlier one has its dedupe key."""
        ...

    def failed(self, error: HookferryError) -> None:
        """It was not stored."""
        ...


class Resolve(msgspec.Struct, frozen=True, eq=False):
    """What an event's synchronous calls came to, to be stored whole."""

    settlements: Sequence[Settlement]
    resolution: Resolution | None
    """None when nothing else waits for the verdict."""
    done: Callable[[HookferryError | None], None]
    """Called with None when it is durable; before that, maybe, with errors because of which it
    is not yet."""


class Answered(msgspec.Struct, frozen=True, eq=False):
    """What a request's caller is to be answered, to be kept first."""

    answer: RequestAnswer
    done: Callable[[HookferryError | None], None]
    """Called once: with None when it is durable, or with the error for which it is not kept."""


class Owner(Protocol):
    """Who gets back what became of settlements, and knows the health that goes with them."""

    def settled(self, settlements: Sequence[Settlement], refused: frozenset[int]) -> None:
        """They are durable, but for the refused."""
        ...

    def health_of(self, settlements: Sequence[Settlement]) -> list[HealthChange]:
        """Return the health changes to store with these settlements."""
        ...


class _Taken(msgspec.Struct, eq=False):
    """What goes into one commit."""

    entries: list[Entry]
    settlements: list[Settlement]
    resolves: Sequence[Resolve] = ()
    answers: Sequence[Answered] = ()

    def __len__(self) -> int:
        return len(self.entries) + len(self.settlements) + len(self.answers)


class _Begun(msgspec.Struct, eq=False):
    """A commit that the ledger has been given."""

    taken: _Taken
    """Without the entries that were refused."""
    acceptances: list[Acceptance]
    version: int
    started: float
    committing: Awaitable[Committed]


_Untold = tuple[list[Entry], list[Acceptance], Committed]


class Committer:
    """The one place that commits events and attempts.

    Args:
        ledger: what commits.
        version: tells the configuration version that entries are matched under now.
        refresh: brings the configuration up to the ledger's.
        now_ms: tells the time that due times are measured on.
        metrics: where commits are counted.
        beside: the ledger works beside the event loop and does not take turns with it. So it is
            given the next batch before the callers of the last one are told, and as soon as half
            of all callers are back: it stores their entries while the loop is busy with the
            others.
    """

    def __init__(
        self,
        ledger: Ledger,
        version: Callable[[], int],
        refresh: Callable[[], Awaitable[None]],
        now_ms: Callable[[], int],
        metrics: Metrics,
        *,
        beside: bool = False,
    ) -> None:
        self._ledger = ledger
        self._version = version
        self._refresh = refresh
        self._now_ms = now_ms
        self._metrics = metrics
        self._beside = beside
        self._untold: _Untold | None = None
        self._begun: _Begun | None = None
        """Begun while entries came, and not yet waited for."""
        self._callers = 0
        """How many entries are under way at once, about."""
        self._share = _WORTH_A_COMMIT
        """How many of them go into one commit: half, so that the others come meanwhile."""
        self._owner: Owner | None = None
        self._entries: deque[Entry] = deque()
        self._settlements: deque[Settlement] = deque()
        self._resolves: deque[Resolve] = deque()
        self._answers: deque[Answered] = deque()
        self._wake = asyncio.Event()
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._gathered: asyncio.Future[None] | None = None
        """Done once a batch is worth its commit; there only while the committer waits for that."""
        self._expected = 0
        self._waiting = False
        """Nothing is under way, and the committer waits for entries."""
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._failures = 0

    @property
    def unsettled(self) -> int:
        """Settlements that are not durable yet."""
        return len(self._settlements)

    @property
    def failing(self) -> bool:
        """The last commit failed because the ledger is full or away."""
        return self._failures > 0

    def start(self, owner: Owner) -> None:
        """Begin to commit."""
        self._owner = owner
        self._task = asyncio.get_running_loop().create_task(self._run(), name="committer")

    def accept(self, entry: Entry, *, early: bool = True) -> None:
        """Queue an entry for the next commit. The caller bounds how many wait.

        Args:
            entry: told later what became of it.
            early: those before it may be committed, or refused, before this returns: the caller
                is not in the middle of changing what a batch is made of.
        """
        if self._waiting and early and self._beside and len(self._entries) >= self._share:
            self._begin_early()
        self._entries.append(entry)
        self._rouse()

    def settle(self, settlement: Settlement) -> None:
        """Queue a settlement for the next commit."""
        self._settlements.append(settlement)
        self._rouse()

    def resolve(self, resolve: Resolve) -> None:
        """Queue a verdict for the next commit. The caller bounds how many wait."""
        self._resolves.append(resolve)
        self._rouse()

    def answer(self, answered: Answered) -> None:
        """Queue an answer for the next commit. The caller bounds how many wait."""
        self._answers.append(answered)
        self._rouse()

    def _rouse(self) -> None:
        gathered = self._gathered
        if gathered is not None:
            if self._queued() >= self._expected:
                _done(gathered)
        elif not self._wake.is_set():
            self._quiet.clear()
            self._wake.set()

    def _queued(self) -> int:
        return len(self._entries) + len(self._settlements) + len(self._answers)

    async def flush(self) -> None:
        """Wait until nothing is queued and nothing is in the air."""
        await self._quiet.wait()

    async def stop(self) -> None:
        """Commit what is queued and end. Settlements that can't be stored are given up: their
        deliveries still owe in the ledger and are sent again after the next start."""
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task

    # ------------------------------------------------------------------ the loop

    async def _run(self) -> None:
        while True:
            if not self._beside or self._queued() < max(self._expected, _BUSY):
                self._tell_stored()
            if not (self._entries or self._settlements or self._resolves or self._answers):
                self._wake.clear()
                self._quiet.set()
                if self._stopping:
                    return
                self._waiting = True
                await self._wake.wait()
                self._waiting = False
            if self._begun is not None or self._stopping:
                pass
            elif self._failures and not self._entries and not self._answers:
                await asyncio.sleep(_RETRY_SECONDS[min(self._failures, len(_RETRY_SECONDS)) - 1])
            elif self._expected >= _BUSY and self._queued() < self._expected:
                self._waiting = True
                await self._gather()
                self._waiting = False
            begun, self._begun = self._begun, None
            taken = self._take() if begun is None else begun.taken
            try:
                await self._commit(taken, begun)
            except Exception:  # a bug; without this task nothing would ever be stored again
                _give_up(taken)
            if self._stopping and self._failures and (self._settlements or self._resolves):
                log.warning(
                    "settlements_given_up", count=len(self._settlements) + len(self._resolves)
                )
                self._settlements.clear()
                self._resolves.clear()

    def _begin_early(self) -> None:
        """Begin the next commit at once, and not when the event loop comes to the committer.

        All callers of a batch are told at once and are back at once, so the loop reads what all of
        them send before it comes to anything else. The ledger would have nothing to do meanwhile.
        """
        self._waiting = False
        taken = self._take()
        try:
            self._begun = self._begin(taken)
        except Exception:
            _give_up(taken)

    def _take(self) -> _Taken:
        """Take what goes into the next commit, and decide what the one after it waits for."""
        most = MAX_ACCEPTS
        if self._beside:
            under_way = len(self._entries) + (0 if self._untold is None else len(self._untold[0]))
            self._callers = max(under_way, self._callers * 7 // 8)
            self._share = max(_WORTH_A_COMMIT, (self._callers + 1) // 2)
            most = min(self._share, MAX_ACCEPTS)
        taken = _Taken(
            _first(self._entries, most),
            _first(self._settlements, MAX_SETTLEMENTS),
            _first(self._resolves, MAX_RESOLVES) if self._resolves else (),
            _first(self._answers, MAX_ANSWERS) if self._answers else (),
        )
        self._expected = min(len(taken), _WORTH_A_COMMIT) if self._beside else len(taken)
        return taken

    async def _gather(self) -> None:
        """Wait until as much has come as was committed last, or as is worth a commit, for
        ``GATHER_SECONDS`` at most.

        Callers who send again once they were answered are all back by then: to wait on would only
        hold them up.
        """
        loop = asyncio.get_running_loop()
        gathered = self._gathered = loop.create_future()
        timer = loop.call_later(GATHER_SECONDS, _done, gathered)
        try:
            await gathered
        finally:
            timer.cancel()
            self._gathered = None

    def _begin(self, taken: _Taken) -> _Begun | None:
        """Give the ledger a batch; None if there is nothing in it, all entries having been refused.

        What the ledger raises comes when the commit is waited for.
        """
        owner = self._owner
        assert owner is not None
        settlements, resolves = taken.settlements, taken.resolves
        answered = [s for r in resolves for s in r.settlements]
        version = self._version()
        taken.entries, acceptances = _build(taken.entries)
        if not (acceptances or settlements or resolves or taken.answers):
            return None
        health: list[HealthChange] = []
        if settlements or answered:
            health = owner.health_of([*settlements, *answered] if answered else settlements)
        started = time.perf_counter()
        batch = Batch(
            version,
            acceptances,
            settlements,
            health,
            self._now_ms(),
            [r.resolution for r in resolves if r.resolution is not None],
            answered,
            [a.answer for a in taken.answers],
        )
        try:
            committing = self._ledger.commit(batch)
        except Exception as error:
            committing = _raising(error)
        return _Begun(taken, acceptances, version, started, committing)

    async def _commit(self, taken: _Taken, begun: _Begun | None = None) -> None:
        """See a commit through.

        Args:
            taken: what goes into it.
            begun: it, if it has begun.
        """
        owner = self._owner
        assert owner is not None
        for _ in range(_STALE_ROUNDS):
            try:
                begun = begun or self._begin(taken)
            finally:
                self._tell_stored()
            if begun is None:
                return
            settlements, resolves, answers = taken.settlements, taken.resolves, taken.answers
            try:
                result = await begun.committing
            except Unavailable as error:
                self._unavailable(taken, error)
                return
            except Exception as error:
                await self._split(taken, error)
                return
            self._failures = 0
            self._metrics.commit(
                time.perf_counter() - begun.started, len(begun.acceptances) + len(settlements)
            )
            if settlements:
                owner.settled(settlements, result.refused)
            for resolve in resolves:
                ended = any(s.delivery_id in result.refused for s in resolve.settlements)
                _tell_one(resolve, CallEnded(_ENDED) if ended else None)
            _tell_all(answers, None)
            taken = _Taken(taken.entries, [])
            if not result.stale:
                self._untold = taken.entries, begun.acceptances, result
                if result.config_version > begun.version:
                    self._tell_stored()
                    await self._refresh_quietly()
                return
            self._metrics.rematched()
            await self._refresh_quietly()
            begun = None
        _fail(
            taken.entries,
            StorageDown("the configuration changes faster than events can be matched"),
        )

    def _tell_stored(self) -> None:
        """Tell the last commit's entries; nothing waits in between but the start of the next."""
        if self._untold is not None:
            untold, self._untold = self._untold, None
            _tell(*untold)

    async def _refresh_quietly(self) -> None:
        try:
            await self._refresh()
        except Unavailable as error:
            log.warning("configuration_unreadable", error=error.detail)
            await asyncio.sleep(_RETRY_SECONDS[0])

    def _unavailable(self, taken: _Taken, error: Unavailable) -> None:
        if not self._failures:
            log.error("ledger_unavailable", code=error.code, error=error.detail)
        self._failures += 1
        self._metrics.commit_failed(error.code)
        self._settlements.extendleft(reversed(taken.settlements))
        self._resolves.extendleft(reversed(taken.resolves))
        for resolve in taken.resolves:  # stored later; whether anybody waits for that is theirs
            _tell_one(resolve, error)
        _fail(taken.entries, error)
        _tell_all(taken.answers, error)

    async def _split(self, taken: _Taken, error: Exception) -> None:
        """Find the row that can't be stored: it fails alone."""
        entries, settlements, resolves = taken.entries, taken.settlements, taken.resolves
        answers = taken.answers
        if answers:
            if len(answers) > 1 or entries or settlements or resolves:
                await self._commit(_Taken(entries, settlements, resolves))
                for one in answers:
                    await self._commit(_Taken([], [], (), [one]))
                return
            log.error("row_refused_by_ledger", error_type=type(error).__name__)
            _tell_all(answers, StorageDown("the ledger can't store this; see the server's log"))
            return
        if resolves:
            if len(resolves) > 1 or entries or settlements:
                await self._commit(_Taken(entries, settlements))
                for resolve in resolves:
                    await self._commit(_Taken([], [], [resolve]))
                return
            log.error("row_refused_by_ledger", error_type=type(error).__name__)
            _tell_one(resolves[0], StorageDown("the ledger can't store this; see the server's log"))
            return
        if len(entries) + len(settlements) <= 1:
            # The type only: a driver's message may quote what could not be stored.
            log.error("row_refused_by_ledger", error_type=type(error).__name__)
            _fail(entries, StorageDown("the ledger can't store this event; see the server's log"))
            if settlements and settlements[0].attempt is not None:
                # What a receiver answered must not keep its delivery from being settled.
                bare = msgspec.structs.replace(settlements[0], attempt=None)
                await self._commit(_Taken([], [bare]))
            # What can't be settled at all stays held in memory and owing in the ledger: it is
            # not sent again before the next start.
            return
        if entries and settlements:
            await self._commit(_Taken([], settlements))
            await self._commit(_Taken(entries, []))
        elif entries:
            middle = len(entries) // 2
            await self._commit(_Taken(entries[:middle], []))
            await self._commit(_Taken(entries[middle:], []))
        else:
            middle = len(settlements) // 2
            await self._commit(_Taken([], settlements[:middle]))
            await self._commit(_Taken([], settlements[middle:]))


async def _raising(error: Exception) -> Committed:
    raise error


def _give_up(taken: _Taken) -> None:
    log.exception("commit_loop_failed")
    _fail(taken.entries, StorageDown("storing this event failed; see the server's log"))


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _first(queue: deque[T], limit: int) -> list[T]:
    if len(queue) <= limit:
        taken = list(queue)
        queue.clear()
        return taken
    return [queue.popleft() for _ in range(limit)]


def _tell_all(answers: Sequence[Answered], error: HookferryError | None) -> None:
    for one in answers:
        _tell_one(one, error)


def _tell_one(resolve: Resolve | Answered, error: HookferryError | None) -> None:
    try:
        resolve.done(error)
    except Exception:  # as in _tell
        log.exception("telling_failed")


def _fail(entries: Sequence[Entry], error: HookferryError) -> None:
    for entry in entries:
        entry.failed(error)


def _build(entries: list[Entry]) -> tuple[list[Entry], list[Acceptance]]:
    """Match the entries; those that are refused are told and left out."""
    kept: list[Entry] = []
    acceptances: list[Acceptance] = []
    for entry in entries:
        try:
            acceptances.append(entry.build())
        except HookferryError as error:
            entry.failed(error)
        except Exception:
            log.exception("matching_failed")
            entry.failed(StorageDown("matching this event failed; see the server's log"))
        else:
            kept.append(entry)
    return kept, acceptances


def _tell(entries: list[Entry], acceptances: list[Acceptance], result: Committed) -> None:
    for position, entry in enumerate(entries):
        first = result.repeated.get(position) if result.repeated else None
        try:
            if first is None:
                entry.committed(acceptances[position])
            else:
                entry.repeated(first)
        except Exception:  # a bug of one caller must not reach the others of the batch
            log.exception("telling_failed")
