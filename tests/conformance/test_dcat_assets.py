"""Datasets of others' DCAT-US catalogues, good and bad, registered as data assets: what our rules say of each."""

import json

import pytest

from govbus.testing.example_bus import TAX, ExampleBus
from govbus.testing.rule_examples import registration_findings

FOUND_1_1 = {
    "dcatus_bad_license_uri.json": [{("", "license")}],
    "dcatus_multiple_invalid.json": [{("", "license")}],
    "dcatus_long_description.json": [{("DCAT-1", "description"), ("DCAT-1", "modified")}],
    "dcatus_no_identifier.json": [{("DCAT-4", "id")}],
    "dcatus_single_record_non-federal.json": [{("DCAT-1", "bureau_codes"), ("DCAT-1", "program_codes")}],
    "missing_title.json": [{("DCAT-1", "title")}],
}
"""Rule and field of every finding, dataset by dataset; in all other files there is none."""
FOUND_3_0 = {
    "dcatus3_0_invalid.json": [{("DRM-6", "steward.contact")}, set()],
    "dcatus3_0_no_identifier.json": [{("DCAT-4", "id")}],
}


def _asset(dataset):
    """Return the fields of a data asset that a DCAT-US dataset states; null where it states none."""
    point = dataset.get("contactPoint")
    contact = point and {"name": point.get("fn"), "email": point.get("hasEmail", "").removeprefix("mailto:")}
    asset = {
        "title": dataset.get("title"),
        "description": dataset.get("description"),
        "contact": contact,
        "steward": {"agency": TAX.text, "contact": contact},
    }
    if not _identifier(dataset.get("identifier")):
        asset["id"] = None
    return asset


def _identifier(value):
    """Return the text of an identifier, which in DCAT-US 3.0 may be an object."""
    return value.get("@id") or value.get("notation") if isinstance(value, dict) else value


def _asset_1_1(dataset):
    names = {
        "keywords": "keyword",
        "access_level": "accessLevel",
        "rights": "rights",
        "license": "license",
        "bureau_codes": "bureauCode",
        "program_codes": "programCode",
        "landing_page": "landingPage",
        "spatial": "spatial",
        "languages": "language",
        "issued": "issued",
        "temporal": "temporal",
        "system_of_records": "systemOfRecords",
    }
    modified = dataset.get("modified", "")
    # DCAT-US 1.1 lets modified be a repeating interval; here that is the frequency.
    times = {"frequency": modified} if modified.startswith("R/") else {"modified": modified or None}
    return {**_asset(dataset), **{ours: dataset.get(theirs) for ours, theirs in names.items()}, **times}


def _findings(asset):
    """Return rule and field of everything that the registration of an asset finds."""
    return {
        (finding.rule, finding.field.partition(": ")[2])
        for finding in registration_findings(ExampleBus.of({"asset": asset}))
    }


def _datasets(folder):
    """Return the datasets of every catalogue in a folder by the name of its file."""
    return {
        path.name: json.loads(path.read_text(encoding="utf-8")).get("dataset", [])
        for path in sorted(folder.glob("*.json"))
    }


@pytest.mark.conformance_set("dcat-us-1.1")
def test_datasets_of_1_1(conformance_data, record_property):
    """Every dataset of a good catalogue can be registered; every bad one is refused for what is wrong with it."""
    catalogs = _datasets(conformance_data / "dcat-us-1.1/examples")
    record_property("cases", sum(map(len, catalogs.values())))
    record_property(
        "left_out", "dcatus_multiple_invalid: an address without mailto: is one to us, who add it"
    )
    found = {name: list(map(_findings, map(_asset_1_1, datasets))) for name, datasets in catalogs.items()}

    assert FOUND_1_1 == {name: findings for name, findings in found.items() if any(findings)}
    assert 13 == len(catalogs)


@pytest.mark.conformance_set("dcat-us-1.1")
def test_a_bureau_code_that_the_federal_schema_lets_pass(conformance_data):
    """``018:001`` matches the schema's pattern, which has no anchors; here it is no bureau code (trap 1)."""
    (dataset,) = _datasets(conformance_data / "dcat-us-1.1/examples")["dcatus_single_record.json"]

    assert {("DCAT-2", "bureau_codes.0")} == _findings(_asset_1_1({**dataset, "bureauCode": ["018:001"]}))


@pytest.mark.conformance_set("dcat-us-3.0")
def test_datasets_of_3_0(conformance_data, record_property):
    """Datasets without contact or identifier are refused, also where the federal schema takes them (trap 2)."""
    catalogs = _datasets(conformance_data / "dcat-us-3.0/examples")
    record_property("cases", sum(map(len, catalogs.values())))
    record_property(
        "left_out", "catalogues without datasets of their own: series, services, nested catalogues"
    )
    found = {name: list(map(_findings, map(_asset, datasets))) for name, datasets in catalogs.items()}

    assert FOUND_3_0 == {name: findings for name, findings in found.items() if any(findings)}


@pytest.mark.conformance_set("dcat-us-3.0")
@pytest.mark.parametrize("identifier", [None, "", {"@type": "Identifier"}])
def test_an_identifier_that_names_nothing(conformance_data, identifier):
    """An identifier may not be null, empty, or an object that names nothing."""
    dataset = _datasets(conformance_data / "dcat-us-3.0/examples")["dcatus3_0.json"][0]

    assert set() == _findings(_asset(dataset))
    assert {("DCAT-4", "id")} == _findings(_asset({**dataset, "identifier": identifier}))
