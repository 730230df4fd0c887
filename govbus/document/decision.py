"""The values that a decision leaves behind: the entry in the message log and the receipt to the sender."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from govbus.document.finding import Finding, Outcome, ReceiptFinding


class SourcePosition(NamedTuple):
    """Where a record stands in the broker."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}@{self.offset}"


class LogEntry(NamedTuple):
    """One decision, as the message log keeps it (``govbus.core.LogEntry``, ``docs/specs/message-log.md``)."""

    decision: Outcome
    time_ms: int
    source: SourcePosition
    document_id: str | None
    """``ce_id``; None where the headers could not be read."""
    statement: bytes | None
    """As received; None where the record carried none that parses."""
    signatures: tuple[bytes, ...]
    batch: bytes | None
    path: bytes
    record_hash: bytes | None
    """SHA-256 naming the record as received, where no statement verified and so nothing else names its bytes."""
    directory_version: int
    findings: tuple[Finding, ...]
    recipients: tuple[str, ...]
    """Topics that the document was delivered to."""
    receipt_first: int | None
    """First index of the run of documents that one receipt covers; None where the document used up no index."""
    agreement: str | None = None
    """Id of the agreement that an accepted document was sent under; None where it was not accepted."""
    revocations: int = 0
    """How many records of ``govbus.revocations``, from its start, the decision rests on."""
    erasure: bytes | None = None
    """The order to erase the document's content (``docs/specs/erasure.md``), which `signatures` are then over; None
    but where the decision is ``erased``."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The bus's answer to the sender (``govbus.core.Receipt``, ``docs/specs/receipt.md``)."""

    document_id: str | None
    """None where the receipt covers a run, or the headers could not be read."""
    origin: str | None
    index: int | None
    """First index covered; None where no statement could be read."""
    count: int
    """Documents covered: 1, or the length of a run of consecutive accepted ones without findings."""
    statement_hash: bytes | None
    """Of the one document; of a run, SHA-256 over its statement hashes in index order."""
    decision: Outcome
    findings: tuple[ReceiptFinding, ...]
    source: SourcePosition
    """Where the (first) document stands in the outbox."""
    log_partition: int
    time_ms: int
