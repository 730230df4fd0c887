"""One batch of records of one outbox partition becomes the records of one transaction.

Runs off the event loop: reading, hashing, checking signatures, deciding and encoding are all here, and nothing of it
waits for anything.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from govbus.document import topics
from govbus.document.decision import LogEntry, Receipt
from govbus.document.encoding import time_text
from govbus.document.finding import Outcome
from govbus.document.ids import AgencyId, Origin
from govbus.document.record import CONTENT_TYPE, FRAME_BYTES, ROUTE, SIGNATURE, Headers, Record, key_of
from govbus.routing.decide import Decision, decide, prior_of, record_hash
from govbus.routing.directory.model import Directory
from govbus.routing.history import Prior
from govbus.routing.rules.catalogue import explained
from govbus.routing.rules.security import require_audit_record
from govbus.routing.trust.status import NOTHING_KNOWN, RevocationState
from govbus.schemas.core import encode_log_entry, encode_receipt
from govbus.service.router.state import PartitionHistory
from govbus.signing.jws import RECEIPT_TYP, sign_detached
from govbus.signing.signer import Signer
from govbus.signing.verifier import VerifiedSignatures
from govbus.transport.base import OutRecord

RECEIPT_TYPE = "govbus.receipt.v1"


@dataclass(slots=True)
class RoutedBatch:
    """What one transaction publishes and what the router remembers once it is committed."""

    records: list[OutRecord] = field(default_factory=list)
    priors: list[tuple[Origin, Prior]] = field(default_factory=list)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Documents by outbox topic and outcome."""
    rules: Counter[str] = field(default_factory=Counter)
    delivered: int = 0
    receipts: set[bytes] = field(default_factory=set)
    """Values of the receipts in it."""


@dataclass(frozen=True, slots=True)
class _Judged:
    """A decision with its place in a receipt run."""

    record: Record
    decision: Decision
    receipt_first: int | None


class BatchRouter:
    """Decides about the records of one outbox partition and writes down what follows."""

    def __init__(
        self,
        *,
        history: PartitionHistory,
        verified: VerifiedSignatures,
        signer: Signer,
        name: str,
        log_partition: int,
        receipt_run_documents_max: int,
    ) -> None:
        self._history = history
        self._verified = verified
        self._signer = signer
        self._name = name
        self._log_partition = log_partition
        self._run_max = receipt_run_documents_max
        self._route_end = b""
        self._revocations = NOTHING_KNOWN

    def route(
        self,
        records: Sequence[Record],
        directory: Directory,
        *,
        at_ms: int,
        revocations: RevocationState = NOTHING_KNOWN,
    ) -> RoutedBatch:
        """Decide about records in offset order.

        Args:
            records: of one outbox partition.
            directory: the version in force for the whole batch.
            at_ms: the time of all its decisions.
            revocations: what is known of certificates, for the whole batch.
        """
        self._revocations = revocations
        batch = RoutedBatch()
        self._route_end = f" log={self._log_partition} router={self._name} time={time_text(at_ms)}".encode()
        run: list[_Judged] = []
        for record in records:
            decision = decide(
                record,
                directory,
                self._history,
                at_ms=at_ms,
                verified=self._verified,
                revocations=revocations,
            )
            if run and not (_continues(run[-1].decision, decision) and len(run) < self._run_max):
                self._close_run(run, directory, at_ms, batch)
                run = []
            run.append(self._judged(record, decision, run, at_ms, batch))
        if run:
            self._close_run(run, directory, at_ms, batch)
        return batch

    def _judged(
        self, record: Record, decision: Decision, run: list[_Judged], at_ms: int, batch: RoutedBatch
    ) -> _Judged:
        """Take a decision into the history at once, because the next one builds on it."""
        receipt_first = None
        if decision.is_in_sequence and decision.statement is not None:
            receipt_first = run[0].receipt_first if run else decision.statement.index
        prior = prior_of(decision, time_ms=at_ms, receipt_first=receipt_first or 0)
        if prior is not None and decision.statement is not None:
            self._history.remember(decision.statement.origin, prior)
            batch.priors.append((decision.statement.origin, prior))
        batch.outcomes[record.topic, decision.outcome.value] += 1
        for finding in decision.findings:
            batch.rules[finding.rule] += 1
        return _Judged(record, decision, receipt_first)

    def _close_run(self, run: list[_Judged], directory: Directory, at_ms: int, batch: RoutedBatch) -> None:
        """Write down a run of accepted documents, or a single one of any outcome."""
        for one in run:
            self._write(one, directory, at_ms, batch)
        decision = run[0].decision
        if decision.outcome is Outcome.DUPLICATE:
            receipt = self._receipt_again(run[0])
        else:
            receipt = _receipt_of(run, self._log_partition, at_ms)
        self._write_receipt(receipt, decision, directory, batch)

    def _write(self, one: _Judged, directory: Directory, at_ms: int, batch: RoutedBatch) -> None:
        record, decision = one.record, one.decision
        statement, envelope = decision.statement, decision.envelope
        entry = LogEntry(
            decision=decision.outcome,
            time_ms=at_ms,
            source=decision.source,
            document_id=decision.document_id,
            statement=envelope.statement if envelope is not None and statement is not None else None,
            signatures=envelope.signatures if envelope is not None and statement is not None else (),
            batch=envelope.batch if envelope is not None and statement is not None else None,
            path=envelope.path if envelope is not None and statement is not None else b"",
            record_hash=None if decision.is_proven else record_hash(record),
            directory_version=directory.version,
            findings=decision.findings,
            recipients=decision.recipients,
            receipt_first=one.receipt_first,
            agreement=decision.agreement,
            revocations=self._revocations.count,
        )
        require_audit_record(entry)
        origin = str(statement.origin) if statement is not None else record.topic
        batch.records.append(
            OutRecord(
                topics.MESSAGE_LOG,
                self._log_partition,
                origin.encode("utf-8"),
                encode_log_entry(entry),
                (),
                at_ms,
            )
        )
        self._deliver(record, decision, batch)

    def _deliver(self, record: Record, decision: Decision, batch: RoutedBatch) -> None:
        """Copy an accepted document to its recipients, a held one to the quarantine."""
        if decision.outcome is Outcome.ACCEPTED and decision.envelope is not None:
            headers = (*record.headers, (ROUTE, self._route_text(decision)))
            key = key_of(decision.envelope.signed)
            for topic in decision.recipients:
                batch.records.append(OutRecord(topic, None, key, record.value, headers, record.timestamp_ms))
                batch.delivered += 1
        elif decision.outcome is Outcome.QUARANTINED:
            notes = (f"rule={one.rule} field={one.field} detail={one.detail}" for one in decision.findings)
            headers = (
                *record.headers,
                (ROUTE, self._route_text(decision)),
                *(("gb-finding", note.encode("utf-8", "replace")) for note in notes),
            )
            batch.records.append(
                OutRecord(
                    topics.QUARANTINE,
                    None,
                    record.key,
                    record.value,
                    _encodable(headers),
                    record.timestamp_ms,
                )
            )

    def _route_text(self, decision: Decision) -> bytes:
        return f"decision={decision.source}".encode() + self._route_end

    def _receipt_again(self, one: _Judged) -> Receipt:
        """Return the receipt of the first decision, the same bytes as the first time."""
        statement = one.decision.statement
        # Looked up again, because a run of this very batch may have been closed since the decision.
        prior = self._history.at_index(statement.origin, statement.index) if statement is not None else None
        if prior is None or statement is None:
            raise AssertionError("a duplicate has a first decision")
        run = self._history.run(statement.origin, prior.receipt_first) or [prior]
        return Receipt(
            document_id=run[0].document_id if len(run) == 1 else None,
            origin=str(statement.origin),
            index=run[0].number,
            count=len(run),
            statement_hash=_run_hash([each.statement_hash for each in run]),
            decision=Outcome.ACCEPTED,
            findings=explained(run[0].findings),
            source=one.decision.source._replace(offset=run[0].offset),
            log_partition=self._log_partition,
            time_ms=prior.time_ms,
        )

    def _write_receipt(
        self, receipt: Receipt, decision: Decision, directory: Directory, batch: RoutedBatch
    ) -> None:
        agency = decision.agency
        if agency is None or directory.agency(agency.text) is None:
            return  # nobody to answer: the topic belongs to no registered agency; the log has the decision
        value = encode_receipt(receipt)
        if value in batch.receipts:
            return  # a duplicate of a document in this very batch, or two of one run: one answer serves
        signature = sign_detached(self._signer, value[FRAME_BYTES:], typ=RECEIPT_TYP, at_ms=receipt.time_ms)
        headers = (*receipt_headers(receipt, value, directory.bus), (SIGNATURE, signature))
        key = (receipt.origin or decision.source.topic).encode("utf-8")
        batch.records.append(OutRecord(topics.inbox(agency), None, key, value, headers, receipt.time_ms))
        batch.receipts.add(value)


def receipt_headers(receipt: Receipt, value: bytes, bus: AgencyId) -> Headers:
    """Return the CloudEvents headers of a receipt; its id is derived from its bytes, so one receipt has one id."""
    digest = bytearray(hashlib.sha256(value).digest()[:16])
    digest[6], digest[8] = digest[6] & 0x0F | 0x80, digest[8] & 0x3F | 0x80  # version 8, RFC 9562 section 5.8
    identifier = uuid.UUID(bytes=bytes(digest))
    return (
        (CONTENT_TYPE, b"application/avro"),
        ("ce_specversion", b"1.0"),
        ("ce_id", str(identifier).encode()),
        ("ce_source", f"https://{bus}/router".encode()),
        ("ce_type", RECEIPT_TYPE.encode()),
        ("ce_time", time_text(receipt.time_ms).encode()),
        ("ce_dataschema", f"https://{bus}/schemas/govbus.core.Receipt/1".encode()),
    )


def _continues(first: Decision, second: Decision) -> bool:
    """Return whether one receipt can cover both: accepted, no findings, the next index of the same origin."""
    return (
        first.outcome is Outcome.ACCEPTED
        and second.outcome is Outcome.ACCEPTED
        and not first.findings
        and not second.findings
        and first.statement is not None
        and second.statement is not None
        and first.statement.origin is second.statement.origin
        and second.statement.index == first.statement.index + 1
    )


def _receipt_of(run: list[_Judged], log_partition: int, at_ms: int) -> Receipt:
    decision = run[0].decision
    statement = decision.statement
    hashes = [one.decision.envelope.statement_hash for one in run if one.decision.envelope is not None]
    return Receipt(
        document_id=decision.document_id if len(run) == 1 else None,
        origin=str(statement.origin) if statement is not None else None,
        index=statement.index if statement is not None else None,
        count=len(run),
        statement_hash=_run_hash(hashes) if statement is not None else None,
        decision=decision.outcome,
        findings=explained(decision.findings),
        source=decision.source,
        log_partition=log_partition,
        time_ms=at_ms,
    )


def _run_hash(hashes: Sequence[bytes]) -> bytes:
    """Return the statement hash of one document, or the hash over those of a run."""
    return hashes[0] if len(hashes) == 1 else hashlib.sha256(b"".join(hashes)).digest()


def _encodable(headers: Headers) -> Headers:
    """Return headers whose names can be sent: lone surrogates of names that were no UTF-8 become %XX."""
    return tuple(
        (
            name
            if name.isascii()
            else "".join(f"%{ord(c) & 0xFF:02X}" if 0xDC80 <= ord(c) <= 0xDCFF else c for c in name),  # noqa: PLR2004
            value,
        )
        for name, value in headers
    )
