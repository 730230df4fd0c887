"""A message log on an in-process broker, and a log service over it that a test may kill at any step."""

import asyncio

import pytest

from govbus.document import topics
from govbus.document.ids import AgencyId
from govbus.message_log.checkpoint import Checkpoint, open_checkpoint
from govbus.message_log.heads import HEADS_KEY, HeadTree, head_origin, partition_of_key
from govbus.message_log.keys import LogKeys, log_origin
from govbus.message_log.note import Note
from govbus.message_log.tree import CompactTree
from govbus.service.log.service import LogService
from govbus.service.log.state import LogState
from govbus.signing.merkle import leaf_hash
from govbus.transport.base import OutRecord, TopicPartition, TopicSpec
from govbus.transport.memory import MemoryTransport

BUS = AgencyId.from_text("bus.example")
HEADS = head_origin(BUS)
AT_MS = 1_795_466_700_000
PARTITIONS = 2
WAIT_ROUNDS_MAX = 2000


class Bench:
    """Broker, keys and folder of one log service."""

    def __init__(self, folder, keys):
        self.folder = folder
        self.keys = keys
        self.transport = MemoryTransport()
        self.watchers = ()
        self.now_ms = AT_MS

    async def start(self):
        specs = [TopicSpec(topics.MESSAGE_LOG, PARTITIONS, 1, {}), TopicSpec(topics.CHECKPOINTS, 1, 1, {})]
        await self.transport.administrator().create_topics(specs)
        return self

    def clock_ms(self):
        self.now_ms += 1000
        return self.now_ms

    async def append(self, partition, *entries, topic=topics.MESSAGE_LOG, key=b"k"):
        publisher = self.transport.publisher()
        await publisher.start()
        await publisher.publish([OutRecord(topic, partition, key, entry, (), AT_MS) for entry in entries])
        await publisher.stop()

    async def records(self, topic, partition=0):
        """Return every record of one partition."""
        place = TopicPartition(topic, partition)
        subscriber = self.transport.subscriber(assign=[place])
        await subscriber.start()
        end = (await subscriber.end_offsets([place]))[place]
        records = []
        while await subscriber.position(place) < end:
            for polled in (await subscriber.poll(timeout_s=0.1, records_max=1000)).values():
                records += polled
        await subscriber.stop()
        return records

    def open_state(self):
        self.folder.mkdir(exist_ok=True)
        return LogState(self.folder / "signed.db")

    def service(self, state, **options):
        return LogService(
            self.transport,
            bus=BUS,
            keys=self.keys,
            state=state,
            tiles=self.folder / "tiles",
            clock_ms=self.clock_ms,
            interval_s=0.01,
            watchers=self.watchers,
            **options,
        )

    async def run_until(self, condition, state=None):
        """Run a service until a condition holds (it is given the service), then stop it."""
        own = state is None
        state = self.open_state() if own else state
        try:
            service = self.service(state)
            stopping = asyncio.Event()
            task = asyncio.create_task(service.run(stopping))
            try:
                for _ in range(WAIT_ROUNDS_MAX):
                    if task.done() or condition(service):
                        break
                    await asyncio.sleep(0.005)
                else:
                    raise AssertionError("the condition never held")
            finally:
                stopping.set()
                await task
            return service
        finally:
            if own:
                state.close()

    async def run_to_the_end(self):
        """Run a service until it has signed and published everything that is in the log."""
        sizes = {number: len(await self.records(topics.MESSAGE_LOG, number)) for number in range(PARTITIONS)}

        def is_done(service):
            heads = service._heads
            signed = {
                number: heads.sizes_seen.get(log_origin(BUS, number), 0) for number in range(PARTITIONS)
            }
            return service.sizes == sizes == signed and service.published.newest is not None

        return await self.run_until(is_done)

    async def checkpoints(self):
        """Return what a stranger with the public keys sees on the topic: (origin, checkpoint) in order."""
        opened = []
        for record in await self.records(topics.CHECKPOINTS):
            number = partition_of_key(record.key)
            if number is None and record.key != HEADS_KEY:
                continue
            origin = HEADS if number is None else log_origin(BUS, number)
            opened.append((origin, open_checkpoint(record.value, self.keys.public.verifiers(origin))))
        return opened

    async def verify_topic(self):
        """Recompute every tree from the topics; return the head tree and how often an entry stands there."""
        roots = {}
        for number in range(PARTITIONS):
            tree = CompactTree()
            origin = log_origin(BUS, number)
            for record in await self.records(topics.MESSAGE_LOG, number):
                tree.append(leaf_hash(record.value))
                roots[origin, tree.size] = tree.root()
        heads, published_again = HeadTree(), 0
        for origin, checkpoint in await self.checkpoints():
            if origin == HEADS:
                assert checkpoint.size <= heads.tree.size
            assert roots[origin, checkpoint.size] == checkpoint.root, (origin, checkpoint.size)
            if origin != HEADS:
                published_again += not heads.take(checkpoint)
                roots[HEADS, heads.tree.size] = heads.tree.root()
        return heads, published_again


def text_of(note):
    """Return the checkpoint of a note."""
    return Checkpoint.from_text(Note.from_text(note).text)


@pytest.fixture(scope="session")
def log_keys():
    """Keys of the log."""
    return LogKeys.generate()


@pytest.fixture
async def bench(tmp_path, log_keys):
    """A message log without entries."""
    return await Bench(tmp_path / "log", log_keys).start()
