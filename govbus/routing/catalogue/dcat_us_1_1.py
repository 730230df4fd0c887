"""The registered data assets as a DCAT-US 1.1 catalogue (Project Open Data metadata schema, ``data.json``)."""

from __future__ import annotations

import re
from typing import Any, Final

from govbus.document.encoding import time_text
from govbus.document.ids import AgencyId
from govbus.routing.catalogue.addresses import agency_uri, catalogue_uri, uri
from govbus.routing.catalogue.offers import (
    AVRO_MEDIA_TYPE,
    SCHEMA_MEDIA_TYPE,
    Offer,
    offers_of,
    packages_of,
    require_describable,
)
from govbus.routing.catalogue.periods import interval_of
from govbus.routing.directory.model import Contact, DataAsset, Directory

CONFORMS_TO: Final = "https://project-open-data.cio.gov/v1.1/schema"

_PERIODICITY = re.compile(
    r"R/P(?=.)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+S)?)?|irregular", re.ASCII
)


def dcat_us_1_1(directory: Directory, *, broker: str | None = None) -> dict[str, Any]:
    """Return the catalogue, every registered data asset in it: the standard lists those that are not public too.

    Args:
        directory: with the data assets.
        broker: ``host:port`` to write into addresses of publication topics; None names the bus instead.

    Raises:
        DirectoryError: if an asset lacks something that the standard asks for (rules DCAT-1 to DCAT-5).
    """
    require_describable(directory)
    return {
        "@context": f"{CONFORMS_TO}/catalog.jsonld",
        "@id": catalogue_uri(directory.bus),
        "@type": "dcat:Catalog",
        "conformsTo": CONFORMS_TO,
        "describedBy": f"{CONFORMS_TO}/catalog.json",
        "dataset": [_dataset(directory, asset, broker) for _, asset in sorted(directory.assets.items())],
    }


def _dataset(directory: Directory, asset: DataAsset, broker: str | None) -> dict[str, Any]:
    distributions = [
        _distribution(offer)
        for package in packages_of(directory, asset)
        for offer in offers_of(directory, package, broker)
    ]
    fields: dict[str, Any] = {
        "@type": "dcat:Dataset",
        "identifier": asset.id,
        "title": asset.title,
        "description": asset.description,
        "keyword": list(asset.keywords),
        "modified": time_text(asset.modified_ms),
        "publisher": _organization(directory, asset.publisher),
        "contactPoint": _vcard(asset.contact),
        "accessLevel": asset.access_level,
        "rights": asset.rights,
        "bureauCode": _codes(asset.bureau_codes),
        "programCode": _codes(asset.program_codes),
        "license": None if asset.license is None else uri(asset.license),
        "spatial": asset.spatial,
        "temporal": None if asset.temporal is None else interval_of(asset.temporal),
        "issued": None if asset.issued_ms is None else time_text(asset.issued_ms),
        "accrualPeriodicity": periodicity(asset.frequency),
        "language": list(asset.languages),
        "landingPage": None if asset.landing_page is None else uri(asset.landing_page),
        "systemOfRecords": None if asset.system_of_records is None else uri(asset.system_of_records),
        "theme": list(dict.fromkeys(_topic_names(directory, asset))),
        "distribution": distributions,
    }
    return {name: value for name, value in fields.items() if value not in (None, [])}


def _codes(codes: tuple[str, ...]) -> list[str] | str:
    """Return codes as a list, or the one redaction string that stands in place of all of them."""
    redacted = next((code for code in codes if code.startswith("[[REDACTED")), None)
    return redacted if redacted is not None else list(dict.fromkeys(codes))


def periodicity(frequency: str | None) -> str | None:
    """Return a frequency as DCAT-US writes it: ``irregular``, or ISO 8601 without a count; None where it cannot."""
    text = re.sub(r"^R[0-9]+/", "R/", frequency or "")
    return text if _PERIODICITY.fullmatch(text) else None


def _topic_names(directory: Directory, asset: DataAsset) -> list[str]:
    found = (directory.topic(reference) for reference in asset.topics)
    return [topic.name for topic in found if topic is not None]


def _organization(directory: Directory, agency_id: AgencyId) -> dict[str, Any]:
    agency = directory.agency(agency_id.text)
    name = agency.name if agency is not None else agency_id.text
    return {"@type": "org:Organization", "@id": agency_uri(agency_id), "name": name}


def _vcard(contact: Contact) -> dict[str, Any]:
    return {"@type": "vcard:Contact", "fn": contact.name, "hasEmail": f"mailto:{contact.email}"}


def _distribution(offer: Offer) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "@type": "dcat:Distribution",
        "title": offer.title,
        "description": offer.description,
        "accessURL": uri(offer.address),
        "format": ", ".join(offer.languages) if offer.languages else f"Kafka topic, {AVRO_MEDIA_TYPE}",
    }
    if offer.schema is not None:
        fields |= {"describedBy": uri(offer.schema.uri), "describedByType": SCHEMA_MEDIA_TYPE}
    return fields
