"""Evidence from a running bus: one partition of the message log beside its outboxes is a unit of work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, cast

from govbus.audit.evidence.entry_reader import read_entry
from govbus.audit.evidence.material import Material, Stretch
from govbus.audit.pairs import Pair, pairs
from govbus.audit.report import AuditFinding
from govbus.audit.streams import PartitionStreams
from govbus.document.decision import LogEntry
from govbus.document.record import Envelope, Record
from govbus.document.statement import header_lines
from govbus.errors import MetadataError
from govbus.transport.base import TopicPartition, Transport

STRETCH_ENTRIES: Final = 500


@dataclass(frozen=True, slots=True)
class LogUnit:
    """A partition of the message log in Kafka, up to an end."""

    transport: Callable[[], Transport]
    """Makes the client, in the process that reads."""
    message_log: TopicPartition
    end: int
    """End offset of the log partition."""
    sources: Mapping[TopicPartition, int]
    """Outbox partitions that it is about, with their end offsets."""
    beginnings: Mapping[TopicPartition, int]
    """First offsets that the broker still has, of all of them."""

    @property
    def name(self) -> str:
        """Topic and partition."""
        return f"{self.message_log.topic}/{self.message_log.partition}"

    @property
    def entries(self) -> int:
        """Offsets in it, some of which are no entries."""
        return max(0, self.end - self.beginnings.get(self.message_log, 0))

    @property
    def ranges(self) -> tuple[tuple[int, int, int], ...]:
        """The partition, from its first entry on."""
        return ((self.message_log.partition, 0, self.end),)

    def stretches(self) -> Iterator[Stretch]:
        """Read the partition.

        Raises:
            TransportError: if the broker fails.
        """
        with asyncio.Runner() as runner:
            stretches = self._stretches()
            try:
                while (stretch := runner.run(_next(stretches))) is not None:
                    yield stretch
            finally:
                runner.run(_close(stretches))

    async def _stretches(self) -> AsyncIterator[Stretch]:
        number = 0
        materials: list[Material] = []
        findings: list[AuditFinding] = []
        partition = self.message_log.partition
        ends = {self.message_log: self.end, **self.sources}
        async with PartitionStreams(self.transport(), ends) as streams:
            # The short reader's entries say as much of a record's place as the codec's.
            read = cast("Callable[[bytes | None], LogEntry]", _read)
            async for pair in pairs(streams, self.message_log, self.sources, self.beginnings, read=read):
                is_unreadable = pair.entry_record is not None and pair.entry is None  # found by the engine
                if pair.finding is not None and not is_unreadable:
                    findings.append(pair.finding)
                if pair.entry_record is not None:
                    materials.append(_material(pair))
                if len(materials) >= STRETCH_ENTRIES:
                    yield Stretch(partition, number, materials, findings)
                    number += len(materials)
                    materials, findings = [], []
        yield Stretch(partition, number, materials, findings)


def _read(value: bytes | None) -> object:
    return read_entry(value or b"")


def _material(pair: Pair) -> Material:
    entry = cast("Record", pair.entry_record)
    record = pair.record
    if record is None:
        return Material(entry.value or b"", None, None, None, None, entry.offset)
    try:
        envelope = Envelope.from_headers(record.headers)
    except MetadataError:
        # No document: where the entry says that a signature proves one, the lines are not the signed ones.
        return Material(entry.value or b"", b"", b"", record.value, record, entry.offset)
    lines = header_lines(envelope.signed, envelope.kind)
    return Material(entry.value or b"", lines, envelope.salt, record.value, record, entry.offset)


async def _next(stretches: AsyncIterator[Stretch]) -> Stretch | None:
    return await anext(stretches, None)


async def _close(stretches: AsyncIterator[Stretch]) -> None:
    await stretches.aclose()  # type: ignore[attr-defined]  # it is a generator
