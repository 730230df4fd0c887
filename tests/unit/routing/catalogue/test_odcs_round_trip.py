"""An agreement as an Open Data Contract and back: nothing lost, nothing made up, every mistake located."""

import copy
import dataclasses
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from govbus.document.encoding import time_text
from govbus.routing.catalogue.odcs_columns import AvroBuilder, columns_of
from govbus.routing.catalogue.odcs_export import contract_of, payload_of
from govbus.routing.catalogue.odcs_import import read_agreement, read_contract
from govbus.routing.catalogue.odcs_yaml import contract_value, contract_yaml
from govbus.routing.directory.entries import AgreementEntry
from govbus.routing.directory.file_models import PackageFile
from govbus.routing.directory.model import Delivery
from govbus.routing.directory.values import agreement_of, package_of
from govbus.routing.yaml_text import YamlTextError
from govbus.schemas.codec import AvroCodec
from govbus.testing.example_bus import ExampleBus
from govbus.testing.rich_example import OPEN_SCHEMA, RICH_EXAMPLE

RICH = ExampleBus.of(RICH_EXAMPLE).directory()

_prose = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80).filter(
    lambda text: text == text.strip() and text
)
_agencies = st.sampled_from(["tax.example", "court.example", "health-fund.example", "x1.gov"])
_contacts = st.fixed_dictionaries(
    {"name": _prose, "email": st.sampled_from(["desk@tax.example", "no@x.example", "'a+b'@ü.example"])}
)
_moments = st.integers(0, 253_370_764_799_999).map(time_text)
_frequencies = st.sampled_from(["R/P1D", "R5/PT12H", "irregular", "R/P1Y2M", "R/P2W"])
_names = st.lists(
    st.sampled_from(["PRVCY", "SP-TAX", "FED ONLY", "no", "1e3", "2026-01-01", "~"]), unique=True
)
_schedules = st.fixed_dictionaries(
    {"authority": _prose, "retention_type": _prose, "final_disposition": _prose},
    optional={"years": st.integers(0, 1000), "event_type": _prose},
)
_signatures = st.fixed_dictionaries(
    {},
    optional={
        "seal": st.just("required"),
        "officer": st.sampled_from(["required", "optional"]),
        "twin": st.sampled_from(["required", "optional"]),
        "mode": st.sampled_from(["any", "single", "batch"]),
    },
)


@st.composite
def agreements(draw):
    """Any agreement that the directory's form allows; its parties differ, each with one contact."""
    ids = draw(st.lists(_agencies, min_size=2, max_size=4, unique=True))
    parties = [{"agency": one, "contact": draw(_contacts)} for one in ids]
    return draw(
        st.fixed_dictionaries(
            {
                "id": st.sampled_from(["a", "tax-assessments", "no", "1.0", "0x1f", "on"]),
                "name": _prose,
                "description": _prose,
                "package": st.just("tax.assessment"),
                "supplier": st.just(parties[0]),
                "consumers": st.just(parties[1:]),
                "purpose": _prose,
                "legal_authority": _prose,
                "valid_from": _moments,
                "valid_to": _moments,
                "review_due": _moments,
                "status": st.sampled_from(["active", "suspended"]),
                "classification": st.sampled_from(["public", "restricted"]),
                "impact": st.fixed_dictionaries(
                    {
                        "c": st.sampled_from(["NA", "LOW", "HIGH"]),
                        "i": st.sampled_from(["LOW", "MOD"]),
                        "a": st.just("MOD"),
                    }
                ),
                "data_categories": st.sampled_from([["phi"], ["non-pii", "phi"]]),
            },
            optional={
                "mode": st.sampled_from(["live", "test"]),
                "profiles": st.sampled_from([[], ["cui"], ["nss", "core"]]),
                "cui": st.fixed_dictionaries({"categories": _names, "dissemination": _names}),
                "system_of_records": st.just("https://tax.example/sorn"),
                "encryption": st.booleans(),
                "records_schedule": _schedules,
                "frequency": _frequencies,
                "frequency_tolerance_percent": st.integers(0, 1000),
                "signatures": _signatures,
            },
        )
    )


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(agreements())
def test_round_trip_is_identical(fields):
    """Entry to value to contract to YAML and back gives the very same agreement, whatever its texts look like."""
    entry = AgreementEntry.model_validate(fields)
    agreement = agreement_of(entry, Delivery.INBOX)

    text = contract_yaml(contract_of(RICH, agreement, broker="kafka:9092"))
    back, problems = read_agreement(text.encode("utf-8"), "x.odcs.yaml")

    assert [] == problems
    assert agreement == agreement_of(back, Delivery.INBOX)
    assert entry.consumers == back.consumers


@pytest.mark.parametrize("name", sorted(RICH.agreements))
def test_package_and_payload_come_back(name):
    """The contract carries the package and its payload schema, so that a directory can be begun from it."""
    agreement = RICH.agreements[name]
    package = RICH.packages[agreement.package.text]
    schema = max((RICH.schemas.by_id(one) for one in package.schema_ids), key=lambda one: one.version)

    contract, problems = read_contract(contract_yaml(contract_of(RICH, agreement)).encode("utf-8"), "x")
    line = {"file": "schemas/x.avsc", "id": 100, "version": contract.schema_version}
    file = PackageFile.model_validate(contract.package | {"schemas": [line]})

    assert [] == problems
    assert () == contract.left_out
    assert payload_of(schema) == contract.payload
    assert schema.version == contract.schema_version
    expected = dataclasses.replace(package, schema_ids=(100,))
    assert dataclasses.replace(package_of(_entry(file)), schema_ids=(100,)) == expected


def _entry(file):
    from govbus.routing.directory.entries import PackageEntry, PackageFields

    return PackageEntry.model_construct(
        **{name: getattr(file, name) for name in PackageFields.model_fields}, schemas=(), niem=()
    )


def test_columns_say_what_the_payload_is():
    """Every kind of Avro type has a logical type of ODCS where there is one, and its documentation."""
    columns = {one["name"]: one for one in columns_of(OPEN_SCHEMA)}

    assert {name: one.get("logicalType") for name, one in columns.items()} == {
        "code": "string",
        "from_day": "date",
        "rate": "number",
        "kind": "string",
        "previous_kind": "string",
        "steps": "array",
        "names": "object",
        "is_final": "boolean",
        "weight": "number",
        "published": "timestamp",
    }
    assert "bytes:decimal(5,2)" == columns["rate"]["physicalType"]
    assert [False, True] == [columns[name]["required"] for name in ("previous_kind", "kind")]
    assert "Rate in percent." == columns["rate"]["description"]
    assert "above" == columns["steps"]["items"]["properties"][0]["name"]


def test_a_schema_that_holds_itself_ends():
    """A record that refers to itself is told by its name the second time."""
    node = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}

    assert [{"name": "next", "physicalType": "Node", "required": False}] == columns_of(node)


def test_types_that_odcs_has_no_word_for():
    """Fixed, bytes, unions, types inside types and names used again are told as far as ODCS can."""
    fields = [
        {"name": "hash", "type": {"type": "fixed", "name": "Hash", "size": 32}},
        {"name": "again", "type": "Hash"},
        {"name": "either", "type": ["int", "string"]},
        {"name": "nested", "type": {"type": "string"}},
        {"name": "data", "type": "bytes"},
    ]
    found = columns_of({"type": "record", "name": "x.R", "fields": fields})

    assert ["fixed(32)", "fixed(32)", "union", "string", "bytes"] == [one["physicalType"] for one in found]
    assert [True] * 5 == [one["required"] for one in found]


def test_objects_of_a_foreign_contract_have_names_of_their_own():
    """Two objects of one name become two records, a name that begins with a digit gets _; an empty one is told."""
    inner = {
        "logicalType": "object",
        "properties": [{"name": "x", "logicalType": "string", "required": True}],
    }
    builder = AvroBuilder("n")
    record = builder.record(
        {
            "name": "1 of",
            "properties": [
                {"name": "a", **inner},
                {"name": "A", **inner},
                {"name": "b", "logicalType": "object"},
            ],
        },
        "",
    )

    assert ("_1Of", "A", "A2") == (record["name"], *(one["type"][1]["name"] for one in record["fields"][:2]))
    assert ["properties.2.properties"] == [flaw.field for flaw in builder.flaws]


@pytest.mark.parametrize(
    "avro", [{"type": "record"}, {"type": "record", "fields": [{"type": 1}]}, {"fields": 5}]
)
def test_an_avro_schema_that_is_none_is_refused(avro):
    """What stands where the Avro schema belongs is looked at; what is no record is a problem there."""
    contract = _contract()
    contract["schema"][0]["customProperties"][-1]["value"] = avro

    _, problems = _problems(contract)

    assert {place for place, _, _ in problems} <= {"schema.0.avroSchema", "schema.0.properties"}


def test_a_contract_without_a_schema_is_an_agreement_all_the_same():
    """The exchanged package may be registered already; the contract need not repeat it."""
    contract = _contract()
    del contract["schema"]

    found, problems = read_contract(contract_yaml(contract).encode("utf-8"), "x")

    assert ([], {}, None) == (problems, found.package, found.payload)


def test_other_definitions_are_named():
    """An authoritative definition that is no Privacy Act notice has no place; a number of days is a frequency."""
    contract = _contract()
    contract["description"]["authoritativeDefinitions"].append(
        {"type": "canonical", "url": "https://x.example"}
    )
    contract["slaProperties"][2] = {"property": "frequency", "value": 2, "unit": "d"}

    found, problems = read_contract(contract_yaml(contract).encode("utf-8"), "x")

    assert [] == problems
    assert ("description.authoritativeDefinitions.1",) == found.left_out
    assert "R/P2D" == found.agreement["frequency"]


def _contract(**changes):
    contract = copy.deepcopy(contract_of(RICH, RICH.agreements["tax-assessments"]))
    return contract | changes


def _problems(contract):
    entry, problems = read_agreement(contract_yaml(contract).encode("utf-8"), "c.odcs.yaml")
    assert problems
    return entry, [(one.field, one.detail, one.rule) for one in problems]


def test_a_form_that_is_wrong_is_told_with_its_place():
    """A field that ODCS does not know, or of another type, is a problem of ODC-1 at its place."""
    _, problems = _problems(_contract(version=3, surplus="x"))

    assert ("version", "expected a text, found '3'", "ODC-1") in problems
    assert ("surplus", "this field is unknown", "ODC-1") in problems


def test_what_the_directory_asks_for_is_told_where_the_contract_has_it():
    """A moment that is none is told at the service level, a contact at the member of the team (DRM-3)."""
    contract = _contract()
    contract["slaProperties"][0]["value"] = "soon"
    contract["team"]["members"][1]["username"] = "nobody"
    del contract["customProperties"][1]

    entry, problems = _problems(contract)

    assert entry is None
    assert [(field, rule) for field, _, rule in problems] == [
        ("team.members.1.contact.email", "DRM-3"),
        ("customProperties (legal_authority)", "DRM-3"),
        ("slaProperties.0.value", "DRM-3"),
    ]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (
            lambda one: one["slaProperties"].append({"property": "endOfLife", "value": "2030-01-01"}),
            "slaProperties.4.value",
        ),
        (
            lambda one: one["customProperties"].append({"property": "mode", "value": "test"}),
            "customProperties.13.value",
        ),
        (
            lambda one: one["slaProperties"].append({"property": "retention", "value": 3, "unit": "y"}),
            "slaProperties.4",
        ),
        (lambda one: one["slaProperties"][3].update(unit="d"), "slaProperties.3.unit"),
        (lambda one: one["slaProperties"][2].update(value="often", unit="d"), "slaProperties.2.value"),
        (lambda one: one["schema"][0]["properties"].pop(), "schema.0.properties"),
        (
            lambda one: one["schema"].append({"name": "other"}) or one["schema"][0].update(name="third"),
            "schema",
        ),
        (lambda one: one["team"]["members"].append(one["team"]["members"][0]), "team.members.2"),
    ],
    ids=["twice", "custom-twice", "years-twice", "unit", "frequency", "differs", "which", "supplier-twice"],
)
def test_a_contract_that_contradicts_itself_is_refused(change, field):
    """What is said twice, or in two ways, is a problem at the second place; none of the two is chosen."""
    contract = _contract()
    change(contract)

    _, problems = _problems(contract)

    assert [field] == [place for place, _, _ in problems]


def test_a_foreign_contract_gives_a_payload_schema_of_its_properties():
    """Without an Avro schema in it, properties become one; a text that is not there is not made up."""
    foreign = _contract()
    foreign["schema"] = [
        {
            "name": "Tax rolls",
            "description": "A roll.",
            "properties": [
                {"name": "id", "logicalType": "string", "required": True, "description": "Key."},
                {"name": "day", "logicalType": "date"},
                {"name": "n", "physicalType": "int", "logicalType": "integer", "businessName": "Number"},
                {
                    "name": "lines",
                    "logicalType": "array",
                    "items": {
                        "logicalType": "object",
                        "properties": [{"name": "x", "logicalType": "number", "required": True}],
                    },
                },
            ],
        }
    ]

    contract, problems = read_contract(contract_yaml(foreign).encode("utf-8"), "x")

    assert [] == problems
    assert contract.payload["name"] == "TaxRolls"
    assert contract.payload["fields"][1] == {
        "name": "day",
        "type": ["null", {"type": "int", "logicalType": "date"}],
        "default": None,
    }
    assert "Number" == contract.payload["fields"][2]["doc"]
    assert AvroCodec(contract.payload).encode({"id": "a", "day": None, "n": 1, "lines": [{"x": 1.0}]})
    assert {"id": "tax.assessment", "description": "A roll."} == contract.package


def test_properties_that_avro_cannot_have_are_located():
    """A name that is no Avro name and a property without any type are told where they stand."""
    foreign = _contract()
    foreign["schema"] = [
        {"name": "x", "properties": [{"name": "a-b", "logicalType": "string"}, {"name": "c"}]}
    ]

    _, problems = _problems(foreign)

    assert ["schema.0.properties.0.name", "schema.0.properties.1.logicalType"] == [
        one for one, _, _ in problems
    ]


def test_what_the_directory_has_no_place_for_is_named():
    """Prices, quality and other parts are not silently dropped: the reader is told of each."""
    contract = _contract(price={"priceAmount": 1}, roles=[{"role": "x"}])
    contract["slaProperties"].append({"property": "latency", "value": 4, "unit": "d"})
    contract["customProperties"].append({"property": "costCentre", "value": "7"})
    contract["team"]["members"].append({"username": "someone@x.example", "role": "Owner"})
    contract["description"]["limitations"] = "None."

    found, problems = read_contract(contract_yaml(contract).encode("utf-8"), "x")

    assert [] == problems
    assert {
        "price",
        "roles",
        "description.limitations",
        "team.members.2",
        "slaProperties.4 (latency)",
        "customProperties.13.value (costCentre)",
    } == set(found.left_out)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"a: &x [1]\nb: *x\n", "line 2, column 4: an alias is not allowed here"),
        (b"a: 1\na: 2\n", "'a' stands twice"),
        (b"[" * 150 + b"]" * 150, "nested deeper than 100"),
        (b"\xff\xfe", "not a YAML file"),
        (b"a: [", "line 1, column 5"),
        (b"? [1]\n: 2\n", "expected a name"),
        (b" " * 1_000_001, "over 1000000 bytes"),
    ],
    ids=["alias", "twice", "deep", "bytes", "open", "key", "large"],
)
def test_hostile_yaml_is_refused(text, words):
    """Anchors, repeated names, deep nesting and what is no YAML end in one sentence, at once."""
    with pytest.raises(YamlTextError, match=words):
        contract_value(text)
    assert (None, "ODC-1") == (read_agreement(text, "x")[0], read_agreement(text, "x")[1][0].rule)


def test_scalars_are_what_json_has():
    """Days, ``no``, octal and sexagesimal numbers stay texts; tags mean nothing."""
    found = contract_value(b"[2026-01-31, no, 010, 1:30, true, 1, 1.5, ~, .nan, '1', !!python/none x, 1e3]")

    assert ["2026-01-31", "no", "010", "1:30", True, 1, 1.5, None, ".nan", "1", "x", "1e3"] == found
    assert json.dumps(found)


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(octets):
    """Whatever a file holds, an agreement comes out of it or problems do; nothing else is raised."""
    entry, problems = read_agreement(octets, "x")

    assert entry is None
    assert problems


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.text(max_size=8)
    | st.floats(allow_nan=False, width=16),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.data())
def test_contracts_with_any_part_replaced_are_read_or_refused(data):
    """With any part of a good contract replaced by anything, reading it ends in an entry or in problems."""
    contract = _contract()
    inner = contract
    while isinstance(inner, dict | list) and inner:
        keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(inner[key], dict | list) or not inner[key] or data.draw(st.integers(0, 2)) == 0:
            inner[key] = data.draw(_json)
            break
        inner = inner[key]

    entry, problems = read_agreement(contract_yaml(contract).encode("utf-8"), "x")

    assert entry is not None or problems
