"""The whole broker contract: what a record to send is, and what publishers and subscribers promise.

Implementations MUST pass ``tests/contract/test_transport.py``. The words MUST, MUST NOT and MAY are RFC 2119's.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from govbus.document.record import Headers, Record


class TopicPartition(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int


class OutRecord(NamedTuple):
    """One record to send."""

    topic: str
    partition: int | None
    """None: crc32(key) mod the topic's partitions (ADR 6)."""
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int | None


class TopicSpec(NamedTuple):
    """One topic to create."""

    name: str
    partitions: int
    replication_factor: int
    settings: Mapping[str, str]


class IsolationLevel(enum.Enum):
    """What a subscriber sees of transactions."""

    READ_COMMITTED = "read_committed"
    READ_UNCOMMITTED = "read_uncommitted"


AssignmentCallback = Callable[[Sequence[TopicPartition]], Awaitable[None]]


class Publisher(Protocol):
    """Sends records, each exactly once into its partition as long as this object lives."""

    async def start(self) -> None:
        """Connect; raises `TransportError` where no broker answers."""
        ...

    async def stop(self) -> None:
        """Disconnect; MAY be called twice, or without a start."""
        ...

    async def publish(self, records: Sequence[OutRecord]) -> list[int]:
        """Send records in order and return their offsets once every one is acknowledged.

        Records of one partition keep their order; calls that overlap promise none among each other. Lone surrogates
        in header names are written as backslash escapes.

        Raises:
            TransportError: if the broker fails; which records arrived is then unknown, and they MUST be sent again,
                with this object or another.
            TransportConfigError: if the broker refuses for good, such as a record over its limit.
        """
        ...


class TransactionalPublisher(Protocol):
    """Sends records and moves offsets, all or nothing."""

    async def start(self) -> None:
        """Connect, and fence every earlier publisher with the same transactional id."""
        ...

    async def stop(self) -> None:
        """Abort what is open and disconnect; MAY be called twice, or without a start."""
        ...

    async def transact(
        self, records: Sequence[OutRecord], *, offsets: Mapping[TopicPartition, int], group: str
    ) -> None:
        """Commit records and the group's next offsets in one transaction.

        Calls MUST NOT overlap. A call that is cancelled leaves the object useless, as a failure does.

        Raises:
            FencedError: if a later publisher has the same transactional id.
            TransportConfigError: if the broker refuses for good, such as a record over its limit.
            TransportError: if the broker fails. Whether the transaction committed is then unknown until another
                publisher has started with the same transactional id; this object is useless and MUST be replaced.
        """
        ...


class Subscriber(Protocol):
    """Reads records, as a member of a group or from partitions of its own choice."""

    async def start(self) -> None:
        """Connect; in group mode also join."""
        ...

    async def stop(self) -> None:
        """Leave and disconnect, without calling `on_revoked`; MAY be called twice, or without a start."""
        ...

    async def poll(self, *, timeout_s: float, records_max: int) -> dict[TopicPartition, list[Record]]:
        """Return records in offset order for each partition; empty after the timeout.

        MUST NOT fail on a record that is odd: header names that are not UTF-8 arrive with their odd bytes as lone
        surrogates, and a batch that nothing can take apart arrives as one record without key, value and headers, so
        that the router can refuse the record. During a rebalance it MAY take a second longer than the timeout.

        Raises:
            TransportError: if the broker fails.
        """
        ...

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Store the group's next offsets."""
        ...

    async def committed(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int | None]:
        """Return the group's next offsets as the broker has them; None where there are none."""
        ...

    async def seek(self, partition: TopicPartition, offset: int) -> None:
        """Go on from this offset; records fetched before are dropped."""
        ...

    async def position(self, partition: TopicPartition) -> int:
        """Return the offset that is read next; it moves over aborted records and transaction markers."""
        ...

    async def end_offsets(
        self, partitions: Sequence[TopicPartition], isolation: IsolationLevel = IsolationLevel.READ_COMMITTED
    ) -> dict[TopicPartition, int]:
        """Return the offsets after the last records: the last stable ones, or the high watermarks."""
        ...

    async def beginning_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the offsets of the first records that are still kept."""
        ...

    def pause(self, partition: TopicPartition) -> None:
        """Return no records of this partition until resumed or assigned anew; ignored where it is not assigned."""
        ...

    def resume(self, partition: TopicPartition) -> None:
        """Undo `pause`."""
        ...


class Administrator(Protocol):
    """Looks at topics and creates them."""

    async def start(self) -> None:
        """Connect."""
        ...

    async def stop(self) -> None:
        """Disconnect; MAY be called twice, or without a start."""
        ...

    async def ping(self) -> None:
        """Return once the broker answers; raises `TransportError` where it does not."""
        ...

    async def partition_counts(self) -> dict[str, int]:
        """Return the number of partitions of every topic."""
        ...

    async def create_topics(self, topics: Sequence[TopicSpec]) -> list[str]:
        """Create the topics that are missing and return their names.

        Raises:
            TransportConfigError: if one exists with another number of partitions.
        """
        ...

    async def delete_records(self, before: Mapping[TopicPartition, int]) -> None:
        """Delete what stands before an offset, for each partition: nobody reads it again, whoever reads there goes on.

        Raises:
            TransportConfigError: if a partition has no such offset, or the broker refuses for good.
            TransportError: if the broker fails.
        """
        ...

    async def committed_offsets(self) -> dict[str, dict[TopicPartition, int]]:
        """Return the next offsets of every consumer group that has committed any, by the group's name."""
        ...


class Transport(Protocol):
    """One broker: makes everything above."""

    def publisher(self) -> Publisher:
        """Return a new publisher, not started."""
        ...

    def transactional_publisher(
        self, transactional_id: str, *, transaction_timeout_s: float = 20.0
    ) -> TransactionalPublisher:
        """Return a new transactional publisher, not started."""
        ...

    def subscriber(
        self,
        *,
        assign: Sequence[TopicPartition] = (),
        topics: Sequence[str] = (),
        pattern: str | None = None,
        group: str | None = None,
        isolation: IsolationLevel = IsolationLevel.READ_COMMITTED,
        session_timeout_s: float = 10.0,
        metadata_interval_s: float = 30.0,
        on_assigned: AssignmentCallback | None = None,
        on_revoked: AssignmentCallback | None = None,
    ) -> Subscriber:
        """Return a new subscriber, not started.

        Args:
            assign: partitions of one's own choice; starts at the first record kept.
            topics: in group mode, what to subscribe to; with a group that has no offsets, from the first record.
            pattern: in group mode instead of topics, a regular expression over topic names.
            group: the group's name; needed with topics or pattern.
            isolation: what is seen of transactions.
            session_timeout_s: silent for so long, the group gives one's partitions to others.
            metadata_interval_s: how soon new topics and partitions are noticed.
            on_assigned: awaited after partitions came, while `poll` may already return records of them. All of a
                member's partitions come and go at once.
            on_revoked: awaited before they go; others get them only afterwards, unless the session timed out.
                Neither callback may raise.
        """
        ...

    def administrator(self) -> Administrator:
        """Return a new administrator, not started."""
        ...


async def partition_counts(transport: Transport) -> dict[str, int]:
    """Return the number of partitions of every topic, by name, asked of an administrator of its own.

    Raises:
        TransportError: if the broker does not answer.
    """
    administrator = transport.administrator()
    await administrator.start()
    try:
        return await administrator.partition_counts()
    finally:
        await administrator.stop()
