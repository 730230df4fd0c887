"""The parts of a directory as they are signed and published: one JSON object each, complete in itself.

Certificates, schemas and message formats stand inside the entry, so that whoever holds the entries of a version needs
nothing else to verify documents of that time (``docs/specs/directory.md``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints, ValidationError

from govbus.routing.codes.files import problems_in as code_list_problems
from govbus.routing.directory.fields import (
    UNIQUE,
    AgencyText,
    AssetFrequency,
    AssetText,
    AssetTimeSpan,
    AssetUri,
    Cites,
    Country,
    DocumentType,
    EndMoment,
    Frequency,
    LabelText,
    LanguageTag,
    Model,
    Names,
    Prose,
    StartMoment,
    Title,
    Uri,
)
from govbus.routing.directory.model import AgreementStatus, AssetKind, Delivery, Sector, TrafficMode
from govbus.routing.directory.parts import (
    CertificatePart,
    ContactPart,
    CuiMarkingPart,
    CuiPart,
    EditionPart,
    ImpactPart,
    NiemFormatPart,
    PartyPart,
    PemText,
    QueryPointPart,
    RecordsSchedulePart,
    RestrictionPart,
    RevocationPart,
    SchemaPart,
    SignaturesPart,
    StewardPart,
    TopicPart,
    TopicReferencePart,
)
from govbus.routing.directory.problems import FOUND_CHARACTERS_MAX, in_few_words, problems_of
from govbus.routing.rules.rule import Profile
from govbus.schemas.canonical import canonical_json
from govbus.schemas.compatibility import Compatibility

TOPICS_MAX = 5_000

Classification = Literal["public", "internal", "confidential", "restricted"]
DataCategory = Literal["non-pii", "non-sensitive-pii", "sensitive-pii", "phi"]
AccessLevel = Literal["public", "restricted public", "non-public"]
Profiles = Annotated[tuple[Profile, ...], UNIQUE]


class BusFields(Model):
    """The bus itself, without its certificates."""

    id: AgencyText
    """Id of the bus, which is an agency too."""
    name: Title
    """Its name for people."""
    authority: Title
    """Name of the governing authority, which signs the directory."""
    profiles: Profiles = (Profile.CORE,)
    """Rules that are switched on for the whole bus; core always is."""
    revocation: Annotated[RevocationPart | None, Cites("SEC-11")] = None
    """Of which certificates the status must be known; of those that declare where it is to be had, unless given."""


class BusEntry(BusFields):
    """The bus itself."""

    anchors: Annotated[tuple[PemText, ...], Field(min_length=1, max_length=50)]
    """PEM certificates of the authorities whose certificates agencies may use."""


class AgencyFields(Model):
    """An agency, without its certificates."""

    id: AgencyText
    """Its id on the bus, such as tax.example."""
    name: Title
    """Its name for people."""
    external_ids: Annotated[dict[LabelText, Title], Field(default_factory=dict), Cites("ID-1")]
    """Identifiers in other schemes, such as iso6523 or us-omb (rule ID-1)."""
    sector: Sector = Sector.OTHER
    """To whom it belongs, as far as the dissemination of CUI asks (rule CUI-5)."""
    country: Country | None = None
    """GENC code of the country whose agency it is, such as USA."""
    lists: Names = ()
    """Names of the dissemination lists that it is on (CUI control DL ONLY)."""


class AgencyEntry(AgencyFields):
    """A participating organisation."""

    certificates: Annotated[tuple[CertificatePart, ...], Field(max_length=200)] = ()


class TaxonomyEntry(Model):
    """A controlled vocabulary of topics (FEA DRM 2.0, section 6.3)."""

    id: LabelText
    """Its id on the bus."""
    name: Title
    """Its name for people."""
    description: Prose
    """What it sorts, and who keeps it."""
    topics: Annotated[tuple[TopicPart, ...], Field(min_length=1, max_length=TOPICS_MAX)]
    """Its topics; each id once."""


class AssetEntry(Model):
    """A data asset: a managed container for data (FEA DRM 2.0, section 6.3), described as DCAT-US asks of a dataset."""

    id: Annotated[AssetText, Cites("DCAT-4")]
    """<agency id>/<name>, such as tax.example/assessments."""
    title: Annotated[Title, Cites("DCAT-1")]
    """Its name for people."""
    description: Annotated[Prose, Cites("DCAT-1")]
    """What is in it."""
    kind: AssetKind
    """What kind of container it is."""
    geospatial: bool = False
    """Whether its data have a place on earth (FEA DRM, Geospatial Enablement)."""
    steward: Annotated[StewardPart, Cites("DRM-6")]
    """The agency that is responsible for it, and whom to ask there."""
    publisher: AgencyText | None = None
    """Id of the agency that makes it available; the steward's unless given. Rule DCAT-1 asks for it."""
    contact: ContactPart | None = None
    """Whom the public asks; the steward's contact unless given. Rule DCAT-1 asks for it."""
    keywords: Annotated[tuple[Title, ...], Field(max_length=1_000)] = ()
    """Words that people search by. Rule DCAT-1 asks for one at least."""
    modified: Annotated[StartMoment, Cites("DCAT-1")]
    """When its content was last changed."""
    access_level: Annotated[AccessLevel, Cites("DCAT-1")]
    """Who may have it (DCAT-US 1.1 accessLevel)."""
    topics: Annotated[tuple[TopicReferencePart, ...], Field(max_length=100)] = ()
    """What it is about."""
    rights: Annotated[str, StringConstraints(max_length=2_000)] | None = None
    """Terms of access, at most 255 characters; required unless the access level is public (rule DCAT-3)."""
    license: AssetUri | None = None
    """Absolute URI of the licence."""
    languages: Annotated[tuple[LanguageTag, ...], Field(max_length=100)] = ()
    """BCP 47 tags of the languages it is in."""
    issued: StartMoment | None = None
    """When it was first released."""
    frequency: AssetFrequency | None = None
    """How often it changes: an ISO 8601 repeating interval, or irregular."""
    spatial: Title | None = None
    """Place that it covers."""
    temporal: AssetTimeSpan | None = None
    """Time that it covers."""
    landing_page: AssetUri | None = None
    """Page for people."""
    bureau_codes: Annotated[tuple[Title, ...], Field(max_length=100)] = ()
    """OMB agency and bureau, NNN:NN (rule DCAT-2)."""
    program_codes: Annotated[tuple[Title, ...], Field(max_length=100)] = ()
    """Federal programme, NNN:NNN (rule DCAT-2)."""
    system_of_records: AssetUri | None = None
    """Absolute URI of the Privacy Act notice (SORN)."""
    access_restriction: RestrictionPart | None = None
    """Whether and why access is restricted (rule DCAT-5)."""
    use_restriction: RestrictionPart | None = None
    """Whether and why use is restricted (rule DCAT-5)."""
    cui: CuiMarkingPart | None = None
    """Marking, where it holds controlled unclassified information (rule DCAT-5)."""


class PackageFields(Model):
    """An exchange package, without its schemas (FEA DRM 2.0, section 6.5)."""

    id: Annotated[LabelText, Cites("DRM-3")]
    """Its id on the bus, such as tax.assessment."""
    name: Annotated[Title, Cites("DRM-3")]
    """Its name for people."""
    description: Annotated[Prose, Cites("DRM-3")]
    """What is exchanged, and when a document is sent."""
    steward: Annotated[PartyPart, Cites("DRM-3")]
    """The agency that is responsible for the description, and whom to ask there."""
    data_asset: Annotated[AssetText, Cites("DRM-6")]
    """Id of the data asset that the documents are from."""
    types: Annotated[tuple[DocumentType, ...], Field(min_length=1, max_length=50), Cites("DRM-3")]
    """Values of ce_type."""
    classification: Annotated[Classification, Cites("DRM-3")]
    """Of its documents, in general."""
    data_category: Annotated[DataCategory, Cites("PRV-1")]
    """What kind of personal data its documents have."""
    access_level: AccessLevel
    """Who may have its documents (DCAT-US 1.1 accessLevel)."""
    frequency: Annotated[Frequency, Cites("DRM-3")]
    """How often a document is sent: an ISO 8601 repeating interval such as R/P1D, or irregular."""
    delivery: Delivery
    """A copy in every consumer's inbox, or one copy on a publication topic."""
    topics: Annotated[tuple[TopicReferencePart, ...], Field(max_length=100)] = ()
    """What it is about."""
    query_points: Annotated[tuple[QueryPointPart, ...], Field(max_length=50)] = ()
    """Where the same data can be asked for."""
    compatibility: Annotated[Compatibility, Cites("AVR-2")] = Compatibility.FULL_TRANSITIVE
    """What a new version of the schema must keep (rule AVR-2)."""
    signatures: Annotated[SignaturesPart | None, Cites("SEC-10")] = None
    """Which signatures its documents must carry; the agency's seal alone unless given."""


class PackageEntry(PackageFields):
    """An exchange package."""

    schemas: Annotated[tuple[SchemaPart, ...], Field(min_length=1, max_length=50)]
    niem: Annotated[tuple[NiemFormatPart, ...], Field(max_length=20)] = ()


class AgreementEntry(Model):
    """An exchange agreement: the permission to exchange one package (NIST SP 800-47, SP 800-53 CA-3)."""

    id: Annotated[LabelText, Cites("DRM-3")]
    """Its id on the bus; documents name it."""
    name: Annotated[Title, Cites("DRM-3")]
    """Its name for people."""
    description: Annotated[Prose, Cites("DRM-3")]
    """What the parties have agreed on."""
    package: LabelText
    """Id of the package that is exchanged."""
    mode: TrafficMode = TrafficMode.LIVE
    """Whether the real thing is exchanged, or tests (rule TST-1)."""
    supplier: Annotated[PartyPart, Cites("DRM-3")]
    """The agency that sends, and whom to ask there."""
    consumers: Annotated[tuple[PartyPart, ...], Field(min_length=1, max_length=500), Cites("DRM-3")]
    """The agencies that receive, and whom to ask there."""
    purpose: Annotated[Prose, Cites("DRM-3")]
    """What the data are for (CA-3; PT-3)."""
    legal_authority: Annotated[Prose, Cites("DRM-3")]
    """Act and section that permit it (CA-3; PT-2)."""
    valid_from: Annotated[StartMoment, Cites("DRM-3")]
    """First day or moment."""
    valid_to: Annotated[EndMoment, Cites("DRM-3")]
    """Last day or moment."""
    review_due: Annotated[EndMoment, Cites("DRM-3")]
    """When the parties look at it again (CA-3 c)."""
    status: AgreementStatus
    """Whether documents may flow."""
    profiles: Profiles = ()
    """Rules that are switched on besides those of the bus."""
    classification: Annotated[Classification, Cites("DRM-3")]
    """The highest classification that may pass (rule SEC-8)."""
    impact: Annotated[ImpactPart, Cites("DRM-3")]
    """The highest impact that may pass, each objective by itself (CA-3 b; rule SEC-2)."""
    data_categories: Annotated[tuple[DataCategory, ...], Field(min_length=1), UNIQUE, Cites("DRM-3")]
    """Kinds of personal data that authority and purpose cover (PT-2, PT-3; rule PRV-1)."""
    cui: CuiPart = CuiPart()
    """Which controlled unclassified information may pass (rule SEC-8)."""
    system_of_records: Uri | None = None
    """Absolute URI of the Privacy Act notice (SORN), where there is one."""
    encryption: bool = False
    """Whether the payload may be encrypted end to end (AC-4(4); rule SEC-9)."""
    records_schedule: RecordsSchedulePart | None = None
    """For documents that name none themselves (rule REC-2)."""
    frequency: Frequency | None = None
    """As in the package, where the agreement has one of its own (rule DRM-7)."""
    frequency_tolerance_percent: Annotated[int, Field(ge=0, le=1_000)] = 50
    """How much later than the frequency says a document may come, in percent of the interval (rule DRM-7)."""
    signatures: Annotated[SignaturesPart | None, Cites("SEC-10")] = None
    """Which signatures documents must carry besides those that the package asks for."""


class CodesEntry(Model):
    """A code list of this bus: it replaces the one that comes with govbus under the same id."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)

    id: Annotated[LabelText, Field(alias="list")]
    """Id of the list, such as cui-categories."""
    title: Title
    """What it lists."""
    editions: Annotated[tuple[EditionPart, ...], Field(min_length=1, max_length=100)]
    """In the order in which they came into force."""


Entry = BusEntry | AgencyEntry | TaxonomyEntry | AssetEntry | PackageEntry | AgreementEntry | CodesEntry
KINDS: dict[str, type[Entry]] = {
    "bus": BusEntry,
    "agency": AgencyEntry,
    "taxonomy": TaxonomyEntry,
    "asset": AssetEntry,
    "package": PackageEntry,
    "agreement": AgreementEntry,
    "codes": CodesEntry,
}
_KIND_OF: dict[type[Any], str] = {model: kind for kind, model in KINDS.items()}


def kind_of(entry: Entry) -> str:
    """Return the kind of an entry, such as ``agency``."""
    return _KIND_OF[type(entry)]


def place_of(entry: Entry) -> str:
    """Return ``<kind>/<id>``, unique in a directory; an asset's id has a slash of its own."""
    return f"{kind_of(entry)}/{entry.id}"


def entry_json(entry: Entry) -> bytes:
    """Return the bytes of an entry as published: RFC 8785 JSON without fields that are null."""
    return canonical_json(entry.model_dump(mode="json", exclude_none=True))


def entry_from_json(kind: str, octets: bytes) -> Entry:
    """Read a published entry.

    Raises:
        ValueError: if it is no entry of that kind; the text says what is wrong.
    """
    model = KINDS.get(kind)
    if model is None:
        raise ValueError(f"expected one of {', '.join(KINDS)}, found {kind[:FOUND_CHARACTERS_MAX]!r}")
    try:
        value = json.loads(octets)
        if model is CodesEntry and (found := code_list_problems(value)):
            raise ValueError(in_few_words(found))
        return model.model_validate(value)
    except ValidationError as err:
        raise ValueError(in_few_words(problems_of(err, "", model))) from err
    except RecursionError as err:
        raise ValueError("nested too deep") from err


@dataclass(frozen=True, slots=True)
class DirectoryContent:
    """Everything that a version of the directory says, not yet checked against each other."""

    bus: BusEntry
    agencies: tuple[AgencyEntry, ...] = ()
    packages: tuple[PackageEntry, ...] = ()
    agreements: tuple[AgreementEntry, ...] = ()
    taxonomies: tuple[TaxonomyEntry, ...] = ()
    assets: tuple[AssetEntry, ...] = ()
    codes: tuple[CodesEntry, ...] = ()

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> DirectoryContent:
        """Sort entries into their kinds.

        Raises:
            ValueError: if there is not exactly one bus entry.
        """
        kinds: dict[type[Any], list[Any]] = {model: [] for model in KINDS.values()}
        for entry in entries:
            kinds[type(entry)].append(entry)
        if len(kinds[BusEntry]) != 1:
            raise ValueError(f"expected one bus entry, found {len(kinds[BusEntry])}")
        return cls(
            bus=kinds[BusEntry][0],
            agencies=tuple(kinds[AgencyEntry]),
            packages=tuple(kinds[PackageEntry]),
            agreements=tuple(kinds[AgreementEntry]),
            taxonomies=tuple(kinds[TaxonomyEntry]),
            assets=tuple(kinds[AssetEntry]),
            codes=tuple(kinds[CodesEntry]),
        )

    def entries(self) -> tuple[Entry, ...]:
        """Return every entry, the bus first, each kind before those that name it."""
        return (
            self.bus,
            *self.agencies,
            *self.codes,
            *self.taxonomies,
            *self.assets,
            *self.packages,
            *self.agreements,
        )
