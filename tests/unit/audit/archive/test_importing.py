"""Segments are taken over into another archive: verified, whole, and never over another history."""

import shutil

import pytest

from govbus.audit.archive import layout, staging
from govbus.audit.archive.reader import Archive
from govbus.audit.archive.verify import verify_archive
from govbus.errors import ConfigError, LogIntegrityError, MissingPartError
from govbus.service.archive import importing
from govbus.service.archive.importing import import_archive


def _import(bus, source, target, **options):
    (target / layout.STAGING).mkdir(parents=True, exist_ok=True)
    return import_archive(
        source, target, keys=bus.keys.public, authority=bus.authority, processes=1, **options
    )


def _files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and layout.STAGING not in path.parts
    }


@pytest.fixture
async def source(bus, tmp_path):
    """An archive of two segments."""
    for _ in range(2):
        await bus.go_on()
        await bus.archive(tmp_path / "source")
    return tmp_path / "source"


async def test_import(bus, source, tmp_path):
    """An archive is taken over as it is; again, and when it has grown, only what is new comes."""
    first = _import(bus, source, tmp_path / "target")
    again = _import(bus, source, tmp_path / "target")
    await bus.go_on()
    await bus.archive(source)
    more = _import(bus, source, tmp_path / "target")

    assert [(0, 2), (2, 0), (2, 1)] == [(one.present, one.added) for one in (first, again, more)]
    assert _files(source) == _files(tmp_path / "target")
    report = verify_archive(tmp_path / "target", keys=bus.keys.public, authority=bus.authority, processes=1)
    assert report.is_clean


async def test_source_is_not_whole(bus, source, tmp_path):
    """Of a source that does not verify, nothing is taken over."""
    (source / "segments/00000002/documents").write_bytes(b"other")
    imported = _import(bus, source, tmp_path / "target")

    assert not imported.report.is_clean
    assert [] == Archive(tmp_path / "target").numbers


async def test_fork(bus, source, tmp_path):
    """A source with another segment of the same number is refused, though it verifies."""
    await bus.archive(tmp_path / "target", entries_max=2)
    before = _files(tmp_path / "target")

    with pytest.raises(LogIntegrityError, match="two histories"):
        _import(bus, source, tmp_path / "target")
    assert before == _files(tmp_path / "target")


async def test_gap(bus, source, tmp_path):
    """A source that begins behind the end of the target is refused."""
    _import(bus, source, tmp_path / "target")
    shutil.rmtree(tmp_path / "target/segments/00000002")
    shutil.rmtree(source / "segments/00000001")
    shutil.rmtree(source / "segments/00000002")
    await bus.go_on()
    (source / "segments/00000003").mkdir()

    with pytest.raises(MissingPartError):
        _import(bus, source, tmp_path / "target")


async def test_source_that_changes(bus, source, tmp_path, monkeypatch):
    """A file that changes between verification and copying does not come into the target."""
    verify = importing.verify_archive

    def changing(folder, **options):
        report = verify(folder, **options)
        (source / "segments/00000001/documents").write_bytes(b"other")
        return report

    monkeypatch.setattr(importing, "verify_archive", changing)

    with pytest.raises(LogIntegrityError, match="documents changed"):
        _import(bus, source, tmp_path / "target")
    assert [] == Archive(tmp_path / "target").numbers


async def test_erased_values_stay_away(bus, source, tmp_path):
    """Values that the target has erased do not come back with the source."""
    _import(bus, source, tmp_path / "target")
    (tmp_path / "target/segments/00000001/values").write_bytes(b"")
    _import(bus, source, tmp_path / "target")

    assert b"" == (tmp_path / "target/segments/00000001/values").read_bytes()


async def test_one_writer(tmp_path):
    """A second writer of one archive is turned away while the first is at work."""
    with staging.ArchiveLock(tmp_path), pytest.raises(ConfigError), staging.ArchiveLock(tmp_path):
        pass
    with staging.ArchiveLock(tmp_path):
        pass


async def test_increment(bus, source, tmp_path):
    """Only what is new travels on a medium, is verified with what the target has, and may come twice."""
    _import(bus, source, tmp_path / "target")
    await bus.go_on(documents=300)
    await bus.archive(source)
    made = _import(bus, source, tmp_path / "medium", segments=(3, 3))
    taken = [_import(bus, tmp_path / "medium", tmp_path / "target") for _ in range(2)]

    assert [3] == Archive(tmp_path / "medium").numbers
    assert (0, 1) == (made.present, made.added)
    assert [(0, 1), (1, 0)] == [(one.present, one.added) for one in taken]
    assert all(one.report.is_clean for one in taken), taken[0].report.to_text()
    assert _files(source) == _files(tmp_path / "target")


async def test_increment_behind_a_gap(bus, source, tmp_path):
    """An increment that does not follow at once is refused, into an empty folder too."""
    _import(bus, source, tmp_path / "medium", segments=(2, 2))

    with pytest.raises(MissingPartError, match="ends with segment 0"):
        _import(bus, tmp_path / "medium", tmp_path / "target")


async def test_increment_of_another_history(bus, source, tmp_path):
    """An increment that goes on from another manifest than the target ends with is refused."""
    await bus.archive(tmp_path / "target", entries_max=2)
    last = Archive(tmp_path / "target").numbers[-1]
    for _ in range(last):
        await bus.go_on()
        await bus.archive(source)
    _import(bus, source, tmp_path / "medium", segments=(last + 1, last + 1))
    before = _files(tmp_path / "target")

    with pytest.raises(LogIntegrityError, match="two histories"):
        _import(bus, tmp_path / "medium", tmp_path / "target")
    assert before == _files(tmp_path / "target")


async def test_increment_that_was_changed(bus, source, tmp_path):
    """Of an increment that does not verify, nothing is taken over."""
    _import(bus, source, tmp_path / "target", segments=(1, 1))
    _import(bus, source, tmp_path / "medium", segments=(2, 2))
    (tmp_path / "medium/segments/00000002/documents").write_bytes(b"other")
    imported = _import(bus, tmp_path / "medium", tmp_path / "target")

    assert not imported.report.is_clean
    assert [1] == Archive(tmp_path / "target").numbers


async def test_increment_in_between(bus, source, tmp_path):
    """Increments that end before the source does make an archive that is whole after each."""
    for first in (1, 2):
        medium = tmp_path / f"medium-{first}"
        _import(bus, source, medium, segments=(first, first))
        assert 1 == _import(bus, medium, tmp_path / "target").added
        report = verify_archive(
            tmp_path / "target", keys=bus.keys.public, authority=bus.authority, processes=1
        )
        assert report.is_clean, report.to_text()


async def test_checkpoint_of_an_increment(bus, source, tmp_path):
    """The newest checkpoint that an increment brings is verified, too."""
    _import(bus, source, tmp_path / "target", segments=(1, 1))
    _import(bus, source, tmp_path / "medium", segments=(2, 2))
    (tmp_path / "medium/tiles/bus.example/log/0/checkpoint").write_bytes(b"other")
    imported = _import(bus, tmp_path / "medium", tmp_path / "target")

    assert {"checkpoint"} == set(imported.report.by_check)
    assert [1] == Archive(tmp_path / "target").numbers
