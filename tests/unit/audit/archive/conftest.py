"""A small bus in memory with real directory, documents, decisions and checkpoints, and an archive of it."""

import hashlib

import pytest

from govbus.audit.archive import layout
from govbus.document import topics
from govbus.message_log.checkpoint import Checkpoint, sign_checkpoint
from govbus.message_log.heads import HEADS_KEY, TIMESTAMP_KEY, HeadTree, head_origin
from govbus.message_log.keys import LogKeys, log_origin
from govbus.message_log.tree import CompactTree
from govbus.routing.history import MemoryHistory
from govbus.service.archive.writing import write_archive
from govbus.service.directory.publishing import publish_directory
from govbus.service.router.batch import BatchRouter
from govbus.signing.merkle import leaf_hash
from govbus.signing.signer import KeySigner
from govbus.signing.verifier import VerifiedSignatures
from govbus.testing import example_keys
from govbus.testing.example_bus import BASE_AT_MS, BUS, SCHEMA_ID, TAX, ExampleBus
from govbus.testing.example_documents import make_record
from govbus.transport.base import OutRecord, TopicPartition, TopicSpec
from govbus.transport.memory import MemoryTransport

OUTBOX = topics.outbox(TAX)
LOG_PARTITIONS = 2
TOPICS = {
    topics.DIRECTORY: 1,
    topics.REVOCATIONS: 1,
    topics.CHECKPOINTS: 1,
    topics.MESSAGE_LOG: LOG_PARTITIONS,
    OUTBOX: LOG_PARTITIONS,
}


class ArchiveBus:
    """One bus whose every step a test takes itself."""

    def __init__(self):
        self.transport = MemoryTransport(clock_ms=lambda: BASE_AT_MS)
        self.keys = LogKeys.generate()
        self.directory = None
        self.heads = HeadTree()
        self.at_ms = BASE_AT_MS
        self.sent = 0
        self._histories = {number: MemoryHistory() for number in range(LOG_PARTITIONS)}
        self._routed = dict.fromkeys(range(LOG_PARTITIONS), 0)
        self._trees = {number: (CompactTree(), 0) for number in range(LOG_PARTITIONS)}

    @property
    def authority(self):
        """The governing authority's certificates."""
        return (self._authority_signer().certificate,)

    @staticmethod
    def _authority_signer():
        authority = example_keys.authority()
        return KeySigner.from_pem(authority.key_pem, authority.certificate_pem, kid="authority")

    async def start(self):
        """Make the topics and publish the directory."""
        await self.transport.administrator().create_topics(
            [TopicSpec(name, count, 1, {}) for name, count in TOPICS.items()]
        )
        files = ExampleBus.of({}).files
        signer = self._authority_signer()
        await publish_directory(
            self.transport, files, signer, authority=(signer.certificate,), at_ms=BASE_AT_MS - 1000
        )
        self.directory = ExampleBus.of({}).directory()
        return self

    async def put(self, topic, partition, key, value, headers=()):
        """Append one record."""
        publisher = self.transport.publisher()
        await publisher.start()
        await publisher.publish([OutRecord(topic, partition, key, value, tuple(headers), self.at_ms)])
        await publisher.stop()

    async def records(self, topic, partition=0, start=0):
        """Return the records of one partition."""
        place = TopicPartition(topic, partition)
        subscriber = self.transport.subscriber(assign=[place])
        await subscriber.start()
        await subscriber.seek(place, start)
        end = (await subscriber.end_offsets([place]))[place]
        records = []
        while await subscriber.position(place) < end:
            records += (await subscriber.poll(timeout_s=0.01, records_max=1000)).get(place, [])
        await subscriber.stop()
        return records

    async def send(self, count, example=None):
        """Put documents on the outbox."""
        schema = self.directory.schemas.by_id(SCHEMA_ID)
        for _ in range(count):
            record = make_record(
                example or {}, schema, index=self.sent, offset=self.sent, at_ms=self.at_ms + self.sent
            )
            await self.put(OUTBOX, 0, record.key, record.value, record.headers)
            self.sent += 1

    async def send_junk(self, count):
        """Put records on the other outbox partition that are no documents."""
        for number in range(count):
            headers = [
                ("ce_id", b"\xff"),
                ("gb-salt", b"short"),
                ("gb-salt", b"twice"),
                ("x", b"%d" % number),
            ]
            await self.put(OUTBOX, 1, None if number % 2 else b"key", b"junk %d" % number, headers)

    async def route(self):
        """Decide about everything that is undecided."""
        for partition in range(LOG_PARTITIONS):
            router = BatchRouter(
                history=self._histories[partition],
                verified=VerifiedSignatures(),
                signer=example_keys.signer(BUS.text),
                name="router-1",
                log_partition=partition,
                receipt_run_documents_max=2000,
            )
            records = await self.records(OUTBOX, partition, self._routed[partition])
            batch = router.route(records, self.directory, at_ms=self.at_ms)
            self._routed[partition] += len(records)
            entries = [one for one in batch.records if one.topic == topics.MESSAGE_LOG]
            if entries:
                publisher = self.transport.transactional_publisher("router")
                await publisher.start()
                await publisher.transact(entries, offsets={}, group="")
                await publisher.stop()

    async def sign(self, *, keys=None, heads=True, root=None):
        """Sign a checkpoint of every log partition, the first with another root where told, and of all."""
        keys = keys or self.keys
        for partition in range(LOG_PARTITIONS):
            tree, offset = self._trees[partition]
            records = await self.records(topics.MESSAGE_LOG, partition, offset)
            for record in records:
                tree.append(leaf_hash(record.value))
            self._trees[partition] = tree, records[-1].offset + 1 if records else offset
            origin = log_origin(BUS, partition)
            checkpoint = Checkpoint(
                origin, tree.size, root if root is not None and partition == 0 else tree.root()
            )
            note = sign_checkpoint(checkpoint, keys.signers(origin), at_s=self.at_ms // 1000)
            if tree.size:
                await self.put(topics.CHECKPOINTS, 0, str(partition).encode(), note.encode())
                self.heads.take(checkpoint)
        if heads and self.heads.tree.size:
            return await self.sign_heads()
        return None

    async def sign_heads(self):
        """Sign a head checkpoint, and return its text."""
        origin = head_origin(BUS)
        checkpoint = Checkpoint(origin, self.heads.tree.size, self.heads.tree.root())
        note = sign_checkpoint(checkpoint, self.keys.signers(origin), at_s=self.at_ms // 1000)
        await self.put(topics.CHECKPOINTS, 0, HEADS_KEY, note.encode())
        return checkpoint.to_text()

    async def stamp(self, text):
        """Put a timestamp response about a head checkpoint on the topic."""
        response = b"response over " + hashlib.sha256(text.encode()).digest()
        headers = [("gb-checkpoint", text.encode()), ("gb-tsa", b"tsa-1")]
        await self.put(topics.CHECKPOINTS, 0, TIMESTAMP_KEY, response, headers)

    async def go_on(self, documents=3, junk=1):
        """Send, decide, sign and stamp."""
        await self.send(documents)
        await self.send_junk(junk)
        await self.route()
        await self.stamp(await self.sign())

    def lose(self, topic, partition, offset):
        """Make the broker lose a record, as retention or compaction does."""
        records = self.transport._broker.log(TopicPartition(topic, partition))
        records[offset] = records[offset]._replace(record=None)

    async def archive(self, folder, *, close=True, **options):
        """Write an archive."""
        (folder / layout.STAGING).mkdir(parents=True, exist_ok=True)
        return await write_archive(
            self.transport, folder, bus=BUS, keys=self.keys.public, close=close, **options
        )


@pytest.fixture
async def bus():
    """A bus on which nothing has happened but that its directory was published."""
    return await ArchiveBus().start()
