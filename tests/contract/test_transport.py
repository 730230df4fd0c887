"""What every broker promises (`govbus.transport.base`), checked on the in-process one and on a real Kafka."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from govbus.document.record import Record
from govbus.errors import FencedError, TransportConfigError, TransportError
from govbus.transport.base import (
    IsolationLevel,
    OutRecord,
    Publisher,
    Subscriber,
    TopicPartition,
    TopicSpec,
    Transport,
)
from govbus.transport.kafka import KafkaConnection, KafkaTransport
from govbus.transport.memory import MemoryTransport

PATIENCE_S = 20.0


class Broker:
    """One transport with what tests need around it: topics of their own, and everything stopped at the end."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self._stack = contextlib.AsyncExitStack()

    async def topic(self, partitions: int = 1, name: str = "") -> str:
        name = name or f"t-{uuid.uuid4().hex}"
        administrator = await self.started(self.transport.administrator())
        await administrator.create_topics([TopicSpec(name, partitions, 1, {})])
        return name

    async def started(self, thing: Any) -> Any:
        self._stack.push_async_callback(thing.stop)
        await thing.start()
        return thing

    async def publisher(self) -> Publisher:
        return await self.started(self.transport.publisher())

    async def reader(self, *partitions: TopicPartition, **options: Any) -> Subscriber:
        return await self.started(self.transport.subscriber(assign=partitions, **options))

    async def member(self, **options: Any) -> Subscriber:
        return await self.started(
            self.transport.subscriber(session_timeout_s=6, metadata_interval_s=0.5, **options)
        )

    async def close(self) -> None:
        await self._stack.aclose()


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
async def broker(request: pytest.FixtureRequest) -> AsyncIterator[Broker]:
    if request.param == "memory":
        transport: Transport = MemoryTransport()
    else:
        transport = KafkaTransport(KafkaConnection(request.getfixturevalue("kafka_bootstrap")))
    one = Broker(transport)
    yield one
    await one.close()


def out(topic: str, value: bytes | None = b"v", **fields: Any) -> OutRecord:
    return OutRecord(topic, 0, None, value, (), 1_700_000_000_000)._replace(**fields)


async def read(subscriber: Subscriber, count: int, records_max: int = 100) -> list[Record]:
    """Returns the first records that come, at least ``count`` of them."""
    records: list[Record] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(records) < count:
            for some in (await subscriber.poll(timeout_s=0.2, records_max=records_max)).values():
                records += some
    return records


async def read_nothing(subscriber: Subscriber) -> None:
    assert {} == await subscriber.poll(timeout_s=0.5, records_max=10)


async def until(condition: Callable[[], bool], step: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await step()


async def test_a_record_arrives_as_it_was_sent(broker: Broker) -> None:
    """Key, value, headers in order with repeats, and time are what the reader gets."""
    topic = await broker.topic()
    headers = (("b", b"1"), ("a", b""), ("b", b"\x00\xff"), ("ü", b"2"))
    publisher = await broker.publisher()
    assert [0] == await publisher.publish([out(topic, b"\x00v", key=b"k", headers=headers)])
    (record,) = await read(await broker.reader(TopicPartition(topic, 0)), 1)
    assert Record(topic, 0, 0, 1_700_000_000_000, b"k", b"\x00v", headers) == record


async def test_null_keys_and_values_stay_null(broker: Broker) -> None:
    """Null and empty are told apart in keys, values and header values."""
    topic = await broker.topic()
    publisher = await broker.publisher()
    headers: Any = (("n", None), ("e", b""))
    await publisher.publish([out(topic, None, key=b"k", headers=headers), out(topic, b"", key=None)])
    first, second = await read(await broker.reader(TopicPartition(topic, 0)), 2)
    assert (b"k", None, headers) == (first.key, first.value, first.headers)
    assert (None, b"", ()) == (second.key, second.value, second.headers)


async def test_offsets_come_back_in_the_order_of_the_records(broker: Broker) -> None:
    """`publish` returns one offset a record, whatever partitions and batches the records went into."""
    topic = await broker.topic(partitions=3)
    publisher = await broker.publisher()
    records = [out(topic, b"%d" % number, partition=number % 3) for number in range(300)]
    assert [number // 3 for number in range(300)] == await publisher.publish(records)
    subscriber = await broker.reader(*(TopicPartition(topic, number) for number in range(3)))
    for record in await read(subscriber, 300, records_max=1000):
        assert b"%d" % (3 * record.offset + record.partition) == record.value


async def test_publishing_nothing_is_fine(broker: Broker) -> None:
    """An empty list has no offsets."""
    publisher = await broker.publisher()
    assert [] == await publisher.publish([])


async def test_keyed_records_go_by_crc32(broker: Broker) -> None:
    """Without a partition, CRC-32 of the key modulo the number of partitions decides."""
    topic = await broker.topic(partitions=4)
    publisher = await broker.publisher()
    keys = [b"key-%d" % number for number in range(20)]
    await publisher.publish([out(topic, key=key, partition=None) for key in keys])
    subscriber = await broker.reader(*(TopicPartition(topic, number) for number in range(4)))
    records = await read(subscriber, 20)
    assert {key: zlib.crc32(key) % 4 for key in keys} == {record.key: record.partition for record in records}


async def test_large_records_pass_and_larger_ones_are_refused(broker: Broker) -> None:
    """The greatest record that govbus allows passes, many at a time; beyond the broker's limit it is refused."""
    topic = await broker.topic()
    publisher = await broker.publisher()
    largest = out(topic, b"v" * 900_000, headers=(("h", b"h" * 32_767),), key=b"k" * 32_768)
    await publisher.publish([largest, out(topic), largest])
    with pytest.raises(TransportConfigError):
        await publisher.publish([out(topic, b"v" * 1_100_000)])
    records = await read(await broker.reader(TopicPartition(topic, 0)), 3)
    assert [900_000, 1, 900_000] == [len(record.value or b"") for record in records]


async def test_a_publisher_goes_on_after_a_refusal(broker: Broker) -> None:
    """A record that the broker refused leaves nothing behind that would harm the next one."""
    topic = await broker.topic()
    publisher = await broker.publisher()
    with pytest.raises(TransportConfigError):
        await publisher.publish([out(topic, b"v" * 1_100_000)])
    assert [0, 1] == await publisher.publish([out(topic, b"a"), out(topic, b"b")])


async def test_unknown_topics_and_partitions_are_named(broker: Broker) -> None:
    """A topic that is not there may come; a partition that is not there will not."""
    topic = await broker.topic()
    publisher = await broker.publisher()
    with pytest.raises(TransportError, match="t-none"):
        await publisher.publish([out("t-none")])
    with pytest.raises(TransportConfigError, match=topic):
        await publisher.publish([out(topic, partition=1)])


async def test_nothing_works_before_the_start_and_stop_is_always_allowed(broker: Broker) -> None:
    """Objects that are not started say so; stopping them, once or twice, is harmless."""
    publisher, subscriber = broker.transport.publisher(), broker.transport.subscriber()
    with pytest.raises(TransportError):
        await publisher.publish([])
    with pytest.raises(TransportError):
        await subscriber.poll(timeout_s=0, records_max=1)
    transactional = broker.transport.transactional_publisher("never-started")
    with pytest.raises(TransportError):
        await transactional.transact([], offsets={}, group="g")
    for thing in (publisher, subscriber, transactional, broker.transport.administrator()):
        await thing.stop()
        await thing.stop()


async def test_poll_returns_at_most_what_was_asked_for(broker: Broker) -> None:
    """Records beyond the bound come with the next polls, in order."""
    topic = await broker.topic()
    publisher = await broker.publisher()
    await publisher.publish([out(topic, b"%d" % number) for number in range(25)])
    subscriber = await broker.reader(TopicPartition(topic, 0))
    values: list[bytes | None] = []
    while len(values) < 25:
        polled = await subscriber.poll(timeout_s=1, records_max=10)
        assert 10 >= sum(map(len, polled.values()))
        values += [record.value for record in polled.get(TopicPartition(topic, 0), [])]
    assert [b"%d" % number for number in range(25)] == values


async def test_seek_and_position(broker: Broker) -> None:
    """A reader goes on from where it is told to, also after records beyond were fetched."""
    topic = await broker.topic()
    partition = TopicPartition(topic, 0)
    publisher = await broker.publisher()
    await publisher.publish([out(topic, b"%d" % number) for number in range(10)])
    subscriber = await broker.reader(partition)
    await read(subscriber, 3, records_max=3)
    assert 3 == await subscriber.position(partition)
    await subscriber.seek(partition, 7)
    assert 7 == await subscriber.position(partition)
    assert [7, 8, 9] == [record.offset for record in await read(subscriber, 3)]
    await subscriber.seek(partition, 0)
    assert 0 == (await read(subscriber, 10))[0].offset


async def test_a_paused_partition_is_silent(broker: Broker) -> None:
    """Records of a paused partition wait until it is resumed; the others go on."""
    topic = await broker.topic(partitions=2)
    first, second = TopicPartition(topic, 0), TopicPartition(topic, 1)
    subscriber = await broker.reader(first, second)
    subscriber.pause(first)
    subscriber.pause(TopicPartition(topic, 77))
    publisher = await broker.publisher()
    await publisher.publish([out(topic), out(topic, partition=1)])
    assert [1] == [record.partition for record in await read(subscriber, 1)]
    await read_nothing(subscriber)
    subscriber.resume(first)
    assert [0] == [record.partition for record in await read(subscriber, 1)]


async def test_a_transaction_moves_records_and_offsets_together(broker: Broker) -> None:
    """After a transaction the records are there and the group stands where it was told to."""
    topic = await broker.topic(partitions=2)
    source = TopicPartition(topic, 0)
    publisher = await broker.started(broker.transport.transactional_publisher(f"id-{topic}"))
    records = [out(topic, b"%d" % number, partition=number % 2) for number in range(200)]
    await publisher.transact(records, offsets={source: 41}, group=topic)
    subscriber = await broker.reader(source, TopicPartition(topic, 1), group=topic)
    assert 200 == len(await read(subscriber, 200, records_max=500))
    other = TopicPartition(topic, 1)
    assert {source: 41, other: None} == await subscriber.committed([source, other])


async def test_one_producer_commits_many_transactions(broker: Broker) -> None:
    """Transactions of one publisher follow each other in order, empty ones included."""
    topic = await broker.topic()
    source = TopicPartition(topic, 0)
    publisher = await broker.started(broker.transport.transactional_publisher(f"id-{topic}"))
    for number in range(5):
        await publisher.transact([out(topic, b"%d" % number)], offsets={source: number}, group=topic)
    await publisher.transact([], offsets={source: 5}, group=topic)
    await publisher.transact([], offsets={}, group=topic)
    subscriber = await broker.reader(source, group=topic)
    assert [b"%d" % number for number in range(5)] == [one.value for one in await read(subscriber, 5)]
    assert {source: 5} == await subscriber.committed([source])


async def test_markers_take_offsets_and_the_position_moves_over_them(broker: Broker) -> None:
    """After a transaction stands a marker: it is no record, but the position ends up behind it."""
    topic = await broker.topic()
    partition = TopicPartition(topic, 0)
    publisher = await broker.started(broker.transport.transactional_publisher(f"id-{topic}"))
    for value in (b"a", b"b"):
        await publisher.transact([out(topic, value)], offsets={}, group=topic)
    subscriber = await broker.reader(partition)
    assert [0, 2] == [record.offset for record in await read(subscriber, 2)]
    async with asyncio.timeout(PATIENCE_S):
        while await subscriber.position(partition) < 4:
            await read_nothing(subscriber)
    assert {partition: 4} == await subscriber.end_offsets([partition])
    assert {partition: 0} == await subscriber.beginning_offsets([partition])


async def test_a_failed_transaction_leaves_nothing_and_the_object_useless(broker: Broker) -> None:
    """Where one record is refused, none is visible and no offset moved, and the publisher must be replaced."""
    topic = await broker.topic()
    source = TopicPartition(topic, 0)
    publisher = await broker.started(broker.transport.transactional_publisher(f"id-{topic}"))
    records = [out(topic, b"good"), out(topic, b"v" * 1_100_000)]
    with pytest.raises(TransportConfigError):
        await publisher.transact(records, offsets={source: 1}, group=topic)
    with pytest.raises(TransportError):
        await publisher.transact([out(topic, b"again")], offsets={}, group=topic)
    successor = await broker.started(broker.transport.transactional_publisher(f"id-{topic}"))
    await successor.transact([out(topic, b"after")], offsets={}, group=topic)
    subscriber = await broker.reader(source, group=topic)
    assert [b"after"] == [record.value for record in await read(subscriber, 1)]
    assert {source: None} == await subscriber.committed([source])


async def test_a_transaction_that_is_cancelled_leaves_nothing(broker: Broker) -> None:
    """Cancelled before its commit, a transaction is aborted; read_uncommitted readers still see what it wrote."""
    topic = await broker.topic()
    partition = TopicPartition(topic, 0)
    publisher = await broker.started(broker.transport.transactional_publisher(f"id-{topic}"))
    watcher = await broker.reader(partition, isolation=IsolationLevel.READ_UNCOMMITTED)
    task = asyncio.create_task(publisher.transact([out(topic, b"lost")], offsets={partition: 9}, group=topic))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await publisher.stop()
    if task.cancelled():
        successor = await broker.started(broker.transport.transactional_publisher(f"id-{topic}"))
        await successor.transact([out(topic, b"kept")], offsets={}, group=topic)
        subscriber = await broker.reader(partition, group=topic)
        assert [b"kept"] == [record.value for record in await read(subscriber, 1)]
        assert {partition: None} == await subscriber.committed([partition])
        assert b"kept" == (await read(watcher, 1))[-1].value


async def test_a_later_publisher_fences_an_earlier_one(broker: Broker) -> None:
    """One transactional id has one writer: the earlier one is told, and writes nothing more."""
    topic = await broker.topic()
    source = TopicPartition(topic, 0)
    earlier = await broker.started(broker.transport.transactional_publisher(f"id-{topic}"))
    await earlier.transact([out(topic, b"1")], offsets={source: 1}, group=topic)
    later = await broker.started(broker.transport.transactional_publisher(f"id-{topic}"))
    with pytest.raises(FencedError):
        await earlier.transact([out(topic, b"zombie")], offsets={source: 2}, group=topic)
    await later.transact([out(topic, b"2")], offsets={source: 3}, group=topic)
    subscriber = await broker.reader(source, group=topic)
    assert [b"1", b"2"] == [record.value for record in await read(subscriber, 2)]
    assert {source: 3} == await subscriber.committed([source])


async def test_a_fenced_publisher_without_records_is_told_too(broker: Broker) -> None:
    """Fencing holds for offsets alone."""
    topic = await broker.topic()
    source = TopicPartition(topic, 0)
    earlier = await broker.started(broker.transport.transactional_publisher(f"id-{topic}"))
    await broker.started(broker.transport.transactional_publisher(f"id-{topic}"))
    with pytest.raises(FencedError):
        await earlier.transact([], offsets={source: 2}, group=topic)


async def test_a_group_starts_at_the_first_record_and_goes_on_where_it_committed(broker: Broker) -> None:
    """A new member reads from the group's offset, not from where the last one got to."""
    topic = await broker.topic()
    partition = TopicPartition(topic, 0)
    publisher = await broker.publisher()
    await publisher.publish([out(topic, b"%d" % number) for number in range(6)])
    first = await broker.member(topics=[topic], group=topic)
    assert 0 == (await read(first, 6))[0].offset
    await first.commit({partition: 4})
    await first.stop()
    second = await broker.member(topics=[topic], group=topic)
    assert [4, 5] == [record.offset for record in await read(second, 2)]
    assert {partition: 4} == await second.committed([partition])


async def test_two_members_share_partitions_and_one_inherits(broker: Broker) -> None:
    """Every partition has one member at any time; who leaves gives its share to the others."""
    topic = await broker.topic(partitions=4)
    held: dict[str, set[TopicPartition]] = {"a": set(), "b": set()}
    overlaps: list[str] = []

    def callbacks(name: str) -> dict[str, Any]:
        async def on_assigned(partitions: Any) -> None:
            held[name].update(partitions)
            if held["a"] & held["b"]:
                overlaps.append(name)

        async def on_revoked(partitions: Any) -> None:
            assert held[name] == set(partitions)
            held[name].clear()

        return {"on_assigned": on_assigned, "on_revoked": on_revoked}

    one = await broker.member(topics=[topic], group=topic, **callbacks("a"))
    await until(lambda: len(held["a"]) == 4, lambda: one.poll(timeout_s=0.1, records_max=1))
    joining = asyncio.create_task(broker.member(topics=[topic], group=topic, **callbacks("b")))
    await until(lambda: len(held["b"]) == 2, lambda: one.poll(timeout_s=0.1, records_max=1))
    two = await joining
    assert (2, []) == (len(held["a"]), overlaps)
    held["a"].clear()  # who leaves gives up first
    await one.stop()
    await until(lambda: len(held["b"]) == 4, lambda: two.poll(timeout_s=0.1, records_max=1))
    assert [] == overlaps


async def test_a_pattern_finds_topics_that_come_later(broker: Broker) -> None:
    """A member that subscribed by pattern gets the partitions of new topics that fit, and no others."""
    prefix = f"p{uuid.uuid4().hex}"
    await broker.topic(name=f"{prefix}.a")
    assigned: list[TopicPartition] = []

    async def on_assigned(partitions: Any) -> None:
        assigned[:] = partitions

    member = await broker.member(pattern=rf"^{prefix}\..+$", group=prefix, on_assigned=on_assigned)
    await until(lambda: len(assigned) == 1, lambda: member.poll(timeout_s=0.1, records_max=1))
    await broker.topic(name=f"x{prefix}.c")
    await broker.topic(name=f"{prefix}.b", partitions=2)
    await until(lambda: len(assigned) == 3, lambda: member.poll(timeout_s=0.1, records_max=1))
    assert {f"{prefix}.a", f"{prefix}.b"} == {partition.topic for partition in assigned}


async def test_a_callback_may_seek(broker: Broker) -> None:
    """A position given while partitions are assigned holds, whatever the group had committed."""
    topic = await broker.topic()
    publisher = await broker.publisher()
    await publisher.publish([out(topic, b"%d" % number) for number in range(5)])
    members: list[Subscriber] = []

    async def on_assigned(partitions: Any) -> None:
        for partition in partitions:
            await members[0].seek(partition, 3)

    members.append(broker.transport.subscriber(topics=[topic], group=topic, on_assigned=on_assigned))
    await broker.started(members[0])
    records = await read(members[0], 1)
    records += await read(members[0], 2 - len(records)) if len(records) < 2 else []
    assert [3, 4] == [record.offset for record in records][-2:]


async def test_topics_are_created_once(broker: Broker) -> None:
    """Creating again is fine; another number of partitions is not."""
    administrator = await broker.started(broker.transport.administrator())
    await administrator.ping()
    spec = TopicSpec(f"t-{uuid.uuid4().hex}", 3, 1, {"retention.ms": "-1"})
    assert [spec.name] == await administrator.create_topics([spec])
    assert [] == await administrator.create_topics([spec])
    assert 3 == (await administrator.partition_counts())[spec.name]
    with pytest.raises(TransportConfigError, match=spec.name):
        await administrator.create_topics([spec._replace(partitions=4)])


async def test_deleted_records_are_gone_and_readers_go_on(broker: Broker) -> None:
    """What stands before an offset is deleted for everybody; the rest stays where it is."""
    partition = TopicPartition(await broker.topic(), 0)
    publisher = await broker.publisher()
    await publisher.publish([out(partition.topic, b"%d" % number) for number in range(5)])
    administrator = await broker.started(broker.transport.administrator())
    await administrator.delete_records({partition: 3})
    reader = await broker.reader(partition)
    assert (await reader.beginning_offsets([partition]))[partition] == 3
    assert [(one.offset, one.value) for one in await read(reader, 2)] == [(3, b"3"), (4, b"4")]
    with pytest.raises(TransportConfigError):
        await administrator.delete_records({partition: 99})


async def test_offsets_of_all_groups_are_told(broker: Broker) -> None:
    """Whoever deletes must know who has not read yet."""
    partition = TopicPartition(await broker.topic(), 0)
    publisher = await broker.publisher()
    await publisher.publish([out(partition.topic, b"x")])
    group = f"g-{uuid.uuid4().hex}"
    member = await broker.member(topics=[partition.topic], group=group)
    await read(member, 1)
    await member.commit({partition: 1})
    administrator = await broker.started(broker.transport.administrator())
    assert (await administrator.committed_offsets())[group] == {partition: 1}


async def test_header_names_with_lone_surrogates_are_written_escaped(broker: Broker) -> None:
    """What arrived as an odd name can be sent on, say to the quarantine, without stopping anybody."""
    topic = await broker.topic()
    publisher = await broker.publisher()
    await publisher.publish([out(topic, headers=(("a\udcff", b"1"), ("b", b"2")))])
    (record,) = await read(await broker.reader(TopicPartition(topic, 0)), 1)
    assert (("a\\udcff", b"1"), ("b", b"2")) == record.headers
