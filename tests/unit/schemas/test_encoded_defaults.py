"""Fields that are left out take their defaults, octets among them."""

import pytest

from govbus.errors import SchemaError
from govbus.schemas.codec import AvroCodec

_INNER = {
    "type": "record",
    "name": "Inner",
    "fields": [{"name": "octets", "type": "bytes", "default": "\u0000\u00ff"}],
}


def _codec(type_, default, name="value"):
    return AvroCodec(
        {
            "type": "record",
            "name": "Outer",
            "namespace": "tests",
            "fields": [
                {"name": "inner", "type": _INNER, "default": {"octets": "\u0007"}},
                {"name": name, "type": type_, "default": default},
            ],
        }
    )


@pytest.mark.parametrize(
    ("type_", "default", "expected"),
    [
        ("bytes", "\u00ff\u0000a", b"\xff\x00a"),
        ({"type": "fixed", "name": "Two", "size": 2}, "\u00fe\u0001", b"\xfe\x01"),
        (["bytes", "null"], "\u0080", b"\x80"),
        (["null", "bytes"], None, None),
        ({"type": "array", "items": "bytes"}, ["\u0001", "\u00ff"], [b"\x01", b"\xff"]),
        ({"type": "map", "values": "bytes"}, {"k": "\u0001"}, {"k": b"\x01"}),
        ("Inner", {}, {"octets": b"\x00\xff"}),
        ("Inner", {"octets": "\u0009"}, {"octets": b"\x09"}),
        ("string", "\u00ff", "\u00ff"),
        ("int", 7, 7),
    ],
)
def test_a_default_is_encoded_as_its_type_says(type_, default, expected):
    """Text whose code points are octets becomes those octets, wherever in a default it stands."""
    codec = _codec(type_, default)

    assert {"inner": {"octets": b"\x07"}, "value": expected} == codec.decode(codec.encode({}))


def test_the_definition_stays_as_written():
    """The schema that is hashed and published is the one that the steward wrote."""
    codec = _codec("bytes", "\u00ff")

    assert "\u00ff" == codec.definition["fields"][1]["default"] == codec.parsed["fields"][1]["default"]


def test_what_has_no_default_must_be_there():
    """A field without a default that is left out is refused."""
    codec = AvroCodec({"type": "record", "name": "R", "fields": [{"name": "b", "type": "bytes"}]})
    with pytest.raises(SchemaError, match="does not fit"):
        codec.encode({})
