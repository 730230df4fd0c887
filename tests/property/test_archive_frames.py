"""Whatever a record holds, the archive gives it back byte for byte."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from govbus.audit.archive.documents import (
    NO_DOCUMENT,
    DocumentKind,
    pack_document,
    record_of,
    signed_headers,
    unpack_document,
)
from govbus.audit.archive.manifest import EvidenceLine, Manifest, Range, TreeRange
from govbus.audit.archive.records import pack_records, unpack_records
from govbus.audit.archive.values import KeptValue, frames_of, pack_frame, pack_value, unpack_value
from govbus.document.decision import LogEntry, SourcePosition
from govbus.document.finding import Outcome
from govbus.document.ids import AgencyId
from govbus.document.record import Record
from govbus.errors import LogIntegrityError

_OCTETS = st.one_of(st.none(), st.binary(max_size=60))
_NAMES = st.one_of(
    st.sampled_from(["gb-stmt", "gb-salt", "gb-sig", "gb-batch", "gb-path", "ce_id", "content-type"]),
    st.from_regex(r"ce_[a-z0-9]{1,5}", fullmatch=True),
    st.text(max_size=8).filter(lambda text: not any("\ud800" <= one <= "\udfff" for one in text)),
    st.binary(max_size=8).map(lambda octets: octets.decode("utf-8", "surrogateescape")),
)
_HEADERS = st.lists(st.tuples(_NAMES, _OCTETS), max_size=12).map(tuple)
_RECORDS = st.builds(
    Record,
    st.just("govbus.out.tax.example"),
    st.just(0),
    st.integers(0, 2**62),
    st.integers(-1, 2**60),
    _OCTETS,
    _OCTETS,
    _HEADERS,
)
_DIGESTS = st.binary(min_size=32, max_size=32)


def entry_about(record, **fields):
    """Return a log entry that holds its part of a record."""
    headers = dict(record.headers)
    return LogEntry(
        decision=Outcome.ACCEPTED,
        time_ms=0,
        source=SourcePosition(record.topic, record.partition, record.offset),
        document_id=None,
        statement=headers.get("gb-stmt"),
        signatures=tuple(value for name, value in record.headers if name == "gb-sig"),
        batch=headers.get("gb-batch"),
        path=headers.get("gb-path") or b"",
        record_hash=None,
        directory_version=1,
        findings=(),
        recipients=(),
        receipt_first=None,
    )._replace(**fields)


def kept(record, entry):
    """Return what an archive gives back."""
    document, value = pack_document(record, entry)
    return record_of(entry, unpack_document(document), unpack_value(value))


@given(_RECORDS)
def test_any_record(record):
    """Every record comes back as it was, whatever its headers are."""
    assert record == kept(record, entry_about(record))


@given(_RECORDS, _RECORDS)
def test_entry_of_another_record(record, other):
    """An entry that says other things than the record does not change the record."""
    entry = entry_about(other)._replace(source=SourcePosition(*record[:3]))

    assert record == kept(record, entry)


@given(st.data())
def test_document(data):
    """A document's headers come back in their order, and its signed ones as the lines that are hashed."""
    signed = data.draw(
        st.dictionaries(st.from_regex(r"ce_[a-z0-9]{1,9}", fullmatch=True), st.binary(max_size=20))
    )
    headers = [*signed.items(), ("gb-stmt", b"s"), ("gb-salt", bytes(16)), ("gb-sig", b"1"), ("gb-sig", b"2")]
    headers += data.draw(
        st.sampled_from([[], [("gb-batch", b"b"), ("gb-path", b"p")], [("traceparent", b"t")]])
    )
    signatures = iter([b"1", b"2"])
    mixed = data.draw(st.permutations(headers))
    mixed = tuple((name, next(signatures) if name == "gb-sig" else value) for name, value in mixed)
    record = Record("govbus.out.tax.example", 1, 7, 9, b"tax.example/main", b"value", mixed)
    document, _ = pack_document(record, entry_about(record))

    assert record == kept(record, entry_about(record))
    assert DocumentKind.DOCUMENT is unpack_document(document).kind
    assert sorted(signed.items()) == signed_headers(unpack_document(document).lines)
    assert bytes(16) not in document


@given(st.lists(st.binary(max_size=20), max_size=4), _OCTETS)
def test_values(salts, value):
    """Salts and value come back as they were."""
    assert KeptValue(tuple(salts), value) == unpack_value(pack_value(salts, value))


@given(st.lists(st.binary(max_size=40)), st.integers(1, 3))
def test_frames(contents, cut):
    """Frames come back in order, and a file that is cut short is refused."""
    octets = b"".join(map(pack_frame, contents))

    assert contents == list(frames_of(octets))
    if octets:
        with pytest.raises(LogIntegrityError):
            list(frames_of(octets[:-1] if contents[-1] else octets[:-cut]))


@given(st.lists(_RECORDS, max_size=5))
def test_records(records):
    """Whole records come back as they were."""
    named = [record._replace(topic="govbus.directory") for record in records]

    assert named == list(unpack_records(pack_records(records), "govbus.directory"))


@given(_RECORDS, st.data())
def test_damaged_frames(record, data):
    """A frame that is cut short is refused, never read as something else."""
    entry = entry_about(record)
    document, value = pack_document(record, entry)
    short = document[: data.draw(st.integers(1, len(document) - 1))]

    if short != NO_DOCUMENT:
        with contextlib.suppress(LogIntegrityError):
            assert record != record_of(entry, unpack_document(short), unpack_value(value))


@given(st.data())
def test_manifest(data):
    """A manifest comes back as what it said, and no other spelling of it is taken."""
    ranges = st.tuples(st.integers(0, 2**62), st.integers(0, 2**62)).map(sorted)
    trees = st.tuples(ranges, _DIGESTS).map(lambda one: TreeRange(*one[0], one[1]))
    manifest = Manifest(
        bus=AgencyId("bus.example"),
        segment=data.draw(st.integers(1, 10**8 - 1)),
        previous=data.draw(st.one_of(st.none(), _DIGESTS.map(bytes.hex))),
        logs=dict(enumerate(data.draw(st.lists(trees, max_size=3)))),
        heads=data.draw(trees),
        directory=Range(*data.draw(ranges)),
        revocations=Range(*data.draw(ranges)),
        checkpoints=Range(*data.draw(ranges)),
        missing=data.draw(st.integers(0, 65_536)),
        evidence=data.draw(st.sampled_from([None, EvidenceLine(12, 2, 1)])),
        files=data.draw(
            st.dictionaries(
                st.from_regex(r"tiles/[a-z]{1,3}/[0-9]{3}", fullmatch=True), _DIGESTS.map(bytes.hex)
            )
        ),
    )
    octets = manifest.to_text().encode()
    position = data.draw(st.integers(0, len(octets) - 1))
    changed = octets[:position] + bytes([octets[position] ^ 1]) + octets[position + 1 :]

    assert manifest == Manifest.from_bytes(octets)
    with contextlib.suppress(LogIntegrityError):
        assert manifest != Manifest.from_bytes(changed)
