"""The HTTP server: uvicorn's, with ``hookferry.api.protocol`` on its connections.

Binding, the sweep over deadlines and a drain that ends live here; signals belong to the caller.
"""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import Callable, Sequence
from typing import Any, cast

import uvicorn

from hookferry.api.connections import Watch, WireLimits
from hookferry.api.hotroute import AsgiApp, BodyBudget, HotAsgi, HotRoute
from hookferry.api.protocol import HookferryProtocol
from hookferry.errors import BadSettings

DRAIN_SECONDS = 20


class HookferryServer(uvicorn.Server):
    """Serves one application until ``stop`` is called.

    Args:
        app: the ASGI application.
        routes: the hot routes.
        host: address or name to listen on.
        port: 0 lets the system choose; ``port`` tells.
        limits: bounds of each connection.
        hot_asgi: serve the hot routes through ASGI too, instead of below it.
        on_started: called with host and port once connections are taken.
        on_stop: called by ``stop``, to end answers that would not end by themselves.
        drain_seconds: how long ``stop`` waits for requests that have begun.

    Attributes:
        watch: the coarse clock that the connections' deadlines are checked against.
        bodies: what they hold of bodies together.
    """

    def __init__(
        self,
        app: AsgiApp,
        routes: Sequence[HotRoute],
        *,
        host: str = "127.0.0.1",
        port: int = 8080,
        limits: WireLimits | None = None,
        hot_asgi: bool = False,
        on_started: Callable[[str, int], None] | None = None,
        on_stop: Callable[[], None] | None = None,
        drain_seconds: int = DRAIN_SECONDS,
    ) -> None:
        self.host = host
        self.port = port
        self._on_started = on_started
        self._on_stop = on_stop
        self.watch = Watch()
        limits = limits or WireLimits()
        self.bodies = BodyBudget(limits.body_bytes)
        protocol = functools.partial(
            HookferryProtocol, () if hot_asgi else routes, limits, self.watch, self.bodies
        )
        config = uvicorn.Config(
            cast("Any", HotAsgi(app, routes, self.bodies)),
            http=cast("Any", protocol),
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=drain_seconds,
        )
        super().__init__(config)

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, answer until ``stop``, drain.

        Args:
            sockets: bound sockets to use instead of binding ``host`` and ``port``.

        Raises:
            BadSettings: the address can't be listened on.
        """
        await self._serve(sockets or [self._bind()])

    def stop(self) -> None:
        """Take no further connections, finish what has begun, and let ``serve`` return."""
        self.should_exit = True
        if self._on_stop is not None:
            self._on_stop()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening; uvicorn calls this."""
        self.watch.now = asyncio.get_running_loop().time()
        self.watch.tell_date()
        await super().startup(sockets)
        if self._on_started is not None:
            self._on_started(self.host, self.port)

    async def on_tick(self, counter: int) -> bool:
        """Sweep deadlines; uvicorn calls this every 0.1 seconds."""
        if counter % 10 == 0:
            self.watch.tell_date()
        self.watch.sweep(asyncio.get_running_loop().time(), self.server_state.connections)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, then cut off who is left."""
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            connection.transport.abort()

    def _bind(self) -> socket.socket:
        try:
            family, kind, proto, _, address = socket.getaddrinfo(
                self.host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            listener = socket.socket(family, kind, proto)
            try:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(address)
            except OSError:
                listener.close()
                raise
        except OSError as error:
            raise BadSettings(
                f"can't listen on {self.host}:{self.port}: {error.strerror or error}; choose "
                "another with --host and --port",
                field="port",
            ) from None
        self.port = listener.getsockname()[1]
        return listener
