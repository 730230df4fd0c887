"""Single objects inside documents, and what fingerprints do not tell."""

import json
import warnings
from decimal import Decimal

import avro.schema
import fastavro
import pytest

from govbus.document.ids import AgencyId, PackageId
from govbus.errors import SchemaError
from govbus.schemas.canonical import schema_hash
from govbus.schemas.catalog import DocumentSchema, SchemaCatalog, schema_uri
from govbus.schemas.codec import AvroCodec
from govbus.schemas.compatibility import Compatibility, compatibility_breaches
from govbus.schemas.compose import compose_document_schema
from govbus.schemas.fingerprints import canonical_form, fingerprint_of
from govbus.schemas.governance import schema_breaches
from govbus.schemas.single_object import (
    HEADER_BYTES,
    MARKER,
    marked_paths,
    octets_at,
    unwrap_single_object,
    wrap_single_object,
)

PACKAGE = PackageId.from_text("tax.assessment")
MARK = {"govbus.encoding": "avro-single-object"}
BYTES = {"name": "original", "doc": "As it came.", "type": "bytes"} | MARK


def record(*fields, name="tax.Assessment"):
    return {"type": "record", "name": name, "doc": "One.", "fields": list(fields)}


def decimal(precision, scale):
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}


@pytest.fixture
def catalog():
    definition = compose_document_schema(PACKAGE, 1, record(BYTES))
    uri = schema_uri(AgencyId.from_text("bus.example"), "tax.assessment", 1)
    return SchemaCatalog([DocumentSchema(100, uri, "tax.assessment", 1, AvroCodec(definition))])


def test_empty_fingerprint():
    """The constant that the specification gives for the empty text."""
    assert fingerprint_of("") == bytes.fromhex("c15d213aa4d7a795")[::-1]


def test_wrapped_and_unwrapped(catalog):
    """A payload by itself is known by its fingerprint, and so is a whole document."""
    payload = record(BYTES)
    octets = wrap_single_object(payload, AvroCodec(payload).encode({"original": b"x"}))
    codec, avro = unwrap_single_object(octets, catalog.by_fingerprint)
    assert codec.decode(avro) == {"original": b"x"}
    document = catalog.schemas[0].codec.definition
    assert unwrap_single_object(wrap_single_object(document, b""), catalog.by_fingerprint)[1] == b""


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"", "marker"),
        (MARKER, "marker"),
        (MARKER + bytes(7), "marker"),
        (b"\xc3\x02" + bytes(8), "marker"),
        (MARKER[::-1] + bytes(8), "marker"),
        (MARKER + bytes(8), "no registered schema"),
    ],
)
def test_no_single_object(catalog, octets, words):
    """Each part of the header is asked for."""
    with pytest.raises(SchemaError, match=words) as caught:
        unwrap_single_object(octets, catalog.by_fingerprint)
    assert caught.value.rule == "AVR-5"


def test_fingerprint_in_the_other_order(catalog):
    """Big-endian fingerprints are those of another schema."""
    octets = wrap_single_object(record(BYTES), b"\x00")
    turned = MARKER + octets[2:HEADER_BYTES][::-1] + octets[HEADER_BYTES:]
    with pytest.raises(SchemaError, match="no registered schema"):
        unwrap_single_object(turned, catalog.by_fingerprint)


def test_marked_fields_are_found_wherever_they_stand():
    """Inside records, optional parts, arrays, maps, and types that are named elsewhere."""
    inner = record(BYTES, name="tax.Inner")
    definition = record(
        {"name": "a", "type": ["null", inner], "default": None},
        {"name": "b", "type": {"type": "array", "items": "tax.Inner"}},
        {"name": "c", "type": {"type": "map", "values": "tax.Inner"}},
        {"name": "d", "type": "bytes"},
        {"name": "e", "type": ["null", "bytes"]} | MARK,
    )
    paths = marked_paths(AvroCodec(definition))
    assert paths == (("a", "original"), ("b", "*", "original"), ("c", "*", "original"), ("e",))
    one = {"original": b"1"}
    value = {"a": one, "b": [one, one], "c": {"Jane Doe": one}, "d": b"no", "e": None}
    found = [place for path in paths for place, _ in octets_at(value, path)]
    assert found == ["a.original", "b.0.original", "b.1.original", "c.0.original"]


def test_ambiguous_mark():
    """In a union of several types a decoded value does not say which one it is."""
    definition = record({"name": "a", "type": ["string", record(BYTES, name="tax.Inner")]})
    with pytest.raises(SchemaError, match="union of several types"):
        marked_paths(AvroCodec(definition))


def test_fingerprints_are_blind_to_logical_types():
    """Trap 8: one fingerprint, two meanings; our hash tells them apart, and AVR-2 refuses the change."""
    cents, tenths = (record({"name": "amount", "type": decimal(9, scale)}) for scale in (2, 1))
    assert fingerprint_of(canonical_form(cents)) == fingerprint_of(canonical_form(tenths))
    assert schema_hash(cents) != schema_hash(tenths)
    octets = AvroCodec(cents).encode({"amount": Decimal("12.34")})
    assert str(AvroCodec(tenths).decode(octets)["amount"]) == "123.4"
    (breach, *_) = compatibility_breaches(tenths, [cents], Compatibility.BACKWARD)
    assert "decimal(9,2) would be read as decimal(9,1)" in breach.detail


@pytest.mark.parametrize(
    "broken",
    [
        {"type": "bytes", "logicalType": "decimal", "precision": 2, "scale": 3},
        {"type": "string", "logicalType": "date"},
        {"type": "long", "logicalType": "timestamp-milis"},
    ],
)
def test_libraries_ignore_malformed_logical_types(broken):
    """Trap 9: both libraries take the schema and read the base type; AVR-3 refuses it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        avro.schema.parse(json.dumps(broken))
    if broken["logicalType"] != "decimal":  # fastavro looks at decimals
        fastavro.parse_schema(broken)
    assert [breach.rule for breach in schema_breaches(broken)] == ["AVR-3"]
