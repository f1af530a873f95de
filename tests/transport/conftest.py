"""Both event loops run every asynchronous test here: uvloop in production, asyncio elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import trustme
import uvloop

from hookferry.clock import SystemClock
from hookferry.transport.dns import Resolver
from transport.kit import Sender
from transport.peers import Authority, Peers


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.SelectorEventLoop}


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority(trustme.CA())


@pytest.fixture
async def peers() -> AsyncIterator[Peers]:
    peers = Peers()
    yield peers
    await peers.aclose()


@pytest.fixture
async def resolver() -> AsyncIterator[Resolver]:
    resolver = Resolver(SystemClock().monotonic)
    yield resolver
    await resolver.aclose()


@pytest.fixture
async def sender(resolver: Resolver) -> AsyncIterator[Sender]:
    sender = Sender(resolver)
    yield sender
    await sender.aclose()


@pytest.fixture(autouse=True)
def _no_callback_errors(
    request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> Iterator[None]:
    """Whatever asyncio logs as an error (a callback that raised, a task nobody awaited) fails."""
    yield
    logged = [r.getMessage() for r in caplog.get_records("call") if r.name == "asyncio"]
    assert not logged
