"""Clients that hold connections open, and paths that lead elsewhere: our HTTP servers go on answering others."""

import asyncio
import contextlib
import os
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from govbus.document.ids import AgencyId
from govbus.service.http_bounds import ConnectionBounds
from govbus.service.log.tile_server import serving_tiles
from govbus.service.witness.server import HttpPlace

BUS = AgencyId("bus.example")
WAIT_MAX_S = 30.0
"""A watchdog: nothing is asserted about time."""
HALF_A_HEAD = b"GET / HTTP/1.1\r\nHos"


@contextlib.asynccontextmanager
async def serving(body=b"", **bounds):
    """Serve one answer to everything under these bounds, and give the port."""
    watched = ConnectionBounds(sweep_s=0.01, **bounds)
    application = web.Application(middlewares=[watched.middleware])

    async def answer(_):
        return web.Response(body=body)

    application.add_routes([web.get("/", answer)])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with watched.watching(runner):
            yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def _sent(port, octets):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(octets)
    await writer.drain()
    return reader, writer


async def _ended(reader):
    """Wait until the server has ended a connection."""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(WAIT_MAX_S):
            while await reader.read(65_536):
                pass


async def _status(port, path="/"):
    async with asyncio.timeout(WAIT_MAX_S):
        reader, writer = await _sent(
            port, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        )
        answer = await reader.read()
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), body


async def test_half_a_head_is_not_waited_for():
    """A client that never ends the head of its request loses its connection."""
    async with serving(quiet_max_s=0.1) as port:
        reader, writer = await _sent(port, HALF_A_HEAD)
        await _ended(reader)
        writer.close()

        assert (200, b"") == await _status(port)


async def test_an_answer_that_is_not_taken_is_not_kept():
    """A client that reads nothing loses its connection, however much is left to send."""
    async with serving(body=bytes(50_000_000), quiet_max_s=0.3) as port:
        reader, writer = await _sent(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.sleep(1)
        received = 0
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(WAIT_MAX_S):
                while octets := await reader.read(1 << 20):
                    received += len(octets)
        writer.close()

        assert received < 50_000_000


async def test_a_flood_of_connections_keeps_nobody_out():
    """Of too many connections those end that have been quiet the longest, and a new one is answered."""
    async with serving(connections_max=5) as port:
        held = [await _sent(port, HALF_A_HEAD) for _ in range(20)]
        await asyncio.gather(*(_ended(reader) for reader, _ in held[:15]))

        assert (200, b"") == await _status(port)
        for _, writer in held:
            writer.close()


@pytest.fixture
def tiles(tmp_path):
    """A folder of tiles in which somebody put what is no tile."""
    log = tmp_path / "tiles/bus.example/log/0"
    (log / "tile/0/000").mkdir(parents=True)
    (tmp_path / "secret").write_bytes(b"secret")
    (log / "tile/0/001").symlink_to(tmp_path / "secret")
    os.mkfifo(log / "tile/0/002")
    (log / "tile/0/003").write_bytes(b"tile")
    (log / "checkpoint").write_bytes(b"note")
    return tmp_path / "tiles"


@pytest.mark.parametrize(
    "path",
    [
        "0/tile/../../../../../secret",
        "0/tile/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/secret",
        "0/tile/..%2f..%2f..%2f..%2f..%2fsecret",
        "0/tile//etc/passwd",
        "0/tile/0/%00",
        "0/tile/0/" + "x999/" * 1_500 + "999",
        "..%2f..%2f..%2fsecret/checkpoint",
        "0/tile/0/000",
        "0/tile/0/001",
        "0/tile/0/002",
    ],
    ids=lambda path: path[:30],
)
async def test_paths_that_lead_elsewhere(tiles, path):
    """Up, encoded, absolute, giant, a folder, a link and a pipe: none is a tile, and the server stays unharmed."""
    async with serving_tiles(BUS, tiles, HttpPlace("127.0.0.1", 0)) as url:
        port = urlsplit(url).port
        status, body = await _status(port, f"/bus.example/log/{path}")

        assert 404 == status
        assert b"secret" not in body
        assert (200, b"tile") == await _status(port, "/bus.example/log/0/tile/0/003")
