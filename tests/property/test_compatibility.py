"""Two judges of compatibility and one reader: their verdicts on drawn schemas agree."""

import io

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from govbus.schemas.canonical import canonical_json
from govbus.schemas.compatibility import (
    Compatibility,
    Incompatibility,
    _official_kinds,
    _resolved,
    compatibility_breaches,
    differences,
)
from govbus.schemas.governance import schema_breaches

PRIMITIVES = ("boolean", "int", "long", "float", "double", "bytes", "string")
VALUES = {"boolean": True, "int": 3, "long": 4, "float": 1.5, "double": 2.5, "bytes": b"b", "string": "s"}
OURS_ALONE = {Incompatibility.LOGICAL_TYPE, Incompatibility.TEXT}


@st.composite
def types(draw, depth=0):
    """Draw a type whose names depend on its place alone, so that drawn pairs are comparable."""
    kind = draw(st.sampled_from(PRIMITIVES if depth > 2 else (*PRIMITIVES, *"ruamef")))
    match kind:
        case "r":
            names = draw(st.lists(st.sampled_from("abc"), unique=True, max_size=3))
            return {
                "type": "record",
                "name": f"R{draw(st.uuids()).hex}" if depth else "Root",
                "fields": [draw(fields(name, depth + 1)) for name in names],
            }
        case "u":
            branches = draw(st.lists(st.sampled_from(PRIMITIVES), unique=True, min_size=1, max_size=3))
            return ["null", *branches]
        case "a":
            return {"type": "array", "items": draw(types(depth=depth + 1))}
        case "m":
            return {"type": "map", "values": draw(types(depth=depth + 1))}
        case "e":
            symbols = draw(st.lists(st.sampled_from("XYZ"), unique=True, min_size=1))
            more = {"default": symbols[0]} if draw(st.integers(0, 3)) == 0 else {}
            return {"type": "enum", "name": f"E{draw(st.uuids()).hex}", "symbols": symbols} | more
        case "f":
            return {"type": "fixed", "name": f"F{draw(st.uuids()).hex}", "size": draw(st.integers(1, 3))}
        case _:
            return kind


@st.composite
def fields(draw, name, depth):
    kind = draw(types(depth=depth))
    return {"name": name, "type": kind} | ({"default": None} if isinstance(kind, list) else {})


def renamed(schema, place="N"):
    """Name every type after its place, so that two drawn schemas differ in anything but names."""
    match schema:
        case list():
            return [renamed(branch, f"{place}_{index}") for index, branch in enumerate(schema)]
        case {"type": "record"}:
            inside = [
                one | {"type": renamed(one["type"], f"{place}_{one['name']}")} for one in schema["fields"]
            ]
            return schema | {"name": place, "fields": inside}
        case {"type": "array"}:
            return schema | {"items": renamed(schema["items"], place + "_i")}
        case {"type": "map"}:
            return schema | {"values": renamed(schema["values"], place + "_i")}
        case {"type": "enum" | "fixed"}:
            return schema | {"name": place}
        case _:
            return schema


def evolved(draw, schema):
    """Return the schema with a few drawn changes, as a next version would have them."""
    if draw(st.integers(0, 7)) == 0:
        return draw(types(depth=2))
    match schema:
        case list():
            kept = [branch for branch in schema if branch == "null" or draw(st.integers(0, 3))]
            new = [
                branch
                for branch in draw(st.lists(st.sampled_from(PRIMITIVES), max_size=1))
                if branch not in kept
            ]
            return kept + new
        case {"type": "record", "fields": inside}:
            kept = [
                one | {"type": evolved(draw, one["type"])} if "default" not in one else one
                for one in inside
                if draw(st.integers(0, 3))
            ]
            names = [name for name in "de" if draw(st.integers(0, 3)) == 0]
            return schema | {"fields": kept + [draw(fields(name, 2)) for name in names]}
        case {"type": "array"}:
            return schema | {"items": evolved(draw, schema["items"])}
        case {"type": "map"}:
            return schema | {"values": evolved(draw, schema["values"])}
        case {"type": "enum", "symbols": symbols}:
            return schema | {"symbols": symbols[: draw(st.integers(1, len(symbols)))]}
        case _:
            return schema


@st.composite
def pairs(draw):
    """Draw a reader's schema and a writer's: strangers, or versions of one another."""
    writer = draw(types())
    reader = draw(types()) if draw(st.integers(0, 4)) == 0 else evolved(draw, writer)
    return renamed(reader), renamed(writer)


schemas = types().map(renamed).filter(lambda schema: not schema_breaches(schema))
legal_pairs = pairs().filter(lambda pair: not any(map(schema_breaches, pair)))


@settings(max_examples=400, deadline=None)
@given(legal_pairs)
def test_both_judges_agree_where_both_look(pair):
    """Our walk and the official checker say the same of structure; ours says more of logical types and text."""
    reader, writer = pair
    structural = [one for one in differences(reader=reader, writer=writer) if one.kind not in OURS_ALONE]
    official = _official_kinds(_resolved(canonical_json(reader)), _resolved(canonical_json(writer)))
    assert bool(structural) == bool(official)


@settings(max_examples=400, deadline=None)
@given(legal_pairs, st.randoms(use_true_random=False))
def test_what_is_compatible_can_be_read(pair, random):
    """A value of the writer's schema is read by an independent implementation wherever we say that it can."""
    reader, writer = pair
    if differences(reader=reader, writer=writer):
        return
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(writer), value_of(writer, random))
    fastavro.schemaless_reader(
        io.BytesIO(buffer.getvalue()), fastavro.parse_schema(writer), fastavro.parse_schema(reader)
    )


def value_of(schema, random):
    match schema:
        case list():
            return value_of(random.choice(schema), random)
        case {"type": "record", "fields": inside}:
            return {one["name"]: value_of(one["type"], random) for one in inside}
        case {"type": "array", "items": items}:
            return [value_of(items, random) for _ in range(random.randrange(3))]
        case {"type": "map", "values": values}:
            return {str(index): value_of(values, random) for index in range(random.randrange(3))}
        case {"type": "enum", "symbols": symbols}:
            return random.choice(symbols)
        case {"type": "fixed", "size": size}:
            return bytes(size)
        case "null":
            return None
        case _:
            return VALUES[schema]


@settings(max_examples=200, deadline=None)
@given(schemas)
def test_a_schema_is_compatible_with_itself(schema):
    """Registering the same schema again is never a breach."""
    assert compatibility_breaches(schema, [schema], Compatibility.FULL_TRANSITIVE) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["type", "name", "fields", "items", "values", "symbols", "size", "default", "logicalType", "aliases",
             "namespace", "precision", "scale", "order", "doc", "govbus.encoding"]
        )
        | st.text(max_size=4),
        inner
        | st.sampled_from(
            ["record", "enum", "fixed", "array", "map", "decimal", "uuid", "bytes", "string", "A", "a.B"]
        ),
        max_size=6,
    ),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(JSON)
@pytest.mark.filterwarnings("error")
def test_governance_is_total(definition):
    """Whatever JSON a stranger posts: a list of breaches, never an exception."""
    from govbus.schemas.governance import documentation_breaches

    documentation_breaches(definition)
    schema_breaches(definition)
