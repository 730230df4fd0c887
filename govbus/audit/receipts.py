"""Receipts that agencies kept: what the bus once signed must still stand in its log.

A receipt is the bus's own word, in the hands of the agency that it was given to. An operator who takes a decision out
of the log, or changes it, contradicts it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from govbus.audit.expectations import statement_of
from govbus.audit.report import AuditFinding, Check, Covered
from govbus.document import topics
from govbus.document.decision import LogEntry, Receipt, SourcePosition
from govbus.document.finding import Outcome
from govbus.document.record import FRAME_BYTES, SIGNATURE, Record
from govbus.document.statement import statement_hash
from govbus.errors import RuleError, SignatureError
from govbus.routing.directory.model import Directory
from govbus.schemas.core import decode_receipt
from govbus.signing.certificates import CertificateRole, TrustedCertificate
from govbus.signing.jws import RECEIPT_TYP, DetachedSignature
from govbus.transport.base import TopicPartition

HELD: Final = "held receipt"
"""Stands for the topic in findings about a receipt that the auditor brought along."""


def bus_seals(directories: Mapping[int, Directory]) -> dict[str, TrustedCertificate]:
    """Return the certificates that receipts may be signed under, by thumbprint."""
    return {
        thumbprint: trusted
        for _, directory in sorted(directories.items())
        for thumbprint, trusted in directory.certificates.items()
        if trusted.agency == directory.bus and trusted.role is CertificateRole.SEAL
    }


def require_bus_signature(record: Record, time_ms: int, seals: Mapping[str, TrustedCertificate]) -> None:
    """Check that the bus signed a receipt.

    Args:
        record: with the receipt as value, and its signature as header.
        time_ms: of the receipt, milliseconds since 1970.
        seals: from `bus_seals`.

    Raises:
        RuleError: if there is not one signature, or it is not the bus's, or does not hold.
    """
    signatures = [value for name, value in record.headers if name == SIGNATURE]
    if len(signatures) != 1:
        raise SignatureError(f"found {len(signatures)} signatures")
    signature = DetachedSignature.from_bytes(signatures[0])
    trusted = seals.get(signature.thumbprint)
    if trusted is None or signature.typ != RECEIPT_TYP:
        raise SignatureError(f"certificate {signature.thumbprint} with typ {signature.typ} is not the bus's")
    signature.verify(trusted.certificate, (record.value or b"")[FRAME_BYTES:])
    trusted.require_valid_at(time_ms)


@dataclass(slots=True)
class _Held:
    """One receipt, and how far the log has borne it out."""

    number: int
    receipt: Receipt
    is_borne_out: bool = False
    contradiction: str = "no such decision in the log"


@dataclass(slots=True)
class _Run:
    """Entries of a receipt that covers several documents, as far as they have come."""

    held: _Held
    seen: int = 0
    digest: Any = field(default_factory=hashlib.sha256)


class HeldReceipts:
    """Takes every entry of the log, and says which receipts it does not bear out."""

    def __init__(self, records: Iterable[Record], directories: Mapping[int, Directory]) -> None:
        """Take receipts as they stood on the inboxes of agencies, in any order, and every version of the directory."""
        self._refused: list[AuditFinding] = []
        self._held: list[_Held] = []
        self._by_source: dict[SourcePosition, list[_Held]] = {}
        self._runs: dict[TopicPartition, list[_Run]] = {}
        self._borne_out: dict[str, Counter[int]] = {}
        """Entries by agency and log partition."""
        seals = bus_seals(directories)
        seen: set[bytes] = set()
        for number, record in enumerate(records):
            try:
                receipt = decode_receipt(record.value)
                require_bus_signature(record, receipt.time_ms, seals)
            except RuleError as err:
                expected = "a receipt that the bus signed"
                self._refused.append(AuditFinding(Check.RECEIPT, HELD, None, number, expected, err.message))
                continue
            value = record.value or b""
            if value in seen:  # given again, as after a duplicate
                continue
            seen.add(value)
            held = _Held(number, receipt)
            self._held.append(held)
            self._by_source.setdefault(receipt.source, []).append(held)

    def take(self, partition: int, entry: LogEntry) -> None:
        """Take the next entry of a log partition."""
        if entry.decision is Outcome.ERASED:
            return
        source = TopicPartition(*entry.source[:2])
        runs = self._runs.pop(source, [])
        for held in self._by_source.get(entry.source, ()):
            if not held.is_borne_out:
                contradiction = _contradiction(held.receipt, partition, entry)
                if contradiction is None:
                    runs.append(_Run(held))
                else:
                    held.contradiction = contradiction
        kept = [run for run in runs if self._goes_on(run, partition, entry)]
        if kept:
            self._runs[source] = kept

    def _goes_on(self, run: _Run, partition: int, entry: LogEntry) -> bool:
        """Take an entry into a run; return whether more must come."""
        receipt = run.held.receipt
        statement = statement_of(entry)
        is_next = entry.decision is receipt.decision and (
            run.seen == 0
            or (
                statement is not None
                and str(statement.origin) == receipt.origin
                and statement.index == (receipt.index or 0) + run.seen
            )
        )
        if not is_next:
            run.held.contradiction = f"the log has {run.seen} of its documents, then something else"
            return False
        digest = statement_hash(entry.statement) if entry.statement is not None else None
        run.seen += 1
        if receipt.count > 1:
            run.digest.update(digest or b"")
            if run.seen < receipt.count:
                run.held.contradiction = f"the log has {run.seen} of its documents, then ends"
                return True
            digest = run.digest.digest()
        if digest != receipt.statement_hash:
            run.held.contradiction = "the log has another document there (statement hash)"
            return False
        run.held.is_borne_out = True
        agency = receipt.source.topic.removeprefix(topics.OUT_PREFIX)
        self._borne_out.setdefault(agency, Counter())[partition] += receipt.count
        return False

    def findings(self) -> Iterator[AuditFinding]:
        """Yield what is no receipt of the bus, and every receipt that the whole log does not bear out."""
        yield from self._refused
        for held in self._held:
            if held.is_borne_out:
                continue
            receipt = held.receipt
            last = "" if receipt.count == 1 else f" and {receipt.count - 1} after it"
            yield AuditFinding(
                Check.RECEIPT,
                HELD,
                None,
                held.number,
                f"{receipt.source}{last} {receipt.decision.value} in log partition {receipt.log_partition}, "
                "as the bus signed",
                held.contradiction,
                origin=receipt.origin,
                index=receipt.index,
                source=receipt.source,
            )

    def covered(self) -> list[Covered]:
        """Return how many entries the receipts of each agency vouch for: those that they are about."""
        return [
            Covered("receipts", agency, None, dict(sizes))
            for agency, sizes in sorted(self._borne_out.items())
        ]


def _contradiction(receipt: Receipt, partition: int, entry: LogEntry) -> str | None:
    """Return how the entry about the first document of a receipt contradicts it, or None."""
    if entry.decision is not receipt.decision:
        return f"the log says {entry.decision.value}"
    if partition != receipt.log_partition:
        return f"the decision is in log partition {partition}"
    if entry.time_ms != receipt.time_ms:
        return "the log says another time of the decision"
    told = [(one.rule, one.severity, one.field, one.detail) for one in receipt.findings]
    if told != [(one.rule, one.severity, one.field, one.detail) for one in entry.findings]:
        return "the log says other findings"
    return None
