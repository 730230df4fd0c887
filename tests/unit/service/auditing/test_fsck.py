"""`govbus audit fsck`: trees computed again from entries; what differs is found, whichever side it is on."""

import asyncio
import functools
import http.server
import threading

import pytest

from govbus.audit.archive import layout
from govbus.audit.report import Check
from govbus.document import topics
from govbus.errors import ConfigError, MissingPartError, TransportError
from govbus.message_log.keys import LogKeys, log_origin
from govbus.message_log.tiles import entries_path, pack_entries, tile_path, unpack_entries
from govbus.service.auditing.fsck import fsck_archive, fsck_bus, fsck_tiles
from govbus.testing.example_bus import BUS
from govbus.transport.base import TopicPartition


def _places(report):
    return [(one.check, one.topic) for one in report.findings]


async def _fsck_bus(bus, **options):
    return await asyncio.to_thread(fsck_bus, lambda: bus.transport, BUS, bus.keys.public, **options)


async def test_archive(archive):
    """An archive as it was written is whole, by one process or several; every tile is counted."""
    bus, opened = archive

    alone = fsck_archive(opened.folder, BUS, bus.keys.public)
    together = await asyncio.to_thread(fsck_archive, opened.folder, BUS, bus.keys.public, processes=2)
    assert alone.is_clean, alone.to_text()
    assert alone.to_json() == together.to_json()
    assert {0: 23, 1: 4} == alone.sizes
    assert any("tiles and bundles are what the entries give" in note for note in alone.notes)


@pytest.mark.parametrize("log", ["0", "heads"])
async def test_tile_changed(archive, log):
    """One bit of a tile is found in that tile."""
    bus, opened = archive
    origin = f"{BUS}/log/{log}"
    size = opened.segment(2).manifest.ranges()[origin].end
    path = opened.folder / layout.tiles_path(origin) / tile_path(0, 0, size)
    octets = path.read_bytes()
    path.write_bytes(octets[:40] + bytes([octets[40] ^ 1]) + octets[41:])

    report = fsck_archive(opened.folder, BUS, bus.keys.public)
    assert [(Check.TILE, f"tiles of {origin}/{tile_path(0, 0, size)}")] == _places(report)
    assert "from byte 40 on" in report.findings[0].found


async def test_entry_changed(archive):
    """An entry that was changed shows in its tile, against the manifest, and against the checkpoint."""
    bus, opened = archive
    tiles = opened.tiles(log_origin(BUS, 0))
    path = tiles.folder / entries_path(0, 23)
    entries = unpack_entries(path.read_bytes())
    entries[7] = entries[7][:-1] + bytes([entries[7][-1] ^ 2])
    path.write_bytes(pack_entries(entries))

    report = fsck_archive(opened.folder, BUS, bus.keys.public)
    assert {Check.TILE, Check.TREE, Check.ARCHIVE} == {check for check, _ in _places(report)}


async def test_tile_missing(archive):
    """A tile that is gone is found."""
    bus, opened = archive
    path = opened.folder / layout.tiles_path(log_origin(BUS, 1)) / tile_path(0, 0, 4)
    path.unlink()

    report = fsck_archive(opened.folder, BUS, bus.keys.public)
    assert [(Check.TILE, f"tiles of bus.example/log/1/{tile_path(0, 0, 4)}")] == _places(report)


async def test_bundle_cut_short(archive):
    """A bundle that ends inside an entry is found, and the checkpoint that it no longer reaches."""
    bus, opened = archive
    path = opened.folder / layout.tiles_path(log_origin(BUS, 1)) / entries_path(0, 4)
    path.write_bytes(path.read_bytes()[:-3])

    report = fsck_archive(opened.folder, BUS, bus.keys.public)
    assert {Check.TILE, Check.TREE} == {check for check, _ in _places(report)}


async def test_no_archive(archive, tmp_path):
    """A folder without an archive establishes nothing."""
    bus, _ = archive
    with pytest.raises(MissingPartError):
        fsck_archive(tmp_path / "nothing", BUS, bus.keys.public)


async def test_bus(bus):
    """The entries of a running bus give the root of every checkpoint."""
    report = await _fsck_bus(bus)

    assert report.is_clean, report.to_text()
    assert (32, {0: 26, 1: 6}) == (report.entries, report.sizes)


async def test_bus_with_an_entry_changed(bus):
    """An entry that was changed in Kafka contradicts the first checkpoint over it."""
    records = bus.transport._broker.log(TopicPartition(topics.MESSAGE_LOG, 0))
    number = next(number for number, one in enumerate(records) if one.record is not None)
    record = records[number].record
    records[number] = records[number]._replace(record=record._replace(value=record.value + b"x"))

    report = await _fsck_bus(bus)
    assert [(Check.TREE, topics.CHECKPOINTS)] == _places(report)


async def test_published_tiles(archive):
    """Tiles in a folder are derived again up to the published checkpoint, and compared with one that was kept."""
    bus, opened = archive
    notes = [record.value.decode() for record in await bus.records(topics.CHECKPOINTS) if record.key == b"0"]

    report = fsck_tiles(str(opened.folder / layout.TILES), BUS, bus.keys.public, notes[:1])
    assert report.is_clean, report.to_text()
    assert {0: 23, 1: 4} == report.sizes


async def test_published_tiles_of_another_log(archive):
    """A checkpoint that the auditor kept and that these tiles do not give is found, and one by other keys."""
    bus, opened = archive
    forked = await type(bus)().start()
    forked.keys = bus.keys
    await forked.send(3, {"body": {"reason": "another history"}})
    await forked.route()
    await forked.sign()
    note = (await forked.records(topics.CHECKPOINTS))[0].value.decode()

    report = fsck_tiles(str(opened.folder / layout.TILES), BUS, bus.keys.public, [note])
    assert [(Check.TREE, "tiles of bus.example/log/0")] == _places(report)
    other = fsck_tiles(
        str(opened.folder / layout.TILES), BUS, bus.keys.public, [note.replace("log/0", "log/x")]
    )
    assert [(Check.CHECKPOINT, "known checkpoint")] == _places(other)


async def test_published_tiles_under_other_keys(archive):
    """Checkpoints that the auditor's keys did not sign are found, one a log."""
    _, opened = archive

    report = fsck_tiles(str(opened.folder / layout.TILES), BUS, LogKeys.generate().public)
    assert {Check.CHECKPOINT} == {check for check, _ in _places(report)}


@pytest.fixture
def server(tmp_path_factory):
    """Serve a folder over HTTP."""
    folder = tmp_path_factory.mktemp("served")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))
    ) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", folder
        running.shutdown()
        thread.join()


async def test_tiles_over_http(archive, server):
    """Tiles that a server publishes are read over HTTP; a changed one is found."""
    bus, opened = archive
    url, folder = server
    (opened.folder / layout.TILES / BUS.text).rename(folder / BUS.text)

    report = await asyncio.to_thread(fsck_tiles, url + "/", BUS, bus.keys.public)
    assert report.is_clean, report.to_text()
    (folder / log_origin(BUS, 0) / tile_path(0, 0, 23)).write_bytes(b"short")
    report = await asyncio.to_thread(fsck_tiles, url, BUS, bus.keys.public)
    assert [Check.TILE] == [check for check, _ in _places(report)]


async def test_places_without_tiles(archive, server):
    """A server without the bus's logs, one that does not answer, and an address of another kind establish nothing."""
    bus, _ = archive
    url, _ = server
    with pytest.raises(MissingPartError):
        await asyncio.to_thread(fsck_tiles, url, BUS, bus.keys.public)
    with pytest.raises(TransportError):
        await asyncio.to_thread(fsck_tiles, "http://127.0.0.1:9", BUS, bus.keys.public)
    with pytest.raises(ConfigError):
        fsck_tiles("ftp://example", BUS, bus.keys.public)
