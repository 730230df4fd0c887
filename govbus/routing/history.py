"""What the router remembers of an origin: which index comes next and what was decided before.

The message log is the truth; whatever implements `History` is a view of it that can be rebuilt.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from govbus.document.decision import LogEntry
from govbus.document.finding import Finding, Outcome, Severity
from govbus.document.ids import Origin
from govbus.document.statement import Statement, statement_hash


class Prior(NamedTuple):
    """An earlier decision about one index of one origin."""

    number: int
    """The index that was decided about."""
    document_id: str
    statement_hash: bytes
    outcome: Outcome
    is_proven: bool
    """Whether the statement's signature held: only then is it the agency's own word."""
    time_ms: int
    receipt_first: int
    """First index of the run that the receipt covered."""
    offset: int
    """Where the record stands in its outbox partition."""
    agreement: str | None = None
    """Id of the agreement that an accepted document was sent under."""
    findings: tuple[Finding, ...] = ()
    """Of an accepted document, because its receipt repeats them."""


def findings_text(findings: Sequence[Finding]) -> str | None:
    """Return findings as JSON for a database column; None where there are none, as nearly always."""
    if not findings:
        return None
    return json.dumps([(one.rule, one.severity.value, one.field, one.detail) for one in findings])


def findings_of_text(text: str | None) -> tuple[Finding, ...]:
    """Return the findings of a `findings_text`."""
    if text is None:
        return ()
    return tuple(
        Finding(rule, Severity(level), field, detail) for rule, level, field, detail in json.loads(text)
    )


def prior_of_row(row: Sequence[Any]) -> Prior:
    """Return the decision that a database row tells of; its columns are the fields of `Prior` in their order."""
    number, document_id, statement_hash, outcome, is_proven, *places, agreement, findings = row
    time_ms, receipt_first, offset = places
    return Prior(
        number,
        document_id,
        statement_hash,
        Outcome(outcome),
        bool(is_proven),
        time_ms,
        receipt_first,
        offset,
        agreement,
        findings_of_text(findings),
    )


def prior_of_entry(entry: LogEntry) -> tuple[Origin, Prior] | None:
    """Return the decision that a log entry tells of and its origin, or None where it used up no index.

    Raises:
        MetadataError: if the entry's statement cannot be read.
    """
    if entry.receipt_first is None or entry.statement is None or entry.decision is Outcome.DUPLICATE:
        return None
    statement = Statement.from_bytes(entry.statement)
    return statement.origin, Prior(
        statement.index,
        entry.document_id or "",
        statement_hash(entry.statement),
        entry.decision,
        entry.record_hash is None,
        entry.time_ms,
        entry.receipt_first,
        entry.source.offset,
        entry.agreement,
        entry.findings if entry.decision is Outcome.ACCEPTED else (),
    )


class History(Protocol):
    """The past of every origin, as far as it is remembered."""

    def next_index(self, origin: Origin) -> int:
        """Return the index that the origin's next document must have."""
        ...

    def at_index(self, origin: Origin, index: int) -> Prior | None:
        """Return what was decided about an index, or None where it is not remembered."""
        ...

    def of_document(self, origin: Origin, document_id: str) -> Prior | None:
        """Return the accepted document with this id, or None."""
        ...

    def run(self, origin: Origin, receipt_first: int) -> Sequence[Prior]:
        """Return the accepted documents that one receipt covered, in index order."""
        ...

    def last_accepted_ms(self, origin: Origin, agreement: str) -> int | None:
        """Return when the last document of an origin under an agreement was accepted, or None before the first."""
        ...


class OriginPast:
    """The remembered past of one origin, in memory."""

    __slots__ = ("_by_document", "_by_index", "next_index")

    def __init__(self) -> None:
        self.next_index = 0
        self._by_index: dict[int, Prior] = {}
        self._by_document: dict[str, Prior] = {}

    def remember(self, prior: Prior) -> None:
        """Take a decision into the past."""
        self._by_index[prior.number] = prior
        self.next_index = max(self.next_index, prior.number + 1)
        if prior.outcome is Outcome.ACCEPTED:
            self._by_document[prior.document_id] = prior

    def at_index(self, index: int) -> Prior | None:
        """Return what was decided about an index, or None."""
        return self._by_index.get(index)

    def of_document(self, document_id: str) -> Prior | None:
        """Return the accepted document with this id, or None."""
        return self._by_document.get(document_id)

    def run(self, receipt_first: int) -> list[Prior]:
        """Return the accepted documents from `receipt_first` on that share its receipt."""
        priors: list[Prior] = []
        index = receipt_first
        while (prior := self._by_index.get(index)) is not None and prior.receipt_first == receipt_first:
            priors.append(prior)
            index += 1
        return priors


class MemoryHistory:
    """A `History` that keeps everything in memory: for the auditor and for tests."""

    def __init__(self) -> None:
        self._origins: dict[Origin, OriginPast] = {}
        self._accepted_ms: dict[tuple[Origin, str], int] = {}

    def _past(self, origin: Origin) -> OriginPast:
        return self._origins.setdefault(origin, OriginPast())

    def next_index(self, origin: Origin) -> int:
        """Return the index that the origin's next document must have."""
        return self._past(origin).next_index

    def at_index(self, origin: Origin, index: int) -> Prior | None:
        """Return what was decided about an index, or None."""
        return self._past(origin).at_index(index)

    def of_document(self, origin: Origin, document_id: str) -> Prior | None:
        """Return the accepted document with this id, or None."""
        return self._past(origin).of_document(document_id)

    def run(self, origin: Origin, receipt_first: int) -> Sequence[Prior]:
        """Return the accepted documents that one receipt covered."""
        return self._past(origin).run(receipt_first)

    def remember(self, origin: Origin, prior: Prior) -> None:
        """Take a decision into the past."""
        self._past(origin).remember(prior)
        if prior.agreement is not None:
            self._accepted_ms[origin, prior.agreement] = prior.time_ms

    def last_accepted_ms(self, origin: Origin, agreement: str) -> int | None:
        """Return when the last document of an origin under an agreement was accepted, or None before the first."""
        return self._accepted_ms.get((origin, agreement))
