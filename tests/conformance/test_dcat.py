"""Our DCAT-US catalogues against the official JSON Schemas, and what those schemas let pass and we do not."""

import json
import re

import jsonschema
import pytest
from referencing import Registry, Resource

from govbus.errors import DirectoryError
from govbus.routing.catalogue.dcat_us_1_1 import dcat_us_1_1
from govbus.routing.catalogue.dcat_us_3_0 import dcat_us_3_0
from govbus.routing.directory.files import directory_from_files
from govbus.service.sample_directory import write_sample_directory
from govbus.testing.example_bus import BASE_AT_MS, ExampleBus
from govbus.testing.rich_example import RICH_EXAMPLE
from govbus.testing.rule_examples import run_example

pytestmark = pytest.mark.conformance_set("dcat-us-1.1", "dcat-us-3.0")

DAY_MS = 86_400_000


def _validator(schema, registry):
    """Formats on: without them jsonschema takes any text for a URI (trap 5)."""
    kind = jsonschema.Draft202012Validator
    return kind(schema, registry=registry, format_checker=kind.FORMAT_CHECKER)


@pytest.fixture(scope="module")
def dcat_1(conformance_data):
    """Returns the official 1.1 catalogue validator, for federal datasets or for others."""

    def make(dataset):
        folder = conformance_data / "dcat-us-1.1/schema"
        schemas = [json.loads((folder / f"{name}.json").read_text("utf-8")) for name in ("catalog", dataset)]
        registry = Registry().with_resources((one["$id"], Resource.from_contents(one)) for one in schemas)
        return _validator(schemas[0], registry)

    return make


@pytest.fixture(scope="module")
def dcat_3(conformance_data):
    """Returns the official 3.0 validator of a class."""
    schemas = {
        path.stem: json.loads(path.read_text("utf-8"))
        for path in (conformance_data / "dcat-us-3.0/schema").glob("*.json")
    }
    registry = Registry().with_resources(
        (one["$id"], Resource.from_contents(one)) for one in schemas.values()
    )
    return lambda name: _validator(schemas[name], registry)


@pytest.fixture(scope="module")
def rich():
    """A directory with every optional field."""
    return ExampleBus.of(RICH_EXAMPLE).directory()


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """The sample directory that `govbus directory init` writes."""
    folder = tmp_path_factory.mktemp("sample") / "directory"
    write_sample_directory(folder, at_ms=BASE_AT_MS)
    files = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "keys" not in path.parts
    }
    return directory_from_files(files, version=1, issued_ms=BASE_AT_MS, expires_ms=BASE_AT_MS + DAY_MS)


def _errors(validator, value):
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(value)]


def test_catalogues_of_others_get_the_official_verdicts(conformance_data, dcat_1, dcat_3):
    """The validators that we check ourselves with tell the good catalogues of others from the bad ones."""
    one, three = conformance_data / "dcat-us-1.1/examples", conformance_data / "dcat-us-3.0/examples"
    verdicts = {
        path.name: not _errors(validator, json.loads(path.read_text("utf-8")))
        for path, validator in (
            (one / "dcatus_single_record.json", dcat_1("federal_dataset")),
            (one / "dcatus_bad_license_uri.json", dcat_1("federal_dataset")),
            (one / "missing_title.json", dcat_1("federal_dataset")),
            (three / "dcatus3_0_with_services.json", dcat_3("Catalog")),
            (three / "dcatus3_0_invalid.json", dcat_3("Catalog")),
            (three / "doi-example1-dcat-us-3.0.json", dcat_3("Catalog")),
        )
    }

    assert [name for name, is_valid in verdicts.items() if is_valid] == [
        "dcatus_single_record.json",
        "dcatus3_0_with_services.json",
    ]


@pytest.mark.parametrize("broker", [None, "kafka.bus.example:9092"])
def test_rich_directory_is_a_valid_catalogue_of_1_1(dcat_1, rich, broker):
    """With every optional field filled in, the federal schema finds nothing, broker named or not."""
    catalogue = dcat_us_1_1(rich, broker=broker)

    assert [] == _errors(dcat_1("federal_dataset"), catalogue)
    assert 3 == len(catalogue["dataset"])


@pytest.mark.parametrize("broker", [None, "kafka.bus.example:9092"])
def test_rich_directory_is_a_valid_catalogue_of_3_0(dcat_3, rich, broker):
    """With every optional field filled in, the schema finds nothing, and no identifier in it is null (trap 2)."""
    catalogue = dcat_us_3_0(rich, broker=broker)

    assert [] == _errors(dcat_3("Catalog"), catalogue)
    assert "null" not in json.dumps(catalogue)
    assert all(one["identifier"]["notation"] for one in catalogue["dataset"])
    assert 4 == len(catalogue["service"])


def test_sample_directory_is_a_valid_catalogue(dcat_1, dcat_3, sample):
    """The small sample, which is no federal bus, is valid too, and has a dataset."""
    first, third = dcat_us_1_1(sample), dcat_us_3_0(sample)

    assert [] == _errors(dcat_1("non-federal_dataset"), first)
    assert [] == _errors(dcat_3("Catalog"), third)
    assert len(first["dataset"]) == len(third["dataset"]) == len(sample.assets) > 0


def _registered(asset):
    """Return the rules that refuse an asset at registration."""
    result = run_example(json.dumps({"asset": asset}))
    return {finding.rule for finding in result.registration}


def test_trap_1_bureau_code_of_six_digits(dcat_1, rich):
    """018:001 passes the official schema, whose pattern has no anchors; registration refuses it (DCAT-2)."""
    catalogue = dcat_us_1_1(rich)
    catalogue["dataset"][0]["bureauCode"] = ["018:001"]

    assert [] == _errors(dcat_1("federal_dataset"), catalogue)
    assert "DCAT-2" in _registered({"bureau_codes": ["018:001"]})


def test_trap_2_identifier_that_is_null(dcat_3, rich):
    """A null identifier passes the official schema; an asset without an id is not registered."""
    catalogue = dcat_us_3_0(rich)
    catalogue["dataset"][0]["identifier"] = None

    assert [] == _errors(dcat_3("Catalog"), catalogue)
    assert run_example("asset: {id: null}").registration


@pytest.mark.parametrize("banner", ["FOUO", "CUI//SP-PRVCY//SP-LEGAL"])
def test_trap_3_banner_of_any_text(dcat_3, rich, banner):
    """Any banner passes the official schema, its own invalid example too; registration refuses both (DCAT-5)."""
    catalogue = dcat_us_3_0(rich)
    marked = [
        one["cuiRestriction"]
        for dataset in catalogue["dataset"]
        for one in dataset["distribution"]
        if "cuiRestriction" in one
    ]
    marked[0]["cuiBannerMarking"] = banner

    assert [] == _errors(dcat_3("Catalog"), catalogue)
    assert "DCAT-5" in _registered({"cui": {"banner": banner, "designation": "Controlled by: Example"}})


def test_trap_4_rights_that_only_the_prose_requires(dcat_1, rich):
    """A dataset that is not public passes the official schema without rights; registration refuses it (DCAT-3)."""
    catalogue = dcat_us_1_1(rich)
    del catalogue["dataset"][0]["rights"]

    assert "public" != catalogue["dataset"][0]["accessLevel"]
    assert [] == _errors(dcat_1("federal_dataset"), catalogue)
    assert "DCAT-3" in _registered({"rights": None})


def test_trap_5_formats_that_nobody_checks(conformance_data, dcat_1, rich):
    """Without a format checker a licence that is no URI passes; ours has one, and registration refuses it."""
    catalogue = dcat_us_1_1(rich)
    catalogue["dataset"][0]["license"] = "no uri"
    folder = conformance_data / "dcat-us-1.1/schema"
    schemas = [
        json.loads((folder / f"{name}.json").read_text("utf-8")) for name in ("catalog", "federal_dataset")
    ]
    registry = Registry().with_resources((one["$id"], Resource.from_contents(one)) for one in schemas)
    blind = jsonschema.Draft202012Validator(schemas[0], registry=registry)

    assert [] == _errors(blind, catalogue)
    assert [] != _errors(dcat_1("federal_dataset"), catalogue)
    assert any("license" in finding.field for finding in run_example("asset: {license: no uri}").registration)


def test_redacted_codes_are_one_string(dcat_1, rich):
    """Where a code is redacted, 1.1 has the redaction string in place of the list (trap 16)."""
    rates = next(one for one in dcat_us_1_1(rich)["dataset"] if one["identifier"] == "tax.example/rates")

    assert "[[REDACTED-EX B6]]" == rates["programCode"]
    assert re.fullmatch(r"\[\[REDACTED.*\]\]", rates["programCode"])


def test_an_asset_that_the_standard_cannot_describe_is_not_exported():
    """A bus without the DCAT-US profile may register an asset without rights, but no catalogue is made of it."""
    bus = ExampleBus.of({"bus": {"profiles": ["core"]}, "asset": {"rights": None}})

    for export in (dcat_us_1_1, dcat_us_3_0):
        with pytest.raises(DirectoryError, match=r"asset/tax\.example/assessments: rights: .*\(DCAT-3\)"):
            export(bus.directory())
