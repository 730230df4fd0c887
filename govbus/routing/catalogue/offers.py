"""How the data of an asset can be had: query points, and publication topics that everybody may read.

Both DCAT-US catalogues are made from this, and both refuse a data asset that the DCAT-US rules refuse: a catalogue
that says less than the standard asks for is not one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from govbus.document import topics
from govbus.document.finding import Severity
from govbus.errors import DirectoryError
from govbus.routing.catalogue.addresses import kafka_uri
from govbus.routing.directory.model import DataAsset, Delivery, Directory, Package
from govbus.routing.rules.catalogue import finding_of
from govbus.routing.rules.dcat import asset_breaches
from govbus.schemas.catalog import DocumentSchema

AVRO_MEDIA_TYPE = "application/avro"
SCHEMA_MEDIA_TYPE = "application/json"
"""An Avro schema is a JSON text."""


class Offer(NamedTuple):
    """One way to get the data of an asset."""

    package: Package
    title: str
    description: str
    address: str
    """An absolute URI."""
    languages: tuple[str, ...]
    """Query languages; none where it is a topic of the bus."""
    schema: DocumentSchema | None
    """Of what is delivered on a topic of the bus."""


def packages_of(directory: Directory, asset: DataAsset) -> tuple[Package, ...]:
    """Return the packages whose documents are from a data asset, by id."""
    return tuple(one for _, one in sorted(directory.packages.items()) if one.data_asset == asset.id)


def newest_schema(directory: Directory, package: Package) -> DocumentSchema | None:
    """Return the last version of a package's document schema, None where it has none."""
    found = [directory.schemas.by_id(number) for number in package.schema_ids]
    return max((one for one in found if one is not None), key=lambda one: one.version, default=None)


def is_open(package: Package) -> bool:
    """Return whether everybody may read the package's publication topic."""
    return package.delivery is Delivery.PUBLISH and package.access_level == "public"


def offers_of(directory: Directory, package: Package, broker: str | None) -> Iterator[Offer]:
    """Yield the ways to get what a package carries: its query points, and its topic where everybody may read it."""
    for point in package.query_points:
        yield Offer(
            package,
            point.name or package.name,
            point.description or package.description,
            point.address,
            point.languages,
            None,
        )
    if is_open(package):
        address = kafka_uri(directory.bus, topics.publication(package.id), broker)
        schema = newest_schema(directory, package)
        yield Offer(package, package.name, package.description, address, (), schema)


def require_describable(directory: Directory) -> None:
    """Check every data asset by the DCAT-US rules, whether or not the bus has their profile switched on.

    Raises:
        DirectoryError: naming the first thing that the standard asks for and an asset lacks, and how many more.
    """
    found = [
        f"asset/{asset.id}: {finding.field}: {finding.detail} ({finding.rule})"
        for _, asset in sorted(directory.assets.items())
        for finding in map(
            finding_of,
            asset_breaches(
                asset, directory.agency(asset.publisher.text), directory.codes, directory.issued_ms
            ),
        )
        if finding.severity is Severity.REFUSE
    ]
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise DirectoryError(
            f"{found[0]}{more}", remedy="mend the asset in the directory; DCAT-US cannot describe it as it is"
        )
