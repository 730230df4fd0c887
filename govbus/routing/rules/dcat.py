"""DCAT-US 1.1 and 3.0: what a data asset must say about itself, and what a document says in the same terms.

The official JSON Schemas leave much open: patterns without anchors, identifiers that may be null, conditions that
stand in the prose alone. So nothing here is left to them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from govbus.document.finding import Breach, Severity
from govbus.errors import MetadataError
from govbus.routing.codes import CodeLists
from govbus.routing.directory.model import Agency, CuiMarking, DataAsset, Restriction, Sector
from govbus.routing.patterns import REDACTED
from govbus.routing.rules.cui_banner import banner_of
from govbus.routing.rules.facts import DocumentCheck, TemplateFacts
from govbus.routing.rules.rule import Basis, Moment, Profile, Rule

ACCESS_LEVELS: Final = ("public", "restricted public", "non-public")
"""DCAT-US 1.1 accessLevel."""
RIGHTS_CHARACTERS_MAX: Final = 255
BUREAUS, PROGRAMS = "omb-bureaus", "omb-programs"
ACCESS_RESTRICTIONS, USE_RESTRICTIONS = "nara-access-restrictions", "nara-use-restrictions"

_BUREAU = re.compile(r"[0-9]{3}:[0-9]{2}", re.ASCII)
_PROGRAM = re.compile(r"[0-9]{3}:[0-9]{3}", re.ASCII)
_REDACTED = re.compile(REDACTED)
_EMAIL = re.compile(r"[\w~!$&'()*+,;=:.-]+@[\w-]+(\.[\w-]+)+", re.ASCII)
"""What stands behind ``mailto:`` in a DCAT-US 3.0 hasEmail."""
_CONTROLLED_BY = re.compile(r"controlled by(:\s*|\s+)[^\s:]", re.IGNORECASE)

_REGISTRATION = (Moment.REGISTRATION,)
_BOTH = (Moment.REGISTRATION, Moment.DOCUMENT)

RULES: tuple[Rule, ...] = (
    Rule(
        id="DCAT-1",
        citation="DCAT-US 1.1, required fields; federal_dataset.json",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.DCAT_US,
        moments=_BOTH,
        explanation=(
            "A data asset has title, description, keywords, modified, publisher, contact, identifier and access "
            "level, and one of a federal agency has bureau and programme codes. The access level of a document is "
            "one that DCAT-US knows."
        ),
        accepted=(
            "A data asset with every required field; ce_accesslevel public, restricted public or non-public."
        ),
        passing="asset: {keywords: [taxes]}",
        failing="asset: {keywords: []}",
    ),
    Rule(
        id="DCAT-2",
        citation="DCAT-US 1.1, bureauCode and programCode; OMB Circular A-11, appendix C",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.DCAT_US,
        moments=_BOTH,
        explanation=(
            "A bureau code is NNN:NN and a programme code NNN:NNN, from the first to the last character. One that "
            "the dated list does not have is let pass with a warning, because the lists are old."
        ),
        accepted="Codes such as 015:45 and 015:001 that the list in force has, or a redaction string.",
        passing='record: {bureau_code: ["015:45"], program_code: ["[[REDACTED-EX B6]]"]}',
        failing='record: {bureau_code: ["018:001"]}',
    ),
    Rule(
        id="DCAT-3",
        citation="DCAT-US 1.1, rights (required unless accessLevel is public, as the prose says)",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.DCAT_US,
        moments=_BOTH,
        explanation=(
            "Whatever is not public says in rights, in 1 to 255 characters, who may have it and why not everybody."
        ),
        accepted="rights of 1 to 255 characters, or the access level public.",
        passing="record: {rights: For the courts named in the agreement.}",
        failing="record: {rights: ''}",
    ),
    Rule(
        id="DCAT-4",
        citation="DCAT-US 3.0, Dataset and Kind, mandatory properties",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.DCAT_US,
        moments=_REGISTRATION,
        explanation=(
            "A data asset has a title, a description, an identifier that is not null, and a contact with a name and "
            "an e-mail address that a mailto: URI can hold; that a null identifier is refused is govbus's choice."
        ),
        accepted="A contact with a name and an address such as desk@tax.example.",
        passing="asset: {contact: {name: Service desk, email: desk@tax.example}}",
        failing="asset: {contact: {name: Service desk, email: desk@localhost}}",
    ),
    Rule(
        id="DCAT-5",
        citation="DCAT-US 3.0, AccessRestriction, UseRestriction and CUIRestriction; NARA authority lists",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.DCAT_US,
        moments=_BOTH,
        explanation=(
            "The status of a restriction is one of the NARA authority lists. Controlled unclassified information has "
            "a banner that follows the CUI registry, and a designation that says by whom it is controlled."
        ),
        accepted="A status such as Unrestricted or Restricted - Fully; a banner together with its designation.",
        passing="asset: {access_restriction: {status: Unrestricted, specific: []}}",
        failing="asset: {access_restriction: {status: Open, specific: []}}",
    ),
)
"""The rules of this family."""


def asset_breaches(
    asset: DataAsset, publisher: Agency | None, codes: CodeLists, at_ms: int
) -> Iterator[Breach]:
    """Yield what is wrong with a data asset as it is registered.

    Args:
        asset: the data asset.
        publisher: the agency that makes it available, None where it is not registered.
        codes: the code lists of the bus.
        at_ms: when it is registered: it is judged by the lists in force then.
    """
    yield from _missing(asset, is_federal=publisher is not None and publisher.sector is Sector.FEDERAL)
    yield from _codes("bureau_codes", asset.bureau_codes, _BUREAU, BUREAUS, codes, at_ms)
    yield from _codes("program_codes", asset.program_codes, _PROGRAM, PROGRAMS, codes, at_ms)
    yield from _rights("rights", asset.rights, asset.access_level)
    if _EMAIL.fullmatch(asset.contact.email) is None:
        detail = "expected an e-mail address with a domain of two labels or more"
        yield Breach("DCAT-4", "contact.email", detail)
    for field, restriction, lists in (
        ("access_restriction", asset.access_restriction, ACCESS_RESTRICTIONS),
        ("use_restriction", asset.use_restriction, USE_RESTRICTIONS),
    ):
        if restriction is not None:
            yield from _status(f"{field}.status", restriction, lists, codes, at_ms)
    if asset.cui is not None:
        yield from _marking(asset.cui, codes, at_ms)


def _missing(asset: DataAsset, *, is_federal: bool) -> Iterator[Breach]:
    """Yield the fields that DCAT-US 1.1 requires and that the entry may lack."""
    if not asset.keywords:
        yield Breach("DCAT-1", "keywords", "expected at least one keyword")
    if not is_federal:
        return
    for field, values in (("bureau_codes", asset.bureau_codes), ("program_codes", asset.program_codes)):
        if not values:
            detail = "expected at least one code, because a federal agency publishes the data asset"
            yield Breach("DCAT-1", field, detail)


def _codes(
    field: str, values: Iterable[str], form: re.Pattern[str], list_id: str, codes: CodeLists, at_ms: int
) -> Iterator[Breach]:
    """Yield codes that are malformed, or well formed and in no list."""
    words = "NNN:NN such as 015:45" if form is _BUREAU else "NNN:NNN such as 015:001"
    for index, code in enumerate(values):
        if _REDACTED.fullmatch(code) is not None:
            continue
        if form.fullmatch(code) is None:
            yield Breach("DCAT-2", f"{field}.{index}", f"expected {words}")
        elif code not in codes.codes(list_id, at_ms):
            detail = f"{code} is not in the list {list_id} in force"
            yield Breach("DCAT-2", f"{field}.{index}", detail, Severity.WARN)


def _rights(field: str, rights: str | None, access_level: str) -> Iterator[Breach]:
    text = (rights or "").strip()
    if not text and access_level != "public":
        yield Breach("DCAT-3", field, f"expected 1 to {RIGHTS_CHARACTERS_MAX} characters, because not public")
    elif rights is not None and (not text or len(rights) > RIGHTS_CHARACTERS_MAX):
        yield Breach(
            "DCAT-3", field, f"expected 1 to {RIGHTS_CHARACTERS_MAX} characters, found {len(rights)}"
        )


def _status(
    field: str, restriction: Restriction, list_id: str, codes: CodeLists, at_ms: int
) -> Iterator[Breach]:
    if not is_status(restriction.status, list_id, codes, at_ms):
        yield Breach("DCAT-5", field, f"expected a status of the list {list_id}, such as Unrestricted")


def is_status(status: str, list_id: str, codes: CodeLists, at_ms: int) -> bool:
    """Return whether a restriction's status is one of an authority list in force."""
    facts = codes.codes(list_id, at_ms).get(status)
    return facts is not None and facts.get("kind") == "status"


def _marking(marking: CuiMarking, codes: CodeLists, at_ms: int) -> Iterator[Breach]:
    try:
        banner_of(marking.banner, codes, at_ms)
    except MetadataError as err:
        yield Breach("DCAT-5", "cui.banner", err.message)
    if _CONTROLLED_BY.match(marking.designation.strip()) is None:
        detail = "expected who designated it, such as: Controlled by: Example Revenue Service"
        yield Breach("DCAT-5", "cui.designation", detail)


def template_breaches(facts: TemplateFacts) -> Iterator[Breach]:
    """Yield what is wrong with the part that documents of one template share."""
    if Profile.DCAT_US not in facts.profiles:
        return
    record, codes, at_ms = facts.record, facts.directory.codes, facts.time_ms
    access_level = facts.attributes.get("accesslevel", "")
    if access_level not in ACCESS_LEVELS:
        yield Breach("DCAT-1", "ce_accesslevel", f"expected {', '.join(ACCESS_LEVELS[:-1])} or non-public")
    bureaus, programs = record["bureau_code"] or (), record["program_code"] or ()
    yield from _codes("record.bureau_code", bureaus, _BUREAU, BUREAUS, codes, at_ms)
    yield from _codes("record.program_code", programs, _PROGRAM, PROGRAMS, codes, at_ms)
    yield from _rights("record.rights", record["rights"], access_level)
    for field, list_id in (
        ("access_restriction", ACCESS_RESTRICTIONS),
        ("use_restriction", USE_RESTRICTIONS),
    ):
        restriction = Restriction(record[field]["status"])
        yield from _status(f"record.{field}.status", restriction, list_id, codes, at_ms)
    if record["designation"] is not None and not facts.attributes.get("cuibanner"):
        detail = "a designation stands with a banner, expected ce_cuibanner"
        yield Breach("DCAT-5", "record.designation", detail)


def document_checks(_facts: TemplateFacts) -> Iterator[DocumentCheck]:
    """Yield nothing: documents of one template share all that this family looks at."""
    yield from ()
