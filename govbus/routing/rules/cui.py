"""Controlled unclassified information: 32 CFR 2002.20 and the CUI registry."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from govbus.document.finding import Breach, Severity
from govbus.errors import MetadataError
from govbus.routing.directory.model import Agency, Sector
from govbus.routing.rules.cui_banner import (
    HOME,
    Banner,
    Codes,
    banner_of,
    classified_word,
    nations,
    parse_banner,
    superseding,
)
from govbus.routing.rules.facts import DocumentCheck, DocumentFacts, TemplateFacts
from govbus.routing.rules.rule import Basis, Moment, Profile, Rule

__all__ = [
    "RULES",
    "Banner",
    "banner_of",
    "cui_marking",
    "document_checks",
    "parse_banner",
    "template_breaches",
]

_BANNER: Final = "ce_cuibanner"
_DESIGNATION: Final = "record.designation"
_TEXT_CHARACTERS_MAX: Final = 255
_DAY_MS: Final = 86_400_000
_EPOCH: Final = dt.date(1970, 1, 1)
_UNCLASSIFIED: Final = frozenset({"U", "UNCLASSIFIED", "CUI"})
_CLASSIFIED_VALUE: Final = re.compile(r"(TOP SECRET|SECRET|CONFIDENTIAL)(//.*)?|(TS|S|C)//.*", re.ASCII)
_LEVELS_OF_CUI: Final = frozenset({"MOD", "HIGH"})

_MARKED: Final = """
headers: {ce_cuibanner: "CUI//SP-TAX//FED ONLY"}
record:
  sc: {c: MOD}
  designation: {controlled_by: tax.example, decontrol_date: 2040-01-01}
agreement: {cui: {categories: [SP-TAX], dissemination: [FED ONLY]}}
consumer: {sector: federal, country: USA}
"""
"""A document of the example bus that is controlled unclassified information and marked as the rules ask."""


def _marked(old: str = "", new: str = "") -> str:
    """Return the marked example with one thing changed."""
    if old not in _MARKED:
        raise AssertionError(f"{old!r} is not in the example")
    return _MARKED.replace(old, new) if old else _MARKED


def _rule(
    rule_id: str,
    citation: str,
    explanation: str,
    accepted: str,
    failing: str,
    *,
    severity: Severity = Severity.REFUSE,
    basis: Basis = Basis.NORM,
    moment: Moment = Moment.DOCUMENT,
    passing: str = _MARKED,
) -> Rule:
    return Rule(
        id=rule_id,
        citation=citation,
        severity=severity,
        basis=basis,
        profile=Profile.CUI,
        moments=(moment,),
        explanation=explanation,
        accepted=accepted,
        passing=passing,
        failing=failing,
    )


RULES = (
    _rule(
        "CUI-1",
        "32 CFR 2002.20(b); CUI registry, banner format and marking notes",
        "A banner is CUI or CONTROLLED, then categories, then limited dissemination controls: codes of the lists "
        "in force, Specified before Basic, each group in alphabetical order. A record with a designation "
        "indicator has a banner.",
        "A banner such as CUI//SP-TAX/PRVCY//FED ONLY, with categories and controls of the lists in force.",
        # The second // makes a dissemination control of what is meant as a category: the DCAT-US 3.0 schema's example.
        _marked('"CUI//SP-TAX//FED ONLY"', '"CUI//SP-PRVCY//SP-LEGAL"'),
    ),
    _rule(
        "CUI-2",
        "32 CFR 2002.20(b)(3); CUI registry, limited dissemination controls",
        "Dissemination controls do not contradict each other and stand with the category that they need; REL TO and "
        "DISPLAY ONLY name USA, then other countries, then groups of countries, each in alphabetical order.",
        "Controls that can hold together, and lists such as REL TO USA, AUS, GBR, NATO.",
        _marked("//FED ONLY", "//REL TO GBR, USA"),
    ),
    _rule(
        "CUI-3",
        "32 CFR 2002.20(d)",
        "A record with a CUI banner says which agency designated it.",
        "record.designation with controlled_by, 1 to 255 characters.",
        _marked("{controlled_by: tax.example, decontrol_date: 2040-01-01}", "null"),
    ),
    _rule(
        "CUI-4",
        "32 CFR 2002.20(e)",
        "A designation says until when or until what event the record is controlled. A date that has passed does "
        "not lift the marking: only the designating agency does.",
        "record.designation with a decontrol_date that has not passed, or a decontrol_event.",
        _marked("2040-01-01", "2020-01-01"),
        severity=Severity.WARN,
        basis=Basis.GUIDANCE,
    ),
    _rule(
        "CUI-5",
        "32 CFR 2002.20(b)(3); NIST SP 800-53 AC-21",
        "Every consumer is one that the dissemination controls allow, by its sector, its country and its lists. "
        "DL ONLY asks for consumers on a list that is named like the agreement, the package or the data asset. "
        "Attorney-Client and Attorney-WP are decided by the agreement that allows them (SEC-8).",
        "Controls that allow every consumer of the agreement, or an agreement with other consumers.",
        _marked("{sector: federal, country: USA}", "{sector: contractor, country: USA}"),
        basis=Basis.PROFILE,
        moment=Moment.FLOW,
    ),
    _rule(
        "CUI-6",
        "EO 13526; IC-ISM classification",
        "The bus is unclassified: a banner or attribute that marks classified information is refused. Text of the "
        "payload is not searched.",
        "A document without classification markings, or with classification U or UNCLASSIFIED.",
        _marked('"CUI//SP-TAX//FED ONLY"', '"SECRET//NOFORN"'),
        basis=Basis.PROFILE,
    ),
    _rule(
        "CUI-7",
        "32 CFR 2002.14(g)",
        "Controlled unclassified information has a confidentiality impact of at least moderate.",
        "record.sc.c of MOD or HIGH.",
        _marked("{c: MOD}", "{c: LOW}"),
    ),
)
"""The rules of this family."""


def cui_marking(facts: TemplateFacts) -> Banner | None:
    """Return the banner of a document, None where it has none or a wrong one (rules CUI-1, CUI-2 say so)."""
    text = facts.attributes.get("cuibanner")
    try:
        return banner_of(text, facts.directory.codes, facts.time_ms) if text else None
    except MetadataError:
        return None


def template_breaches(facts: TemplateFacts) -> Iterator[Breach]:
    """Yield what is wrong with the part that documents of one template share."""
    if Profile.CUI not in facts.profiles:
        return
    text = facts.attributes.get("cuibanner")
    designation = facts.record["designation"]
    yield from _classified(facts)
    if text is None:
        if designation is not None:
            yield Breach("CUI-1", _BANNER, "a record with a designation indicator needs a banner")
        return
    if facts.record["sc"]["c"] not in _LEVELS_OF_CUI:
        yield Breach("CUI-7", "record.sc.c", "expected MOD or HIGH, because the record is CUI")
    yield from _designated(designation)
    if classified_word(text) is not None:
        return  # CUI-6 has said so
    try:
        banner = banner_of(text, facts.directory.codes, facts.time_ms)
    except MetadataError as err:
        yield Breach(err.rule, _BANNER, err.message)
        return
    idle = superseding(banner, facts.codes("cui-dissemination"))
    if idle is not None:
        yield Breach("CUI-2", _BANNER, f"{idle} makes the other controls idle: leave them out", Severity.WARN)
    yield from _disseminated(facts, banner)


def document_checks(facts: TemplateFacts) -> Iterator[DocumentCheck]:
    """Yield what is left to look at in every document of the template: whether decontrol was due."""
    designation = facts.record["designation"]
    if designation is None or Profile.CUI not in facts.profiles:
        return
    date = designation["decontrol_date"]
    if isinstance(date, dt.date):
        yield _decontrol_check((date - _EPOCH).days * _DAY_MS)


def _decontrol_check(due_ms: int) -> DocumentCheck:
    due = (
        Breach(
            "CUI-4",
            f"{_DESIGNATION}.decontrol_date",
            "has passed; the marking holds until the designating agency lifts it",
        ),
    )

    def check(facts: DocumentFacts) -> Iterable[Breach]:
        return due if facts.at_ms >= due_ms else ()

    return check


def _designated(designation: Any) -> Iterator[Breach]:
    if designation is None:
        yield Breach("CUI-3", _DESIGNATION, "a record with a CUI banner needs a designation indicator")
        return
    if not 0 < len(designation["controlled_by"].strip()) <= _TEXT_CHARACTERS_MAX:
        yield Breach(
            "CUI-3",
            f"{_DESIGNATION}.controlled_by",
            f"expected the designating agency, 1 to {_TEXT_CHARACTERS_MAX} characters",
        )
    if designation["decontrol_date"] is None and not designation["decontrol_event"]:
        yield Breach("CUI-4", _DESIGNATION, "expected a decontrol_date or a decontrol_event")


def _classified(facts: TemplateFacts) -> Iterator[Breach]:
    """Yield every attribute that marks classified information (rule CUI-6)."""
    for name, text in facts.attributes.items():
        if name == "cuibanner":
            word = classified_word(text)
            if word is not None:
                yield Breach("CUI-6", _BANNER, f"has the classification word {word}")
        elif name.endswith("classification") and name != "dataclassification":
            if text.upper() not in _UNCLASSIFIED:
                yield Breach("CUI-6", f"ce_{name}", "expected U or UNCLASSIFIED")
        elif _CLASSIFIED_VALUE.fullmatch(text) is not None:
            yield Breach("CUI-6", f"ce_{name}", "is a classification marking")
    rights = facts.record["rights"]
    if rights is not None and _CLASSIFIED_VALUE.fullmatch(rights) is not None:
        yield Breach("CUI-6", "record.rights", "is a classification marking")


def _disseminated(facts: TemplateFacts, banner: Banner) -> Iterator[Breach]:
    """Yield every consumer that a dissemination control of the banner keeps out (rule CUI-5)."""
    countries = {**facts.codes("genc-countries"), **facts.codes("cui-country-groups")}
    lists = {facts.agreement.id, facts.package.id.text, facts.record["data_asset"]}
    for consumer in facts.consumers:
        for control in banner.controls:
            if not _is_allowed(control, consumer, banner, countries, lists):
                yield Breach(
                    "CUI-5",
                    _BANNER,
                    f"{control} does not allow consumer {consumer.id} (sector {consumer.sector}, country "
                    f"{consumer.country or 'unknown'})",
                )


def _is_allowed(control: str, consumer: Agency, banner: Banner, countries: Codes, lists: set[str]) -> bool:
    judge = _CONTROLS.get(control)
    if judge is not None:
        return judge(consumer)
    if control == "DL ONLY":
        return not lists.isdisjoint(consumer.lists)
    if control in _FOREIGN_RELEASE:
        released = nations(banner.listed("REL TO"), countries)
        return _is_home(consumer) or consumer.country in released
    return control in _DECIDED_BY_AGREEMENT


def _is_home(agency: Agency) -> bool:
    """Return whether an agency is of the United States; one whose country nobody gave is not, unless federal."""
    return agency.country == HOME or (agency.country is None and agency.sector is Sector.FEDERAL)


_CONTROLS: Final[dict[str, Callable[[Agency], bool]]] = {
    "FED ONLY": lambda agency: agency.sector is Sector.FEDERAL,
    "FEDCON": lambda agency: agency.sector in {Sector.FEDERAL, Sector.CONTRACTOR},
    "NOCON": lambda agency: agency.sector is not Sector.CONTRACTOR,
    "NOFORN": _is_home,
}
"""Controls that the consumer's own entry decides."""
_FOREIGN_RELEASE: Final = frozenset({"REL TO", "DISPLAY ONLY", "RELIDO"})
"""Foreign consumers need REL TO: the bus hands out copies, which DISPLAY ONLY forbids, and decides nothing itself."""
_DECIDED_BY_AGREEMENT: Final = frozenset({"Attorney-Client", "Attorney-WP"})
"""The agency's decision to let them go further is the agreement. A control that we do not know allows nobody."""
