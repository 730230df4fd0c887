"""Documents: what an outbox record held besides what its log entry and the values hold, one frame for each entry.

The content of a frame begins with its kind. *None* (0x00): the record was gone, and nothing follows. *Document*
(0x01): time of the record (8 bytes, milliseconds since 1970), key behind its length (4 signed bytes, -1 for null), the
lines that the statement's ``headers`` hash is over behind their length, the other headers, and the order of all
headers. *Raw* (0x02): any other record; time, key, and all headers, of which a ``gb-salt`` has length -2 because it
is kept among the values. Numbers are big-endian, headers as in `govbus.audit.archive.records`.

The order of a document's headers is one byte a header: its place in the list of the signed headers by name, then
``gb-stmt``, ``gb-salt``, each ``gb-sig``, ``gb-batch`` and ``gb-path`` where there, then the others. It is left out
where it is just that.
"""

from __future__ import annotations

import enum
import re
import struct
from typing import NamedTuple

from govbus.audit.archive.records import (
    malformed,
    pack_headers,
    pack_octets,
    unpack_headers,
    unpack_octets,
)
from govbus.audit.archive.values import KeptValue, pack_value
from govbus.document.decision import LogEntry
from govbus.document.encoding import base64url, from_base64url
from govbus.document.record import BATCH, CONTENT_TYPE, PATH, SALT, SIGNATURE, STATEMENT, Headers, Record
from govbus.errors import LogIntegrityError, MetadataError

_START = struct.Struct(">Bq")
_ATTRIBUTE = re.compile(r"ce_[a-z0-9]{1,64}", re.ASCII)
_HEADERS_MAX = 255


class DocumentKind(enum.IntEnum):
    """What a frame holds."""

    NONE = 0
    """The broker no longer had the record when it was archived."""
    DOCUMENT = 1
    RAW = 2
    """A record that is not in the form of a document, or whose entry says other things of it."""


class ArchivedDocument(NamedTuple):
    """A frame as far as it is read without its entry."""

    kind: DocumentKind
    timestamp_ms: int
    key: bytes | None
    lines: bytes
    """What the statement's ``headers`` hash is over: ``name:base64url(value)`` LF for each, sorted by name."""
    rest: bytes
    """The other headers and the order, or of a raw record all headers."""


NO_DOCUMENT = bytes([DocumentKind.NONE])
"""Content of the frame for a record that is gone."""


def pack_document(record: Record, entry: LogEntry) -> tuple[bytes, bytes]:
    """Return the contents of the frames of a record among the documents and among the values."""
    content = _packed_document(record, entry)
    if content is None:
        content = _START.pack(DocumentKind.RAW, record.timestamp_ms) + b"".join(
            (pack_octets(record.key), pack_octets(b""), pack_headers(record.headers, elsewhere=SALT))
        )
    salts = [value for name, value in record.headers if name == SALT and value is not None]
    return content, pack_value(salts, record.value)


def _packed_document(record: Record, entry: LogEntry) -> bytes | None:
    """Return the frame of a document; None where the record is not one of which the entry keeps its part."""
    signed: dict[str, bytes] = {}
    govbus: dict[str, list[bytes]] = {STATEMENT: [], SALT: [], SIGNATURE: [], BATCH: [], PATH: []}
    others: list[tuple[str, bytes]] = []
    for name, value in record.headers:
        if value is None or name in signed:  # type: ignore[redundant-expr]  # a stranger's header may be null
            return None
        if name in govbus:
            govbus[name].append(value)
        elif name == CONTENT_TYPE or name[:3] == "ce_":
            signed[name] = value
        else:
            others.append((name, value))
    if len(record.headers) > _HEADERS_MAX or len(govbus[SALT]) != 1:
        return None
    if not _is_in_entry(govbus, entry) or not all(map(_is_signed_name, signed)):
        return None
    names = sorted(signed)
    lines = "".join([f"{name}:{base64url(signed[name])}\n" for name in names]).encode("ascii")
    return b"".join(
        (
            _START.pack(DocumentKind.DOCUMENT, record.timestamp_ms),
            pack_octets(record.key),
            pack_octets(lines),
            pack_headers(tuple(others)),
            _order(record.headers, names, govbus),
        )
    )


def _is_in_entry(govbus: dict[str, list[bytes]], entry: LogEntry) -> bool:
    """Return whether the entry holds exactly what the record's govbus headers say."""
    return (
        govbus[STATEMENT] == [entry.statement]
        and tuple(govbus[SIGNATURE]) == entry.signatures
        and govbus[BATCH] == ([] if entry.batch is None else [entry.batch])
        and govbus[PATH] == ([entry.path] if entry.path else [])
    )


def _is_signed_name(name: str) -> bool:
    return name == CONTENT_TYPE or _ATTRIBUTE.fullmatch(name) is not None


def _order(headers: Headers, names: list[str], govbus: dict[str, list[bytes]]) -> bytes:
    """Return the place of each header in the usual order; empty where they stand in it."""
    places = {name: place for place, name in enumerate(names)}
    place = len(names)
    for name, values in govbus.items():
        places[name] = place
        place += len(values)
    order = bytearray()
    for name, _ in headers:
        if name in places:
            order.append(places[name])
            if name == SIGNATURE:
                places[name] += 1
        else:
            order.append(place)
            place += 1
    return b"" if order == bytes(range(len(order))) else bytes(order)


def unpack_document(content: bytes) -> ArchivedDocument:
    """Return what a frame holds.

    Raises:
        LogIntegrityError: if the content does not follow the format.
    """
    if content == NO_DOCUMENT:
        return ArchivedDocument(DocumentKind.NONE, 0, None, b"", b"")
    try:
        kind, timestamp_ms = _START.unpack_from(content)
        key, position = unpack_octets(content, _START.size)
        lines, position = unpack_octets(content, position)
        document_kind = DocumentKind(kind)
    except (struct.error, ValueError) as err:
        raise malformed() from err
    if lines is None or document_kind is DocumentKind.NONE:
        raise malformed()
    return ArchivedDocument(document_kind, timestamp_ms, key, lines, content[position:])


def record_of(entry: LogEntry, document: ArchivedDocument, kept: KeptValue | None) -> Record | None:
    """Return the outbox record exactly as it was; None where it was gone, or its value is not there any more.

    Args:
        entry: the log entry about it.
        document: its frame among the documents.
        kept: its frame among the values.

    Raises:
        LogIntegrityError: if the frames do not follow the format, or do not fit each other.
    """
    if document.kind is DocumentKind.NONE or kept is None:
        return None
    try:
        if document.kind is DocumentKind.RAW:
            headers, position = unpack_headers(document.rest, 0, iter(kept.salts))
            is_whole = position == len(document.rest)
        else:
            headers, is_whole = _document_headers(entry, document, kept), True
    except (struct.error, UnicodeDecodeError, MetadataError, LogIntegrityError) as err:
        raise malformed() from err
    if not is_whole:
        raise malformed()
    return Record(*entry.source, document.timestamp_ms, document.key, kept.value, headers)


def _document_headers(entry: LogEntry, document: ArchivedDocument, kept: KeptValue) -> Headers:
    """Return all headers of a document in the order in which they stood."""
    others, position = unpack_headers(document.rest, 0)
    headers = signed_headers(document.lines)
    headers.append((STATEMENT, entry.statement or b""))
    headers += [(SALT, salt) for salt in kept.salts]
    headers += [(SIGNATURE, signature) for signature in entry.signatures]
    if entry.batch is not None:
        headers.append((BATCH, entry.batch))
    if entry.path:
        headers.append((PATH, entry.path))
    headers += others
    order = document.rest[position:]
    if not order:
        return tuple(headers)
    if sorted(order) != list(range(len(headers))):
        raise malformed()
    return tuple(headers[place] for place in order)


def signed_headers(lines: bytes) -> list[tuple[str, bytes]]:
    """Return the signed headers that lines of a document tell, by name.

    Raises:
        LogIntegrityError: if they do not follow the format.
    """
    headers: list[tuple[str, bytes]] = []
    try:
        for line in lines.decode("ascii").splitlines():
            name, colon, value = line.partition(":")
            if not colon or not _is_signed_name(name):
                raise malformed()
            headers.append((name, from_base64url(value)))
    except (UnicodeDecodeError, MetadataError) as err:
        raise malformed() from err
    return headers
