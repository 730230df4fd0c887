"""The sample government: its directory holds together, and its packages say what their schemas hold."""

import json

import pytest

from govbus.document.ids import AgencyId
from govbus.errors import ConfigError
from govbus.routing.directory.build import build_directory
from govbus.routing.directory.model import Delivery, TrafficMode
from govbus.routing.rules.privacy import pii_marks
from govbus.routing.rules.rule import Profile
from govbus.schemas import bundled
from govbus.service.directory.publishing import read_folder
from govbus.service.government_directory import write_government_directory
from govbus.service.government_exchanges import NIEM_XML, PACKAGES

AT_MS = 1_795_466_700_000
STRICTNESS = ("non-pii", "non-sensitive-pii", "sensitive-pii", "phi")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("government") / "directory"
    write_government_directory(folder, at_ms=AT_MS)
    return folder


@pytest.fixture(scope="module")
def directory(folder):
    content = read_folder(folder, at_ms=AT_MS).content
    return build_directory(content, version=1, issued_ms=AT_MS, expires_ms=AT_MS + 1)


def test_nothing_is_wrong_with_it(folder):
    """Registration finds nothing, not even to warn of."""
    assert [] == read_folder(folder, at_ms=AT_MS).problems


def test_what_it_is_there_to_show(directory):
    """Ten agencies and a bus; nine kinds of documents; one test, one NIEM, one public and two CUI agreements."""
    agreements = directory.agreements.values()

    assert (11, 9, 11) == (len(directory.agencies), len(directory.packages), len(agreements))
    assert {package.text for package in (one.package for one in agreements)} == set(directory.packages)
    assert ["licences-test"] == [one.id for one in agreements if one.mode is TrafficMode.TEST]
    assert ["traffic-fines"] == [one.id for one in agreements if Profile.NIEM in one.profiles]
    assert ["procurement-notices"] == [one.id for one in agreements if one.delivery is Delivery.PUBLISH]
    assert {"births": {"PRVCY"}, "tax-refunds": {"SP-TAX"}} == {
        one.id: one.cui_categories for one in agreements if one.cui_categories
    }
    assert all(one.records_schedule and one.review_due_ms and one.purpose for one in agreements)
    assert all(directory.asset(one.data_asset).steward for one in directory.packages.values())
    assert {agency for one in agreements for agency in (one.supplier, *one.consumers)} == {
        AgencyId(name) for name in directory.agencies if name != "bus.example"
    }


def test_packages_declare_what_their_schemas_mark(directory):
    """The category of each package is the strictest mark in its schema, and all its marks are known ones."""
    for package in directory.packages.values():
        marks = {mark for _, mark in pii_marks(directory.schemas.by_id(package.schema_ids[0]))}

        assert marks <= set(STRICTNESS[1:])
        assert package.data_category == max(marks, key=STRICTNESS.index, default="non-pii"), package.id


def test_message_formats(directory):
    """The fine's NIEM message formats are registered with their files, and the example has a message of each."""
    citation, measurement = directory.package("justice.traffic-fine").niem
    path = bundled.folder() / "domains/justice/traffic_fine/v1.example.json"
    example = json.loads(path.read_text("utf-8"))
    message = json.loads(example["niem_message"])

    assert ("json", "body.niem_message", "cite:TrafficCitation") == (
        citation.syntax,
        citation.place,
        citation.root,
    )
    assert citation.context == message["@context"]
    assert "cite:TrafficCitation" in message
    assert ("xml", "body.evidence", NIEM_XML) == (
        measurement.syntax,
        measurement.place,
        measurement.media_type,
    )
    assert [NIEM_XML] == [one["media_type"] for one in example["evidence"]]
    assert all(one.main in one.schemas for one in (citation, measurement))


@pytest.mark.parametrize("source", PACKAGES, ids=lambda source: source.package["id"])
def test_every_schema_is_shipped(source):
    """The schema of every package comes with govbus, under the name of its package."""
    definition = bundled.definition(source.schema)

    assert source.package["id"].replace("-", "_") == definition["namespace"]


def test_keys_are_never_overwritten(folder):
    """A folder that holds something already is refused."""
    with pytest.raises(ConfigError, match="is not empty"):
        write_government_directory(folder, at_ms=AT_MS)
