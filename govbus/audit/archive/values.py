"""Values: what may lawfully be erased of a document, its value and its salt, one frame for each entry.

A frame is its length as 4 big-endian bytes and so many bytes: the number of ``gb-salt`` headers as one byte, each
salt behind its length as 2 bytes, then 0x00 for a null value or 0x01 and the value. A frame of length zero says that
nothing is there (any more).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from govbus.document.record import SALT_BYTES
from govbus.errors import LogIntegrityError, MissingPartError

_BUFFER_BYTES = 1 << 18
_FRAME = struct.Struct(">I")
_SALT_LENGTH = struct.Struct(">H")
_USUAL_START = b"\x01" + _SALT_LENGTH.pack(SALT_BYTES)
_USUAL_VALUE = len(_USUAL_START) + SALT_BYTES
"""Where a frame with one salt of the usual length says whether there is a value."""


class KeptValue(NamedTuple):
    """Value and salt of one outbox record."""

    salts: tuple[bytes, ...]
    """Contents of its ``gb-salt`` headers in order; exactly one in every document that is in order."""
    value: bytes | None
    """As in Kafka, frame included."""


def pack_value(salts: Sequence[bytes], value: bytes | None) -> bytes:
    """Return the content of a frame."""
    parts = [bytes([len(salts)])]
    for salt in salts:
        parts += (_SALT_LENGTH.pack(len(salt)), salt)
    parts += (b"\0",) if value is None else (b"\x01", value)
    return b"".join(parts)


def unpack_value(content: bytes) -> KeptValue | None:
    """Return what a frame holds; None where it is empty.

    Raises:
        LogIntegrityError: if the content does not follow the format.
    """
    if not content:
        return None
    if content.startswith(_USUAL_START) and content[_USUAL_VALUE : _USUAL_VALUE + 1] == b"\x01":
        return KeptValue((content[len(_USUAL_START) : _USUAL_VALUE],), content[_USUAL_VALUE + 1 :])
    salts: list[bytes] = []
    position = 1
    for _ in range(content[0]):
        start = position + _SALT_LENGTH.size
        position = start + int.from_bytes(content[position:start], "big")
        salts.append(content[start:position])
    flag = content[position : position + 1]
    if flag not in {b"\0", b"\x01"} or (flag == b"\0" and len(content) != position + 1):
        raise LogIntegrityError("a value of the archive does not follow docs/specs/archive.md")
    return KeptValue(tuple(salts), content[position + 1 :] if flag == b"\x01" else None)


def pack_frame(content: bytes) -> bytes:
    """Return content behind its length as 4 bytes."""
    return _FRAME.pack(len(content)) + content


def frames_of(octets: bytes | memoryview) -> Iterator[bytes]:
    """Yield the contents of frames that stand one behind the other.

    Raises:
        LogIntegrityError: if the octets end inside a frame.
    """
    position, end = 0, len(octets)
    while position < end:
        start = position + _FRAME.size
        if start > end:
            raise LogIntegrityError(f"a file of {end} bytes is cut short at byte {position}")
        position = start + _FRAME.unpack_from(octets, position)[0]
        if position > end:
            raise LogIntegrityError(f"a file of {end} bytes is cut short inside the frame at byte {start}")
        yield bytes(octets[start:position])


def frames_in(path: Path) -> Iterator[bytes]:
    """Yield the contents of frames of a file, one in memory at a time.

    Raises:
        MissingPartError: if the file is not there.
        LogIntegrityError: if it ends inside a frame.
    """
    try:
        file = path.open("rb", buffering=_BUFFER_BYTES)
    except (FileNotFoundError, NotADirectoryError) as err:
        raise MissingPartError(f"{path} is not there") from err
    with file:
        end = os.fstat(file.fileno()).st_size
        position = 0
        while head := file.read(_FRAME.size):
            length = int.from_bytes(head, "big")
            position += _FRAME.size + length
            if len(head) != _FRAME.size or position > end:
                raise LogIntegrityError(f"{path} of {end} bytes is cut short inside a frame")
            yield file.read(length)
