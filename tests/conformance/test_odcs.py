"""Our form of an Open Data Contract against the official JSON Schema of ODCS 3.1, and what we export against both."""

import copy
import itertools
import json

import jsonschema
import pytest

from govbus.routing.catalogue.odcs_export import contract_of
from govbus.routing.catalogue.odcs_form import contract_flaws
from govbus.routing.catalogue.odcs_yaml import contract_value, contract_yaml
from govbus.routing.rules.contracts import RULES
from govbus.testing.example_bus import ExampleBus
from govbus.testing.example_yaml import example_fields
from govbus.testing.rich_example import RICH_EXAMPLE

pytestmark = pytest.mark.conformance_set("odcs")

EXAMPLES = ("full-example", "kafka-schema", "kafka-schemaregistry", "kafka-server")
VALUES = (
    None,
    True,
    0,
    1.0,
    1.5,
    -1,
    "text",
    "2026-01-31",
    "2026-01-31T10:00:00Z",
    "https://tax.example/x",
    "sftp://tax.example/x",
    "a.b",
    [],
    {},
    [1, 2],
    [1, 1.0],
    ["a.b"],
    [{"property": "x", "value": 1}],
    "string",
    "integer",
    "array",
    "object",
    "sql",
    "custom",
    "kafka",
    "rowCount",
)
"""What is put in place of every value of a contract, one at a time."""
MUTANT_STEP = 13
"""Every so many-th mutant is looked at: prime to the values above, so that each value and each place comes up. All
of them take five minutes, and agreed when this was written."""
PROPERTIES = [
    {
        "id": f"p-{kind}",
        "name": kind,
        "logicalType": kind,
        "logicalTypeOptions": options,
        **more,
    }
    for kind, options, more in (
        ("string", {"minLength": 1, "maxLength": 5, "pattern": "a", "format": "uuid"}, {"primaryKey": True}),
        (
            "date",
            {"format": "x", "minimum": "2020-01-01", "exclusiveMaximum": "2030-01-01"},
            {"unique": True},
        ),
        ("timestamp", {"timezone": True, "defaultTimezone": "Etc/UTC"}, {"primaryKeyPosition": 1}),
        ("time", {"format": "HH:mm"}, {"relationships": [{"to": "other.id", "type": "foreignKey"}]}),
        ("integer", {"multipleOf": 5, "minimum": 1, "format": "i64"}, {"examples": [1, "a", None]}),
        ("number", {"multipleOf": 0.5, "exclusiveMinimum": 1, "format": "f32"}, {"classification": "public"}),
        (
            "object",
            {"maxProperties": 4, "required": ["a"]},
            {"properties": [{"name": "a", "logicalType": "boolean"}]},
        ),
        (
            "array",
            {"maxItems": 4, "uniqueItems": True},
            {"items": {"logicalType": "object", "properties": [{"name": "b"}]}},
        ),
        ("boolean", {"anything": 1}, {"encryptedName": "x", "transformSourceObjects": ["t"]}),
    )
]
BARE = {"name": "bare", "properties": [{"name": "c"}], "items": {"name": "d", "logicalType": "string"}}
"""Without a logical type: whatever any type has may stand there."""
CUSTOM = [{"id": "c1", "property": "x", "value": {"any": [1]}, "description": "y"}]
DEFINITIONS = [{"id": "d1", "url": "https://x.example", "type": "canonical", "description": "z"}]
RICH = {
    "apiVersion": "v3.1.0",
    "kind": "DataContract",
    "id": "rich",
    "version": "1.0.0",
    "status": "active",
    "tenant": "t",
    "tags": ["a"],
    "description": {
        "usage": "u",
        "purpose": "p",
        "limitations": "l",
        "other": 1,
        "authoritativeDefinitions": DEFINITIONS,
        "customProperties": CUSTOM,
    },
    "schema": [
        {
            "name": "o",
            "logicalType": "object",
            "properties": [*PROPERTIES, BARE],
            "relationships": [
                {"from": ["o.a", "o.b"], "to": ["r.a", "r.b"]},
                {"from": "o.a", "to": "schema/r/x"},
            ],
            "quality": [
                {
                    "type": "library",
                    "metric": "rowCount",
                    "mustBeBetween": [1, 5],
                    "arguments": {},
                    "rule": "r",
                },
                {"type": "sql", "query": "select 1", "mustBe": 1, "dimension": "accuracy", "tags": ["t"]},
                {"type": "custom", "engine": "soda", "implementation": {"x": 1}, "unit": "percent"},
                {"type": "text", "description": "as people read it"},
                {"metric": "nullValues", "mustBeLessThan": 3},
            ],
        }
    ],
    "servers": [
        {
            "server": "k",
            "type": "kafka",
            "host": "h:1",
            "format": "avro",
            "roles": [{"role": "r", "access": "read"}],
        },
        {
            "server": "s",
            "type": "sftp",
            "location": "sftp://h/x",
            "format": "csv",
            "customProperties": CUSTOM,
        },
        {"server": "c", "type": "custom", "port": 1, "endpointUrl": "https://h/"},
    ],
    "team": {"id": "t", "name": "n", "members": [{"username": "u", "dateIn": "2026-01-01", "tags": ["x"]}]},
    "roles": [{"role": "r", "customProperties": CUSTOM}],
    "support": [{"channel": "c", "url": "mailto:x@y.example"}],
    "price": {"priceAmount": 1.5, "priceCurrency": "USD"},
    "slaProperties": [{"property": "frequency", "value": 1, "valueExt": None, "unit": "d"}],
    "authoritativeDefinitions": DEFINITIONS,
    "customProperties": CUSTOM,
    "contractCreatedTs": "2026-01-31T10:00:00Z",
}


@pytest.fixture(scope="module")
def official(conformance_data):
    """The official schema with formats on: without them it takes any text for a date (trap 5)."""
    schema = json.loads((conformance_data / "odcs/odcs-json-schema-v3.1.0.json").read_text("utf-8"))
    validator = jsonschema.Draft201909Validator(
        schema, format_checker=jsonschema.Draft201909Validator.FORMAT_CHECKER
    )
    assert not validator.is_valid(RICH | {"contractCreatedTs": "yesterday"})
    return validator


def _places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield from _places(part, (*path, key))


def _mutants(contract):
    """Yield copies in which one value is another, is gone, or has an unknown neighbour."""
    for path in list(_places(contract))[1:]:
        for new in VALUES:
            yield (
                (*path, "=", new),
                _changed(contract, path, lambda inner, key, new=new: inner.__setitem__(key, new)),
            )
        yield (*path, "gone"), _changed(contract, path, lambda inner, key: inner.__delitem__(key))
        if isinstance(path[-1], str):
            yield (
                (*path, "beside"),
                _changed(contract, path, lambda inner, _: inner.__setitem__("surplus", "x")),
            )


def _changed(contract, path, change):
    mutant = copy.deepcopy(contract)
    inner = mutant
    for key in path[:-1]:
        inner = inner[key]
    change(inner, path[-1])
    return mutant


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_of_the_standard_are_accepted(conformance_data, official, name):
    """Every example that the standard comes with has no flaw, by the official schema and by us."""
    contract = contract_value((conformance_data / f"odcs/{name}.odcs.yaml").read_bytes())

    assert [] == [error.message for error in official.iter_errors(contract)]
    assert [] == contract_flaws(contract)


def test_verdicts_equal_the_official_ones_on_every_mutant(conformance_data, official):
    """With any one value changed, removed or added, our verdict is the official one; hundreds of each kind."""
    full = contract_value((conformance_data / "odcs/full-example.odcs.yaml").read_bytes())
    full["schema"] = full["schema"][:1]
    verdicts, differing = {True: 0, False: 0}, []
    for contract in (full, RICH):
        for what, mutant in itertools.islice(_mutants(contract), 0, None, MUTANT_STEP):
            theirs, ours = official.is_valid(mutant), not contract_flaws(mutant)
            verdicts[theirs] += 1
            if theirs != ours:
                differing.append((what, theirs, [str(flaw) for flaw in contract_flaws(mutant)]))

    assert [] == differing
    assert min(verdicts.values()) > 100


@pytest.fixture(scope="module")
def rich():
    """A directory with every optional field."""
    return ExampleBus.of(RICH_EXAMPLE).directory()


@pytest.mark.parametrize("broker", [None, "kafka.bus.example:9092"])
def test_every_export_is_valid(official, rich, broker):
    """Every agreement of a rich directory is a contract in which the official schema and we find nothing."""
    assert 3 == len(rich.agreements)
    for agreement in rich.agreements.values():
        contract = contract_value(contract_yaml(contract_of(rich, agreement, broker=broker)).encode("utf-8"))

        assert [] == [error.message for error in official.iter_errors(contract)]
        assert [] == contract_flaws(contract)
        assert broker is None or contract["servers"][0]["host"] == broker


def test_the_example_of_the_rule_is_valid(official):
    """What rule ODC-1 shows as accepted the official schema accepts, and what it shows as refused not."""
    (rule,) = RULES
    verdicts = []
    for example in (rule.passing, rule.failing):
        (text,) = example_fields(example)["files"].values()
        verdicts.append(official.is_valid(contract_value(text.encode("utf-8"))))

    assert [True, False] == verdicts
