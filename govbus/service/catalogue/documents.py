"""An accepted document as an item: headers, record metadata and its place in the log. The body is never kept."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, NamedTuple

from govbus.document.decision import LogEntry, SourcePosition
from govbus.document.encoding import time_ms_from_text, time_text
from govbus.document.record import Envelope, Record, unframe
from govbus.document.statement import Statement, headers_hash, value_hash
from govbus.errors import GovbusError, RuleError
from govbus.routing.directory.model import Directory, TopicReference
from govbus.service.catalogue.items import Item, Kind, topics_with_broader, words_of_topics

LINKS = frozenset({"replaces", "isVersionOf"})
"""Relations between documents that share a record_id for a reason (rule REC-1)."""


class Document(NamedTuple):
    """One accepted document."""

    item: Item
    supplier: str
    """Id of the agency that sent it."""
    record_id: str | None
    """None where the value cannot be read, because it is encrypted."""
    is_test: bool
    linked: frozenset[str]
    """What it replaces or is a version of."""
    source: SourcePosition
    decided_ms: int
    """When the router accepted it."""


def document_of(
    entry: LogEntry, position: SourcePosition, record: Record, directory: Directory
) -> Document | None:
    """Return the document of a log entry, or None where the outbox no longer holds what was decided about.

    Args:
        entry: of the message log, accepted.
        position: where the entry stands.
        record: what stands in the outbox where the entry says.
        directory: the version that it was decided by.
    """
    try:
        envelope = Envelope.from_headers(record.headers)
        statement = Statement.from_bytes(envelope.statement)
        number, avro = unframe(record.value)
        is_it = (
            envelope.statement == entry.statement
            and headers_hash(envelope.signed) == statement.headers
            and value_hash(envelope.salt, avro) == statement.value
        )
        if not is_it:
            return None
        headers = {name: octets.decode("utf-8") for name, octets in sorted(envelope.signed.items())}
        time_ms = time_ms_from_text(headers["ce_time"])
    except (RuleError, KeyError, UnicodeDecodeError):
        return None
    metadata = _metadata(directory, number, avro)
    return _document(entry, position, statement, headers, metadata, directory, time_ms)


def _metadata(directory: Directory, number: int, avro: bytes) -> dict[str, Any]:
    """Return the record metadata; nothing where the payload is encrypted end to end."""
    schema = directory.schemas.by_id(number)
    try:
        value = None if schema is None else schema.codec.decode(avro)
    except GovbusError:
        return {}
    record = value.get("record") if isinstance(value, Mapping) else None
    return _plain(record) if isinstance(record, Mapping) else {}


def _plain(value: Any) -> Any:
    """Return a decoded value as JSON can hold it."""
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _document(
    entry: LogEntry,
    position: SourcePosition,
    statement: Statement,
    headers: dict[str, str],
    metadata: dict[str, Any],
    directory: Directory,
    time_ms: int,
) -> Document:
    agreement = directory.agreement(headers.get("ce_agreementid", ""))
    consumers = () if agreement is None else tuple(one.text for one in agreement.consumers)
    references = tuple(
        TopicReference(one.get("taxonomy", ""), one.get("topic", "")) for one in metadata.get("topics") or ()
    )
    creator = metadata.get("creator") or {}
    supplier = statement.origin.agency.text
    words = [
        metadata.get("record_id"),
        metadata.get("description"),
        creator.get("name"),
        metadata.get("data_asset"),
        (metadata.get("coverage") or {}).get("spatial"),
        words_of_topics(directory, references),
        headers.get("ce_id"),
        headers.get("ce_type"),
        headers.get("ce_subject"),
        headers.get("ce_agreementid"),
        headers.get("ce_cuibanner"),
    ]
    item = Item(
        Kind.DOCUMENT,
        headers.get("ce_id", ""),
        str(metadata.get("title") or headers.get("ce_id", "")),
        "\n".join(str(one) for one in words if one),
        frozenset(
            one
            for one in (supplier, metadata.get("publisher"), creator.get("organization"), *consumers)
            if one
        ),
        topics_with_broader(directory, references),
        {
            "headers": headers,
            "record": metadata,
            "origin": str(statement.origin),
            "index": statement.index,
            "decided": time_text(entry.time_ms),
            "log": str(position),
            "outbox": str(entry.source),
            "directory_version": entry.directory_version,
            "delivered_to": list(entry.recipients),
        },
        classification=headers.get("ce_dataclassification"),
        access_level=headers.get("ce_accesslevel"),
        from_ms=time_ms,
        to_ms=time_ms,
    )
    return Document(
        item,
        supplier,
        metadata.get("record_id"),
        headers.get("ce_testmode") == "true",
        frozenset(one["id"] for one in metadata.get("relations") or () if one.get("rel") in LINKS),
        entry.source,
        entry.time_ms,
    )
