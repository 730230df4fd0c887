"""URIs of the things in a directory, as catalogues name them."""

from __future__ import annotations

from typing import Final

from govbus.document.ids import AgencyId
from govbus.routing.directory.model import TopicReference

_URI_CHARACTERS: Final = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/?#[]@!$&'()*+,;=%"
)
"""RFC 3986: unreserved, reserved, and the percent sign."""


def uri(text: str) -> str:
    """Return an IRI as a URI: everything outside RFC 3986 is percent-encoded in UTF-8 (RFC 3987, section 3.1)."""
    return "".join(
        one if one in _URI_CHARACTERS else "".join(f"%{octet:02X}" for octet in one.encode("utf-8"))
        for one in text
    )


def catalogue_uri(bus: AgencyId) -> str:
    """Return the URI of the bus's catalogue."""
    return f"https://{bus}/catalogue"


def agency_uri(agency: AgencyId) -> str:
    """Return the URI of an agency."""
    return f"https://{agency}"


def asset_uri(bus: AgencyId, asset_id: str) -> str:
    """Return the URI of a data asset."""
    return uri(f"https://{bus}/assets/{asset_id}")


def package_uri(bus: AgencyId, package_id: str) -> str:
    """Return the URI of an exchange package."""
    return uri(f"https://{bus}/packages/{package_id}")


def taxonomy_uri(bus: AgencyId, taxonomy_id: str) -> str:
    """Return the URI of a taxonomy."""
    return uri(f"https://{bus}/taxonomies/{taxonomy_id}")


def topic_uri(bus: AgencyId, reference: TopicReference) -> str:
    """Return the URI of a topic of a taxonomy."""
    return uri(f"{taxonomy_uri(bus, reference.taxonomy)}/{reference.topic}")


def kafka_uri(bus: AgencyId, topic: str, broker: str | None) -> str:
    """Return the address of a Kafka topic.

    Args:
        bus: stands for the broker where no broker is named, because catalogues outlive brokers.
        topic: such as ``govbus.pub.tax.rates``.
        broker: ``host:port``, or None.
    """
    return uri(f"kafka://{broker or bus}/{topic}")
