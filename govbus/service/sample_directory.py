"""A complete directory with fresh keys, ready to work with: for a first look, the demo and tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from govbus.document.encoding import time_text
from govbus.document.ids import AgencyId, PackageId
from govbus.errors import ConfigError
from govbus.schemas import bundled
from govbus.service.directory.writing import DAY_MS, DirectoryWriter
from govbus.signing.algorithms import Algorithm

BUS = AgencyId("bus.example")
CIVIL_REGISTRY = AgencyId("civil-registry.example")
HEALTH_FUND = AgencyId("health-fund.example")
POPULATION_REGISTER = AgencyId("population-register.example")
PERSON = PackageId("civil.person")
PERSON_TYPE = "example.civil.person.v1"
PERSON_SCHEMA_ID = 100
TAXONOMY = "example-topics"
PERSONS_TOPIC = "persons"

_PERSON_SCHEMA = "domains/civil/person/v1"
_REVIEW_DAYS = 365
_TOPIC = {"taxonomy": TAXONOMY, "topic": PERSONS_TOPIC}


@dataclass(frozen=True, slots=True)
class SampleDirectory:
    """Where everything lies in a folder that `write_sample_directory` made."""

    folder: Path

    @property
    def authority_certificate(self) -> Path:
        """The governing authority's certificate: what readers of the directory are given."""
        return self.folder / "certificates" / "authority.pem"

    @property
    def authority_key(self) -> Path:
        """The governing authority's key: it signs the directory."""
        return self.folder / "keys" / "authority.key.pem"

    def certificate(self, agency: AgencyId) -> Path:
        """Return the certificate of an agency's seal."""
        return self.folder / "certificates" / f"{agency}.pem"

    def key(self, agency: AgencyId) -> Path:
        """Return the private key of an agency's seal."""
        return self.folder / "keys" / f"{agency}.key.pem"

    @staticmethod
    def asset(supplier: AgencyId) -> str:
        """Return the id of the data asset that a supplier's persons are from."""
        return f"{supplier}/persons"

    @staticmethod
    def agreement(supplier: AgencyId) -> str:
        """Return the id of the agreement under which a supplier sends persons."""
        return f"{PERSON}.{supplier}"


def write_sample_directory(
    folder: Path,
    *,
    at_ms: int,
    suppliers: Sequence[AgencyId] = (CIVIL_REGISTRY, HEALTH_FUND),
    consumers: Sequence[AgencyId] = (POPULATION_REGISTER,),
    delivery: str = "inbox",
    algorithm: Algorithm = Algorithm.ED25519,
    days: int = 730,
    password: bytes | None = None,
) -> SampleDirectory:
    """Write a folder that `govbus directory apply` takes, with a key for everyone.

    Args:
        folder: made if missing; must be empty, because keys are never overwritten.
        at_ms: the time it is made, milliseconds since 1970.
        suppliers: agencies that send package ``civil.person``, each under an agreement of its own.
        consumers: agencies that receive it.
        delivery: ``inbox`` or ``publish``.
        algorithm: of every key.
        days: how long certificates and agreements are good.
        password: encrypts every private key; without one, their files are readable by the owner alone.

    Raises:
        ConfigError: if the folder is not empty or cannot be written.
    """
    try:
        files = DirectoryWriter(folder, at_ms=at_ms, days=days, algorithm=algorithm, password=password)
        writer = _Writer(files)
        writer.write_bus()
        for agency in dict.fromkeys((BUS, *suppliers, *consumers)):
            writer.write_agency(agency)
        writer.write_taxonomy()
        writer.write_package(suppliers[0], delivery)
        for supplier in suppliers:
            writer.write_asset(supplier)
            writer.write_agreement(supplier, consumers)
    except OSError as err:
        raise ConfigError(f"{folder} cannot be written: {err.strerror}") from err
    return SampleDirectory(folder)


class _Writer:
    """Writes the entries of the sample."""

    def __init__(self, writer: DirectoryWriter) -> None:
        self._writer = writer
        self._at_ms, self._from_ms, self._to_ms = writer.at_ms, writer.from_ms, writer.to_ms

    def write_bus(self) -> None:
        self._writer.write_bus(
            {
                "id": BUS.text,
                "name": "Example bus",
                "authority": "Example governing authority",
                "profiles": ["core", "cui", "dcat-us", "us-federal"],
                "validity_days": 365,
            }
        )

    def write_agency(self, agency: AgencyId) -> None:
        self._writer.write_agency({"id": agency.text, "name": _name(agency)})

    def write_taxonomy(self) -> None:
        self._writer.write_yaml(
            f"taxonomies/{TAXONOMY}.yaml",
            {
                "id": TAXONOMY,
                "name": "Example topics",
                "description": "What documents of the example bus are about; kept by its governing authority.",
                "topics": [
                    {"id": "population", "name": "Population"},
                    {
                        "id": PERSONS_TOPIC,
                        "name": "Persons",
                        "description": "Who somebody is and where they live.",
                        "broader": "population",
                    },
                ],
            },
        )

    def write_asset(self, supplier: AgencyId) -> None:
        self._writer.write_yaml(
            f"assets/{supplier}.persons.yaml",
            {
                "id": SampleDirectory.asset(supplier),
                "title": f"Persons on file at {_name(supplier)}",
                "description": "Every person that the agency has on file, with name, birth and address.",
                "kind": "database",
                "steward": _party(supplier),
                "publisher": supplier.text,
                "contact": _party(supplier)["contact"],
                "keywords": ["population", "persons"],
                "modified": time_text(self._at_ms)[:10],
                "access_level": "non-public",
                "topics": [_TOPIC],
                "rights": "For the purposes of the exchange agreements only.",
                "languages": ["en"],
                "frequency": "irregular",
                "access_restriction": {
                    "status": "Restricted - Fully",
                    "specific": ["FOIA (b)(6) Personal Information"],
                },
                "use_restriction": {"status": "Restricted - Partly", "specific": ["Other"]},
            },
        )

    def write_package(self, steward: AgencyId, delivery: str) -> None:
        source = bundled.folder() / f"{_PERSON_SCHEMA}.avsc"
        self._writer.write(f"schemas/{PERSON}.v1.avsc", source.read_bytes())
        self._writer.write_yaml(
            f"packages/{PERSON}.yaml",
            {
                "id": PERSON.text,
                "name": "Person",
                "description": "A person as one agency has them on file, new or changed.",
                "steward": _party(steward),
                "data_asset": SampleDirectory.asset(steward),
                "types": [PERSON_TYPE],
                "schemas": [
                    {"file": f"schemas/{PERSON}.v1.avsc", "id": PERSON_SCHEMA_ID, "version": 1},
                ],
                "classification": "confidential",
                "data_category": "sensitive-pii",
                "access_level": "non-public",
                "frequency": "irregular",
                "delivery": delivery,
                "topics": [_TOPIC],
            },
        )

    def write_agreement(self, supplier: AgencyId, consumers: Sequence[AgencyId]) -> None:
        identifier = SampleDirectory.agreement(supplier)
        self._writer.write_yaml(
            f"agreements/{identifier}.yaml",
            {
                "id": identifier,
                "name": f"Persons from {_name(supplier)}",
                "description": "The supplier sends every person that is new or changed in its files.",
                "package": PERSON.text,
                "supplier": _party(supplier),
                "consumers": [_party(consumer) for consumer in consumers],
                "purpose": "Keep one register of the population, so that nobody is asked twice.",
                "legal_authority": "Example Population Register Act, section 3",
                "valid_from": time_text(self._from_ms),
                "valid_to": time_text(self._to_ms),
                "review_due": time_text(self._at_ms + _REVIEW_DAYS * DAY_MS),
                "status": "active",
                "classification": "confidential",
                "impact": {"c": "MOD", "i": "MOD", "a": "MOD"},
                "data_categories": ["non-pii", "non-sensitive-pii", "sensitive-pii"],
                "records_schedule": {
                    "authority": "DAA-GRS-2017-0003-0002",
                    "retention_type": "Event_age",
                    "years": 7,
                    "event_type": "final action",
                    "final_disposition": "Destroy",
                },
            },
        )


def _name(agency: AgencyId) -> str:
    return agency.text.partition(".")[0].replace("-", " ").capitalize()


def _party(agency: AgencyId) -> dict[str, Any]:
    return {"agency": agency.text, "contact": {"name": "Service desk", "email": f"desk@{agency}"}}
