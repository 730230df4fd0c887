"""Replaying into another cluster: what the bus was given is there again, and a router there decides the same."""

import pytest

from govbus.audit.archive.reader import Archive
from govbus.document import topics
from govbus.errors import ConfigError, MissingPartError
from govbus.schemas.core import decode_log_entry
from govbus.service.replay.republishing import Republisher
from govbus.service.replay.sources import ArchiveSource, BusSource, directories_of
from govbus.testing.example_bus import BASE_AT_MS
from govbus.transport.base import TopicSpec
from govbus.transport.memory import MemoryTransport
from tests.unit.audit.archive.conftest import LOG_PARTITIONS, OUTBOX, ArchiveBus


@pytest.fixture
async def bus():
    """A bus with documents in two outbox partitions, accepted, refused and repeated."""
    bus = await ArchiveBus().start()
    await bus.go_on(documents=5, junk=2)
    record = (await bus.records(OUTBOX, 0))[1]
    await bus.put(OUTBOX, 0, record.key, record.value, record.headers)
    await bus.route()
    await bus.sign()
    return bus


async def _source(bus, kind, folder):
    if kind == "bus":
        source = BusSource.of(bus.transport)
    else:
        await bus.archive(folder)
        source = ArchiveSource.of(Archive(folder))
    await source.load()
    return source


async def _republish(source, target, directory):
    async with Republisher(target, source, directory) as republisher:
        async for step in source.steps():
            await republisher.publish(step.pair.record)
    return republisher.done


async def _entries(bus):
    return [
        [decode_log_entry(one.value) for one in await bus.records(topics.MESSAGE_LOG, number)]
        for number in range(LOG_PARTITIONS)
    ]


@pytest.mark.parametrize("kind", ["bus", "archive"])
async def test_a_router_there_decides_the_same(bus, tmp_path, kind):
    """Every document has its key, value, headers, partition and order again, and every decision is the same."""
    source = await _source(bus, kind, tmp_path)
    directories = directories_of(source.directory_records, bus.authority)
    target = MemoryTransport(clock_ms=lambda: BASE_AT_MS)
    done = await _republish(source, target, directories[1])
    there = ArchiveBus()
    there.transport, there.directory = target, directories[1]
    await there.route()
    here, again = await _entries(bus), await _entries(there)
    assert [[one.decision for one in part] for part in here] == [
        [one.decision for one in part] for part in again
    ]
    assert here == again
    assert done.documents == sum(map(len, here)) == 8
    assert done.context == len(source.directory_records)
    for partition in range(LOG_PARTITIONS):
        before, after = [await one.records(OUTBOX, partition) for one in (bus, there)]
        assert [one[4:] for one in before] == [one[4:] for one in after]


async def test_a_cluster_with_records_is_refused(bus, tmp_path):
    """Indexes and order would not be what they were; nothing is published."""
    source = await _source(bus, "bus", tmp_path)
    before = await bus.records(OUTBOX, 0)
    with pytest.raises(ConfigError, match="has records there already"):
        await _republish(source, bus.transport, bus.directory)
    assert await bus.records(OUTBOX, 0) == before


async def test_an_outbox_with_too_few_partitions_is_refused(bus, tmp_path):
    """Records keep their partition, so it must be there."""
    target = MemoryTransport(clock_ms=lambda: BASE_AT_MS)
    await target.administrator().create_topics([TopicSpec(OUTBOX, 1, 1, {})])
    with pytest.raises(ConfigError, match="has 1 partitions there"):
        await _republish(await _source(bus, "bus", tmp_path), target, bus.directory)


async def test_an_outbox_of_an_agency_that_left_is_made_too(bus, tmp_path):
    """The newest directory need not know an agency any more whose documents are replayed."""
    source = await _source(bus, "bus", tmp_path)
    without = {key: one for key, one in bus.directory.agencies.items() if key != "tax.example"}
    directory = type(bus.directory)(
        **{
            name: without if name == "agencies" else getattr(bus.directory, name)
            for name in bus.directory.__dataclass_fields__
            if bus.directory.__dataclass_fields__[name].init
        }
    )
    target = MemoryTransport(clock_ms=lambda: BASE_AT_MS)
    done = await _republish(source, target, directory)
    assert OUTBOX in done.topics_created


async def test_a_directory_by_nobody_known_is_no_source(bus, tmp_path):
    """Without a version that the authority signed nothing can be decided again."""
    source = await _source(bus, "bus", tmp_path)
    with pytest.raises(MissingPartError, match="no directory"):
        directories_of(source.directory_records, [])
