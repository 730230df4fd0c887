"""The registered data assets as a DCAT-US 3.0 catalogue.

The official JSON Schema accepts identifiers that are null and banners of any text; this never writes either. What
1.1 had and 3.0 has no more (bureau and programme codes, the notice of a system of records) stays out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from govbus.document.encoding import time_text
from govbus.document.ids import AgencyId
from govbus.routing.catalogue.addresses import (
    agency_uri,
    asset_uri,
    catalogue_uri,
    package_uri,
    taxonomy_uri,
    topic_uri,
    uri,
)
from govbus.routing.catalogue.offers import (
    AVRO_MEDIA_TYPE,
    SCHEMA_MEDIA_TYPE,
    Offer,
    is_open,
    newest_schema,
    offers_of,
    packages_of,
    require_describable,
)
from govbus.routing.catalogue.periods import period_of
from govbus.routing.directory.model import (
    Contact,
    CuiMarking,
    DataAsset,
    Directory,
    Package,
    Restriction,
    TopicReference,
)
from govbus.routing.rules.identifiers import language_iso639_1
from govbus.schemas.catalog import DocumentSchema

_DERIVED_STATUS: Final = {
    "public": "Unrestricted",
    "restricted public": "Restricted - Partly",
    "non-public": "Restricted - Fully",
}
"""Restriction status by access level, for assets that state none: 3.0 has no access level any more."""


def dcat_us_3_0(directory: Directory, *, broker: str | None = None) -> dict[str, Any]:
    """Return the catalogue: every data asset as a dataset, every query point and open topic as a data service.

    Args:
        directory: with the data assets.
        broker: ``host:port`` to write into addresses of publication topics; None names the bus instead.

    Raises:
        DirectoryError: if an asset lacks something that the standard asks for (rules DCAT-1 to DCAT-5).
    """
    require_describable(directory)
    assets = [asset for _, asset in sorted(directory.assets.items())]
    return {
        "@id": catalogue_uri(directory.bus),
        "@type": "Catalog",
        "conformsTo": {"@type": "Standard", "title": "DCAT-US 3.0"},
        "title": f"Data assets of {directory.name}",
        "description": f"Every data asset registered on {directory.name}, kept by {directory.authority}.",
        "publisher": {"@type": "Agent", "name": directory.authority},
        "modified": time_text(directory.issued_ms),
        "themeTaxonomy": [_scheme(directory, one) for one in sorted(directory.taxonomies)],
        "dataset": [_dataset(directory, asset, broker) for asset in assets],
        "service": [
            _service(directory, asset, offer, serves=True)
            for asset in assets
            for package in packages_of(directory, asset)
            for offer in offers_of(directory, package, broker)
        ],
    }


def _dataset(directory: Directory, asset: DataAsset, broker: str | None) -> dict[str, Any]:
    fields: dict[str, Any] = {
        **_reference(directory, asset),
        "publisher": _organization(directory, asset.publisher),
        "keyword": list(asset.keywords),
        "modified": time_text(asset.modified_ms),
        "issued": None if asset.issued_ms is None else time_text(asset.issued_ms),
        "accessRights": asset.access_level,
        "rights": None if asset.rights is None else [asset.rights],
        "language": _languages(directory, asset),
        "accrualPeriodicity": _accrual(asset.frequency),
        "spatial": None if asset.spatial is None else {"@type": "Location", "prefLabel": asset.spatial},
        "temporal": _periods(asset),
        "landingPage": None if asset.landing_page is None else _page(asset),
        "theme": [_concept(directory, reference) for reference in asset.topics],
        "distribution": _distributions(directory, asset, broker),
        "qualifiedAttribution": [_steward(directory, asset)],
    }
    return _without_empty(fields)


def _without_empty(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in (None, [])}


def _reference(directory: Directory, asset: DataAsset) -> dict[str, Any]:
    """Return a dataset with what is mandatory and no more: what a data service says that it serves."""
    return {
        "@id": asset_uri(directory.bus, asset.id),
        "@type": "Dataset",
        "identifier": {"@type": "Identifier", "schemaAgency": directory.name, "notation": asset.id},
        "title": asset.title,
        "description": asset.description,
        "contactPoint": _kind(asset.contact),
    }


def _languages(directory: Directory, asset: DataAsset) -> list[str]:
    """Return the ISO 639-1 codes of the languages that have one; DCAT-US 3.0 can name no others."""
    codes = directory.codes.codes("iso639-1-languages", directory.issued_ms)
    found = (language_iso639_1(tag, codes) for tag in asset.languages)
    return list(dict.fromkeys(code for code in found if code is not None))


def _accrual(frequency: str | None) -> str | None:
    """Return a frequency as 3.0 writes it: an ISO 19115 code, or a repeating interval without a count."""
    return None if frequency is None else re.sub(r"^R[0-9]+/", "R/", frequency)


def _periods(asset: DataAsset) -> list[dict[str, Any]]:
    period = None if asset.temporal is None else period_of(asset.temporal)
    return [] if period is None else [period]


def _page(asset: DataAsset) -> dict[str, Any]:
    return {"@type": "Document", "title": asset.title, "accessURL": uri(asset.landing_page or "")}


def _kind(contact: Contact) -> dict[str, Any]:
    return {"@type": "Kind", "fn": contact.name, "hasEmail": f"mailto:{contact.email}"}


def _organization(directory: Directory, agency_id: AgencyId) -> dict[str, Any]:
    return {
        "@id": agency_uri(agency_id),
        "@type": "Organization",
        "name": _name(directory, agency_id),
        "notation": [agency_id.text],
    }


def _name(directory: Directory, agency_id: AgencyId) -> str:
    agency = directory.agency(agency_id.text)
    return agency.name if agency is not None else agency_id.text


def _steward(directory: Directory, asset: DataAsset) -> dict[str, Any]:
    """Return the FEA DRM data steward as an attribution."""
    name = _name(directory, asset.steward.agency)
    if asset.steward.department is not None:
        name = f"{asset.steward.department}, {name}"
    return {"@type": "Attribution", "hadRole": "Data Steward", "agent": {"@type": "Agent", "name": name}}


def _scheme(directory: Directory, taxonomy_id: str) -> dict[str, Any]:
    taxonomy = directory.taxonomies[taxonomy_id]
    return {
        "@id": taxonomy_uri(directory.bus, taxonomy_id),
        "@type": "ConceptScheme",
        "title": taxonomy.name,
        "description": taxonomy.description,
    }


def _concept(directory: Directory, reference: TopicReference) -> dict[str, Any]:
    topic, taxonomy = directory.topic(reference), directory.taxonomies.get(reference.taxonomy)
    return _without_empty(
        {
            "@id": topic_uri(directory.bus, reference),
            "@type": "Concept",
            "prefLabel": topic.name if topic is not None else reference.topic,
            "definition": (topic.description or None) if topic is not None else None,
            "notation": [reference.topic],
            "inScheme": {
                "@id": taxonomy_uri(directory.bus, reference.taxonomy),
                "@type": "ConceptScheme",
                "title": taxonomy.name if taxonomy is not None else reference.taxonomy,
            },
        }
    )


def _distributions(directory: Directory, asset: DataAsset, broker: str | None) -> list[dict[str, Any]]:
    """Return one distribution for each way to get the data, and one for each exchange that has none for everybody.

    Restrictions stand on distributions alone in 3.0, so an asset without any package has one that says nothing else.
    """
    limits = _limits(asset)
    found = []
    for package in packages_of(directory, asset):
        found += [
            _offered(directory, asset, offer, limits) for offer in offers_of(directory, package, broker)
        ]
        if not is_open(package):
            found.append(_exchange(directory, package, limits))
    return found or [{"@type": "Distribution", "title": asset.title, **limits}]


def _limits(asset: DataAsset) -> dict[str, Any]:
    """Return what every distribution of an asset says about who may have it and what for."""
    return _without_empty(
        {
            "license": asset.license,
            "rights": None if asset.rights is None else [asset.rights],
            "accessRestriction": _access_restrictions(asset),
            "useRestriction": _restrictions("UseRestriction", asset.use_restriction),
            "cuiRestriction": None if asset.cui is None else _cui(asset.cui),
        }
    )


def _access_restrictions(asset: DataAsset) -> list[dict[str, Any]]:
    if asset.access_restriction is not None:
        return _restrictions("AccessRestriction", asset.access_restriction)
    note = f"From the access level, {asset.access_level}: the asset states no restriction."
    return [
        {
            "@type": "AccessRestriction",
            "restrictionStatus": _DERIVED_STATUS[asset.access_level],
            "restrictionNote": note,
        }
    ]


def _restrictions(kind: str, restriction: Restriction | None) -> list[dict[str, Any]]:
    """Return a restriction as 3.0 has it: one object for each specific restriction, or one without any."""
    if restriction is None:
        return []
    whole: dict[str, Any] = {"@type": kind, "restrictionStatus": restriction.status}
    return [whole | {"specificRestriction": one} for one in restriction.specific] or [whole]


def _cui(marking: CuiMarking) -> dict[str, Any]:
    """Return the marking with its banner as written; `require_describable` has parsed it."""
    return {
        "@type": "CUIRestriction",
        "cuiBannerMarking": marking.banner,
        "designationIndicator": marking.designation,
    }


def _offered(directory: Directory, asset: DataAsset, offer: Offer, limits: dict[str, Any]) -> dict[str, Any]:
    return {
        "@type": "Distribution",
        "title": offer.title,
        "description": offer.description,
        "accessURL": uri(offer.address),
        "accessService": [_service(directory, asset, offer, serves=False)],
        **_form(offer.schema, offer.languages),
        **limits,
    }


def _exchange(directory: Directory, package: Package, limits: dict[str, Any]) -> dict[str, Any]:
    """Return a package that nobody reads without an agreement: what it is, and no address."""
    return {
        "@id": package_uri(directory.bus, package.id.text),
        "@type": "Distribution",
        "title": package.name,
        "description": package.description,
        "accessRights": f"Under an exchange agreement on {directory.name}.",
        **_form(newest_schema(directory, package), ()),
        **limits,
    }


def _form(schema: DocumentSchema | None, languages: Iterable[str]) -> dict[str, Any]:
    names = ", ".join(languages)
    if names:
        return {"format": names}
    fields: dict[str, Any] = {"format": "Apache Avro", "mediaType": AVRO_MEDIA_TYPE}
    if schema is not None:
        fields["describedBy"] = {
            "@type": "Distribution",
            "title": f"Schema {schema.subject}, version {schema.version}",
            "downloadURL": uri(schema.uri),
            "mediaType": SCHEMA_MEDIA_TYPE,
        }
    return fields


def _service(directory: Directory, asset: DataAsset, offer: Offer, *, serves: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "@type": "DataService",
        "title": offer.title,
        "description": offer.description,
        "identifier": uri(offer.address),
        "publisher": {
            "@id": agency_uri(asset.publisher),
            "@type": "Agent",
            "name": _name(directory, asset.publisher),
        },
        "contactPoint": [_kind(asset.contact)],
        "endpointURL": [uri(offer.address)],
        "endpointDescription": [f"Query language: {one}" for one in offer.languages],
        "license": asset.license,
        "servesDataset": [_reference(directory, asset)] if serves else None,
    }
    if not offer.languages:
        fields["endpointDescription"] = [
            "A Kafka topic: CloudEvents 1.0 in binary mode, values in Apache Avro"
        ]
    return _without_empty(fields)
