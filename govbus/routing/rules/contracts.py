"""Exchange agreements written as Open Data Contracts: their form is that of the standard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from govbus.document.finding import Breach, Severity
from govbus.routing.catalogue.odcs_form import contract_flaws
from govbus.routing.rules.facts import DocumentCheck, TemplateFacts
from govbus.routing.rules.rule import Basis, Moment, Profile, Rule

BREACHES_MAX: Final = 50
"""Told of one contract; whoever mends these sees the rest next time."""

_CONTRACT: Final = """
    apiVersion: v3.1.0
    kind: DataContract
    id: tax-rolls
    name: Tax rolls for the court
    version: 1.0.0
    status: active
    description: {purpose: Decide on appeals., usage: Assessments that were appealed against.}
    team:
      members:
        - username: desk@tax.example
          role: supplier
          customProperties: [{property: agency, value: tax.example}]
        - username: registry@court.example
          role: consumer
          customProperties: [{property: agency, value: court.example}]
    slaProperties:
      - {property: generalAvailability, value: "2025-01-01"}
      - {property: endOfLife, value: "2030-12-30"}
    customProperties:
      - {property: exchangePackage, value: tax.assessment}
      - {property: legalAuthority, value: "Example Tax Procedure Act, section 12"}
      - {property: classification, value: confidential}
      - {property: impact, value: {c: MOD, i: MOD, a: LOW}}
      - {property: dataCategories, value: [non-sensitive-pii]}
      - {property: reviewDue, value: "2028-01-01"}
"""
_FILE: Final = "files:\n  agreements/tax-rolls.odcs.yaml: |"

RULES = (
    Rule(
        id="ODC-1",
        citation="Open Data Contract Standard 3.1.0, JSON Schema",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.CORE,
        moments=(Moment.REGISTRATION,),
        explanation="An agreement that is written as an Open Data Contract has the form of the standard, and says in "
        "it everything that an agreement says.",
        accepted="A contract of ODCS 3.1 such as `govbus catalog export odcs` writes.",
        passing=_FILE + _CONTRACT,
        failing=_FILE + _CONTRACT.replace("kind: DataContract", "kind: Contract"),
    ),
)
"""The rules of this family."""


def contract_breaches(value: Any) -> Iterator[Breach]:
    """Yield what is wrong with the form of a contract (rule ODC-1).

    Args:
        value: as `govbus.routing.catalogue.odcs_yaml.contract_value` reads it.
    """
    for flaw in contract_flaws(value)[:BREACHES_MAX]:
        yield Breach("ODC-1", flaw.field, flaw.detail)


def template_breaches(_facts: TemplateFacts) -> Iterator[Breach]:
    """Yield nothing: contracts are looked at when they are registered."""
    yield from ()


def document_checks(_facts: TemplateFacts) -> Iterator[DocumentCheck]:
    """Yield nothing: contracts are looked at when they are registered."""
    yield from ()
