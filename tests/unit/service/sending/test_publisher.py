"""Tests of the publisher: order, failures, stopping, and that only one runs."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from govbus.document.record import STATEMENT
from govbus.document.statement import Statement
from govbus.errors import SpoolError, TransportConfigError
from govbus.service import publisher as publisher_module
from govbus.service.publisher import PublisherParts, SpoolPublisher

AT_MS = 1_795_466_700_123


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(publisher_module, "RETRY_PAUSE_S", 0.005)


@pytest.fixture
def parts(spool, signer, broker):
    return PublisherParts(
        spool,
        [signer],
        broker,
        lambda: AT_MS,
        batch_documents_max=16,
        chunk_documents_max=50,
        idle_pause_s=0.005,
        drain_timeout_s=5.0,
    )


@contextlib.asynccontextmanager
async def running(publisher):
    """Run a publisher beside a test and stop it at its end."""
    stopping = asyncio.Event()
    task = asyncio.create_task(publisher.run(stopping))
    try:
        yield stopping
        stopping.set()
        await asyncio.wait_for(task, 10)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def indexes(records):
    return [Statement.from_bytes(dict(record.headers)[STATEMENT]).index for record in records]


async def test_publishes_in_order_while_documents_come(parts, spool, broker, encoded, until):
    """Documents arrive in index order, each once, while others are put."""
    publisher = SpoolPublisher(parts)
    publisher.wake()
    async with running(publisher):
        for _ in range(5):
            await asyncio.to_thread(spool.put, encoded(77), at_ms=AT_MS)
            publisher.wake()
            await asyncio.sleep(0.003)
        await until(lambda: len(broker.arrived) == 385)
    assert list(range(385)) == indexes(broker.arrived)
    assert (0, 385) == (spool.stats(AT_MS).documents, publisher.published)
    publisher.wake()


async def test_finds_documents_of_another_process(parts, spool, broker, encoded, until):
    """Without being told the publisher looks into the spool from time to time."""
    async with running(SpoolPublisher(parts)):
        await asyncio.sleep(0.02)
        spool.put(encoded(1), at_ms=AT_MS)
        await until(lambda: broker.arrived)


@pytest.mark.parametrize("arrived", [0, 30, 50])
async def test_broker_that_goes_away(parts, spool, broker, encoded, lost, arrived, until):
    """After a failure the same chunk is sent again as the same bytes, by a new producer, before anything else."""
    spool.put(encoded(120), at_ms=AT_MS)
    broker.failures = [None, lost(arrived), lost(arrived)]
    broker.start_failures = [lost()]
    async with running(SpoolPublisher(parts)):
        await until(lambda: spool.published_next == 120)
    expected = [*range(50), *range(50, 50 + arrived), *range(50, 50 + arrived), *range(50, 120)]
    assert expected == indexes(broker.arrived)
    by_index = {}
    for index, record in zip(indexes(broker.arrived), broker.arrived, strict=True):
        assert record == by_index.setdefault(index, record)
    assert 4 == broker.started == broker.stopped


async def test_takes_documents_while_the_broker_is_away(parts, spool, broker, encoded, until):
    """While nothing can be published documents are put, and go out when the broker is back."""
    broker.gate.clear()
    async with running(SpoolPublisher(parts)):
        for _ in range(3):
            await asyncio.to_thread(spool.put, encoded(40), at_ms=AT_MS)
        assert 120 == spool.stats(AT_MS).documents
        broker.gate.set()
        await until(lambda: spool.published_next == 120)
    assert list(range(120)) == indexes(broker.arrived)


async def test_stopping_drains(parts, spool, broker, encoded):
    """Asked to stop, the publisher first sends what is in the spool."""
    broker.gate.clear()
    async with running(SpoolPublisher(parts)) as stopping:
        spool.put(encoded(130), at_ms=AT_MS)
        await asyncio.sleep(0.02)
        stopping.set()
        await asyncio.sleep(0.02)
        broker.gate.set()
    assert list(range(130)) == indexes(broker.arrived)
    assert 0 == spool.stats(AT_MS).documents


async def test_drain_is_bounded(spool, signer, broker, encoded):
    """A broker that never answers does not keep the process: the documents stay in the spool."""
    broker.gate.clear()
    spool.put(encoded(60), at_ms=AT_MS)
    parts = PublisherParts(spool, [signer], broker, lambda: AT_MS, drain_timeout_s=0.05)
    started = time.monotonic()
    async with running(SpoolPublisher(parts)):
        await asyncio.sleep(0.02)
    assert time.monotonic() - started < 2
    assert (60, [], 1) == (spool.stats(AT_MS).documents, broker.arrived, broker.stopped)


async def test_refused_for_good(parts, spool, broker, encoded):
    """An error that does not pass ends the publisher, with the documents still in the spool."""
    broker.failures = [TransportConfigError("kafka: publish: refused")]
    spool.put(encoded(1), at_ms=AT_MS)
    with pytest.raises(TransportConfigError):
        await SpoolPublisher(parts).run(asyncio.Event())
    assert (1, 1) == (spool.stats(AT_MS).documents, broker.stopped)


async def test_spool_that_fails(parts, spool, broker, encoded, monkeypatch):
    """What was acknowledged before the spool failed is forgotten before the error is raised."""
    spool.put(encoded(60), at_ms=AT_MS)
    real = type(spool).unpublished

    def fail_second(self, documents_max, *, first_index):
        if first_index:
            raise SpoolError("broken")
        return real(self, documents_max, first_index=first_index)

    monkeypatch.setattr(type(spool), "unpublished", fail_second)
    with pytest.raises(SpoolError, match="broken"):
        await SpoolPublisher(parts).run(asyncio.Event())
    assert (50, 50) == (len(broker.arrived), spool.published_next)


async def test_one_publisher_for_a_spool(parts):
    """A second publisher of the same spool is refused while the first runs."""
    async with running(SpoolPublisher(parts)):
        await asyncio.sleep(0.01)
        with pytest.raises(SpoolError, match="another process publishes"):
            await SpoolPublisher(parts).run(asyncio.Event())
        with pytest.raises(SpoolError, match="another process publishes"):
            await SpoolPublisher(parts).drain()


async def test_drain_once(parts, spool, broker, encoded, lost):
    """A single drain sends what is there and raises at the first trouble."""
    spool.put(encoded(70), at_ms=AT_MS)
    publisher = SpoolPublisher(parts)
    broker.failures = [None, lost()]
    with pytest.raises(type(lost())):
        await publisher.drain()
    assert 50 == spool.published_next
    assert 20 == await publisher.drain()
    assert 0 == await publisher.drain()
    assert list(range(70)) == indexes(broker.arrived)


async def test_cancelled(parts, spool, broker, encoded):
    """A publisher that is cancelled lets go of lock and producer."""
    broker.gate.clear()
    spool.put(encoded(1), at_ms=AT_MS)
    task = asyncio.create_task(SpoolPublisher(parts).run(asyncio.Event()))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    broker.gate.set()
    assert 1 == await SpoolPublisher(parts).drain()
    assert broker.started == broker.stopped
