"""Names that an exchange agreement and its package have in an Open Data Contract.

What ODCS 3.1 has a field for stands there; everything else stands in custom properties under these names.
"""

from __future__ import annotations

from typing import Final

AGREEMENT_PROPERTIES: Final = {
    "exchangePackage": "package",
    "legalAuthority": "legal_authority",
    "classification": "classification",
    "impact": "impact",
    "dataCategories": "data_categories",
    "cui": "cui",
    "profiles": "profiles",
    "mode": "mode",
    "encryption": "encryption",
    "frequencyTolerancePercent": "frequency_tolerance_percent",
    "reviewDue": "review_due",
    "recordsSchedule": "records_schedule",
    "signatures": "signatures",
}
"""Custom properties of the contract, and the field of the agreement that each of them holds."""
PACKAGE_PROPERTIES: Final = {
    "dataAsset": "data_asset",
    "documentTypes": "types",
    "classification": "classification",
    "dataCategory": "data_category",
    "accessLevel": "access_level",
    "frequency": "frequency",
    "delivery": "delivery",
    "topics": "topics",
    "queryPoints": "query_points",
    "compatibility": "compatibility",
    "signatures": "signatures",
    "steward": "steward",
}
"""Custom properties of the schema object, and the field of the package that each of them holds."""
SCHEMA_VERSION: Final = "schemaVersion"
AVRO_SCHEMA: Final = "avroSchema"
"""The payload schema as it is, where the columns of ODCS would lose something."""
AGENCY: Final = "agency"
"""Custom property of a member of the team: id of the agency that the member answers for."""
SUPPLIER, CONSUMER = "supplier", "consumer"
NOTICE: Final = "systemOfRecordsNotice"
"""Type of the authoritative definition that is the Privacy Act notice."""
VALID_FROM, VALID_TO, FREQUENCY, RETENTION = "generalAvailability", "endOfLife", "frequency", "retention"
"""Service level properties."""
YEARS: Final = "y"
ISO8601: Final = "ISO 8601"
"""Unit of a frequency that is a repeating interval, or irregular."""
