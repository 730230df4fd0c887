"""What the reader does with bytes and schemas that mean harm."""

import time
import tracemalloc
import warnings

import pytest

from govbus.errors import SchemaError
from govbus.schemas.codec import AvroCodec
from govbus.schemas.reader import ITEMS_MAX


def zigzag(number):
    number = number << 1 if number >= 0 else (-number << 1) - 1
    octets = b""
    while number > 127:
        octets += bytes([number & 127 | 128])
        number >>= 7
    return octets + bytes([number])


ENUM = {"type": "enum", "name": "e", "symbols": ["a", "b"]}
STRINGS = {"type": "array", "items": "string"}
LONGS = {"type": "array", "items": "long"}
MAP = {"type": "map", "values": "string"}
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
MILLIS = {"type": "long", "logicalType": "timestamp-millis"}

HOSTILE = {
    "string far longer than the data": ("string", zigzag(2**62) + b"abc", "end"),
    "string of negative length": ("string", zigzag(-1) + b"abc", "negative"),
    "bytes far longer than the data": ("bytes", zigzag(2**40) + b"abc", "end"),
    "bytes of a long negative length": ("bytes", zigzag(-(2**40)) + b"abc", "negative"),
    "string cut inside a character": ("string", zigzag(1) + b"\xc3", "UTF-8"),
    "string with a lone surrogate": ("string", zigzag(3) + b"\xed\xa0\x80", "UTF-8"),
    "nothing": ("string", b"", "end"),
    "trailing byte": ("string", zigzag(1) + b"a\x00", "go on"),
    "number cut short": ("long", b"\x80\x80", "end"),
    "number of eleven bytes": ("long", b"\x80" * 10 + b"\x01", "ten bytes"),
    "number of a million bytes": ("long", b"\x80" * 1_000_000 + b"\x01", "ten bytes"),
    "number of 70 bits": ("long", b"\xff" * 9 + b"\x7f", "64 bits"),
    "int of 33 bits": ("int", zigzag(2**31), "32 bits"),
    "boolean of 2": ("boolean", b"\x02", "boolean"),
    "no boolean": ("boolean", b"", "end"),
    "float cut short": ("float", b"\x00\x00", "end"),
    "double cut short": ("double", b"\x00" * 7, "end"),
    "fixed cut short": ({"type": "fixed", "name": "f", "size": 4}, b"abc", "end"),
    "enum index too high": (ENUM, zigzag(2), "index"),
    "enum index negative": (ENUM, zigzag(-1), "index"),
    "union index too high": (["null", "string"], zigzag(2), "index"),
    "union index negative": (["null", "string"], zigzag(-1) + zigzag(0), "index"),
    "count far beyond the data": (STRINGS, zigzag(2**62) + b"\x00" * 100, "count"),
    "count one beyond the data": (STRINGS, zigzag(3) + b"\x00" * 2, "count"),
    "count just within the data but no end": (STRINGS, zigzag(2) + b"\x00" * 2, "end"),
    "negative count beyond the data": (STRINGS, zigzag(-(2**62)) + zigzag(1) + b"\x00", "count"),
    "least of all counts": (STRINGS, zigzag(-(2**63)) + zigzag(1) + b"\x00", "count"),
    "block size too small": (LONGS, zigzag(-2) + zigzag(1) + b"\x02\x04\x00", "block"),
    "block size too large": (LONGS, zigzag(-2) + zigzag(3) + b"\x02\x04\x00", "block"),
    "block size negative": (LONGS, zigzag(-2) + zigzag(-2) + b"\x02\x04\x00", "negative"),
    "map count beyond the data": (MAP, zigzag(3) + b"\x00" * 5, "count"),
    "map key twice": (MAP, zigzag(2) + b"\x02a\x02b\x02a\x02c\x00", "twice"),
    "decimal of a million digits": (DECIMAL, zigzag(400_000) + b"\x7f" * 400_000, "digits"),
    "decimal one over its precision": (DECIMAL, zigzag(4) + (10**9).to_bytes(4, "big"), "digits"),
    "moment after the year 9999": (MILLIS, zigzag(2**62), "logical type"),
    "no such uuid": ({"type": "string", "logicalType": "uuid"}, zigzag(3) + b"abc", "logical type"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bytes(name):
    """Bytes that the schema does not describe are refused under AVR-1, in words that repeat none of them."""
    schema, octets, words = HOSTILE[name]
    codec = AvroCodec(schema)

    with pytest.raises(SchemaError, match=words) as caught:
        codec.decode(octets)

    assert ("AVR-1", "value") == (caught.value.rule, caught.value.field)


def test_bounded_work():
    """The largest value of the most wasteful shape costs less than 100 MB and two seconds."""
    pair = {
        "type": "record",
        "name": "r",
        "fields": [{"name": "x", "type": ["null", "int"]}, {"name": "y", "type": ["null", "int"]}],
    }
    codec = AvroCodec({"type": "array", "items": pair})
    octets = zigzag(ITEMS_MAX) + b"\x00" * (2 * ITEMS_MAX) + b"\x00"
    tracemalloc.start()
    started = time.perf_counter()

    value = codec.decode(octets)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert ITEMS_MAX == len(value)
    assert peak < 100_000_000
    assert time.perf_counter() - started < 2


def test_too_many_items():
    """Arrays together hold at most ITEMS_MAX items, in one block or in many."""
    codec = AvroCodec(LONGS)
    half = zigzag(ITEMS_MAX // 2) + b"\x00" * (ITEMS_MAX // 2)

    assert ITEMS_MAX == len(codec.decode(half + half + b"\x00"))
    with pytest.raises(SchemaError, match="too many items"):
        codec.decode(half + half + zigzag(1) + b"\x00\x00")


ACCEPTED = {
    "negative count with its size": (LONGS, zigzag(-2) + zigzag(2) + b"\x02\x04\x00", [1, 2]),
    "two blocks": (LONGS, zigzag(1) + b"\x02" + zigzag(1) + b"\x04\x00", [1, 2]),
    "number longer than it needs to be": ("long", b"\x82\x80\x00", 1),
    "length over 63": ("string", zigzag(100) + b"a" * 100, "a" * 100),
    "least long": ("long", zigzag(-(2**63)), -(2**63)),
    "greatest long": ("long", zigzag(2**63 - 1), 2**63 - 1),
    "least int": ("int", zigzag(-(2**31)), -(2**31)),
    "empty record": ({"type": "record", "name": "r", "fields": []}, b"", {}),
    "unknown logical type": ({"type": "long", "logicalType": "parsec"}, b"\x02", 1),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_lawful_forms(name):
    """Forms that the Avro specification allows are read, even where no common writer makes them."""
    schema, octets, expected = ACCEPTED[name]

    assert expected == AvroCodec(schema).decode(octets)


def nested(depth, kind):
    schema = "string"
    for _ in range(depth):
        schema = {"type": kind, ("items" if kind == "array" else "values"): schema}
    return schema


def doubling(levels):
    """A schema of a few hundred bytes that describes 2**levels strings."""
    fields = [{"name": "a", "type": "string"}]
    for level in range(levels):
        inner = {"type": "record", "name": f"r{level}", "fields": fields}
        fields = [{"name": "a", "type": inner}, {"name": "b", "type": f"r{level}"}]
    return {"type": "record", "name": "top", "fields": fields}


NODE = {"type": "record", "name": "N", "fields": [{"name": "next", "type": ["null", "N"]}]}
REFUSED_SCHEMAS = {
    "recursive": NODE,
    "recursive through an array": {
        "type": "record",
        "name": "N",
        "fields": [{"name": "next", "type": {"type": "array", "items": "N"}}],
    },
    "array of nulls": {"type": "array", "items": "null"},
    "array of empty records": {"type": "array", "items": {"type": "record", "name": "r", "fields": []}},
    "array of empty fixed": {"type": "array", "items": {"type": "fixed", "name": "f", "size": 0}},
    "deep arrays": nested(9, "array"),
    "deep maps": nested(9, "map"),
    "two to the power of thirty places": doubling(30),
    "two to the power of thirty in an array": {"type": "array", "items": doubling(30)},
    "unknown type": {"type": "record", "name": "r", "fields": [{"name": "a", "type": "strong"}]},
    "no name": {"type": "record", "fields": []},
    "decimal without precision": {"type": "bytes", "logicalType": "decimal"},
    "decimal of a million digits": {"type": "bytes", "logicalType": "decimal", "precision": 1_000_000},
    "not a schema": 17,
    "said to be parsed": {"type": "record", "__fastavro_parsed__": True},
}


@pytest.mark.parametrize("name", REFUSED_SCHEMAS)
def test_refused_schemas(name):
    """A schema whose values have no bound, or that is none, makes no codec."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(SchemaError) as caught:
            AvroCodec(REFUSED_SCHEMAS[name])

    assert "AVR-3" == caught.value.rule


def test_named_type_twice():
    """A named type may be mentioned again, beside itself and inside arrays."""
    schema = {
        "type": "record",
        "name": "a.Top",
        "fields": [
            {"name": "first", "type": {"type": "fixed", "name": "Pair", "size": 2}},
            {"name": "second", "type": "Pair"},
            {"name": "more", "type": {"type": "array", "items": "a.Pair"}},
        ],
    }
    value = {"first": b"ab", "second": b"cd", "more": [b"ef", b"gh"]}
    codec = AvroCodec(schema)

    assert value == codec.decode(codec.encode(value))
