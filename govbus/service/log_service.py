"""The log service: reads the message log, keeps its trees, and signs a checkpoint of each that grew.

A checkpoint is stored durably before it is published, so that a crash at any point leaves either nothing or a note
that is published again. Whatever contradicts an earlier checkpoint stops the service: it never repairs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import structlog

from govbus import telemetry
from govbus.document import topics
from govbus.document.ids import AgencyId
from govbus.document.record import CONTENT_TYPE, Record
from govbus.errors import ConfigError, Disposition, GovbusError, LogIntegrityError, NoteError
from govbus.message_log.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from govbus.message_log.keys import LogKeys, log_origin
from govbus.service.log_partition import LogPartition
from govbus.service.log_state import LogState, SignedTree
from govbus.transport.base import (
    OutRecord,
    Publisher,
    Subscriber,
    TopicPartition,
    Transport,
    partition_counts,
)

logger = structlog.get_logger(__name__)

POLL_TIMEOUT_S = 0.1
POLL_RECORDS_MAX = 5000
RETRY_PAUSE_S = 0.5
NOTE_TYPE = b"text/plain; charset=utf-8"


class LogService:
    """One process that signs for all partitions of one bus's message log."""

    def __init__(
        self,
        transport: Transport,
        *,
        bus: AgencyId,
        keys: LogKeys,
        state: LogState,
        clock_ms: Callable[[], int],
        interval_s: float = 1.0,
    ) -> None:
        """Prepare; nothing is read before `run`.

        Args:
            transport: the broker.
            bus: first part of every log's origin.
            keys: sign the checkpoints.
            state: what was signed before.
            clock_ms: milliseconds since 1970; the time in ML-DSA-44 signatures.
            interval_s: between two checkpoints of one log.
        """
        self._transport = transport
        self._bus = bus
        self._keys = keys
        self._state = state
        self._clock_ms = clock_ms
        self._interval_s = interval_s
        self._logs: dict[int, LogPartition] = {}
        self._ends: dict[TopicPartition, int] = {}
        """Of both topics, at the start."""

    @property
    def sizes(self) -> dict[int, int]:
        """Entries read so far, by partition."""
        return {partition: log.tree.size for partition, log in self._logs.items()}

    async def run(self, stopping: asyncio.Event) -> None:
        """Sign until `stopping` is set; the last thing is a checkpoint of what grew since the one before.

        Raises:
            LogIntegrityError: if the log contradicts what was signed; a person has to look.
            ConfigError: if the topics are missing.
            GovbusError: if the broker does not answer at the start, or something asks to halt; later broker
                trouble is waited out.
        """
        logs, checkpoints = await self._partitions()
        publisher, subscriber = (
            self._transport.publisher(),
            self._transport.subscriber(assign=[*logs, *checkpoints]),
        )
        try:
            await publisher.start()
            await subscriber.start()
            await self._resume(subscriber, logs, checkpoints)
            await self._serve(subscriber, publisher, stopping)
            await self._sign_last(publisher)
        finally:
            await subscriber.stop()
            await publisher.stop()
        logger.info("log service stopped", entries=sum(self.sizes.values()))

    async def _partitions(self) -> tuple[list[TopicPartition], list[TopicPartition]]:
        counts = await partition_counts(self._transport)
        return _all_partitions(topics.MESSAGE_LOG, counts), _all_partitions(topics.CHECKPOINTS, counts)

    async def _resume(
        self, subscriber: Subscriber, logs: list[TopicPartition], checkpoints: list[TopicPartition]
    ) -> None:
        """Go back to the last signed tree of every log; entries wait until all checkpoints are known."""
        self._ends = await subscriber.end_offsets([*logs, *checkpoints])
        beginnings = await subscriber.beginning_offsets(logs)
        for partition in logs:
            origin = log_origin(self._bus, partition.partition)
            log = LogPartition(origin, await asyncio.to_thread(self._state.signed, origin))
            if beginnings[partition] > log.start_offset:
                raise LogIntegrityError(
                    f"{origin}: entries before offset {beginnings[partition]} are gone, needed from {log.start_offset}"
                )
            self._logs[partition.partition] = log
            await subscriber.seek(partition, log.start_offset)
            subscriber.pause(partition)
        for partition in checkpoints:
            await subscriber.seek(partition, min(self._state.position(partition), self._ends[partition]))
        while not await self._are_read(subscriber, checkpoints):
            await self._read(subscriber)
        for partition in logs:
            subscriber.resume(partition)
        logger.info("log service started", partitions=len(logs), entries=sum(self.sizes.values()))

    async def _are_read(self, subscriber: Subscriber, partitions: list[TopicPartition]) -> bool:
        return all(
            [await subscriber.position(partition) >= self._ends[partition] for partition in partitions]
        )

    async def _serve(self, subscriber: Subscriber, publisher: Publisher, stopping: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while not stopping.is_set():
            try:
                await self._read(subscriber)
                await self._restore(subscriber)
                if loop.time() >= due_s:
                    due_s = loop.time() + self._interval_s
                    await self._sign(publisher)
            except GovbusError as err:
                if err.disposition is not Disposition.RETRY:
                    raise
                logger.warning("broker does not answer", error=str(err))
                await asyncio.sleep(RETRY_PAUSE_S)

    async def _read(self, subscriber: Subscriber) -> None:
        """Take what has come: entries into the trees, checkpoints as promises to keep."""
        polled = await subscriber.poll(
            timeout_s=min(POLL_TIMEOUT_S, self._interval_s), records_max=POLL_RECORDS_MAX
        )
        for partition, records in polled.items():
            if partition.topic == topics.CHECKPOINTS:
                for record in records:
                    self._take_checkpoint(record)
                await asyncio.to_thread(self._state.keep_position, partition, records[-1].offset + 1)
        for partition, records in polled.items():
            if partition.topic == topics.MESSAGE_LOG:
                self._logs[partition.partition].extend(records)

    def _take_checkpoint(self, record: Record) -> None:
        key = (record.key or b"").decode("ascii", "replace")
        log = self._logs.get(int(key)) if key.isascii() and key.isdigit() else None
        if log is None:
            logger.warning("checkpoint of no partition of ours", offset=record.offset)
            return
        try:
            published = open_checkpoint(record.value or b"", self._keys.public.verifiers(log.origin))
        except NoteError as err:  # not our promise: written by somebody else, or with keys of before
            logger.warning("checkpoint that our keys did not sign", offset=record.offset, error=str(err))
            return
        log.promise(published, self._state.root_at(log.origin, published.size))

    async def _restore(self, subscriber: Subscriber) -> None:
        for number, log in self._logs.items():
            partition = TopicPartition(topics.MESSAGE_LOG, number)
            if not log.is_restored and await subscriber.position(partition) >= self._ends[partition]:
                log.finish_restore()

    async def _sign(self, publisher: Publisher) -> None:
        """Sign, store, and publish a checkpoint of every log that grew, and those that were not published yet."""
        for number, log in self._logs.items():
            signed = await asyncio.to_thread(self._state.signed, log.origin)
            if log.may_sign and (signed is None or signed.is_published) and log.tree.size > log.signed_size:
                signed = self._signed_tree(log)
                await asyncio.to_thread(self._state.keep, log.origin, signed)
                log.signed_size = log.tree.size
                telemetry.CHECKPOINTS_SIGNED.inc()
            if signed is not None and not signed.is_published:
                await self._publish(publisher, number, signed.note)
                await asyncio.to_thread(self._state.mark_published, log.origin)

    async def _sign_last(self, publisher: Publisher) -> None:
        """Sign what grew since the last time; a note that the broker does not take now comes at the next start."""
        try:
            await self._sign(publisher)
        except GovbusError as err:
            if err.disposition is not Disposition.RETRY:
                raise
            logger.warning("last checkpoint not published", error=str(err))

    def _signed_tree(self, log: LogPartition) -> SignedTree:
        at_ms = self._clock_ms()
        checkpoint = Checkpoint(log.origin, log.tree.size, log.tree.root())
        note = sign_checkpoint(checkpoint, self._keys.signers(log.origin), at_s=at_ms // 1000)
        return SignedTree(log.tree.copy(), log.last_offset, log.last_leaf, note, is_published=False)

    async def _publish(self, publisher: Publisher, number: int, note: str) -> None:
        headers = ((CONTENT_TYPE, NOTE_TYPE),)
        record = OutRecord(
            topics.CHECKPOINTS,
            None,
            str(number).encode("ascii"),
            note.encode("utf-8"),
            headers,
            self._clock_ms(),
        )
        await publisher.publish([record])


def _all_partitions(topic: str, counts: Mapping[str, int]) -> list[TopicPartition]:
    if topic not in counts:
        raise ConfigError(f"topic {topic} is missing", remedy="create it with `govbus topics apply`")
    return [TopicPartition(topic, number) for number in range(counts[topic])]
