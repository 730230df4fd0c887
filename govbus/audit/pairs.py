"""One partition of the message log beside the outbox partitions that it is about, entry by record.

All decisions about one outbox partition stand in one log partition in the order of their offsets, so both are read
once, from front to back, and nothing has to be remembered.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from typing import NamedTuple

from govbus.audit.report import AuditFinding, Check
from govbus.audit.streams import PartitionStreams
from govbus.document.decision import LogEntry, SourcePosition
from govbus.document.finding import Outcome
from govbus.document.record import Record
from govbus.errors import RuleError
from govbus.schemas.core import decode_log_entry
from govbus.transport.base import TopicPartition


class Pair(NamedTuple):
    """One step: an entry with its record, or one of them alone with what is wrong."""

    entry_record: Record | None
    """From the message log; None where an outbox record has no entry."""
    entry: LogEntry | None
    """None too where the entry cannot be read."""
    record: Record | None
    """From the outbox; None where it is not there to be compared."""
    finding: AuditFinding | None


async def pairs(
    streams: PartitionStreams,
    message_log: TopicPartition,
    sources: Collection[TopicPartition],
    beginnings: Mapping[TopicPartition, int],
    *,
    read: Callable[[bytes | None], LogEntry] = decode_log_entry,
) -> AsyncIterator[Pair]:
    """Yield every entry of a log partition with its outbox record, in the order of the log.

    Outbox records after the last entry about their partition are left in the streams: they are not decided yet.

    Args:
        streams: of the log partition and its sources.
        message_log: the log partition.
        sources: the outbox partitions whose decisions stand in it.
        beginnings: first offsets that the broker still has, of the sources.
        read: reads an entry; whatever it returns stands in the pairs.

    Raises:
        TransportError: if the broker fails.
    """
    async for entry_record in streams.records(message_log):
        try:
            entry = read(entry_record.value)
        except RuleError as err:
            yield Pair(entry_record, None, None, _unreadable(entry_record, err))
            continue
        source = TopicPartition(entry.source.topic, entry.source.partition)
        if source not in sources:
            yield Pair(entry_record, entry, None, _foreign(entry_record, entry))
            continue
        if entry.decision is Outcome.ERASED:  # no decision about a record, and so in no order with them
            yield Pair(entry_record, entry, None, None)
            continue
        record = await streams.peek(source)
        while record is not None and record.offset < entry.source.offset:
            await streams.take(source)
            yield Pair(None, None, record, _undecided(record, entry_record, entry))
            record = await streams.peek(source)
        if record is not None and record.offset == entry.source.offset:
            await streams.take(source)
            yield Pair(entry_record, entry, record, None)
        elif entry.source.offset < beginnings.get(source, 0):
            yield Pair(entry_record, entry, None, _gone(entry_record, entry))
        else:
            yield Pair(entry_record, entry, None, _unmatched(entry_record, entry, record))


def _at(
    record: Record, check: Check, expected: str, found: str, source: SourcePosition | None
) -> AuditFinding:
    return AuditFinding(check, record.topic, record.partition, record.offset, expected, found, source=source)


def _unreadable(record: Record, err: RuleError) -> AuditFinding:
    return _at(record, Check.ENTRY, "a log entry", f"something else: {err.message}", None)


def _foreign(record: Record, entry: LogEntry) -> AuditFinding:
    return _at(
        record,
        Check.ENTRY,
        "a decision about an outbox partition that belongs to this log partition",
        f"one about {entry.source.topic}/{entry.source.partition}",
        entry.source,
    )


def _undecided(record: Record, entry_record: Record, entry: LogEntry) -> AuditFinding:
    return _at(
        record,
        Check.DECIDED,
        "an entry in the message log before the one about the next record",
        f"{entry_record.topic}/{entry_record.partition}@{entry_record.offset} about {entry.source}",
        SourcePosition(record.topic, record.partition, record.offset),
    )


def _gone(record: Record, entry: LogEntry) -> AuditFinding:
    return _at(
        record, Check.RETENTION, f"outbox record {entry.source}", "the broker deleted it", entry.source
    )


def _unmatched(record: Record, entry: LogEntry, found: Record | None) -> AuditFinding:
    at = "the end of the outbox" if found is None else f"the outbox already at offset {found.offset}"
    return _at(
        record,
        Check.DECIDED,
        f"one entry about {entry.source}, in the order of the outbox",
        f"a second one, one out of order, or one about no record: {at}",
        entry.source,
    )
