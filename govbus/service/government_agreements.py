"""The agreements of the sample government: who may send which package to whom, why, and within which limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from govbus.document.ids import AgencyId
from govbus.service.government_exchanges import (
    BUSINESS_REGISTRY,
    CIVIL_REGISTRY,
    COURT,
    LICENSING,
    NOTARY_CHAMBER,
    POPULATION_REGISTER,
    PROCUREMENT,
    TAX_OFFICE,
    TRAFFIC_POLICE,
    TREASURY,
    Entry,
    party,
)


def _impact(c: str, i: str, a: str) -> Entry:
    return {"c": c, "i": i, "a": a}


def _schedule(authority: str, years: int | None, event: str | None = None) -> Entry:
    if years is None:
        return {"authority": authority, "retention_type": "Permanent", "final_disposition": "Transfer"}
    return {
        "authority": authority,
        "retention_type": "Event_age",
        "years": years,
        "event_type": event,
        "final_disposition": "Destroy",
    }


_PERMANENT: Final = _schedule("DAA-0999-2024-0001-0001", None)
_FINANCIAL: Final = _schedule("DAA-GRS-2013-0003-0001", 6, "final payment or cancellation")


@dataclass(frozen=True, slots=True)
class _Terms:
    """Who exchanges what, and why they may."""

    package: str
    supplier: AgencyId
    consumers: tuple[AgencyId, ...]
    purpose: str
    legal_authority: str
    schedule: Mapping[str, Any]
    categories: tuple[str, ...]


def _agreement(id_: str, name: str, terms: _Terms, **more: Any) -> Entry:
    return {
        "id": id_,
        "name": name,
        "description": f"{name}: documents of package {terms.package} under the terms below.",
        "package": terms.package,
        "supplier": party(terms.supplier),
        "consumers": [party(consumer) for consumer in terms.consumers],
        "purpose": terms.purpose,
        "legal_authority": terms.legal_authority,
        "status": "active",
        "classification": "confidential",
        "impact": _impact("MOD", "MOD", "MOD"),
        "data_categories": list(terms.categories),
        "records_schedule": dict(terms.schedule),
        **more,
    }


_PERSONAL: Final = ("non-sensitive-pii", "sensitive-pii")

AGREEMENTS: Final[Sequence[Entry]] = (
    _agreement(
        "births",
        "Births for register and taxes",
        _Terms(
            "civil.birth",
            CIVIL_REGISTRY,
            (POPULATION_REGISTER, TAX_OFFICE),
            "Enter newborn children in the population register and grant child allowances unasked.",
            "Example Population Register Act, section 3; Example Child Allowance Act, section 8",
            _PERMANENT,
            _PERSONAL,
        ),
        cui={"categories": ["PRVCY"], "dissemination": []},
        system_of_records="https://civil-registry.example/privacy/births",
    ),
    _agreement(
        "marriages",
        "Marriages for the register",
        _Terms(
            "civil.marriage",
            CIVIL_REGISTRY,
            (POPULATION_REGISTER, TAX_OFFICE),
            "Keep marital status and names current in the population register.",
            "Example Population Register Act, section 5",
            _PERMANENT,
            _PERSONAL,
        ),
    ),
    _agreement(
        "business-registrations",
        "Entries of the business register",
        _Terms(
            "business.registration",
            BUSINESS_REGISTRY,
            (TAX_OFFICE, LICENSING, COURT),
            "Give every legal entity a tax number and keep licences in step with the register.",
            "Example Companies Act, section 40",
            _PERMANENT,
            _PERSONAL,
        ),
    ),
    _agreement(
        "licences",
        "Licences of enterprises",
        _Terms(
            "licensing.licence",
            LICENSING,
            (BUSINESS_REGISTRY, TAX_OFFICE),
            "Show in the business register what an enterprise is licensed for.",
            "Example Trade Act, section 14",
            _schedule("DAA-0999-2024-0001-0004", 10, "end of validity"),
            ("non-pii", "non-sensitive-pii"),
        ),
    ),
    _agreement(
        "licences-test",
        "Licences, tests of the new system",
        _Terms(
            "licensing.licence",
            LICENSING,
            (BUSINESS_REGISTRY,),
            "Test the licensing authority's new system with invented licences.",
            "Example Trade Act, section 14; test plan of the licensing authority",
            _schedule("DAA-0999-2024-0001-0009", 1, "end of the test"),
            ("non-pii", "non-sensitive-pii"),
        ),
        mode="test",
        impact=_impact("LOW", "LOW", "LOW"),
    ),
    _agreement(
        "procurement-notices",
        "Procurement notices for everybody",
        _Terms(
            "procurement.notice",
            PROCUREMENT,
            (BUSINESS_REGISTRY, TREASURY, COURT),
            "Let everybody see what the government buys.",
            "Example Procurement Act, section 24",
            _FINANCIAL,
            ("non-pii",),
        ),
        classification="public",
        impact=_impact("NA", "MOD", "LOW"),
        frequency="R/P1D",
        frequency_tolerance_percent=200,
    ),
    _agreement(
        "procurement-awards",
        "Awards for budget and review",
        _Terms(
            "procurement.award",
            PROCUREMENT,
            (TREASURY, BUSINESS_REGISTRY, COURT),
            "Commit the budget, and let the court review awards.",
            "Example Procurement Act, section 61",
            _FINANCIAL,
            ("non-pii", "non-sensitive-pii"),
        ),
    ),
    _agreement(
        "notarial-acts",
        "Acts to be filed",
        _Terms(
            "justice.notarial-act",
            NOTARY_CHAMBER,
            (BUSINESS_REGISTRY, COURT, CIVIL_REGISTRY),
            "File acts with the registers that they change.",
            "Example Notaries Act, section 31",
            _PERMANENT,
            _PERSONAL,
        ),
    ),
    _agreement(
        "traffic-fines",
        "Fines that may be appealed against",
        _Terms(
            "justice.traffic-fine",
            TRAFFIC_POLICE,
            (COURT, TREASURY),
            "Collect fines, and let the court decide about objections.",
            "Example Road Traffic Act, section 70",
            _schedule("DAA-0999-2024-0001-0012", 3, "payment or final judgment"),
            _PERSONAL,
        ),
        profiles=["niem"],
    ),
    _agreement(
        "tax-refunds",
        "Tax refunds to be paid",
        _Terms(
            "finance.payment-order",
            TAX_OFFICE,
            (TREASURY,),
            "Pay refunds of taxes.",
            "Example Tax Procedure Act, section 37",
            _FINANCIAL,
            _PERSONAL,
        ),
        cui={"categories": ["SP-TAX"], "dissemination": ["FED ONLY"]},
        system_of_records="https://tax.example/privacy/refunds",
        impact=_impact("MOD", "HIGH", "MOD"),
    ),
    _agreement(
        "contractor-payments",
        "Payments to contractors",
        _Terms(
            "finance.payment-order",
            PROCUREMENT,
            (TREASURY,),
            "Pay what was bought.",
            "Example Budget Act, section 34",
            _FINANCIAL,
            _PERSONAL,
        ),
        impact=_impact("MOD", "HIGH", "MOD"),
    ),
)
