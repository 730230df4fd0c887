"""Turns the entries of a directory into a `Directory`, once everything in them fits together."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable

from govbus.document.ids import AgencyId, PackageId
from govbus.errors import DirectoryError, RuleError, SchemaError, UntrustedKeyError
from govbus.routing.directory import Agency, Agreement, Contact, Directory, Package
from govbus.routing.directory_entries import (
    AgencyEntry,
    AgreementEntry,
    ContactPart,
    DirectoryContent,
    Entry,
    PackageEntry,
    PartyPart,
    Problem,
    place_of,
)
from govbus.schemas.canonical import canonical_json
from govbus.schemas.catalog import DocumentSchema, SchemaCatalog, schema_uri
from govbus.schemas.codec import AvroCodec
from govbus.signing.certificates import Certificate, TrustedCertificate


def build_directory(content: DirectoryContent, *, version: int, issued_ms: int, expires_ms: int) -> Directory:
    """Return the directory that the entries describe.

    Args:
        content: every entry.
        version: from 1.
        issued_ms: when the governing authority signs it, milliseconds since 1970.
        expires_ms: after this nobody may rely on it.

    Raises:
        DirectoryError: naming the first thing that does not fit, its entry and field, and how many more there are.
    """
    builder = _Builder(content)
    builder.check()
    require_none(builder.problems)
    return Directory(
        version=version,
        bus=AgencyId(content.bus.id),
        name=content.bus.name,
        authority=content.bus.authority,
        issued_ms=issued_ms,
        expires_ms=expires_ms,
        agencies={entry.id: _agency(entry) for entry in content.agencies},
        certificates=builder.certificates,
        packages={entry.id: _package(entry) for entry in content.packages},
        agreements={
            entry.id: _agreement(entry, builder.packages[entry.package]) for entry in content.agreements
        },
        schemas=SchemaCatalog(builder.schemas),
    )


def problems_in(content: DirectoryContent) -> list[Problem]:
    """Return everything that does not fit together; the place of each is ``<kind>/<id>``."""
    builder = _Builder(content)
    builder.check()
    return builder.problems


def require_none(problems: list[Problem]) -> None:
    """Check that there are no problems.

    Raises:
        DirectoryError: naming the first, and how many more there are.
    """
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise DirectoryError(f"{problems[0]}{more}")


class _Builder:
    """Checks in the order in which entries name each other: bus, agencies, packages, agreements."""

    def __init__(self, content: DirectoryContent) -> None:
        self._content = content
        self.problems: list[Problem] = []
        self.agencies: set[str] = {entry.id for entry in content.agencies}
        self.packages: dict[str, PackageEntry] = {entry.id: entry for entry in content.packages}
        self.certificates: dict[str, TrustedCertificate] = {}
        self.schemas: list[DocumentSchema] = []
        self._taken: dict[tuple[str, int | str], str] = {}
        """What identifies a schema, and the schema that has it."""

    def check(self) -> None:
        self._check_unique()
        self._check_anchors()
        for agency in self._content.agencies:
            self._check_certificates(agency)
        self._check_bus()
        for package in self._content.packages:
            self._check_party(package, "steward.agency", package.steward)
            self._check_schemas(package)
        for agreement in self._content.agreements:
            self._check_agreement(agreement)

    def _problem(self, entry: Entry, field: str, detail: str) -> None:
        self.problems.append(Problem(place_of(entry), field, detail))

    def _check_unique(self) -> None:
        seen: set[str] = set()
        for entry in self._content.entries():
            place = place_of(entry)
            if place in seen:
                self._problem(entry, "id", "stands twice")
            seen.add(place)

    def _check_anchors(self) -> None:
        for index, pem in enumerate(self._content.bus.anchors):
            try:
                _certificate(pem)
            except RuleError as err:
                self._problem(self._content.bus, f"anchors.{index}", err.message)

    def _check_certificates(self, agency: AgencyEntry) -> None:
        for index, part in enumerate(agency.certificates):
            field = f"certificates.{index}"
            try:
                certificate = _certificate(part.pem)
                _verify_issued(part.pem, self._content.bus.anchors)
            except RuleError as err:
                self._problem(agency, field, err.message)
                continue
            trusted = TrustedCertificate(certificate, AgencyId(agency.id), part.revoked)
            other = self.certificates.setdefault(certificate.thumbprint, trusted)
            if other is not trusted:
                self._problem(
                    agency, field, f"certificate {certificate.thumbprint} is bound to {other.agency} already"
                )

    def _check_bus(self) -> None:
        bus = self._content.bus
        if bus.id not in self.agencies:
            self._problem(bus, "id", f"the bus is an agency too, and agency {bus.id} is missing")
        elif not any(trusted.agency.text == bus.id for trusted in self.certificates.values()):
            self._problem(bus, "id", f"agency {bus.id} needs a certificate, because the bus signs receipts")

    def _check_party(self, entry: Entry, field: str, party: PartyPart) -> None:
        if party.agency not in self.agencies:
            self._problem(entry, field, f"agency {party.agency} is not in the directory")

    def _check_schemas(self, package: PackageEntry) -> None:
        for index, part in enumerate(package.schemas):
            field = f"schemas.{index}"
            uri = schema_uri(AgencyId(self._content.bus.id), package.id, part.version)
            try:
                codec = _codec(canonical_json(part.definition))
            except SchemaError as err:
                self._problem(package, field, err.message)
                continue
            for what, name in (("id", part.id), ("version", uri), ("definition", codec.hash)):
                if (what, name) in self._taken:
                    self._problem(package, f"{field}.{what}", f"is that of {self._taken[what, name]} already")
                    break
                self._taken[what, name] = uri
            self.schemas.append(DocumentSchema(part.id, uri, package.id, part.version, codec))

    def _check_agreement(self, agreement: AgreementEntry) -> None:
        self._check_party(agreement, "supplier.agency", agreement.supplier)
        if agreement.package not in self.packages:
            self._problem(agreement, "package", f"package {agreement.package} is not in the directory")
        seen: set[str] = set()
        for index, party in enumerate(agreement.consumers):
            field = f"consumers.{index}.agency"
            self._check_party(agreement, field, party)
            if party.agency in seen:
                self._problem(agreement, field, f"agency {party.agency} stands twice")
            seen.add(party.agency)
        if agreement.valid_to < agreement.valid_from:
            self._problem(agreement, "valid_to", "lies before valid_from")


@functools.lru_cache(maxsize=4096)
def _certificate(pem: str) -> Certificate:
    """Return the certificate; versions of a directory differ little, and parsing is slow."""
    return Certificate.from_pem(pem)


@functools.lru_cache(maxsize=512)
def _codec(canonical: bytes) -> AvroCodec:
    """Return the codec of a schema given as canonical JSON; versions of a directory share most of them."""
    return AvroCodec(json.loads(canonical))


def _verify_issued(pem: str, anchors: Iterable[str]) -> None:
    for anchor in anchors:
        if _is_issued_by(pem, anchor):
            return
    raise UntrustedKeyError(
        f"certificate {_certificate(pem).subject} was not issued by an anchor of the bus", rule="SEC-6"
    )


@functools.lru_cache(maxsize=16_384)
def _is_issued_by(pem: str, anchor: str) -> bool:
    """Return whether the anchor issued the certificate: one of several anchors did."""
    try:
        _certificate(pem).verify_issued_by(_certificate(anchor))
    except RuleError:
        return False
    return True


def _contact(part: ContactPart) -> Contact:
    return Contact(part.name, part.email)


def _agency(entry: AgencyEntry) -> Agency:
    return Agency(AgencyId(entry.id), entry.name, dict(entry.external_ids))


def _package(entry: PackageEntry) -> Package:
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
    )


def _agreement(entry: AgreementEntry, package: PackageEntry) -> Agreement:
    return Agreement(
        id=entry.id,
        package=PackageId(entry.package),
        supplier=AgencyId(entry.supplier.agency),
        consumers=tuple(AgencyId(party.agency) for party in entry.consumers),
        delivery=package.delivery,
        purpose=entry.purpose,
        legal_authority=entry.legal_authority,
        valid_from_ms=entry.valid_from,
        valid_to_ms=entry.valid_to,
        status=entry.status,
        contacts={
            AgencyId(party.agency): _contact(party.contact) for party in (entry.supplier, *entry.consumers)
        },
    )
