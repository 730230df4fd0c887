"""Publishing to Kafka in whole record batches, idempotently or in transactions.

Batches are built here, off the event loop, and handed to the client ready made: less CPU time a record than its
``send`` (measured by ``make bench``), and one future a batch instead of one a record.
"""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerClosed, UnknownTopicOrPartitionError
from aiokafka.structs import TopicPartition as KafkaTopicPartition

from govbus.document.record import Headers
from govbus.errors import TransportConfigError, TransportError
from govbus.transport.base import OutRecord, TopicPartition
from govbus.transport.kafka.errors import bounded, map_exceptions

BATCH_BYTES_MAX = 1_000_000
"""A batch this size or of one record; below Kafka's default limit of 1,048,588 bytes for a batch."""
OFF_LOOP_RECORDS_MIN = 64
"""Fewer records than this are built at once: a thread costs more."""
TOPIC_TIMEOUT_S = 5.0
"""How long a topic may take to appear; one that was just created takes milliseconds."""
DELIVERY_TIMEOUT_S = 120.0
"""How long records wait for a broker that is away before `publish` gives up; the client itself never does."""
STOP_TIMEOUT_S = 5.0
ABORT_TIMEOUT_S = 2.0
"""How long aborting may take; the next producer with the same transactional id aborts what is still open."""
SENDER_CANCELS_MAX = 20

_Sent = list[tuple[asyncio.Future[Any], list[int]]]


class _BatchingProducer:
    """An aiokafka producer that is only ever given whole batches."""

    def __init__(self, settings: Mapping[str, Any], **more: Any) -> None:
        self._settings = {**settings, "acks": "all", "max_batch_size": BATCH_BYTES_MAX, **more}
        self._producer: AIOKafkaProducer | None = None
        self._partition_counts: dict[str, int] = {}
        self._is_broken = False

    async def start(self) -> None:
        """Connect; errors as in the contract."""
        producer = AIOKafkaProducer(**self._settings)
        try:
            async with bounded("connect a producer"):
                await producer.start()
        except BaseException:
            await _discard(producer)
            raise
        self._producer, self._is_broken = producer, False

    async def stop(self) -> None:
        """Disconnect, without waiting for a broker that is away."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        if not self._is_broken:
            with contextlib.suppress(KafkaError, TimeoutError, OSError):
                await asyncio.wait_for(producer.flush(), STOP_TIMEOUT_S)
        await _discard(producer)

    @property
    def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise TransportError("kafka: the producer is not started")
        return self._producer

    async def _build(self, records: Sequence[OutRecord]) -> list[tuple[TopicPartition, Any, list[int]]]:
        """Return for each batch its target, the batch, and the places of its records."""
        await self._learn_partition_counts(records)
        if len(records) < OFF_LOOP_RECORDS_MIN:
            return self._append_all(records)
        return await asyncio.to_thread(self._append_all, records)

    async def _send(self, built: Sequence[tuple[TopicPartition, Any, list[int]]]) -> _Sent:
        """Queue batches, in order for each partition."""
        return [
            (await self._started.send_batch(batch, target.topic, partition=target.partition), places)
            for target, batch, places in built
        ]

    async def _learn_partition_counts(self, records: Sequence[OutRecord]) -> None:
        for topic in {record.topic for record in records} - self._partition_counts.keys():
            try:
                partitions = await asyncio.wait_for(self._started.partitions_for(topic), TOPIC_TIMEOUT_S)
            except (TimeoutError, UnknownTopicOrPartitionError) as err:
                raise TransportError(
                    f"kafka: topic {topic} does not exist", remedy="create it with `govbus topics apply`"
                ) from err
            self._partition_counts[topic] = len(partitions)

    def _append_all(self, records: Sequence[OutRecord]) -> list[tuple[TopicPartition, Any, list[int]]]:
        counts = self._partition_counts
        create_batch = self._started.create_batch
        open_batches: dict[tuple[str, int], tuple[Any, list[int]]] = {}
        built: list[tuple[TopicPartition, Any, list[int]]] = []
        for place, (topic, partition, key, value, headers, timestamp_ms) in enumerate(records):
            if partition is None:
                partition = zlib.crc32(key or b"") % counts[topic]  # noqa: PLW2901  # the record's own partition
            elif partition >= counts[topic]:
                raise TransportConfigError(
                    f"topic {topic} has {counts[topic]} partitions, so there is no partition {partition}"
                )
            current = open_batches.get((topic, partition))
            if current is not None and _append(current[0], timestamp_ms, key, value, headers):
                current[1].append(place)
                continue
            batch = (
                create_batch()
            )  # takes its first record whatever its size; the broker says what is too large
            _append(batch, timestamp_ms, key, value, headers)
            places = [place]
            open_batches[topic, partition] = (batch, places)
            built.append((TopicPartition(topic, partition), batch, places))
        for _, batch, _ in built:
            batch.close()
        return built


class KafkaPublisher(_BatchingProducer):
    """An idempotent `govbus.transport.base.Publisher`.

    A failed delivery leaves the client's sequence numbers out of step with the broker's for good (aiokafka lacks
    KIP-360), so the client behind this object is replaced before the next delivery.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings, enable_idempotence=True)
        self._replacing = asyncio.Lock()

    async def publish(self, records: Sequence[OutRecord]) -> list[int]:
        """Send records in order; return their offsets once every one is acknowledged."""
        await self._replace_if_broken()
        offsets = [-1] * len(records)
        try:
            async with bounded("publish", DELIVERY_TIMEOUT_S):
                built = await self._build(records)
                for metadata, places in await _acknowledged(await self._send(built)):
                    for number, place in enumerate(places):
                        offsets[place] = metadata.offset + number
        except (TransportError, TransportConfigError):
            self._is_broken = self._producer is not None
            raise
        return offsets

    async def _replace_if_broken(self) -> None:
        async with self._replacing:
            if self._is_broken:
                await self.stop()
                await self.start()


class KafkaTransactionalPublisher(_BatchingProducer):
    """A `govbus.transport.base.TransactionalPublisher`; useless after its first failure."""

    def __init__(
        self, settings: Mapping[str, Any], *, transactional_id: str, transaction_timeout_s: float
    ) -> None:
        super().__init__(
            settings,
            transactional_id=transactional_id,
            transaction_timeout_ms=int(transaction_timeout_s * 1000),
        )
        self._timeout_s = transaction_timeout_s

    async def transact(
        self, records: Sequence[OutRecord], *, offsets: Mapping[TopicPartition, int], group: str
    ) -> None:
        """Commit records and next offsets in one transaction, or nothing."""
        if self._is_broken:
            raise TransportError("kafka: this transactional producer failed before; replace it")
        producer = self._started
        next_offsets = {KafkaTopicPartition(*target): offset for target, offset in offsets.items()}
        try:
            async with bounded("commit a transaction", self._timeout_s):
                built = await self._build(records)
                await producer.begin_transaction()
                sent = await self._send(built)
                if next_offsets:
                    await producer.send_offsets_to_transaction(next_offsets, group)
                await _acknowledged(sent)  # the client would commit without what failed
                await producer.commit_transaction()
        except BaseException:
            self._is_broken = True
            with contextlib.suppress(Exception):  # reported is the first error
                await asyncio.wait_for(producer.abort_transaction(), ABORT_TIMEOUT_S)
            raise


def _append(
    batch: Any, timestamp_ms: int | None, key: bytes | None, value: bytes | None, headers: Headers
) -> bool:
    """Append one record; False where the batch is full."""
    try:
        metadata = batch.append(timestamp=timestamp_ms, key=key, value=value, headers=list(headers))
    except UnicodeEncodeError:
        escaped = [
            (name.encode("utf-8", "backslashreplace").decode("utf-8"), octets) for name, octets in headers
        ]
        metadata = batch.append(timestamp=timestamp_ms, key=key, value=value, headers=escaped)
    return metadata is not None


async def _acknowledged(sent: _Sent) -> list[tuple[Any, list[int]]]:
    """Wait for every batch, then raise the first error there was."""
    answers = await asyncio.gather(*(future for future, _ in sent), return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return [(answer, places) for answer, (_, places) in zip(answers, sent, strict=True)]


async def _discard(producer: AIOKafkaProducer) -> None:
    """Close a producer at once: what it still holds fails, and no task of it lives on.

    The client's own ``stop`` waits for the broker without a bound and leaves tasks behind when cancelled.
    """
    producer._closed = True  # noqa: SLF001  # else it warns that it was never stopped
    producer._message_accumulator.fail_all(ProducerClosed())  # noqa: SLF001
    sender_task = producer._sender.sender_task  # noqa: SLF001
    for _ in range(SENDER_CANCELS_MAX):
        if sender_task is None or sender_task.done():
            break
        sender_task.cancel()  # it goes on to wait for its requests, one by one; each takes a cancel of its own
        await asyncio.wait({sender_task}, timeout=0.05)
    with map_exceptions("disconnect a producer"), contextlib.suppress(KafkaError, OSError):
        await producer.client.close()
