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
"""As many don't wait for more where a commit goes on beside the event loop (measured)."""
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
            given the next batch before the callers of the last one are told, and few are enough
            for one.
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

    def accept(self, entry: Entry) -> None:
        """Queue an entry for the next commit. The caller bounds how many wait."""
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
                await self._wake.wait()
            if self._stopping:
                pass
            elif self._failures and not self._entries and not self._answers:
                await asyncio.sleep(_RETRY_SECONDS[min(self._failures, len(_RETRY_SECONDS)) - 1])
            elif self._expected >= _BUSY and self._queued() < self._expected:
                await self._gather()
            entries = _take(self._entries, MAX_ACCEPTS)
            settlements = _take(self._settlements, MAX_SETTLEMENTS)
            resolves = _take(self._resolves, MAX_RESOLVES) if self._resolves else []
            answers = _take(self._answers, MAX_ANSWERS) if self._answers else []
            taken = len(entries) + len(settlements) + len(answers)
            self._expected = min(taken, _WORTH_A_COMMIT) if self._beside else taken
            try:
                await self._commit(entries, settlements, resolves, answers)
            except Exception:  # a bug; without this task nothing would ever be stored again
                log.exception("commit_loop_failed")
                _fail(entries, StorageDown("storing this event failed; see the server's log"))
            if self._stopping and self._failures and (self._settlements or self._resolves):
                log.warning(
                    "settlements_given_up", count=len(self._settlements) + len(self._resolves)
                )
                self._settlements.clear()
                self._resolves.clear()

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

    async def _commit(
        self,
        entries: list[Entry],
        settlements: list[Settlement],
        resolves: Sequence[Resolve] = (),
        answers: Sequence[Answered] = (),
    ) -> None:
        owner = self._owner
        assert owner is not None
        answered = [s for r in resolves for s in r.settlements]
        resolutions = [r.resolution for r in resolves if r.resolution is not None]
        for _ in range(_STALE_ROUNDS):
            version = self._version()
            entries, acceptances = _build(entries)
            if not (acceptances or settlements or resolves or answers):
                return
            health: list[HealthChange] = []
            if settlements or answered:
                health = owner.health_of([*settlements, *answered] if answered else settlements)
            started = time.perf_counter()
            try:
                try:
                    committing = self._ledger.commit(
                        Batch(
                            version,
                            acceptances,
                            settlements,
                            health,
                            self._now_ms(),
                            resolutions,
                            answered,
                            [a.answer for a in answers] if answers else (),
                        )
                    )
                finally:
                    self._tell_stored()
                result = await committing
            except Unavailable as error:
                self._unavailable(entries, settlements, resolves, error)
                _tell_all(answers, error)
                return
            except Exception as error:
                await self._split(entries, settlements, resolves, answers, error)
                return
            self._failures = 0
            self._metrics.commit(time.perf_counter() - started, len(acceptances) + len(settlements))
            if settlements:
                owner.settled(settlements, result.refused)
            for resolve in resolves:
                ended = any(s.delivery_id in result.refused for s in resolve.settlements)
                _tell_one(resolve, CallEnded(_ENDED) if ended else None)
            _tell_all(answers, None)
            settlements, answered, resolutions, resolves, answers = [], [], [], (), ()
            if not result.stale:
                self._untold = entries, acceptances, result
                if result.config_version > version:
                    self._tell_stored()
                    await self._refresh_quietly()
                return
            self._metrics.rematched()
            await self._refresh_quietly()
        _fail(entries, StorageDown("the configuration changes faster than events can be matched"))

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

    def _unavailable(
        self,
        entries: list[Entry],
        settlements: list[Settlement],
        resolves: Sequence[Resolve],
        error: Unavailable,
    ) -> None:
        if not self._failures:
            log.error("ledger_unavailable", code=error.code, error=error.detail)
        self._failures += 1
        self._metrics.commit_failed(error.code)
        self._settlements.extendleft(reversed(settlements))
        self._resolves.extendleft(reversed(resolves))
        for resolve in resolves:  # it is stored later; whether anybody waits for that is theirs
            _tell_one(resolve, error)
        _fail(entries, error)

    async def _split(
        self,
        entries: list[Entry],
        settlements: list[Settlement],
        resolves: Sequence[Resolve],
        answers: Sequence[Answered],
        error: Exception,
    ) -> None:
        """Find the row that can't be stored: it fails alone."""
        if answers:
            if len(answers) > 1 or entries or settlements or resolves:
                await self._commit(entries, settlements, resolves)
                for one in answers:
                    await self._commit([], [], (), [one])
                return
            log.error("row_refused_by_ledger", error_type=type(error).__name__)
            _tell_all(answers, StorageDown("the ledger can't store this; see the server's log"))
            return
        if resolves:
            if len(resolves) > 1 or entries or settlements:
                await self._commit(entries, settlements)
                for resolve in resolves:
                    await self._commit([], [], [resolve])
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
                await self._commit([], [msgspec.structs.replace(settlements[0], attempt=None)])
            # What can't be settled at all stays held in memory and owing in the ledger: it is
            # not sent again before the next start.
            return
        if entries and settlements:
            await self._commit([], settlements)
            await self._commit(entries, [])
        elif entries:
            middle = len(entries) // 2
            await self._commit(entries[:middle], [])
            await self._commit(entries[middle:], [])
        else:
            middle = len(settlements) // 2
            await self._commit([], settlements[:middle])
            await self._commit([], settlements[middle:])


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _take(queue: deque[T], limit: int) -> list[T]:
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
