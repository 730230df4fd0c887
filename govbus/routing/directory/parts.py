"""The parts that entries of a directory are made of: contacts, schemas, topics, restrictions, markings."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from govbus.routing.directory.fields import (
    AgencyText,
    Cites,
    Email,
    FileName,
    LabelText,
    Matches,
    Model,
    Names,
    StartMoment,
    Title,
    Uri,
    text,
)
from govbus.routing.trust.path import CHAIN_CERTIFICATES_MAX
from govbus.routing.trust.policy import GRACE_HOURS_DEFAULT, GRACE_HOURS_MAX, RevocationMode
from govbus.signing.certificates import CertificateRole
from govbus.signing.signature_policy import SignatureMode

PemText = Annotated[str, StringConstraints(max_length=40_000)]
ImpactWord = Literal["LOW", "MOD", "HIGH"]
SignatureWord = Literal["required", "optional"]


class ContactPart(Model):
    """Whom to ask."""

    name: Title
    """Name of a person or an office."""
    email: Email
    """Where they are reached, such as desk@tax.example."""


class PartyPart(Model):
    """An agency in a role, and whom to ask there."""

    agency: AgencyText
    """Id of a registered agency."""
    contact: ContactPart
    """Whom to ask there."""


class StewardPart(PartyPart):
    """Who is responsible for a data asset (FEA DRM 2.0, Data Steward)."""

    department: Title | None = None
    """Part of the agency that does it."""


class CertificatePart(Model):
    """A certificate bound to an agency."""

    pem: PemText
    revoked: StartMoment | None = None
    """Signatures from this moment on are refused."""
    role: CertificateRole = CertificateRole.SEAL
    """What is signed with it: seal for the agency itself, officer for a person who answers for a document."""
    chain: Annotated[tuple[PemText, ...], Field(max_length=CHAIN_CERTIFICATES_MAX)] = ()
    """Certificates between it and an anchor of the bus, nearest first."""


class RevocationPart(Model):
    """Of which certificates the status must be known when a document is decided on (rule SEC-11)."""

    mode: RevocationMode = RevocationMode.DECLARED
    """Of none, of those that declare where it is to be had (CRL, OCSP), or of all (required)."""
    grace_hours: Annotated[int, Field(ge=0, le=GRACE_HOURS_MAX)] = GRACE_HOURS_DEFAULT
    """For how long after its time a status still serves; documents are then accepted with a warning."""


class SchemaPart(Model):
    """One version of a package's document schema."""

    id: Annotated[int, Field(ge=100, le=999_999_999)]
    version: Annotated[int, Field(ge=1, le=9999)]
    definition: dict[str, Any]
    """The whole document schema: shared metadata and payload."""


class SignaturesPart(Model):
    """Which signatures documents must carry (rule SEC-10)."""

    seal: Literal["required"] = "required"
    """The agency's own signature, which every document has."""
    officer: SignatureWord = "optional"
    """The signature of a person who answers for the document: by a certificate of role officer, over the statement."""
    twin: SignatureWord = "optional"
    """A second seal, by a certificate of an ML-DSA key, which a quantum computer does not break."""
    mode: SignatureMode = SignatureMode.ANY
    """What seal and twin are over: single for the statement, batch for a batch text, any for either."""


class TopicPart(Model):
    """A category within a taxonomy."""

    id: LabelText
    """Id within the taxonomy."""
    name: Title
    """Its name for people."""
    description: Annotated[str, StringConstraints(max_length=10_000)] = ""
    """What belongs under it."""
    broader: LabelText | None = None
    """Id of the topic above it; none at the top."""


class TopicReferencePart(Model):
    """A topic of a registered taxonomy."""

    taxonomy: LabelText
    """Id of the taxonomy."""
    topic: LabelText
    """Id of the topic in it."""


class RestrictionPart(Model):
    """A restriction on access or use (36 CFR 1236.54(c)(2))."""

    status: Title
    """Status from the list of NARA, such as Unrestricted or Restricted - Fully."""
    specific: tuple[Title, ...] = ()
    """The specific restrictions; at least one where the status is a restricted one."""


class CuiMarkingPart(Model):
    """Marking of controlled unclassified information (32 CFR 2002.20)."""

    banner: Title
    """Banner marking, such as CUI//SP-TAX."""
    designation: Annotated[str, StringConstraints(max_length=1_000)] = ""
    """Who designated it, such as: Controlled by: Example Revenue Service."""


class QueryPointPart(Model):
    """An address at which data can be asked for (FEA DRM 2.0, section 6.5)."""

    address: Title
    """An absolute URI (rule DRM-8)."""
    languages: tuple[Title, ...] = ()
    """Query languages, such as SQL-92 or HTTP GET; at least one (rule DRM-8)."""
    name: Annotated[str, StringConstraints(max_length=255)] = ""
    """Its name for people."""
    description: Annotated[str, StringConstraints(max_length=10_000)] = ""
    """What can be asked there."""


class NiemFormatFields(Model):
    """The message format of the NIEM messages that a package's documents carry, without its files."""

    syntax: Literal["xml", "json"]
    """What the messages are written in."""
    place: Annotated[
        str, text(200), Matches(r"body(\.[A-Za-z_][A-Za-z0-9_]*)+", "a path such as body.message")
    ]
    """Where the message stands: a field of bytes, string or govbus.core.Attachment, or several of them."""
    main: FileName
    """The file among `files` that describes the message."""
    root: Title | None = None
    """Message object: {namespace}LocalName in XML, prefix:Name in JSON; left out where any is accepted."""
    context: Annotated[dict[Title, Title], Field(default_factory=dict)]
    """JSON-LD prefixes of the model, and the namespace that each stands for."""
    context_uri: Uri | None = None
    """Absolute URI by which a JSON message may name that context instead of embedding it (rule 13-4)."""
    media_type: Title | None = None
    """Of the attachments at the place that are such messages, such as application/niem+xml; left out for all."""


class NiemFormatPart(NiemFormatFields):
    """The message format of the NIEM messages that a package's documents carry (NDR 6.0, section 11)."""

    schemas: Annotated[dict[FileName, str], Field(min_length=1, max_length=500)]
    """Content of the format's files by name."""


class ImpactPart(Model):
    """A FIPS 199 triple: worst impact of a loss."""

    c: Annotated[Literal["NA", "LOW", "MOD", "HIGH"], Cites("SEC-1")]
    """Of confidentiality; NA (not applicable) for public information."""
    i: Annotated[ImpactWord, Cites("SEC-1")]
    """Of integrity."""
    a: Annotated[ImpactWord, Cites("SEC-1")]
    """Of availability."""


class CuiPart(Model):
    """Which controlled unclassified information may pass (32 CFR 2002.16 and 2002.20)."""

    categories: Names = ()
    """Category markings, such as PRVCY or SP-TAX; none means no CUI."""
    dissemination: Names = ()
    """Limited dissemination controls that may stand in a banner, such as FED ONLY."""


class RecordsSchedulePart(Model):
    """One item of a records schedule (36 CFR 1236.54(c)(1))."""

    authority: Title
    """Disposition authority, such as DAA-GRS-2017-0003-0002."""
    retention_type: Title
    """Creation_age or Event_age; Permanent where it is kept for good."""
    final_disposition: Title
    """Transfer or Destroy."""
    years: Annotated[int, Field(ge=0, le=1_000)] | None = None
    """Years to keep the record."""
    event_type: Title | None = None
    """What starts the period, such as final action."""


class EditionPart(Model):
    """One edition of a code list; `govbus.routing.codes.files` says what must be so in it."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)

    from_: Annotated[StartMoment, Field(alias="from")]
    """In force from this moment; the first edition is also in force before it."""
    source: str
    """Whose list it is, and where it stands."""
    source_date: str
    """Day on which the source says so."""
    codes: dict[str, dict[str, Any]]
    """What is known of each code, by code; at least its name."""
