"""JSON message formats at registration: only the format's own files, and nothing that could take forever."""

import dataclasses
import json

import pytest

from govbus.routing.niem.json_message import json_breaches
from govbus.routing.niem.json_schema import JsonFormat, compile_json

from . import samples


def _with(**changes):
    return compile_json(dataclasses.replace(samples.JSON_FORMAT, **changes))


def _schema(**changes):
    text = json.dumps({**samples.JSON_SCHEMA, **changes}).encode()
    return _with(schemas={**samples.JSON_FORMAT.schemas, "case.json": text})


def test_what_the_schema_says_of_properties():
    """Properties are known by their URI, with what the schema says of values, classes and references."""
    model = compile_json(samples.JSON_FORMAT)
    properties = model.properties
    victim = properties[samples.PARTY + "Victim"]

    assert properties[samples.PARTY + "Party"].classes & victim.classes
    assert not properties[samples.PARTY + "Charge"].classes & victim.classes
    assert properties[samples.PARTY + "PartyAge"].is_single
    assert not properties[samples.PARTY + "Party"].is_single
    assert properties[samples.PARTY + "Address"].is_inline
    assert not victim.is_inline


@pytest.mark.parametrize(
    ("field", "word", "changes"),
    [
        ("main", "no file", {"main": "none.json"}),
        ("context", "prefixes", {"context": {}}),
        ("context.case", "URI", {"context": {"case": "no uri", "party": samples.PARTY}}),
        ("context_uri", "absolute URI", {"context_uri": "context.jsonld"}),
        ("root", "no property", {"root": "case:None"}),
        ("schemas.party.json", "whose prefix", {"context": {"case": samples.CASE}}),
    ],
)
def test_format_that_does_not_fit(field, word, changes):
    """What the format says of itself must fit its schema."""
    found = _with(**changes)

    assert any(breach.field == field and word in breach.detail for breach in found)
    assert {"NDR-13"} == {breach.rule for breach in found}


@pytest.mark.parametrize(
    ("word", "changes"),
    [
        ("draft", {"$schema": "https://schemas.example/own"}),
        ("$schema", {"$schema": None}),
        ("same $schema", {"$schema": "https://json-schema.org/draft/2019-09/schema"}),
        ("no JSON Schema", {"type": "thing"}),
        ("no file of the format", {"$ref": "other.json"}),
        ("no file of the format", {"$ref": "https://schemas.example/other.json"}),
        ("no file of the format", {"$ref": "file:///etc/passwd"}),
        ("no file of the format", {"$ref": "#/$defs/none"}),
        ("exponentially", {"pattern": "^(a+)+$"}),
        ("exponentially", {"patternProperties": {"^(a|a)*$": {}}}),
        ("power of 3", {"pattern": "^.*a.*b.*c$"}),
        ("regex", {"pattern": "(?<=a*)b"}),
    ],
)
def test_schema_that_is_refused(word, changes):
    """What is no schema, asks for other files or could take forever is refused, and the file is named."""
    found = _schema(**changes)

    assert any(word in breach.detail for breach in found)
    assert all(breach.field.startswith("schemas.") for breach in found)


@pytest.mark.parametrize("octets", [b"", b"[]", b'{"a": 1, "a": 2}', b"\xff", b'{"$schema": NaN}'])
def test_file_that_is_no_json_schema(octets):
    """Every file of the format is a JSON Schema, read as strictly as a message."""
    (found,) = _with(schemas={**samples.JSON_FORMAT.schemas, "note.json": octets})

    assert found.field == "schemas.note.json"


@pytest.mark.parametrize(
    "draft",
    [
        "http://json-schema.org/draft-04/schema#",
        "http://json-schema.org/draft-07/schema#",
        "https://json-schema.org/draft/2019-09/schema",
    ],
)
def test_drafts(draft):
    """The draft that a schema names is the one it is judged by, formats included."""
    definitions = {"a": {"type": "string", "format": "date-time"}}
    schema = {
        "$schema": draft,
        "definitions": definitions,
        "properties": {"case:a": {"$ref": "#/definitions/a"}},
    }
    model = _with(schemas={"m.json": json.dumps(schema).encode()}, main="m.json", root="case:a")
    message = {"@context": samples.JSON_FORMAT.context, "case:a": "2026-11-02T10:00:00Z"}

    assert [] == list(json_breaches(json.dumps(message).encode(), model, "body.message"))
    message["case:a"] = "2026-13-02T10:00:00Z"
    (found,) = json_breaches(json.dumps(message).encode(), model, "body.message")
    assert "rule 13-3: the text does not have the format that the schema names: date-time" in found.detail


def test_schemas_with_ids_of_their_own():
    """A schema may have an $id, and others may refer to it by that."""
    party = json.dumps({**samples.PARTY_SCHEMA, "$id": "https://court.example/party.json"})
    case = json.dumps(samples.JSON_SCHEMA).replace("party.json#", "https://court.example/party.json#")
    model = _with(schemas={"case.json": case.encode(), "party.json": party.encode()})

    assert isinstance(model, JsonFormat)
    assert [] == list(json_breaches(json.dumps(samples.JSON_MESSAGE).encode(), model, "body.message"))


def test_names_in_data_are_no_properties():
    """What stands in examples, defaults and constants is data and no schema."""
    model = _schema(default={"properties": {"foo:a": {}}, "pattern": "(a+)+"})
    assert isinstance(model, JsonFormat)
