"""Reading whole topics for people: up to their end as it stands, or on and on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from govbus.document.record import Record
from govbus.errors import MissingPartError
from govbus.transport.base import TopicPartition, Transport, partition_counts

POLL_TIMEOUT_S = 0.2
POLL_RECORDS_MAX = 2000


async def partitions_of(transport: Transport, names: Sequence[str]) -> list[TopicPartition]:
    """Return all partitions of some topics.

    Raises:
        MissingPartError: naming the first topic that does not exist.
        TransportError: if the broker does not answer.
    """
    counts = await partition_counts(transport)
    for name in names:
        if name not in counts:
            raise MissingPartError(
                f"there is no topic {name}", remedy="create the topics with `govbus topics apply`"
            )
    return [TopicPartition(name, number) for name in names for number in range(counts[name])]


async def scan(
    transport: Transport,
    names: Sequence[str],
    *,
    follow: bool = False,
    stopping: asyncio.Event | None = None,
) -> AsyncIterator[Record]:
    """Yield every committed record of some topics, in offset order for each partition.

    Args:
        transport: the broker.
        names: topics that exist.
        follow: go on after the end, until `stopping` is set.
        stopping: ends the scan.

    Raises:
        MissingPartError: if a topic does not exist.
        TransportError: if the broker fails.
    """
    partitions = await partitions_of(transport, names)
    subscriber = transport.subscriber(assign=partitions)
    await subscriber.start()
    try:
        ends = await subscriber.end_offsets(partitions)
        begins = await subscriber.beginning_offsets(partitions)
        unread = {partition for partition in partitions if ends[partition] > begins[partition]}
        while (follow or unread) and not (stopping is not None and stopping.is_set()):
            polled = await subscriber.poll(timeout_s=POLL_TIMEOUT_S, records_max=POLL_RECORDS_MAX)
            for records in polled.values():
                for record in records:
                    yield record
            for partition in list(unread):
                if await subscriber.position(partition) >= ends[partition]:
                    unread.discard(partition)
    finally:
        await subscriber.stop()


async def record_at(transport: Transport, topic: str, partition: int, offset: int) -> Record | None:
    """Return one record by its place, or None where it is no longer kept or not committed.

    Raises:
        TransportError: if the broker fails.
    """
    source = TopicPartition(topic, partition)
    subscriber = transport.subscriber(assign=[source])
    await subscriber.start()
    try:
        end = (await subscriber.end_offsets([source]))[source]
        await subscriber.seek(source, offset)
        while await subscriber.position(source) < end:
            polled = await subscriber.poll(timeout_s=POLL_TIMEOUT_S, records_max=1)
            for record in polled.get(source, []):
                return record if record.offset == offset else None
    finally:
        await subscriber.stop()
    return None
