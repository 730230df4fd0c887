"""What can be found: entries of the directory, and the documents that the bus accepted, each as one item."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from govbus.document.encoding import time_text
from govbus.routing.catalogue.odcs_export import payload_of
from govbus.routing.directory.model import Agreement, DataAsset, Directory, Package, Taxonomy, TopicReference
from govbus.schemas.catalog import DocumentSchema
from govbus.schemas.walk import parts

BROADER_MAX = 50
"""Topics above a topic that it is found under; taxonomies are shallower."""


class Kind(enum.StrEnum):
    """What kind of thing was found."""

    ASSET = "asset"
    PACKAGE = "package"
    SCHEMA = "schema"
    AGREEMENT = "agreement"
    DOCUMENT = "document"
    TAXONOMY = "taxonomy"


class Item(NamedTuple):
    """One thing that can be found."""

    kind: Kind
    id: str
    title: str
    text: str
    """Everything else that words are looked for in."""
    agencies: frozenset[str]
    """Ids of every agency that has to do with it."""
    topics: frozenset[str]
    """``<taxonomy>/<topic>``, those above included."""
    detail: Mapping[str, Any]
    """Everything about it, as JSON can hold it."""
    classification: str | None = None
    access_level: str | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    """Time that it is about, milliseconds since 1970; both None where it is about none."""


def directory_items(directory: Directory) -> Iterator[Item]:
    """Yield every asset, package, schema, agreement and taxonomy of a directory."""
    for _, taxonomy in sorted(directory.taxonomies.items()):
        yield _taxonomy(taxonomy)
    for _, asset in sorted(directory.assets.items()):
        yield _asset(directory, asset)
    for _, package in sorted(directory.packages.items()):
        yield _package(directory, package)
        for number in package.schema_ids:
            schema = directory.schemas.by_id(number)
            if schema is not None:
                yield _schema(directory, package, schema)
    for _, agreement in sorted(directory.agreements.items()):
        yield _agreement(directory, agreement)


def topics_with_broader(directory: Directory, references: tuple[TopicReference, ...]) -> frozenset[str]:
    """Return topics and all those above them, as ``<taxonomy>/<topic>``."""
    found: set[str] = set()
    for taxonomy, name in references:
        here: str | None = name
        for _ in range(BROADER_MAX):
            if here is None or f"{taxonomy}/{here}" in found:
                break
            found.add(f"{taxonomy}/{here}")
            topic = directory.topic(TopicReference(taxonomy, here))
            here = None if topic is None else topic.broader
    return frozenset(found)


def words_of_topics(directory: Directory, references: tuple[TopicReference, ...]) -> str:
    """Return the names of topics, so that they are found by them."""
    found = (directory.topic(reference) for reference in references)
    return " ".join(topic.name for topic in found if topic is not None)


def _taxonomy(taxonomy: Taxonomy) -> Item:
    topics = [
        {"id": one.id, "name": one.name, "description": one.description, "broader": one.broader}
        for one in taxonomy.topics.values()
    ]
    words = [taxonomy.description, *(f"{one['id']} {one['name']} {one['description']}" for one in topics)]
    return Item(
        Kind.TAXONOMY,
        taxonomy.id,
        taxonomy.name,
        "\n".join(words),
        frozenset(),
        frozenset(f"{taxonomy.id}/{one['id']}" for one in topics),
        {"id": taxonomy.id, "name": taxonomy.name, "description": taxonomy.description, "topics": topics},
    )


def _asset(directory: Directory, asset: DataAsset) -> Item:
    detail = {
        "id": asset.id,
        "title": asset.title,
        "description": asset.description,
        "kind": asset.kind.value,
        "steward": asset.steward.agency.text,
        "publisher": asset.publisher.text,
        "contact": {"name": asset.contact.name, "email": asset.contact.email},
        "keywords": list(asset.keywords),
        "modified": time_text(asset.modified_ms),
        "access_level": asset.access_level,
        "rights": asset.rights,
        "topics": [f"{one.taxonomy}/{one.topic}" for one in asset.topics],
        "spatial": asset.spatial,
        "temporal": asset.temporal,
        "landing_page": asset.landing_page,
    }
    words = [
        asset.id,
        asset.description,
        " ".join(asset.keywords),
        asset.spatial or "",
        words_of_topics(directory, asset.topics),
    ]
    return Item(
        Kind.ASSET,
        asset.id,
        asset.title,
        "\n".join(words),
        frozenset({asset.steward.agency.text, asset.publisher.text}),
        topics_with_broader(directory, asset.topics),
        detail,
        access_level=asset.access_level,
        from_ms=asset.modified_ms,
        to_ms=asset.modified_ms,
    )


def _package(directory: Directory, package: Package) -> Item:
    agreements = [one for one in directory.agreements.values() if one.package == package.id]
    parties = {party.text for one in agreements for party in (one.supplier, *one.consumers)}
    detail = {
        "id": package.id.text,
        "name": package.name,
        "description": package.description,
        "steward": package.steward.text,
        "data_asset": package.data_asset,
        "types": list(package.types),
        "schema_ids": list(package.schema_ids),
        "classification": package.classification,
        "data_category": package.data_category,
        "access_level": package.access_level,
        "frequency": package.frequency,
        "delivery": package.delivery.value,
        "topics": [f"{one.taxonomy}/{one.topic}" for one in package.topics],
        "query_points": [
            {"address": one.address, "languages": list(one.languages)} for one in package.query_points
        ],
        "agreements": sorted(one.id for one in agreements),
    }
    words = [
        package.id.text,
        package.description,
        " ".join(package.types),
        package.data_asset,
        words_of_topics(directory, package.topics),
    ]
    return Item(
        Kind.PACKAGE,
        package.id.text,
        package.name,
        "\n".join(words),
        frozenset(parties | {package.steward.text}),
        topics_with_broader(directory, package.topics),
        detail,
        classification=package.classification,
        access_level=package.access_level,
    )


def _schema(directory: Directory, package: Package, schema: DocumentSchema) -> Item:
    """Return a schema, to be found by the names and the documentation of its fields."""
    fields = list(_fields(payload_of(schema) or schema.codec.definition))
    return Item(
        Kind.SCHEMA,
        f"{schema.subject}/{schema.version}",
        f"Schema of {package.name}, version {schema.version}",
        "\n".join([schema.subject, *(f"{one['field']} {one['doc']}" for one in fields)]),
        frozenset({package.steward.text}),
        topics_with_broader(directory, package.topics),
        {
            "id": schema.id,
            "uri": schema.uri,
            "subject": schema.subject,
            "version": schema.version,
            "hash": schema.codec.hash,
            "fields": fields,
        },
        classification=package.classification,
        access_level=package.access_level,
    )


def _fields(definition: Any) -> Iterator[dict[str, str]]:
    """Yield name and documentation of every field and named type of a schema."""
    for part in parts(definition):
        node = part.node
        if isinstance(node.get("name"), str):
            yield {"field": node["name"], "doc": str(node.get("doc", ""))}


def _agreement(directory: Directory, agreement: Agreement) -> Item:
    package = directory.packages[agreement.package.text]
    parties = (agreement.supplier, *agreement.consumers)
    detail = {
        "id": agreement.id,
        "name": agreement.name,
        "description": agreement.description,
        "package": agreement.package.text,
        "supplier": agreement.supplier.text,
        "consumers": [one.text for one in agreement.consumers],
        "purpose": agreement.purpose,
        "legal_authority": agreement.legal_authority,
        "valid_from": time_text(agreement.valid_from_ms),
        "valid_to": time_text(agreement.valid_to_ms),
        "review_due": None if agreement.review_due_ms is None else time_text(agreement.review_due_ms),
        "status": agreement.status.value,
        "mode": agreement.mode.value,
        "classification": agreement.classification,
        "data_categories": sorted(agreement.data_categories),
        "cui_categories": sorted(agreement.cui_categories),
        "topics": list(agreement.recipients),
    }
    names = [one.name for one in map(directory.agency, map(str, parties)) if one is not None]
    words = [
        agreement.id,
        agreement.description,
        agreement.purpose,
        agreement.legal_authority,
        agreement.package.text,
        *names,
    ]
    return Item(
        Kind.AGREEMENT,
        agreement.id,
        agreement.name or agreement.id,
        "\n".join(words),
        frozenset(one.text for one in parties),
        topics_with_broader(directory, package.topics),
        detail,
        classification=agreement.classification,
        access_level=package.access_level,
        from_ms=agreement.valid_from_ms,
        to_ms=agreement.valid_to_ms,
    )
