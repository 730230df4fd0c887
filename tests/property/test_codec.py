"""Properties of the codec: what is written is read, and whatever else is read agrees with fastavro."""

import io
import warnings

import fastavro
import fastavro.utils
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from govbus.document.ids import PackageId
from govbus.errors import SchemaError
from govbus.schemas.bundled import definition
from govbus.schemas.codec import AvroCodec
from govbus.schemas.compose import compose_document_schema
from govbus.schemas.core import log_entry_codec

PRIMITIVES = {
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "double": st.floats(allow_nan=False),
    "bytes": st.binary(max_size=200),
    "string": st.text(max_size=100),
}


@st.composite
def schemas_with_values(draw, depth=0, names=None):
    """A schema and a strategy of its values."""
    names = names if names is not None else iter(range(1000))
    kinds = [*PRIMITIVES, "enum", "fixed"] + (["array", "map", "record", "nullable"] if depth < 3 else [])
    kind = draw(st.sampled_from(kinds))
    if kind in PRIMITIVES:
        return kind, PRIMITIVES[kind]
    if kind == "enum":
        symbols = [f"s{number}" for number in range(draw(st.integers(1, 100)))]
        return {"type": "enum", "name": f"e{next(names)}", "symbols": symbols}, st.sampled_from(symbols)
    if kind == "fixed":
        size = draw(st.integers(1, 20))
        schema = {"type": "fixed", "name": f"f{next(names)}", "size": size}
        return schema, st.binary(min_size=size, max_size=size)
    if kind == "record":
        return draw(records(depth, names))
    inner, values = draw(schemas_with_values(depth + 1, names))
    if kind == "array":
        return {"type": "array", "items": inner}, st.lists(values, max_size=70)
    if kind == "map":
        return {"type": "map", "values": inner}, st.dictionaries(st.text(max_size=5), values, max_size=5)
    if isinstance(inner, list):
        return inner, values
    return ["null", inner], st.none() | values


@st.composite
def records(draw, depth, names):
    fields, values = [], {}
    name = f"r{next(names)}"
    for number in range(draw(st.integers(1, 4))):
        schema, strategy = draw(schemas_with_values(depth + 1, names))
        fields.append({"name": f"a{number}", "type": schema})
        values[f"a{number}"] = strategy
    return {"type": "record", "name": name, "fields": fields}, st.fixed_dictionaries(values)


@given(st.data())
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
def test_round_trip(data):
    """A value comes back equal, and the bytes are those of fastavro."""
    schema, values = data.draw(schemas_with_values())
    value = data.draw(values)
    codec = AvroCodec(schema)
    octets = codec.encode(value)

    assert value == codec.decode(octets)
    assert value == fastavro.schemaless_reader(io.BytesIO(octets), fastavro.parse_schema(schema), None)


DOCUMENT = AvroCodec(
    compose_document_schema(PackageId.from_text("civil.person"), 1, definition("domains/civil/person/v1"))
)
PARSED = fastavro.parse_schema(DOCUMENT.definition)
LOG_PARSED = fastavro.parse_schema(log_entry_codec().definition)


def example(codec):
    """A document with everything in it that a document may have."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return codec.encode(next(fastavro.utils.generate_many(codec.definition, 1)))


@pytest.mark.parametrize(("codec", "parsed"), [(DOCUMENT, PARSED), (log_entry_codec(), LOG_PARSED)])
@given(st.data())
@settings(max_examples=300, deadline=None)
def test_fuzz(codec, parsed, data):
    """Changed bytes are refused as AVR-1 or read as fastavro reads them; nothing else ever happens."""
    octets = bytearray(example(codec))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(octets) - 1))
        change = data.draw(st.sampled_from(["set", "cut", "add"]))
        if change == "set":
            octets[at] = data.draw(st.integers(0, 255))
        elif change == "cut":
            del octets[at : at + data.draw(st.integers(1, 9))]
            octets = octets or bytearray(b"\x00")
        else:
            octets[at:at] = data.draw(st.binary(min_size=1, max_size=12))
    try:
        value = codec.decode(bytes(octets))
    except SchemaError as err:
        assert "AVR-1" == err.rule
        return
    source = io.BytesIO(octets)

    assert fastavro.schemaless_reader(source, parsed, None) == value
    assert len(octets) == source.tell()


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_noise(octets):
    """Noise is refused as AVR-1, or happens to be a value."""
    try:
        value = log_entry_codec().decode(octets)
    except SchemaError as err:
        assert "AVR-1" == err.rule
    else:
        assert value == fastavro.schemaless_reader(io.BytesIO(octets), LOG_PARSED, None)
