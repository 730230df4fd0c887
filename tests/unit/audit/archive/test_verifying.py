"""Archives are verified: what is whole passes, and everything that is not is found where it is."""

import shutil

import pytest

from govbus.audit.archive import layout
from govbus.audit.archive.reader import Archive
from govbus.audit.archive.values import frames_of, pack_frame
from govbus.audit.archive.verify import verify_archive
from govbus.errors import LogIntegrityError, MissingPartError
from govbus.message_log.keys import LogKeys
from govbus.testing import example_keys
from govbus.testing.example_bus import BUS


def _verify(bus, folder, **options):
    return verify_archive(folder, keys=bus.keys.public, authority=bus.authority, processes=1, **options)


@pytest.fixture
async def archive(bus, tmp_path):
    """An archive of three segments."""
    for _ in range(2):
        await bus.go_on()
        await bus.archive(tmp_path)
    await bus.go_on(documents=300)
    await bus.archive(tmp_path)
    return tmp_path


async def test_whole(bus, archive):
    """An archive as it was written verifies, by one process or several, and the report says what it holds."""
    report = _verify(bus, archive)
    side_by_side = verify_archive(archive, keys=bus.keys.public, authority=bus.authority, processes=2)

    assert report.is_clean, report.to_text()
    assert report.to_json() == side_by_side.to_json()
    assert (1, 3, 309, 1) == (report.first, report.last, report.entries, report.directories)
    assert Archive(archive).segment(3).digest == report.digest


async def test_some_segments(bus, archive):
    """A range of segments is verified by itself."""
    report = _verify(bus, archive, segments=(2, 3))

    assert report.is_clean, report.to_text()
    assert 305 == report.entries


@pytest.mark.parametrize("segments", [(0, 1), (3, 4), (2, 1)])
async def test_segments_that_are_not_there(bus, archive, segments):
    """Asking for segments that are not there is an error, not an empty success."""
    with pytest.raises(MissingPartError):
        _verify(bus, archive, segments=segments)


async def test_no_archive(bus, tmp_path):
    """A folder without segments is no archive."""
    with pytest.raises(MissingPartError):
        _verify(bus, tmp_path / "nothing")


async def test_any_byte(bus, archive):
    """In whatever file a byte is changed, the report is not clean and names that file."""
    paths = [
        path.relative_to(archive).as_posix()
        for path in sorted(archive.rglob("*"))
        if path.is_file() and layout.STAGING not in path.parts and path.stat().st_size
    ]
    assert 50 < len(paths)
    for number, name in enumerate(paths):
        path = archive / name
        octets = path.read_bytes()
        position = number * 7919 % len(octets)
        path.write_bytes(octets[:position] + bytes([octets[position] ^ 1]) + octets[position + 1 :])
        report = _verify(bus, archive)
        path.write_bytes(octets)

        assert not report.is_clean, name
        named = any(name in one.topic or name in one.expected or name in one.found for one in report.findings)
        assert named, f"{name}:\n{report.to_text()}"
    assert _verify(bus, archive).is_clean


async def test_any_byte_of_the_last_manifest(bus, archive):
    """No byte of the last manifest, which nothing names yet, can be changed unnoticed."""
    path = archive / "segments/00000003/manifest"
    octets = path.read_bytes()
    end = octets.index(b"\n\n")
    for position in [*range(end), end + 2, end + 70]:
        path.write_bytes(octets[:position] + bytes([octets[position] ^ 1]) + octets[position + 1 :])
        assert not _verify(bus, archive, segments=(3, 3)).is_clean, octets[position - 20 : position + 20]


async def test_value(bus, archive):
    """A value that was changed is found through its statement, and the finding names the entry."""
    path = archive / "segments/00000001/values"
    frames = list(frames_of(path.read_bytes()))
    frames[1] = frames[1][:-1] + bytes([frames[1][-1] ^ 1])
    path.write_bytes(b"".join(map(pack_frame, frames)))
    report = _verify(bus, archive)

    assert [("value", 1, "bus.example/log/0")] == [
        (one.check.value, one.entry, one.origin) for one in report.findings
    ]


async def test_value_of_a_record_that_was_refused(bus, archive):
    """The value of a record that no signature speaks for is found through the record's hash."""
    path = archive / "segments/00000001/values"
    frames = list(frames_of(path.read_bytes()))
    frames[3] = frames[3][:-1] + bytes([frames[3][-1] ^ 1])
    path.write_bytes(b"".join(map(pack_frame, frames)))
    report = _verify(bus, archive)

    assert [("record", 0, "bus.example/log/1")] == [
        (one.check.value, one.entry, one.origin) for one in report.findings
    ]


async def test_value_that_is_gone(bus, archive):
    """A value that is gone though nothing says that it was erased is found."""
    path = archive / "segments/00000001/values"
    frames = list(frames_of(path.read_bytes()))
    path.write_bytes(b"".join(map(pack_frame, [frames[0], b"", *frames[2:]])))
    report = _verify(bus, archive)

    assert [("value", 1)] == [(one.check.value, one.entry) for one in report.findings]


@pytest.mark.parametrize("change", [None, "ce_type:other", "gone"])
async def test_batch_of_one(bus, tmp_path, change):
    """A document whose batch is itself has an empty path, so its record is kept whole: its headers are checked, too."""
    await bus.send(1, {"raw": {"mode": "batch"}})
    await bus.go_on()
    await bus.archive(tmp_path)
    segment = tmp_path / "segments/00000001"
    frames = list(frames_of((segment / "documents").read_bytes()))
    assert b"gb-path" in frames[0]
    if change == "gone":
        values = [b"", *list(frames_of((segment / "values").read_bytes()))[1:]]
        (segment / "values").write_bytes(b"".join(map(pack_frame, values)))
    elif change is not None:
        frames[0] = frames[0].replace(b"confidential", b"restrictedXX")
        (segment / "documents").write_bytes(b"".join(map(pack_frame, frames)))
    report = _verify(bus, tmp_path)

    found = {None: [], "gone": ["value"]}.get(change, ["archive", "headers"])
    assert found == sorted(one.check.value for one in report.findings)


async def test_file_too_many(bus, archive):
    """A file that no manifest names is found."""
    (archive / "tiles/bus.example/log/0/tile/0/x009").mkdir(parents=True)
    (archive / "tiles/bus.example/log/0/tile/0/x009/000").write_bytes(bytes(8192))
    report = _verify(bus, archive)

    assert ["tiles/bus.example/log/0/tile/0/x009/000"] == [one.topic for one in report.findings]


@pytest.mark.parametrize("number", [1, 2])
async def test_segment_that_is_gone(bus, archive, number):
    """A segment that is gone is found."""
    shutil.rmtree(archive / layout.segment_path(number))

    assert not _verify(bus, archive).is_clean


async def test_other_log_keys(bus, archive):
    """An archive whose checkpoints other keys signed is not the log's."""
    bus.keys = LogKeys.generate()
    report = _verify(bus, archive)

    assert 0 < report.by_check["checkpoint"]


async def test_other_authority(bus, archive):
    """A directory that another authority signed is found."""
    signer = example_keys.signer(BUS.text)
    report = verify_archive(archive, keys=bus.keys.public, authority=[signer.certificate], processes=1)

    assert {"directory"} == set(report.by_check)


async def test_fork_is_not_archived(bus, tmp_path):
    """Where two signed checkpoints state different roots for one size, nothing more is archived."""
    await bus.go_on()
    await bus.archive(tmp_path)
    await bus.sign(heads=False, root=bytes(32))
    await bus.go_on()

    with pytest.raises(LogIntegrityError, match="bus.example/log/0"):
        await bus.archive(tmp_path)
    assert [1] == Archive(tmp_path).numbers


async def test_certificate_that_is_gone(bus, archive):
    """A certificate that accepted documents rest on must be there, also where the manifest leaves it out."""
    manifest = archive / "segments/00000003/manifest"
    lines = manifest.read_text().splitlines(keepends=True)
    (line, *_) = [one for one in lines if "/certificates/" in one]
    path = line.split()[1]
    (archive / path).unlink()
    manifest.write_text("".join(one for one in lines if one != line))
    report = _verify(bus, archive)

    assert [("certificate", path)] == [(one.check.value, one.topic) for one in report.findings]
