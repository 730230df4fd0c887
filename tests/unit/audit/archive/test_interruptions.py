"""A writer may end at any moment: what it had ready is put into place, what it had not is written again."""

import contextlib

import pytest

from govbus.audit.archive import layout, staging
from govbus.audit.archive.reader import Archive
from govbus.audit.archive.verify import verify_archive
from govbus.errors import LogIntegrityError
from govbus.service.archive import segments


class Killed(BaseException):
    """Stands for the end of the process."""


def _files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and layout.STAGING not in path.parts
    }


@pytest.mark.parametrize("step", range(0, 60, 3))
async def test_killed_while_moving(bus, tmp_path, monkeypatch, step):
    """However many files a writer had moved when it was killed, the next one makes the archive whole."""
    await bus.go_on(documents=5)
    await bus.archive(tmp_path / "untouched")
    steps = iter(range(1000))
    sync = staging.sync_folder
    move = staging._moved

    def counted(function):
        def run(*arguments):
            if next(steps) >= step:
                raise Killed
            return function(*arguments)

        return run

    with monkeypatch.context() as patch:
        patch.setattr(staging, "sync_folder", counted(sync))
        patch.setattr(staging, "_moved", counted(move))
        with contextlib.suppress(Killed):
            await bus.archive(tmp_path / "archive")
    await bus.archive(tmp_path / "archive")

    assert _files(tmp_path / "untouched") == _files(tmp_path / "archive")
    assert [] == list((tmp_path / "archive" / layout.STAGING).iterdir())


async def test_killed_between_segments(bus, tmp_path, monkeypatch):
    """Segments that were complete when a writer was killed stay; the next one goes on behind them."""
    for _ in range(3):
        await bus.go_on()
    await bus.archive(tmp_path / "untouched", entries_max=4)
    ready = staging.mark_ready

    def killed(archive, number):
        if number == 2:
            raise Killed
        ready(archive, number)

    with monkeypatch.context() as patch:
        patch.setattr(segments, "mark_ready", killed)
        with pytest.raises(Killed):
            await bus.archive(tmp_path / "archive", entries_max=4)
    assert [1] == Archive(tmp_path / "archive").numbers
    assert verify_archive(
        tmp_path / "archive", keys=bus.keys.public, authority=bus.authority, processes=1
    ).is_clean
    await bus.archive(tmp_path / "archive", entries_max=4)

    assert [1, 2, 3] == Archive(tmp_path / "archive").numbers
    assert verify_archive(
        tmp_path / "archive", keys=bus.keys.public, authority=bus.authority, processes=1
    ).is_clean


async def test_seen_between(bus, tmp_path, monkeypatch):
    """Who verifies after a writer was killed sees the segments before, and that one waits to be put into place."""
    await bus.go_on()
    await bus.archive(tmp_path)
    await bus.go_on()

    def killed(archive, number):
        staged = staging.staging_path(archive, number)
        path = next(path for path in sorted((staged / "tiles").rglob("*")) if path.parent.name == "000.p")
        path.replace(archive / path.relative_to(staged))
        raise Killed

    monkeypatch.setattr(segments, "move_into_place", killed)
    with pytest.raises(Killed):
        await bus.archive(tmp_path)
    report = verify_archive(tmp_path, keys=bus.keys.public, authority=bus.authority, processes=1)

    assert report.is_clean, report.to_text()
    assert 1 == report.last
    assert any("segment 2" in note for note in report.notes)


async def test_other_file_in_the_way(bus, tmp_path):
    """A tile that is there with other bytes is never replaced."""
    await bus.go_on()
    target = tmp_path / "tiles/bus.example/log/0/tile/0/000.p/3"
    target.parent.mkdir(parents=True)
    target.write_bytes(b"other")

    with pytest.raises(LogIntegrityError, match=r"000\.p/3"):
        await bus.archive(tmp_path)
    assert b"other" == target.read_bytes()
    assert [] == Archive(tmp_path).numbers
