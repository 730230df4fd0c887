"""The consumer's loop: where it starts, what it does when something fails, how it stops."""

import asyncio

import pytest
from cryptography import x509

from govbus.document.ids import AgencyId
from govbus.errors import AdapterError, TransportError
from govbus.routing.trust.status import RevocationRecords
from govbus.service import consumer as consumer_module
from govbus.service.consumer import Consumer, ConsumerParts
from govbus.service.inbox_database import ConsumerCounts, InboxDatabase
from govbus.signing.status_building import RevokedCertificate
from govbus.transport.base import TopicPartition
from tests.unit.service.consumer.conftest import AT_MS, DAY_MS

INBOX = "govbus.in.register.example"
SOURCES = [TopicPartition(INBOX, 0), TopicPartition(INBOX, 1)]


class _Clock:
    def __init__(self):
        self.now_ms = 1_795_466_700_000

    def __call__(self):
        self.now_ms += 50
        return self.now_ms


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(consumer_module, "RETRY_PAUSE_S", 0.001)
    monkeypatch.setattr(consumer_module, "POLL_TIMEOUT_S", 0.001)


@pytest.fixture
def applied():
    return []


@pytest.fixture
def database(tmp_path, applied):
    opened = InboxDatabase(tmp_path / "inbox.db", lambda connection: applied.append)
    yield opened
    opened.close()


def _consumer(broker, database, directory, **options):
    return Consumer(
        ConsumerParts(
            transport=broker,
            database=database,
            topics=(INBOX,),
            name="register",
            directory=directory if callable(directory) else lambda: directory,
            clock_ms=options.pop("clock_ms", _Clock()),
            **options,
        )
    )


async def _until(is_done, timeout_s=5.0):
    async with asyncio.timeout(timeout_s):
        while not is_done():  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0.001)


async def _run_until(consumer, is_done):
    """Run until the condition holds, then stop gracefully."""
    stopping = asyncio.Event()
    task = asyncio.create_task(consumer.run(stopping))
    try:
        await _until(lambda: is_done() or task.done())
    finally:
        stopping.set()
        await task


def _ids(applied):
    return sorted(document.document_id for document in applied)


async def test_every_document_is_applied_once(broker, database, bench, applied):
    """Documents of all partitions arrive, and offsets end up in the database and with the broker."""
    broker.put([bench.document(index, "p", partition=index % 2) for index in range(7)])
    await _run_until(_consumer(broker, database, bench.directory), lambda: len(applied) == 7)

    assert [f"civil.example-{index}" for index in range(7)] == _ids(applied)
    assert [4, 3] == [database.next_offset(source) for source in SOURCES] == list(broker.stored.values())
    assert not broker.is_running


@pytest.mark.parametrize("stored", [None, 0, 4])
async def test_it_starts_where_the_database_says(broker, database, bench, applied, stored):
    """What the broker has as the group's offset does not matter: gone, too low or too high."""
    broker.put([bench.document(index, "p") for index in range(3)])
    await _run_until(_consumer(broker, database, bench.directory), lambda: len(applied) == 3)
    broker.put([bench.document(index, "p") for index in (3, 4)])
    broker.stored = {} if stored is None else {SOURCES[0]: stored}
    await _run_until(_consumer(broker, database, bench.directory), lambda: len(applied) >= 5)

    assert ConsumerCounts(applied=5) == database.counts()
    assert [f"civil.example-{index}" for index in range(5)] == _ids(applied)


async def test_transactions_are_bounded(broker, database, bench, applied, monkeypatch):
    """No transaction takes more records than it may."""
    sizes = []
    apply = database.apply

    def counting(slices, *, at_ms):
        sizes.append(sum(len(part.delivered) for part in slices))
        return apply(slices, at_ms=at_ms)

    monkeypatch.setattr(database, "apply", counting)
    broker.put([bench.document(index, "p", partition=index % 2) for index in range(10)])
    consumer = _consumer(broker, database, bench.directory, transaction_records_max=4)
    await _run_until(consumer, lambda: len(applied) == 10)

    assert [4, 4, 2] == sizes


async def test_a_record_that_does_not_verify_is_put_aside(broker, database, bench, applied):
    """It is recorded with rule and place, and the ones behind it are applied."""
    bad = bench.document(1, "p")
    broker.put([bench.document(0, "p"), bad._replace(key=b"x"), bench.document(2, "p")])
    await _run_until(_consumer(broker, database, bench.directory), lambda: len(applied) == 2)

    assert [("SEC-3", 1)] == [(one.rule, one.position.offset) for one in database.rejections()]
    assert ConsumerCounts(applied=2, rejected=1) == database.counts()


async def test_broker_trouble_is_waited_out(broker, database, bench, applied):
    """A poll that fails is tried again, and nothing is lost or applied twice."""
    broker.errors += [TransportError("away"), TransportError("still away")]
    broker.put([bench.document(0, "p")])
    await _run_until(_consumer(broker, database, bench.directory), lambda: applied)

    assert ConsumerCounts(applied=1) == database.counts()


async def test_a_batch_that_failed_is_read_again(broker, database, bench, applied, monkeypatch):
    """After a failed transaction the partition goes back to the stored offset."""
    apply = database.apply
    failures = [TransportError("held")]

    def failing(slices, *, at_ms):
        if failures:
            raise failures.pop()
        return apply(slices, at_ms=at_ms)

    monkeypatch.setattr(database, "apply", failing)
    broker.put([bench.document(index, "p") for index in range(3)])
    await _run_until(_consumer(broker, database, bench.directory), lambda: len(applied) == 3)

    assert ConsumerCounts(applied=3) == database.counts()


async def test_an_error_that_asks_to_halt_ends_it(broker, bench, tmp_path):
    """The error comes out, the broker is left, and nothing of the batch stays."""

    def broken(document):
        raise AdapterError("the disk is gone")

    database = InboxDatabase(tmp_path / "halt.db", lambda connection: broken)
    broker.put([bench.document(0, "p")])
    with pytest.raises(AdapterError, match="disk"):
        await _run_until(_consumer(broker, database, bench.directory), lambda: False)

    assert not broker.is_running
    assert database.next_offset(SOURCES[0]) is None
    database.close()


async def test_offsets_that_the_broker_does_not_take_do_no_harm(broker, database, bench, applied):
    """The broker's copy of the offsets is a courtesy."""
    broker.commit_errors.append(TransportError("rebalancing"))
    broker.put([bench.document(0, "p")])
    await _run_until(_consumer(broker, database, bench.directory), lambda: applied)

    assert 1 == database.next_offset(SOURCES[0])
    assert {} == broker.stored


async def test_a_partition_that_goes_and_comes_back(broker, database, bench, applied):
    """After a rebalance reading goes on from the database, whatever was fetched in between."""

    async def rebalance():
        await broker.revoke(SOURCES[:1])
        await broker.assign(SOURCES[:1])

    broker.before_poll = [_nothing, rebalance, _nothing, rebalance]
    broker.put([bench.document(index, "p") for index in range(6)])
    consumer = _consumer(broker, database, bench.directory, transaction_records_max=2)
    await _run_until(consumer, lambda: len(applied) == 6)

    assert ConsumerCounts(applied=6) == database.counts()


async def _nothing():
    """Let one poll pass."""


async def test_a_partition_that_is_gone_is_left_alone(broker, database, bench, applied):
    """Records of a partition that was revoked during the poll are somebody else's."""
    broker.put([bench.document(0, "p"), bench.document(1, "p", partition=1)])

    async def lose():
        await broker.callbacks["revoked"](SOURCES[:1])  # its records still come with this poll

    broker.before_poll = [lose]
    await _run_until(_consumer(broker, database, bench.directory), lambda: applied)

    assert ["civil.example-1"] == _ids(applied)
    assert database.next_offset(SOURCES[0]) is None


async def test_two_processes_on_one_partition_apply_once(broker, database, bench, applied):
    """A process that lost the partition without knowing finds out from the database, and goes on from there."""
    broker.put([bench.document(index, "p") for index in range(4)])
    consumer = _consumer(broker, database, bench.directory, transaction_records_max=2)

    async def overtake():
        database.connection.execute("UPDATE position SET next_offset = 3")

    broker.before_poll = [_nothing, overtake]
    await _run_until(consumer, lambda: database.next_offset(SOURCES[0]) == 4)

    assert ["civil.example-0", "civil.example-1", "civil.example-3"] == _ids(applied)


async def test_expired_records_are_skipped(broker, database, bench, applied):
    """Where the broker no longer has the next record, reading goes on with the first that it has."""
    broker.put([bench.document(index, "p") for index in range(4)])
    broker.first[SOURCES[0]] = 2
    await _run_until(_consumer(broker, database, bench.directory), lambda: len(applied) == 2)

    assert ["civil.example-2", "civil.example-3"] == _ids(applied)


async def test_a_directory_that_arrives_late(broker, database, bench, applied):
    """A document under an agreement that is not known yet waits for the directory, and order is kept."""
    directories = [bench.with_directory(agreements={})]
    broker.put([bench.document(index, "p") for index in range(2)])
    consumer = _consumer(broker, database, lambda: directories[-1], clock_ms=lambda: 0)
    stopping = asyncio.Event()
    task = asyncio.create_task(consumer.run(stopping))
    await asyncio.sleep(0.05)

    assert [] == applied
    assert ConsumerCounts() == database.counts()

    directories.append(bench.directory)
    await _until(lambda: len(applied) == 2)
    stopping.set()
    await task

    assert ConsumerCounts(applied=2) == database.counts()
    assert {} == consumer._doubtful


async def test_a_directory_that_never_arrives(broker, database, bench, applied):
    """After the grace the document is rejected, and the ones behind it are applied."""
    broker.put([bench.document(0, "p", ce_agreementid="nowhere"), bench.document(1, "p")])
    consumer = _consumer(broker, database, bench.directory, directory_grace_s=1.0)
    await _run_until(consumer, lambda: applied)

    assert ["DRM-1"] == [one.rule for one in database.rejections()]
    assert ["civil.example-1"] == _ids(applied)


async def test_revocation_is_followed(broker, database, bench, authority, applied):
    """What is known when a batch is read counts: a document by a key that was revoked before is not applied."""
    records = RevocationRecords()
    sender = AgencyId("civil.example")
    serial = x509.load_der_x509_certificate(bench.signers[sender].certificate.der).serial_number
    revoked = RevokedCertificate(serial, AT_MS - DAY_MS)
    records.add(authority.crl([revoked], this_update_ms=AT_MS - DAY_MS, next_update_ms=AT_MS))
    broker.put([bench.document(0, "p")])
    consumer = _consumer(broker, database, bench.directory, revocations=records.state, directory_grace_s=0)
    await _run_until(consumer, lambda: database.next_offset(SOURCES[0]) == 1)

    assert [] == applied
    assert ConsumerCounts(rejected=1) == database.counts()
