"""Tests of the spool: what it takes, what it hands out, and what is left after every kind of end."""

from __future__ import annotations

import os
import sqlite3
import stat

import pytest

from govbus.adapters import spool_segment
from govbus.adapters.outgoing import EncodedDocument
from govbus.adapters.spool import Spool, SpoolLimits
from govbus.document.ids import Origin
from govbus.document.record import Envelope, Record, unframe
from govbus.document.statement import Statement, statement_hash
from govbus.errors import MetadataError, SpoolError, SpoolFullError
from govbus.signing.certificates import TrustedCertificate
from govbus.signing.verifier import Verifier

AT_MS = 1_795_466_700_123


class Trust:
    """Trusts the given signers for one agency."""

    def __init__(self, origin, *signers):
        self._known = {
            one.certificate.thumbprint: TrustedCertificate(one.certificate, origin.agency) for one in signers
        }

    def certificate(self, thumbprint):
        return self._known.get(thumbprint)


def verify(records, documents, trust, *, first=0):
    """Check records as a router does, and that they are these documents from an index on."""
    assert len(documents) == len(records)
    for index, (out, document) in enumerate(zip(records, documents, strict=True), first):
        record = Record(out.topic, 0, index, out.timestamp_ms, out.key, out.value, out.headers)
        envelope = Envelope.from_headers(out.headers)
        statement = Statement.from_bytes(envelope.statement)
        assert envelope.statement == statement.to_bytes()
        assert (index, AT_MS) == (statement.index, statement.time_ms)
        assert document.signed == envelope.signed
        assert (document.schema_id, document.avro) == unframe(out.value)
        Verifier(trust).verify_record(
            record, envelope, statement, side="out", schema_hash=document.schema_hash
        )


def seal_all(spool, *signers, batch_max=64):
    while spool.seal(signers, at_ms=AT_MS, batch_max=batch_max, documents_max=50):
        pass


def test_put_gives_dense_indexes(spool, encoded):
    """Indexes start at 0 and go on without a gap, whatever is put at once."""
    ranges = [spool.put(encoded(count), at_ms=AT_MS) for count in (1, 130, 0, 2)]
    assert [range(1), range(1, 131), range(131, 131), range(131, 133)] == ranges


@pytest.mark.parametrize("batch_max", [1, 2, 7, 64])
def test_records_verify(spool, encoded, signer, twin, origin, batch_max):
    """What is handed out passes the verifier, signed one by one or in batches, by seal and twin."""
    documents = encoded(150) + encoded(3, subject=None)
    spool.put(documents, at_ms=AT_MS)
    seal_all(spool, signer, twin, batch_max=batch_max)
    records = spool.unpublished(1000)
    verify(records, documents, Trust(origin, signer, twin))
    names = [name for name, _ in records[0].headers]
    batch = ["gb-batch", "gb-path"] if batch_max > 1 else []
    assert [*sorted(documents[0].signed), "gb-stmt", "gb-salt", "gb-sig", "gb-sig", *batch] == names
    assert ("govbus.out.tax.example", None, b"tax.example/main", AT_MS) == (
        records[0].topic,
        records[0].partition,
        records[0].key,
        records[0].timestamp_ms,
    )


def test_document_alone_is_signed_by_itself(spool, encoded, signer):
    """A run of one has no batch text: a batch of one would only add to it."""
    spool.put(encoded(65), at_ms=AT_MS)
    spool.seal([signer], at_ms=AT_MS, batch_max=64)
    records = spool.unpublished(100)
    assert "gb-batch" in dict(records[63].headers)
    assert "gb-batch" not in dict(records[64].headers)


def test_document_without_a_template(spool, encoded, signer, origin):
    """Headers that no template prepared, further and missing ones included, come out as they were put."""
    base = encoded(1)[0]
    signed = {**base.signed, "ce_correlationid": b"c", "ce_zz": b"\xff\n:"}
    without = {name: value for name, value in signed.items() if name not in {"ce_id", "ce_time"}}
    documents = [EncodedDocument("d", each, 100, base.schema_hash, base.avro) for each in (signed, without)]
    spool.put(documents, at_ms=AT_MS)
    seal_all(spool, signer)
    verify(spool.unpublished(10), documents, Trust(origin, signer))


def test_nothing_leaves_unsigned(spool, encoded, signer):
    """Documents are handed out only once their signature is kept."""
    spool.put(encoded(10), at_ms=AT_MS)
    assert [] == spool.unpublished(100)
    assert 4 == spool.seal([signer], at_ms=AT_MS, documents_max=4)
    assert 4 == len(spool.unpublished(100))
    with pytest.raises(SpoolError, match="index 4 of tax.example/main is not signed"):
        spool.mark_published(4)


def test_no_signer(spool, encoded):
    """Sealing without a signer is an error, not an unsigned document."""
    spool.put(encoded(1), at_ms=AT_MS)
    with pytest.raises(SpoolError, match="no signer"):
        spool.seal([], at_ms=AT_MS)


def test_same_bytes_after_reopening(spool_path, encoded, signer, origin):
    """What was handed out once is handed out again as the same bytes by another process."""
    with Spool.open(spool_path, origin, next_index=0) as spool:
        spool.put(encoded(100), at_ms=AT_MS)
        seal_all(spool, signer)
        spool.mark_published(9)
        sent = spool.unpublished(40)
    with Spool.open(spool_path, origin) as spool:
        assert sent == spool.unpublished(40)
        assert 10 == spool.published_next


def test_published_documents_are_forgotten(spool, encoded, signer, origin):
    """After the ack documents are gone, in the middle of a segment and a batch too, and indexes go on."""
    documents = encoded(200)
    spool.put(documents, at_ms=AT_MS)
    seal_all(spool, signer, batch_max=48)
    trust = Trust(origin, signer)
    for upto in (0, 69, 69, 20, 127):
        spool.mark_published(upto)
    verify(spool.unpublished(10), documents[128:138], trust, first=128)
    spool.mark_published(199)
    assert [] == spool.unpublished(10)
    counts = [
        spool._connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
        for table in ("segment", "seal")
    ]
    assert [0, 0] == counts
    assert (0, 0) == spool.stats(AT_MS)[:2]
    assert range(200, 201) == spool.put(encoded(1), at_ms=AT_MS)


def test_reads_ahead(spool, encoded, signer, origin):
    """The next documents can be read while the ones before them are on their way, but not what is gone."""
    documents = encoded(150)
    spool.put(documents, at_ms=AT_MS)
    seal_all(spool, signer, batch_max=20)
    verify(spool.unpublished(50, first_index=70), documents[70:120], Trust(origin, signer), first=70)
    assert [] == spool.unpublished(50, first_index=150)
    spool.mark_published(70)
    with pytest.raises(SpoolError, match="from index 70 on are published and gone"):
        spool.unpublished(1, first_index=70)


def test_chunks_are_bounded_in_size(spool, encoded, signer):
    """Large documents are handed out a few at a time."""
    documents = encoded(30, length=880_000)
    spool.put(documents, at_ms=AT_MS)
    seal_all(spool, signer)
    records = spool.unpublished(1000)
    assert 15 < len(records) < 25
    spool.mark_published(len(records) - 1)
    assert 30 - len(records) == len(spool.unpublished(1000))


def test_stats(spool, encoded, signer):
    """Stats say what waits, since when, and how far signing and publishing are."""
    assert (0, 0, 0.0, 0, 0, 0, None) == spool.stats(AT_MS)
    spool.put(encoded(10), at_ms=AT_MS)
    spool.put(encoded(5), at_ms=AT_MS + 1000)
    spool.seal([signer], at_ms=AT_MS, documents_max=12)
    last = spool.unpublished(12)
    spool.mark_published(9)
    stats = spool.stats(AT_MS + 3000)
    assert (5, 2.0, 15, 12, 10) == (
        stats.documents,
        stats.oldest_age_s,
        stats.next_index,
        stats.sealed_next,
        stats.published_next,
    )
    assert 5 * len(last[-1].value) < stats.size_bytes < 15 * 4000
    assert stats.last_statement_hash is not None
    spool.seal([signer], at_ms=AT_MS)
    final = dict(spool.unpublished(10)[-1].headers)["gb-stmt"]
    assert statement_hash(final) == stats.last_statement_hash


def test_cursor_moves_with_documents(spool, encoded):
    """Each adapter has a cursor, which moves with its documents, or by itself."""
    assert spool.cursor("a") is None
    spool.put(encoded(2), at_ms=AT_MS, adapter="a", cursor="2")
    spool.put(encoded(1), at_ms=AT_MS, adapter="b", cursor="x")
    spool.put([], at_ms=AT_MS, adapter="a", cursor="3")
    assert ("3", "x") == (spool.cursor("a"), spool.cursor("b"))
    with pytest.raises(SpoolError, match="go together"):
        spool.put([], at_ms=AT_MS, adapter="a")


@pytest.mark.parametrize(
    ("limits", "at_ms", "what"),
    [
        (SpoolLimits(documents_max=11), AT_MS, "12 documents would wait, at most 11 may"),
        (SpoolLimits(size_bytes_max=12_000), AT_MS, "bytes would wait, at most 12000 may"),
        (SpoolLimits(age_s_max=60.0), AT_MS + 61_000, "a document waits for 61 s, at most 60 s"),
    ],
)
def test_full(spool_path, origin, encoded, signer, limits, at_ms, what):
    """At a bound nothing is taken, neither documents nor cursor; after publishing there is room again."""
    with Spool.open(spool_path, origin, limits, next_index=0) as spool:
        spool.put(encoded(9), at_ms=AT_MS, adapter="a", cursor="9")
        before = spool.stats(AT_MS)
        assert before.size_bytes < 12_000
        with pytest.raises(SpoolFullError, match=what) as caught:
            spool.put(encoded(3, length=5000), at_ms=at_ms, adapter="a", cursor="12")
        assert "nothing was taken; see that its publisher runs" in str(caught.value)
        assert (before, "9") == (spool.stats(AT_MS), spool.cursor("a"))
        seal_all(spool, signer)
        spool.mark_published(8)
        if limits.size_bytes_max > 20_000:
            assert range(9, 12) == spool.put(encoded(3, length=5000), at_ms=at_ms)


@pytest.mark.parametrize(
    ("changes", "rule", "field"),
    [
        ({"avro": bytes(899_996)}, "LIM-2", "value"),
        ({"signed": {"ce_id": b"x" * 17_000}, "headers_hash": ""}, "LIM-1", "headers"),
        ({"signed": {"ce_id": b"1", "ce_zz": b"x" * 17_000}, "headers_hash": ""}, "LIM-1", "headers"),
    ],
)
def test_document_over_the_wire_limits(spool, encoded, changes, rule, field):
    """A document that no broker would take is refused at once, and nothing with it."""
    good = encoded(2)
    with pytest.raises(MetadataError) as caught:
        spool.put([good[0], good[1]._replace(**changes)], at_ms=AT_MS)
    assert (rule, field) == (caught.value.rule, caught.value.field)
    assert good[1].document_id in str(caught.value)
    assert 0 == spool.stats(AT_MS).next_index


def test_largest_document_fits(spool, encoded, signer):
    """A value of exactly the limit goes through."""
    document = encoded(1)[0]._replace(avro=bytes(899_995))
    spool.put([document], at_ms=AT_MS)
    seal_all(spool, signer)
    assert 900_000 == len(spool.unpublished(1)[0].value)


def test_headers_of_a_failed_put_are_not_believed(spool, encoded, signer, origin):
    """The id given to repeated headers inside a put that was rolled back is not used later."""
    one, two = encoded(1), encoded(1)
    other = [
        two[0]._replace(repeated=b"", extra=b"", headers_hash="", signed={**two[0].signed, "ce_x": b"y"})
    ]
    with pytest.raises(MetadataError):
        spool.put([one[0], one[0]._replace(avro=bytes(900_000))], at_ms=AT_MS)
    documents = other + one
    spool.put(documents, at_ms=AT_MS)
    seal_all(spool, signer)
    verify(spool.unpublished(10), documents, Trust(origin, signer))


def test_new_spool_needs_to_know_where_to_start(spool_path, origin):
    """A missing spool is not made silently, because indexes would start again at 0."""
    with pytest.raises(SpoolError, match="give next_index: 0 if tax.example/main never sent"):
        Spool.open(spool_path, origin)
    assert not spool_path.exists()


def test_empty_file_is_a_missing_spool(spool_path, origin):
    """A file left by a crash before its tables were made is treated as missing."""
    spool_path.parent.mkdir()
    spool_path.touch()
    with pytest.raises(SpoolError, match="give next_index"):
        Spool.open(spool_path, origin)
    with Spool.open(spool_path, origin, next_index=3) as spool:
        assert 3 == spool.stats(AT_MS).next_index


def test_recovery_goes_on_above_the_bus(spool_path, origin, encoded, signer):
    """A new spool of an origin that has sent before starts where it is told, and knows it later."""
    with Spool.open(spool_path, origin, next_index=500) as spool:
        documents = encoded(3)
        assert range(500, 503) == spool.put(documents, at_ms=AT_MS)
        seal_all(spool, signer)
        verify(spool.unpublished(10), documents, Trust(origin, signer), first=500)
    with Spool.open(spool_path, origin, next_index=500) as spool:
        assert 503 == spool.stats(AT_MS).next_index
    with pytest.raises(SpoolError, match="goes on at index 503, not at 504: it is older"):
        Spool.open(spool_path, origin, next_index=504)


def test_spool_of_another_origin(spool, spool_path):
    """A spool belongs to one origin."""
    with pytest.raises(SpoolError, match=r"belongs to origin tax.example/main, not to tax.example/other"):
        Spool.open(spool_path, Origin.from_text("tax.example/other"))


@pytest.mark.parametrize("content", [b"not a database, but long enough to be read as one" * 40, b""])
def test_file_that_is_no_spool(tmp_path, origin, content):
    """A file of another kind is left alone."""
    path = tmp_path / "other"
    path.write_bytes(content)
    if not content:
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE other (x)")
        connection.close()
    with pytest.raises(SpoolError, match="not a"):
        Spool.open(path, origin, next_index=0)


def test_folder_that_cannot_be_made(tmp_path, origin):
    """A path that cannot be used is an error of ours that names it."""
    (tmp_path / "file").touch()
    with pytest.raises(SpoolError, match="file/below"):
        Spool.open(tmp_path / "file" / "below", origin, next_index=0)


def test_file_mode(spool, spool_path, encoded):
    """Nobody but its owner reads the spool, its write-ahead log included."""
    spool.put(encoded(1), at_ms=AT_MS)
    modes = {stat.S_IMODE(file.stat().st_mode) for file in spool_path.parent.iterdir()}
    assert {0o600} == modes


def test_full_durability(spool):
    """The file has a write-ahead log and full synchronisation."""
    pragma = [
        spool._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")
    ]
    assert ["wal", 2] == pragma


def test_two_processes_seal(spool, spool_path, origin, encoded, signer, monkeypatch):
    """A second sealer that comes in between is noticed: documents never get two different signatures."""
    spool.put(encoded(10), at_ms=AT_MS)
    with Spool.open(spool_path, origin) as other:
        start, statements = spool._unsealed(10)
        other.seal([signer], at_ms=AT_MS)
        monkeypatch.setattr(spool, "_unsealed", lambda _: (start, statements))
        with pytest.raises(SpoolError, match="another process sealed"):
            spool.seal([signer], at_ms=AT_MS)
        assert 10 == len(other.unpublished(100))


def test_put_while_another_connection_reads(spool, spool_path, origin, encoded, signer):
    """Two connections see each other's documents, headers they did not make included."""
    documents = encoded(70)
    with Spool.open(spool_path, origin) as publisher:
        spool.put(documents, at_ms=AT_MS)
        seal_all(publisher, signer)
        verify(publisher.unpublished(100), documents, Trust(origin, signer))
        publisher.mark_published(69)
        assert (0, 0) == spool.stats(AT_MS)[:2]


def test_full_disk(spool, encoded):
    """A full disk takes nothing and says so."""
    pages = spool._connection.execute("PRAGMA page_count").fetchone()[0]
    spool._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(SpoolFullError, match="disk under spool"):
        spool.put(encoded(2, length=100_000), at_ms=AT_MS, adapter="a", cursor="1")
    assert (0, None) == (spool.stats(AT_MS).next_index, spool.cursor("a"))


def test_segments_are_bounded(monkeypatch):
    """A segment ends at its bound in documents or in bytes, and holds what was put in it."""
    monkeypatch.setattr(spool_segment, "SEGMENT_DOCUMENTS_MAX", 3)
    monkeypatch.setattr(spool_segment, "SEGMENT_BYTES_MAX", 1000)
    values = [bytes([n]) * length for n, length in enumerate([1, 1, 1, 1, 1200, 1, 990, 2, 1])]
    salt = os.urandom(16)
    packed = [
        spool_segment.pack_document(n, salt, (b"i", None, b""), b"", value) for n, value in enumerate(values)
    ]
    statements = [b"s%d" % n for n in range(len(values))]
    segments = list(spool_segment.pack(packed, statements))
    assert [3, 2, 2, 2] == [count for count, _ in segments]
    unpacked = [one for _, segment in segments for one in spool_segment.unpack(segment)]
    assert values == [one.value for one in unpacked]
    assert statements == [one.statement for one in unpacked]
    assert {(b"i", None, b"")} == {(one.document_id, one.time, one.subject) for one in unpacked}
