"""The bus's own records on the wire: log entries and receipts, framed like documents.

Decoding goes through the codec of the shipped schema. Encoding is written out by hand, because the router does it
for every document: the same bytes as the codec's, in a fraction of its time (a test compares the two).
"""

from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta
from typing import Any

from govbus.document.decision import LogEntry, Receipt, SourcePosition
from govbus.document.finding import Finding, Outcome, ReceiptFinding, Severity
from govbus.document.record import frame, unframe
from govbus.errors import SchemaError
from govbus.schemas.bundled import definition
from govbus.schemas.codec import AvroCodec

LOG_ENTRY_ID = 1
RECEIPT_ID = 2

_DECISIONS = {
    Outcome.ACCEPTED: 0,
    Outcome.REFUSED: 1,
    Outcome.QUARANTINED: 2,
    Outcome.DUPLICATE: 3,
    Outcome.ERASED: 5,
}
"""By their places among the schema's symbols."""
_SEVERITIES = (Severity.REFUSE, Severity.QUARANTINE, Severity.WARN)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@functools.cache
def log_entry_codec() -> AvroCodec:
    """Return the codec of ``govbus.core.LogEntry``."""
    return AvroCodec(definition("core/log_entry/v1"))


@functools.cache
def receipt_codec() -> AvroCodec:
    """Return the codec of ``govbus.core.Receipt``."""
    return AvroCodec(definition("core/receipt/v1"))


def encode_log_entry(entry: LogEntry) -> bytes:
    """Return the framed Avro bytes of a log entry (``docs/specs/message-log.md``)."""
    (
        decision,
        time_ms,
        source,
        document_id,
        statement,
        signatures,
        batch,
        path,
        record_hash,
        directory_version,
        findings,
        recipients,
        receipt_first,
        agreement,
        revocations,
        erasure,
    ) = entry
    parts = [
        _ENTRY_STARTS[decision],
        _moment(time_ms),
        _place(source.topic, source.partition),
        _long(source.offset),
        _NULL if document_id is None else _some(document_id.encode()),
        _NULL if statement is None else _some(statement),
        _long(len(signatures)) if signatures else b"",
    ]
    for signature in signatures:
        parts += (_long(len(signature)), signature)
    parts += (
        _END,
        _NULL if batch is None else _some(batch),
        _long(len(path)),
        path,
        _NULL if record_hash is None else _SOME + record_hash,
        _long(directory_version),
        _findings(findings) if findings else _END,
        _entry_end(recipients, receipt_first, agreement, revocations),
        _NULL if erasure is None else _some(erasure),
    )
    return b"".join(parts)


def encode_receipt(receipt: Receipt) -> bytes:
    """Return the framed Avro bytes of a receipt (``docs/specs/receipt.md``)."""
    document_id, origin, index = receipt.document_id, receipt.origin, receipt.index
    statement_hash, source = receipt.statement_hash, receipt.source
    return b"".join(
        (
            _RECEIPT_FRAME,
            _NULL if document_id is None else _some(document_id.encode()),
            _NULL if origin is None else _some(origin.encode()),
            _NULL if index is None else _SOME + _long(index),
            _long(receipt.count),
            _NULL if statement_hash is None else _SOME + statement_hash,
            _SYMBOLS[receipt.decision],
            _receipt_findings(receipt.findings) if receipt.findings else _END,
            _place(source.topic, source.partition),
            _long(source.offset),
            _long(receipt.log_partition),
            _long(receipt.time_ms),
        )
    )


def is_erasure(value: bytes | None) -> bool:
    """Return whether a log entry's value begins like one about an erasure; the rest may still be malformed."""
    return value is not None and value.startswith(_ENTRY_STARTS[Outcome.ERASED])


def decode_log_entry(value: bytes | None) -> LogEntry:
    """Return the log entry of a record's value.

    Raises:
        MetadataError: if the value is not framed (rule AVR-4).
        SchemaError: if it is framed as something else (AVR-4) or is not a log entry (AVR-1).
    """
    fields = _decode(value, LOG_ENTRY_ID, log_entry_codec())
    return LogEntry(
        decision=_outcome(fields["decision"]),
        time_ms=_time_ms(fields["time"]),
        source=SourcePosition(**fields["source"]),
        document_id=fields["document_id"],
        statement=fields["statement"],
        signatures=tuple(fields["signatures"]),
        batch=fields["batch"],
        path=fields["path"],
        record_hash=fields["record_hash"],
        directory_version=fields["directory_version"],
        findings=tuple(map(_finding, fields["findings"])),
        recipients=tuple(fields["recipients"]),
        receipt_first=fields["receipt_first"],
        agreement=fields["agreement"],
        revocations=fields["revocations"],
        erasure=fields["erasure"],
    )


def decode_receipt(value: bytes | None) -> Receipt:
    """Return the receipt of a record's value; errors as for `decode_log_entry`."""
    fields = _decode(value, RECEIPT_ID, receipt_codec())
    return Receipt(
        document_id=fields["document_id"],
        origin=fields["origin"],
        index=fields["index"],
        count=fields["count"],
        statement_hash=fields["statement_hash"],
        decision=_outcome(fields["decision"]),
        findings=tuple(map(_receipt_finding, fields["findings"])),
        source=SourcePosition(**fields["source"]),
        log_partition=fields["log_partition"],
        time_ms=_time_ms(fields["time"]),
    )


def _decode(value: bytes | None, schema_id: int, codec: AvroCodec) -> dict[str, Any]:
    found, avro = unframe(value)
    if found != schema_id:
        raise SchemaError(f"expected schema id {schema_id}, found {found}", rule="AVR-4", field="value")
    return codec.decode(avro)  # type: ignore[no-any-return]


def _outcome(symbol: str) -> Outcome:
    try:
        return Outcome(symbol)
    except ValueError as err:
        raise SchemaError(f"decision {symbol} is reserved", rule="AVR-1", field="value") from err


def _finding(fields: dict[str, str]) -> Finding:
    return Finding(fields["rule"], Severity(fields["severity"]), fields["field"], fields["detail"])


def _receipt_finding(fields: dict[str, str]) -> ReceiptFinding:
    severity = Severity(fields["severity"])
    texts = (fields[name] for name in ("field", "detail", "citation", "accepted"))
    return ReceiptFinding(fields["rule"], severity, *texts)


def _time_ms(moment: datetime) -> int:
    return (moment - _EPOCH) // _MILLISECOND


def _varint(number: int) -> bytes:
    """Return the Avro encoding of a long: zigzag, then seven bits a byte, lowest first."""
    number = number << 1 if number >= 0 else (-number << 1) - 1
    octets = bytearray()
    while number > 0x7F:  # noqa: PLR2004  # seven bits a byte
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    octets.append(number)
    return bytes(octets)


_SMALL = tuple(_varint(number) for number in range(4096))
"""Lengths, counts and versions: nearly every number but times and offsets."""


def _long(number: int) -> bytes:
    return _SMALL[number] if 0 <= number < 4096 else _varint(number)  # noqa: PLR2004  # the size of the table


_NULL, _SOME, _END = b"\x00", b"\x02", b"\x00"
_SYMBOLS = {decision: _varint(index) for decision, index in _DECISIONS.items()}
_LEVELS = {severity: _varint(index) for index, severity in enumerate(_SEVERITIES)}
_ENTRY_STARTS = {decision: frame(LOG_ENTRY_ID, symbol) for decision, symbol in _SYMBOLS.items()}
_RECEIPT_FRAME = frame(RECEIPT_ID, b"")


def _some(octets: bytes) -> bytes:
    return b"\x02" + _long(len(octets)) + octets


def _text(text: str) -> bytes:
    octets = text.encode()
    return _long(len(octets)) + octets


@functools.lru_cache(maxsize=4096)
def _place(topic: str, partition: int) -> bytes:
    return _text(topic) + _long(partition)


@functools.lru_cache(maxsize=64)
def _moment(time_ms: int) -> bytes:
    """Documents that are decided on together have one time."""
    return _long(time_ms)


@functools.lru_cache(maxsize=4096)
def _entry_end(
    recipients: tuple[str, ...], receipt_first: int | None, agreement: str | None, revocations: int
) -> bytes:
    """Documents that one receipt covers share the last fields of their entries, all but the order to erase."""
    return b"".join(
        (
            _topics(recipients),
            _NULL if receipt_first is None else _SOME + _long(receipt_first),
            _NULL if agreement is None else _some(agreement.encode()),
            _long(revocations),
        )
    )


def _topics(recipients: tuple[str, ...]) -> bytes:
    count = _long(len(recipients)) if recipients else b""
    return count + b"".join(map(_text, recipients)) + _END


def _findings(findings: tuple[Finding, ...]) -> bytes:
    parts = [_long(len(findings))]
    for finding in findings:
        parts += (_text(finding.rule), _LEVELS[finding.severity], _text(finding.field), _text(finding.detail))
    parts.append(_END)
    return b"".join(parts)


def _receipt_findings(findings: tuple[ReceiptFinding, ...]) -> bytes:
    parts = [_long(len(findings))]
    for one in findings:
        parts += (_text(one.rule), _LEVELS[one.severity], _text(one.field), _text(one.detail))
        parts += (_text(one.citation), _text(one.accepted))
    parts.append(_END)
    return b"".join(parts)
