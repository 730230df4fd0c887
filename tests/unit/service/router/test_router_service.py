"""The router on the in-process broker: receipts, duplicates, gaps, takeover."""

import asyncio
from collections import Counter

import pytest

from govbus.adapters.outgoing import DocumentIds, OutgoingDocument
from govbus.adapters.spool import Spool
from govbus.document import topics
from govbus.document.finding import Outcome
from govbus.document.ids import Origin
from govbus.routing.directory.build import build_directory
from govbus.schemas.core import decode_log_entry, decode_receipt
from govbus.service.directory.publishing import read_folder
from govbus.service.router import session
from govbus.service.router.router_service import RouterService
from govbus.service.router.session import SessionParts
from govbus.service.router.state import RouterState
from govbus.service.sample_directory import BUS, CIVIL_REGISTRY, POPULATION_REGISTER, write_sample_directory
from govbus.service.scanning import scan
from govbus.service.sending import document_template
from govbus.service.tracing import receipt_of
from govbus.settings import RouterSettings
from govbus.signing.signer import KeySigner
from govbus.testing.exchange import record_metadata
from govbus.transport.base import OutRecord, TopicPartition, TopicSpec
from govbus.transport.memory import MemoryTransport

NOW_MS = 1_795_466_700_000
ORIGIN = Origin.from_text("civil-registry.example/main")
INBOX, ANSWERS = topics.inbox(POPULATION_REGISTER), topics.inbox(CIVIL_REGISTRY)
METADATA = record_metadata(CIVIL_REGISTRY)


class World:
    """A directory, a broker in memory, a spool's worth of records, and routers."""

    def __init__(self, folder):
        self.sample = write_sample_directory(folder / "directory", at_ms=NOW_MS)
        files = read_folder(self.sample.folder)
        self.directory = build_directory(
            files.content, version=3, issued_ms=NOW_MS, expires_ms=NOW_MS + 10**9
        )
        self.transport = MemoryTransport()
        self.folder = folder
        self.ids = DocumentIds()

    async def create_topics(self):
        administrator = self.transport.administrator()
        await administrator.start()
        names = [topics.MESSAGE_LOG, topics.QUARANTINE, INBOX, ANSWERS, topics.outbox(CIVIL_REGISTRY)]
        await administrator.create_topics([TopicSpec(name, 1, 1, {}) for name in names])
        await administrator.stop()

    def signer(self, agency):
        key, certificate = self.sample.key(agency).read_bytes(), self.sample.certificate(agency).read_bytes()
        return KeySigner.from_pem(key, certificate, kid=str(agency))

    def records(self, count, batch=8):
        """Return the next records of the origin, sealed in batches."""
        agreement = self.directory.agreement(self.sample.agreement(CIVIL_REGISTRY))
        template = document_template(self.directory, ORIGIN, agreement)
        with Spool.open(self.folder / "main.spool", ORIGIN, next_index=0) as spool:
            spool.put(
                [
                    template.encode(OutgoingDocument(self.ids.new(NOW_MS), None, NOW_MS, METADATA, {}))
                    for _ in range(count)
                ],
                at_ms=NOW_MS,
            )
            spool.seal([self.signer(CIVIL_REGISTRY)], at_ms=NOW_MS, batch_max=batch)
            records = spool.unpublished(count)
            spool.mark_published(spool.published_next + count - 1)
        return [OutRecord(*one) for one in records]

    async def publish(self, records):
        publisher = self.transport.publisher()
        await publisher.start()
        await publisher.publish(records)
        await publisher.stop()

    async def route(self, decisions, state=":memory:"):
        """Run a router until the log has so many entries."""
        parts = SessionParts(
            transport=self.transport,
            state=RouterState(state, documents_max=1000),
            signer=self.signer(BUS),
            name="r",
            settings=RouterSettings(),
            directory=lambda: self.directory,
            clock_ms=lambda: NOW_MS,
            log_partitions=1,
        )
        stopping = asyncio.Event()
        service = RouterService(parts)
        running = asyncio.create_task(service.run(stopping))
        async with asyncio.timeout(20):
            while len(await self.read(topics.MESSAGE_LOG)) < decisions:
                assert not running.done(), running.exception()
                await asyncio.sleep(0.02)
        stopping.set()
        await running
        parts.state.close()

    async def read(self, name):
        return [record async for record in scan(self.transport, [name])]

    async def entries(self):
        return [decode_log_entry(record.value) for record in await self.read(topics.MESSAGE_LOG)]


@pytest.fixture
async def world(tmp_path):
    """A bus with nothing on it."""
    one = World(tmp_path)
    await one.create_topics()
    return one


async def test_a_run_is_delivered_and_covered_by_one_receipt(world):
    """Documents arrive unchanged in order, and one signed receipt covers the run."""
    records = world.records(20)
    await world.publish(records)
    await world.route(20)
    delivered = await world.read(INBOX)
    receipts = [receipt_of(one) for one in await world.read(ANSWERS)]

    assert [one.value for one in records] == [one.value for one in delivered]
    assert all(set(one.headers) < set(two.headers) for one, two in zip(records, delivered, strict=True))
    assert list(range(20)) == [index for one in receipts for index in range(one.index, one.index + one.count)]
    assert {Outcome.ACCEPTED} == {entry.decision for entry in await world.entries()}


async def test_the_same_document_again_gets_the_first_receipt_again(world):
    """A router that never saw the originals restores them from the log and gives the same receipt bytes."""
    records = world.records(6)
    await world.publish(records)
    await world.route(6)
    await world.publish([records[2], records[4]])
    await world.route(8)
    answers = await world.read(ANSWERS)
    first = {dict(one.headers)["ce_id"]: one.value for one in answers}

    assert 6 == len(await world.read(INBOX))
    assert [Outcome.DUPLICATE] * 2 == [entry.decision for entry in (await world.entries())[6:]]
    assert len(answers) > len(first)
    assert all(first[dict(one.headers)["ce_id"]] == one.value for one in answers)


async def test_a_duplicate_in_the_same_batch(world):
    """A document and its copy in one transaction: one delivery, one answer."""
    records = world.records(3)
    await world.publish([records[0], records[1], records[1], records[2]])
    await world.route(4)

    assert 3 == len(await world.read(INBOX))
    decisions = Counter(entry.decision for entry in await world.entries())
    assert Counter({Outcome.ACCEPTED: 3, Outcome.DUPLICATE: 1}) == decisions


async def test_a_gap_is_held_and_closed(world):
    """What stands behind a gap is quarantined, told which index is expected, and accepted when sent again."""
    records = world.records(4, batch=1)
    await world.publish([records[0], records[2], records[3]])
    await world.route(3)
    held = (await world.entries())[1:]
    await world.publish(records[1:])
    await world.route(6)

    assert [Outcome.QUARANTINED] * 2 == [entry.decision for entry in held]
    assert all("expected 1" in entry.findings[0].detail for entry in held)
    assert 2 == len(await world.read(topics.QUARANTINE))
    assert [one.value for one in records] == [one.value for one in await world.read(INBOX)]


async def test_the_history_file_can_be_thrown_away(world):
    """With its file or without it, a router decides the same."""
    records = world.records(5)
    await world.publish(records)
    await world.route(5, world.folder / "history.db")
    await world.publish(records[:1])
    await world.route(6, world.folder / "history.db")
    await world.publish(records[:1])
    await world.route(7)

    decisions = [entry.decision for entry in await world.entries()]
    assert [Outcome.DUPLICATE] * 2 == decisions[5:]
    repeated = [one.value for one in await world.read(ANSWERS)][-2:]
    assert repeated[0] == repeated[1]
    assert decode_receipt(repeated[0]).decision is Outcome.ACCEPTED


async def test_refused_documents_use_up_their_index(world):
    """A refusal does not hold up what comes behind it, and its receipt says why."""
    records = world.records(3, batch=1)
    broken = records[1]._replace(value=records[1].value + b"\x00")
    await world.publish([records[0], broken, records[2]])
    await world.route(3)
    receipts = [receipt_of(one) for one in await world.read(ANSWERS)]

    assert [Outcome.ACCEPTED, Outcome.REFUSED, Outcome.ACCEPTED] == [one.decision for one in receipts]
    assert "SEC-3" == receipts[1].findings[0].rule
    await world.publish([records[1]])
    await world.route(4)
    assert 3 == len(await world.read(INBOX))


async def test_how_far_the_log_is_remembered_is_noted(world, monkeypatch):
    """A session notes its place in the log, so that the next one reads only what came after."""
    monkeypatch.setattr(session, "MARK_INTERVAL_S", 0.0)
    await world.publish(world.records(4))
    await world.route(4, world.folder / "history.db")
    state = RouterState(world.folder / "history.db", documents_max=1000)
    source = TopicPartition(topics.outbox(CIVIL_REGISTRY), 0)
    noted = state.log_offset(source)
    state.close()

    assert 4 <= noted
    await world.publish(world.records(2))
    await world.route(6, world.folder / "history.db")
    assert [Outcome.ACCEPTED] * 6 == [entry.decision for entry in await world.entries()]
