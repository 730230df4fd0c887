"""Values as people write them in JSON."""

import datetime as dt
import uuid
from decimal import Decimal

import pytest

from govbus.errors import SchemaError
from govbus.schemas.codec import AvroCodec
from govbus.schemas.json_form import from_json, to_json

MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}
PART = {
    "type": "record",
    "name": "Part",
    "namespace": "x",
    "doc": "A part.",
    "fields": [{"name": "number", "doc": "Its number.", "type": "int"}],
}
SCHEMA = {
    "type": "record",
    "name": "Whole",
    "namespace": "x",
    "doc": "A whole.",
    "fields": [
        {"name": "day", "doc": "A day.", "type": {"type": "int", "logicalType": "date"}},
        {"name": "at", "doc": "A moment.", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "clock", "doc": "A time of day.", "type": {"type": "int", "logicalType": "time-millis"}},
        {"name": "price", "doc": "A price.", "type": MONEY},
        {"name": "name", "doc": "A UUID.", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "raw", "doc": "Octets.", "type": "bytes"},
        {"name": "parts", "doc": "Its parts.", "type": {"type": "array", "items": PART}},
        {"name": "best", "doc": "The best part.", "type": ["null", "Part"], "default": None},
    ],
}
VALUE = {
    "day": "2026-01-31",
    "at": "2026-01-31T14:35:00.123Z",
    "clock": "14:35:00",
    "price": "12.50",
    "name": "0a6cf2fb-63b1-4a4e-8f40-6e0b4f0f2d11",
    "raw": {"base64": "AAE="},
    "parts": [{"number": 1}],
    "best": {"number": 2},
}


def test_there_and_back():
    """What people write becomes days, moments, decimals and octets, and comes back as they wrote it."""
    codec = AvroCodec(SCHEMA)
    decoded = codec.decode(codec.encode(from_json(SCHEMA, VALUE)))

    assert dt.date(2026, 1, 31) == decoded["day"]
    assert dt.datetime(2026, 1, 31, 14, 35, 0, 123000, dt.UTC) == decoded["at"]
    assert Decimal("12.50") == decoded["price"]
    assert uuid.UUID(VALUE["name"]) == decoded["name"]
    assert b"\x00\x01" == decoded["raw"]
    assert {**VALUE, "clock": "14:35:00"} == to_json(decoded)
    assert codec.encode(from_json(SCHEMA, decoded)) == codec.encode(from_json(SCHEMA, VALUE))


def test_counts_are_taken():
    """Days and moments as Avro counts them, and another offset of the same moment, are the same value."""
    written = {**VALUE, "day": 20_484, "at": 1_769_870_100_123, "clock": 52_500_000}

    assert from_json(SCHEMA, VALUE) == from_json(SCHEMA, written)
    assert from_json(SCHEMA, VALUE) == from_json(SCHEMA, {**VALUE, "at": "2026-01-31T15:35:00.123+01:00"})


@pytest.mark.parametrize(
    ("change", "place", "expected"),
    [
        ({"day": "31.1.2026"}, "body.day", "a day such as"),
        ({"day": "2026-02-30"}, "body.day", "a day such as"),
        ({"at": "2026-01-31T14:35:00"}, "body.at", "RFC 3339"),
        ({"clock": "25:00:00"}, "body.clock", "a time of day"),
        ({"price": 12.5}, "body.price", "not exact"),
        ({"price": "12.505"}, "body.price", "2 decimals"),
        ({"price": "12345"}, "body.price", "at most 4 digits"),
        ({"price": "NaN"}, "body.price", "a decimal"),
        ({"name": "no uuid"}, "body.name", "a UUID"),
        ({"raw": {"base64": "%"}}, "body.raw", "base64"),
        ({"raw": "text"}, "body.raw", "base64"),
        ({"parts": {}}, "body.parts", "a list"),
        ({"parts": [{"number": "1"}]}, "body.parts.0.number", "a whole number"),
        ({"parts": [{"number": 2**31}]}, "body.parts.0.number", "32 bits"),
        ({"parts": [{"number": True}]}, "body.parts.0.number", "a whole number"),
        ({"parts": [{}]}, "body.parts.0.number", "Its number."),
        ({"best": {"number": 1, "colour": "red"}}, "body.best.colour", "no such field"),
        ({"parts": None}, "body.parts", "a list"),
    ],
)
def test_what_does_not_fit_is_located(change, place, expected):
    """The error names the place and what was expected there, and never repeats the value."""
    with pytest.raises(SchemaError) as caught:
        from_json(SCHEMA, {**VALUE, **change}, "body")

    assert ("AVR-1", place) == (caught.value.rule, caught.value.field)
    assert expected in caught.value.message
    assert "31.1.2026" not in caught.value.message


def test_left_out():
    """A field with a default may be left out; the codec puts the default in."""
    value = {name: part for name, part in VALUE.items() if name != "best"}
    codec = AvroCodec(SCHEMA)

    assert codec.decode(codec.encode(from_json(SCHEMA, value)))["best"] is None


def test_union_without_branch_names():
    """A union's value takes the first branch that it fits; where none does, the last says what was expected."""
    union = ["null", "boolean", {"type": "enum", "name": "x.E", "symbols": ["A"]}]

    assert [None, True, "A"] == [from_json(union, value) for value in (None, True, "A")]
    with pytest.raises(SchemaError, match="expected one of A"):
        from_json(union, "B")
    with pytest.raises(SchemaError, match="expected a value"):
        from_json(["string", "int"], None)
