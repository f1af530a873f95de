"""A real server in this process, and clients of both kinds on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from hookferry.app import App
from hookferry.client import AsyncClient, Client
from hookferry.settings import Settings

from .kit import KEY, Either


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    """Where a server listens that may call this machine."""
    settings = Settings(
        data=tmp_path,
        port=0,
        api_key=KEY,
        allow_http=True,
        allow_targets=(ip_network("127.0.0.0/8"),),
    )
    app = App(settings)
    listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(app.serve(lambda a: listening.set_result(a.url)))
    await asyncio.wait({serving, listening}, return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        await serving  # raises why it did not start
    yield listening.result()
    app.stop()
    await serving


@pytest.fixture(params=[Client, AsyncClient])
async def api(url: str, request: pytest.FixtureRequest) -> AsyncIterator[Either]:
    either = Either(request.param(url, api_key=KEY))
    yield either
    if isinstance(either.client, Client):
        either.client.close()
    else:
        await either.client.aclose()
