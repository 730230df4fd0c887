"""The consumer process: reads inboxes and publications, verifies, and applies every document exactly once.

Kafka's own offsets are only a courtesy to whoever watches the lag. What counts is the offset that stands in the
consumer's database beside the effects.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from govbus import telemetry
from govbus.document.record import Record
from govbus.errors import Disposition, GovbusError, TransportError
from govbus.routing.directory.model import Directory
from govbus.routing.trust.status import NOTHING_KNOWN, RevocationState
from govbus.service.delivered import Delivered, Rejection, read_delivered, reject_expired
from govbus.service.inbox_database import ConsumerCounts, InboxDatabase, PartitionSlice
from govbus.signing.verifier import VerifiedSignatures
from govbus.transport.base import TopicPartition, Transport

logger = structlog.get_logger(__name__)

POLL_TIMEOUT_S = 0.2
RETRY_PAUSE_S = 0.5
RETRY_PAUSE_S_MAX = 10.0
TRANSACTION_RECORDS_MAX = 500
DIRECTORY_GRACE_S = 5.0
DIRECTORY_RULES = frozenset({"SEC-6", "AVR-4", "DRM-1", "DRM-2"})
"""Rules that a record may seem to break only because the router has a newer directory than the consumer."""


@dataclass(frozen=True, slots=True)
class ConsumerParts:
    """What a consumer is made of."""

    transport: Transport
    database: InboxDatabase
    topics: Sequence[str]
    """Inboxes and publication topics to read."""
    name: str
    """Consumer group, and the label of its metrics."""
    directory: Callable[[], Directory]
    """Returns the directory version in force."""
    clock_ms: Callable[[], int]
    revocations: Callable[[], RevocationState] = lambda: NOTHING_KNOWN
    """Returns what is known about the status of certificates."""
    transaction_records_max: int = TRANSACTION_RECORDS_MAX
    directory_grace_s: float = DIRECTORY_GRACE_S
    """How long a record that breaks one of `DIRECTORY_RULES` is tried again before it is rejected."""
    session_timeout_s: float = 10.0


class Consumer:
    """Applies each document of its topics exactly once.

    Several may share a group and one database file; a process that lost a partition without knowing cannot do harm,
    because the database takes a batch only if the partition's offset still is where the batch starts.
    """

    def __init__(self, parts: ConsumerParts) -> None:
        self._parts = parts
        self._verified = VerifiedSignatures()
        self._next: dict[TopicPartition, int | None] = {}
        """The stored offset of each partition that is being read; None where none is stored yet."""
        self._unplaced: set[TopicPartition] = set()
        """Assigned partitions that are not yet at their stored offset; what is polled from them is not taken."""
        self._doubtful: dict[TopicPartition, tuple[int, float]] = {}
        """Offset of the record that a newer directory may make good, and until when it is waited for."""
        self._applying = asyncio.Lock()
        self._subscriber = parts.transport.subscriber(
            topics=tuple(parts.topics),
            group=parts.name,
            session_timeout_s=parts.session_timeout_s,
            on_assigned=self._on_assigned,
            on_revoked=self._on_revoked,
        )

    async def run(self, stopping: asyncio.Event) -> None:
        """Consume until `stopping` is set; the open transaction is finished first.

        Raises:
            GovbusError: if something asks to halt; trouble with the broker or a held database is waited out.
        """
        await self._subscriber.start()
        logger.info("consumer started", consumer=self._parts.name, topics=list(self._parts.topics))
        pause_s = RETRY_PAUSE_S
        try:
            while not stopping.is_set():
                try:
                    await self._consume_once()
                    pause_s = RETRY_PAUSE_S
                except GovbusError as err:
                    if err.disposition is not Disposition.RETRY:
                        raise
                    logger.warning("consumer tries again", consumer=self._parts.name, error=str(err))
                    await _pause(stopping, pause_s)
                    pause_s = min(2 * pause_s, RETRY_PAUSE_S_MAX)
                    self._rewind()
        finally:
            await self._subscriber.stop()
            logger.info("consumer stopped", consumer=self._parts.name)

    async def _consume_once(self) -> None:
        """Take one batch of records through one database transaction."""
        parts = self._parts
        if self._unplaced:
            await self._place()
        polled = await self._subscriber.poll(
            timeout_s=POLL_TIMEOUT_S, records_max=parts.transaction_records_max
        )
        async with self._applying:
            # A partition that came during the poll is placed first; its records are then read again.
            wanted = {
                source: self._wanted(source, polled[source]) for source in polled if source in self._next
            }
            if not wanted:
                return
            slices = await asyncio.to_thread(self._read, wanted, parts.directory())
            counts = await asyncio.to_thread(parts.database.apply, slices, at_ms=parts.clock_ms())
            for part in slices:
                self._next[part.source] = part.end
        self._report(counts)
        await self._tell_broker(slices)
        if self._doubtful:
            await self._wait_for_directory()

    async def _place(self) -> None:
        """Go to where the database says in every partition that came, or whose last batch failed."""
        first = await self._subscriber.beginning_offsets(sorted(self._unplaced))
        for source, first_offset in first.items():
            stored = await asyncio.to_thread(self._parts.database.next_offset, source)
            if source not in self._unplaced:
                continue  # revoked in the meantime
            await self._subscriber.seek(source, max(stored or 0, first_offset))
            if stored is not None and stored < first_offset:
                logger.error(
                    "records expired before they were read", topic=source.topic, partition=source.partition
                )
            if source in self._unplaced:
                self._unplaced.discard(source)
                self._next[source] = stored

    def _wanted(self, source: TopicPartition, records: Sequence[Record]) -> list[Record]:
        """Return the records that are not applied yet; a broker may return some from before a seek."""
        start = self._next[source] or 0
        return [record for record in records if record.offset >= start]

    def _read(self, wanted: dict[TopicPartition, list[Record]], directory: Directory) -> list[PartitionSlice]:
        """Verify and decode, each partition up to the first record that a newer directory may make good."""
        slices: list[PartitionSlice] = []
        revocations = self._parts.revocations()
        for source, records in wanted.items():
            end: int | None = None
            delivered: list[Delivered] = []
            for record in records:
                one = reject_expired(
                    read_delivered(record, directory, self._verified, revocations), self._parts.clock_ms()
                )
                if isinstance(one, Rejection) and self._is_doubtful(source, one):
                    break
                delivered.append(one)
                end = record.offset + 1
            if end is not None:
                slices.append(PartitionSlice(source, self._next[source], end, delivered))
        return slices

    def _is_doubtful(self, source: TopicPartition, rejection: Rejection) -> bool:
        """Return whether to wait for a newer directory before a record is rejected."""
        if rejection.rule not in DIRECTORY_RULES or self._parts.directory_grace_s <= 0:
            return False
        now_ms = self._parts.clock_ms()
        offset, until_ms = self._doubtful.get(source, (-1, 0.0))
        if offset != rejection.position.offset:
            until_ms = now_ms + self._parts.directory_grace_s * 1000
            self._doubtful[source] = rejection.position.offset, until_ms
        if now_ms < until_ms:
            return True
        del self._doubtful[source]
        return False

    async def _wait_for_directory(self) -> None:
        """Go back to the records in doubt, and leave the directory some time to arrive."""
        await asyncio.sleep(POLL_TIMEOUT_S)
        for source, (offset, _) in list(self._doubtful.items()):
            if (self._next.get(source) or 0) > offset:
                del self._doubtful[source]  # it verified in the meantime
            elif source in self._next:
                await self._subscriber.seek(source, offset)

    def _report(self, counts: ConsumerCounts) -> None:
        telemetry.DOCUMENTS_APPLIED.labels(consumer=self._parts.name).inc(counts.applied)
        if counts.rejected:
            logger.warning("records rejected", consumer=self._parts.name, records=counts.rejected)

    async def _tell_broker(self, slices: Sequence[PartitionSlice]) -> None:
        """Store the offsets with the broker too, where tools that show the lag look for them."""
        offsets = {part.source: part.end for part in slices if part.source in self._next}
        if not offsets:
            return
        try:
            await self._subscriber.commit(offsets)
        except TransportError as err:
            logger.info("offsets not stored with the broker", consumer=self._parts.name, error=str(err))

    async def _on_assigned(self, sources: Sequence[TopicPartition]) -> None:
        self._unplaced.update(sources)

    async def _on_revoked(self, sources: Sequence[TopicPartition]) -> None:
        """Let the open transaction end before the partitions go to somebody else."""
        async with self._applying:
            for source in sources:
                self._unplaced.discard(source)
                self._next.pop(source, None)
                self._doubtful.pop(source, None)

    def _rewind(self) -> None:
        """Have every assigned partition read again from where the database says."""
        self._unplaced.update(self._next)
        self._next.clear()


async def _pause(stopping: asyncio.Event, pause_s: float) -> None:
    """Wait, but not beyond a request to stop."""
    try:
        await asyncio.wait_for(stopping.wait(), pause_s)
    except TimeoutError:
        return
