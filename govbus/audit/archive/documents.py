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
import itertools
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
from govbus.document.header_kind import DOCUMENT_HEADERS
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


class _Shape(NamedTuple):
    """What records with the same header names in the same order share; numbers are places of headers."""

    signed: tuple[int, ...]
    """By name."""
    statement: int
    signatures: tuple[int, ...]
    batch: int | None
    path: int | None
    others: tuple[int, ...]
    order: bytes


_shapes: dict[tuple[str, ...], _Shape | None] = {}
_lines: dict[tuple[str, bytes], bytes] = {}
_REMEMBERED_MAX = 4096
"""A bus sees few combinations of header names, and few values of most headers."""
_REMEMBERED_BYTES_MAX = 256
"""Longer values are rare, and made again each time."""


def _packed_document(record: Record, entry: LogEntry) -> bytes | None:
    """Return the frame of a document; None where the record is not one of which the entry keeps its part."""
    headers = record.headers
    names = tuple([name for name, _ in headers])
    if names not in _shapes:
        if len(_shapes) >= _REMEMBERED_MAX:
            _shapes.clear()
        _shapes[names] = _shape(names)
    shape = _shapes[names]
    values: list[bytes | None] = [value for _, value in headers]
    if shape is None or None in values or not _is_in_entry(headers, shape, entry):
        return None
    lines = b"".join([_line(*headers[place]) for place in shape.signed])
    others = tuple([headers[place] for place in shape.others])
    return b"".join(
        (
            _START.pack(DocumentKind.DOCUMENT, record.timestamp_ms),
            pack_octets(record.key),
            pack_octets(lines),
            pack_headers(others),
            shape.order,
        )
    )


def _is_in_entry(headers: Headers, shape: _Shape, entry: LogEntry) -> bool:
    """Return whether the entry holds exactly what the record's govbus headers say."""
    batch = None if shape.batch is None else headers[shape.batch][1]
    path = b"" if shape.path is None else headers[shape.path][1]
    return (
        headers[shape.statement][1] == entry.statement
        and tuple([headers[place][1] for place in shape.signatures]) == entry.signatures
        and batch == entry.batch
        and path == entry.path
        and (shape.path is None or path != b"")
    )


def _shape(names: tuple[str, ...]) -> _Shape | None:
    """Return what header names tell of a record; None where it is no document."""
    places: dict[str, list[int]] = {STATEMENT: [], SALT: [], SIGNATURE: [], BATCH: [], PATH: []}
    signed: dict[str, int] = {}
    others: list[int] = []
    for place, name in enumerate(names):
        if name in places:
            places[name].append(place)
        elif name in signed:
            return None
        elif _is_signed_name(name):
            signed[name] = place
        elif name.startswith("ce_"):
            return None
        else:
            others.append(place)
    counts = {name: len(found) for name, found in places.items()}
    if counts[STATEMENT] != 1 or counts[SALT] != 1 or counts[BATCH] > 1 or counts[PATH] > 1:
        return None
    if len(names) > _HEADERS_MAX:
        return None
    by_name = tuple(signed[name] for name in sorted(signed))
    usual = [*by_name, *(place for found in places.values() for place in found), *others]
    order = bytes(usual.index(place) for place in range(len(names)))
    return _Shape(
        signed=by_name,
        statement=places[STATEMENT][0],
        signatures=tuple(places[SIGNATURE]),
        batch=next(iter(places[BATCH]), None),
        path=next(iter(places[PATH]), None),
        others=tuple(others),
        order=b"" if usual == list(range(len(names))) else order,
    )


def _line(name: str, value: bytes) -> bytes:
    """Return the line of a signed header; those that many documents share are made once."""
    if name in DOCUMENT_HEADERS or len(value) > _REMEMBERED_BYTES_MAX:
        return f"{name}:{base64url(value)}\n".encode("ascii")
    line = _lines.get((name, value))
    if line is None:
        if len(_lines) >= _REMEMBERED_MAX:
            _lines.clear()
        line = _lines[name, value] = f"{name}:{base64url(value)}\n".encode("ascii")
    return line


def _is_signed_name(name: str) -> bool:
    return name == CONTENT_TYPE or _ATTRIBUTE.fullmatch(name) is not None


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


def lines_of(document: ArchivedDocument) -> bytes:
    """Return the signed headers as the lines that the statement's ``headers`` hash is over, however they are kept.

    Raises:
        LogIntegrityError: if the frame does not follow the format.
    """
    if document.kind is not DocumentKind.RAW:
        return document.lines
    try:
        headers, _ = unpack_headers(document.rest, 0, itertools.repeat(b""))  # no salt is signed
    except (struct.error, UnicodeDecodeError) as err:
        raise malformed() from err
    signed = sorted((name, value) for name, value in headers if _is_signed_name(name))
    return b"".join(_line(name, value) for name, value in signed)


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
