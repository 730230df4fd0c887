"""The archive as a service: full segments as they come, smaller ones when it is time, and no work in vain."""

import asyncio

from govbus.audit.archive import layout
from govbus.audit.archive.reader import Archive
from govbus.service.archive import following
from govbus.service.archive.following import ArchiveService
from govbus.testing.example_bus import BUS


def _service(bus, folder, *, every_s, later_ms=600_000):
    (folder / layout.STAGING).mkdir(parents=True, exist_ok=True)
    return ArchiveService(
        bus.transport,
        folder,
        bus=BUS,
        keys=bus.keys.public,
        every_s=every_s,
        clock_ms=lambda: bus.at_ms + later_ms,
        look_interval_s=0.01,
    )


async def _until(condition, service):
    """Run a service until a condition holds."""
    stopping = asyncio.Event()
    task = asyncio.create_task(service.run(stopping))
    async with asyncio.timeout(20):
        while not condition():
            assert not task.done(), task.exception()
            await asyncio.sleep(0.01)
    stopping.set()
    await task


async def test_closes_in_time(bus, tmp_path):
    """What there is becomes a segment after the time that was set, however little it is."""
    await bus.go_on()
    await _until(lambda: [1] == Archive(tmp_path).numbers, _service(bus, tmp_path, every_s=0))

    assert 4 == Archive(tmp_path).segment(1).manifest.entries


async def test_waits_until_it_is_time(bus, tmp_path, monkeypatch):
    """Before that, a log that cannot fill a segment is not read at all."""
    await bus.go_on()
    runs, looks = [], []
    ask = following.Reach.ask

    async def asked(transport):
        looks.append(1)
        return await ask(transport)

    async def written(*_arguments, **_options):
        runs.append(1)

    monkeypatch.setattr(following.Reach, "ask", asked)
    monkeypatch.setattr(following, "write_archive", written)
    await _until(lambda: len(looks) > 2, _service(bus, tmp_path, every_s=3600))

    assert [] == runs


async def test_full_segments_at_once(bus, tmp_path, monkeypatch):
    """A log that may fill a segment is read at once; where it did not, not again before it has grown by enough."""
    monkeypatch.setattr(layout, "SEGMENT_ENTRIES_MAX", 4)
    monkeypatch.setattr(following, "GROWTH_ENTRIES_MIN", 2)
    await bus.go_on()
    service = _service(bus, tmp_path, every_s=3600)
    runs, looks = [], []
    ask = following.Reach.ask

    async def asked(transport):
        looks.append(1)
        return await ask(transport)

    async def written(*_arguments, close, **_options):
        runs.append(close)
        return following.Written()

    monkeypatch.setattr(following.Reach, "ask", asked)
    monkeypatch.setattr(following, "write_archive", written)
    await _until(lambda: len(looks) > 3, service)

    assert [False] == runs


async def test_evidence_is_waited_for(bus, tmp_path, monkeypatch):
    """A segment that no timestamp covers is not due for good: it is tried until the timestamp has come."""
    await bus.send(3)
    await bus.route()
    text = await bus.sign()
    service = _service(bus, tmp_path, every_s=0, later_ms=1000)
    tries = []
    write = following.write_archive

    async def written(*arguments, **options):
        tries.append(1)
        return await write(*arguments, **options)

    monkeypatch.setattr(following, "write_archive", written)
    await _until(lambda: len(tries) > 2, service)
    before = Archive(tmp_path).numbers
    await bus.stamp(text)
    await _until(lambda: Archive(tmp_path).numbers, service)

    assert [] == before
    assert 1 == Archive(tmp_path).segment(1).manifest.evidence.timestamps


async def test_goes_on_after_a_restart(bus, tmp_path, monkeypatch):
    """A service that is started again closes a segment when it is due since the last, not since its own start."""
    await bus.go_on()
    await bus.archive(tmp_path)
    await bus.go_on()
    written_ms = int((tmp_path / "segments/00000001/manifest").stat().st_mtime * 1000)
    bus.at_ms = written_ms + 3_600_000
    monkeypatch.setattr(following, "GROWTH_ENTRIES_MIN", 1 << 40)
    await _until(lambda: [1, 2] == Archive(tmp_path).numbers, _service(bus, tmp_path, every_s=3600))

    assert 4 == Archive(tmp_path).segment(2).manifest.entries
