"""Replaying: entries come in their original order, and what was decided otherwise differs at its place."""

from govbus.audit.replay import Replay, is_about, steps_of_bus
from govbus.audit.report import Check
from govbus.audit.snapshot import Snapshot
from govbus.document import topics
from govbus.document.finding import Finding, Outcome, Severity
from govbus.document.ids import AgencyId
from govbus.routing.trust.status import RevocationRecords
from govbus.schemas.core import decode_log_entry, encode_log_entry

TAX = AgencyId.from_text("tax.example")
AT_MS = 1_795_466_700_000


async def _replayed(bus, directories=None):
    transport = bus.transport()
    again = Replay(directories or {1: bus.directory}, RevocationRecords())
    try:
        return [again.take(step) async for step in steps_of_bus(transport, await Snapshot.take(transport))]
    finally:
        again.close()


async def test_an_honest_log_replays_the_same(bus):
    """Every entry is decided again, and none differs."""
    replayed = await _replayed(bus)
    assert replayed
    assert all(one.is_decided_again and not one.findings for one in replayed)
    logged = sum(len(bus.at(topics.MESSAGE_LOG, partition)) for partition in range(2))
    assert len(replayed) == logged


async def test_entries_come_by_time_and_in_the_order_of_their_partition(bus):
    """Merging by time never changes the order within a log partition."""
    replayed = await _replayed(bus)
    times = [one.entry.time_ms for one in replayed]
    assert times == sorted(times)
    for partition in range(2):
        numbers = [one.number for one in replayed if one.partition == partition]
        assert numbers == list(range(len(numbers)))


async def test_an_altered_decision_differs_at_its_place(bus):
    """An entry that names another rule than the one that was broken differs, and no other does."""
    records = bus.at(topics.MESSAGE_LOG, 0)
    entries = [decode_log_entry(record.value) for record in records]
    at = next(number for number, entry in enumerate(entries) if entry.decision is Outcome.REFUSED)
    finding = Finding("LIM-1", Severity.REFUSE, "ce_type", "expected another")
    altered = entries[at]._replace(findings=(finding,))
    records[at] = records[at]._replace(value=encode_log_entry(altered))
    differing = [one for one in await _replayed(bus) if one.findings]
    assert [(one.partition, one.number) for one in differing] == [(0, at)]
    assert {finding.check for finding in differing[0].findings} == {Check.DECISION}


async def test_an_unknown_directory_version_is_a_difference(bus):
    """Without the version that an entry names nothing can be decided again, and that is said."""
    replayed = await _replayed(bus, {2: bus.directory})
    assert all(not one.is_decided_again for one in replayed)
    assert {finding.check for one in replayed for finding in one.findings} == {Check.DIRECTORY}


async def test_an_expired_outbox_record_is_shown_and_not_decided_again(bus):
    """What the broker deleted is still in the log; the entries after it are decided as before."""
    outbox = topics.outbox(TAX)
    bus.expire(outbox, 0, 1)
    replayed = await _replayed(bus)
    gone = [one for one in replayed if one.record is None]
    assert len(gone) == 1
    assert not gone[0].is_decided_again
    assert {finding.check for finding in gone[0].findings} == {Check.RETENTION}
    assert sum(bool(one.findings) for one in replayed) == 1


async def test_what_is_shown_can_be_narrowed(bus):
    """By agency and by package, from the statement and the agreement that the entry names."""
    replayed = await _replayed(bus)
    directories = {1: bus.directory}
    one = next(one for one in replayed if one.entry.decision is Outcome.ACCEPTED)
    assert is_about(one, agency="tax.example", package="tax.notice", directories=directories)
    assert not is_about(one, agency="moj.example", package=None, directories=directories)
    assert not is_about(one, agency=None, package="other", directories=directories)
