"""What an entry of the message log may hold, so that it always fits an entry bundle (C2SP ``tlog-tiles``).

The length of an entry there has 16 bits. Statement, signatures, batch and path come from headers, which are bounded
already; what is left is shared out between findings and recipients. `decide` keeps to it, so router and auditor agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from govbus.document.finding import Finding, Severity

ENTRY_BYTES_MAX: Final = 65_535
"""Of a log entry, frame included; headers take up to 32,768, the rest of the fixed fields under 2,048."""
FINDINGS_BYTES_MAX: Final = 12_288
"""Rules, fields and details of one document's findings, in UTF-8."""
RECIPIENTS_BYTES_MAX: Final = 16_384
"""Names of the topics that one document is delivered to."""
FINDINGS_MAX: Final = 20
"""Findings listed of one document; the sender mends these and sees the rest next time."""
FIELD_CHARACTERS_MAX: Final = 300
"""Of a field that a finding names."""

_PREFIX_BYTES = 6
"""In front of a text or between findings in Avro, at most."""
_RULES_NAMED_MAX = 5
_ORDER = (Severity.REFUSE, Severity.QUARANTINE, Severity.WARN)


def recipients_bytes(topics: Sequence[str]) -> int:
    """Return the room that recipients take in an entry; at most `RECIPIENTS_BYTES_MAX` is there."""
    return sum(len(topic.encode("utf-8")) + _PREFIX_BYTES for topic in topics)


def listed(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return findings in the order in which a sender wants to read them, gravest first, up to the bounds.

    Where some are left out, the last one says so: it has the rule and the severity of the first that is left out, the
    field ``findings``, and says how many there are and of which rules.
    """
    if not findings:
        return ()
    ordered = sorted((_short(one) for one in findings), key=lambda one: _ORDER.index(one.severity))
    kept, room = 0, FINDINGS_BYTES_MAX
    for one in ordered:
        room -= _bytes(one)
        if kept == FINDINGS_MAX or room < 0:
            break
        kept += 1
    if kept == len(ordered):
        return tuple(ordered)
    # The notice takes a place, and room that the findings before it may have used up.
    kept = min(kept, FINDINGS_MAX - 1)
    while kept and sum(map(_bytes, ordered[:kept])) + _bytes(_left_out(ordered[kept:])) > FINDINGS_BYTES_MAX:
        kept -= 1
    return (*ordered[:kept], _left_out(ordered[kept:]))


def _left_out(findings: Sequence[Finding]) -> Finding:
    rules = sorted({one.rule for one in findings})
    names = ", ".join(rules[:_RULES_NAMED_MAX]) + (" and others" if len(rules) > _RULES_NAMED_MAX else "")
    detail = f"{len(findings)} more findings are left out here, by {names}; mend the others to see them"
    return Finding(findings[0].rule, findings[0].severity, "findings", detail)


def _short(finding: Finding) -> Finding:
    if len(finding.field) <= FIELD_CHARACTERS_MAX:
        return finding
    field = finding.field[: FIELD_CHARACTERS_MAX - 1] + "…"
    return Finding(finding.rule, finding.severity, field, finding.detail)


def _bytes(finding: Finding) -> int:
    texts = (finding.rule, finding.field, finding.detail)
    return sum(len(text.encode("utf-8", "surrogatepass")) + _PREFIX_BYTES for text in texts)
