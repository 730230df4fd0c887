"""Where a new spool starts: one above the last index that the origin has on the bus.

An agency that lost its spool must neither start again at 0 (the router refuses used indexes) nor leave a gap (the
router holds what comes after one). Its own outbox says how far it got.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterable

from govbus.adapters.spool import Spool
from govbus.document import topics
from govbus.document.ids import Origin
from govbus.document.record import STATEMENT, Record
from govbus.document.statement import Statement
from govbus.errors import MetadataError, MissingPartError, TransportError
from govbus.service.agency_profile import AgencyProfile
from govbus.transport.base import IsolationLevel, Subscriber, TopicPartition, Transport, partition_counts

WINDOW_RECORDS = 1000
"""Records of the outbox that are read at once, from its end backwards; doubled until the origin is found."""
WINDOW_RECORDS_MAX = 64_000
POLL_TIMEOUT_S = 1.0
POLLS_MAX = 30
"""Polls in a row without a record before the outbox counts as unreadable."""


async def open_spool(profile: AgencyProfile, transport: Transport, *, next_index: int | None = None) -> Spool:
    """Open an agency's spool; a new one starts above what the agency has on the bus.

    Args:
        profile: says where the spool is.
        transport: the broker; asked only where the spool does not exist yet.
        next_index: where a new spool starts, without asking the broker.

    Raises:
        SpoolError: if the file cannot be used.
        TransportError: if the broker does not answer.
        MissingPartError: if the agency has no outbox topic.
    """
    if next_index is None and not profile.spool.exists():
        next_index = await next_index_on_bus(transport, profile.origin)
    return await asyncio.to_thread(profile.open_spool, next_index=next_index)


async def next_index_on_bus(transport: Transport, origin: Origin) -> int:
    """Return one above the highest index of an origin that its outbox still holds; 0 where it holds none.

    Raises:
        TransportError: if the broker does not answer.
        MissingPartError: if there is no outbox topic.
    """
    partition = await _outbox_partition(transport, origin)
    subscriber = transport.subscriber(assign=[partition], isolation=IsolationLevel.READ_UNCOMMITTED)
    await subscriber.start()
    try:
        first = (await subscriber.beginning_offsets([partition]))[partition]
        end = (await subscriber.end_offsets([partition], IsolationLevel.READ_UNCOMMITTED))[partition]
        window = WINDOW_RECORDS
        while end > first:
            start = max(first, end - window)
            highest = await _highest_index(subscriber, partition, origin, start, end)
            if highest is not None:
                return highest + 1
            end, window = start, min(2 * window, WINDOW_RECORDS_MAX)
        return 0
    finally:
        await subscriber.stop()


async def _outbox_partition(transport: Transport, origin: Origin) -> TopicPartition:
    counts = await partition_counts(transport)
    topic = topics.outbox(origin.agency)
    if topic not in counts:
        raise MissingPartError(
            f"there is no topic {topic}",
            remedy=f"the operator admits {origin.agency} with: govbus directory apply, then govbus topics apply",
        )
    return TopicPartition(topic, zlib.crc32(str(origin).encode("ascii")) % counts[topic])


async def _highest_index(
    subscriber: Subscriber, partition: TopicPartition, origin: Origin, start: int, end: int
) -> int | None:
    """Return the highest index of the origin among the records [start, end)."""
    await subscriber.seek(partition, start)
    found: list[int] = []
    empty_polls = 0
    while await subscriber.position(partition) < end:
        polled = await subscriber.poll(timeout_s=POLL_TIMEOUT_S, records_max=WINDOW_RECORDS)
        records = polled.get(partition, [])
        empty_polls = 0 if records else empty_polls + 1
        if empty_polls > POLLS_MAX:
            raise TransportError(f"{partition.topic}/{partition.partition} cannot be read up to its end")
        found += _indexes(records, origin, end)
    return max(found, default=None)


def _indexes(records: Iterable[Record], origin: Origin, end: int) -> Iterable[int]:
    key = str(origin).encode("ascii")
    for record in records:
        if record.key != key or record.offset >= end:
            continue
        try:
            statement = Statement.from_bytes(dict(record.headers).get(STATEMENT, b""))
        except MetadataError:
            continue  # not a document: the router refused it
        if statement.origin == origin:
            yield statement.index
