"""What must stand on the topics of recipients, sender and operator after every entry of the message log."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from govbus.audit.history import ReplayHistory
from govbus.audit.tally import Expectation, Ledger, Name, Naming
from govbus.document import topics
from govbus.document.decision import LogEntry, Receipt
from govbus.document.finding import Outcome
from govbus.document.ids import Origin
from govbus.document.record import Envelope, Headers, Record, key_of
from govbus.document.statement import Statement, statement_hash
from govbus.errors import MetadataError
from govbus.routing.decide import record_hash
from govbus.routing.directory.model import Directory
from govbus.routing.rules.catalogue import explained
from govbus.schemas.core import encode_receipt
from govbus.transport.base import TopicPartition


@dataclass(slots=True)
class _Run:
    """Entries that one receipt covers."""

    entry: LogEntry
    """The first."""
    origin: Origin | None
    first: int | None
    hashes: list[bytes] = field(default_factory=list)

    def covers(self, entry: LogEntry, statement: Statement) -> bool:
        """Return whether the receipt can cover the next entry of the same outbox partition too."""
        first = self.entry
        return (
            self.first is not None
            and first.decision is Outcome.ACCEPTED
            and entry.decision is Outcome.ACCEPTED
            and not first.findings
            and not entry.findings
            and self.origin == statement.origin
            and statement.index == self.first + len(self.hashes)
            and (first.time_ms, first.directory_version, first.revocations)
            == (entry.time_ms, entry.directory_version, entry.revocations)
        )


class Expectations:
    """Turns entries, in the order of the log, into what must have been written with them."""

    def __init__(
        self, naming: Naming, ledger: Ledger, directories: Mapping[int, Directory], log_partition: int
    ) -> None:
        """Take where to write to, and the log partition whose entries come."""
        self._naming = naming
        self._ledger = ledger
        self._directories = directories
        self._log_partition = log_partition
        self._runs: dict[TopicPartition, _Run] = {}

    def continues_run(self, entry: LogEntry) -> bool:
        """Return whether the entry says that the receipt before covers it, and that can be."""
        run = self._runs.get(TopicPartition(*entry.source[:2]))
        if run is None or entry.receipt_first is None or entry.receipt_first != run.first:
            return False
        statement = statement_of(entry)
        return statement is not None and run.covers(entry, statement)

    def take(self, entry: LogEntry, record: Record | None, history: ReplayHistory | None) -> None:
        """Expect what follows from an entry.

        Args:
            entry: of the message log.
            record: the outbox record that it is about; None where the broker deleted it, and with it the means
                to judge copies.
            history: for receipts given again; None where only first ones are wanted.
        """
        if record is not None:
            self._expect_copies(entry, record)
        source = TopicPartition(*entry.source[:2])
        statement = statement_of(entry)
        if self.continues_run(entry) and entry.statement is not None:
            self._runs[source].hashes.append(statement_hash(entry.statement))
            return
        self._close(source)
        if entry.decision is Outcome.DUPLICATE:
            if history is not None and statement is not None:
                self._repeat_receipt(entry, statement, history)
            return
        run = _Run(entry, statement.origin if statement else None, statement.index if statement else None)
        if entry.statement is not None:
            run.hashes.append(statement_hash(entry.statement))
        self._runs[source] = run

    def finish(self) -> None:
        """Expect the receipts of the runs that are still open at the end of the log."""
        for source in list(self._runs):
            self._close(source)

    def _expect_copies(self, entry: LogEntry, record: Record) -> None:
        """Expect a copy of the record with every recipient, or in the quarantine."""
        statement = statement_of(entry)
        origin, index = (str(statement.origin), statement.index) if statement is not None else (None, None)
        expectation = Expectation(entry.source, origin, index, is_receipt=False)
        for topic in entry.recipients:
            name = document_name(self._naming, topic, str(entry.source), record, _delivery_key(record))
            self._ledger.expect(name, expectation)
        if entry.decision is Outcome.QUARANTINED:
            name = document_name(self._naming, topics.QUARANTINE, str(entry.source), record, record.key)
            self._ledger.expect(name, expectation)

    def _close(self, source: TopicPartition) -> None:
        run = self._runs.pop(source, None)
        if run is None or not self._is_answered(run.entry):
            return
        entry = run.entry
        receipt = Receipt(
            document_id=entry.document_id if len(run.hashes) <= 1 else None,
            origin=str(run.origin) if run.origin is not None else None,
            index=run.first,
            count=max(1, len(run.hashes)),
            statement_hash=_run_hash(run.hashes) if run.hashes else None,
            decision=entry.decision,
            findings=explained(entry.findings),
            source=entry.source,
            log_partition=self._log_partition,
            time_ms=entry.time_ms,
        )
        expectation = Expectation(entry.source, receipt.origin, receipt.index, is_receipt=True)
        self._ledger.expect(self._receipt_name(receipt), expectation)

    def _repeat_receipt(self, entry: LogEntry, statement: Statement, history: ReplayHistory) -> None:
        """Allow the first receipt again, which answers a duplicate."""
        prior = history.at_index(statement.origin, statement.index)
        if prior is None or not self._is_answered(entry):
            return
        run = history.run(statement.origin, prior.receipt_first) or [prior]
        receipt = Receipt(
            document_id=run[0].document_id if len(run) == 1 else None,
            origin=str(statement.origin),
            index=run[0].number,
            count=len(run),
            statement_hash=_run_hash([one.statement_hash for one in run]),
            decision=Outcome.ACCEPTED,
            findings=explained(run[0].findings),
            source=entry.source._replace(offset=run[0].offset),
            log_partition=self._log_partition,
            time_ms=prior.time_ms,
        )
        expectation = Expectation(receipt.source, receipt.origin, receipt.index, is_receipt=True)
        self._ledger.repeat(self._receipt_name(receipt), expectation)

    def _is_answered(self, entry: LogEntry) -> bool:
        """Return whether there is a registered agency to answer."""
        directory = self._directories.get(entry.directory_version)
        try:
            agency = topics.agency_of_outbox(entry.source.topic)
        except MetadataError:
            return False
        return directory is not None and directory.agency(agency.text) is not None

    def _receipt_name(self, receipt: Receipt) -> Name:
        inbox = topics.inbox(topics.agency_of_outbox(receipt.source.topic))
        key = (receipt.origin or receipt.source.topic).encode("utf-8")
        return self._naming.receipt(inbox, key, encode_receipt(receipt))


def document_name(naming: Naming, topic: str, source: str, record: Record, key: bytes | None) -> Name:
    """Return the name of a copied document: its source, key, value and headers."""
    content = record._replace(key=key, headers=_readable(record.headers))
    return naming.document(topic, source, record_hash(content))


def _readable(headers: Headers) -> Headers:
    """Return headers with names that can be sent: odd bytes of names that were no UTF-8 as %XX."""
    return tuple(
        (name if name.isascii() else "".join(_readable_character(c) for c in name), value)
        for name, value in headers
    )


def _readable_character(character: str) -> str:
    code = ord(character)
    return f"%{code & 0xFF:02X}" if 0xDC80 <= code <= 0xDCFF else character  # noqa: PLR2004  # surrogateescape


def _delivery_key(record: Record) -> bytes | None:
    try:
        return key_of(Envelope.from_headers(record.headers).signed)
    except (MetadataError, KeyError):
        return None


def statement_of(entry: LogEntry) -> Statement | None:
    """Return the statement of an entry, or None where it has none that parses."""
    return _parsed(entry.statement) if entry.statement is not None else None


@functools.lru_cache(maxsize=16)
def _parsed(octets: bytes) -> Statement | None:
    """Every step about an entry asks for its statement; it is parsed once."""
    try:
        return Statement.from_bytes(octets)
    except MetadataError:
        return None


def _run_hash(hashes: Sequence[bytes]) -> bytes:
    """Return the statement hash of one document, or the hash over those of a run."""
    return hashes[0] if len(hashes) == 1 else hashlib.sha256(b"".join(hashes)).digest()
