"""A colluding operator and the archive: he writes segments and manifests as he likes, and makes every hash fit."""

import shutil

import pytest

from govbus.audit.archive import layout
from govbus.audit.archive.manifest import Manifest, manifest_digest
from govbus.audit.archive.reader import Archive
from govbus.audit.archive.values import frames_of, pack_frame
from govbus.audit.archive.verify import verify_archive
from govbus.audit.report import Check
from govbus.document import topics
from govbus.document.ids import Origin
from govbus.errors import LogIntegrityError
from govbus.service.auditing.fsck import fsck_archive
from govbus.testing import example_keys
from govbus.testing.example_bus import BASE_AT_MS, BUS, TAX

from .bus import LAND
from .operator import Operator, checks, receipts_of

ENTRIES = 34


@pytest.fixture
async def archive(bus, tmp_path):
    """An archive of the whole bus, in three segments."""
    await bus.archive(tmp_path)
    assert [1, 2, 3] == Archive(tmp_path).numbers
    return tmp_path


def _verify(bus, folder):
    """Verify the archive's structure, as `govbus archive verify` does."""
    keys, authority = bus.stage.log_keys.public, (bus.stage.authority.certificate,)
    return verify_archive(folder, keys=keys, authority=authority, processes=1)


async def _written_again(bus, folder):
    """Archive a bus afresh in place of what was there."""
    shutil.rmtree(folder)
    folder.mkdir()
    await bus.archive(folder)


def _digest(folder):
    return Archive(folder).last().digest


def _chain_again(folder):
    """Write every manifest again over the files as they are, each naming the one before."""
    previous = None
    for number in Archive(folder).numbers:
        path = folder / layout.segment_path(number) / layout.MANIFEST
        manifest = Manifest.from_bytes(path.read_bytes())
        files = {
            name: manifest_digest((folder / name).read_bytes())
            for name in manifest.files
            if (folder / name).exists()
        }
        changed = {name: getattr(manifest, name) for name in manifest.__dataclass_fields__}
        octets = Manifest(**changed | {"files": files, "previous": previous}).to_text().encode()
        path.write_bytes(octets)
        previous = manifest_digest(octets)


async def test_honest_archive(bus, archive):
    """Nothing is found in the archive that every attack begins with, and all of it is vouched for."""
    receipts = (*receipts_of(bus, TAX), *receipts_of(bus, LAND))
    for report in (
        bus.audit_archive(archive, receipts=receipts, known=[bus.head_of_witness]),
        bus.audit_archive(archive, is_full=False),
    ):
        assert [] == report.findings
        assert (ENTRIES, 0) == (report.entries, report.operator_only)
        assert {"quorum", "cosignature", "timestamp"} <= {one.material for one in report.coverage}
    assert _verify(bus, archive).is_clean
    assert fsck_archive(archive, BUS, bus.stage.log_keys.public).is_clean
    before = _digest(archive)
    _chain_again(archive)
    assert before == _digest(archive)


async def test_rewrite_an_archive_segment__in_the_middle(bus, archive):
    """A segment changed with its own manifest made right is not the one that the next manifest names."""
    path = archive / layout.segment_path(2) / layout.MANIFEST
    (archive / layout.segment_path(2) / layout.DOCUMENTS).write_bytes(
        (archive / layout.segment_path(3) / layout.DOCUMENTS).read_bytes()
    )
    manifest = Manifest.from_bytes(path.read_bytes())
    name = f"{layout.segment_path(2)}/{layout.DOCUMENTS}"
    files = {**manifest.files, name: manifest_digest((archive / name).read_bytes())}
    changed = {field: getattr(manifest, field) for field in manifest.__dataclass_fields__}
    path.write_bytes(Manifest(**changed | {"files": files}).to_text().encode())

    report = _verify(bus, archive)
    assert {"archive", "headers"} <= {one.check.value for one in report.findings}
    places = {one.topic for one in report.findings if one.check is Check.ARCHIVE}
    assert {f"{layout.segment_path(2)}/{layout.MANIFEST}"} <= places


async def test_rewrite_an_archive_segment__value(bus, archive):
    """A value in the files is what the agency's statement names; no manifest changes that."""
    path = archive / layout.segment_path(2) / layout.VALUES
    frames = list(frames_of(path.read_bytes()))
    frames[0] = frames[0][:-1] + bytes([frames[0][-1] ^ 1])
    path.write_bytes(b"".join(map(pack_frame, frames)))
    _chain_again(archive)

    report = bus.audit_archive(archive, is_full=False, is_alone=True)
    assert {"value"} == checks(report)
    assert {"value"} == {one.check.value for one in _verify(bus, archive).findings}


async def test_rewrite_an_archive_segment__entry(bus, archive):
    """An entry in the bundle changed, and every manifest made right: neither tiles nor signed roots fit it."""
    bundle = archive / layout.tiles_path("bus.example/log/0")
    (path,) = (one for one in bundle.rglob("*") if "entries" in one.parts and one.name == "22")
    octets = path.read_bytes()
    place = octets.rindex(b"land-assessments")
    path.write_bytes(octets[:place] + b"LAND" + octets[place + 4 :])
    _chain_again(archive)

    for report in (
        bus.audit_archive(archive, is_full=False, is_alone=True),
        fsck_archive(archive, BUS, bus.stage.log_keys.public),
    ):
        assert {"tree", "archive"} <= checks(report)
    assert "tile" in {one.check.value for one in _verify(bus, archive).findings}


async def _rewritten(bus, archive, change):
    """Change the bus, make all of it right again, and write the archive afresh from it."""
    operator = Operator(bus)
    change(operator)
    operator.sign_again()
    await _written_again(bus, archive)


async def test_rewrite_an_archive_segment__the_whole_archive(bus, archive):
    """Another history archived afresh is whole by itself; the witness's head and the kept manifest contradict it."""
    known, digest = bus.head_of_witness, _digest(archive)
    await _rewritten(bus, archive, lambda operator: operator.drop_tail(LAND))

    assert _verify(bus, archive).is_clean
    alone = bus.audit_archive(archive, is_alone=True)
    assert alone.is_clean
    assert alone.operator_only == alone.entries == ENTRIES - 3
    assert {"heads", "fork"} == checks(bus.audit_archive(archive, known=[known]))
    assert {"heads", "fork"} == checks(fsck_archive(archive, BUS, bus.stage.log_keys.public, [known]))
    assert digest != _digest(archive)
    assert digest not in {segment.digest for segment in Archive(archive).segments()}


async def test_rewrite_an_archive_segment__receipts(bus, archive):
    """A receipt that an agency kept is missed in an archive, too."""
    receipts = tuple(receipts_of(bus, LAND))
    await _rewritten(bus, archive, lambda operator: operator.drop_tail(LAND))

    report = bus.audit_archive(archive, is_alone=True, receipts=receipts)
    assert [("receipt", "held receipt", 6)] == [
        (one.check.value, one.topic, one.index) for one in report.findings
    ]


async def test_rewrite_an_archive_segment__time(bus, archive):
    """An entry that was back-dated before it was archived contradicts the times of the heads in the archive."""
    operator = Operator(bus)
    accomplice, at_ms = example_keys.signer(LAND.text), BASE_AT_MS
    operator.forge(Origin(LAND, "main"), signer=accomplice, at_ms=at_ms, decided_ms=at_ms)
    bus.sign_partition(0)
    bus.cosign(bus.sign_head())
    await bus.archive(archive)

    assert bus.audit_archive(archive, is_alone=True).is_clean
    (finding,) = bus.audit_archive(archive).findings
    assert (Check.TIMESTAMP, 0, 22) == (finding.check, finding.partition, finding.entry)
    assert "it was back-dated" in finding.found


async def test_rewrite_an_archive_segment__cosignatures_taken_out(bus, archive):
    """Without cosigned heads and time stamps only the operator's word covers an archive, and that is said."""
    checkpoints = bus.at(topics.CHECKPOINTS)
    origin = len(bus.stage.log_keys.signers("bus.example/log/heads"))
    checkpoints[:] = [
        record
        for record in checkpoints
        if record.key != b"heads/timestamp" and record.value.count("— ".encode()) <= origin
    ]
    await _written_again(bus, archive)

    report = bus.audit_archive(archive)
    assert {"cosignature"} == checks(report)
    assert report.operator_only == report.entries == ENTRIES
    assert [] == report.coverage


async def test_rewrite_an_archive_segment__last_one_taken_away(bus, archive):
    """A shorter archive is whole by itself; a checkpoint from outside says that it goes on."""
    known = bus.head_of_witness
    operator = Operator(bus)
    operator.truncate(1)
    operator.sign_again()
    await _written_again(bus, archive)

    assert bus.audit_archive(archive).is_clean
    report = bus.audit_archive(archive, known=[known])
    assert {"heads"} == checks(report)
    assert "the end of the checkpoints is gone" in report.findings[0].found


async def test_rewrite_an_archive_segment__writer_refuses_another_history(bus, archive):
    """An archive that goes on from the honest past takes nothing in that contradicts it."""
    operator = Operator(bus)
    operator.delete(operator.number_of(TAX, 2))
    operator.sign_again()
    operator.go_on_from_here()
    bus.send(TAX, 4)
    bus.send(TAX, 4, outbox="other", partition=1)
    bus.close_round(is_witnessed=False)

    with pytest.raises(LogIntegrityError):
        await bus.archive(archive)
    assert [1, 2, 3] == Archive(archive).numbers
