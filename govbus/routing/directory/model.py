"""The directory of one bus at one version: who takes part, by which certificates, and who may send what to whom.

A `Directory` is a value. The router decides by it, consumers and auditors verify by it, and every log entry names
its version. Lookups are single dictionary accesses, because every document makes several.

Its parts are the concepts of the FEA DRM 2.0: *Data Context* (taxonomies with topics, data assets with stewards) and
*Data Sharing* (exchange packages), and the exchange agreements of NIST SP 800-47 and SP 800-53 CA-3.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from govbus.document import topics
from govbus.document.encoding import time_text
from govbus.document.ids import AgencyId, PackageId
from govbus.errors import DirectoryError
from govbus.routing.codes import CodeLists
from govbus.routing.rules.rule import Profile
from govbus.routing.trust.policy import DEFAULT_POLICY, RevocationPolicy
from govbus.schemas.catalog import SchemaCatalog
from govbus.schemas.compatibility import Compatibility
from govbus.signing.certificates import TrustedCertificate
from govbus.signing.signature_policy import NO_POLICY, SignaturePolicy


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


class Impact(enum.IntEnum):
    """Potential impact of a loss, FIPS 199; greater is worse."""

    NA = 0
    """Not applicable: of public information, and of confidentiality alone."""
    LOW = 1
    MOD = 2
    HIGH = 3


@dataclass(frozen=True, slots=True)
class SecurityCategory:
    """A FIPS 199 triple: worst impact of a loss of confidentiality, integrity and availability."""

    c: Impact
    i: Impact
    a: Impact


class Sector(enum.StrEnum):
    """To whom an agency belongs, as far as dissemination of CUI asks (rule CUI-5)."""

    FEDERAL = "federal"
    """An agency of the executive branch of the United States."""
    CONTRACTOR = "contractor"
    """Works under contract for a federal agency."""
    OTHER = "other"
    """State, local, tribal, private or foreign."""


class TrafficMode(enum.StrEnum):
    """Whether an agreement carries the real thing or tests (rule TST-1)."""

    LIVE = "live"
    TEST = "test"


class AssetKind(enum.StrEnum):
    """What kind of container a data asset is (FEA DRM 2.0, section 6.3)."""

    DATABASE = "database"
    WEB_SITE = "web-site"
    DOCUMENT_REPOSITORY = "document-repository"
    DIRECTORY = "directory"
    DATA_SERVICE = "data-service"
    REGISTRY = "registry"


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
    """Identifier in other schemes, such as ``iso6523`` or ``us-omb`` (rule ID-1)."""
    sector: Sector = Sector.OTHER
    country: str | None = None
    """GENC 3-letter code of the country whose agency it is, such as ``USA``; None where nobody said."""
    lists: frozenset[str] = frozenset()
    """Names of the dissemination lists that it is on (CUI ``DL ONLY``)."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A category within a taxonomy (FEA DRM 2.0, section 6.3)."""

    id: str
    name: str
    description: str = ""
    broader: str | None = None
    """Id of the topic above it, None at the top."""


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """A controlled vocabulary of topics (FEA DRM 2.0, section 6.3)."""

    id: str
    name: str
    description: str
    topics: Mapping[str, Topic]
    """By id."""


class TopicReference(NamedTuple):
    """A topic of a taxonomy."""

    taxonomy: str
    topic: str


@dataclass(frozen=True, slots=True)
class Steward:
    """Who is responsible for a data asset (FEA DRM 2.0, section 6.3, *Data Steward*)."""

    agency: AgencyId
    contact: Contact
    department: str | None = None


@dataclass(frozen=True, slots=True)
class Restriction:
    """A restriction on access or use, in the terms of the NARA authority lists (36 CFR 1236.54(c)(2))."""

    status: str
    """Such as ``Unrestricted`` or ``Restricted - Fully``."""
    specific: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CuiMarking:
    """Banner and designation indicator of controlled unclassified information (32 CFR 2002.20)."""

    banner: str
    designation: str
    """Who designated it, such as ``Controlled by: Example Revenue Service``."""


@dataclass(frozen=True, slots=True)
class DataAsset:
    """A managed container for data (FEA DRM 2.0, section 6.3), with what DCAT-US asks of a dataset."""

    id: str
    """Such as ``civil-registry.example/persons``: the agency that holds it, and a name of its own."""
    title: str
    description: str
    kind: AssetKind
    steward: Steward
    publisher: AgencyId
    contact: Contact
    keywords: tuple[str, ...]
    modified_ms: int
    access_level: str
    """``public``, ``restricted public`` or ``non-public`` (DCAT-US 1.1 accessLevel)."""
    topics: tuple[TopicReference, ...] = ()
    is_geospatial: bool = False
    rights: str | None = None
    """1 to 255 characters; required unless the access level is public (rule DCAT-3)."""
    license: str | None = None
    """An absolute URI."""
    languages: tuple[str, ...] = ()
    """BCP 47 tags."""
    issued_ms: int | None = None
    frequency: str | None = None
    """ISO 8601 repeating interval such as ``R/P1D``, or ``irregular``."""
    spatial: str | None = None
    temporal: str | None = None
    landing_page: str | None = None
    bureau_codes: tuple[str, ...] = ()
    """OMB agency and bureau, ``NNN:NN`` (rule DCAT-2)."""
    program_codes: tuple[str, ...] = ()
    """Federal programme, ``NNN:NNN`` (rule DCAT-2)."""
    system_of_records: str | None = None
    """Absolute URI of the Privacy Act notice (SORN)."""
    access_restriction: Restriction | None = None
    use_restriction: Restriction | None = None
    cui: CuiMarking | None = None


@dataclass(frozen=True, slots=True)
class QueryPoint:
    """An address at which data can be asked for (FEA DRM 2.0, section 6.5)."""

    address: str
    """An absolute URI."""
    languages: tuple[str, ...]
    """Query languages, such as ``SQL-92`` or ``HTTP GET``."""
    name: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class RecordsSchedule:
    """One item of a records schedule (36 CFR 1236.54(c)(1)), in the terms of the machine-implementable GRS."""

    authority: str
    """Disposition authority, such as ``DAA-GRS-2017-0003-0002``."""
    retention_type: str
    """``Creation_age`` or ``Event_age``; ``Permanent`` where it is kept for good."""
    final_disposition: str
    """``Transfer`` or ``Destroy``."""
    years: int | None = None
    event_type: str | None = None


@dataclass(frozen=True, slots=True)
class NiemFormat:
    """The message format of the NIEM messages that a package's documents carry (NDR 6.0, section 11)."""

    syntax: str
    """``xml`` or ``json``."""
    place: str
    """Where the message stands in the payload, such as ``body.message``: bytes, a string, a
    ``govbus.core.Attachment``, or an array or map of these."""
    schemas: Mapping[str, bytes]
    """Files of the message format by name: XML Schema documents, or JSON Schemas."""
    main: str
    """The file among them that describes the message."""
    root: str | None = None
    """Message object: ``{namespace}LocalName`` in XML, ``prefix:Name`` in JSON; None where any is accepted."""
    context: Mapping[str, str] = field(default_factory=dict)
    """JSON-LD prefixes of the model, by prefix."""
    context_uri: str | None = None
    """Absolute URI by which a JSON message may name that context instead of embedding it (rule 13-4)."""
    media_type: str | None = None
    """Of the attachments at the place that are such messages, such as ``application/niem+xml``; None for all."""


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
    topics: tuple[TopicReference, ...] = ()
    query_points: tuple[QueryPoint, ...] = ()
    compatibility: Compatibility = Compatibility.FULL_TRANSITIVE
    """What a new version of the schema must keep (rule AVR-2)."""
    niem: tuple[NiemFormat, ...] = ()
    signatures: SignaturePolicy = NO_POLICY
    """Which signatures its documents must carry (rule SEC-10)."""


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
    name: str = ""
    description: str = ""
    mode: TrafficMode = TrafficMode.LIVE
    profiles: frozenset[Profile] = frozenset()
    """Rules switched on for this agreement besides those of the deployment."""
    classification: str = "restricted"
    """The highest that may pass: ``public``, ``internal``, ``confidential`` or ``restricted`` (rule SEC-8)."""
    impact: SecurityCategory = SecurityCategory(Impact.HIGH, Impact.HIGH, Impact.HIGH)
    """The highest that may pass, each objective by itself (CA-3; rule SEC-2)."""
    data_categories: frozenset[str] = frozenset({"non-pii", "non-sensitive-pii", "sensitive-pii", "phi"})
    """Values of ``ce_datacategory`` that authority and purpose cover (PT-2, PT-3; rule PRV-1)."""
    cui_categories: frozenset[str] = frozenset()
    """Category markings that may pass, such as ``PRVCY`` or ``SP-TAX``; none means no CUI (rule SEC-8)."""
    cui_dissemination: frozenset[str] = frozenset()
    """Limited dissemination controls that may stand in a banner, such as ``FED ONLY`` (rule SEC-8)."""
    system_of_records: str | None = None
    """Absolute URI of the Privacy Act notice (SORN), where there is one."""
    is_encryption_allowed: bool = False
    """Whether the payload may be encrypted end to end (AC-4(4); rule SEC-9)."""
    records_schedule: RecordsSchedule | None = None
    """For documents that name none themselves (rule REC-2)."""
    frequency: str | None = None
    """As in the package, where the agreement has one of its own (rule DRM-7)."""
    frequency_tolerance_percent: int = 50
    review_due_ms: int | None = None
    """When the parties look at it again (CA-3 c)."""
    signatures: SignaturePolicy = NO_POLICY
    """What the parties ask for besides the signatures that the package asks for (rule SEC-10)."""
    recipients: tuple[str, ...] = field(init=False)
    """Topics: the inboxes of the consumers, or the publication topic of the package; apart for tests."""

    def __post_init__(self) -> None:
        is_test = self.mode is TrafficMode.TEST
        if self.delivery is Delivery.PUBLISH:
            recipients: tuple[str, ...] = (topics.publication(self.package, is_test=is_test),)
        else:
            recipients = tuple(topics.inbox(consumer, is_test=is_test) for consumer in self.consumers)
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
    taxonomies: Mapping[str, Taxonomy] = field(default_factory=dict)
    assets: Mapping[str, DataAsset] = field(default_factory=dict)
    profiles: frozenset[Profile] = frozenset({Profile.CORE})
    """Rules switched on for the whole bus."""
    revocation: RevocationPolicy = DEFAULT_POLICY
    """Of which certificates the status must be known (rule SEC-11)."""
    codes: CodeLists = field(default_factory=CodeLists.shipped)
    places: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Where documents of one kind stand; kept by `govbus.routing.exchange_place` alone."""
    verdicts: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What the rules found about parts that many documents share; kept by `govbus.routing.rules.judge` alone."""

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

    def asset(self, id_text: str) -> DataAsset | None:
        """Return the data asset with this id, or None where it is not registered."""
        return self.assets.get(id_text)

    def topic(self, reference: TopicReference) -> Topic | None:
        """Return the topic of a registered taxonomy, or None where either is not registered."""
        taxonomy = self.taxonomies.get(reference.taxonomy)
        return None if taxonomy is None else taxonomy.topics.get(reference.topic)

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
