"""Receipts that agencies kept: the log bears out what the bus signed, and anything else is a finding."""

import pytest

from govbus.audit.archive.records import pack_records, unpack_records
from govbus.audit.receipts import HELD, HeldReceipts
from govbus.document import topics
from govbus.document.finding import Finding, Outcome, Severity
from govbus.document.ids import AgencyId
from govbus.schemas.core import decode_log_entry, decode_receipt

TAX = AgencyId("tax.example")


def _receipts(bus):
    return [record for partition in range(2) for record in bus.at(topics.inbox(TAX), partition)]


def _entries(bus):
    return [
        (partition, decode_log_entry(record.value))
        for partition in range(2)
        for record in bus.at(topics.MESSAGE_LOG, partition)
    ]


def _held(bus, records, entries):
    held = HeldReceipts(records, {1: bus.directory})
    for partition, entry in entries:
        held.take(partition, entry)
    return held


def _found(held):
    return [(one.topic, one.found) for one in held.findings()]


def test_an_honest_log_bears_out_every_receipt(bus):
    """Runs, refusals, holds and answers given again: all of it, from the file that an agency keeps."""
    records = list(unpack_records(pack_records(_receipts(bus)), "kept"))
    held = _held(bus, records, _entries(bus))

    assert [] == _found(held)
    receipts = {decode_receipt(record.value) for record in records}
    (covered,) = held.covered()
    assert ("receipts", "tax.example") == (covered.material, covered.by)
    assert sum(one.count for one in receipts) == sum(covered.sizes.values()) <= 57


def test_a_run_that_lacks_its_last_document(bus):
    """Whatever document of a run is gone, its receipt is not borne out."""
    entries = _entries(bus)
    last = max(place for place, (partition, _) in enumerate(entries) if partition == 1)
    assert [(HELD, "the log has 15 of its documents, then ends")] == _found(
        _held(bus, _receipts(bus), entries[:last])
    )


def test_a_run_with_another_document_in_the_middle(bus):
    """One statement of a run changed: the hash over the run is another."""
    entries = _entries(bus)
    place = next(place for place, (partition, _) in enumerate(entries) if partition == 1) + 3
    partition, entry = entries[place]
    changed = entry.statement.replace(b"length ", b"length 1")
    entries[place] = (partition, entry._replace(statement=changed))
    assert [(HELD, "the log has another document there (statement hash)")] == _found(
        _held(bus, _receipts(bus), entries)
    )


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda entry: entry._replace(decision=Outcome.QUARANTINED), "the log says quarantined"),
        (
            lambda entry: entry._replace(time_ms=entry.time_ms - 1),
            "the log says another time of the decision",
        ),
        (
            lambda entry: entry._replace(findings=(Finding("LIM-1", Severity.REFUSE, "x", "y"),)),
            "the log says other findings",
        ),
    ],
    ids=["decision", "time", "findings"],
)
def test_a_refusal_that_was_changed(bus, change, found):
    """Decision, time and findings of a refusal are in its receipt."""
    entries = [
        (partition, change(entry) if entry.decision is Outcome.REFUSED else entry)
        for partition, entry in _entries(bus)
    ]
    assert [(HELD, found)] == _found(_held(bus, _receipts(bus), entries))


def test_in_another_partition(bus):
    """The receipt names the partition of the log."""
    entries = [(1 - partition, entry) for partition, entry in _entries(bus)]
    assert {"the decision is in log partition 0", "the decision is in log partition 1"} == {
        found for _, found in _found(_held(bus, _receipts(bus), entries))
    }


def test_what_is_no_receipt_of_the_bus(bus):
    """Changed, unsigned, or no receipt at all: named by its number among those that were brought."""
    first = _receipts(bus)[0]
    flipped = first._replace(value=first.value[:-1] + bytes([first.value[-1] ^ 1]))
    unsigned = first._replace(headers=())
    document = bus.at(topics.outbox(TAX), 0)[0]
    held = _held(bus, [flipped, unsigned, document], _entries(bus))

    findings = list(held.findings())
    assert [0, 1, 2] == [one.offset for one in findings]
    assert {"a receipt that the bus signed"} == {one.expected for one in findings}
    assert [] == held.covered()
