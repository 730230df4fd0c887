"""Bounds on connections to our HTTP servers: on their number, and on how long each may go without a whole request.

The library waits for ever for a client that sends half a head, and as long for one that never reads its answer.
Whoever holds so many connections open that no more are accepted would silence a witness without a single request.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

CONNECTIONS_MAX: Final = 512
"""Below the usual limit of 1,024 open files; beyond it, whoever has been without a request the longest goes first."""
QUIET_MAX_S: Final = 120.0
"""From the opening of a connection or the head of its last request: to answer, to take the answer, to ask again."""
SWEEP_S: Final = 1.0
"""How often connections are looked at."""


class ConnectionBounds:
    """Knows since when each connection of one server is without a new request, and ends those over the bounds."""

    def __init__(
        self,
        *,
        connections_max: int = CONNECTIONS_MAX,
        quiet_max_s: float = QUIET_MAX_S,
        sweep_s: float = SWEEP_S,
    ) -> None:
        """Take the bounds."""
        self._connections_max = connections_max
        self._quiet_max_s = quiet_max_s
        self._sweep_s = sweep_s
        self._since_s: dict[object, float] = {}
        """By connection, on the clock of the loop."""

    @property
    def middleware(self) -> Middleware:
        """What the application must have as its first middleware: it sees every request whose head is whole."""

        @web.middleware
        async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
            self._since_s[request.protocol] = asyncio.get_running_loop().time()
            return await handler(request)

        return note

    @contextlib.asynccontextmanager
    async def watching(self, runner: web.AppRunner) -> AsyncIterator[None]:
        """End connections over the bounds while the context lasts; the runner must be set up."""
        task = asyncio.create_task(self._watch(runner))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _watch(self, runner: web.AppRunner) -> None:
        while runner.server is not None:
            self._sweep(runner.server, asyncio.get_running_loop().time())
            await asyncio.sleep(self._sweep_s)

    def _sweep(self, server: web.Server, now_s: float) -> None:
        connections = server.connections
        self._since_s = {one: self._since_s.get(one, now_s) for one in connections}
        connections.sort(key=lambda one: self._since_s[one])
        surplus = len(connections) - self._connections_max
        for number, connection in enumerate(connections):
            is_over = number < surplus or now_s - self._since_s[connection] > self._quiet_max_s
            if is_over and connection.transport is not None:
                connection.transport.abort()  # a client that does not read would hold up an orderly end
