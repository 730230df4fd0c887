"""The directory of one bus at one version: who takes part, by which certificates, and who may send what to whom.

A `Directory` is a value. The router decides by it, consumers and auditors verify by it, and every log entry names
its version. Lookups are single dictionary accesses, because every document makes several.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from govbus.document import topics
from govbus.document.encoding import time_text
from govbus.document.ids import AgencyId, PackageId
from govbus.errors import DirectoryError
from govbus.schemas.catalog import SchemaCatalog
from govbus.signing.certificates import TrustedCertificate


class Delivery(enum.StrEnum):
    """How a package's documents reach their consumers."""

    INBOX = "inbox"
    """A copy in every consumer's inbox."""
    PUBLISH = "publish"
    """One copy on the package's publication topic."""


class AgreementStatus(enum.StrEnum):
    """Whether documents may flow under an agreement."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class Contact:
    """Whom to ask (FEA DRM, *Primary Contact*)."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Agency:
    """A participating organisation."""

    id: AgencyId
    name: str
    external_ids: Mapping[str, str] = field(default_factory=dict)
    """Identifier in other schemes, such as ``iso6523`` or ``omb``."""


@dataclass(frozen=True, slots=True)
class Package:
    """An exchange package: the description of one recurring exchange (FEA DRM, *Data Sharing*)."""

    id: PackageId
    name: str
    description: str
    steward: AgencyId
    steward_contact: Contact
    data_asset: str
    """Id of the data asset that the documents are from."""
    types: tuple[str, ...]
    """Values of ``ce_type``."""
    schema_ids: tuple[int, ...]
    """Frame ids of all versions of its document schema."""
    classification: str
    data_category: str
    access_level: str
    frequency: str
    """ISO 8601 repeating interval such as ``R/P1D``, or ``irregular``."""
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Agreement:
    """An exchange agreement: the permission to exchange one package (NIST SP 800-47, SP 800-53 CA-3)."""

    id: str
    package: PackageId
    supplier: AgencyId
    consumers: tuple[AgencyId, ...]
    delivery: Delivery
    purpose: str
    legal_authority: str
    valid_from_ms: int
    valid_to_ms: int
    """Last moment of validity, milliseconds since 1970."""
    status: AgreementStatus
    contacts: Mapping[AgencyId, Contact] = field(default_factory=dict)
    recipients: tuple[str, ...] = field(init=False)
    """Topics: the inboxes of the consumers, or the publication topic of the package."""

    def __post_init__(self) -> None:
        if self.delivery is Delivery.PUBLISH:
            recipients: tuple[str, ...] = (topics.publication(self.package),)
        else:
            recipients = tuple(map(topics.inbox, self.consumers))
        object.__setattr__(self, "recipients", recipients)


@dataclass(frozen=True, slots=True)
class Directory:
    """One version of the directory; it is the trust store of every verifier."""

    version: int
    """From 1, without gaps."""
    bus: AgencyId
    """The bus is an agency too: its certificates sign receipts."""
    name: str
    authority: str
    """Name of the governing authority, which signs the directory."""
    issued_ms: int
    expires_ms: int
    agencies: Mapping[str, Agency]
    certificates: Mapping[str, TrustedCertificate]
    """By thumbprint."""
    packages: Mapping[str, Package]
    agreements: Mapping[str, Agreement]
    schemas: SchemaCatalog

    def agency(self, text: str) -> Agency | None:
        """Return the agency with this id, or None where it is not registered."""
        return self.agencies.get(text)

    def certificate(self, thumbprint: str) -> TrustedCertificate | None:
        """Return the trusted certificate with this ``x5t#S256``, or None where there is none."""
        return self.certificates.get(thumbprint)

    def agreement(self, id_text: str) -> Agreement | None:
        """Return the agreement with this id, or None where it is not registered."""
        return self.agreements.get(id_text)

    def package(self, id_text: str) -> Package | None:
        """Return the package with this id, or None where it is not registered."""
        return self.packages.get(id_text)

    def agreements_of(self, agency: AgencyId) -> tuple[Agreement, ...]:
        """Return the agreements in which the agency is supplier or consumer, by id."""
        return tuple(
            agreement
            for _, agreement in sorted(self.agreements.items())
            if agency == agreement.supplier or agency in agreement.consumers
        )

    def require_current(self, at_ms: int) -> None:
        """Check that this version has not expired.

        Raises:
            DirectoryError: if it has: nobody has vouched for it since, so a reader may have been cut off.
        """
        if at_ms > self.expires_ms:
            raise DirectoryError(
                f"version {self.version} of the directory expired on {time_text(self.expires_ms)}",
                remedy="the governing authority publishes a new one with: govbus directory apply",
            )
