"""Every rule by its id: what findings, receipts, documentation and ``govbus rules`` are made from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from govbus.document.finding import Breach, Finding, ReceiptFinding, Severity
from govbus.routing.rules import (
    avro,
    cloudevents,
    contracts,
    cui,
    dcat,
    drm,
    flow,
    identifiers,
    limits,
    niem,
    privacy,
    records,
    security,
)
from govbus.routing.rules.rule import Profile, Rule

FAMILIES: Final = {
    "CloudEvents": cloudevents,
    "FEA DRM": drm,
    "Avro": avro,
    "NIEM": niem,
    "DCAT-US": dcat,
    "Records": records,
    "CUI": cui,
    "Security": security,
    "Privacy": privacy,
    "Identifiers": identifiers,
    "Flow": flow,
    "Limits": limits,
    "Contracts": contracts,
}
"""The module of each family, by the name that pages give it."""


def _by_id() -> dict[str, Rule]:
    rules = [rule for family in FAMILIES.values() for rule in family.RULES]
    by_id = {rule.id: rule for rule in rules}
    if len(by_id) != len(rules):
        raise AssertionError("a rule id stands twice")
    return by_id


RULES: Final[dict[str, Rule]] = _by_id()
"""Every rule by its id, family by family."""


def is_active(rule_id: str, profiles: Iterable[Profile]) -> bool:
    """Return whether a rule is switched on by one of the profiles; ``core`` always is."""
    profile = RULES[rule_id].profile
    return profile is Profile.CORE or profile in profiles


def finding_of(breach: Breach) -> Finding:
    """Return the finding that a breach is: with the severity of its rule, unless the breach has one of its own."""
    severity: Severity = breach.severity or RULES[breach.rule].severity
    return Finding(breach.rule, severity, breach.field, breach.detail[:DETAIL_CHARACTERS_MAX])


def explained(findings: Iterable[Finding]) -> tuple[ReceiptFinding, ...]:
    """Return findings as a receipt has them: with the text that asks for it, and what would be accepted."""
    return tuple(
        ReceiptFinding(
            one.rule,
            one.severity,
            one.field,
            one.detail,
            RULES[one.rule].citation if one.rule in RULES else "",
            RULES[one.rule].accepted if one.rule in RULES else "",
        )
        for one in findings
    )


DETAIL_CHARACTERS_MAX: Final = 500
