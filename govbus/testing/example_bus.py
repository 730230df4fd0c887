"""The bus that rule examples run on: a complete directory in memory, whose one document breaks no rule.

``tax.example`` sends tax assessments to ``court.example`` over ``bus.example``. An example changes what it names of
this and leaves the rest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from govbus.document.ids import AgencyId, Origin
from govbus.routing.directory.build import build_directory
from govbus.routing.directory.files import DirectoryFiles
from govbus.routing.directory.model import Directory
from govbus.signing.algorithms import Algorithm
from govbus.signing.issuing import IssuedKey
from govbus.testing import example_keys
from govbus.testing.example_yaml import merged

TAX, COURT, BUS = AgencyId("tax.example"), AgencyId("court.example"), AgencyId("bus.example")
ORIGIN: Final = Origin(TAX, "main")
PACKAGE, ASSET, AGREEMENT = "tax.assessment", "tax.example/assessments", "tax-assessments"
DOCUMENT_TYPE: Final = "example.tax.assessment.v1"
SCHEMA_ID: Final = 100
BASE_AT_MS: Final = 1_795_466_700_000
"""2026-11-23T20:45:00Z: when an example's document is made and decided on, unless it says otherwise."""
_DAY_MS: Final = 86_400_000

_CONTACT: Final = {"name": "Service desk", "email": "desk@tax.example"}
_TOPIC: Final = {"taxonomy": "example-topics", "topic": "taxes"}

BASE_SCHEMA: Final[dict[str, Any]] = {
    "type": "record",
    "name": "Assessment",
    "namespace": "tax",
    "doc": "A tax assessment, as the tax office issued it.",
    "fields": [
        {"name": "case_id", "doc": "Identifier of the case at the tax office.", "type": "string"},
        {"name": "amount", "doc": "Amount assessed, in US dollars with two decimals.", "type": "string"},
        {
            "name": "reason",
            "doc": "Why it was assessed, in a sentence.",
            "type": ["null", "string"],
            "default": None,
        },
    ],
}
BASE_BODY: Final[dict[str, Any]] = {"case_id": "K-2026-17", "amount": "10.00"}
BASE_RECORD: Final[dict[str, Any]] = {
    "record_id": "TA-2026-000017",
    "title": "Assessment TA-2026-000017",
    "description": "Tax assessment with its amount and the reason for it.",
    "creator": {"name": "Assessment office", "organization": TAX.text},
    "publisher": TAX.text,
    "language": "en-US",
    "sc": {"c": "MOD", "i": "MOD", "a": "LOW"},
    "access_restriction": {"status": "Restricted - Fully", "specific": ["FOIA (b)(6) Personal Information"]},
    "use_restriction": {"status": "Unrestricted", "specific": []},
    "rights": "For the courts named in the agreement, for the purpose named there.",
    "records_schedule": {
        "authority": "DAA-GRS-2017-0003-0002",
        "retention_type": "Event_age",
        "years": 7,
        "event_type": "final action",
        "final_disposition": "Destroy",
    },
    "topics": [_TOPIC],
    "data_asset": ASSET,
    "bureau_code": ["015:45"],
    "program_code": ["015:001"],
}
BASE_HEADERS: Final[dict[str, str]] = {
    "ce_specversion": "1.0",
    "ce_source": ORIGIN.source_uri,
    "ce_type": DOCUMENT_TYPE,
    "ce_agreementid": AGREEMENT,
    "ce_dataclassification": "confidential",
    "ce_datacategory": "non-sensitive-pii",
    "ce_accesslevel": "non-public",
    "content-type": "application/avro",
}
"""But for id, time and dataschema, which every document has of its own."""
BASE_ENTRIES: Final[dict[str, dict[str, Any]]] = {
    "bus": {
        "id": BUS.text,
        "name": "Example bus",
        "authority": "Example governing authority",
        "profiles": ["core", "us-federal", "niem", "dcat-us", "cui"],
        "anchors": ["certificates/root.pem"],
        "validity_days": 365,
    },
    "agency": {"id": TAX.text, "name": "Example Tax Office", "sector": "federal", "country": "USA"},
    "consumer": {"id": COURT.text, "name": "Example Court", "sector": "federal", "country": "USA"},
    "taxonomy": {
        "id": "example-topics",
        "name": "Example topics",
        "description": "Topics of the example bus, kept by its governing authority.",
        "topics": [{"id": "taxes", "name": "Taxes"}, {"id": "courts", "name": "Courts"}],
    },
    "asset": {
        "id": ASSET,
        "title": "Tax assessments",
        "description": "Every assessment that the tax office has issued.",
        "kind": "database",
        "steward": {"agency": TAX.text, "contact": _CONTACT},
        "publisher": TAX.text,
        "contact": _CONTACT,
        "keywords": ["taxes", "assessments"],
        "modified": "2026-11-01",
        "access_level": "non-public",
        "topics": [_TOPIC],
        "rights": "For the courts named in the agreement, for the purpose named there.",
        "languages": ["en-US"],
        "frequency": "irregular",
        "bureau_codes": ["015:45"],
        "program_codes": ["015:001"],
        "access_restriction": {
            "status": "Restricted - Fully",
            "specific": ["FOIA (b)(6) Personal Information"],
        },
        "use_restriction": {"status": "Unrestricted"},
    },
    "package": {
        "id": PACKAGE,
        "name": "Tax assessments",
        "description": "Tax assessments that courts decide about.",
        "steward": {"agency": TAX.text, "contact": _CONTACT},
        "data_asset": ASSET,
        "types": [DOCUMENT_TYPE],
        "classification": "confidential",
        "data_category": "non-sensitive-pii",
        "access_level": "non-public",
        "frequency": "irregular",
        "delivery": "inbox",
        "topics": [_TOPIC],
    },
    "agreement": {
        "id": AGREEMENT,
        "name": "Tax assessments for the court",
        "description": "The tax office sends assessments that were appealed against to the court.",
        "package": PACKAGE,
        "supplier": {"agency": TAX.text, "contact": _CONTACT},
        "consumers": [
            {"agency": COURT.text, "contact": {"name": "Registry", "email": "registry@court.example"}}
        ],
        "purpose": "Decide on appeals against tax assessments.",
        "legal_authority": "Example Tax Procedure Act, section 12",
        "valid_from": "2025-01-01",
        "valid_to": "2030-12-30",
        "review_due": "2028-01-01",
        "status": "active",
        "classification": "restricted",
        "impact": {"c": "HIGH", "i": "HIGH", "a": "HIGH"},
        "data_categories": ["non-pii", "non-sensitive-pii", "sensitive-pii"],
    },
}
"""Files of the directory by the key that an example changes them with."""
_PLACES: Final[dict[str, str]] = {
    "bus": "bus.yaml",
    "agency": "agencies/tax.example.yaml",
    "consumer": "agencies/court.example.yaml",
    "taxonomy": "taxonomies/example-topics.yaml",
    "asset": "assets/assessments.yaml",
    "package": "packages/tax.assessment.yaml",
    "agreement": "agreements/tax-assessments.yaml",
}


@dataclass(frozen=True, slots=True)
class ExampleBus:
    """A bus with an example laid over the base; its files may be wrong, which is what some examples are about."""

    files: DirectoryFiles
    versions: int
    """Of the package's schema; documents have the last."""

    @classmethod
    def of(cls, example: Mapping[str, Any], algorithms: frozenset[Algorithm] = frozenset()) -> ExampleBus:
        """Return the bus of an example.

        Args:
            example: its keys; see `govbus.testing.rule_examples`.
            algorithms: that the sender has a key for, besides its usual one.
        """
        schemas = example.get("schemas") or [example.get("schema") or BASE_SCHEMA]
        return cls(DirectoryFiles(_files(example, schemas, algorithms), at_ms=BASE_AT_MS), len(schemas))

    def directory(self) -> Directory:
        """Return the directory.

        Raises:
            DirectoryError: if something does not fit.
        """
        return build_directory(
            self.files.content,
            version=1,
            issued_ms=BASE_AT_MS - _DAY_MS,
            expires_ms=example_keys.VALID_TO_MS,
        )


def _files(
    example: Mapping[str, Any], schemas: list[dict[str, Any]], algorithms: frozenset[Algorithm]
) -> dict[str, bytes]:
    """Return the files of the directory, certificates and schemas among them."""
    entries = {key: merged(entry, example.get(key) or {}) for key, entry in BASE_ENTRIES.items()}
    certificates: dict[str, bytes] = {"root": example_keys.authority().certificate_pem}
    _certify(entries["agency"], certificates, _sender_keys(algorithms))
    consumer_keys = (COURT.text, "officer-of-another-agency")
    _certify(entries["consumer"], certificates, {name: example_keys.issued(name) for name in consumer_keys})
    entries["package"].setdefault(
        "schemas",
        [
            {"file": f"schemas/v{version}.avsc", "id": SCHEMA_ID + version - 1, "version": version}
            for version in range(1, len(schemas) + 1)
        ],
    )
    bus_agency: dict[str, Any] = {"id": BUS.text, "name": "Example bus"}
    _certify(bus_agency, certificates, {BUS.text: example_keys.issued(BUS.text)})
    codes = example.get("codes") or []
    return {
        **{
            f"codes/{one['list']}.yaml": _yaml(one) for one in (codes if isinstance(codes, list) else [codes])
        },
        **{name: content.encode("utf-8") for name, content in (example.get("files") or {}).items()},
        **{_PLACES[key]: _yaml(entry) for key, entry in entries.items()},
        "agencies/bus.example.yaml": _yaml(bus_agency),
        **{f"certificates/{name}.pem": pem for name, pem in certificates.items()},
        **{
            f"schemas/v{version}.avsc": json.dumps(schema).encode("utf-8")
            for version, schema in enumerate(schemas, start=1)
        },
    }


def _sender_keys(algorithms: frozenset[Algorithm]) -> dict[str, IssuedKey]:
    keys = {name: example_keys.issued(name) for name in (TAX.text, *example_keys.VALIDITIES)}
    keys["revoked-certificate"] = example_keys.issued("revoked-certificate")
    keys["officer"] = example_keys.issued("officer")
    for algorithm in sorted(algorithms):
        keys[f"tax-{algorithm.lower()}"] = example_keys.issued(TAX.text, algorithm)
    return keys


def _certify(agency: dict[str, Any], certificates: dict[str, bytes], keys: Mapping[str, IssuedKey]) -> None:
    """Give an agency's file the lines of its certificates, unless an example wrote some of its own."""
    lines = []
    for name, key in keys.items():
        certificates[name] = key.certificate_pem
        lines.append({"file": f"certificates/{name}.pem"})
        if name == "revoked-certificate":
            lines[-1]["revoked"] = "2025-06-01"
        if name.startswith("officer"):
            lines[-1]["role"] = "officer"
    agency.setdefault("certificates", lines)


def _yaml(entry: Mapping[str, Any]) -> bytes:
    return yaml.safe_dump(dict(entry), sort_keys=False, allow_unicode=True).encode("utf-8")
