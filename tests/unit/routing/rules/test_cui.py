"""Rules CUI-1 to CUI-7 on the part that documents of one template share, and the decontrol date on each."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import Any

import pytest

from govbus.document.finding import Breach, Severity
from govbus.document.ids import AgencyId, PackageId
from govbus.routing.codes import CodeLists
from govbus.routing.directory.model import Agency, Sector
from govbus.routing.rules import cui
from govbus.routing.rules.facts import TemplateFacts
from govbus.routing.rules.rule import Profile

_TIME_MS = 1_795_466_700_000
_DESIGNATION = {
    "controlled_by": "tax.example",
    "office": None,
    "poc": None,
    "decontrol_date": None,
    "decontrol_event": "End of the trial",
}
_COURT = Agency(AgencyId("court.example"), "Court", sector=Sector.FEDERAL, country="USA")


def _facts(
    banner: str | None = "CUI//SP-TAX//FED ONLY",
    *,
    attributes: dict[str, str] | None = None,
    consumer: Agency = _COURT,
    profiles: frozenset[Profile] = frozenset({Profile.CORE, Profile.CUI}),
    **record: Any,
) -> TemplateFacts:
    values = {
        "sc": {"c": "MOD", "i": "MOD", "a": "LOW"},
        "designation": _DESIGNATION,
        "data_asset": "tax.example/assessments",
        "rights": "For the courts.",
    }
    agreement = SimpleNamespace(id="tax-court", consumers=(consumer.id,), profiles=frozenset())
    directory = SimpleNamespace(
        profiles=profiles, codes=CodeLists.shipped(), agency={consumer.id.text: consumer}.get
    )
    headers = {**({} if banner is None else {"cuibanner": banner}), **(attributes or {})}
    package: Any = SimpleNamespace(id=PackageId("tax.assessment"))
    shared: Any = (agreement, package, None, directory)
    return TemplateFacts(headers, {**values, **record}, None, *shared, _TIME_MS)  # type: ignore[arg-type]


def _breaches(*args: Any, **kwargs: Any) -> list[Breach]:
    return list(cui.template_breaches(_facts(*args, **kwargs)))


def _rules(*args: Any, **kwargs: Any) -> list[tuple[str, str]]:
    return [(breach.rule, breach.field) for breach in _breaches(*args, **kwargs)]


@pytest.mark.parametrize(
    "banner",
    ["CUI", "CUI//SP-TAX", "CUI//SP-TAX//FED ONLY", "CUI//NOFORN", "CUI//REL TO USA, AUS", "CUI//FEDCON"],
)
def test_a_marked_document_breaks_nothing(banner: str):
    """CUI with banner, designation, decontrol and impact flows to a federal agency of the United States."""
    assert _breaches(banner) == []


def test_a_document_without_cui_breaks_nothing():
    """Without banner and designation no rule of the family has anything to say."""
    assert _breaches(None, designation=None, sc={"c": "NA", "i": "LOW", "a": "LOW"}) == []


def test_nothing_is_judged_without_the_profile():
    """A deployment outside the United States does not switch the family on."""
    assert _breaches("SECRET", designation=None, profiles=frozenset({Profile.CORE})) == []


def test_a_designation_needs_a_banner():
    """A record that somebody designated cannot flow unmarked."""
    assert _rules(None) == [("CUI-1", "ce_cuibanner")]


def test_a_wrong_banner_is_one_finding():
    """The official example of the DCAT-US 3.0 schema is wrong (trap 3): one finding says why."""
    assert _rules("CUI//SP-PRVCY//SP-LEGAL") == [("CUI-1", "ce_cuibanner")]
    assert _rules("CUI//REL TO GBR, USA") == [("CUI-2", "ce_cuibanner")]
    assert _rules("") == [("CUI-1", "ce_cuibanner")]


def test_dl_only_beside_others_is_a_warning():
    """DL ONLY supersedes other controls; that is said, and the stricter of all is still applied."""
    breaches = _breaches("CUI//DL ONLY/NOFORN")
    assert [(breach.rule, breach.severity) for breach in breaches] == [
        ("CUI-2", Severity.WARN),
        ("CUI-5", None),
    ]


def test_a_banner_needs_a_designation():
    """Who designated the record is said, in 1 to 255 characters."""
    assert _rules(designation=None) == [("CUI-3", "record.designation")]
    for wrong in ("", "  ", "x" * 256):
        assert _rules(designation={**_DESIGNATION, "controlled_by": wrong}) == [
            ("CUI-3", "record.designation.controlled_by")
        ]


def test_decontrol_is_asked_for():
    """A designation without date and event is a warning."""
    assert _rules(designation={**_DESIGNATION, "decontrol_event": None}) == [("CUI-4", "record.designation")]
    dated = {**_DESIGNATION, "decontrol_event": None, "decontrol_date": dt.date(2040, 1, 1)}
    assert _rules(designation=dated) == []


def test_a_decontrol_date_is_checked_on_each_document():
    """From midnight UTC of the date on there is a warning; the millisecond before there is none."""
    facts = _facts(designation={**_DESIGNATION, "decontrol_date": dt.date(2026, 1, 2)})
    (check,) = cui.document_checks(facts)
    due_ms = 1_767_312_000_000
    assert not list(check(SimpleNamespace(at_ms=due_ms - 1)))  # type: ignore[arg-type]
    (breach,) = check(SimpleNamespace(at_ms=due_ms))  # type: ignore[arg-type]
    assert (breach.rule, breach.field) == ("CUI-4", "record.designation.decontrol_date")


@pytest.mark.parametrize("designation", [None, _DESIGNATION])
def test_documents_without_a_date_cost_nothing(designation: Any):
    """Where no decontrol date is given nothing is left to look at in a document."""
    assert list(cui.document_checks(_facts(designation=designation))) == []


def _agency(sector: str, country: str | None, *lists: str) -> Agency:
    return Agency(
        AgencyId("court.example"), "Court", sector=Sector(sector), country=country, lists=frozenset(lists)
    )


@pytest.mark.parametrize(
    ("control", "allowed", "kept_out"),
    [
        ("FED ONLY", [("federal", "USA"), ("federal", None)], [("contractor", "USA"), ("other", "USA")]),
        ("FEDCON", [("federal", "USA"), ("contractor", "USA")], [("other", "USA"), ("other", "GBR")]),
        ("NOCON", [("federal", "USA"), ("other", "USA")], [("contractor", "USA")]),
        ("NOFORN", [("other", "USA"), ("federal", None)], [("other", "GBR"), ("other", None)]),
        ("REL TO USA, AUS", [("other", "AUS"), ("other", "USA")], [("other", "GBR"), ("other", None)]),
        ("REL TO USA, FVEY", [("other", "NZL"), ("federal", None)], [("other", "DEU")]),
        ("REL TO USA, RSMA", [("other", "USA")], [("other", "DEU")]),
        ("DISPLAY ONLY USA, AUS", [("other", "USA")], [("other", "AUS"), ("other", "GBR")]),
        ("DISPLAY ONLY USA, AUS/REL TO USA, GBR", [("other", "GBR")], [("other", "AUS")]),
        ("RELIDO", [("other", "USA")], [("other", "GBR")]),
        (
            "DL ONLY",
            [("other", "GBR", "tax-court"), ("other", None, "tax.assessment")],
            [("federal", "USA", "other-list")],
        ),
        ("DL ONLY", [("federal", "USA", "tax.example/assessments")], [("federal", "USA")]),
    ],
)
def test_each_consumer_is_allowed_by_the_controls(
    control: str, allowed: list[tuple[str, ...]], kept_out: list[tuple[str, ...]]
):
    """Sector, country and lists of a consumer decide; a consumer whose country nobody gave is not of the country."""
    for consumer in allowed:
        assert _breaches(f"CUI//{control}", consumer=_agency(*consumer)) == []
    for consumer in kept_out:
        rules = _rules(f"CUI//{control}", consumer=_agency(*consumer))
        assert rules
        assert set(rules) == {("CUI-5", "ce_cuibanner")}


@pytest.mark.parametrize("control", ["Attorney-Client", "Attorney-WP"])
def test_privilege_is_decided_by_the_agreement(control: str):
    """The agency's decision to let privileged information go further is the agreement that allows the control."""
    assert _breaches(f"CUI//PRIVILEGE//{control}", consumer=_agency("other", "USA")) == []


@pytest.mark.parametrize(
    "banner", ["SECRET//NOFORN", "TOP SECRET", "CUI//SECRET", "CONFIDENTIAL", "(TS//SI)"]
)
def test_a_classified_banner_is_refused(banner: str):
    """The one finding says that the banner is classified, not that its grammar is off."""
    assert _rules(banner) == [("CUI-6", "ce_cuibanner")]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("classification", "S"),
        ("ismclassification", "TS"),
        ("securityclassification", "Confidential"),
        ("marking", "SECRET//NOFORN"),
        ("handling", "TOP SECRET"),
        ("handling", "TS//SI"),
    ],
)
def test_a_classified_attribute_is_refused(name: str, value: str):
    """Whatever the attribute is called that marks classified information, the document does not pass."""
    assert _rules(attributes={name: value}) == [("CUI-6", f"ce_{name}")]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dataclassification", "confidential"),
        ("classification", "U"),
        ("ismclassification", "unclassified"),
        ("priority", "S"),
        ("department", "Secret Service"),
    ],
)
def test_an_unclassified_attribute_is_let_pass(name: str, value: str):
    """The bus's own ``confidential``, and words that only look like a level, are no classification."""
    assert _breaches(attributes={name: value}) == []


def test_classified_rights_are_refused():
    """A classification marking in the rights is one as well."""
    assert _rules(rights="SECRET//REL TO USA, GBR") == [("CUI-6", "record.rights")]


@pytest.mark.parametrize("impact", ["NA", "LOW"])
def test_cui_has_at_least_moderate_impact(impact: str):
    """Confidentiality below moderate contradicts the marking."""
    assert _rules(sc={"c": impact, "i": "MOD", "a": "LOW"}) == [("CUI-7", "record.sc.c")]


def test_cui_marking_is_the_valid_banner():
    """The check of what an agreement allows gets categories as written; a wrong or missing banner has none."""
    banner = cui.cui_marking(_facts())
    assert banner is not None
    assert (banner.categories, banner.controls) == (("SP-TAX",), ("FED ONLY",))
    assert cui.cui_marking(_facts("CUI//UNHEARD")) is None
    assert cui.cui_marking(_facts(None)) is None
