"""What a new version of a schema must keep."""

import pytest

from govbus.schemas.compatibility import BREACHES_MAX, Compatibility, compatibility_breaches, differences

FULL = Compatibility.FULL_TRANSITIVE


def record(*fields, name="court.example.Case", **more):
    return {"type": "record", "name": name, "fields": list(fields)} | more


def field(name, kind="string", **more):
    return {"name": name, "type": kind} | more


def enum(*symbols, **more):
    return {"type": "enum", "name": "State", "symbols": list(symbols)} | more


def decimal(precision, scale):
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}


def logical(kind, name):
    return {"type": kind, "logicalType": name}


NUMBER, TITLE = field("number"), field("title", default="")
BASE = record(NUMBER)

DIFFERENT = {
    # reader, writer: kind and place in the reader
    "no default": (record(NUMBER, field("x")), BASE, "READER_FIELD_MISSING_DEFAULT_VALUE", "fields.1"),
    "type": (record(field("number", "int")), BASE, "TYPE_MISMATCH", "fields.0.type"),
    "narrower": (record(field("n", "int")), record(field("n", "long")), "TYPE_MISMATCH", "fields.0.type"),
    "name": (record(NUMBER, name="court.example.File"), BASE, "NAME_MISMATCH", ""),
    "alias of another namespace": (
        record(NUMBER, name="court.example.File", aliases=["other.Case"]),
        BASE,
        "NAME_MISMATCH",
        "",
    ),
    "symbols": (
        record(field("s", enum("A"))),
        record(field("s", enum("A", "B"))),
        "MISSING_ENUM_SYMBOLS",
        "fields.0.type.symbols",
    ),
    "size": (
        {"type": "fixed", "name": "F", "size": 4},
        {"type": "fixed", "name": "F", "size": 8},
        "FIXED_SIZE_MISMATCH",
        "size",
    ),
    "union lacks a branch": (["null", "int"], ["null", "string"], "MISSING_UNION_BRANCH", ""),
    "no longer optional": ("string", ["null", "string"], "TYPE_MISMATCH", ""),
    "inside a union": (
        record(field("a", ["null", record(field("b"), name="In")])),
        record(field("a", ["null", record(name="In")])),
        "READER_FIELD_MISSING_DEFAULT_VALUE",
        "fields.0.type.1.fields.0",
    ),
    "items": (
        {"type": "array", "items": "int"},
        {"type": "array", "items": "string"},
        "TYPE_MISMATCH",
        "items",
    ),
    "map values": (
        {"type": "map", "values": "int"},
        {"type": "map", "values": "string"},
        "TYPE_MISMATCH",
        "values",
    ),
    # what the official checker does not see
    "scale": (decimal(9, 2), decimal(9, 4), "LOGICAL_TYPE_MISMATCH", ""),
    "precision": (decimal(9, 2), decimal(8, 2), "LOGICAL_TYPE_MISMATCH", ""),
    "timestamp unit": (
        logical("long", "timestamp-millis"),
        logical("long", "timestamp-micros"),
        "LOGICAL_TYPE_MISMATCH",
        "",
    ),
    "logical type added": (logical("int", "date"), "int", "LOGICAL_TYPE_MISMATCH", ""),
    "logical type removed": ("string", logical("string", "uuid"), "LOGICAL_TYPE_MISMATCH", ""),
    "logical type with a promotion": ("long", logical("int", "date"), "LOGICAL_TYPE_MISMATCH", ""),
    "logical type in a union": (
        ["null", logical("long", "timestamp-millis")],
        ["null", "long"],
        "LOGICAL_TYPE_MISMATCH",
        "1",
    ),
    "bytes as text": ("string", "bytes", "BYTES_READ_AS_STRING", ""),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_different(name):
    """Each pair differs in one way, and it is told in which and where."""
    reader, writer, kind, place = DIFFERENT[name]
    assert [(one.kind, one.place) for one in differences(reader=reader, writer=writer)] == [(kind, place)]


READABLE = {
    "same": (BASE, BASE),
    "field added with default": (record(NUMBER, TITLE), BASE),
    "field removed": (BASE, record(NUMBER, field("x"))),
    "documentation": (BASE | {"doc": "A case."}, BASE),
    "wider": (record(field("n", "double")), record(field("n", "int"))),
    "text as bytes": ("bytes", "string"),
    "became optional": (["null", "string"], "string"),
    "branch no longer written": (["null", "string", "int"], ["string", "null"]),
    "enum with default": (enum("A", default="A"), enum("A", "B")),
    "symbols in another order": (enum("B", "A"), enum("A", "B")),
    "field renamed with alias": (record(field("no", aliases=["number"])), BASE),
    "type renamed with alias": (record(NUMBER, name="court.example.File", aliases=["Case"]), BASE),
    "type renamed with full alias": (record(NUMBER, name="x.File", aliases=["court.example.Case"]), BASE),
    "scale 0 left out": (decimal(9, 0), {"type": "bytes", "logicalType": "decimal", "precision": 9}),
    "promotion inside a union": (["null", "double"], ["null", "int"]),
    "type named twice": (
        record(field("a", enum("A")), field("b", "State")),
        record(field("b", enum("A")), field("a", "State")),
    ),
}


@pytest.mark.parametrize("name", READABLE)
def test_readable(name):
    """What schema resolution can read is no difference."""
    reader, writer = READABLE[name]
    assert differences(reader=reader, writer=writer) == []


V1, V2, V3 = BASE, record(NUMBER, TITLE), record(NUMBER, field("title", "int", default=0))


@pytest.mark.parametrize(
    ("mode", "backward", "forward"),
    [
        (Compatibility.NONE, 0, 0),
        (Compatibility.BACKWARD, 1, 0),
        (Compatibility.FORWARD, 0, 1),
        (Compatibility.FULL, 1, 1),
        (Compatibility.BACKWARD_TRANSITIVE, 2, 0),
        (Compatibility.FORWARD_TRANSITIVE, 0, 2),
        (Compatibility.FULL_TRANSITIVE, 2, 2),
    ],
)
def test_modes(mode, backward, forward):
    """Transitive modes look at every earlier version, the others at the last; each in its directions."""
    breaches = compatibility_breaches(record(field("n", "int")), [record(field("n", "string"))] * 2, mode)
    texts = [breach.detail for breach in breaches]
    assert sum("the new schema cannot read" in text for text in texts) == backward
    assert sum("cannot read what the new schema writes" in text for text in texts) == forward


def test_removed_and_added_again_with_another_type():
    """The case that a check against the last version alone lets through."""
    assert compatibility_breaches(V3, [V2, V1], Compatibility.FULL) == []
    breaches = compatibility_breaches(V3, [V2, V1], FULL)
    assert {"version 1" in breach.detail for breach in breaches} == {True}


def test_breach_says_where_and_what():
    """A breach names place, kind and the version that it is about."""
    (breach,) = compatibility_breaches(
        record(NUMBER, field("x")), [BASE], Compatibility.BACKWARD, "schemas.1.definition", labels=["tax 4"]
    )
    assert (breach.rule, breach.field) == ("AVR-2", "schemas.1.definition.fields.1")
    assert breach.detail == (
        "READER_FIELD_MISSING_DEFAULT_VALUE: field x is not written and has no default "
        "(the new schema cannot read what tax 4 wrote)"
    )


def test_forward_breach_names_the_place_in_the_earlier_schema():
    """Where an old reader fails, its own schema says where; the new one has no such place."""
    (breach,) = compatibility_breaches(record(), [BASE], Compatibility.FORWARD, "here")
    assert breach.field == "here"
    assert breach.detail.endswith(
        "(version 1 cannot read what the new schema writes, at fields.0 of version 1)"
    )


def test_first_version_has_nothing_to_keep():
    """Nothing is asked of the first version."""
    assert compatibility_breaches(BASE, [], FULL) == []


def test_recursion_is_told_and_not_followed():
    """A schema that contains itself is beyond the reader; the comparison ends."""
    recursive = record(field("next", ["null", "court.example.Case"]))
    assert "contains itself" in differences(reader=recursive, writer=recursive)[0].text


def test_breaches_are_bounded():
    """A new version that breaks everything yields a bounded number of breaches."""
    many = [field(f"f{index}") for index in range(100)]
    assert len(compatibility_breaches(record(*many), [record()], FULL)) == BREACHES_MAX
