"""The hot route ``/webhooks/<guid>[/path]``: what sources catch.

Per-request code: no coroutine, no framework. What happens to a request is
``hookferry.catch.pipeline``; this finds the gate, hands the request over and writes the answer.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from hookferry.api.hotroute import HotHandler, HotRequest, Respond, header_block
from hookferry.api.problems import status_of
from hookferry.catch.arrival import PATH, Arrival, Outcome
from hookferry.catch.gate import Gate
from hookferry.catch.pipeline import Pipeline
from hookferry.catch.reception import OutOfOrder, Reception
from hookferry.catch.records import unavailable
from hookferry.catch.replies import ANSWER_HEADERS
from hookferry.clock import Clock
from hookferry.domain.source import GUID_DIGITS
from hookferry.errors import HookferryError, NotFound, StorageDown, Unavailable
from hookferry.wire.client_address import Proxies

_CACHE_CONTROL = "cache-control"
_BARE = header_block(ANSWER_HEADERS)
_BASE = _BARE + header_block(((_CACHE_CONTROL.encode(), b"no-store"),))
_OURS = frozenset(name.decode() for name, _ in ANSWER_HEADERS)
_START = len(PATH)
_END = _START + GUID_DIGITS
_STRANGER_BODY = 64 * 1024
"""Bytes taken of a request that leads nowhere, before it is told so."""


class _Door:
    """One source's gate, as a hot handler.

    Args:
        gate: the gate.
        pipeline: takes requests.
        proxies: finds the caller's address.
        clock: when requests come.
    """

    __slots__ = ("_clock", "_gate", "_pipeline", "_proxies", "max_body")

    def __init__(self, gate: Gate, pipeline: Pipeline, proxies: Proxies, clock: Clock) -> None:
        self._gate = gate
        self._pipeline = pipeline
        self._proxies = proxies
        self._clock = clock
        self.max_body = gate.max_body

    def admit(self, request: HotRequest) -> HookferryError | None:
        """Refuse by method, address and rate, before any of the body is held."""
        gate = self._gate
        if not gate.guarded:
            return None
        caller = request.caller = self._proxies.caller(request.client, request.headers)
        return gate.refuses(request.method.decode("latin-1"), caller, self._clock.monotonic())

    def refused(self, request: HotRequest, error: HookferryError) -> None:
        """Keep a refused request where an operator sees it."""
        self._pipeline.records.refused(
            self._gate, self._arrival(request, _nobody), error.code, error.detail, status_of(error)
        )

    def __call__(self, request: HotRequest, respond: Respond) -> None:
        """Hand the request over; answer when the pipeline says so."""
        try:
            self._pipeline.take(
                self._gate, self._arrival(request, functools.partial(_answer, respond))
            )
        except Unavailable as error:
            _answer(respond, unavailable(error))

    def _arrival(self, request: HotRequest, told: Callable[[Outcome], None]) -> Arrival:
        caller = request.caller
        if caller is None:  # nobody asked before
            caller = self._proxies.caller(request.client, request.headers)
        return Arrival(
            method=request.method.decode("latin-1"),
            path=request.path,
            query=request.query,
            headers=request.headers,
            raw_headers=tuple(request.raw),
            body=request.body,
            client=caller,
            told=told,
            at_ms=self._clock.wall_ms(),
        )


class _Nothing:
    """What stands at an address that leads nowhere: unknown and disabled look alike."""

    max_body = _STRANGER_BODY

    def admit(self, request: HotRequest) -> HookferryError | None:
        """Refuse everything."""
        return NotFound("there is nothing at this address")

    def refused(self, request: HotRequest, error: HookferryError) -> None:
        """Do nothing: it is nobody's request."""

    def __call__(self, request: HotRequest, respond: Respond) -> None:
        """Never called: nothing is admitted."""
        raise AssertionError("nothing is admitted here")


class _OutOfOrder(_Nothing):
    """What stands where a source can't be opened: its callers are asked to come back."""

    def admit(self, request: HotRequest) -> HookferryError | None:
        """Refuse everything for now."""
        return StorageDown("this address is out of order; send again later", retry_after=60)


_NOTHING = _Nothing()
_OUT_OF_ORDER = _OutOfOrder()


class CatchRoute:
    """The hot route of all sources (a ``HotRoute``).

    Args:
        reception: finds gates.
        pipeline: takes requests.
        proxies: finds the caller's address.
        clock: when requests come.
    """

    prefix = PATH

    def __init__(
        self, reception: Reception, pipeline: Pipeline, proxies: Proxies, clock: Clock
    ) -> None:
        self._reception = reception
        self._pipeline = pipeline
        self._proxies = proxies
        self._clock = clock

    def match(self, method: bytes, path: bytes) -> HotHandler | None:
        """Return what stands at an address, whatever the method."""
        if len(path) > _END and path[_END] != 0x2F:
            return _NOTHING
        gate = self._reception.find(path[_START:_END])
        if gate is None:
            return _NOTHING
        door: HotHandler | None = gate.door
        if door is None:
            door = gate.door = self._door_of(gate)
        return door

    def _door_of(self, gate: Gate | OutOfOrder) -> HotHandler:
        if isinstance(gate, OutOfOrder):
            return _OUT_OF_ORDER
        return _Door(gate, self._pipeline, self._proxies, self._clock)


def _nobody(_: Outcome) -> None:
    """The caller was answered already."""


def _answer(respond: Respond, outcome: Outcome) -> None:
    answer = outcome.answer
    head = _BASE
    if answer.headers:
        own = [pair for pair in answer.headers if pair[0].lower() not in _OURS]
        if any(name.lower() == _CACHE_CONTROL for name, _ in own):
            head = _BARE  # whether an answer may be kept is its owner's to say
        head += header_block(
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in own
        )
    respond(answer.status, head, answer.body)
