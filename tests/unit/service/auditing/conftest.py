"""A small bus with two log partitions and an archive of it in two segments."""

import pytest

from govbus.audit.archive.reader import Archive
from govbus.service.auditing.verifying import Request
from tests.unit.audit.archive.conftest import ArchiveBus


@pytest.fixture
async def bus():
    """A bus with 26 documents, some records that are none, and checkpoints on the way."""
    bus = await ArchiveBus().start()
    for count in (3, 20, 3):
        await bus.send(count)
        await bus.send_junk(2)
        await bus.route()
        await bus.sign()
        bus.at_ms += 60_000
    return bus


@pytest.fixture
async def archive(tmp_path):
    """An archive of such a bus, written in two steps, with the bus."""
    bus = await ArchiveBus().start()
    for count in (3, 20):
        await bus.send(count)
        await bus.send_junk(2)
        await bus.route()
        await bus.sign()
        await bus.archive(tmp_path)
        bus.at_ms += 60_000
    return bus, Archive(tmp_path)


@pytest.fixture
def request_of():
    """Make the request of an auditor of a bus."""
    return lambda bus, **options: Request(authority=bus.authority, keys=bus.keys.public, **options)
