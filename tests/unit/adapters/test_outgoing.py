"""Tests of encoding a document into signed headers and Avro bytes."""

from __future__ import annotations

import uuid

import pytest

from govbus.adapters.outgoing import DocumentIds, OutgoingDocument, document_id_new, header_lines
from govbus.adapters.spool_segment import headers_from_lines
from govbus.document.statement import headers_hash
from govbus.errors import MetadataError, SchemaError

AT_MS = 1_795_466_700_123


def _document(**changes):
    document = OutgoingDocument("id-1", "subject-1", AT_MS, {"record_id": "r1"}, {"text": "x"})
    return document._replace(**changes)


def test_id_is_a_version_7_uuid_of_its_time():
    """An id has version 7, the RFC 9562 variant, its time in the first 48 bits and the random bits after it."""
    parsed = uuid.UUID(document_id_new(AT_MS, b"\xff" * 10))
    assert 7 == parsed.version
    assert uuid.RFC_4122 == parsed.variant
    assert AT_MS == parsed.int >> 80
    assert "7fff-bfff-ffffffffffff" == str(parsed)[14:]
    assert "7000-8000-000000000000" == document_id_new(AT_MS, bytes(10))[14:]


@pytest.mark.parametrize("octets", [b"\x00", b"\xff", b"\x5a"])
def test_ids_increase(octets):
    """Ids increase strictly within a millisecond, when the clock goes back, and when the random bits run out."""
    ids = DocumentIds(lambda size: octets * size)
    made = [ids.new(at_ms) for at_ms in [AT_MS] * 50 + [AT_MS - 5] * 50 + [AT_MS + 1] * 50]
    assert sorted(set(made)) == made
    assert AT_MS + 1 <= uuid.UUID(made[-1]).int >> 80


def test_ids_move_on_when_a_millisecond_is_full():
    """When the random bits of a millisecond run out the id takes the next one."""
    ids = DocumentIds(lambda size: b"\xff" * size)
    ids._time_ms, ids._last = AT_MS, (1 << 74) - 5
    before, after = document_id_new(AT_MS, b"\xff" * 10), ids.new(AT_MS)
    assert after > before
    assert AT_MS + 1 == uuid.UUID(after).int >> 80


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"subject": None},
        {"subject": "ü-9"},
        {"attributes": {"correlationid": "c1", "testmode": "true", "zz": "last"}},
        {"attributes": {"recordedtime": "2026-11-23T20:45:00Z"}, "subject": None},
        {"time_ms": 0},
    ],
)
def test_headers_hash_is_the_one_of_the_statement(template, changes):
    """The hash put together from constant lines equals the reference over all signed headers."""
    for _ in range(2):
        encoded = template.encode(_document(**changes))
        assert headers_hash(encoded.signed) == encoded.headers_hash


def test_signed_headers(template):
    """The signed headers are the agreement's constants, the document's own and its further attributes."""
    encoded = template.encode(_document(attributes={"correlationid": "c1"}))
    assert {
        "ce_specversion": b"1.0",
        "ce_id": b"id-1",
        "ce_source": b"https://tax.example/main",
        "ce_type": b"example.test.v1",
        "ce_time": b"2026-11-23T20:45:00.123Z",
        "ce_dataschema": b"https://bus.example/schemas/test/1",
        "ce_agreementid": b"test-2026",
        "ce_dataclassification": b"internal",
        "ce_datacategory": b"non-pii",
        "ce_accesslevel": b"non-public",
        "ce_subject": b"subject-1",
        "ce_correlationid": b"c1",
        "content-type": b"application/avro",
    } == encoded.signed
    own = {"ce_id", "ce_time", "ce_subject"}
    kept = dict(headers_from_lines(encoded.repeated) + headers_from_lines(encoded.extra))
    assert {name: value for name, value in encoded.signed.items() if name not in own} == kept


def test_value_decodes_with_the_schema(template, schema):
    """The Avro bytes hold record metadata and body under the template's schema."""
    encoded = template.encode(_document())
    assert {"record": {"record_id": "r1"}, "body": {"text": "x"}} == schema.codec.decode(encoded.avro)
    assert (schema.id, schema.codec.hash) == (encoded.schema_id, encoded.schema_hash)


@pytest.mark.parametrize("name", ["type", "id", "subject"])
def test_attribute_that_is_set_already(template, name):
    """An attribute that the template or the document sets is refused, not overwritten."""
    with pytest.raises(MetadataError) as caught:
        template.encode(_document(attributes={name: "x"}, subject=None))
    assert ("CE-2", f"ce_{name}") == (caught.value.rule, caught.value.field)


def test_subject_that_is_no_text(template):
    """A lone surrogate in a header value is refused."""
    with pytest.raises(MetadataError) as caught:
        template.encode(_document(subject="\ud800"))
    assert "CE-6" == caught.value.rule


def test_value_that_does_not_fit(template):
    """A value that the schema does not describe is refused."""
    with pytest.raises(SchemaError) as caught:
        template.encode(_document(body={"text": 7}))
    assert "AVR-1" == caught.value.rule


def test_header_lines_come_back():
    """Lines of headers read back as the headers, whatever bytes the values hold."""
    signed = {"ce_b": b"", "ce_a": b"\x00\xff:\n", "content-type": b"x"}
    assert tuple(sorted(signed.items())) == headers_from_lines(header_lines(signed))
