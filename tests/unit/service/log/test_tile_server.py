"""Tiles, entries and checkpoints over HTTP as C2SP `tlog-tiles` asks for them."""

import gzip

import aiohttp
import pytest

from govbus.errors import ConfigError
from govbus.message_log.checkpoint import open_checkpoint
from govbus.message_log.keys import log_origin
from govbus.message_log.tiles import unpack_entries
from govbus.service.log.tile_server import serving_tiles
from govbus.service.witness.server import HttpPlace
from govbus.signing.merkle import leaf_hash, root_of

from .conftest import BUS, HEADS

LOOPBACK = HttpPlace("127.0.0.1", 0)
ENTRIES = [b"entry %d" % number for number in range(300)]


@pytest.fixture
async def url(bench):
    """The prefix of a log partition with 300 entries."""
    await bench.append(0, *ENTRIES)
    await bench.run_to_the_end()
    async with serving_tiles(BUS, bench.folder / "tiles", LOOPBACK) as served:
        yield f"{served}/{log_origin(BUS, 0)}"


@pytest.fixture
async def session():
    """A client that takes answers as they come."""
    async with aiohttp.ClientSession(auto_decompress=False) as opened:
        yield opened


async def test_checkpoint(url, session, bench):
    """The checkpoint is a text that no cache keeps, signed by the log."""
    async with session.get(f"{url}/checkpoint") as answer:
        note = await answer.read()
    assert (200, "text/plain; charset=utf-8") == (answer.status, answer.headers["Content-Type"])
    assert "no-cache" == answer.headers["Cache-Control"]
    origin = log_origin(BUS, 0)
    checkpoint = open_checkpoint(note, bench.keys.public.verifiers(origin))
    assert (300, root_of([leaf_hash(entry) for entry in ENTRIES])) == (checkpoint.size, checkpoint.root)


async def test_head_log_is_served_too(url, session, bench):
    """The head log has its own prefix."""
    async with session.get(url.replace("/log/0", "/log/heads") + "/checkpoint") as answer:
        note = await answer.read()
    assert HEADS == open_checkpoint(note, bench.keys.public.verifiers(HEADS)).origin


@pytest.mark.parametrize(
    ("path", "octets"),
    [
        ("tile/0/000", b"".join(leaf_hash(entry) for entry in ENTRIES[:256])),
        ("tile/0/001.p/44", b"".join(leaf_hash(entry) for entry in ENTRIES[256:])),
        ("tile/1/000.p/1", root_of([leaf_hash(entry) for entry in ENTRIES[:256]])),
    ],
)
async def test_tiles(url, session, path, octets):
    """A tile is its hashes, to be kept for ever."""
    async with session.get(f"{url}/{path}") as answer:
        assert octets == await answer.read()
    assert (200, "application/octet-stream") == (answer.status, answer.headers["Content-Type"])
    assert "immutable" in answer.headers["Cache-Control"]


async def test_entries_are_compressed_on_request(url, session):
    """A bundle holds the entries as stored, compressed for who asks for it."""
    async with session.get(f"{url}/tile/entries/000", headers={"Accept-Encoding": "gzip"}) as answer:
        assert "gzip" == answer.headers["Content-Encoding"]
        assert ENTRIES[:256] == unpack_entries(gzip.decompress(await answer.read()))
    async with session.get(f"{url}/tile/entries/001.p/44", headers={"Accept-Encoding": "identity"}) as answer:
        assert ENTRIES[256:] == unpack_entries(await answer.read())


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/002",
        "tile/0/1",
        "tile/0/000.p/256",
        "tile/64/000",
        "tile/entries/000/../../../checkpoint",
        "tile/0/%2e%2e/%2e%2e/checkpoint",
        "signed.db",
    ],
)
async def test_anything_else_is_not_found(url, session, path):
    """What the specification does not name is not there, and no path leads out of the folder."""
    from yarl import URL

    async with session.get(URL(f"{url}/{path}", encoded=True)) as answer:
        assert 404 == answer.status


async def test_other_logs_are_not_found(url, session):
    """Only logs of this bus are served."""
    for other in ("bus.example/log/00", "bus.example/log/x", "other.example/log/0", "bus.example/log/1"):
        async with session.get(url.replace("bus.example/log/0", other) + "/checkpoint") as answer:
            assert 404 == answer.status


async def test_only_reading(url, session):
    """Nothing can be written."""
    async with session.post(f"{url}/checkpoint", data=b"x") as answer:
        assert 405 == answer.status


async def test_port_in_use_is_said(bench, tmp_path):
    """A place that is taken is an error of configuration."""
    async with serving_tiles(BUS, tmp_path, LOOPBACK) as served:
        port = int(served.rpartition(":")[2])
        with pytest.raises(ConfigError, match="cannot listen"):
            async with serving_tiles(BUS, tmp_path, HttpPlace("127.0.0.1", port)):
                pass
