"""Fills the index from a running bus: reads the message log on from where it was, and each accepted document once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from govbus.document import topics
from govbus.document.decision import LogEntry, SourcePosition
from govbus.document.finding import Outcome
from govbus.document.record import Record
from govbus.errors import MissingPartError, RuleError, TransportError
from govbus.routing.directory.model import Directory
from govbus.routing.directory.records import DirectoryReader
from govbus.schemas.core import decode_log_entry
from govbus.service.catalogue.database import CatalogueDatabase
from govbus.service.catalogue.documents import Document, document_of
from govbus.service.catalogue.items import directory_items
from govbus.service.directory.publishing import read_certificates, read_directory
from govbus.service.scanning import partitions_of
from govbus.transport.base import Subscriber, TopicPartition, Transport

logger = structlog.get_logger(__name__)

POLL_TIMEOUT_S: Final = 0.2
POLL_RECORDS_MAX: Final = 2_000
IDLE_POLLS_MAX: Final = 150
"""Polls without a step forward after which the broker counts as stuck: half a minute."""


class Indexed(NamedTuple):
    """What was done."""

    entries: int
    """Log entries read."""
    documents: int
    """Documents added."""
    missing: int
    """Accepted documents whose outbox no longer holds what was decided about."""


async def refresh(
    transport: Transport, database: CatalogueDatabase, authority: Path
) -> tuple[Directory, Indexed]:
    """Bring an index up to date with a bus; return its directory and what was done.

    Args:
        transport: the broker; reads the directory, the message log and outboxes, committed records alone.
        database: the index.
        authority: file with the governing authority's certificates.

    Raises:
        MissingPartError: if no directory has been published under the authority, or a topic is missing.
        TransportError: if the broker fails.
    """
    reader = await read_directory(transport, read_certificates(authority))
    directory = require_current(reader)
    database.replace_directory(directory_items(directory), f"{directory.bus} {directory.version}")

    def at(version: int) -> Directory:
        return reader.at(version) or directory

    return directory, await index_documents(transport, database, at)


def require_current(reader: DirectoryReader) -> Directory:
    """Return the version in force.

    Raises:
        MissingPartError: if none has been published under this authority.
    """
    if reader.current is None:
        raise MissingPartError(
            "no directory has been published under this authority",
            remedy="publish one: govbus directory apply",
        )
    return reader.current


async def index_documents(
    transport: Transport, database: CatalogueDatabase, directory_at: Callable[[int], Directory]
) -> Indexed:
    """Read the message log on from where the index stands to its end as it is now.

    Args:
        transport: the broker.
        database: the index.
        directory_at: returns the directory of a version.

    Raises:
        MissingPartError: if there is no message log.
        FencedError: if another process fills the same index.
        TransportError: if the broker fails.
    """
    partitions = await partitions_of(transport, [topics.MESSAGE_LOG])
    subscriber = transport.subscriber(assign=partitions)
    await subscriber.start()
    try:
        done = Indexed(0, 0, 0)
        ends = await subscriber.end_offsets(partitions)
        next_offsets = {one: database.next_offset(one) for one in partitions}
        for partition, offset in next_offsets.items():
            if offset is not None:
                await subscriber.seek(partition, offset)
        unread = {one for one in partitions if (next_offsets[one] or 0) < ends[one]}
        idle = 0
        while unread:
            polled = await subscriber.poll(timeout_s=POLL_TIMEOUT_S, records_max=POLL_RECORDS_MAX)
            for partition, records in polled.items():
                end = records[-1].offset + 1
                batch = await _batch(transport, records, directory_at)
                new = database.add_documents(
                    batch.documents,
                    partition,
                    start=next_offsets[partition],
                    end=end,
                    erased=batch.erased,
                )
                next_offsets[partition] = end
                done = Indexed(
                    done.entries + len(records), done.documents + new, done.missing + batch.missing
                )
            idle = 0 if polled else idle + 1
            _require_moving(idle)
            for partition in list(unread):
                if await subscriber.position(partition) >= ends[partition]:
                    unread.discard(partition)
    finally:
        await subscriber.stop()
    return done


class _Batch(NamedTuple):
    documents: list[Document]
    missing: int
    erased: set[SourcePosition]
    """Outbox records whose content was erased; some may be missing because of it."""


async def _batch(
    transport: Transport, records: Sequence[Record], directory_at: Callable[[int], Directory]
) -> _Batch:
    """Return the accepted documents of consecutive log entries."""
    entries = [
        (entry, SourcePosition(record.topic, record.partition, record.offset))
        for record in records
        if (entry := _entry(record)) is not None
    ]
    erased = {entry.source for entry, _ in entries if entry.decision is Outcome.ERASED}
    accepted = [
        (entry, position)
        for entry, position in entries
        if entry.decision is Outcome.ACCEPTED and entry.source not in erased
    ]
    found = await _fetch(transport, [entry.source for entry, _ in accepted])
    documents, missing = [], 0
    for entry, position in accepted:
        original = found.get(entry.source)
        document = (
            None
            if original is None
            else document_of(entry, position, original, directory_at(entry.directory_version))
        )
        if document is None:
            missing += 1
            logger.warning("accepted document not in its outbox as decided", source=str(entry.source))
        else:
            documents.append(document)
    return _Batch(documents, missing, erased)


def _entry(record: Record) -> LogEntry | None:
    """Return a log entry; None where it cannot be read, which the auditor reports."""
    try:
        return decode_log_entry(record.value)
    except RuleError:
        return None


async def _fetch(transport: Transport, sources: Sequence[SourcePosition]) -> Mapping[SourcePosition, Record]:
    """Return the records at some places of outboxes, as far as they are kept and committed."""
    wanted: dict[TopicPartition, set[int]] = defaultdict(set)
    for topic, partition, offset in sources:
        wanted[TopicPartition(topic, partition)].add(offset)
    if not wanted:
        return {}
    subscriber = transport.subscriber(assign=sorted(wanted))
    await subscriber.start()
    try:
        lasts = await _seek(subscriber, wanted)
        found: dict[SourcePosition, Record] = {}
        idle = 0
        while lasts:
            polled = await subscriber.poll(timeout_s=POLL_TIMEOUT_S, records_max=POLL_RECORDS_MAX)
            for source, records in polled.items():
                for record in records:
                    if record.offset in wanted[source]:
                        found[SourcePosition(*source, record.offset)] = record
            idle = 0 if polled else idle + 1
            _require_moving(idle)
            for source, last in list(lasts.items()):
                if await subscriber.position(source) > last:
                    subscriber.pause(source)
                    del lasts[source]
    finally:
        await subscriber.stop()
    return found


async def _seek(
    subscriber: Subscriber, wanted: Mapping[TopicPartition, set[int]]
) -> dict[TopicPartition, int]:
    """Move to the first wanted offset of each partition; return the last one of those where there is any."""
    partitions = sorted(wanted)
    beginnings = await subscriber.beginning_offsets(partitions)
    ends = await subscriber.end_offsets(partitions)
    lasts: dict[TopicPartition, int] = {}
    for partition in partitions:
        kept = [offset for offset in wanted[partition] if beginnings[partition] <= offset < ends[partition]]
        if kept:
            await subscriber.seek(partition, min(kept))
            lasts[partition] = max(kept)
        else:
            subscriber.pause(partition)
    return lasts


def _require_moving(idle_polls: int) -> None:
    if idle_polls >= IDLE_POLLS_MAX:
        raise TransportError("the broker does not move on", remedy="look for a transaction that stays open")
