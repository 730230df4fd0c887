"""Archives are written from topics: what they hold, where they go on, and what they refuse."""

import hashlib
import subprocess

import pytest

from govbus.audit.archive import layout
from govbus.audit.archive.documents import DocumentKind
from govbus.audit.archive.reader import Archive
from govbus.audit.history import ReplayHistory
from govbus.audit.judge import demanded_entry
from govbus.document import topics
from govbus.document.finding import Outcome
from govbus.errors import ConfigError, LogIntegrityError
from govbus.message_log.keys import LogKeys, log_origin
from govbus.message_log.tiles import parse_path
from govbus.routing.decide import decide, prior_of
from govbus.schemas.core import decode_log_entry
from govbus.signing.verifier import VerifiedSignatures
from govbus.testing.example_bus import BUS


async def _everything(bus):
    """Return all log entries by partition, with their outbox records."""
    outbox = {number: await bus.records("govbus.out.tax.example", number) for number in range(2)}
    found = []
    for partition in range(2):
        for record in await bus.records(topics.MESSAGE_LOG, partition):
            entry = decode_log_entry(record.value)
            found.append((partition, record.value, outbox[entry.source.partition][entry.source.offset]))
    return found


def _archived(folder):
    """Return the same from an archive."""
    return sorted(
        (
            (one.partition, one.octets, one.record(decode_log_entry(one.octets)))
            for segment in Archive(folder).segments()
            for one in segment
        ),
        key=lambda found: found[0],
    )


def _by_hand(folder):
    """Check a segment as ``docs/specs/archive.md`` says."""
    command = "sed '1,/^$/d' segments/00000001/manifest | sha256sum -c --quiet"
    return subprocess.run(["sh", "-c", command], cwd=folder, check=False, capture_output=True)


async def test_everything_comes_back(bus, tmp_path):
    """Every entry and every outbox record comes back from the archive byte for byte, over several segments."""
    for _ in range(4):
        await bus.go_on()
    written = await bus.archive(tmp_path, entries_max=5)

    assert 16 == written.entries
    assert 4 == written.segments == len(Archive(tmp_path).numbers)
    assert await _everything(bus) == _archived(tmp_path)
    kinds = {one.unpack().kind for segment in Archive(tmp_path).segments() for one in segment}
    assert {DocumentKind.DOCUMENT, DocumentKind.RAW} == kinds


async def test_goes_on(bus, tmp_path):
    """What comes later goes into further segments, each chained to the one before; nothing is written twice."""
    await bus.go_on()
    first = await bus.archive(tmp_path)
    again = await bus.archive(tmp_path)
    await bus.go_on(documents=300)
    await bus.archive(tmp_path)
    archive = Archive(tmp_path)
    segments = list(archive.segments())

    assert (1, 0, 2) == (first.segments, again.segments, len(segments))
    assert await _everything(bus) == _archived(tmp_path)
    assert segments[0].digest == segments[1].manifest.previous
    for number in range(2):
        assert segments[0].manifest.logs[number].end == segments[1].manifest.logs[number].start


async def test_only_full_segments(bus, tmp_path):
    """Without being asked to close, only full segments are written, and what waits is told."""
    for _ in range(3):
        await bus.go_on()
    written = await bus.archive(tmp_path, close=False, entries_max=5)

    assert (2, 4) == (written.segments, written.waiting)


async def test_manifest_checks_by_hand(bus, tmp_path):
    """sha256sum finds every file as the manifest says, and one that was changed."""
    await bus.go_on()
    await bus.archive(tmp_path)
    good = _by_hand(tmp_path)
    (tmp_path / "segments/00000001/documents").write_bytes(b"other")
    bad = _by_hand(tmp_path)

    assert (0, 1) == (good.returncode, bad.returncode)
    assert b"documents" in bad.stdout


async def test_all_files_are_in_the_manifest(bus, tmp_path):
    """Every file is named by a manifest but values, the manifest itself, and each log's newest checkpoint."""
    for _ in range(2):
        await bus.go_on()
        await bus.archive(tmp_path)
    named = {path for segment in Archive(tmp_path).segments() for path in segment.manifest.files}
    files = {
        str(path.relative_to(tmp_path))
        for path in tmp_path.rglob("*")
        if path.is_file() and layout.STAGING not in path.parts
    }
    others = {
        *(f"segments/{number:08}/{name}" for number in (1, 2) for name in ("manifest", "values")),
        *(f"tiles/{BUS}/log/{name}/checkpoint" for name in ("0", "1", "heads")),
    }

    assert named | others == files


async def test_values_are_apart(bus, tmp_path):
    """Neither values nor salts stand anywhere but in the file that may be erased."""
    await bus.go_on()
    await bus.archive(tmp_path)
    elsewhere = b"".join(
        path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != "values"
    )

    for record in await bus.records("govbus.out.tax.example"):
        assert record.value[5:] not in elsewhere
        assert dict(record.headers)["gb-salt"] not in elsewhere


async def test_checkpoint_that_covers_too_much(bus, tmp_path):
    """A checkpoint that covers more than a segment holds is cut, and kept once the whole of it is compared."""
    await bus.go_on(documents=23, junk=0)
    await bus.go_on()
    written = await bus.archive(tmp_path, entries_max=5)
    segments = list(Archive(tmp_path).segments())

    assert 27 == written.entries
    assert [5, 5, 5, 5, 3, 4] == [segment.manifest.entries for segment in segments]
    assert await _everything(bus) == _archived(tmp_path)


async def test_tiles_are_the_logs(bus, tmp_path):
    """Tiles, bundles and checkpoint of each log are where C2SP tools look for them."""
    await bus.go_on(documents=260)
    await bus.archive(tmp_path)
    prefix = tmp_path / layout.tiles_path(log_origin(BUS, 0))
    names = {str(path.relative_to(prefix)) for path in prefix.rglob("*") if path.is_file()}

    assert {
        "checkpoint",
        "tile/0/000",
        "tile/0/001.p/4",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/4",
    } == names
    assert (prefix / "checkpoint").read_bytes().startswith(b"bus.example/log/0\n260\n")
    assert all(parse_path(name) for name in names - {"checkpoint"})


async def test_evidence(bus, tmp_path):
    """A segment holds the head checkpoint that covers it with its timestamp, and every certificate in use."""
    await bus.go_on()
    await bus.archive(tmp_path)
    segment = Archive(tmp_path).segment(1)
    evidence = {path.split("/evidence/")[1] for path in segment.manifest.files if "/evidence/" in path}
    certificates = {name for name in evidence if name.startswith("certificates/")}
    size, _, timestamps = segment.manifest.evidence

    assert (segment.manifest.heads.end, 1) == (size, timestamps)
    assert {f"{size}.note", f"{size}.proof", f"{size}.1.tsr", "revocations-in-force"} <= evidence
    assert 2 == len(certificates)  # the sender's and its issuer's


async def test_evidence_from_beyond(bus, tmp_path):
    """A head checkpoint that came after the segment's end covers it, by a proof of consistency."""
    await bus.go_on()
    await bus.go_on()
    await bus.archive(tmp_path, entries_max=4)
    first = Archive(tmp_path).segment(1).manifest

    assert first.evidence.size >= first.heads.end
    assert 1 == first.evidence.timestamps


async def test_no_evidence_yet(bus, tmp_path):
    """Where nothing covers a segment, its manifest says so; the evidence comes in a segment of its own."""
    await bus.go_on()
    await bus.send(1)
    await bus.route()
    text = await bus.sign(heads=False)
    written = await bus.archive(tmp_path)
    nothing_new = await bus.archive(tmp_path)
    text = await bus.sign_heads()
    await bus.stamp(text)
    later = await bus.archive(tmp_path)
    manifests = [segment.manifest for segment in Archive(tmp_path).segments()]

    assert (1, 0, 0) == (written.unproven, nothing_new.segments, later.unproven)
    assert manifests[0].evidence is None
    assert (0, 1) == (manifests[1].entries, manifests[1].evidence.timestamps)


async def test_service_waits_for_evidence(bus, tmp_path):
    """A service leaves a segment for later while its timestamp may still come, and no longer than that."""
    await bus.send(3)
    await bus.route()
    await bus.sign()
    early = await bus.archive(tmp_path, now_ms=bus.at_ms + 1000)
    late = await bus.archive(tmp_path, now_ms=bus.at_ms + 600_000)

    assert (0, 1) == (early.segments, late.segments)


async def test_record_that_is_gone(bus, tmp_path):
    """An outbox record that the broker no longer has is counted, and its entry is archived all the same."""
    await bus.go_on()
    bus.lose("govbus.out.tax.example", 0, 1)
    written = await bus.archive(tmp_path)
    segment = Archive(tmp_path).segment(1)
    found = [one.unpack().kind for one in segment]

    assert (4, 1) == (written.entries, written.missing)
    assert 1 == segment.manifest.missing
    assert [DocumentKind.DOCUMENT, DocumentKind.NONE, DocumentKind.DOCUMENT, DocumentKind.RAW] == found


async def test_log_that_contradicts_its_checkpoint(bus, tmp_path):
    """Nothing is archived of a log whose entries do not give the root that was signed."""
    await bus.go_on()
    await bus.archive(tmp_path)
    await bus.send(2)
    await bus.route()
    await bus.sign(heads=False, root=hashlib.sha256(b"another log").digest())

    with pytest.raises(LogIntegrityError, match="bus.example/log/0"):
        await bus.archive(tmp_path)
    assert [1] == Archive(tmp_path).numbers


async def test_checkpoint_of_other_keys(bus, tmp_path):
    """A checkpoint that the log's keys did not sign covers nothing."""
    await bus.send(2)
    await bus.route()
    await bus.sign(keys=LogKeys.generate(), heads=False)
    written = await bus.archive(tmp_path)

    assert (0, 0) == (written.entries, written.segments)


async def test_archive_of_another_bus(bus, tmp_path):
    """A bus whose log is another one does not go on in the archive."""
    await bus.go_on()
    await bus.archive(tmp_path)
    other = await type(bus)().start()
    other.keys = bus.keys
    other.at_ms += 1
    await other.go_on(documents=5)

    with pytest.raises(LogIntegrityError, match="another one there"):
        await other.archive(tmp_path)
    with pytest.raises(LogIntegrityError, match="ends at offset"):
        await (await type(bus)().start()).archive(tmp_path)


async def test_topic_is_missing(bus, tmp_path):
    """Where there is no message log, nothing is archived."""
    bus.transport = type(bus.transport)()

    with pytest.raises(ConfigError):
        await bus.archive(tmp_path)


async def test_decisions_are_taken_again(bus, tmp_path):
    """From an archive alone, deciding again gives every entry of the log, whatever kind of record it is about."""
    await bus.go_on(documents=4, junk=3)
    await bus.send(1, {"raw": {"statement": {"value": "A" * 43}}})
    await bus.send(1, {"headers": {"ce_type": "example.other.v1"}})
    await bus.go_on(documents=2)
    await bus.archive(tmp_path, entries_max=5)
    history, verified = ReplayHistory(), VerifiedSignatures()
    outcomes = set()
    for segment in Archive(tmp_path).segments():
        for one in segment:
            entry = decode_log_entry(one.octets)
            record = one.record(entry)
            decision = decide(record, bus.directory, history, at_ms=entry.time_ms, verified=verified)
            assert entry == demanded_entry(decision, record, entry, is_in_run=True)
            prior = prior_of(decision, time_ms=entry.time_ms, receipt_first=entry.receipt_first or 0)
            if prior is not None:
                history.remember(decision.statement.origin, prior)
            outcomes.add(entry.decision)
    history.close()

    assert {Outcome.ACCEPTED, Outcome.REFUSED} <= outcomes
