"""Apache Avro's own vectors: canonical forms, fingerprints, a single object, container files."""

import io
import json
import re

import fastavro
import pytest

from govbus.errors import SchemaError
from govbus.schemas.codec import AvroCodec
from govbus.schemas.fingerprints import canonical_form, fingerprint_of
from govbus.schemas.single_object import unwrap_single_object, wrap_single_object

pytestmark = pytest.mark.conformance_set("avro")

ENTRY = re.compile(
    r"^<<INPUT(?P<input> .*?$|\n.*?\nINPUT$)\n<<canonical (?P<canonical>.*?)$(\n<<fingerprint (?P<crc>-?\d+)$)?",
    re.MULTILINE | re.DOTALL,
)


@pytest.fixture(scope="module")
def entries(conformance_data):
    """Every input of the list, its canonical form, and its fingerprint where one is given."""
    text = (conformance_data / "avro/schema-tests.txt").read_text()
    found = [match.groupdict() for match in ENTRY.finditer(text)]
    assert 34 == len(found) == len(re.findall(r"^// \d{3}$", text, re.MULTILINE))
    return [(one["input"].removesuffix("INPUT").strip(), one["canonical"], one["crc"]) for one in found]


def test_canonical_forms(entries, record_property):
    """Every schema of the list has the canonical form that stands beside it."""
    record_property("cases", len(entries))

    assert [canonical for _, canonical, _ in entries] == [
        canonical_form(json.loads(one)) for one, *_ in entries
    ]


def test_fingerprints(entries, record_property):
    """Every fingerprint of the list comes out, lowest byte first as on the wire."""
    listed = [(canonical, int(crc)) for _, canonical, crc in entries if crc]
    record_property("cases", len(listed))

    assert 26 == len(listed)
    for canonical, crc in listed:
        assert crc.to_bytes(8, "little", signed=True) == fingerprint_of(canonical)


@pytest.fixture(scope="module")
def message(conformance_data):
    folder = conformance_data / "avro/messageV1"
    return (folder / "test_message.bin").read_bytes(), json.loads((folder / "test_schema.avsc").read_text())


def test_single_object(message):
    """The message unwraps to the value that its README gives, by the schema file beside it, and wraps to itself."""
    octets, schema = message
    codec, fingerprint = AvroCodec(schema), fingerprint_of(canonical_form(schema))
    known, avro = unwrap_single_object(octets, {fingerprint: codec}.get)

    assert {"id": 42, "name": "Bill", "tags": ["dog_lover", "cat_hater"]} == known.decode(avro)
    assert octets == wrap_single_object(schema, codec.encode(codec.decode(avro)))


def test_single_object_of_another_schema(message, conformance_data):
    """The README prints a schema with a fourth field: its fingerprint is another, so the message is not of it."""
    octets, _ = message
    readme = (conformance_data / "avro/messageV1/README.md").read_text()
    printed = json.loads(readme.split("```")[1])

    assert 4 == len(printed["fields"])
    with pytest.raises(SchemaError, match="no registered schema"):
        unwrap_single_object(octets, {fingerprint_of(canonical_form(printed)): printed}.get)


@pytest.mark.parametrize("name", ["weather.avro", "weather-deflate.avro"])
def test_container_files(conformance_data, name):
    """The records of the container files are written by our codec to the same bytes, and read back."""
    folder = conformance_data / "avro"
    rows = [json.loads(line) for line in (folder / "weather.json").read_text().splitlines()]
    with (folder / name).open("rb") as file:
        reader = fastavro.block_reader(file)
        codec = AvroCodec(json.loads(reader.metadata["avro.schema"]))
        blocks = b"".join(block.bytes_.getvalue() for block in reader)

    assert 5 == len(rows)
    assert blocks == b"".join(map(codec.encode, rows))
    assert rows == [codec.decode(codec.encode(row)) for row in rows]


def test_unions(conformance_data):
    """Values of every branch of nested unions come back as they were, and are the bytes of another writer."""
    schema = json.loads((conformance_data / "avro/withUnion-schema.json").read_text())
    codec = AvroCodec(schema)
    inner = [{"d1": value} for value in ("x", 7, True, None)]
    for value in [{"data1": one, "data2": two} for one in ("text", 12) for two in [*inner, None]]:
        buffer = io.BytesIO()
        fastavro.schemaless_writer(buffer, fastavro.parse_schema(schema), value)
        assert buffer.getvalue() == codec.encode(value)
        assert value == codec.decode(buffer.getvalue())
