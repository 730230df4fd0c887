"""A finding: which rule a document breaks, in which field, and what was expected."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple


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


class Breach(NamedTuple):
    """What a check found: a rule, the field that breaks it, and what was expected there.

    The rule's own severity makes it a `Finding`. As there, the detail never repeats payload or personal data.
    """

    rule: str
    field: str
    """Header, path in the value such as ``record.sc.c``, or path in an entry such as ``schemas.0.definition``."""
    detail: str
    severity: Severity | None = None
    """Where one rule weighs its breaches differently; None for the rule's own severity."""


@dataclass(frozen=True, slots=True)
class ReceiptFinding:
    """A finding as the sender reads it: with the text that asks for it and what would be accepted."""

    rule: str
    severity: Severity
    field: str
    detail: str
    citation: str
    """Standard and section, such as ``32 CFR 2002.20(b)``."""
    accepted: str
    """What would be accepted, in one sentence."""


class Outcome(enum.Enum):
    """The decision about one document (symbols of ``govbus.core.LogEntry``)."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    QUARANTINED = "quarantined"
    DUPLICATE = "duplicate"
    ERASED = "erased"
    """Not a decision of the router: the content of a document was erased, by whose order the entry says."""
