"""How the documents of one segment lie in its three blobs, and how they become records again.

``sizes`` has seven big-endian 32-bit numbers a document: length of the statement; how it is to be signed (the upper
four bits, `SignaturePolicy.to_bits`) and the id of its repeated headers (the lower 28); lengths of ``ce_id``,
``ce_time``, ``ce_subject`` (all ones where it is absent), of the lines of further headers, and of the framed value.
``statements`` holds the statements one after the other; ``contents`` for each document its salt and then the parts in
the order of their lengths.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from govbus.document.encoding import from_base64url
from govbus.document.record import SALT_BYTES, Headers

SEGMENT_DOCUMENTS_MAX: Final = 64
SEGMENT_BYTES_MAX: Final = 1_048_576
"""A segment ends with the document that reaches it."""

REPEATED_ID_MAX: Final = (1 << 28) - 1
_SIGNING_SHIFT: Final = 28
_SIZES: Final = struct.Struct(">7I")
_LENGTHS: Final = struct.Struct(">I24x")
"""The same, but for the length of the statement."""
_SIGNING_BYTE: Final = 4
"""Place of the byte whose upper four bits say how a document is to be signed."""
_UPPER_BITS: Final = bytes(byte >> 4 for byte in range(256))
_ABSENT: Final = 0xFFFF_FFFF


class SpooledDocument(NamedTuple):
    """The bytes of one document in the spool, all but its signatures."""

    statement: bytes
    repeated_id: int
    """Names the row of its repeated headers; 0 where it has none."""
    salt: bytes
    document_id: bytes | None
    time: bytes | None
    subject: bytes | None
    extra: bytes
    """Lines of the headers that are neither repeated nor one of the three above."""
    value: bytes
    """Framed."""


class PackedDocument(NamedTuple):
    """The same, laid out, before it has its statement."""

    sizes: tuple[int, int, int, int, int, int]
    content: bytes


class Segment(NamedTuple):
    """The three blobs of a segment."""

    sizes: bytes
    statements: bytes
    contents: bytes

    @property
    def size_bytes(self) -> int:
        """What the segment takes in the spool."""
        return len(self.sizes) + len(self.statements) + len(self.contents)


def pack_document(
    repeated_id: int,
    salt: bytes,
    own: tuple[bytes | None, bytes | None, bytes | None],
    extra: bytes,
    value: bytes,
    signing: int = 0,
) -> PackedDocument:
    """Lay one document out.

    Args:
        repeated_id: as in `SpooledDocument`, like the rest.
        salt: 16 bytes.
        own: ``ce_id``, ``ce_time`` and ``ce_subject``.
        extra: header lines.
        value: framed.
        signing: how it is to be signed, `SignaturePolicy.to_bits`.
    """
    document_id, time, subject = own
    sizes = (
        repeated_id | signing << _SIGNING_SHIFT,
        _ABSENT if document_id is None else len(document_id),
        _ABSENT if time is None else len(time),
        _ABSENT if subject is None else len(subject),
        len(extra),
        len(value),
    )
    return PackedDocument(
        sizes, b"".join((salt, document_id or b"", time or b"", subject or b"", extra, value))
    )


def pack(documents: Sequence[PackedDocument], statements: Sequence[bytes]) -> Iterator[tuple[int, Segment]]:
    """Yield segments, each with the number of its documents."""
    start = size_bytes = 0
    for end, document in enumerate(documents, 1):
        size_bytes += len(document.content)
        count = end - start
        if count < SEGMENT_DOCUMENTS_MAX and size_bytes < SEGMENT_BYTES_MAX and end < len(documents):
            continue
        run = documents[start:end]
        texts = statements[start:end]
        pairs = zip(texts, run, strict=True)
        sizes = b"".join([_SIZES.pack(len(text), *packed.sizes) for text, packed in pairs])
        yield count, Segment(sizes, b"".join(texts), b"".join([packed.content for packed in run]))
        start, size_bytes = end, 0


def statements_of(sizes: bytes, statements: bytes) -> Iterator[bytes]:
    """Yield the statements of a segment."""
    start = 0
    for (size,) in _LENGTHS.iter_unpack(sizes):
        end = start + size
        yield statements[start:end]
        start = end


def signings_of(sizes: bytes) -> bytes:
    """Return of each document of a segment, a byte each, how it is to be signed (`SignaturePolicy.to_bits`)."""
    return sizes[_SIGNING_BYTE :: _SIZES.size].translate(_UPPER_BITS)


def unpack(segment: Segment) -> Iterator[SpooledDocument]:
    """Yield the documents of a segment; the inverse of `pack_document` and `pack`."""
    sizes, statements, contents = segment
    at = start = 0
    for statement, repeated_id, document_id, time, subject, extra, value in _SIZES.iter_unpack(sizes):
        end = start + statement
        salt_end = at + SALT_BYTES
        id_end = salt_end + (0 if document_id == _ABSENT else document_id)
        time_end = id_end + (0 if time == _ABSENT else time)
        subject_end = time_end + (0 if subject == _ABSENT else subject)
        extra_end = subject_end + extra
        value_end = extra_end + value
        yield SpooledDocument(
            statements[start:end],
            repeated_id & REPEATED_ID_MAX,
            contents[at:salt_end],
            None if document_id == _ABSENT else contents[salt_end:id_end],
            None if time == _ABSENT else contents[id_end:time_end],
            None if subject == _ABSENT else contents[time_end:subject_end],
            contents[subject_end:extra_end],
            contents[extra_end:value_end],
        )
        start, at = end, value_end


def headers_from_lines(lines: bytes) -> Headers:
    """Return the headers of ``name:base64url(value)`` lines; the inverse of `outgoing.header_lines`."""
    headers: list[tuple[str, bytes]] = []
    for line in lines.decode("utf-8").split("\n")[:-1]:
        name, _, value = line.rpartition(":")
        headers.append((name, from_base64url(value)))
    return tuple(headers)


class HeaderLayout:
    """The repeated headers of many documents, cut where a document's own headers go in."""

    __slots__ = ("_after", "_before", "_between", "_repeated")

    def __init__(self, repeated: Headers) -> None:
        self._repeated = repeated
        self._before = tuple(header for header in repeated if header[0] < "ce_id")
        self._between = tuple(header for header in repeated if "ce_id" < header[0] < "ce_subject")
        self._after = tuple(header for header in repeated if header[0] > "ce_subject")

    def signed_headers(self, document: SpooledDocument) -> Headers:
        """Return the signed headers of a document, sorted by name."""
        _, _, _, document_id, time, subject, extra, _ = document
        if not extra and document_id is not None and time is not None:
            # ce_subject and ce_time stand next to each other in every template.
            if subject is None:
                own: Headers = (("ce_time", time),)
            else:
                own = (("ce_subject", subject), ("ce_time", time))
            return (*self._before, ("ce_id", document_id), *self._between, *own, *self._after)
        named = (("ce_id", document_id), ("ce_time", time), ("ce_subject", subject))
        present = [(name, value) for name, value in named if value is not None]
        return tuple(sorted((*self._repeated, *present, *headers_from_lines(extra))))
