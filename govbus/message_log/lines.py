"""What the C2SP texts around a checkpoint share: header lines, hashes one a line, an empty line, and the checkpoint."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable

from govbus.errors import NoteError
from govbus.message_log.note import from_base64
from govbus.signing.merkle import HASH_BYTES, SIZE_MAX

HASHES_MAX = 63
"""Hashes of one proof: as many as a tree of 2^63-1 leaves has levels (C2SP ``tlog-witness``)."""

_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


def parse_number(text: str, what: str) -> int:
    """Return a decimal number of 0 to 2^63-1 without leading zeroes.

    Raises:
        NoteError: if the text is anything else.
    """
    if _NUMBER.fullmatch(text) is None or int(text) > SIZE_MAX:
        raise NoteError(f"{what} must be a decimal number without leading zeroes, found {text[:20]!r}")
    return int(text)


def hash_text(octets: bytes) -> str:
    """Return a hash as base64."""
    return base64.b64encode(octets).decode("ascii")


def parse_hash(text: str) -> bytes:
    """Return the 32 bytes of a hash in base64.

    Raises:
        NoteError: if the text is anything else.
    """
    octets = from_base64(text)
    if len(octets) != HASH_BYTES:
        raise NoteError(f"a hash has {HASH_BYTES} bytes, found {len(octets)}")
    return octets


def parse_hashes(lines: list[str]) -> tuple[bytes, ...]:
    """Return the hashes of a proof, one a line.

    Raises:
        NoteError: if there are over 63, or one is malformed.
    """
    if len(lines) > HASHES_MAX:
        raise NoteError(f"a proof has at most {HASHES_MAX} hashes, found {len(lines)}")
    return tuple(parse_hash(line) for line in lines)


def join_body(header: Iterable[str], hashes: Iterable[bytes], note: str) -> str:
    """Return header lines, hashes one a line, an empty line and the checkpoint."""
    return "\n".join([*header, *map(hash_text, hashes), "", note])


def split_body(text: str) -> tuple[list[str], str]:
    """Return the lines before the first empty line, and the checkpoint after it.

    Raises:
        NoteError: if there is no empty line.
    """
    head, separator, note = text.partition("\n\n")
    if not separator:
        raise NoteError("expected header lines, an empty line and a checkpoint")
    return head.split("\n"), note


def decode_utf8(octets: bytes, *, bytes_max: int) -> str:
    """Return octets as text.

    Raises:
        NoteError: if they are too many or no UTF-8.
    """
    if len(octets) > bytes_max:
        raise NoteError(f"expected at most {bytes_max} bytes, found {len(octets)}")
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError as err:
        raise NoteError("expected UTF-8") from err
