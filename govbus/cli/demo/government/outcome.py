"""What the government scenario found out, and whether it is what had to come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from govbus.audit.report import AuditReport
from govbus.cli.demo.government.registration import RegistrationResult
from govbus.cli.demo.traffic import Expected, Seen
from govbus.document.decision import LogEntry, SourcePosition
from govbus.document.finding import Outcome, Severity
from govbus.document.record import Record
from govbus.routing.rules.catalogue import FAMILIES, RULES

FAMILY_OF: Final = {rule.id: name for name, family in FAMILIES.items() for rule in family.RULES}
"""Family of each rule."""
FAMILIES_SHOWN: Final = (
    *("CloudEvents", "FEA DRM", "Avro", "NIEM", "DCAT-US", "Records"),
    *("CUI", "Security", "Privacy", "Identifiers", "Flow", "Limits"),
)
"""Families of which a document has to break a rule; the run fails where one is missing."""


@dataclass(slots=True)
class KindSeen(Seen):
    """What a reader has seen, with deliveries by type of document and by topic."""

    deliveries: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By ``ce_type`` and topic."""

    def take(self, record: Record, now_ms: int) -> None:
        """Take one record of the log, of an inbox or of a publication."""
        before = self.delivered
        Seen.take(self, record, now_ms)  # a class with slots is made anew, so that super() would not find it
        if self.delivered > before:
            type_ = dict(record.headers)["ce_type"].decode("utf-8", "replace")
            self.deliveries[type_, record.topic] += 1


class KindCounts(NamedTuple):
    """What became of the good documents of one package."""

    documents: int
    deliveries: int
    topics: int
    """How many inboxes and publications they were delivered to."""


class RuleCount(NamedTuple):
    """How often a rule answered, and what it did to the documents."""

    rule: str
    severity: Severity
    documents: int

    @property
    def family(self) -> str:
        """The rule's family."""
        return FAMILY_OF[self.rule]

    @property
    def citation(self) -> str:
        """The text that asks for it."""
        return RULES[self.rule].citation


@dataclass(slots=True)
class GovernmentOutcome:
    """Everything that the run found out."""

    seen: KindSeen = field(default_factory=KindSeen)
    kinds: dict[str, KindCounts] = field(default_factory=dict)
    """By package."""
    wrong: int = 0
    """Wrong documents that were sent."""
    rules: list[RuleCount] = field(default_factory=list)
    """What answered to documents, by family."""
    registration: list[RegistrationResult] = field(default_factory=list)
    audit: AuditReport = field(default_factory=AuditReport)
    seconds: float = 0.0
    example_id: str = ""
    problems: list[str] = field(default_factory=list)
    """What is not as it should be; empty in a good run."""

    def count(self, outcome: Outcome) -> int:
        """Return how many documents had this outcome."""
        return self.seen.outcomes[outcome]


def judge_wrong(
    decisions: Mapping[SourcePosition, LogEntry], expected: Mapping[SourcePosition, Expected]
) -> list[str]:
    """Return every wrong document that was not answered as it had to be: by exactly its rules, with its outcome."""
    problems = []
    for position, hope in expected.items():
        entry = decisions.get(position)
        if entry is None:
            problems.append(f"{hope.kind}: no decision")
            continue
        rules = {finding.rule for finding in entry.findings}
        if entry.decision is not hope.outcome or rules != hope.rules:
            problems.append(
                f"{hope.kind}: expected {hope.outcome.value} by {_words(hope.rules)}, "
                f"found {entry.decision.value} by {_words(rules)}"
            )
    return problems


def judge_good(
    decisions: Mapping[SourcePosition, LogEntry], expected: Mapping[SourcePosition, Expected]
) -> list[str]:
    """Return every other document that was not accepted without a finding."""
    return [
        f"a good document at {position}: {entry.decision.value} by "
        f"{_words(finding.rule for finding in entry.findings)}"
        for position, entry in decisions.items()
        if position not in expected and (entry.decision is not Outcome.ACCEPTED or entry.findings)
    ]


def rule_counts(decisions: Mapping[SourcePosition, LogEntry]) -> list[RuleCount]:
    """Return how often each rule answered with each severity, family by family."""
    counts: Counter[tuple[str, Severity]] = Counter()
    for entry in decisions.values():
        counts.update({(finding.rule, finding.severity) for finding in entry.findings})
    order = {rule: place for place, rule in enumerate(RULES)}
    return [
        RuleCount(rule, severity, count)
        for (rule, severity), count in sorted(
            counts.items(), key=lambda one: (order[one[0][0]], one[0][1].value)
        )
    ]


def missing_families(rules: Sequence[RuleCount]) -> list[str]:
    """Return the families of which no document broke a rule."""
    found = {one.family for one in rules}
    return [family for family in FAMILIES_SHOWN if family not in found]


def report_of(outcome: GovernmentOutcome) -> dict[str, Any]:
    """Return the figures by their names in ``government.json``."""
    return {
        "accepted": outcome.count(Outcome.ACCEPTED),
        "refused": outcome.count(Outcome.REFUSED),
        "quarantined": outcome.count(Outcome.QUARANTINED),
        "delivered": outcome.seen.delivered,
        "receipts": len(outcome.seen.receipts),
        "kinds": {package: counts._asdict() for package, counts in outcome.kinds.items()},
        "wrong_documents": outcome.wrong,
        "rules": [
            {
                "rule": one.rule,
                "family": one.family,
                "severity": one.severity.value,
                "citation": one.citation,
                "documents": one.documents,
            }
            for one in outcome.rules
        ],
        "registration": [
            {
                "rule": one.entry.rule,
                "family": FAMILY_OF[one.entry.rule],
                "kind": one.entry.kind,
                "refused": one.is_found,
                "detail": one.detail,
            }
            for one in outcome.registration
        ],
        "log_entries": outcome.audit.entries,
        "log_verified": outcome.audit.is_clean,
        "seconds": round(outcome.seconds, 1),
        "problems": outcome.problems,
    }


def _words(rules: Any) -> str:
    return ", ".join(sorted(rules)) or "no rule"
