"""Audits of archives and buses by `govbus audit verify`: clean where all is as written, located where it is not."""

import asyncio

import pytest

from govbus.audit.archive import layout
from govbus.audit.archive.values import frames_of, pack_frame
from govbus.audit.report import Check
from govbus.document import topics
from govbus.errors import ConfigError, LogIntegrityError, MissingPartError
from govbus.message_log.cosignature import CosignatureSigner
from govbus.message_log.keys import LogKeys
from govbus.message_log.note import Note
from govbus.message_log.policy import Policy
from govbus.service.auditing.verifying import verify_archive, verify_bus, verify_bus_fully
from govbus.testing.example_bus import BASE_AT_MS, COURT, PACKAGE, TAX
from govbus.transport.base import TopicPartition


def _change_value(folder, segment, number):
    """Change one bit of a value in an archive."""
    path = folder / layout.segment_path(segment) / layout.VALUES
    frames = list(frames_of(path.read_bytes()))
    frames[number] = frames[number][:-1] + bytes([frames[number][-1] ^ 1])
    path.write_bytes(b"".join(map(pack_frame, frames)))


@pytest.mark.parametrize("is_full", [False, True])
async def test_archive(archive, request_of, is_full):
    """An archive as it was written verifies on both levels, by one process."""
    bus, opened = archive

    report = verify_archive(opened.folder, request_of(bus), is_full=is_full)
    assert report.is_clean, report.to_text()
    assert {"accepted": 23, "refused": 4} == dict(report.outcomes)
    assert 23 == report.signatures_verified
    assert {0: 23, 1: 4} == report.sizes
    assert any("deliveries" in note for note in report.notes)
    assert is_full != any("level evidence" in note for note in report.notes)


async def test_processes_find_the_same(archive, request_of):
    """Two processes report what one does, with something broken."""
    bus, opened = archive
    _change_value(opened.folder, 2, 7)

    alone = verify_archive(opened.folder, request_of(bus), is_full=False)
    together = await asyncio.to_thread(
        verify_archive, opened.folder, request_of(bus, processes=2), is_full=False
    )
    assert alone.to_json() == together.to_json()
    assert [(Check.VALUE, 0, 3 + 7)] == [(one.check, one.partition, one.entry) for one in alone.findings]


async def test_decision_altered_in_an_archive(archive, request_of, monkeypatch):
    """An entry with another recipient is found by deciding again, which names the entry; evidence alone finds none."""
    bus, opened = archive

    from govbus.audit import replay

    original = replay.decode_log_entry

    def altered(value):
        entry = original(value)
        return entry._replace(recipients=("govbus.in.x",)) if entry.source.offset == 5 else entry

    monkeypatch.setattr(replay, "decode_log_entry", altered)
    report = verify_archive(opened.folder, request_of(bus), is_full=True)
    assert {(Check.DECISION, 0, 5)} == {(one.check, one.partition, one.entry) for one in report.findings}


async def test_segment_taken_out(archive, request_of):
    """An archive without its first segment is no chain, and its entries do not begin."""
    bus, opened = archive
    third = opened.folder / "aside"
    (opened.folder / layout.segment_path(2)).rename(third)
    await bus.send(1)
    third.rename(opened.folder / layout.segment_path(3))

    with pytest.raises(LogIntegrityError):  # its manifest says that it is another
        verify_archive(opened.folder, request_of(bus), is_full=False)


async def test_manifest_of_another_chain(archive, request_of):
    """A manifest that does not name the one before is found."""
    bus, opened = archive
    path = opened.folder / layout.segment_path(2) / layout.MANIFEST
    text = path.read_text()
    previous = opened.segment(2).manifest.previous
    path.write_text(text.replace(previous, "0" * 64))

    report = verify_archive(opened.folder, request_of(bus), is_full=False)
    assert [(Check.ARCHIVE, "archive segments/00000002")] == [
        (one.check, one.topic) for one in report.findings
    ]


async def test_root_of_a_manifest(archive, request_of):
    """A manifest that states another root than the entries give is found."""
    bus, opened = archive
    path = opened.folder / layout.segment_path(2) / layout.MANIFEST
    line = next(line for line in path.read_text().splitlines() if line.startswith("log 0"))
    path.write_text(path.read_text().replace(line, " ".join([*line.split()[:-1], "A" * 43 + "="])))

    report = verify_archive(opened.folder, request_of(bus), is_full=False)
    assert (Check.ARCHIVE, 0, 22) in [(one.check, one.partition, one.entry) for one in report.findings]


async def test_other_keys(archive, request_of):
    """Under other keys than the auditor's no checkpoint holds."""
    bus, opened = archive
    bus.keys = LogKeys.generate()

    report = verify_archive(opened.folder, request_of(bus), is_full=False)
    assert {Check.CHECKPOINT, Check.TREE} <= {one.check for one in report.findings}


async def test_no_archive(archive, request_of, tmp_path):
    """A folder without an archive establishes nothing."""
    bus, _ = archive
    with pytest.raises(MissingPartError):
        verify_archive(tmp_path / "nothing", request_of(bus), is_full=False)


async def test_missing_values(archive, request_of):
    """An archive whose values are gone as a whole establishes nothing, and says which file is missing."""
    bus, opened = archive
    (opened.folder / layout.segment_path(1) / layout.VALUES).unlink()

    with pytest.raises(MissingPartError, match="values"):
        verify_archive(opened.folder, request_of(bus), is_full=False)


@pytest.mark.parametrize(
    ("options", "checked"),
    [
        ({"since_ms": BASE_AT_MS + 30_000}, 22),
        ({"until_ms": BASE_AT_MS + 30_000}, 5),
        ({"agencies": (TAX.text,)}, 27),
        ({"agencies": (COURT.text,)}, 0),
    ],
    ids=["since", "until", "agency", "other agency"],
)
async def test_ranges(archive, request_of, options, checked):
    """A range is checked, all else only hashed, and the report says how much that is."""
    bus, opened = archive

    report = verify_archive(opened.folder, request_of(bus, **options), is_full=True)
    assert report.is_clean, report.to_text()
    assert 27 == report.entries
    left_out = [note for note in report.notes if "hashed only" in note]
    assert left_out == (
        [f"{27 - checked:,} entries outside the range were hashed only, not checked"] if checked < 27 else []
    )


async def test_package(archive, request_of):
    """A package narrows the documents down; an unknown one is refused."""
    bus, opened = archive

    report = verify_archive(opened.folder, request_of(bus, packages=(PACKAGE,)), is_full=False)
    assert report.is_clean, report.to_text()
    assert 23 == report.signatures_verified
    with pytest.raises(ConfigError, match=r"no\.such"):
        verify_archive(opened.folder, request_of(bus, packages=("no.such",)), is_full=False)
    with pytest.raises(ConfigError, match=r"no\.such"):
        verify_archive(opened.folder, request_of(bus, agencies=("no.such",)), is_full=False)


async def test_bus(bus, request_of):
    """A running bus verifies on the level of evidence."""
    report = await verify_bus(lambda: bus.transport, request_of(bus))

    assert report.is_clean, report.to_text()
    assert (26, {0: 26, 1: 6}) == (report.signatures_verified, report.sizes)
    assert 32 == report.operator_only


async def test_bus_with_an_outbox_value_changed(bus, request_of):
    """One bit of a value in an outbox is found at the entry about it."""
    records = bus.transport._broker.log(TopicPartition(topics.outbox(TAX), 0))
    stored = records[9]
    record = stored.record
    changed = record._replace(value=record.value[:-1] + bytes([record.value[-1] ^ 1]))
    records[9] = stored._replace(record=changed)

    report = await verify_bus(lambda: bus.transport, request_of(bus))
    assert [(Check.VALUE, 0, 9)] == [(one.check, one.partition, one.entry) for one in report.findings]


async def test_a_range_of_a_bus_is_for_evidence(bus, request_of):
    """Deliveries may be of any time, so the full level takes no range from a bus."""
    with pytest.raises(ConfigError, match="evidence"):
        await verify_bus_fully(bus.transport, request_of(bus, since_ms=1))


async def test_known_checkpoint_covers(bus, request_of):
    """A checkpoint that the auditor kept vouches for what was there then."""
    notes = [record.value.decode() for record in await bus.records(topics.CHECKPOINTS) if record.key == b"0"]

    report = await verify_bus(lambda: bus.transport, request_of(bus, checkpoints=(notes[1],)))
    assert report.is_clean, report.to_text()
    assert [("known checkpoint", {0: 23})] == [(one.material, one.sizes) for one in report.coverage]
    assert 32 - 23 == report.operator_only


async def test_cosignatures_cover(bus, request_of):
    """A head checkpoint that a witness cosigned vouches for every partition up to its size; the report says when."""
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

    witness = CosignatureSigner("witness.example", MLDSA44PrivateKey.generate())
    policy = Policy.from_text(f"witness w1 {witness.verifier.to_vkey()}\nquorum w1\n")
    heads = [record for record in await bus.records(topics.CHECKPOINTS) if record.key == b"heads"]
    note = Note.from_bytes(heads[1].value)
    cosigned = Note(note.text, (*note.signatures, witness.sign(note.text, at_s=1_795_466_800)))
    await bus.put(topics.CHECKPOINTS, 0, b"heads", cosigned.to_text().encode())

    report = await verify_bus(lambda: bus.transport, request_of(bus, policy=policy))
    assert report.is_clean, report.to_text()
    assert {("cosignature", "w1"), ("quorum", "w1")} == {(one.material, one.by) for one in report.coverage}
    assert [{0: 23, 1: 4}] * 2 == [one.sizes for one in report.coverage]
    assert {1_795_466_800_000} == {one.time_ms for one in report.coverage}
    assert 32 - 27 == report.operator_only
    assert "cosignature by w1" in report.to_text()
