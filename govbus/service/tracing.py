"""The way of one document: every hop with its time, decision and receipt, read from the topics themselves."""

from __future__ import annotations

from dataclasses import dataclass, field

from govbus.document import topics
from govbus.document.decision import LogEntry, Receipt
from govbus.document.finding import Outcome
from govbus.document.ids import AgencyId
from govbus.document.record import Envelope, Record
from govbus.document.statement import Statement
from govbus.errors import GovbusError, MetadataError, MissingPartError, SchemaError
from govbus.message_log.erasure import ErasureOrder
from govbus.schemas.core import decode_log_entry, decode_receipt
from govbus.service.router.batch import RECEIPT_TYPE
from govbus.service.scanning import record_at, scan
from govbus.transport.base import Transport


@dataclass(frozen=True, slots=True)
class Hop:
    """One thing that happened to a document."""

    time_ms: int
    what: str
    where: str
    detail: str


@dataclass(slots=True)
class Trace:
    """Everything that the bus knows about one document id."""

    document_id: str
    hops: list[Hop] = field(default_factory=list)
    statement: Statement | None = None


async def trace_document(transport: Transport, document_id: str) -> Trace:
    """Follow one document through outbox, message log, inboxes and receipt.

    Raises:
        MissingPartError: if the message log has no decision about such a document.
        TransportError: if the broker fails.
    """
    trace = Trace(document_id)
    entries = [
        (record, entry)
        async for record in scan(transport, [topics.MESSAGE_LOG])
        if (entry := _entry(record)) is not None and entry.document_id == document_id
    ]
    if not entries:
        raise MissingPartError(
            f"the message log has no decision about document {document_id}",
            remedy="check the id; a document that is still in its spool has none yet",
        )
    for record, entry in entries:
        await _add_decision(transport, trace, record, entry)
    await _add_deliveries(transport, trace, {name for _, entry in entries for name in entry.recipients})
    decided = [(record, entry) for record, entry in entries if entry.decision is not Outcome.ERASED]
    await _add_receipts(transport, trace, decided)
    trace.hops.sort(key=lambda hop: hop.time_ms)
    return trace


def _entry(record: Record) -> LogEntry | None:
    try:
        return decode_log_entry(record.value or b"")
    except (SchemaError, MetadataError):  # the auditor reports it
        return None


async def _add_decision(transport: Transport, trace: Trace, record: Record, entry: LogEntry) -> None:
    """Add what the sender did and what the router decided, or that the content was erased."""
    source = entry.source
    if entry.decision is Outcome.ERASED:
        place = f"{record.topic}/{record.partition}@{record.offset}"
        trace.hops.append(Hop(entry.time_ms, entry.decision.value, place, _authority(entry)))
        return
    if entry.statement is not None:
        statement = Statement.from_bytes(entry.statement)
        trace.statement = statement
        trace.hops.append(
            Hop(
                statement.time_ms,
                "spooled",
                f"{statement.origin} index {statement.index}",
                f"{statement.length} bytes, schema {statement.schema[:12]}",
            )
        )
    original = await record_at(transport, *source)
    trace.hops.append(
        Hop(
            original.timestamp_ms if original is not None else entry.time_ms,
            "published",
            str(source),
            "batch signature" if entry.batch is not None else "own signature",
        )
    )
    findings = "; ".join(f"{one.rule} {one.field}: {one.detail}" for one in entry.findings)
    trace.hops.append(
        Hop(
            entry.time_ms,
            entry.decision.value,
            f"{record.topic}/{record.partition}@{record.offset}",
            findings or f"by directory version {entry.directory_version}",
        )
    )


def _authority(entry: LogEntry) -> str:
    """Return by whose order content was erased."""
    try:
        return f"by {ErasureOrder.from_bytes(entry.erasure or b'').authority}"
    except MetadataError:  # the auditor reports it
        return "by an order that cannot be read"


async def _add_deliveries(transport: Transport, trace: Trace, recipients: set[str]) -> None:
    """Add where the document was delivered to."""
    if not recipients:
        return
    async for record in scan(transport, sorted(recipients)):
        headers = dict(record.headers)
        if headers.get("ce_id", b"").decode("utf-8", "replace") != trace.document_id:
            continue
        route = headers.get("gb-route", b"").decode("utf-8", "replace")
        time_ms = max(hop.time_ms for hop in trace.hops)
        where = f"{record.topic}/{record.partition}@{record.offset}"
        trace.hops.append(Hop(time_ms, "delivered", where, route))


async def _add_receipts(transport: Transport, trace: Trace, entries: list[tuple[Record, LogEntry]]) -> None:
    """Add the receipts that cover the document, each once."""
    agencies = {topics.agency_of_outbox(entry.source.topic) for _, entry in entries}
    seen: set[str] = set()
    for agency in sorted(agencies):
        try:
            async for record in scan(transport, [topics.inbox(agency)]):
                receipt = receipt_of(record)
                if receipt is None or not _covers(receipt, trace, entries):
                    continue
                receipt_id = dict(record.headers).get("ce_id", b"").decode("ascii", "replace")
                again = " again" if receipt_id in seen else ""
                seen.add(receipt_id)
                covered = "this document" if receipt.count == 1 else f"{receipt.count} documents"
                trace.hops.append(
                    Hop(
                        receipt.time_ms,
                        f"receipt{again}: {receipt.decision.value}",
                        f"{record.topic}/{record.partition}@{record.offset}",
                        f"{receipt_id} covers {covered}",
                    )
                )
        except MissingPartError:  # an agency without an inbox gets no receipts
            continue


def _covers(receipt: Receipt, trace: Trace, entries: list[tuple[Record, LogEntry]]) -> bool:
    statement = trace.statement
    if statement is None or receipt.index is None:
        return any(receipt.source == entry.source for _, entry in entries)
    is_inside = receipt.index <= statement.index < receipt.index + receipt.count
    is_about_it = receipt.count > 1 or receipt.document_id == trace.document_id
    return receipt.origin == str(statement.origin) and is_inside and is_about_it


def receipt_of(record: Record) -> Receipt | None:
    """Return the receipt that a record carries, or None where it carries something else."""
    if dict(record.headers).get("ce_type") != RECEIPT_TYPE.encode("ascii"):
        return None
    try:
        return decode_receipt(record.value or b"")
    except GovbusError:
        return None


def title_of(record: Record) -> tuple[str, str, str]:
    """Return id, type and sender of a document record, for a list."""
    try:
        envelope = Envelope.from_headers(record.headers)
        return envelope.attribute("id"), envelope.attribute("type"), envelope.attribute("source")
    except GovbusError as err:
        return "?", Outcome.REFUSED.value, err.message


def inbox_of(agency: str) -> str:
    """Return the inbox topic of an agency given as text; `MetadataError` where it is no agency id."""
    return topics.inbox(AgencyId.from_text(agency))
