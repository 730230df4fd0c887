"""What a schema must be before it is registered: documented, and legal."""

import json

import pytest

from govbus.schemas import bundled, governance
from govbus.schemas.governance import BREACHES_MAX, documentation_breaches, schema_breaches
from govbus.schemas.logical_types import decimal_digits_max
from govbus.schemas.reader import NESTING_MAX


def record(*types, **more):
    """Return a documented record with fields a, b, c… of these types."""
    fields = [{"name": chr(97 + index), "doc": "A field.", "type": kind} for index, kind in enumerate(types)]
    return {
        "type": "record",
        "name": "Case",
        "namespace": "court.example",
        "doc": "A case.",
        "fields": fields,
    } | more


def field(kind, **more):
    """Return a record with one field."""
    schema = record(kind)
    schema["fields"][0] |= more
    return schema


def fixed(size, **more):
    return {"type": "fixed", "name": "Block", "doc": "A block.", "size": size} | more


def enum(*symbols, **more):
    return {"type": "enum", "name": "State", "doc": "A state.", "symbols": list(symbols)} | more


def places(breaches):
    return [breach.field for breach in breaches]


SHIPPED = sorted(bundled.folder().rglob("*.avsc"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.parent.name)
def test_shipped_schemas_are_documented_and_legal(path):
    """The schemas that come with govbus keep the rules that govbus asks of others."""
    definition = json.loads(path.read_text("utf-8"))
    assert documentation_breaches(definition) == []
    assert schema_breaches(definition) == []


def test_documentation_is_asked_of_every_part():
    """Records, enums, fixeds and fields need a doc, wherever they stand; the breach says where."""
    inner = record(enum("A", doc=" "), {"type": "array", "items": fixed(4, doc=None)}, doc="")
    inner["fields"][1]["doc"] = 3
    schema = record(["null", inner], {"type": "map", "values": record(name="Leaf", doc="\t")})
    assert places(documentation_breaches(schema, "schemas.0.definition")) == [
        "schemas.0.definition.fields.0.type.1",
        "schemas.0.definition.fields.0.type.1.fields.0.type",
        "schemas.0.definition.fields.0.type.1.fields.1",
        "schemas.0.definition.fields.0.type.1.fields.1.type.items",
        "schemas.0.definition.fields.1.type.values",
    ]
    assert {breach.rule for breach in documentation_breaches(schema)} == {"DRM-4"}


def test_documentation_of_the_schema_itself_has_no_place_inside():
    """The place of the schema itself is the one that was given."""
    assert places(documentation_breaches(record(doc=""), "here")) == ["here"]
    assert places(documentation_breaches(record(doc=""))) == [""]


@pytest.mark.parametrize("definition", [None, 3, "string", [], {}, {"type": {"type": []}}, {"fields": 3}])
def test_documentation_tolerates_what_is_no_schema(definition):
    """Whether it is a schema is another rule."""
    assert documentation_breaches(definition) == []


def test_breaches_are_bounded():
    """A schema of nothing but mistakes yields a bounded number of breaches."""
    schema = record(*["string"] * 300)
    for index, part in enumerate(schema["fields"]):
        part |= {"doc": "", "name": f"{index}"}
    assert len(documentation_breaches(schema)) == len(schema_breaches(schema)) == BREACHES_MAX


LEGAL = {
    "all primitives": record("null", "boolean", "int", "long", "float", "double", "bytes", "string"),
    "primitive as object": record({"type": "string", "avro.java.string": "String"}),
    "reference by full name": record(enum("A"), "court.example.State", "State"),
    "other namespace": record(enum("A", namespace="other"), "other.State"),
    "name with namespace in it": record(enum("A", name="other.State"), "other.State"),
    "aliases": record(enum("A", aliases=["Old", "before.Old"]), aliases=["Matter"]),
    "decimal": record({"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 4}),
    "decimal on fixed": record(fixed(4, logicalType="decimal", precision=9)),
    "uuid": record({"type": "string", "logicalType": "uuid"}, fixed(16, logicalType="uuid")),
    "times": record(
        {"type": "int", "logicalType": "date"},
        {"type": "int", "logicalType": "time-millis"},
        {"type": "long", "logicalType": "time-micros"},
        {"type": "long", "logicalType": "timestamp-millis"},
        {"type": "long", "logicalType": "timestamp-micros"},
        {"type": "long", "logicalType": "timestamp-nanos"},
    ),
    "duration": record(fixed(12, logicalType="duration")),
    "enum default": field(enum("A", "B", default="B"), default="A"),
    "union default": field(["null", "string"], default=None),
    "array default": field({"type": "array", "items": "string"}, default=[]),
    "bytes default": field("bytes", default="\u00ff"),
    "record default": field(record("string", name="Inner"), default={"a": "x"}),
    "marked bytes": field("bytes", **{"govbus.encoding": "avro-single-object"}),
    "marked optional bytes": field(["null", "bytes"], **{"govbus.encoding": "avro-single-object"}),
}


@pytest.mark.parametrize("name", LEGAL)
def test_legal(name):
    """What the specification allows and our bounds permit has no breach."""
    assert schema_breaches(LEGAL[name]) == []


def deep(levels):
    schema = "string"
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


ILLEGAL = {
    # names
    "no name": (record(name=None), "name"),
    "digit first": (record(name="1Case"), "name"),
    "hyphen": (record(name="Case-File"), "name"),
    "letter of another script": (record(name="Äkte"), "name"),
    "line end after the name": (record(name="Case\n"), "name"),
    "empty part": (record(name="court..Case"), "name"),
    "long name": (record(name="a" * 201), "name"),
    "word of Avro": (record(name="string"), "name"),
    "namespace": (record(namespace="court.1example"), "namespace"),
    "namespace of hyphens": (record(namespace="tax-office.example"), "namespace"),
    "field name": (field("int", name="first.name"), "fields.0.name"),
    "field without name": (field("int", name=None), "fields.0.name"),
    "alias": (record(aliases=["Old-Case"]), "aliases.0"),
    "alias no array": (record(aliases="Old"), "aliases"),
    "alias twice": (record(aliases=["Old", "Old"]), "aliases.1"),
    "field alias with a dot": (field("int", aliases=["old.name"]), "fields.0.aliases.0"),
    "symbol": (record(enum("A", "B C")), "fields.0.type.symbols.1"),
    "symbol twice": (record(enum("A", "A")), "fields.0.type.symbols.1"),
    "symbol of digits": (record(enum("018:00")), "fields.0.type.symbols.0"),
    "no symbols": (record(enum()), "fields.0.type.symbols"),
    # what stands twice
    "type twice": (record(enum("A"), enum("B")), "fields.1.type.name"),
    "union branch twice": (record(["string", {"type": "string"}]), "fields.0.type.1"),
    "union of two arrays": (record([deep(1), deep(2)]), "fields.0.type.1"),
    # types
    "unknown type": (record("Person"), "fields.0.type"),
    "used before it is defined": (record("State", enum("A")), "fields.0.type"),
    "type of another namespace": (record(enum("A", namespace="other"), "State"), "fields.1.type"),
    "union in union": (record(["null", ["int"]]), "fields.0.type.1"),
    "empty union": (record([]), "fields.0.type"),
    "no type": (record(None), "fields.0.type"),
    "number for a type": (record(3), "fields.0.type"),
    "type in type": (record({"type": {"type": "string"}}), "fields.0.type.type"),
    "union as type": (record({"type": ["null", "string"]}), "fields.0.type.type"),
    "reference as object": (record(enum("A"), {"type": "State"}), "fields.1.type.type"),
    "error": (record({"type": "error", "name": "E", "fields": []}), "fields.0.type.type"),
    "array without items": (record({"type": "array"}), "fields.0.type.items"),
    "fixed without size": (record(fixed(None)), "fields.0.type.size"),
    "fixed of nothing": (record(fixed(0)), "fields.0.type.size"),
    "fixed of true": (record(fixed(True)), "fields.0.type.size"),
    "no fields": (record(fields=None), "fields"),
    "field no object": (record(fields=["a"]), "fields.0"),
    "order": (field("int", order="random"), "fields.0.order"),
    "order no word": (field("int", order=["ascending"]), "fields.0.order"),
    # logical types
    "unknown": (record({"type": "string", "logicalType": "email"}), "fields.0.type"),
    "no word": (record({"type": "string", "logicalType": 3}), "fields.0.type"),
    "misspelt": (record({"type": "long", "logicalType": "timestamp_millis"}), "fields.0.type"),
    "beside the type": (field("long", logicalType="timestamp-millis"), "fields.0.logicalType"),
    "scale over precision": (
        record({"type": "bytes", "logicalType": "decimal", "precision": 2, "scale": 3}),
        "fields.0.type",
    ),
    "no precision": (record({"type": "bytes", "logicalType": "decimal"}), "fields.0.type"),
    "precision zero": (record({"type": "bytes", "logicalType": "decimal", "precision": 0}), "fields.0.type"),
    "precision true": (
        record({"type": "bytes", "logicalType": "decimal", "precision": True}),
        "fields.0.type",
    ),
    "negative scale": (
        record({"type": "bytes", "logicalType": "decimal", "precision": 2, "scale": -1}),
        "fields.0.type",
    ),
    "decimal too wide for its fixed": (
        record(fixed(4, logicalType="decimal", precision=10)),
        "fields.0.type",
    ),
    "decimal on string": (
        record({"type": "string", "logicalType": "decimal", "precision": 2}),
        "fields.0.type",
    ),
    "uuid on fixed(15)": (record(fixed(15, logicalType="uuid")), "fields.0.type"),
    "uuid on bytes": (record({"type": "bytes", "logicalType": "uuid"}), "fields.0.type"),
    "date on long": (record({"type": "long", "logicalType": "date"}), "fields.0.type"),
    "timestamp on int": (record({"type": "int", "logicalType": "timestamp-millis"}), "fields.0.type"),
    "duration on fixed(16)": (record(fixed(16, logicalType="duration")), "fields.0.type"),
    "local timestamp": (record({"type": "long", "logicalType": "local-timestamp-millis"}), "fields.0.type"),
    "big decimal": (record({"type": "bytes", "logicalType": "big-decimal"}), "fields.0.type"),
    "logical type of a record": (record(logicalType="date"), ""),
    # defaults
    "null default of a string": (field("string", default=None), "fields.0.default"),
    "default of the second branch": (field(["null", "string"], default="x"), "fields.0.default"),
    "default too wide": (field("int", default=2**31), "fields.0.default"),
    "true for a number": (field("int", default=True), "fields.0.default"),
    "number for a string": (field("string", default=1), "fields.0.default"),
    "text for a number": (field("double", default="NaN"), "fields.0.default"),
    "no number": (field("double", default=float("nan")), "fields.0.default"),
    "too large for single precision": (field("float", default=1e39), "fields.0.default"),
    "bytes beyond 255": (field("bytes", default="\u0100"), "fields.0.default"),
    "short fixed": (field(fixed(4), default="abc"), "fields.0.default"),
    "no symbol": (field(enum("A"), default="B"), "fields.0.default"),
    "enum default": (record(enum("A", default="B")), "fields.0.type.default"),
    "item": (field({"type": "array", "items": "int"}, default=[1, "x"]), "fields.0.default"),
    "map value": (field({"type": "map", "values": "int"}, default={"a": "x"}), "fields.0.default"),
    "record lacks a field": (field(record("string", name="Inner"), default={}), "fields.0.default"),
    "record has another field": (
        field(record("string", name="Inner"), default={"a": "x", "b": 1}),
        "fields.0.default",
    ),
    "no uuid": (field({"type": "string", "logicalType": "uuid"}, default="x"), "fields.0.default"),
    "decimal default": (
        field({"type": "bytes", "logicalType": "decimal", "precision": 2}, default="\u0001\u0000"),
        "fields.0.default",
    ),
    # bounds of the reader
    "recursion": (record(["null", "Case"]), "fields.0.type.1"),
    "too deep": (record(deep(NESTING_MAX + 1)), "fields.0.type" + ".items" * NESTING_MAX),
    "items of nothing": (record({"type": "array", "items": "null"}), ""),
    "number that JSON cannot carry": (field("long", default=2**53), ""),
    "lone surrogate": (record(doc="\ud800"), ""),
    "no schema at all": (None, ""),
}


@pytest.mark.parametrize("name", ILLEGAL)
def test_illegal(name):
    """Each schema breaks AVR-3 in exactly one place."""
    schema, place = ILLEGAL[name]
    breaches = schema_breaches(schema)
    assert [(breach.rule, breach.field) for breach in breaches] == [("AVR-3", place)]


MARK = {"govbus.encoding": "avro-single-object"}


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        (field("string", **MARK), "fields.0.govbus.encoding"),
        (field(["null", "bytes", "string"], **MARK), "fields.0.govbus.encoding"),
        (
            field({"type": "bytes", "logicalType": "decimal", "precision": 2}, **MARK),
            "fields.0.govbus.encoding",
        ),
        (field("bytes", **{"govbus.encoding": "json"}), "fields.0.govbus.encoding"),
        (record({"type": "bytes"} | MARK), "fields.0.type.govbus.encoding"),
        (record(["string", field("bytes", **MARK) | {"name": "Inner"}]), ""),
    ],
)
def test_marks_of_an_encoding_stand_on_bytes(schema, place):
    """A mark that no reader would see, or could not follow, is refused when the schema is registered."""
    assert [(breach.rule, breach.field) for breach in schema_breaches(schema)] == [("AVR-5", place)]


def test_digits_of_fixed_decimals():
    """The capacity that the specification gives: floor(log10(2^(8n-1) - 1))."""
    assert [decimal_digits_max(size) for size in (1, 2, 3, 4, 8, 16)] == [2, 4, 6, 9, 18, 38]


def test_every_logical_type_that_our_reader_converts_is_known_or_refused():
    """No logical type that fastavro converts is missing from our tables."""
    from fastavro.read import LOGICAL_READERS

    known = {*governance_tables()}
    # Other packages add readers of their own to the table, such as confluent-kafka's ``record-variant``.
    own = [key for key, reader in LOGICAL_READERS.items() if reader.__module__.startswith("fastavro")]
    assert own
    assert {key.split("-", 1)[1] for key in own} <= known


def governance_tables():
    from govbus.schemas.logical_types import BASE_TYPES, REFUSED

    return BASE_TYPES.keys() | REFUSED.keys()


def test_details_do_not_repeat_defaults():
    """A default may be somebody's name; the breach does not repeat it."""
    for breach in schema_breaches(field("int", default="Jane Doe")):
        assert "Jane" not in breach.detail


def test_reserved_names_hold_every_word_of_the_type_attribute():
    """No type may be named like something that stands in ``type``."""
    assert {"record", "enum", "fixed", "array", "map", "union", "int"} <= governance.RESERVED_NAMES
