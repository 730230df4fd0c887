"""A finding: which rule a document breaks, in which field, and what was expected."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Severity(enum.Enum):
    """What a finding does to the document (``docs/rules.md``)."""

    REFUSE = "R"
    """Never delivered."""
    QUARANTINE = "Q"
    """Held for a person."""
    WARN = "W"
    """Delivered, recorded."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. It names rule and field and says what was expected; never payload or personal data."""

    rule: str
    severity: Severity
    field: str
    detail: str


class Outcome(enum.Enum):
    """The decision about one document (symbols of ``govbus.core.LogEntry``)."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    QUARANTINED = "quarantined"
    DUPLICATE = "duplicate"
