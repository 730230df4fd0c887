"""What one process found out about its part, small enough to be sent, and how parts join."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from govbus.audit.evidence.subtrees import TreeStretch
from govbus.audit.report import FINDINGS_KEPT_MAX, AuditFinding, Check

RUNS_MAX = 10_000
"""Runs of one origin in one part; beyond, what is missing is reported at once."""
UNACCEPTED_MAX = 10_000
"""Documents of one origin that used up an index without being accepted, kept to judge a later try by."""


@dataclass(slots=True)
class Found:
    """Findings of one process: the first of every check in full, all of them counted."""

    findings: list[AuditFinding] = field(default_factory=list)
    by_check: Counter[Check] = field(default_factory=Counter)

    def add(self, finding: AuditFinding) -> None:
        """Take a finding in."""
        self.by_check[finding.check] += 1
        if self.by_check[finding.check] <= FINDINGS_KEPT_MAX // len(Check):
            self.findings.append(finding)


class Try(NamedTuple):
    """A decision about a document that used an index."""

    number: int
    """The index."""
    statement_hash: bytes
    is_accepted: bool
    is_proven: bool
    """Whether a signature held: only then is the statement the agency's own word."""
    entry: int
    """Number of the entry."""


@dataclass(slots=True)
class OriginEdges:
    """A run of an origin's documents whose indexes follow one another, and what runs before and after must know.

    A part of a log cannot know which index comes first in it: it may be the next one, or one that is tried again. So
    each forward jump begins another run, and only where runs are joined does it show what is missing.
    """

    first: int
    """Index of its first document in sequence."""
    first_entry: int
    """Number of the entry about it."""
    next: int
    """Index that must come next."""
    unaccepted: dict[int, Try] = field(default_factory=dict)
    """The last decision about each index whose document was not accepted."""
    early: list[Try] = field(default_factory=list)
    """Decisions about indexes before `first`."""
    first_try: Try | None = None
    """The decision about `first`."""
    first_proven: int | None = None
    """Index of the first document that a signature proves."""
    first_batch: tuple[int, int] | None = None
    """Range of the batch that it stands in; None where it has a signature of its own."""
    unproven_since: int | None = None
    """First of the last documents, where no signature proves those."""
    batch_end: int | None = None
    """End of the batch that the last proven document stands in; None where it has a signature of its own."""
    batch_text: bytes | None = None
    """Its text."""


@dataclass(slots=True)
class SourceEdges:
    """Which records of one outbox partition the entries of a part are about."""

    first: int
    """Offset."""
    first_entry: int
    last: int


@dataclass(slots=True)
class PartitionPart:
    """A stretch of one log partition."""

    partition: int
    stretches: list[TreeStretch]
    """Cut at the size of every checkpoint in it."""
    origins: dict[str, list[OriginEdges]] = field(default_factory=dict)
    """Runs of each origin, in the order of the log."""
    sources: dict[tuple[str, int], SourceEdges] = field(default_factory=dict)
    """By outbox topic and partition."""

    @property
    def start(self) -> int:
        """Number of the first entry."""
        return self.stretches[0].start

    @property
    def end(self) -> int:
        """Number of the entry that comes next."""
        return self.stretches[-1].end


@dataclass(slots=True)
class UnitResult:
    """What came out of one unit."""

    unit: str
    parts: list[PartitionPart] = field(default_factory=list)
    found: Found = field(default_factory=Found)
    counts: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    absent: list[tuple[str, int, int, int, str, bytes]] = field(default_factory=list)
    """Documents without a value: origin, index, log partition, entry number, outbox record, statement hash."""
    erased: set[tuple[str, bytes]] = field(default_factory=set)
    """Outbox record and statement hash of documents that a lawful order says were erased."""
    peak_bytes: int = 0
    """Most memory that the process held."""
