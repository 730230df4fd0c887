"""Whole records of a topic in a file, one frame each: directory, revocation material, checkpoints.

A frame is its length as 4 big-endian bytes and so many bytes: offset and time (8 bytes each, milliseconds since
1970), the key, the value, and the headers. Key and value stand behind their lengths as 4 signed bytes, -1 for null.
Headers are their number as 2 bytes, then for each the name behind its length as 2 bytes, and the value as above.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from govbus.audit.archive.values import frames_of, pack_frame
from govbus.document.record import Headers, Record
from govbus.errors import LogIntegrityError

_PLACE = struct.Struct(">qq")
_LENGTH = struct.Struct(">i")
_SHORT = struct.Struct(">H")
NULL = -1
ELSEWHERE = -2
"""Length of a header's value that the archive keeps among the values: a salt."""


def pack_record(record: Record) -> bytes:
    """Return the content of a record's frame."""
    return b"".join(
        (
            _PLACE.pack(record.offset, record.timestamp_ms),
            pack_octets(record.key),
            pack_octets(record.value),
            pack_headers(record.headers),
        )
    )


def pack_records(records: Iterable[Record]) -> bytes:
    """Return a file of records."""
    return b"".join(pack_frame(pack_record(record)) for record in records)


def unpack_records(octets: bytes, topic: str) -> Iterator[Record]:
    """Yield the records of a file in memory; arguments and errors as for `records_of`."""
    yield from records_of(frames_of(octets), topic)


def records_of(frames: Iterable[bytes], topic: str) -> Iterator[Record]:
    """Yield the records in frames.

    Args:
        frames: their contents.
        topic: that they are of; its partition is 0.

    Raises:
        LogIntegrityError: if one does not follow the format.
    """
    for content in frames:
        try:
            offset, timestamp_ms = _PLACE.unpack_from(content)
            key, position = unpack_octets(content, _PLACE.size)
            value, position = unpack_octets(content, position)
            headers, position = unpack_headers(content, position)
        except (struct.error, UnicodeDecodeError) as err:
            raise malformed() from err
        if position != len(content):
            raise malformed()
        yield Record(topic, 0, offset, timestamp_ms, key, value, headers)


def pack_octets(octets: bytes | None) -> bytes:
    """Return octets behind their length, or the length that says null."""
    return _LENGTH.pack(NULL) if octets is None else _LENGTH.pack(len(octets)) + octets


def unpack_octets(
    content: bytes, position: int, elsewhere: Iterator[bytes] | None = None
) -> tuple[bytes | None, int]:
    """Return octets and the position behind them.

    Args:
        content: of a frame.
        position: of their length.
        elsewhere: gives those that are kept elsewhere, where there may be such.

    Raises:
        LogIntegrityError: if the content ends inside them, or there is nothing elsewhere.
        struct.error: if it ends inside the length.
    """
    (length,) = _LENGTH.unpack_from(content, position)
    position += _LENGTH.size
    if length == NULL:
        return None, position
    if length == ELSEWHERE and elsewhere is not None:
        octets = next(elsewhere, None)
        if octets is None:
            raise malformed()
        return octets, position
    if length < 0 or position + length > len(content):
        raise malformed()
    return content[position : position + length], position + length


def pack_headers(headers: Headers, *, elsewhere: str | None = None) -> bytes:
    """Return headers as they stand in a frame.

    Args:
        headers: names and values.
        elsewhere: name of the header whose values are kept elsewhere.
    """
    parts = [_SHORT.pack(len(headers))]
    for name, value in headers:
        octets = name.encode("utf-8", "surrogateescape")
        parts += (_SHORT.pack(len(octets)), octets)
        is_elsewhere = name == elsewhere and value is not None
        parts.append(_LENGTH.pack(ELSEWHERE) if is_elsewhere else pack_octets(value))
    return b"".join(parts)


def unpack_headers(
    content: bytes, position: int, elsewhere: Iterator[bytes] | None = None
) -> tuple[Headers, int]:
    """Return headers and the position behind them; arguments and errors as for `unpack_octets`."""
    (count,) = _SHORT.unpack_from(content, position)
    position += _SHORT.size
    headers: list[tuple[str, bytes]] = []
    for _ in range(count):
        (length,) = _SHORT.unpack_from(content, position)
        start = position + _SHORT.size
        position = start + length
        name = content[start:position].decode("utf-8", "surrogateescape")
        value, position = unpack_octets(content, position, elsewhere)
        headers.append((name, value))  # type: ignore[arg-type]  # a stranger's header may be null
    return tuple(headers), position


def malformed() -> LogIntegrityError:
    """Return the error for a frame that does not follow the format."""
    return LogIntegrityError("a frame of the archive does not follow docs/specs/archive.md")
