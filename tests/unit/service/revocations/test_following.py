"""Following the topic: every record counts, and nothing may be missing."""

import asyncio

import pytest
from structlog.testing import capture_logs

from govbus.document import topics
from govbus.errors import LogIntegrityError, TransportConfigError, TransportError
from govbus.service.revocations import following
from govbus.service.revocations.following import RevocationFollower, read_revocations, read_state
from govbus.transport.base import OutRecord
from govbus.transport.memory import MemoryTransport
from tests.unit.service.revocations.conftest import create_topic


async def publish(transport, *values):
    publisher = transport.publisher()
    await publisher.start()
    await publisher.publish([OutRecord(topics.REVOCATIONS, 0, b"k", value, (), None) for value in values])
    await publisher.stop()


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # a broker
            await asyncio.sleep(0.01)


async def test_reads_and_follows(transport, site):
    """What is there is read at the start, what comes is taken in; noise counts."""
    await publish(transport, site.list(), b"noise")
    follower = RevocationFollower(transport)
    with capture_logs() as logs:
        await follower.start()
    assert 2 == follower.state.count
    assert any("left out" in one["event"] for one in logs)
    await publish(transport, site.list())
    await until(lambda: follower.state.count == 3)
    await follower.stop()
    await publish(transport, site.list())
    assert 3 == follower.state.count


async def test_topic_that_comes_later(monkeypatch, site):
    """A bus without the topic has no material, until it has one."""
    monkeypatch.setattr(following, "MISSING_PAUSE_S", 0.01)
    transport = MemoryTransport()
    follower = RevocationFollower(transport)
    await follower.start()
    assert 0 == follower.state.count
    await create_topic(transport)
    await publish(transport, site.list())
    await until(lambda: follower.state.count == 1)
    await follower.stop()


async def test_reading_once_wants_the_topic():
    """Whoever asks what is known is told that there is no topic."""
    with pytest.raises(TransportConfigError, match=r"no topic govbus\.revocations"):
        await read_revocations(MemoryTransport())


async def test_records_that_were_deleted(transport, site, monkeypatch):
    """A topic that has lost its first records gives other numbers to all others: it is not read."""
    await publish(transport, site.list())
    subscriber = type(transport.subscriber(assign=[following.PARTITION]))

    async def trimmed(_, partitions):
        return dict.fromkeys(partitions, 1)

    monkeypatch.setattr(subscriber, "beginning_offsets", trimmed)
    with pytest.raises(LogIntegrityError, match="were deleted"):
        await RevocationFollower(transport).start()


async def test_broker_that_is_away_for_a_while(transport, site, monkeypatch):
    """What was read stays while the broker is away, and nothing is counted twice when it is back."""
    monkeypatch.setattr(following, "RETRY_PAUSE_S", 0.01)
    await publish(transport, site.list())
    follower = RevocationFollower(transport)
    await follower.start()
    subscriber = type(follower._subscriber)
    poll, failures = subscriber.poll, []

    async def failing(self, **options):
        if len(failures) < 3:
            failures.append(1)
            raise TransportError("away")
        return await poll(self, **options)

    monkeypatch.setattr(subscriber, "poll", failing)
    await until(lambda: len(failures) == 3)
    assert 1 == follower.state.count
    await publish(transport, b"noise")
    await until(lambda: follower.state.count == 2)
    await follower.stop()


async def test_state_of_the_whole_topic(transport, site):
    """Whoever reads one document goes by all there is; a bus without the topic has nothing."""
    await publish(transport, site.list())
    assert 1 == (await read_state(transport)).count
    assert 0 == (await read_state(MemoryTransport())).count
