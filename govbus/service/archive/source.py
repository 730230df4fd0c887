"""The topics that an archive is written from, read from where its last segment ended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import structlog

from govbus.audit.archive.reader import Archive, Segment
from govbus.audit.streams import PartitionStreams
from govbus.document import topics
from govbus.document.decision import SourcePosition
from govbus.document.ids import AgencyId
from govbus.document.record import Record
from govbus.errors import ConfigError, LogIntegrityError
from govbus.message_log.keys import log_origin
from govbus.transport.base import TopicPartition, Transport, partition_counts

logger = structlog.get_logger(__name__)

CHECKPOINTS = TopicPartition(topics.CHECKPOINTS, 0)
DIRECTORY = TopicPartition(topics.DIRECTORY, 0)
REVOCATIONS = TopicPartition(topics.REVOCATIONS, 0)


@dataclass(frozen=True, slots=True)
class Reach:
    """How far the topics reach, asked in an order that makes a bus in motion look still.

    Checkpoints first, because they cover entries that were there before; then the log; then all that its entries
    speak of.
    """

    ends: Mapping[TopicPartition, int]
    beginnings: Mapping[TopicPartition, int]

    @property
    def log_partitions(self) -> list[int]:
        """Partitions of the message log, in order."""
        return sorted(one.partition for one in self.ends if one.topic == topics.MESSAGE_LOG)

    @classmethod
    async def ask(cls, transport: Transport) -> Reach:
        """Ask the broker.

        Raises:
            ConfigError: if there is no message log, or a topic has more partitions than one that must have one.
            TransportError: if the broker does not answer.
        """
        counts = await partition_counts(transport)
        for name in (topics.MESSAGE_LOG, topics.CHECKPOINTS, topics.DIRECTORY):
            if name not in counts:
                raise ConfigError(f"topic {name} is missing", remedy="point --bootstrap-servers at a bus")
        singles = [
            name for name in (topics.CHECKPOINTS, topics.DIRECTORY, topics.REVOCATIONS) if name in counts
        ]
        for name in singles:
            if counts[name] != 1:
                raise ConfigError(f"topic {name} must have 1 partition, found {counts[name]}")
        outboxes = sorted(name for name in counts if name.startswith(topics.OUT_PREFIX))
        groups = [
            [CHECKPOINTS],
            _all(counts, [topics.MESSAGE_LOG]),
            _all(counts, outboxes),
            _all(counts, singles[1:]),
        ]
        everything = [partition for group in groups for partition in group]
        subscriber = transport.subscriber(assign=everything)
        await subscriber.start()
        try:
            ends: dict[TopicPartition, int] = {}
            for group in groups:
                ends |= await subscriber.end_offsets(group) if group else {}
            return cls(ends, await subscriber.beginning_offsets(everything))
        finally:
            await subscriber.stop()


class BusSource:
    """Reads what an archive does not have yet; each partition once, from front to back."""

    def __init__(self, transport: Transport, reach: Reach, last: Segment | None) -> None:
        """Prepare to go on behind a segment.

        Args:
            transport: the broker.
            reach: how far to read.
            last: the archive's newest segment.

        Raises:
            LogIntegrityError: if the broker has less than the archive; it is not the one that was archived.
        """
        self.positions = {} if last is None else last.positions()
        """Offset of the last record taken, by topic and partition, of message log and outboxes."""
        self.skipped = 0
        """Outbox records that no entry of the message log is about, before others that one is about."""
        self._reach = reach
        self._starts = {
            partition: max(start, reach.beginnings[partition])
            for partition, start in _starts(reach, last, self.positions).items()
        }
        _require_reached(reach, self._starts, last)
        self._streams = PartitionStreams(transport, reach.ends, self._starts)

    async def __aenter__(self) -> Self:
        await self._streams.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._streams.__aexit__(kind, error, trace)

    async def see_again(self, archive: Archive, bus: AgencyId, sizes: Mapping[int, int]) -> None:
        """Compare the last archived entry of every log partition with the one at its place on the broker.

        Raises:
            LogIntegrityError: if another one stands there; this is not the log that was archived.
        """
        for number, size in sizes.items():
            partition = TopicPartition(topics.MESSAGE_LOG, number)
            offset = self.positions.get(partition)
            if offset is None or size == 0 or self._starts.get(partition) != offset:
                continue
            record = await self._streams.take(partition)
            (entry,) = archive.entries(log_origin(bus, number), size - 1, size)
            if record is None or (record.offset, record.value) != (offset, entry):
                raise LogIntegrityError(
                    f"{log_origin(bus, number)}: entry {size - 1} was archived from offset {offset}, "
                    "and the broker has another one there",
                    remedy="do not archive this log; find out who replaced it",
                )

    def checkpoints(self) -> AsyncIterator[Record]:
        """Yield the records of ``govbus.checkpoints`` that are not archived."""
        return self._streams.records(CHECKPOINTS)

    async def rest_of(self, partition: TopicPartition) -> list[Record]:
        """Return all records of a small topic that are not archived; none where the bus has no such topic."""
        if partition not in self._reach.ends:
            return []
        return [record async for record in self._streams.records(partition)]

    async def entry(self, number: int) -> Record:
        """Return the next entry of a log partition.

        Raises:
            LogIntegrityError: if there is none, though a checkpoint covers it.
        """
        partition = TopicPartition(topics.MESSAGE_LOG, number)
        record = await self._streams.take(partition)
        if record is None:
            raise LogIntegrityError(
                f"{partition.topic}/{number} ends before the entries that a signed checkpoint covers",
                remedy="do not archive this log; find out who cut it",
            )
        self.positions[partition] = record.offset
        return record

    async def outbox_record(self, source: SourcePosition) -> Record | None:
        """Return the outbox record that an entry is about; None where the broker no longer has it."""
        partition = TopicPartition(source.topic, source.partition)
        if partition not in self._reach.ends or not source.topic.startswith(topics.OUT_PREFIX):
            return None
        record = await self._streams.peek(partition)
        while record is not None and record.offset < source.offset:
            self.skipped += 1
            await self._streams.take(partition)
            record = await self._streams.peek(partition)
        if record is None or record.offset != source.offset:
            return None
        self.positions[partition] = record.offset
        return await self._streams.take(partition)


def entries_beyond(reach: Reach, last: Segment | None) -> int:
    """Return how many entries the log has beyond an archive, at most: offsets have holes.

    Raises:
        MissingPartError: if the positions of the last segment are not there.
        LogIntegrityError: if they do not follow the format.
    """
    starts = _starts(reach, last, {} if last is None else last.positions())
    return sum(reach.ends[one] - start for one, start in starts.items() if one.topic == topics.MESSAGE_LOG)


def _starts(
    reach: Reach, last: Segment | None, positions: Mapping[tuple[str, int], int]
) -> dict[TopicPartition, int]:
    """Return where to read each partition from; the last archived entry of a log is read once more."""
    starts = dict.fromkeys(reach.ends, 0)
    for place, offset in positions.items():
        partition = TopicPartition(*place)
        if partition in starts:
            starts[partition] = offset if partition.topic == topics.MESSAGE_LOG else offset + 1
    if last is not None:
        manifest = last.manifest
        starts[CHECKPOINTS] = manifest.checkpoints.end
        starts[DIRECTORY] = manifest.directory.end
        if REVOCATIONS in starts:
            starts[REVOCATIONS] = manifest.revocations.end
    return starts


def _require_reached(reach: Reach, starts: Mapping[TopicPartition, int], last: Segment | None) -> None:
    for partition, start in starts.items():
        if start > reach.ends[partition]:
            raise LogIntegrityError(
                f"{partition.topic}/{partition.partition} ends at offset {reach.ends[partition]}, "
                f"and the archive has records up to {start}",
                remedy="this is not the bus that was archived, or it was set back; find out which",
            )
    if last is not None and len(last.manifest.logs) > len(reach.log_partitions):
        raise LogIntegrityError(
            f"the message log has {len(reach.log_partitions)} partitions, the archive {len(last.manifest.logs)}"
        )


def _all(counts: Mapping[str, int], names: list[str]) -> list[TopicPartition]:
    return [TopicPartition(name, number) for name in names for number in range(counts[name])]
