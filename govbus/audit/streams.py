"""Several partitions read side by side, each record by record, with a bound on what waits in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Self

from govbus.document.record import Record
from govbus.errors import TransportError
from govbus.transport.base import Subscriber, TopicPartition, Transport

WAITING_RECORDS_MAX = 500
"""Records of one partition that wait before it is paused; one more poll may come on top."""
POLL_RECORDS_MAX = 2000
POLL_TIMEOUT_S = 0.5
IDLE_POLLS_MAX = 60
"""Polls without a record or a step forward after which the broker counts as stuck: half a minute."""


class PartitionStreams:
    """Reads partitions from their first records, or given ones, to given end offsets."""

    def __init__(
        self,
        transport: Transport,
        ends: Mapping[TopicPartition, int],
        starts: Mapping[TopicPartition, int] | None = None,
    ) -> None:
        """Prepare to read each partition up to, not including, its end offset.

        Args:
            transport: the broker.
            ends: offset to stop before, by partition.
            starts: offset to start at, of partitions that are not read from their first record.
        """
        self._ends = dict(ends)
        self._starts = dict(starts or {})
        self._subscriber: Subscriber = transport.subscriber(assign=sorted(self._ends))
        self._waiting: dict[TopicPartition, deque[Record]] = {partition: deque() for partition in self._ends}
        self._paused: set[TopicPartition] = set()
        self._finished = {partition for partition, end in self._ends.items() if end <= 0}

    async def __aenter__(self) -> Self:
        await self._subscriber.start()
        for partition, offset in self._starts.items():
            await self._subscriber.seek(partition, offset)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._subscriber.stop()

    async def peek(self, partition: TopicPartition) -> Record | None:
        """Return the next record without taking it; None at the end.

        Raises:
            TransportError: if the broker fails, or nothing moves for half a minute.
        """
        waiting = self._waiting[partition]
        idle = 0
        while not waiting:
            if partition in self._finished:
                return None
            idle = 0 if await self._poll(partition) else idle + 1
            if idle >= IDLE_POLLS_MAX:
                raise TransportError(
                    f"{partition.topic}/{partition.partition} does not move towards offset {self._ends[partition]}",
                    remedy="look for a transaction that stays open",
                )
        return waiting[0]

    async def take(self, partition: TopicPartition) -> Record | None:
        """Return the next record; None at the end. Errors as for `peek`."""
        record = await self.peek(partition)
        if record is not None:
            self._waiting[partition].popleft()
        return record

    async def records(self, partition: TopicPartition) -> AsyncIterator[Record]:
        """Yield the records of one partition; errors as for `peek`."""
        while (record := await self.take(partition)) is not None:
            yield record

    async def _poll(self, wanted: TopicPartition) -> bool:
        """Fetch once, unless the end is reached already; True if anything moved."""
        await self._look_for_end(wanted)
        if wanted in self._finished:
            return True
        if wanted in self._paused:
            self._subscriber.resume(wanted)
            self._paused.discard(wanted)
        polled = await self._subscriber.poll(timeout_s=POLL_TIMEOUT_S, records_max=POLL_RECORDS_MAX)
        for partition, records in polled.items():
            end = self._ends[partition]
            waiting = self._waiting[partition]
            waiting.extend(record for record in records if record.offset < end)
            if records[-1].offset >= end - 1:
                self._finish(partition)
            elif len(waiting) >= WAITING_RECORDS_MAX and partition not in self._paused:
                self._subscriber.pause(partition)
                self._paused.add(partition)
        await self._look_for_end(wanted)
        return bool(polled) or wanted in self._finished

    async def _look_for_end(self, partition: TopicPartition) -> None:
        """Finish a partition that is read to its end.

        Transaction markers at the end are no records: only the position tells that nothing is left. It is asked before
        every poll, too, because a poll for what is not there takes all of its time.
        """
        is_idle = partition not in self._finished and not self._waiting[partition]
        if is_idle and await self._subscriber.position(partition) >= self._ends[partition]:
            self._finish(partition)

    def _finish(self, partition: TopicPartition) -> None:
        self._finished.add(partition)
        if partition not in self._paused:
            self._subscriber.pause(partition)
            self._paused.add(partition)
