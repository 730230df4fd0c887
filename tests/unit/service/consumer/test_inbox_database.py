"""The consumer's database: everything about a batch, or nothing, and every document once."""

import sqlite3

import pytest

from govbus.document.decision import SourcePosition
from govbus.errors import AdapterError, DocumentError, FencedError, SourceUnavailableError
from govbus.service.delivered import Rejection, read_delivered
from govbus.service.inbox_database import ConsumerCounts, InboxDatabase, PartitionSlice
from govbus.signing.verifier import VerifiedSignatures
from govbus.transport.base import TopicPartition

SOURCE = TopicPartition("govbus.in.register.example", 0)
AT_MS = 1_795_466_700_000


def _recording(connection):
    """An effect that counts each person, and refuses the person called bad."""
    connection.execute("CREATE TABLE IF NOT EXISTS seen (person TEXT)")

    def apply(document):
        person = document.value["record"]["record_id"]
        connection.execute("INSERT INTO seen VALUES (?)", (person,))
        if person == "bad":
            raise DocumentError("not this one", rule="REC-1", field="record_id")
        if person == "disaster":
            raise AdapterError("the disk is gone")

    return apply


@pytest.fixture
def database(tmp_path):
    opened = InboxDatabase(tmp_path / "inbox.db", _recording)
    yield opened
    opened.close()


def _slice(bench, records, start=None, end=None):
    delivered = [read_delivered(record, bench.directory, VerifiedSignatures()) for record in records]
    return PartitionSlice(SOURCE, start, (start or 0) + len(records) if end is None else end, delivered)


def _seen(database):
    return [row[0] for row in database.connection.execute("SELECT person FROM seen ORDER BY person")]


def test_a_batch_is_applied_with_its_offset(database, bench):
    """Effects and the next offset are both there afterwards, and count."""
    counts = database.apply([_slice(bench, [bench.document(0, "a"), bench.document(1, "b")])], at_ms=AT_MS)

    assert ["a", "b"] == _seen(database)
    assert 2 == database.next_offset(SOURCE)
    assert ConsumerCounts(applied=2) == counts == database.counts()


def test_an_unread_partition_has_no_offset(database):
    """None says that the partition was never read, which is not offset 0."""
    assert database.next_offset(SOURCE) is None


def test_the_same_document_again_is_skipped(database, bench):
    """A second delivery has no second effect, in the same batch or in a later one."""
    document = bench.document(0, "a")
    database.apply([_slice(bench, [document, document])], at_ms=AT_MS)
    database.apply([_slice(bench, [document], start=2)], at_ms=AT_MS)

    assert ["a"] == _seen(database)
    assert ConsumerCounts(applied=1, duplicates=2) == database.counts()


@pytest.mark.parametrize(
    ("index", "document_id", "rule"), [(0, "other", "SEQ-1"), (1, "civil.example-0", "CE-4")]
)
def test_another_document_in_its_place_is_rejected(database, bench, index, document_id, rule):
    """An index or id that was applied is refused for another statement, and nothing of that is applied."""
    database.apply([_slice(bench, [bench.document(0, "a")])], at_ms=AT_MS)
    database.apply(
        [_slice(bench, [bench.document(index, "b", document_id=document_id)], start=1)], at_ms=AT_MS
    )

    assert ["a"] == _seen(database)
    assert [rule] == [rejection.rule for rejection in database.rejections()]
    assert 2 == database.next_offset(SOURCE)


def test_a_document_that_the_effect_refuses_leaves_nothing(database, bench):
    """The effect is undone, the reason is kept, and the documents around it are applied."""
    records = [bench.document(0, "a"), bench.document(1, "bad", offset=1), bench.document(2, "c")]
    counts = database.apply([_slice(bench, records)], at_ms=AT_MS)

    assert ["a", "c"] == _seen(database)
    assert ConsumerCounts(applied=2, rejected=1) == counts
    position = SourcePosition(*SOURCE, 1)
    assert [
        Rejection(position, "REC-1", "record_id", "not this one", "civil.example-1")
    ] == database.rejections()


def test_a_failing_effect_undoes_the_whole_batch(database, bench):
    """An error that is not about the document leaves neither effects nor offset."""
    records = [bench.document(0, "a"), bench.document(1, "disaster")]
    with pytest.raises(AdapterError, match="disk"):
        database.apply([_slice(bench, records)], at_ms=AT_MS)

    assert [] == _seen(database)
    assert database.next_offset(SOURCE) is None
    assert ConsumerCounts() == database.counts()


@pytest.mark.parametrize("start", [None, 0, 2])
def test_a_process_that_lost_the_partition_changes_nothing(database, bench, start):
    """A batch that does not start where the database stands is refused whole."""
    database.apply([_slice(bench, [bench.document(0, "a")])], at_ms=AT_MS)
    with pytest.raises(FencedError, match="found 1"):
        database.apply([_slice(bench, [bench.document(1, "b")], start=start)], at_ms=AT_MS)

    assert ["a"] == _seen(database)


def test_receipts_are_counted_or_handed_over(tmp_path, bench):
    """Without a receipt effect receipts are counted; with one they are also handed over."""
    handed = []
    database = InboxDatabase(tmp_path / "r.db", _recording, lambda connection: handed.append)
    counts = database.apply([_slice(bench, [bench.receipt()])], at_ms=AT_MS)

    assert ConsumerCounts(receipts=1) == counts
    assert ["d-1"] == [one.receipt.document_id for one in handed]
    database.close()


def test_receipts_without_an_effect_are_counted(database, bench):
    """A consumer that does not care about receipts reads past them."""
    assert ConsumerCounts(receipts=1) == database.apply([_slice(bench, [bench.receipt()])], at_ms=AT_MS)


def test_everything_is_there_after_opening_again(tmp_path, bench):
    """Inbox, offsets, rejections and counts outlive the process."""
    records = [bench.document(0, "a"), bench.document(1, "bad")]
    first = InboxDatabase(tmp_path / "again.db", _recording)
    first.apply([_slice(bench, records)], at_ms=AT_MS)
    first.close()
    again = InboxDatabase(tmp_path / "again.db", _recording)
    again.apply([_slice(bench, records[:1], start=2)], at_ms=AT_MS)

    assert ConsumerCounts(applied=1, duplicates=1, rejected=1) == again.counts()
    assert ["REC-1"] == [rejection.rule for rejection in again.rejections()]
    again.close()


def test_a_held_database_passes(tmp_path, bench, monkeypatch):
    """Another process in a transaction is something to wait out."""
    monkeypatch.setattr("govbus.service.inbox_database.BUSY_TIMEOUT_S", 0.05)
    database = InboxDatabase(tmp_path / "held.db", _recording)
    other = sqlite3.connect(tmp_path / "held.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(SourceUnavailableError, match="another process"):
        database.apply([_slice(bench, [bench.document(0, "a")])], at_ms=AT_MS)
    other.execute("ROLLBACK")
    other.close()

    assert 1 == database.apply([_slice(bench, [bench.document(0, "a")])], at_ms=AT_MS).applied
    database.close()


def test_a_file_that_is_no_database(tmp_path):
    """A foreign file is left alone, and the error says what to look at."""
    path = tmp_path / "not.db"
    path.write_bytes(b"x" * 4096)
    with pytest.raises(AdapterError, match="cannot be used"):
        InboxDatabase(path, _recording)

    assert b"x" * 4096 == path.read_bytes()
