"""Erasing: content goes from every place, or the place says what it waits for; nothing else goes, and audits hold."""

import pytest

from govbus.audit.archive.reader import Archive
from govbus.audit.archive.staging import ArchiveLock
from govbus.audit.archive.values import frames_of, pack_frame
from govbus.audit.archive.verify import verify_archive
from govbus.audit.report import Check
from govbus.document import topics
from govbus.document.decision import SourcePosition
from govbus.document.finding import Outcome
from govbus.document.record import ROUTE
from govbus.errors import ConfigError, MissingPartError, UntrustedKeyError
from govbus.message_log.erasure import erasure_entry, order_for
from govbus.routing.trust.status import RevocationRecords
from govbus.schemas.core import decode_log_entry, encode_log_entry
from govbus.service.erasure.broker import remove_records
from govbus.service.erasure.erasing import Erasure, erase
from govbus.service.erasure.places import State, decisions_about
from govbus.testing import example_keys
from govbus.testing.example_bus import BASE_AT_MS, BUS, COURT, TAX
from govbus.transport.base import TopicPartition, TopicSpec
from tests.unit.audit.archive.conftest import OUTBOX, ArchiveBus

INBOX = topics.inbox(COURT)
AT_MS = BASE_AT_MS + 60_000
CHOSEN = 1
"""Index of the document that is erased, among three."""


@pytest.fixture
async def bus():
    """A bus whose second of three documents was delivered to the court."""
    bus = await ArchiveBus().start()
    await bus.transport.administrator().create_topics([TopicSpec(INBOX, 1, 1, {})])
    await bus.go_on(documents=3)
    for entry in await _entries(bus):
        if entry.decision is Outcome.ACCEPTED:
            record = (await bus.records(OUTBOX, 0))[entry.source.offset]
            route = (ROUTE, f"decision={entry.source} log=0 router=router-1".encode())
            await bus.put(INBOX, 0, record.key, record.value, (*record.headers, route))
    return bus


async def _entries(bus, partition=0):
    return [decode_log_entry(one.value) for one in await bus.records(topics.MESSAGE_LOG, partition)]


async def _document_id(bus):
    return (await _entries(bus))[CHOSEN].document_id


async def _beginning(bus, topic):
    """Return the first offset that the broker still has."""
    partition = TopicPartition(topic, 0)
    subscriber = bus.transport.subscriber(assign=[partition])
    await subscriber.start()
    beginnings = await subscriber.beginning_offsets([partition])
    await subscriber.stop()
    return beginnings[partition]


async def _read_inbox(bus, *, until=3, group="court"):
    """Let a consumer group of the court read its inbox."""
    partition = TopicPartition(INBOX, 0)
    subscriber = bus.transport.subscriber(assign=[partition], group=group)
    await subscriber.start()
    await subscriber.commit({partition: until})
    await subscriber.stop()


async def _erase(bus, *folders, signer=BUS.text, at_ms=AT_MS, agency=None, key=None):
    erasure = Erasure(
        await _document_id(bus),
        "Example order 17",
        [key or example_keys.signer(signer)],
        bus.directory,
        RevocationRecords(),
        agency,
    )
    return await erase(
        bus.transport, [Archive(folder) for folder in folders], erasure, clock_ms=lambda: at_ms
    )


def _verify(bus, folder, **options):
    return verify_archive(folder, keys=bus.keys.public, authority=bus.authority, processes=1, **options)


async def test_content_goes_everywhere_and_the_archive_verifies(bus, tmp_path):
    """Outbox, inbox and archive lose the value; the log has the fact; the archive holds, and counts it as erased."""
    await bus.archive(tmp_path)
    await _read_inbox(bus)
    report = await _erase(bus, tmp_path)
    assert report.is_complete, report.places
    assert [entry.erasure is not None for entry in report.facts] == [True]
    values = list(frames_of((tmp_path / "segments/00000001/values").read_bytes()))
    assert [bool(one) for one in values] == [True, False, True, True]
    for topic in (OUTBOX, INBOX):
        assert await _beginning(bus, topic) == CHOSEN + 1
    await bus.sign()
    await bus.archive(tmp_path)
    found = _verify(bus, tmp_path)
    assert found.is_clean, found.to_text()
    assert found.erased == 1


async def test_a_range_of_segments_knows_of_a_later_erasure(bus, tmp_path):
    """The order stands in a segment behind the range that is verified, and explains the value all the same."""
    await bus.archive(tmp_path)
    await _erase(bus, tmp_path)
    await bus.sign()
    await bus.archive(tmp_path)
    found = _verify(bus, tmp_path, segments=(1, 1))
    assert found.is_clean, found.to_text()
    assert found.erased == 1


async def test_a_second_run_changes_nothing(bus, tmp_path):
    """The same fact is found again, and no place holds anything."""
    await bus.archive(tmp_path)
    await _read_inbox(bus)
    first = await _erase(bus, tmp_path)
    again = await _erase(bus, tmp_path, at_ms=AT_MS + 1)
    assert again.facts == first.facts
    assert {place.state for place in again.places} == {State.ABSENT}


async def test_an_inbox_that_was_not_read_waits(bus, tmp_path):
    """A copy that the court has not read stays where it is, and the place says why; later the same command goes on."""
    await bus.archive(tmp_path)
    report = await _erase(bus, tmp_path)
    assert not report.is_complete
    (pending,) = (place for place in report.places if place.state is State.PENDING)
    assert pending.where == f"{INBOX}/0@{CHOSEN}"
    assert "nobody has read" in pending.reason
    assert len(await bus.records(INBOX)) == 3
    await _read_inbox(bus, until=CHOSEN)
    assert "not read yet by court" in next(
        place.reason for place in (await _erase(bus, tmp_path)).places if place.reason
    )
    await _read_inbox(bus)
    assert (await _erase(bus, tmp_path)).is_complete


async def test_nothing_is_logged_before_every_archive_has_the_document(bus, tmp_path):
    """An archive that lags behind stops the erasure before its first step."""
    await bus.archive(tmp_path / "one")
    with pytest.raises(MissingPartError, match="does not hold entry"):
        await _erase(bus, tmp_path / "one", tmp_path / "two")
    assert all(entry.decision is not Outcome.ERASED for entry in await _entries(bus))


async def test_no_archive_no_erasure(bus):
    """The proof would go with the content."""
    with pytest.raises(ConfigError, match="needs the archive"):
        await _erase(bus)


async def test_an_archive_that_is_being_written_is_left_alone(bus, tmp_path):
    """Whoever writes or imports could bring the old values back; the fact stands, and the next run goes on."""
    await bus.archive(tmp_path)
    before = (tmp_path / "segments/00000001/values").read_bytes()
    with ArchiveLock(tmp_path), pytest.raises(ConfigError, match="another process"):
        await _erase(bus, tmp_path)
    assert (tmp_path / "segments/00000001/values").read_bytes() == before
    await _erase(bus, tmp_path)
    assert (tmp_path / "segments/00000001/values").read_bytes() != before
    assert sum(entry.decision is Outcome.ERASED for entry in await _entries(bus)) == 1


@pytest.mark.parametrize("signer", ["court.example", "officer", "revoked-certificate"])
async def test_whoever_may_not_order_it_changes_nothing(bus, tmp_path, signer):
    """A recipient, a person alone, and a revoked key of the sender are refused before anything is logged or erased."""
    await bus.archive(tmp_path)
    before = (tmp_path / "segments/00000001/values").read_bytes()
    with pytest.raises(UntrustedKeyError):
        await _erase(bus, tmp_path, signer=signer)
    assert (tmp_path / "segments/00000001/values").read_bytes() == before
    assert all(entry.decision is not Outcome.ERASED for entry in await _entries(bus))


async def test_the_sender_may_order_it(bus, tmp_path):
    """The document's own agency erases by its seal."""
    await bus.archive(tmp_path)
    report = await _erase(bus, tmp_path, signer=TAX.text)
    assert len(report.facts) == 1


async def test_an_id_of_two_agencies_is_asked_about(bus, tmp_path):
    """Another sender used the same id: nothing is erased until it is said whose document is meant."""
    original = (await _entries(bus))[CHOSEN]
    other = original._replace(
        decision=Outcome.REFUSED,
        source=SourcePosition("govbus.out.court.example", 0, 0),
        statement=None,
        signatures=(),
        record_hash=bytes(32),
        recipients=(),
    )
    await bus.put(topics.MESSAGE_LOG, 0, b"x", encode_log_entry(other))
    await bus.archive(tmp_path)
    with pytest.raises(ConfigError, match=r"court\.example, tax\.example"):
        await _erase(bus, tmp_path)
    report = await _erase(bus, tmp_path, agency=TAX.text)
    assert [str(entry.source) for entry in report.facts] == [str(original.source)]
    with pytest.raises(MissingPartError, match=r"of moj\.example"):
        await _erase(bus, tmp_path, agency="moj.example")


async def test_values_that_a_crash_left_overwritten_are_emptied(bus, tmp_path):
    """Zeros in place of the content are what a crash leaves; the next run empties the frame."""
    await bus.archive(tmp_path)
    path = tmp_path / "segments/00000001/values"
    frames = list(frames_of(path.read_bytes()))
    frames[CHOSEN] = bytes(len(frames[CHOSEN]))
    path.write_bytes(b"".join(map(pack_frame, frames)))
    (path.parent / ".values.new").write_bytes(b"half")
    await _erase(bus, tmp_path)
    assert list(frames_of(path.read_bytes()))[CHOSEN] == b""
    assert not (path.parent / ".values.new").exists()


async def test_old_octets_are_overwritten_before_the_new_file_takes_their_place(bus, tmp_path):
    """Whoever holds the old file open reads zeros where the content was, and the rest as it was."""
    await bus.archive(tmp_path)
    path = tmp_path / "segments/00000001/values"
    before = list(frames_of(path.read_bytes()))
    with path.open("rb") as held:
        await _erase(bus, tmp_path)
        after = list(frames_of(held.read()))
    assert after[CHOSEN] == bytes(len(before[CHOSEN]))
    assert after[:CHOSEN] + after[CHOSEN + 1 :] == before[:CHOSEN] + before[CHOSEN + 1 :]


ORDERS = {
    "a stranger's": ({"signer": "court.example"}, "only bus.example and tax.example"),
    "words changed": ({"change": lambda one: one._replace(erasure=one.erasure.replace(b"17", b"18"))}, ""),
    "another time": ({"change": lambda one: one._replace(time_ms=one.time_ms + 1)}, "another time"),
    "another document": ({"change": lambda one: one._replace(document_id="other")}, "another document"),
    "an unknown directory": ({"change": lambda one: one._replace(directory_version=9)}, "version 9"),
    "unknown revocations": ({"change": lambda one: one._replace(revocations=9)}, "9 records"),
    "no signature": ({"change": lambda one: one._replace(signatures=())}, "without a signature"),
}


@pytest.mark.parametrize("name", ORDERS)
async def test_an_unlawful_order_explains_no_absent_value(bus, tmp_path, name):
    """The operator empties a value and logs an order that does not hold: order and absence are both found."""
    how, found = ORDERS[name]
    await bus.archive(tmp_path)
    original = (await _entries(bus))[CHOSEN]
    order = order_for(original, BUS, time_ms=AT_MS, authority="Example order 17")
    signers = [example_keys.signer(how.get("signer", BUS.text))]
    entry = erasure_entry(order, original, signers, directory_version=1, revocations=0)
    await bus.put(topics.MESSAGE_LOG, 0, b"x", encode_log_entry(how.get("change", lambda one: one)(entry)))
    await bus.sign()
    path = tmp_path / "segments/00000001/values"
    frames = list(frames_of(path.read_bytes()))
    path.write_bytes(b"".join(map(pack_frame, [*frames[:CHOSEN], b"", *frames[CHOSEN + 1 :]])))
    await bus.archive(tmp_path)
    report = _verify(bus, tmp_path)
    checks = [one.check for one in report.findings]
    assert Check.ERASURE in checks
    assert Check.VALUE in checks
    assert report.erased == 0
    assert any(found in one.found for one in report.findings if one.check is Check.ERASURE)


async def test_an_order_about_one_document_explains_no_other(bus, tmp_path):
    """A lawful order about a document does not explain that its neighbour's value is gone as well."""
    await bus.archive(tmp_path)
    await _erase(bus, tmp_path)
    path = tmp_path / "segments/00000001/values"
    frames = list(frames_of(path.read_bytes()))
    path.write_bytes(b"".join(map(pack_frame, [b"", *frames[1:]])))
    await bus.sign()
    await bus.archive(tmp_path)
    report = _verify(bus, tmp_path)
    assert [(one.check, one.entry) for one in report.findings] == [(Check.VALUE, 0)]
    assert report.erased == 1


async def test_a_record_without_statement_is_found_among_copies(bus):
    """What is held without a readable statement is known by what the router added, and only by the last of that."""
    decisions = await decisions_about(bus.transport, await _document_id(bus))
    assert decisions.sources == {f"decision={OUTBOX}/0@{CHOSEN}".encode()}


@pytest.mark.parametrize(("groups", "is_waiting"), [(1, True), (2, False)])
async def test_a_publication_waits_for_every_agency_that_may_read_it(bus, groups, is_waiting):
    """One subscriber's offset does not speak for the other, who has not begun to read."""
    for number in range(groups):
        await _read_inbox(bus, group=f"group-{number}")
    (place,) = await remove_records(
        bus.transport, [SourcePosition(INBOX, 0, CHOSEN)], archived={}, readers={INBOX: 2}
    )
    assert (place.state is State.PENDING) is is_waiting


async def test_an_outbox_waits_for_whoever_reads_it(bus):
    """A group that is behind on the outbox is waited for, although the archive has the record."""
    partition = TopicPartition(OUTBOX, 0)
    subscriber = bus.transport.subscriber(assign=[partition], group="slow")
    await subscriber.start()
    await subscriber.commit({partition: CHOSEN})
    await subscriber.stop()
    (place,) = await remove_records(
        bus.transport, [SourcePosition(OUTBOX, 0, CHOSEN)], archived={(OUTBOX, 0): 2}, readers={}
    )
    assert place.reason == "not read yet by slow"
