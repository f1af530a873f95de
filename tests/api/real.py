"""The whole program in this process, on a real clock, allowed to call receivers on this machine."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx

from hookferry.app import App
from hookferry.settings import Settings

KEY = "hf_a_key_for_tests_0123456789abcdef"


@contextlib.asynccontextmanager
async def serving(folder: Path, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Serve for as long as the context lasts; yield an administrator's client."""
    app = App(
        Settings(
            data=folder,
            port=0,
            api_key=KEY,
            allow_http=True,
            allow_targets=(ip_network("127.0.0.0/8"),),
            **settings,
        )
    )
    listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    served = asyncio.create_task(app.serve(lambda a: listening.set_result(a.url)))
    await asyncio.wait({served, listening}, return_when=asyncio.FIRST_COMPLETED)
    if served.done():
        await served  # raises why it did not start
    try:
        async with httpx.AsyncClient(
            base_url=listening.result(),
            headers={"Authorization": f"Bearer {KEY}"},
            trust_env=False,
            timeout=20,
        ) as client:
            yield client
    finally:
        app.stop()
        await served
