"""Dispatchers: who tries a delivery, by the type of its webhook.

``webhook`` is HTTP and is here; others are added by the floors above and by plugins. Lanes, retries
and the log are the same for all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from hookferry.clock import Clock
from hookferry.domain.webhook import HTTP
from hookferry.engine.dispatch import Plan
from hookferry.engine.lane import Job
from hookferry.errors import InvalidField
from hookferry.transport.port import Outcome, Request, Transport

Done = Callable[[Outcome], None]


class Dispatcher(Protocol):
    """Tries deliveries of one type of webhook."""

    def send(self, job: Job, plan: Plan, timeout: float, done: Done) -> None:
        """Try a delivery; call ``done`` exactly once, later, on the event loop.

        Args:
            job: the delivery; what its log shall say of the try is written to it.
            plan: how its webhook is sent.
            timeout: seconds.
            done: told what became of it.

        Raises:
            Exception: it could not even begin; ``done`` is not called.
        """
        ...


class HttpDispatcher:
    """Sends HTTP requests.

    Args:
        transport: what sends them.
        clock: the times of signatures.
    """

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._clock = clock

    def send(self, job: Job, plan: Plan, timeout: float, done: Done) -> None:
        """Render a request and send it."""
        now_ms = job.started_ms = self._clock.wall_ms()
        job.version = plan.version
        span = job.span
        head, job.logged_head, body = plan.render(
            job.carrier, now_ms, job.spent + 1, None if span is None else span.lines
        )
        self._transport.send(Request(plan.target, head, body, timeout), done)


class Dispatchers:
    """Those there are.

    Args:
        http: the one of type ``webhook``.
    """

    def __init__(self, http: Dispatcher) -> None:
        self._by_type: dict[str, Dispatcher] = {HTTP: http}

    def add(self, type: str, dispatcher: Dispatcher) -> None:
        """Have deliveries of a type of webhook tried by ``dispatcher``."""
        self._by_type[type] = dispatcher

    def send(self, job: Job, plan: Plan, timeout: float, done: Done) -> None:
        """Try a delivery as its webhook's type says; see ``Dispatcher.send``."""
        dispatcher = self._by_type.get(plan.type)
        if dispatcher is None:
            raise InvalidField(f"nothing here sends webhooks of type {plan.type!r}", field="type")
        dispatcher.send(job, plan, timeout, done)
