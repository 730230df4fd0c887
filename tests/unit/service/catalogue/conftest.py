"""A bus in memory: documents of the example bus, decided on by the real rules, in outboxes and the message log."""

import asyncio

import pytest

from govbus.document import topics
from govbus.document.finding import Outcome
from govbus.message_log.erasure import erasure_entry, order_for
from govbus.routing.decide import decide, prior_of
from govbus.routing.history import MemoryHistory
from govbus.schemas.core import decode_log_entry, encode_log_entry
from govbus.service.catalogue.database import CatalogueDatabase
from govbus.service.catalogue.indexing import index_documents
from govbus.service.catalogue.items import directory_items
from govbus.service.scanning import scan
from govbus.testing import example_keys
from govbus.testing.example_bus import BASE_AT_MS, BUS, ORIGIN, ExampleBus
from govbus.testing.example_documents import make_record
from govbus.testing.rich_example import RICH_EXAMPLE
from govbus.transport.base import OutRecord, TopicSpec
from govbus.transport.memory import MemoryTransport

OUTBOX = topics.outbox(ORIGIN.agency)


class MemoryBus:
    """One supplier's outbox and the message log, in memory."""

    def __init__(self, directory):
        self.directory = directory
        self.transport = MemoryTransport(clock_ms=lambda: BASE_AT_MS)
        self._schema = directory.schemas.by_id(101)
        self._history = MemoryHistory()
        self._count = 0
        asyncio.run(self._create())

    async def _create(self):
        administrator = self.transport.administrator()
        await administrator.start()
        await administrator.create_topics(
            [TopicSpec(OUTBOX, 1, 1, {}), TopicSpec(topics.MESSAGE_LOG, 1, 1, {})]
        )
        await administrator.stop()

    def send(self, *documents, tampered=False):
        """Send documents, decide on each, and write the log; return the decisions."""
        return asyncio.run(self._send(documents, tampered=tampered))

    async def _send(self, documents, *, tampered):
        publisher = self.transport.publisher()
        await publisher.start()
        decisions = []
        for document in documents:
            record = make_record(
                document,
                self._schema,
                index=self._history.next_index(ORIGIN),
                offset=self._count,
                at_ms=BASE_AT_MS,
            )
            self._count += 1
            decision = decide(record, self.directory, self._history, at_ms=BASE_AT_MS)
            prior = prior_of(decision, time_ms=BASE_AT_MS, receipt_first=0)
            if prior is not None:
                self._history.remember(ORIGIN, prior)
            value = record.value[:-1] + b"x" if tampered else record.value
            await publisher.publish(
                [OutRecord(OUTBOX, 0, record.key, value, record.headers, record.timestamp_ms)]
            )
            entry = _entry(decision, record, self.directory.version)
            await publisher.publish(
                [OutRecord(topics.MESSAGE_LOG, 0, b"k", encode_log_entry(entry), (), BASE_AT_MS)]
            )
            decisions.append(decision)
        await publisher.stop()
        return decisions

    def erase(self, number):
        """Log that the content of one document was erased; its record stays where it is."""
        asyncio.run(self._erase(number))

    async def _erase(self, number):
        entries = [
            decode_log_entry(record.value) async for record in scan(self.transport, [topics.MESSAGE_LOG])
        ]
        original = entries[number]
        order = order_for(original, BUS, time_ms=BASE_AT_MS, authority="Example order 17")
        signers = [example_keys.signer(BUS.text)]
        entry = erasure_entry(order, original, signers, directory_version=1, revocations=0)
        publisher = self.transport.publisher()
        await publisher.start()
        await publisher.publish(
            [OutRecord(topics.MESSAGE_LOG, 0, b"k", encode_log_entry(entry), (), BASE_AT_MS)]
        )
        await publisher.stop()

    def index(self, database):
        return asyncio.run(index_documents(self.transport, database, lambda _version: self.directory))


def _entry(decision, record, version):
    from govbus.document.decision import LogEntry, SourcePosition
    from govbus.document.record import Envelope

    envelope = Envelope.from_headers(record.headers)
    return LogEntry(
        decision=decision.outcome,
        time_ms=BASE_AT_MS,
        source=SourcePosition(OUTBOX, 0, record.offset),
        document_id=envelope.attribute("id"),
        statement=envelope.statement,
        signatures=envelope.signatures,
        batch=envelope.batch,
        path=envelope.path,
        record_hash=None,
        directory_version=version,
        findings=decision.findings,
        recipients=("govbus.in.court.example",) if decision.outcome is Outcome.ACCEPTED else (),
        receipt_first=None,
        agreement=None,
    )


@pytest.fixture(scope="session")
def directory():
    """The rich example directory."""
    return ExampleBus.of(RICH_EXAMPLE).directory()


@pytest.fixture
def bus(directory):
    """A bus in memory over the rich directory."""
    return MemoryBus(directory)


@pytest.fixture
def database(directory):
    """An index of that directory, without documents yet."""
    made = CatalogueDatabase(":memory:")
    made.replace_directory(directory_items(directory), "1")
    yield made
    made.close()
