"""One outbox partition served by one transactional producer, from taking it over to letting it go.

A session is crash-only: whatever goes wrong, it ends, and the next one fences its producer, reads the rest of the
message log and goes on from the last committed offset. Nothing is retried inside, so nothing can be done twice.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from govbus import telemetry
from govbus.document import topics
from govbus.document.ids import Origin
from govbus.document.record import Record
from govbus.errors import MetadataError
from govbus.routing.directory.model import Directory
from govbus.routing.history import Prior, prior_of_entry
from govbus.routing.trust.check import STATUS_RULE
from govbus.routing.trust.status import NOTHING_KNOWN, RevocationState
from govbus.schemas.core import decode_log_entry
from govbus.service.router.batch import BatchRouter, RoutedBatch
from govbus.service.router.state import PartitionHistory, RouterState
from govbus.settings import RouterSettings
from govbus.signing.signer import Signer
from govbus.signing.verifier import VerifiedSignatures
from govbus.transport.base import IsolationLevel, Subscriber, TopicPartition, Transport

logger = structlog.get_logger(__name__)

RECORDS_WAITING_FACTOR = 2
"""Records that may wait in a session, in transactions of the greatest size; beyond that its partition is paused."""
RESTORE_POLL_S = 0.2
ALARM_INTERVAL_S = 60.0
"""How often a session says that it warns or refuses because the status of certificates is not known."""
MARK_INTERVAL_S = 60.0
"""How often a session notes how far the message log is remembered, so that a takeover reads little of it."""


@dataclass(frozen=True, slots=True)
class SessionParts:
    """What all sessions of one router share."""

    transport: Transport
    state: RouterState
    signer: Signer
    name: str
    settings: RouterSettings
    directory: Callable[[], Directory]
    """Returns the directory version in force."""
    clock_ms: Callable[[], int]
    log_partitions: int
    revocations: Callable[[], RevocationState] = lambda: NOTHING_KNOWN
    """Returns what is known about the status of certificates."""


class PartitionSession:
    """Serves one outbox partition until it is closed or fails."""

    def __init__(self, source: TopicPartition, parts: SessionParts) -> None:
        self.source = source
        self._parts = parts
        self._log_partition = topics.message_log_partition(source.partition, parts.log_partitions)
        self._producer = parts.transport.transactional_publisher(
            f"{parts.settings.group}-{source.topic}-{source.partition}"
        )
        self._history = PartitionHistory(
            parts.state, run_documents_max=parts.settings.receipt_run_documents_max
        )
        self._router = BatchRouter(
            history=self._history,
            verified=VerifiedSignatures(),
            signer=parts.signer,
            name=parts.name,
            log_partition=self._log_partition,
            receipt_run_documents_max=parts.settings.receipt_run_documents_max,
        )
        self._waiting: deque[Record] = deque()
        self._wake = asyncio.Event()
        self._is_closing = False
        self.next_offset = 0
        """After the last record that was given; where to read on."""
        self._mark_due_s = time.monotonic() + MARK_INTERVAL_S
        self._alarm_due_s = 0.0

    @property
    def has_room(self) -> bool:
        """Whether more records may be given without holding too many in memory."""
        return len(self._waiting) < RECORDS_WAITING_FACTOR * self._parts.settings.transaction_documents_max

    def give(self, records: list[Record]) -> None:
        """Take records of the partition, in offset order."""
        self._waiting.extend(records)
        self.next_offset = records[-1].offset + 1
        self._wake.set()

    def close(self) -> None:
        """Ask the session to end after the transaction that is open."""
        self._is_closing = True
        self._wake.set()

    async def take_over(self) -> None:
        """Fence whoever served the partition before and learn what it decided.

        Raises:
            TransportError: if the broker fails; the session is then useless.
        """
        await self._producer.start()
        await restore(self._parts, self.source, self._log_partition)

    async def run(self) -> None:
        """Route records until closed.

        Raises:
            TransportError: if a transaction fails; nothing of it is visible, and the session is useless.
        """
        while not self._is_closing:
            if self._waiting:
                await self._route_waiting()
            else:
                self._wake.clear()
                await self._wake.wait()

    async def discard(self) -> None:
        """Stop the producer; a transaction that is still open is aborted."""
        await self._producer.stop()

    async def _route_waiting(self) -> None:
        """Put what waits, up to the greatest size, through one transaction."""
        parts = self._parts
        count = min(len(self._waiting), parts.settings.transaction_documents_max)
        records = [self._waiting.popleft() for _ in range(count)]
        started = time.monotonic()
        batch = await asyncio.to_thread(
            self._router.route,
            records,
            parts.directory(),
            at_ms=parts.clock_ms(),
            revocations=parts.revocations(),
        )
        await self._producer.transact(
            batch.records, offsets={self.source: records[-1].offset + 1}, group=parts.settings.group
        )
        await asyncio.to_thread(parts.state.remember, batch.priors, source=self.source, log_offset=None)
        self._history.forget_fresh()
        if time.monotonic() >= self._mark_due_s:
            await mark(parts, self.source, self._log_partition)
            self._mark_due_s = time.monotonic() + MARK_INTERVAL_S
        _count(batch, count, time.monotonic() - started)
        if batch.rules[STATUS_RULE] and time.monotonic() >= self._alarm_due_s:
            self._alarm_due_s = time.monotonic() + ALARM_INTERVAL_S
            logger.error(
                "the status of certificates is not known, or out of date",
                source=str(self.source),
                documents=batch.rules[STATUS_RULE],
                remedy="see govbus revocations list",
            )


def _count(batch: RoutedBatch, count: int, seconds: float) -> None:
    telemetry.TRANSACTION_SECONDS.observe(seconds)
    telemetry.TRANSACTION_DOCUMENTS.observe(count)
    telemetry.DOCUMENTS_DELIVERED.inc(batch.delivered)
    telemetry.RECEIPTS_SENT.inc(len(batch.receipts))
    for (topic, outcome), documents in batch.outcomes.items():
        agency = topic.removeprefix(topics.OUT_PREFIX)
        telemetry.DOCUMENTS_DECIDED.labels(agency=agency, outcome=outcome).inc(documents)
    for rule, findings in batch.rules.items():
        telemetry.FINDINGS.labels(rule=rule).inc(findings)


async def restore(parts: SessionParts, source: TopicPartition, log_partition: int) -> None:
    """Read what the message log has about an outbox partition beyond what is remembered.

    Reads committed entries up to the log's end as it stands now. The partition's former producer must be fenced
    already, so that nothing of it can still appear.
    """
    message_log = TopicPartition(topics.MESSAGE_LOG, log_partition)
    subscriber = parts.transport.subscriber(assign=[message_log])
    await subscriber.start()
    try:
        end = (await subscriber.end_offsets([message_log], IsolationLevel.READ_UNCOMMITTED))[message_log]
        await subscriber.seek(message_log, parts.state.log_offset(source))
        restored = 0
        while await subscriber.position(message_log) < end:
            restored += await _restore_some(parts, subscriber, source, message_log)
        await asyncio.to_thread(parts.state.remember, [], source=source, log_offset=end)
    finally:
        await subscriber.stop()
    logger.info("partition taken over", topic=source.topic, partition=source.partition, restored=restored)


async def mark(parts: SessionParts, source: TopicPartition, log_partition: int) -> None:
    """Note that everything in the message log so far about an outbox partition is remembered.

    To be called by the partition's only writer while it has no transaction open: what it writes later lies behind
    the last stable offset as it is now.
    """
    message_log = TopicPartition(topics.MESSAGE_LOG, log_partition)
    subscriber = parts.transport.subscriber(assign=[message_log])
    await subscriber.start()
    try:
        end = (await subscriber.end_offsets([message_log]))[message_log]
    finally:
        await subscriber.stop()
    await asyncio.to_thread(parts.state.remember, [], source=source, log_offset=end)


async def _restore_some(
    parts: SessionParts, subscriber: Subscriber, source: TopicPartition, message_log: TopicPartition
) -> int:
    polled = await subscriber.poll(timeout_s=RESTORE_POLL_S, records_max=5000)
    records = polled.get(message_log, [])
    if records:
        priors = await asyncio.to_thread(priors_of_entries, records, source)
        await asyncio.to_thread(
            parts.state.remember, priors, source=source, log_offset=records[-1].offset + 1
        )
        return len(priors)
    return 0


def priors_of_entries(records: list[Record], source: TopicPartition) -> list[tuple[Origin, Prior]]:
    """Return what message log records say about documents of one outbox partition that used up an index."""
    priors: list[tuple[Origin, Prior]] = []
    for record in records:
        if record.value is None:
            continue
        entry = decode_log_entry(record.value)
        if entry.source[:2] != source:
            continue
        try:
            prior = prior_of_entry(entry)
        except MetadataError:  # a foreign or damaged entry; the auditor reports it, the router must not stop
            logger.exception("message log entry without a readable statement", offset=record.offset)
            continue
        if prior is not None:
            priors.append(prior)
    return priors
