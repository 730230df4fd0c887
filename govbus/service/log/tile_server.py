"""Every log's checkpoint, tiles and entries over HTTP, to be read only (C2SP ``tlog-tiles``).

Below ``/<origin>`` lie the paths that the specification names, as they lie on disk. Nothing is computed for a reader,
so a file server or a cache in front does as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from govbus.audit.archive.tile_folder import FolderTiles
from govbus.document.ids import AgencyId
from govbus.errors import ConfigError, LogIntegrityError, MissingPartError
from govbus.message_log.tiles import parse_path
from govbus.service.http_bounds import ConnectionBounds
from govbus.service.log.tiles import CHECKPOINT
from govbus.service.witness.server import HttpPlace

CHECKPOINT_CACHING = "no-cache"
"""A checkpoint changes each second; a cache must ask every time."""
TILE_CACHING = "public, max-age=31536000, immutable"
"""What a path names never changes."""
SHUTDOWN_TIMEOUT_S = 2.0

_LOG = re.compile(r"0|[1-9][0-9]{0,8}|heads", re.ASCII)


class TileApi:
    """The handlers for one bus's logs."""

    def __init__(self, bus: AgencyId, folder: Path) -> None:
        """Take the bus, and the folder below which each log's files lie under its origin."""
        self._bus = bus
        self._folder = folder

    def routes(self) -> list[web.RouteDef]:
        """Return every path that is served."""
        prefix = f"/{self._bus}/log/{{log}}"
        return [
            web.get(f"{prefix}/checkpoint", self.checkpoint),
            web.get(prefix + "/{path:tile/.+}", self.part),
        ]

    async def checkpoint(self, request: web.Request) -> web.Response:
        """Return the newest checkpoint that is served."""
        file = self._log_folder(request) / CHECKPOINT
        try:
            note = await asyncio.to_thread(file.read_bytes)
        except OSError as err:
            raise _not_found("this log has no checkpoint yet") from err
        headers = {"Cache-Control": CHECKPOINT_CACHING}
        return web.Response(body=note, content_type="text/plain", charset="utf-8", headers=headers)

    async def part(self, request: web.Request) -> web.Response:
        """Return a tile or an entry bundle."""
        path = request.match_info["path"]
        store = FolderTiles(self._log_folder(request))
        try:
            parsed = parse_path(path)
            octets = await asyncio.to_thread(store.read, path)
        except (LogIntegrityError, MissingPartError) as err:
            raise _not_found("no such tile or bundle") from err
        headers = {"Cache-Control": TILE_CACHING}
        response = web.Response(body=octets, content_type="application/octet-stream", headers=headers)
        if parsed.level is None:
            response.headers["Vary"] = "Accept-Encoding"
            response.enable_compression()
        return response

    def _log_folder(self, request: web.Request) -> Path:
        name = request.match_info["log"]
        if _LOG.fullmatch(name) is None:
            raise _not_found("no such log")
        return self._folder / f"{self._bus}/log/{name}"


@contextlib.asynccontextmanager
async def serving_tiles(bus: AgencyId, folder: Path, place: HttpPlace) -> AsyncIterator[str]:
    """Serve a bus's logs over HTTP while the context lasts.

    Args:
        bus: whose logs they are.
        folder: of tiles, as the log service writes them.
        place: where to listen.

    Yields:
        The URL in front of every log's origin.

    Raises:
        ConfigError: if the socket cannot be used.
    """
    bounds = ConnectionBounds()
    application = web.Application(middlewares=[bounds.middleware])
    application.add_routes(TileApi(bus, folder).routes())
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT_S)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, place.host, place.port).start()
        except OSError as err:
            raise ConfigError(f"cannot listen on {place.host} port {place.port}: {err.strerror}") from err
        host = f"[{place.host}]" if ":" in place.host else place.host
        async with bounds.watching(runner):
            yield f"http://{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _not_found(text: str) -> web.HTTPNotFound:
    return web.HTTPNotFound(text=text + "\n", headers={"Cache-Control": "no-store"})
