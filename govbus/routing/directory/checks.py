"""Whether the entries of a directory fit together: what is named is there, once, and trusted.

Every reader checks this again, whoever signed. What the rules of the standards ask of an entry besides is looked at
where it is registered (`govbus.routing.directory.registration`).
"""

from __future__ import annotations

import functools
import json
from collections.abc import Collection, Iterable, Iterator

from govbus.document.ids import AgencyId
from govbus.errors import RuleError, SchemaError
from govbus.routing.directory.entries import (
    AgencyEntry,
    AgreementEntry,
    AssetEntry,
    DirectoryContent,
    Entry,
    PackageEntry,
    TaxonomyEntry,
    place_of,
)
from govbus.routing.directory.fields import repeated
from govbus.routing.directory.parts import TopicReferencePart
from govbus.routing.directory.problems import Problem
from govbus.routing.directory.values import signatures_of
from govbus.routing.trust.path import certificate_of, issuers_of
from govbus.schemas.canonical import canonical_json
from govbus.schemas.catalog import DocumentSchema, schema_uri
from govbus.schemas.codec import AvroCodec
from govbus.signing.certificates import CertificateRole, TrustedCertificate
from govbus.signing.signature_policy import POLICY_RULE


class EntryChecks:
    """Checks in the order in which entries name each other; `problems` has everything that does not fit."""

    def __init__(self, content: DirectoryContent, unread: Collection[str] = ()) -> None:
        """Check.

        Args:
            content: every entry that could be read.
            unread: kinds of entries of which some could not be read, so that nothing may be said to be missing.
        """
        self._content = content
        self._unread = unread
        self.problems: list[Problem] = []
        self.certificates: dict[str, TrustedCertificate] = {}
        """By thumbprint."""
        self.schemas: list[DocumentSchema] = []
        self._agencies = {entry.id for entry in content.agencies}
        self._assets = {entry.id for entry in content.assets}
        self._packages = {entry.id for entry in content.packages}
        self._topics = {entry.id: {topic.id for topic in entry.topics} for entry in content.taxonomies}
        self._signatures = {entry.id: signatures_of(entry.signatures) for entry in content.packages}
        self._taken: dict[tuple[str, int | str], str] = {}
        """What identifies a schema, and the schema that has it."""
        self._check()

    def _check(self) -> None:
        content = self._content
        self._check_unique()
        self._check_anchors()
        for agency in content.agencies:
            self._check_certificates(agency)
        self._check_bus()
        for taxonomy in content.taxonomies:
            self._check_taxonomy(taxonomy)
        for asset in content.assets:
            self._check_asset(asset)
        for package in content.packages:
            self._check_package(package)
        for agreement in content.agreements:
            self._check_agreement(agreement)

    def _problem(self, entry: Entry, field: str, detail: str, rule: str = "") -> None:
        self.problems.append(Problem(place_of(entry), field, detail, rule))

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
                certificate_of(pem)
            except RuleError as err:
                self._problem(self._content.bus, f"anchors.{index}", err.message, err.rule)

    def _check_certificates(self, agency: AgencyEntry) -> None:
        for index, part in enumerate(agency.certificates):
            field = f"certificates.{index}"
            try:
                certificate = certificate_of(part.pem)
                issuers = issuers_of(part.pem, part.chain, self._content.bus.anchors, part.role)
            except RuleError as err:
                self._problem(agency, field, err.message, err.rule)
                continue
            trusted = TrustedCertificate(certificate, AgencyId(agency.id), part.revoked, part.role, issuers)
            other = self.certificates.setdefault(certificate.thumbprint, trusted)
            if other is not trusted:
                self._problem(
                    agency, field, f"certificate {certificate.thumbprint} is bound to {other.agency} already"
                )

    def _check_bus(self) -> None:
        bus = self._content.bus
        if "agency" in self._unread:
            return
        if bus.id not in self._agencies:
            self._problem(bus, "id", f"the bus is an agency too, and agency {bus.id} is missing")
        elif not any(
            trusted.agency.text == bus.id and trusted.role is CertificateRole.SEAL
            for trusted in self.certificates.values()
        ):
            detail = f"agency {bus.id} needs a certificate of role seal, because the bus signs receipts"
            self._problem(bus, "id", detail)

    def _require(
        self, kind: str, known: Collection[str], entry: Entry, field: str, name: str, rule: str
    ) -> None:
        """Note a problem where an entry names another one that is not there."""
        if name not in known and kind not in self._unread:
            what = "data asset" if kind == "asset" else kind
            self._problem(entry, field, f"{what} {name} is not in the directory", rule)

    def _require_topics(self, entry: Entry, references: Iterable[TopicReferencePart]) -> None:
        for index, one in enumerate(references):
            field = f"topics.{index}"
            self._require("taxonomy", self._topics, entry, f"{field}.taxonomy", one.taxonomy, "DRM-5")
            topics = self._topics.get(one.taxonomy)
            if topics is not None and one.topic not in topics:
                detail = f"taxonomy {one.taxonomy} has no topic {one.topic}"
                self._problem(entry, f"{field}.topic", detail, "DRM-5")

    def _check_taxonomy(self, taxonomy: TaxonomyEntry) -> None:
        for index in repeated(topic.id for topic in taxonomy.topics):
            self._problem(taxonomy, f"topics.{index}.id", "stands twice", "DRM-5")
        broader = {topic.id: topic.broader for topic in taxonomy.topics}
        for index, topic in enumerate(taxonomy.topics):
            field = f"topics.{index}.broader"
            if topic.broader is not None and topic.broader not in broader:
                self._problem(taxonomy, field, f"there is no topic {topic.broader}", "DRM-5")
            elif topic.id in _above(topic.id, broader):
                self._problem(taxonomy, field, "the topic stands above itself", "DRM-5")

    def _check_asset(self, asset: AssetEntry) -> None:
        holder = asset.id.partition("/")[0]
        self._require("agency", self._agencies, asset, "id", holder, "DRM-6")
        self._require("agency", self._agencies, asset, "steward.agency", asset.steward.agency, "DRM-6")
        if asset.publisher is not None:
            self._require("agency", self._agencies, asset, "publisher", asset.publisher, "DCAT-1")
        self._require_topics(asset, asset.topics)

    def _check_package(self, package: PackageEntry) -> None:
        self._require("agency", self._agencies, package, "steward.agency", package.steward.agency, "DRM-3")
        self._require("asset", self._assets, package, "data_asset", package.data_asset, "DRM-6")
        self._require_topics(package, package.topics)
        for index, part in enumerate(package.niem):
            if part.main not in part.schemas:
                detail = "expected one of the format's files, " + ", ".join(sorted(part.schemas)[:5])
                self._problem(package, f"niem.{index}.main", detail)
        self._check_schemas(package)

    def _check_schemas(self, package: PackageEntry) -> None:
        for index, part in enumerate(package.schemas):
            field = f"schemas.{index}"
            uri = schema_uri(AgencyId(self._content.bus.id), package.id, part.version)
            try:
                codec = _codec(canonical_json(part.definition))
            except SchemaError as err:
                self._problem(package, field, err.message, "AVR-3")
                continue
            for what, name in (("id", part.id), ("version", uri), ("definition", codec.hash)):
                if (what, name) in self._taken:
                    self._problem(package, f"{field}.{what}", f"is that of {self._taken[what, name]} already")
                    break
                self._taken[what, name] = uri
            self.schemas.append(DocumentSchema(part.id, uri, package.id, part.version, codec))

    def _check_agreement(self, agreement: AgreementEntry) -> None:
        supplier = agreement.supplier.agency
        self._require("agency", self._agencies, agreement, "supplier.agency", supplier, "DRM-2")
        self._require("package", self._packages, agreement, "package", agreement.package, "DRM-1")
        for index, party in enumerate(agreement.consumers):
            field = f"consumers.{index}.agency"
            self._require("agency", self._agencies, agreement, field, party.agency, "DRM-2")
        for index in repeated(party.agency for party in agreement.consumers):
            detail = f"agency {agreement.consumers[index].agency} stands twice"
            self._problem(agreement, f"consumers.{index}.agency", detail)
        self._check_signatures(agreement)
        if agreement.valid_to < agreement.valid_from:
            self._problem(agreement, "valid_to", "lies before valid_from", "DRM-3")

    def _check_signatures(self, agreement: AgreementEntry) -> None:
        """Check that the parties ask for signatures that the package lets them have."""
        asked = self._signatures.get(agreement.package)
        if asked is not None and agreement.signatures is not None:
            try:
                asked.joined(signatures_of(agreement.signatures))
            except ValueError:
                detail = f"package {agreement.package} asks for {asked.mode}"
                self._problem(agreement, "signatures.mode", detail, POLICY_RULE)


def _above(topic: str, broader: dict[str, str | None]) -> Iterator[str]:
    """Yield the topics above one, each once; the topic itself where it stands above itself."""
    seen: set[str] = set()
    above = broader.get(topic)
    while above is not None and above not in seen:
        yield above
        seen.add(above)
        above = broader.get(above)


@functools.lru_cache(maxsize=512)
def _codec(canonical: bytes) -> AvroCodec:
    """Return the codec of a schema given as canonical JSON; versions of a directory share most of them."""
    return AvroCodec(json.loads(canonical))
