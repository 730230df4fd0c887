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
from govbus.testing.rich_contract import RICH_CONTRACT
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


@pytest.fixture(scope="module")
def official(conformance_data):
    """The official schema with formats on: without them it takes any text for a date (trap 5)."""
    schema = json.loads((conformance_data / "odcs/odcs-json-schema-v3.1.0.json").read_text("utf-8"))
    validator = jsonschema.Draft201909Validator(
        schema, format_checker=jsonschema.Draft201909Validator.FORMAT_CHECKER
    )
    assert validator.is_valid(RICH_CONTRACT)
    assert not validator.is_valid(RICH_CONTRACT | {"contractCreatedTs": "yesterday"})
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
    for contract in (full, RICH_CONTRACT):
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
