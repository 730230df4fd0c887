"""An in-process broker for tests and examples: topics, transactions and groups as Kafka has them, nothing durable.

Everything happens on one event loop. Offsets have the gaps that Kafka's have (a marker ends every transaction), so
that code which counts records by offsets fails here too.
"""

from __future__ import annotations

import asyncio
import re
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from govbus.document.record import Record
from govbus.errors import FencedError, TransportConfigError, TransportError
from govbus.transport.base import (
    AssignmentCallback,
    IsolationLevel,
    OutRecord,
    TopicPartition,
)
from govbus.transport.memory_administrator import MemoryAdministrator

RECORD_BYTES_MAX = 1_048_588
"""Kafka's default for a topic (``max.message.bytes``)."""


@dataclass(slots=True, eq=False)
class _Transaction:
    """One transaction: open, committed (True) or aborted (False)."""

    outcome: bool | None = None
    first_offsets: dict[TopicPartition, int] = field(default_factory=dict)
    offsets: list[tuple[str, TopicPartition, int]] = field(default_factory=list)


class _Entry(NamedTuple):
    """What stands at one offset: a record, or the marker that ends a transaction (None)."""

    record: Record | None
    transaction: _Transaction | None


class MemoryTransport:
    """A `govbus.transport.base.Transport` whose broker lives as long as this object.

    Example:
        >>> import asyncio
        >>> from govbus.transport.base import OutRecord, TopicPartition, TopicSpec
        >>> async def main():
        ...     transport = MemoryTransport()
        ...     await transport.administrator().create_topics([TopicSpec("t", 1, 1, {})])
        ...     publisher, subscriber = transport.publisher(), transport.subscriber(assign=[TopicPartition("t", 0)])
        ...     await publisher.start()
        ...     await subscriber.start()
        ...     await publisher.publish([OutRecord("t", None, b"key", b"value", (), 0)])
        ...     return (await subscriber.poll(timeout_s=1, records_max=10))[TopicPartition("t", 0)][0].value
        >>> asyncio.run(main())
        b'value'
    """

    def __init__(self, *, clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self._broker = _Broker(clock_ms)

    def publisher(self) -> MemoryPublisher:
        """Return a new publisher, not started."""
        return MemoryPublisher(self._broker)

    def transactional_publisher(
        self, transactional_id: str, *, transaction_timeout_s: float = 20.0
    ) -> MemoryTransactionalPublisher:
        """Return a new transactional publisher, not started."""
        return MemoryTransactionalPublisher(self._broker, transactional_id, transaction_timeout_s)

    def subscriber(
        self,
        *,
        assign: Sequence[TopicPartition] = (),
        topics: Sequence[str] = (),
        pattern: str | None = None,
        group: str | None = None,
        isolation: IsolationLevel = IsolationLevel.READ_COMMITTED,
        session_timeout_s: float = 10.0,  # noqa: ARG002  # nobody falls silent inside one process
        metadata_interval_s: float = 30.0,  # noqa: ARG002  # new topics are noticed at once
        on_assigned: AssignmentCallback | None = None,
        on_revoked: AssignmentCallback | None = None,
    ) -> MemorySubscriber:
        """Return a new subscriber, not started; arguments as in `govbus.transport.base.Transport`."""
        member = None
        if group is not None and not assign:
            wanted = re.compile(f"(?:{'|'.join(map(re.escape, topics))})$" if pattern is None else pattern)
            member = _Member(wanted, on_assigned, on_revoked)
        return MemorySubscriber(self._broker, tuple(assign), group, member, isolation)

    def administrator(self) -> MemoryAdministrator:
        """Return a new administrator, not started."""
        return MemoryAdministrator(self._broker)

    def put_unchecked(self, record: Record) -> None:
        """Append a record as a hostile client would: nothing in it is checked; its offset is the next one."""
        self._broker.append(TopicPartition(record.topic, record.partition), record, None)


@dataclass(slots=True, eq=False)
class _Member:
    """One subscriber in a group."""

    wanted: re.Pattern[str]
    on_assigned: AssignmentCallback | None
    on_revoked: AssignmentCallback | None
    positions: dict[TopicPartition, int] = field(default_factory=dict)
    paused: set[TopicPartition] = field(default_factory=set)


class _Group:
    """Members, what they serve, and the group's next offsets."""

    def __init__(self) -> None:
        self.members: list[_Member] = []
        self.offsets: dict[TopicPartition, int] = {}
        self._rebalancing = asyncio.Lock()

    async def rebalance(self, broker: _Broker) -> None:
        """Take every partition back, then deal all of them out anew."""
        async with self._rebalancing:
            for member in self.members:
                leaving = sorted(member.positions)
                if leaving and member.on_revoked is not None:
                    await member.on_revoked(leaving)
                member.positions.clear()
                member.paused.clear()
            shares = self._shares(broker)
            for member, share in shares:
                member.positions.update({partition: self.offsets.get(partition, 0) for partition in share})
            for member, share in shares:
                if share and member.on_assigned is not None:
                    await member.on_assigned(share)
            broker.notify()

    def _shares(self, broker: _Broker) -> list[tuple[_Member, list[TopicPartition]]]:
        shares: dict[int, list[TopicPartition]] = {id(member): [] for member in self.members}
        for place, partition in enumerate(sorted(broker.logs)):
            takers = [member for member in self.members if member.wanted.match(partition.topic)]
            if takers:
                shares[id(takers[place % len(takers)])].append(partition)
        return [(member, shares[id(member)]) for member in self.members]


class _Broker:
    """The state that every object of one transport shares."""

    def __init__(self, clock_ms: Callable[[], int]) -> None:
        self.clock_ms = clock_ms
        self.logs: dict[TopicPartition, list[_Entry]] = {}
        self.counts: dict[str, int] = {}
        self.groups: dict[str, _Group] = {}
        self.producers: dict[str, MemoryTransactionalPublisher] = {}
        self.open: set[_Transaction] = set()
        self.beginnings: dict[TopicPartition, int] = {}
        """First offsets kept, where records were deleted."""
        self._changed = asyncio.Event()

    def group(self, name: str) -> _Group:
        return self.groups.setdefault(name, _Group())

    def notify(self) -> None:
        """Wake whoever waits for something new."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def changed(self, timeout_s: float) -> None:
        """Return when something is new, or after the timeout."""
        try:
            await asyncio.wait_for(self._changed.wait(), timeout_s)
        except TimeoutError:
            return

    def log(self, partition: TopicPartition) -> list[_Entry]:
        try:
            return self.logs[partition]
        except KeyError:
            raise TransportError(
                f"there is no partition {partition.partition} of topic {partition.topic}",
                remedy="create the topic with `govbus topics apply`",
            ) from None

    def append(
        self, partition: TopicPartition, record: Record | None, transaction: _Transaction | None
    ) -> int:
        log = self.log(partition)
        offset = len(log)
        log.append(_Entry(None if record is None else record._replace(offset=offset), transaction))
        self.notify()
        return offset

    def put(self, records: Sequence[OutRecord], transaction: _Transaction | None) -> list[int]:
        """Append all records, or none if one of them is refused."""
        placed = [self._placed(record) for record in records]
        offsets = []
        for record in placed:
            partition = TopicPartition(record.topic, record.partition)
            offset = self.append(partition, record, transaction)
            offsets.append(offset)
            if transaction is not None:
                transaction.first_offsets.setdefault(partition, offset)
        return offsets

    def _placed(self, record: OutRecord) -> Record:
        topic, partition, key, value, headers, timestamp_ms = record
        if topic not in self.counts:
            raise TransportError(
                f"topic {topic} does not exist", remedy="create it with `govbus topics apply`"
            )
        if partition is None:
            partition = zlib.crc32(key or b"") % self.counts[topic]
        elif partition >= self.counts[topic]:
            raise TransportConfigError(
                f"topic {topic} has {self.counts[topic]} partitions, so there is no partition {partition}"
            )
        named = tuple(
            (name.encode("utf-8", "backslashreplace").decode("utf-8"), octets) for name, octets in headers
        )
        size = (
            len(key or b"")
            + len(value or b"")
            + sum(len(name) + len(octets or b"") for name, octets in named)
        )
        if size > RECORD_BYTES_MAX:
            raise TransportConfigError(f"at most {RECORD_BYTES_MAX} bytes fit into {topic}, found {size}")
        time_ms = self.clock_ms() if timestamp_ms is None else timestamp_ms
        return Record(topic, partition, 0, time_ms, key, value, named)

    def finish(self, transaction: _Transaction, *, commit: bool) -> None:
        """Commit or abort: write the markers, and move the groups' offsets where it commits."""
        transaction.outcome = commit
        self.open.discard(transaction)
        for partition in sorted(transaction.first_offsets):
            self.append(partition, None, transaction)
        if commit:
            for group, partition, offset in transaction.offsets:
                self.group(group).offsets[partition] = offset

    def delete(self, partition: TopicPartition, before: int) -> None:
        """Forget what stands before an offset; whoever reads there finds nothing and goes on."""
        log = self.log(partition)
        if not 0 <= before <= len(log):
            raise TransportConfigError(f"{partition.topic}/{partition.partition} has no offset {before}")
        first = self.beginnings.get(partition, 0)
        log[first:before] = [_Entry(None, None)] * max(0, before - first)
        self.beginnings[partition] = max(first, before)

    def end(self, partition: TopicPartition, isolation: IsolationLevel) -> int:
        """Return the last stable offset, or the high watermark."""
        end = len(self.log(partition))
        if isolation is IsolationLevel.READ_COMMITTED:
            return min([end, *(one.first_offsets.get(partition, end) for one in self.open)])
        return end


class MemoryPublisher:
    """A `govbus.transport.base.Publisher`."""

    def __init__(self, broker: _Broker) -> None:
        self._broker = broker
        self._is_started = False

    async def start(self) -> None:
        """Connect."""
        self._is_started = True

    async def stop(self) -> None:
        """Disconnect."""
        self._is_started = False

    async def publish(self, records: Sequence[OutRecord]) -> list[int]:
        """Send records in order and return their offsets."""
        if not self._is_started:
            raise TransportError("the publisher is not started")
        return self._broker.put(records, None)


class MemoryTransactionalPublisher:
    """A `govbus.transport.base.TransactionalPublisher`."""

    def __init__(self, broker: _Broker, transactional_id: str, transaction_timeout_s: float) -> None:
        self._broker = broker
        self._transactional_id = transactional_id
        self._timeout_s = transaction_timeout_s
        self._open: _Transaction | None = None
        self._is_usable = False

    async def start(self) -> None:
        """Connect, fence every earlier publisher with the same transactional id and abort what it left open."""
        earlier = self._broker.producers.get(self._transactional_id)
        if earlier is not None:
            earlier.abort()
        self._broker.producers[self._transactional_id] = self
        self._is_usable = True

    async def stop(self) -> None:
        """Abort what is open and disconnect."""
        self.abort()
        self._is_usable = False

    def abort(self) -> None:
        """Abort what is open."""
        transaction, self._open = self._open, None
        if transaction is not None:
            self._broker.finish(transaction, commit=False)

    async def transact(
        self, records: Sequence[OutRecord], *, offsets: Mapping[TopicPartition, int], group: str
    ) -> None:
        """Commit records and the group's next offsets in one transaction."""
        self._check()
        try:
            self._open = _Transaction()
            self._broker.open.add(self._open)
            self._open.offsets = [(group, partition, offset) for partition, offset in offsets.items()]
            self._broker.put(records, self._open)
            await asyncio.sleep(
                0
            )  # others see the open transaction here, and may fence it or cancel this call
            self._check()
            transaction, self._open = self._open, None
            if transaction is not None:
                self._broker.finish(transaction, commit=True)
        except BaseException:
            self.abort()
            self._is_usable = False
            raise

    def _check(self) -> None:
        if self._is_usable and self._broker.producers.get(self._transactional_id) is not self:
            raise FencedError(f"another producer took over {self._transactional_id}")
        if not self._is_usable:
            raise TransportError("this transactional producer is not started, or failed before; replace it")


class MemorySubscriber:
    """A `govbus.transport.base.Subscriber`."""

    def __init__(
        self,
        broker: _Broker,
        assign: tuple[TopicPartition, ...],
        group: str | None,
        member: _Member | None,
        isolation: IsolationLevel,
    ) -> None:
        self._broker = broker
        self._assign = assign
        self._group_name = group
        self._member = member
        self._reading = member or _Member(re.compile(""), None, None)
        self._isolation = isolation
        self._is_started = False

    async def start(self) -> None:
        """Connect; in group mode also join."""
        self._is_started = True
        if self._member is not None:
            group = self._group
            group.members.append(self._member)
            await group.rebalance(self._broker)
        else:
            self._reading.positions.update(dict.fromkeys(self._assign, 0))

    async def stop(self) -> None:
        """Leave and disconnect."""
        self._is_started = False
        self._reading.positions.clear()
        if self._member is not None and self._member in self._group.members:
            self._group.members.remove(self._member)
            await self._group.rebalance(self._broker)

    @property
    def _group(self) -> _Group:
        if self._group_name is None:
            raise TransportError("this subscriber belongs to no group")
        return self._broker.group(self._group_name)

    async def poll(self, *, timeout_s: float, records_max: int) -> dict[TopicPartition, list[Record]]:
        """Return records in offset order for each partition; empty after the timeout."""
        if not self._is_started:
            raise TransportError("the subscriber is not started")
        deadline = time.monotonic() + timeout_s
        while True:
            polled: dict[TopicPartition, list[Record]] = {}
            left = records_max
            for partition in sorted(self._reading.positions.keys() - self._reading.paused):
                records = self._take(partition, left)
                if records:
                    polled[partition] = records
                    left -= len(records)
                if left == 0:
                    break
            remaining_s = deadline - time.monotonic()
            if polled or remaining_s <= 0:
                return polled
            await self._broker.changed(remaining_s)

    def _take(self, partition: TopicPartition, records_max: int) -> list[Record]:
        """Take records, and pass over markers and aborted records."""
        log = self._broker.log(partition)
        end = self._broker.end(partition, self._isolation)
        records: list[Record] = []
        position = self._reading.positions[partition]
        while position < end and len(records) < records_max:
            record, transaction = log[position]
            is_hidden = (
                self._isolation is IsolationLevel.READ_COMMITTED
                and transaction is not None
                and not transaction.outcome
            )
            if record is not None and not is_hidden:
                records.append(record)
            position += 1
        self._reading.positions[partition] = position
        return records

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Store the group's next offsets."""
        for partition in offsets:
            self._check_assigned(partition)
        self._group.offsets.update(offsets)

    async def committed(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int | None]:
        """Return the group's next offsets; None where there are none."""
        return {partition: self._group.offsets.get(partition) for partition in partitions}

    async def seek(self, partition: TopicPartition, offset: int) -> None:
        """Go on from this offset."""
        self._check_assigned(partition)
        self._reading.positions[partition] = offset

    async def position(self, partition: TopicPartition) -> int:
        """Return the offset that is read next."""
        self._check_assigned(partition)
        return self._reading.positions[partition]

    async def end_offsets(
        self, partitions: Sequence[TopicPartition], isolation: IsolationLevel = IsolationLevel.READ_COMMITTED
    ) -> dict[TopicPartition, int]:
        """Return the last stable offsets, or the high watermarks."""
        return {partition: self._broker.end(partition, isolation) for partition in partitions}

    async def beginning_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the offsets of the first records that are kept."""
        for partition in partitions:
            self._broker.log(partition)
        return {partition: self._broker.beginnings.get(partition, 0) for partition in partitions}

    def pause(self, partition: TopicPartition) -> None:
        """Return no records of this partition until resumed."""
        if partition in self._reading.positions:
            self._reading.paused.add(partition)

    def resume(self, partition: TopicPartition) -> None:
        """Undo `pause`."""
        self._reading.paused.discard(partition)
        self._broker.notify()

    def _check_assigned(self, partition: TopicPartition) -> None:
        if partition not in self._reading.positions:
            raise TransportError(f"partition {partition.topic}/{partition.partition} is not assigned")
