"""What a small exchange of tests and benchmarks needs so that its documents keep every rule of profile ``core``."""

from __future__ import annotations

from typing import Any, Final

from govbus.document.ids import AgencyId
from govbus.routing.directory.model import (
    AssetKind,
    Contact,
    DataAsset,
    Steward,
    Taxonomy,
    Topic,
    TopicReference,
)

TAXONOMY_ID: Final = "example-topics"
TOPIC_ID: Final = "persons"
_CONTACT: Final = Contact("Service desk", "desk@bus.example")


def record_metadata(agency: AgencyId, **fields: Any) -> dict[str, Any]:
    """Return a value of ``govbus.core.RecordMetadata`` that keeps the rules, with some fields replaced.

    Args:
        agency: that sends the document and holds the data asset `asset_id`.
        fields: by name, in place of those of the example.
    """
    return {
        "record_id": "r-1",
        "title": "Person record",
        "description": "A person on file.",
        "creator": {"name": "Register office", "organization": agency.text},
        "publisher": agency.text,
        "language": "en",
        "sc": {"c": "MOD", "i": "MOD", "a": "LOW"},
        "access_restriction": {"status": "Unrestricted", "specific": []},
        "use_restriction": {"status": "Unrestricted", "specific": []},
        "rights": "For the purpose of the agreement only.",
        "records_schedule": {
            "authority": "DAA-GRS-2017-0003-0002",
            "retention_type": "Event_age",
            "years": 5,
            "event_type": "final action",
            "final_disposition": "Destroy",
        },
        "topics": [{"taxonomy": TAXONOMY_ID, "topic": TOPIC_ID}],
        "data_asset": asset_id(agency),
        **fields,
    }


def asset_id(agency: AgencyId) -> str:
    """Return the id of the data asset that `data_assets` registers for an agency."""
    return f"{agency}/persons"


def taxonomies() -> dict[str, Taxonomy]:
    """Return the one taxonomy that `record_metadata` names, by id."""
    topic = Topic(TOPIC_ID, "Persons", "Records about natural persons.")
    return {
        TAXONOMY_ID: Taxonomy(
            TAXONOMY_ID, "Example topics", "What documents of tests are about.", {TOPIC_ID: topic}
        )
    }


def data_assets(*agencies: AgencyId) -> dict[str, DataAsset]:
    """Return a data asset for each agency, by id."""
    return {
        asset_id(agency): DataAsset(
            id=asset_id(agency),
            title=f"Persons of {agency}",
            description="Persons on file.",
            kind=AssetKind.REGISTRY,
            steward=Steward(agency, _CONTACT),
            publisher=agency,
            contact=_CONTACT,
            keywords=("persons",),
            modified_ms=1_795_392_000_000,
            access_level="non-public",
            topics=(TopicReference(TAXONOMY_ID, TOPIC_ID),),
            rights="For agencies with an agreement.",
        )
        for agency in agencies
    }
