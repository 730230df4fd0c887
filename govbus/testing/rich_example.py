"""An example (`govbus.testing.rule_examples`) of a directory in which every optional field is filled in.

What is exported must hold up with everything in it: an open package with a publication topic and query points, an
asset with a CUI marking and every restriction, one that states none, a test agreement, a second consumer.
"""

from __future__ import annotations

import json
from typing import Any, Final

import yaml

from govbus.testing.example_bus import BASE_ENTRIES, BASE_SCHEMA

OPEN_SCHEMA: Final[dict[str, Any]] = {
    "type": "record",
    "name": "Rate",
    "namespace": "tax.rates",
    "doc": "A tax rate as it was published.",
    "fields": [
        {"name": "code", "doc": "Code of the tax.", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "from_day", "doc": "First day.", "type": {"type": "int", "logicalType": "date"}},
        {
            "name": "rate",
            "doc": "Rate in percent.",
            "type": {"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2},
        },
        {
            "name": "kind",
            "doc": "Who pays it.",
            "type": {"type": "enum", "name": "Payer", "doc": "Who pays.", "symbols": ["PERSON", "COMPANY"]},
        },
        {"name": "previous_kind", "doc": "Who paid it before.", "type": ["null", "Payer"], "default": None},
        {
            "name": "steps",
            "doc": "Where it changes with the amount.",
            "type": {
                "type": "array",
                "items": {
                    "type": "record",
                    "name": "Step",
                    "doc": "One step.",
                    "fields": [{"name": "above", "doc": "Amount from which it holds.", "type": "long"}],
                },
            },
        },
        {"name": "names", "doc": "Name by language.", "type": {"type": "map", "values": "string"}},
        {"name": "is_final", "doc": "Whether it is final.", "type": "boolean"},
        {"name": "weight", "doc": "Share of all taxes.", "type": ["null", "double"], "default": None},
        {
            "name": "published",
            "doc": "When it was published.",
            "type": {"type": "long", "logicalType": "timestamp-millis"},
        },
    ],
}
_STEWARD: Final = BASE_ENTRIES["asset"]["steward"]
_RATES: Final[dict[str, Any]] = {
    "id": "tax.example/rates",
    "title": "Tax rates",
    "description": "Every tax rate since 1990, and from when it holds.",
    "kind": "data-service",
    "geospatial": True,
    "steward": _STEWARD | {"department": "Statistics"},
    "publisher": "tax.example",
    "contact": {"name": "Open data", "email": "open.data@tax.example"},
    "keywords": ["taxes", "Straße"],
    "modified": "2026-11-01T10:00:00+01:00",
    "access_level": "public",
    "topics": [
        {"taxonomy": "example-topics", "topic": "rates"},
        {"taxonomy": "example-topics", "topic": "taxes"},
    ],
    "rights": "None: public domain.",
    "license": "https://creativecommons.org/publicdomain/zero/1.0/",
    "languages": ["en-US", "es", "tlh", "EN"],
    "issued": "1990-01-01",
    "frequency": "R12/P1M",
    "spatial": "United States",
    "temporal": "1990-01-01/P36Y",
    "landing_page": "https://tax.example/rates/übersicht",
    "bureau_codes": ["015:45"],
    "program_codes": ["[[REDACTED-EX B6]]"],
    "system_of_records": "https://tax.example/sorn/rates",
}
_SEALED: Final[dict[str, Any]] = {
    "id": "tax.example/sealed",
    "title": "Sealed files",
    "description": "Files that a court has sealed.",
    "kind": "document-repository",
    "steward": _STEWARD,
    "keywords": ["seals"],
    "modified": "2026-10-01",
    "access_level": "restricted public",
    "rights": "On order of a court.",
    "bureau_codes": ["015:45"],
    "program_codes": ["015:001"],
    "temporal": "2020/2025-12",
}
_OPEN_PACKAGE: Final[dict[str, Any]] = {
    "id": "tax.rates",
    "name": "Tax rates",
    "description": "A tax rate, new or changed.",
    "steward": _STEWARD,
    "data_asset": "tax.example/rates",
    "types": ["example.tax.rate.v1"],
    "classification": "public",
    "data_category": "non-pii",
    "signatures": {"officer": "required", "twin": "required", "mode": "batch"},
    "access_level": "public",
    "frequency": "R/P1M",
    "delivery": "publish",
    "topics": [{"taxonomy": "example-topics", "topic": "rates"}],
    "query_points": [
        {
            "address": "https://tax.example/api/rates?form=json",
            "languages": ["HTTP GET", "SQL-92"],
            "name": "Rates service",
            "description": "Ask for a rate by its code.",
        },
        {"address": "https://tax.example/sparql", "languages": ["SPARQL 1.1"]},
    ],
    "schemas": [{"file": "schemas/rates.v1.avsc", "id": 200, "version": 1}],
}
_OPEN_AGREEMENT: Final[dict[str, Any]] = BASE_ENTRIES["agreement"] | {
    "id": "tax-rates",
    "name": "Tax rates for everybody",
    "package": "tax.rates",
    "classification": "public",
    "data_categories": ["non-pii"],
}
_TEST_AGREEMENT: Final[dict[str, Any]] = BASE_ENTRIES["agreement"] | {
    "id": "tax-assessments-test",
    "name": "Tests of tax assessments",
    "mode": "test",
}

RICH_EXAMPLE: Final[dict[str, Any]] = {
    "taxonomy": {
        "topics": [
            {"id": "taxes", "name": "Taxes", "description": "Everything about taxes."},
            {"id": "rates", "name": "Rates", "broader": "taxes"},
            {"id": "courts", "name": "Courts"},
        ]
    },
    "asset": {
        "geospatial": False,
        "license": "https://tax.example/terms",
        "issued": "2001-05-01",
        "frequency": "R/PT12H",
        "spatial": "Washington, D.C.",
        "temporal": "2001-05-01/2026-12-31T23:59:59Z",
        "landing_page": "https://tax.example/assessments",
        "system_of_records": "https://tax.example/sorn/assessments",
        "access_restriction": {
            "status": "Restricted - Fully",
            "specific": ["FOIA (b)(6) Personal Information", "FOIA (b)(3) Statute"],
        },
        "use_restriction": {"status": "Undetermined", "specific": ["Copyright"]},
        "cui": {"banner": "CUI//SP-TAX", "designation": "Controlled by: Example Tax Office"},
    },
    "package": {
        "topics": [{"taxonomy": "example-topics", "topic": "taxes"}],
        "query_points": [{"address": "https://tax.example/api/assessments", "languages": ["OData 4.0"]}],
        "signatures": {"seal": "required", "officer": "optional"},
    },
    "agreement": {
        "profiles": ["core", "cui"],
        "classification": "confidential",
        "impact": {"c": "MOD", "i": "MOD", "a": "LOW"},
        "cui": {"categories": ["SP-TAX", "PRVCY"], "dissemination": ["FED ONLY"]},
        "system_of_records": "https://tax.example/sorn/assessments",
        "encryption": True,
        "records_schedule": {
            "authority": "DAA-GRS-2017-0003-0002",
            "retention_type": "Event_age",
            "final_disposition": "Destroy",
            "years": 7,
            "event_type": "final action",
        },
        "frequency": "R/P1D",
        "frequency_tolerance_percent": 20,
        "signatures": {"twin": "optional", "mode": "single"},
    },
    "schemas": [
        BASE_SCHEMA,
        BASE_SCHEMA
        | {
            "fields": [
                *BASE_SCHEMA["fields"],
                {"name": "note", "doc": "A note.", "type": ["null", "string"], "default": None},
            ]
        },
    ],
    "files": {
        "assets/rates.yaml": yaml.safe_dump(_RATES),
        "assets/sealed.yaml": yaml.safe_dump(_SEALED),
        "packages/tax.rates.yaml": yaml.safe_dump(_OPEN_PACKAGE),
        "agreements/tax-rates.yaml": yaml.safe_dump(_OPEN_AGREEMENT),
        "agreements/tax-assessments-test.yaml": yaml.safe_dump(_TEST_AGREEMENT),
        "schemas/rates.v1.avsc": json.dumps(OPEN_SCHEMA),
    },
}
