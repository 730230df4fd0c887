"""Import of Open Data Contracts into a folder: whole files, never over others, and what is missing is said."""

import json

import pytest

from govbus.errors import ConfigError, DirectoryError
from govbus.routing.catalogue.odcs_export import contract_of
from govbus.routing.catalogue.odcs_yaml import contract_yaml
from govbus.routing.yaml_text import yaml_text
from govbus.service.catalogue.contract_files import import_contract
from govbus.service.directory.publishing import read_folder
from govbus.testing.example_bus import BASE_AT_MS, ExampleBus
from govbus.testing.rich_example import RICH_EXAMPLE

DIRECTORY = ExampleBus.of(RICH_EXAMPLE).directory()
RATES, ASSESSMENTS = "tax-rates", "tax-assessments"


@pytest.fixture
def folder(tmp_path):
    """The example bus as a folder of files, without its agreements and packages."""
    made = tmp_path / "directory"
    for name, octets in ExampleBus.of(RICH_EXAMPLE).files._files.items():
        if not name.startswith(("agreements/", "packages/", "schemas/")):
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            (made / name).write_bytes(octets)
    return made


def _file(tmp_path, agreement, **changes):
    path = tmp_path / f"{agreement}.odcs.yaml"
    path.write_text(
        contract_yaml(contract_of(DIRECTORY, DIRECTORY.agreements[agreement]) | changes), encoding="utf-8"
    )
    return path


def test_a_directory_can_be_begun_from_contracts(tmp_path, folder):
    """Agreement, package and payload schema of two contracts make a directory without a mistake, as they were."""
    for name in (RATES, ASSESSMENTS):
        done = import_contract(_file(tmp_path, name), folder)
        assert ((), ()) == (done.problems, done.left_out)

    files = read_folder(folder, at_ms=BASE_AT_MS)
    assert [] == [str(problem) for problem in files.problems if not problem.is_warning]
    assert {RATES, ASSESSMENTS} == {one.id for one in files.content.agreements}
    ids = [
        schema["id"] for one in ("tax.rates", "tax.assessment") for schema in _package(folder, one)["schemas"]
    ]
    assert ["100", "101"] == ids


def _package(folder, name):
    return yaml_text((folder / f"packages/{name}.yaml").read_bytes())


def test_again_is_nothing(tmp_path, folder):
    """A contract whose agreement is there already and says the same writes nothing."""
    file = _file(tmp_path, RATES)
    first, again = import_contract(file, folder), import_contract(file, folder)

    assert (
        "agreements/tax-rates.yaml",
        "schemas/tax.rates.v1.avsc",
        "packages/tax.rates.yaml",
    ) == first.written
    assert () == again.written
    assert ("agreements/tax-rates.yaml", "packages/tax.rates.yaml") == again.kept


def test_an_agreement_that_says_something_else_is_not_overwritten(tmp_path, folder):
    """A file that is there already keeps every byte."""
    import_contract(_file(tmp_path, RATES), folder)
    before = (folder / "agreements/tax-rates.yaml").read_bytes()

    with pytest.raises(ConfigError, match="says something else"):
        import_contract(_file(tmp_path, RATES, name="Another name"), folder)
    assert before == (folder / "agreements/tax-rates.yaml").read_bytes()


def test_a_package_that_lacks_something_is_written_and_told(tmp_path, folder):
    """Of a foreign contract's package only what it says is written; each field that lacks is named with its rule."""
    schema = [{"name": "x", "properties": [{"name": "id", "logicalType": "string", "description": "Key."}]}]
    done = import_contract(_file(tmp_path, RATES, schema=schema), folder)

    assert {"name", "description", "steward", "data_asset", "types", "classification"} <= {
        one.field for one in done.problems
    }
    assert "DRM-3" in {one.rule for one in done.problems}
    payload = json.loads((folder / "schemas/tax.rates.v1.avsc").read_text("utf-8"))
    assert ("record", "X") == (payload["type"], payload["name"])
    assert {"id", "schemas"} == set(_package(folder, "tax.rates"))


def test_a_contract_with_a_mistake_writes_nothing(tmp_path, folder):
    """One mistake, told with its place and how many more there are, and no file."""
    file = _file(tmp_path, RATES, kind="Contract", version=1)

    with pytest.raises(DirectoryError, match=r"tax-rates\.odcs\.yaml: .*\(ODC-1\) \(and 1 more\)"):
        import_contract(file, folder)
    assert not (folder / "agreements").exists()


def test_ids_never_lead_out_of_the_folder(tmp_path, folder):
    """An id that looks like a path is refused as an agreement's; a package's becomes a plain file name."""
    with pytest.raises(DirectoryError):
        import_contract(_file(tmp_path, RATES, id="../../evil"), folder)
    contract = contract_of(DIRECTORY, DIRECTORY.agreements[RATES])
    contract["customProperties"][0]["value"] = "../../evil"
    path = tmp_path / "evil.odcs.yaml"
    path.write_text(contract_yaml(contract), encoding="utf-8")
    with pytest.raises(DirectoryError):
        import_contract(path, folder)
    assert not list(tmp_path.rglob("evil*yaml")) or [path] == list(tmp_path.rglob("evil*yaml"))


@pytest.mark.parametrize("missing", ["file", "folder"])
def test_what_is_not_there_is_named(tmp_path, folder, missing):
    """A contract or a folder that does not exist is one sentence."""
    file = tmp_path / "none.yaml" if missing == "file" else _file(tmp_path, RATES)
    target = folder if missing == "file" else tmp_path / "nowhere"

    with pytest.raises(ConfigError):
        import_contract(file, target)
