"""Deciding again: the entry that the evidence demands, compared with the one in the message log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from govbus.audit.history import ReplayHistory, ShortHistory
from govbus.audit.report import AuditFinding, Check
from govbus.document import topics
from govbus.document.decision import LogEntry, SourcePosition
from govbus.document.encoding import base64url
from govbus.document.finding import Finding, Outcome
from govbus.document.ids import Origin
from govbus.document.record import Record
from govbus.document.statement import statement_hash
from govbus.errors import MetadataError
from govbus.routing.decide import Decision, decide, prior_of, record_hash
from govbus.routing.directory.model import Directory
from govbus.routing.history import History, Prior, prior_of_entry
from govbus.routing.trust.status import RevocationRecords
from govbus.signing.verifier import VerifiedSignatures

TEXT_CHARACTERS_MAX = 300


class Judgement(NamedTuple):
    """What deciding again came to."""

    decision: Decision | None
    """None where the directory version is not known or the record is gone."""
    findings: list[AuditFinding]


class Judge:
    """Decides again about records in the order of the log."""

    def __init__(
        self,
        directories: Mapping[int, Directory],
        history: ReplayHistory,
        verified: VerifiedSignatures,
        revocations: RevocationRecords | None = None,
    ) -> None:
        """Take the directory versions by number, a history that grows with what is judged, and revocation records."""
        self._revocations = revocations if revocations is not None else RevocationRecords()
        self._directories = directories
        self._history = history
        self._short = ShortHistory(history)
        self._verified = verified
        self._last: tuple[int, int] | None = None
        """Directory version and time of the entry before."""
        self._state = self._revocations.state(0)
        """What the decision about the entry before rested on."""

    def judge(self, entry_record: Record, entry: LogEntry, record: Record, *, is_in_run: bool) -> Judgement:
        """Compare an entry with a decision made again, and take the decision into the history.

        Args:
            entry_record: the entry as it stands in the message log.
            entry: the same, decoded.
            record: the outbox record that it is about.
            is_in_run: whether the receipt of the entry before can cover this one too.
        """
        self._last = (entry.directory_version, entry.time_ms)
        directory = self._directories.get(entry.directory_version)
        if directory is None:
            self.believe(entry)
            return Judgement(None, [_unknown_version(entry_record, entry, self._directories)])
        if not 0 <= entry.revocations <= self._revocations.count:
            self.believe(entry)
            return Judgement(None, [_unknown_records(entry_record, entry, self._revocations.count)])
        self._state = self._revocations.state(entry.revocations)
        decision = self._decide(record, directory, self._history, entry.time_ms)
        demanded = demanded_entry(decision, record, entry, is_in_run=is_in_run)
        if demanded != entry:
            # A router keeps a bounded past; where it says that it forgot, the same without that past must agree.
            short = self._decide(record, directory, self._short, entry.time_ms)
            demanded_short = demanded_entry(short, record, entry, is_in_run=is_in_run)
            if demanded_short == entry:
                decision, demanded = short, demanded_short
        self._remember(decision, entry)
        if demanded == entry:
            return Judgement(decision, [])
        return Judgement(decision, list(_differences(entry_record, entry, demanded, decision)))

    def judge_undecided(self, record: Record) -> None:
        """Take a record without an entry into the history, so that its successors are judged as the router did."""
        directory = self._directories.get(self._last[0]) if self._last is not None else None
        if directory is None or self._last is None:
            directory = self._directories[min(self._directories)] if self._directories else None
        if directory is None:
            return
        at_ms = self._last[1] if self._last is not None else record.timestamp_ms
        decision = self._decide(record, directory, self._history, at_ms)
        if decision.statement is not None:
            self._take(decision.statement.origin, prior_of(decision, time_ms=at_ms, receipt_first=-1))

    def _decide(self, record: Record, directory: Directory, history: History, at_ms: int) -> Decision:
        return decide(
            record,
            directory,
            history,
            at_ms=at_ms,
            verified=self._verified,
            revocations=self._state,
        )

    def believe(self, entry: LogEntry) -> None:
        """Take an entry into the history as it is, where there is nothing to judge it by."""
        prior = _prior_of_entry(entry)
        if prior is not None:
            self._take(*prior)

    def _remember(self, decision: Decision, entry: LogEntry) -> None:
        """What the evidence demands goes into the history; where it gives no index, what the entry says."""
        prior = prior_of(decision, time_ms=entry.time_ms, receipt_first=entry.receipt_first or 0)
        if prior is not None and decision.statement is not None:
            self._take(decision.statement.origin, prior)
        elif decision.outcome is not Outcome.DUPLICATE:
            self.believe(entry)

    def _take(self, origin: Origin, prior: Prior | None) -> None:
        if prior is not None:
            self._history.remember(origin, prior)


def demanded_entry(decision: Decision, record: Record, entry: LogEntry, *, is_in_run: bool) -> LogEntry:
    """Return the entry that must stand in the message log about a decision.

    Args:
        decision: made again.
        record: the outbox record.
        entry: what stands there; gives time and directory version, and the receipt run where it may continue one.
        is_in_run: whether it may.
    """
    statement = decision.statement
    envelope = decision.envelope if statement is not None else None
    receipt_first = statement.index if statement is not None and decision.is_in_sequence else None
    if receipt_first is not None and is_in_run:
        receipt_first = entry.receipt_first
    return LogEntry(
        decision=decision.outcome,
        time_ms=entry.time_ms,
        source=SourcePosition(record.topic, record.partition, record.offset),
        document_id=decision.document_id,
        statement=envelope.statement if envelope is not None else None,
        signatures=envelope.signatures if envelope is not None else (),
        batch=envelope.batch if envelope is not None else None,
        path=envelope.path if envelope is not None else b"",
        record_hash=None if decision.is_proven else record_hash(record),
        directory_version=entry.directory_version,
        findings=decision.findings,
        recipients=decision.recipients,
        receipt_first=receipt_first,
        agreement=decision.agreement,
        revocations=entry.revocations,
    )


def _prior_of_entry(entry: LogEntry) -> tuple[Origin, Prior] | None:
    """Return what an entry tells of; None also where its statement cannot be read, which is reported elsewhere."""
    try:
        return prior_of_entry(entry)
    except MetadataError:
        return None


def _unknown_version(record: Record, entry: LogEntry, directories: Mapping[int, Directory]) -> AuditFinding:
    known = f"{min(directories)} to {max(directories)}" if directories else "none"
    return AuditFinding(
        Check.DIRECTORY,
        record.topic,
        record.partition,
        record.offset,
        f"a directory version that the governing authority signed (known: {known})",
        f"version {entry.directory_version}",
        source=entry.source,
    )


def _unknown_records(record: Record, entry: LogEntry, count: int) -> AuditFinding:
    return AuditFinding(
        Check.REVOCATION,
        record.topic,
        record.partition,
        record.offset,
        f"a count of records of {topics.REVOCATIONS}, which has {count}",
        f"revocations {entry.revocations}",
        source=entry.source,
    )


def _differences(
    record: Record, entry: LogEntry, demanded: LogEntry, decision: Decision
) -> Iterator[AuditFinding]:
    """Yield one finding for each field that differs."""
    statement = decision.statement
    for name in LogEntry._fields:
        found, expected = getattr(entry, name), getattr(demanded, name)
        if found != expected:
            yield AuditFinding(
                Check.DECISION,
                record.topic,
                record.partition,
                record.offset,
                f"{name} {_shown(expected)}",
                _shown(found),
                origin=str(statement.origin) if statement is not None else None,
                index=statement.index if statement is not None else None,
                source=entry.source,
            )


def _shown(value: object) -> str:
    """Return a value of an entry for people; statements and signatures only by their hashes."""
    match value:
        case Outcome():
            text = value.value
        case bytes():
            text = f"bytes with leaf hash {base64url(statement_hash(value))}"
        case tuple() if value and all(isinstance(one, Finding) for one in value):
            text = "; ".join(f"{one.rule} {one.field}: {one.detail}" for one in value)
        case tuple() if value and all(isinstance(one, bytes) for one in value):
            text = ", ".join(_shown(one) for one in value)
        case () | None:
            text = "none"
        case tuple():
            text = ", ".join(str(one) for one in value)
        case _:
            text = str(value)
    return text[:TEXT_CHARACTERS_MAX]
