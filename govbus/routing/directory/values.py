"""Turns entries of a directory into the values that the router decides by."""

from __future__ import annotations

from govbus.document.ids import AgencyId, PackageId
from govbus.routing.codes import CodeList
from govbus.routing.codes.lists import code_list_of
from govbus.routing.directory.entries import (
    AgencyEntry,
    AgreementEntry,
    AssetEntry,
    BusEntry,
    CodesEntry,
    PackageEntry,
    TaxonomyEntry,
)
from govbus.routing.directory.model import (
    Agency,
    Agreement,
    Contact,
    CuiMarking,
    DataAsset,
    Delivery,
    Impact,
    NiemFormat,
    Package,
    QueryPoint,
    RecordsSchedule,
    Restriction,
    SecurityCategory,
    Steward,
    Taxonomy,
    Topic,
    TopicReference,
)
from govbus.routing.directory.parts import (
    ContactPart,
    ImpactPart,
    NiemFormatPart,
    QueryPointPart,
    RecordsSchedulePart,
    RestrictionPart,
    SignaturesPart,
    TopicReferencePart,
)
from govbus.routing.trust.policy import DEFAULT_POLICY, RevocationPolicy
from govbus.signing.signature_policy import NO_POLICY, SignaturePolicy


def revocation_policy_of(entry: BusEntry) -> RevocationPolicy:
    """Return what a bus asks of the status of certificates."""
    part = entry.revocation
    return DEFAULT_POLICY if part is None else RevocationPolicy(part.mode, part.grace_hours)


def agency_of(entry: AgencyEntry) -> Agency:
    """Return the agency of an entry."""
    return Agency(
        AgencyId(entry.id),
        entry.name,
        dict(entry.external_ids),
        entry.sector,
        entry.country,
        frozenset(entry.lists),
    )


def taxonomy_of(entry: TaxonomyEntry) -> Taxonomy:
    """Return the taxonomy of an entry."""
    topics = {one.id: Topic(one.id, one.name, one.description, one.broader) for one in entry.topics}
    return Taxonomy(entry.id, entry.name, entry.description, topics)


def asset_of(entry: AssetEntry) -> DataAsset:
    """Return the data asset of an entry; who publishes it and whom to ask is the steward unless it says otherwise."""
    steward = entry.steward
    contact = _contact(steward.contact)
    return DataAsset(
        id=entry.id,
        title=entry.title,
        description=entry.description,
        kind=entry.kind,
        steward=Steward(AgencyId(steward.agency), contact, steward.department),
        publisher=AgencyId(entry.publisher or steward.agency),
        contact=contact if entry.contact is None else _contact(entry.contact),
        keywords=entry.keywords,
        modified_ms=entry.modified,
        access_level=entry.access_level,
        topics=_topics(entry.topics),
        is_geospatial=entry.geospatial,
        rights=entry.rights,
        license=entry.license,
        languages=entry.languages,
        issued_ms=entry.issued,
        frequency=entry.frequency,
        spatial=entry.spatial,
        temporal=entry.temporal,
        landing_page=entry.landing_page,
        bureau_codes=entry.bureau_codes,
        program_codes=entry.program_codes,
        system_of_records=entry.system_of_records,
        access_restriction=_restriction(entry.access_restriction),
        use_restriction=_restriction(entry.use_restriction),
        cui=None if entry.cui is None else CuiMarking(entry.cui.banner, entry.cui.designation),
    )


def package_of(entry: PackageEntry) -> Package:
    """Return the exchange package of an entry."""
    return Package(
        id=PackageId(entry.id),
        name=entry.name,
        description=entry.description,
        steward=AgencyId(entry.steward.agency),
        steward_contact=_contact(entry.steward.contact),
        data_asset=entry.data_asset,
        types=entry.types,
        schema_ids=tuple(part.id for part in entry.schemas),
        classification=entry.classification,
        data_category=entry.data_category,
        access_level=entry.access_level,
        frequency=entry.frequency,
        delivery=entry.delivery,
        topics=_topics(entry.topics),
        query_points=tuple(map(_query_point, entry.query_points)),
        compatibility=entry.compatibility,
        niem=tuple(map(_niem_format, entry.niem)),
        signatures=signatures_of(entry.signatures),
    )


def signatures_of(part: SignaturesPart | None) -> SignaturePolicy:
    """Return which signatures are required besides the seal, which always is."""
    if part is None:
        return NO_POLICY
    return SignaturePolicy(part.officer == "required", part.twin == "required", part.mode)


def agreement_of(entry: AgreementEntry, delivery: Delivery) -> Agreement:
    """Return the exchange agreement of an entry.

    Args:
        entry: of the agreement.
        delivery: of its package.
    """
    parties = (entry.supplier, *entry.consumers)
    return Agreement(
        id=entry.id,
        package=PackageId(entry.package),
        supplier=AgencyId(entry.supplier.agency),
        consumers=tuple(AgencyId(party.agency) for party in entry.consumers),
        delivery=delivery,
        purpose=entry.purpose,
        legal_authority=entry.legal_authority,
        valid_from_ms=entry.valid_from,
        valid_to_ms=entry.valid_to,
        status=entry.status,
        contacts={AgencyId(party.agency): _contact(party.contact) for party in parties},
        name=entry.name,
        description=entry.description,
        mode=entry.mode,
        profiles=frozenset(entry.profiles),
        classification=entry.classification,
        impact=_impact(entry.impact),
        data_categories=frozenset(entry.data_categories),
        cui_categories=frozenset(entry.cui.categories),
        cui_dissemination=frozenset(entry.cui.dissemination),
        system_of_records=entry.system_of_records,
        is_encryption_allowed=entry.encryption,
        records_schedule=_schedule(entry.records_schedule),
        frequency=entry.frequency,
        frequency_tolerance_percent=entry.frequency_tolerance_percent,
        review_due_ms=entry.review_due,
        signatures=signatures_of(entry.signatures),
    )


def code_list_of_entry(entry: CodesEntry) -> CodeList:
    """Return the code list of an entry."""
    return code_list_of(entry.model_dump(mode="json"))


def _contact(part: ContactPart) -> Contact:
    return Contact(part.name, part.email)


def _topics(parts: tuple[TopicReferencePart, ...]) -> tuple[TopicReference, ...]:
    return tuple(TopicReference(part.taxonomy, part.topic) for part in parts)


def _restriction(part: RestrictionPart | None) -> Restriction | None:
    return None if part is None else Restriction(part.status, part.specific)


def _query_point(part: QueryPointPart) -> QueryPoint:
    return QueryPoint(part.address, part.languages, part.name, part.description)


def _niem_format(part: NiemFormatPart) -> NiemFormat:
    return NiemFormat(
        syntax=part.syntax,
        place=part.place,
        schemas={name: content.encode("utf-8") for name, content in part.schemas.items()},
        main=part.main,
        root=part.root,
        context=dict(part.context),
        context_uri=part.context_uri,
        media_type=part.media_type,
    )


def _impact(part: ImpactPart) -> SecurityCategory:
    return SecurityCategory(Impact[part.c], Impact[part.i], Impact[part.a])


def _schedule(part: RecordsSchedulePart | None) -> RecordsSchedule | None:
    if part is None:
        return None
    return RecordsSchedule(
        part.authority, part.retention_type, part.final_disposition, part.years, part.event_type
    )
