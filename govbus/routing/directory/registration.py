"""What the rules of the standards ask of an entry when it enters the directory.

Looked at before a version is signed: by ``govbus directory check`` and ``apply``. Findings are written as those about
documents are: rule, field, what was expected.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from govbus.document.finding import Breach, Severity
from govbus.errors import RuleError
from govbus.routing.directory.build import code_lists
from govbus.routing.directory.checks import EntryChecks
from govbus.routing.directory.entries import (
    AgencyEntry,
    AgreementEntry,
    DirectoryContent,
    Entry,
    PackageEntry,
    place_of,
)
from govbus.routing.directory.model import Agreement, DataAsset
from govbus.routing.directory.parts import SchemaPart
from govbus.routing.directory.problems import Problem
from govbus.routing.directory.values import agency_of, agreement_of, asset_of, package_of, signatures_of
from govbus.routing.entry_bounds import RECIPIENTS_BYTES_MAX, recipients_bytes
from govbus.routing.niem.formats import format_breaches
from govbus.routing.niem.naming import naming_breaches
from govbus.routing.niem.places import place_breaches
from govbus.routing.rules import dcat, drm
from govbus.routing.rules.agency_ids import external_id_breaches
from govbus.routing.rules.catalogue import RULES, is_active
from govbus.routing.rules.cloudevents import CLASSIFICATIONS
from govbus.routing.rules.language_tags import is_well_formed
from govbus.routing.rules.rule import Profile
from govbus.routing.rules.security import certificate_breaches
from govbus.routing.trust.path import certificate_of
from govbus.schemas import governance
from govbus.schemas.canonical import canonical_json
from govbus.schemas.compatibility import compatibility_breaches
from govbus.signing.algorithms import Algorithm
from govbus.signing.certificates import CertificateRole
from govbus.signing.signature_policy import POLICY_RULE


def problems_in(content: DirectoryContent, *, at_ms: int, unread: Collection[str] = ()) -> list[Problem]:
    """Return everything that is wrong with entries; the place of each is ``<kind>/<id>``.

    Args:
        content: every entry that could be read.
        at_ms: when they are registered, milliseconds since 1970; they are judged by the code lists of this time.
        unread: kinds of entries of which some could not be read, so that nothing may be said to be missing.
    """
    problems = [*EntryChecks(content, unread).problems, *_Registration(content, at_ms).problems()]
    located = {
        problem.place for problem in problems if problem.rule == "AVR-3" and ".definition" in problem.field
    }
    return [
        problem
        for problem in problems
        if not (problem.rule == "AVR-3" and problem.place in located and ".definition" not in problem.field)
    ]


def cited(problems: Iterable[Problem], profiles: Collection[Profile]) -> list[Problem]:
    """Return problems without the names of rules that no profile switches on: then the form alone asks for it."""
    return [
        problem if problem.rule in RULES and is_active(problem.rule, profiles) else replace(problem, rule="")
        for problem in problems
    ]


class _Registration:
    """Looks at the entries of one directory, each by the profiles that are switched on for it."""

    def __init__(self, content: DirectoryContent, at_ms: int) -> None:
        self._content = content
        self._at_ms = at_ms
        self._codes = code_lists(content)
        self._agencies = {entry.id: agency_of(entry) for entry in content.agencies}
        self._certificates = {entry.id: entry.certificates for entry in content.agencies}
        self._packages = {entry.id: entry for entry in content.packages}
        self._bus_profiles = frozenset({Profile.CORE, *content.bus.profiles})
        self._package_profiles: dict[str, frozenset[Profile]] = {}
        self._asset_profiles: dict[str, frozenset[Profile]] = {}
        for agreement in content.agreements:
            self._take_profiles(agreement.package, frozenset(agreement.profiles))

    def _take_profiles(self, package: str, profiles: frozenset[Profile]) -> None:
        """Switch rules on for a package and for its data asset."""
        none: frozenset[Profile] = frozenset()
        self._package_profiles[package] = self._package_profiles.get(package, none) | profiles
        if package in self._packages:
            asset = self._packages[package].data_asset
            self._asset_profiles[asset] = self._asset_profiles.get(asset, none) | profiles

    def problems(self) -> Iterator[Problem]:
        """Yield what the rules that are switched on find."""
        content = self._content
        for agency in content.agencies:
            yield from self._problems(agency, self._agency_breaches(agency), self._bus_profiles)
        for asset in content.assets:
            value = asset_of(asset)
            publisher = self._agencies.get(value.publisher.text)
            breaches = dcat.asset_breaches(value, publisher, self._codes, self._at_ms)
            profiles = self._bus_profiles | self._asset_profiles.get(asset.id, frozenset())
            yield from self._problems(asset, [*breaches, *_language_breaches(value)], profiles)
        for package in content.packages:
            profiles = self._bus_profiles | self._package_profiles.get(package.id, frozenset())
            yield from self._problems(package, drm.package_breaches(package_of(package)), profiles)
            yield from self._problems(package, schema_breaches(package), profiles)
            if Profile.NIEM in profiles:
                yield from self._problems(package, niem_breaches(package), profiles)
        for agreement in content.agreements:
            profiles = self._bus_profiles | frozenset(agreement.profiles)
            yield from self._problems(agreement, self._agreement_breaches(agreement), profiles)

    def _problems(
        self, entry: Entry, breaches: Iterable[Breach], profiles: Collection[Profile]
    ) -> Iterator[Problem]:
        for breach in breaches:
            if is_active(breach.rule, profiles):
                severity = breach.severity or RULES[breach.rule].severity
                yield Problem(place_of(entry), breach.field, breach.detail, breach.rule, severity)

    def _agency_breaches(self, agency: AgencyEntry) -> Iterator[Breach]:
        if agency.country is not None and agency.country not in self._codes.codes(
            "genc-countries", self._at_ms
        ):
            yield Breach("CUI-5", "country", "expected a code of the list genc-countries")
        for scheme, value in agency.external_ids.items():
            yield from external_id_breaches(scheme, value, self._codes, self._at_ms)
        for index, part in enumerate(agency.certificates):
            with contextlib.suppress(RuleError):  # one that cannot be read is told of elsewhere
                yield from certificate_breaches(certificate_of(part.pem), f"certificates.{index}")

    def _agreement_breaches(self, agreement: AgreementEntry) -> Iterator[Breach]:
        package = self._packages.get(agreement.package)
        if package is not None:
            yield from drm.agreement_breaches(agreement_of(agreement, package.delivery), self._at_ms)
            yield from _unusable(agreement, package)
            yield from self._signing_breaches(agreement, package)
            yield from _unlisted(agreement_of(agreement, package.delivery))
        for field, values, list_id in (
            ("cui.categories", agreement.cui.categories, "cui-categories"),
            ("cui.dissemination", agreement.cui.dissemination, "cui-dissemination"),
        ):
            known = self._codes.codes(list_id, self._at_ms)
            for index, code in enumerate(values):
                if code.removeprefix("SP-") not in known:
                    yield Breach("CUI-1", f"{field}.{index}", f"expected a code of the list {list_id}")

    def _signing_breaches(self, agreement: AgreementEntry, package: PackageEntry) -> Iterator[Breach]:
        """Yield which signatures are asked for that no certificate of the supplier is for."""
        seals: list[Algorithm] = []
        has_officer = False
        for part in self._certificates.get(agreement.supplier.agency, ()):
            with contextlib.suppress(RuleError):  # one that cannot be read is told of elsewhere
                algorithm = certificate_of(part.pem).algorithm
                if part.role is CertificateRole.OFFICER:
                    has_officer = True
                else:
                    seals.append(algorithm)
        asked = signatures_of(package.signatures)
        with contextlib.suppress(ValueError):  # two that exclude each other are told of elsewhere
            asked = asked.joined(signatures_of(agreement.signatures))
        for detail in asked.unmet(seals, has_officer=has_officer):
            lacking = f"{detail}, for which {agreement.supplier.agency} has no certificate"
            yield Breach(POLICY_RULE, "signatures", lacking, Severity.WARN)


def _language_breaches(asset: DataAsset) -> Iterator[Breach]:
    for index, tag in enumerate(asset.languages):
        if not is_well_formed(tag):
            yield Breach("LNG-1", f"languages.{index}", "expected a BCP 47 language tag such as en or pt-BR")


def _unusable(agreement: AgreementEntry, package: PackageEntry) -> Iterator[Breach]:
    """Yield what makes the general kind of a package's documents one that the agreement refuses."""
    if CLASSIFICATIONS.index(package.classification) > CLASSIFICATIONS.index(agreement.classification):
        detail = f"package {package.id} is {package.classification}, which is more than may pass"
        yield Breach("SEC-8", "classification", detail, Severity.WARN)
    if package.data_category not in agreement.data_categories:
        detail = f"package {package.id} is {package.data_category}, which may not pass"
        yield Breach("PRV-1", "data_categories", detail, Severity.WARN)


def _unlisted(agreement: Agreement) -> Iterator[Breach]:
    """Yield what makes a document have more recipients than its log entry can name."""
    size = recipients_bytes(agreement.recipients)
    if size > RECIPIENTS_BYTES_MAX:
        detail = (
            f"the inboxes of {len(agreement.consumers)} consumers take {size} bytes of a log entry, which has "
            f"{RECIPIENTS_BYTES_MAX} for them; publish the package, or split the agreement"
        )
        yield Breach("DRM-3", "consumers", detail)


def schema_breaches(package: PackageEntry) -> Iterator[Breach]:
    """Yield what is wrong with the schemas of a package, each by itself and against the versions before it."""
    earlier: list[SchemaPart] = []
    for index, part in sorted(enumerate(package.schemas), key=lambda one: one[1].version):
        place = f"schemas.{index}.definition"
        own = _own_breaches(canonical_json(part.definition))
        yield from (_placed(breach, place) for breach in own)
        if any(breach.rule == "AVR-3" for breach in own):
            continue
        yield from compatibility_breaches(
            part.definition,
            [one.definition for one in earlier],
            package.compatibility,
            place,
            labels=[f"version {one.version}" for one in earlier],
        )
        earlier.append(part)


def niem_breaches(package: PackageEntry) -> Iterator[Breach]:
    """Yield what is wrong with a package where NIEM counts: its message formats, and names in its schemas."""
    payloads = [payload_of(part.definition) for part in package.schemas]
    for index, payload in enumerate(payloads):
        place = f"schemas.{index}.definition.fields.1.type"
        yield from (_placed(breach, place) for breach in naming_breaches(payload))
    for index, one in enumerate(package_of(package).niem):
        breaches = [*format_breaches(one)]
        nowhere = [list(place_breaches(one, payload)) for payload in payloads]
        if all(nowhere):
            breaches += nowhere[-1]
        yield from (_placed(breach, f"niem.{index}") for breach in breaches)


def payload_of(definition: Mapping[str, Any]) -> Any:
    """Return the payload's schema of a document schema."""
    return next((field["type"] for field in definition["fields"] if field["name"] == "body"), {})


def _placed(breach: Breach, place: str) -> Breach:
    return breach._replace(field=f"{place}.{breach.field}" if breach.field else place)


@functools.lru_cache(maxsize=512)
def _own_breaches(canonical: bytes) -> tuple[Breach, ...]:
    """Return what is wrong with a schema by itself; versions of a directory share most of them."""
    definition = json.loads(canonical)
    return (
        *governance.schema_breaches(definition),
        *governance.documentation_breaches(definition),
    )
