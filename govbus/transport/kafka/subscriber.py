"""Reading from Kafka, including what the client itself cannot read."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka.errors import CorruptRecordException, KafkaError, UnsupportedCodecError
from aiokafka.structs import ConsumerRecord
from aiokafka.structs import TopicPartition as KafkaTopicPartition

from govbus.document.record import Record
from govbus.errors import TransportError
from govbus.transport.base import AssignmentCallback, IsolationLevel, TopicPartition
from govbus.transport.kafka.errors import bounded, map_exceptions
from govbus.transport.kafka.tolerant import read_tolerantly

FETCH_PARTITION_BYTES_MAX = 4 * 1024 * 1024
FETCH_BYTES_MAX = 32 * 1024 * 1024
FETCH_WAIT_MS = 100
"""How long the broker holds an answer that is empty; a partition that is resumed waits as long at worst."""
POLL_INTERVAL_MAX_MS = 300_000
POLL_GRACE_S = 1.0
"""How much longer than its timeout a poll may take; the client waits for the end of a rebalance without a bound."""
STOP_TIMEOUT_S = 10.0
HEARTBEATS_A_SESSION = 4
CAREFUL_S = 10.0
"""How long each partition is read alone after one held what the client cannot read: more may follow."""
CAREFUL_PAUSE_S = 0.01

_UNREADABLE = (
    CorruptRecordException,
    UnsupportedCodecError,
    ArithmeticError,
    AssertionError,
    EOFError,
    LookupError,
    ValueError,
    gzip.BadGzipFile,
    zlib.error,
)
"""What the client raises for a batch: on every try, and after dropping the records it had taken out before."""


@dataclass(frozen=True, slots=True)
class SubscriptionRequest:
    """What to read, and how (`govbus.transport.base.Transport.subscriber`)."""

    assign: tuple[TopicPartition, ...]
    topics: tuple[str, ...]
    pattern: str | None
    group: str | None
    isolation: IsolationLevel
    session_timeout_s: float
    metadata_interval_s: float
    on_assigned: AssignmentCallback | None
    on_revoked: AssignmentCallback | None


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # the client has no types
    """Passes assignments on and keeps our own positions in step with them."""

    def __init__(self, request: SubscriptionRequest, positions: dict[TopicPartition, int]) -> None:
        self._request = request
        self._positions = positions

    async def on_partitions_revoked(self, revoked: Iterable[KafkaTopicPartition]) -> None:
        partitions = sorted(TopicPartition(*one) for one in revoked)
        for partition in partitions:
            self._positions.pop(partition, None)
        if self._request.on_revoked is not None and partitions:
            await self._request.on_revoked(partitions)

    async def on_partitions_assigned(self, assigned: Iterable[KafkaTopicPartition]) -> None:
        partitions = sorted(TopicPartition(*one) for one in assigned)
        if self._request.on_assigned is not None and partitions:
            await self._request.on_assigned(partitions)


class KafkaSubscriber:
    """A `govbus.transport.base.Subscriber`."""

    def __init__(self, settings: Mapping[str, Any], request: SubscriptionRequest) -> None:
        self._settings = dict(settings)
        self._request = request
        self._consumer: AIOKafkaConsumer | None = None
        self._positions: dict[TopicPartition, int] = {}
        """After the last record that was returned, for each partition."""
        self._displaced: set[TopicPartition] = set()
        """Partitions that the client took past what was returned."""
        self._careful_until = 0.0

    async def start(self) -> None:
        """Connect; in group mode also join."""
        request = self._request
        session_ms = int(request.session_timeout_s * 1000)
        consumer = AIOKafkaConsumer(
            **self._settings,
            group_id=request.group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level=request.isolation.value,
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=max(100, session_ms // HEARTBEATS_A_SESSION),
            max_poll_interval_ms=POLL_INTERVAL_MAX_MS,
            metadata_max_age_ms=int(request.metadata_interval_s * 1000),
            max_partition_fetch_bytes=FETCH_PARTITION_BYTES_MAX,
            fetch_max_bytes=FETCH_BYTES_MAX,
            fetch_max_wait_ms=FETCH_WAIT_MS,
        )
        listener = _Listener(request, self._positions)
        if request.assign:
            consumer.assign([KafkaTopicPartition(*partition) for partition in request.assign])
        elif request.pattern is not None:
            consumer.subscribe(pattern=request.pattern, listener=listener)
        else:
            consumer.subscribe(topics=list(request.topics), listener=listener)
        self._consumer = consumer  # callbacks may come, and seek, before the start is over
        try:
            async with bounded("connect a consumer"):
                await consumer.start()
                if self._request.assign and self._request.group is not None:
                    # The client would begin at the group's offsets; the contract says at the first record.
                    await consumer.seek_to_beginning()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Leave and disconnect, without waiting for a broker that is away."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await _stop_quietly(consumer)

    @property
    def _started(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise TransportError("kafka: the consumer is not started")
        return self._consumer

    async def poll(self, *, timeout_s: float, records_max: int) -> dict[TopicPartition, list[Record]]:
        """Return records in offset order for each partition; never fails on an odd record."""
        deadline = time.monotonic() + timeout_s
        with map_exceptions("read"):
            await self._put_back()
            if time.monotonic() >= self._careful_until:
                try:
                    return await self._take(timeout_s, records_max)
                except _UNREADABLE:
                    self._careful_until = time.monotonic() + CAREFUL_S
                    self._displaced.update(TopicPartition(*one) for one in self._started.assignment())
                    await self._put_back()
            return await self._poll_carefully(deadline, records_max)

    async def _take(
        self, timeout_s: float, records_max: int, *only: KafkaTopicPartition
    ) -> dict[TopicPartition, list[Record]]:
        try:
            async with asyncio.timeout(timeout_s + POLL_GRACE_S):
                fetched = await self._started.getmany(
                    *only, timeout_ms=int(timeout_s * 1000), max_records=records_max
                )
        except TimeoutError:
            return {}
        return self._taken(fetched)

    async def _put_back(self) -> None:
        """Go back to where a partition stood before a call that failed: it dropped what it had taken out."""
        for partition in sorted(self._displaced):
            if KafkaTopicPartition(*partition) in self._started.assignment():
                await self.seek(partition, await self._position_before(partition))
            self._displaced.discard(partition)

    async def _poll_carefully(self, deadline: float, records_max: int) -> dict[TopicPartition, list[Record]]:
        """Read each partition alone, so that what cannot be read harms no other."""
        while True:
            consumer = self._started
            polled: dict[TopicPartition, list[Record]] = {}
            left = records_max
            for kafka_partition in sorted(consumer.assignment() - consumer.paused()):
                try:
                    polled |= await self._take(0, left, kafka_partition)
                except _UNREADABLE:
                    self._careful_until = time.monotonic() + CAREFUL_S
                    self._displaced.add(TopicPartition(*kafka_partition))
                    polled |= await self._read_tolerantly(TopicPartition(*kafka_partition), left)
                left = records_max - sum(map(len, polled.values()))
                if left == 0:
                    break
            if polled or time.monotonic() >= deadline:
                return polled
            await asyncio.sleep(CAREFUL_PAUSE_S)

    async def _read_tolerantly(
        self, partition: TopicPartition, records_max: int
    ) -> dict[TopicPartition, list[Record]]:
        records, position = await read_tolerantly(
            self._started._client,  # noqa: SLF001  # the client has no public way to send a request
            partition,
            await self._position_before(partition),
            is_read_committed=self._request.isolation is IsolationLevel.READ_COMMITTED,
        )
        if len(records) > records_max:
            records = records[:records_max]
            position = records[-1].offset + 1
        await self.seek(partition, position)
        return {partition: records} if records else {}

    async def _position_before(self, partition: TopicPartition) -> int:
        """Return where the partition stood before the last call of the client."""
        known = self._positions.get(partition)
        if known is None and self._request.group is not None:
            known = await self._started.committed(KafkaTopicPartition(*partition))
        first = (await self.beginning_offsets([partition]))[partition]
        return first if known is None else max(known, first)

    def _taken(
        self, fetched: Mapping[KafkaTopicPartition, Sequence[ConsumerRecord]]
    ) -> dict[TopicPartition, list[Record]]:
        polled: dict[TopicPartition, list[Record]] = {}
        for kafka_partition, messages in fetched.items():
            if messages:
                partition = TopicPartition(*kafka_partition)
                polled[partition] = [
                    Record(
                        message.topic,
                        message.partition,
                        message.offset,
                        message.timestamp,
                        message.key,
                        message.value,
                        message.headers,
                    )
                    for message in messages
                ]
                self._positions[partition] = messages[-1].offset + 1
        return polled

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Store the group's next offsets."""
        async with bounded("commit offsets"):
            await self._started.commit(
                {KafkaTopicPartition(*partition): offset for partition, offset in offsets.items()}
            )

    async def committed(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int | None]:
        """Return the group's next offsets as the broker has them."""
        async with bounded("ask for committed offsets"):
            return {
                partition: await self._started.committed(KafkaTopicPartition(*partition))
                for partition in partitions
            }

    async def seek(self, partition: TopicPartition, offset: int) -> None:
        """Go on from this offset; records fetched before are dropped."""
        with map_exceptions("seek"):
            self._started.seek(KafkaTopicPartition(*partition), offset)
        self._positions[partition] = offset
        self._displaced.discard(partition)

    async def position(self, partition: TopicPartition) -> int:
        """Return the offset that is read next."""
        async with bounded("ask for the position"):
            return int(await self._started.position(KafkaTopicPartition(*partition)))

    async def end_offsets(
        self, partitions: Sequence[TopicPartition], isolation: IsolationLevel = IsolationLevel.READ_COMMITTED
    ) -> dict[TopicPartition, int]:
        """Return the last stable offsets, or the high watermarks."""
        if isolation is not self._request.isolation:
            return await self._end_offsets_of(partitions, isolation)
        async with bounded("ask for end offsets"):
            ends = await self._started.end_offsets([KafkaTopicPartition(*one) for one in partitions])
        return {TopicPartition(*partition): end for partition, end in ends.items()}

    async def _end_offsets_of(
        self, partitions: Sequence[TopicPartition], isolation: IsolationLevel
    ) -> dict[TopicPartition, int]:
        """Ask through a consumer of that isolation, since a consumer can only ask for its own."""
        consumer = AIOKafkaConsumer(**self._settings, isolation_level=isolation.value)
        try:
            async with bounded("ask for end offsets"):
                await consumer.start()
                ends = await consumer.end_offsets([KafkaTopicPartition(*one) for one in partitions])
        finally:
            await _stop_quietly(consumer)
        return {TopicPartition(*partition): end for partition, end in ends.items()}

    async def beginning_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the offsets of the first records that are still kept."""
        async with bounded("ask for beginning offsets"):
            begins = await self._started.beginning_offsets([KafkaTopicPartition(*one) for one in partitions])
        return {TopicPartition(*partition): offset for partition, offset in begins.items()}

    def pause(self, partition: TopicPartition) -> None:
        """Return no records of this partition until resumed; one that is not ours any more is left alone."""
        kafka_partition = KafkaTopicPartition(*partition)
        if kafka_partition in self._started.assignment():
            self._started.pause(kafka_partition)

    def resume(self, partition: TopicPartition) -> None:
        """Undo `pause`."""
        kafka_partition = KafkaTopicPartition(*partition)
        if kafka_partition in self._started.assignment():
            self._started.resume(kafka_partition)


async def _stop_quietly(consumer: AIOKafkaConsumer) -> None:
    with contextlib.suppress(KafkaError, TimeoutError, OSError):
        await asyncio.wait_for(consumer.stop(), STOP_TIMEOUT_S)
