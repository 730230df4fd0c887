"""Hashes, shipped schemas, composition and the catalogue."""

import json

import pytest

from govbus.document.ids import AgencyId, PackageId
from govbus.errors import MissingPartError, SchemaError
from govbus.schemas import bundled
from govbus.schemas.canonical import canonical_json, schema_hash
from govbus.schemas.catalog import DocumentSchema, SchemaCatalog, schema_uri
from govbus.schemas.codec import AvroCodec
from govbus.schemas.compose import compose_document_schema
from govbus.schemas.json_form import from_json, to_json

PERSON = PackageId.from_text("civil.person")
BUS = AgencyId.from_text("bus.example")
NAMES = sorted(
    path.relative_to(bundled.folder()).with_suffix("").as_posix() for path in bundled.folder().rglob("*.avsc")
)


def schema(number, version=1, *, hash_of="string"):
    return DocumentSchema(
        number, schema_uri(BUS, "civil.person", version), "civil.person", version, AvroCodec(hash_of)
    )


def test_shipped_schemas_are_found():
    """The four shipped schemas are there."""
    assert {
        "core/log_entry/v1",
        "core/receipt/v1",
        "core/record_metadata/v1",
        "domains/civil/person/v1",
    } <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_example(name):
    """The example next to each shipped schema fits it, and decodes to the same bytes again."""
    folder = bundled.folder() / name
    example = json.loads(folder.with_suffix(".example.json").read_text("utf-8"))
    codec = AvroCodec(bundled.definition(name))
    octets = codec.encode(from_json(codec.definition, example))

    assert octets == codec.encode(codec.decode(octets))
    assert octets == codec.encode(from_json(codec.definition, to_json(codec.decode(octets))))


@pytest.mark.parametrize("name", NAMES)
def test_every_part_is_documented(name):
    """Every record, enum, fixed and field of a shipped schema says what it is (rule DRM-4)."""
    missing = []

    def walk(node, where):
        if isinstance(node, list):
            for branch in node:
                walk(branch, where)
        elif isinstance(node, dict):
            if ("name" in node) and not node.get("doc"):
                missing.append(f"{where}.{node['name']}")
            for part in ("type", "items", "values", "fields"):
                walk(node.get(part), f"{where}.{node.get('name', part)}")

    walk(bundled.definition(name), name)

    assert [] == missing


def test_no_such_schema():
    """A name that is not shipped is said to be missing."""
    with pytest.raises(MissingPartError, match="core/none/v1"):
        bundled.definition("core/none/v1")


def test_canonical_json():
    """Names are sorted, spaces gone, numbers and text in their RFC 8785 form."""
    assert b'{"a":1e-7,"b":["\xc3\xa9",null]}' == canonical_json({"b": ["é", None], "a": 1e-07})


@pytest.mark.parametrize("change", [{"doc": "x"}, {"logicalType": "date"}, {"default": 1}])
def test_hash_covers_everything(change):
    """Docs, logical types and defaults, which Avro's own fingerprint drops, change the hash."""
    plain = {"type": "int"}

    assert schema_hash(plain) != schema_hash(plain | change)


def test_no_canonical_form():
    """An integer that JSON readers would round is refused."""
    with pytest.raises(SchemaError):
        canonical_json({"default": 2**60})


def test_composed():
    """A composed schema has the metadata and the payload, under a name that no version changes."""
    body = bundled.definition("domains/civil/person/v1")
    first, second = (compose_document_schema(PERSON, version, body) for version in (1, 2))

    assert ["record", "body"] == [field["name"] for field in first["fields"]]
    assert "govbus.package.civil.person" == first["namespace"]
    assert (first["namespace"], first["name"]) == (second["namespace"], second["name"])
    assert body == first["fields"][1]["type"]
    AvroCodec(first)


def test_composed_namespace():
    """Package labels that are no Avro names get a form that no other package has."""
    body = {"type": "record", "name": "x.B", "fields": []}

    composed = compose_document_schema(PackageId.from_text("a-b.2c"), 1, body)

    assert "govbus.package.a_b._2c" == composed["namespace"]
    AvroCodec(composed)


@pytest.mark.parametrize(
    "body",
    [
        {"type": "record", "name": "B", "fields": []},
        {"type": "enum", "name": "x.B", "symbols": ["a"]},
        {"type": "record", "namespace": "x", "fields": []},
    ],
)
def test_body_refused(body):
    """A payload schema is a record with a namespace of its own."""
    with pytest.raises(SchemaError, match=r"civil\.person"):
        compose_document_schema(PERSON, 1, body)


def test_body_may_not_redefine_the_metadata():
    """A payload that defines a name of the shared metadata makes no codec."""
    body = {"type": "record", "name": "B", "namespace": "govbus.core", "fields": [
        {"name": "a", "type": {"type": "record", "name": "Agent", "fields": []}},
    ]}  # fmt: skip

    with pytest.raises(SchemaError):
        AvroCodec(compose_document_schema(PERSON, 1, body))


def test_lookups():
    """A schema is found by id, hash and URI, and nothing else is."""
    one = schema(100)
    catalog = SchemaCatalog([one])

    assert (one, one, one) == (
        catalog.by_id(100),
        catalog.by_hash(schema_hash("string")),
        catalog.by_uri("https://bus.example/schemas/civil.person/1"),
    )
    assert (None, None, None) == (catalog.by_id(1), catalog.by_hash(""), catalog.by_uri(""))


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (schema(100, 2, hash_of="long"), "same id"),
        (schema(101, 2), "same content"),
        (schema(101, hash_of="long"), "same URI"),
        (schema(99, 2, hash_of="long"), "from 100"),
        (schema(2**31, 2, hash_of="long"), "from 100"),
    ],
)
def test_clashes(second, words):
    """Two schemas never share id, URI or content, and ids leave the core's alone."""
    with pytest.raises(SchemaError, match=words):
        SchemaCatalog([schema(100), second])
