"""The publisher on a real broker that is killed and restarted while documents are put."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import pytest

from govbus.adapters.outgoing import EncodedDocument
from govbus.adapters.spool import Spool
from govbus.document import topics
from govbus.document.ids import Origin
from govbus.document.record import STATEMENT, Envelope, Record
from govbus.document.statement import Statement
from govbus.errors import MissingPartError
from govbus.service.processes import clock_ms
from govbus.service.publisher import PublisherParts, SpoolPublisher
from govbus.service.spool_start import next_index_on_bus
from govbus.signing.certificates import TrustedCertificate
from govbus.signing.issuing import CertificateAuthority
from govbus.signing.signer import KeySigner
from govbus.signing.verifier import Verifier
from govbus.transport.base import TopicPartition, TopicSpec
from govbus.transport.kafka import KafkaConnection, KafkaTransport

pytestmark = pytest.mark.kafka

START_TIMEOUT_S = 90
DAY_MS = 86_400_000


def _signer():
    now_ms = clock_ms()
    issued = CertificateAuthority.create("Test", at_ms=now_ms - DAY_MS).issue(
        "test", not_before_ms=now_ms - DAY_MS, not_after_ms=now_ms + DAY_MS
    )
    return KeySigner.from_pem(issued.key_pem, issued.certificate_pem, kid="test/seal")


class Trust:
    """Trusts one signer for one agency."""

    def __init__(self, signer, agency):
        self._trusted = TrustedCertificate(signer.certificate, agency)

    def certificate(self, thumbprint):
        return self._trusted if thumbprint == self._trusted.certificate.thumbprint else None


def _documents(first, count):
    return [
        EncodedDocument(str(n), {"ce_id": b"%d" % n}, 100, "ab" * 32, b"%d" % n + bytes(1000))
        for n in range(first, first + count)
    ]


async def _create_outbox(transport, origin, partitions=3):
    administrator = transport.administrator()
    await administrator.start()
    try:
        await administrator.create_topics([TopicSpec(topics.outbox(origin.agency), partitions, 1, {})])
    finally:
        await administrator.stop()


async def _read_outbox(transport, origin, partitions=3) -> list[Record]:
    sources = [TopicPartition(topics.outbox(origin.agency), number) for number in range(partitions)]
    subscriber = transport.subscriber(assign=sources)
    await subscriber.start()
    try:
        ends = await subscriber.end_offsets(sources)
        found = []
        while [source for source in sources if await subscriber.position(source) < ends[source]]:
            polled = await subscriber.poll(timeout_s=1.0, records_max=10_000)
            found += [record for records in polled.values() for record in records]
        return found
    finally:
        await subscriber.stop()


async def _put_all(spool, chunks, publisher):
    for number in range(chunks):
        await asyncio.to_thread(spool.put, _documents(100 * number, 100), at_ms=clock_ms())
        publisher.wake()
        await asyncio.sleep(0.05)


async def _until(condition, timeout_s=60.0):
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.02)


@pytest.mark.crash
async def test_broker_killed_while_documents_are_put(embedded_kafka_factory, tmp_path):
    """Every document arrives, in order; what is sent twice is the same bytes; putting never waits for the broker."""
    kafka = embedded_kafka_factory()
    transport = KafkaTransport(KafkaConnection(kafka.start(START_TIMEOUT_S)))
    origin, signer = Origin.from_text("killed.example/main"), _signer()
    await _create_outbox(transport, origin)
    stopping = asyncio.Event()
    with Spool.open(tmp_path / "spool", origin, next_index=0) as spool:
        publisher = SpoolPublisher(
            PublisherParts(spool, [signer], transport, clock_ms, chunk_documents_max=300)
        )
        running = asyncio.create_task(publisher.run(stopping))
        putting = asyncio.create_task(_put_all(spool, 120, publisher))
        for _ in range(2):
            await asyncio.sleep(1.0)
            os.kill(kafka.pid, signal.SIGKILL)
            await _until(lambda: kafka.pid is None)
            await asyncio.to_thread(kafka.start, START_TIMEOUT_S)
        await asyncio.wait_for(putting, 60)
        await _until(lambda: running.done() or spool.stats(clock_ms()).documents == 0)
        stopping.set()
        await asyncio.wait_for(running, 30)

    records = await _read_outbox(transport, origin)

    assert 1 == len({record.partition for record in records})
    seen: dict[int, Record] = {}
    order = []
    verifier = Verifier(Trust(signer, origin.agency))
    for record in records:
        envelope = Envelope.from_headers(record.headers)
        statement = Statement.from_bytes(envelope.statement)
        verifier.verify_record(record, envelope, statement, side="out", schema_hash="ab" * 32)
        first = seen.setdefault(statement.index, record)
        assert (first.key, first.value, first.headers) == (record.key, record.value, record.headers)
        if first is record:
            order.append(statement.index)
            assert record.value[5:].startswith(b"%d\x00" % statement.index)
    assert list(range(12_000)) == order, "all, in order, whatever was sent again"
    assert 12_000 == await next_index_on_bus(transport, origin)


async def test_next_index_on_bus(kafka_bootstrap, tmp_path, monkeypatch):
    """A lost spool goes on above its last index, found from the end of the outbox among those of other origins."""
    transport = KafkaTransport(KafkaConnection(kafka_bootstrap))
    signer = _signer()
    one, other, third = (
        Origin.from_text(f"next-index.example/{outbox}") for outbox in ("main", "second", "third")
    )
    with pytest.raises(MissingPartError, match="there is no topic govbus.out.next-index.example"):
        await next_index_on_bus(transport, one)
    await _create_outbox(transport, one, partitions=1)
    assert 0 == await next_index_on_bus(transport, one)
    for origin, count in ((one, 70), (other, 300)):
        with Spool.open(tmp_path / origin.outbox, origin, next_index=0) as spool:
            spool.put(_documents(0, count), at_ms=clock_ms())
            parts = PublisherParts(spool, [signer], transport, clock_ms)
            assert count == await SpoolPublisher(parts).drain()
    monkeypatch.setattr("govbus.service.spool_start.WINDOW_RECORDS", 40)
    assert [70, 300, 0] == [await next_index_on_bus(transport, origin) for origin in (one, other, third)]
    statements = [dict(record.headers)[STATEMENT] for record in await _read_outbox(transport, one, 1)]
    assert 370 == len(set(statements))
