"""The second tree: SHA-512 over the same entries and over the documents' values, for the day when SHA-256 falls.

The shape is that of RFC 9162 section 2.1.1 with SHA-512 for the hash. A log has two of them: one over its entries, and
one over its values, each bound to its entry. The format is ``docs/specs/renewal.md``.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from govbus.document.ids import AgencyId
from govbus.errors import MetadataError, TimestampError
from govbus.message_log.renewal import Digests
from govbus.signing.merkle import HASH_BYTES, SIZE_MAX

FORMAT: Final = "govbus/rehash/v1"
SECOND_HASH_BYTES: Final = 64
MARK_BYTES: Final = 1 + SECOND_HASH_BYTES
"""A mark is one byte for its kind and the hash of a value."""
NO_VALUE: Final = bytes(MARK_BYTES)
"""Mark of an entry whose value was gone already, kind 0."""
PARTITIONS_MAX = 10_000

_SALTED, _WHOLE = b"\x01", b"\x02"
_EMPTY_ROOT: Final = hashlib.sha512().digest()
_NUMBER = r"(0|[1-9][0-9]{0,18})"
_ROOT, _SECOND_ROOT = r"([A-Za-z0-9+/]{43}=)", r"([A-Za-z0-9+/]{86}==)"
_SEGMENT = re.compile(r"segment ([1-9][0-9]{0,8}) ([0-9a-f]{64}) ([0-9a-f]{128})", re.ASCII)
_LOG = re.compile(rf"log {_NUMBER} {_NUMBER} {_ROOT} {_SECOND_ROOT} {_SECOND_ROOT}", re.ASCII)
_HEADS = re.compile(rf"heads {_NUMBER} {_ROOT} {_SECOND_ROOT}", re.ASCII)
_FILES = re.compile(rf"files {_NUMBER} ([0-9a-f]{{128}})", re.ASCII)


def second_leaf(entry: bytes) -> bytes:
    """Return SHA-512(0x00 || entry)."""
    return hashlib.sha512(b"\x00" + entry).digest()


def salted_mark(salt: bytes, avro: bytes) -> bytes:
    """Return the mark of a document: kind 1, SHA-512(salt || Avro bytes)."""
    return _SALTED + hashlib.sha512(salt + avro).digest()


def whole_mark(content: bytes) -> bytes:
    """Return the mark of any other record: kind 2, SHA-512 of its frame's content in the archive."""
    return _WHOLE + hashlib.sha512(content).digest()


def value_leaf(entry_leaf: bytes, mark: bytes) -> bytes:
    """Return SHA-512(0x00 || SHA-512 leaf of the entry || mark): a value bound to its entry."""
    return hashlib.sha512(b"\x00" + entry_leaf + mark).digest()


class SecondTree:
    """The right edge of a tree over SHA-512 that only grows."""

    __slots__ = ("_peaks", "_size")

    def __init__(self) -> None:
        """Start with the empty tree."""
        self._size = 0
        self._peaks: list[bytes] = []
        """Roots of the perfect subtrees, largest first."""

    @property
    def size(self) -> int:
        """Leaves so far."""
        return self._size

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Add leaf hashes of 64 bytes."""
        start, end = 0, len(leaves)
        while start < end:
            # The largest perfect subtree that begins here, both in the tree and in what is left.
            block = 1 << (end - start).bit_length() - 1
            if self._size:
                block = min(block, self._size & -self._size)
            self._push(_perfect_root(leaves[start : start + block]), block)
            start += block

    def root(self) -> bytes:
        """Return the root over all leaves so far, 64 bytes."""
        if not self._peaks:
            return _EMPTY_ROOT
        node = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            node = hashlib.sha512(b"\x01" + peak + node).digest()
        return node

    def _push(self, node: bytes, leaves: int) -> None:
        size = self._size
        self._size += leaves
        while size & leaves:
            node = hashlib.sha512(b"\x01" + self._peaks.pop() + node).digest()
            leaves <<= 1
        self._peaks.append(node)


def _perfect_root(level: Sequence[bytes]) -> bytes:
    sha512 = hashlib.sha512
    while len(level) > 1:
        level = [
            sha512(b"\x01" + left + right).digest()
            for left, right in zip(level[::2], level[1::2], strict=True)
        ]
    return level[0]


class LogRoots(NamedTuple):
    """One log under both hashes."""

    size: int
    root: bytes
    """SHA-256, as signed in checkpoints; 32 bytes."""
    second_root: bytes
    """SHA-512 over the same entries; 64 bytes."""
    values_root: bytes
    """SHA-512 over the values; 64 bytes."""


@dataclass(frozen=True, slots=True)
class RehashStatement:
    """What an archive held under SHA-256 at one time, said again under SHA-512."""

    bus: AgencyId
    segment: int
    """Number of the last segment that it covers."""
    manifest: Digests
    """Of that segment's manifest."""
    logs: Mapping[int, LogRoots]
    """By log partition, without gaps from 0."""
    heads: tuple[int, bytes, bytes]
    """Size and both roots of the log of the partitions' checkpoints."""
    files: tuple[int, str]
    """How many lines the list of all other files has, and its hex SHA-512."""

    def to_bytes(self) -> bytes:
        """Return the statement, which is what is timestamped; the inverse of `from_bytes`."""
        lines = [FORMAT, f"bus {self.bus}", f"segment {self.segment} {' '.join(self.manifest)}"]
        for number, (size, *roots) in sorted(self.logs.items()):
            lines.append(f"log {number} {size} {' '.join(map(_base64, roots))}")
        size, *roots = self.heads
        lines.append(f"heads {size} {' '.join(map(_base64, roots))}")
        count, digest = self.files
        lines.append(f"files {count} {digest}")
        return "".join(f"{line}\n" for line in lines).encode("ascii")

    @classmethod
    def from_bytes(cls, octets: bytes) -> RehashStatement:
        """Read a statement.

        Raises:
            TimestampError: if it breaks the grammar, or is not the one spelling of what it says.
        """
        try:
            statement = _parsed(octets.decode("ascii").split("\n"))
        except UnicodeDecodeError as err:
            raise _malformed("not ASCII") from err
        except (MetadataError, ValueError) as err:
            raise _malformed("the bus, or base64") from err
        if statement.to_bytes() != octets:
            raise _malformed("written in another way")
        return statement


def _parsed(lines: list[str]) -> RehashStatement:
    if lines.pop(0) != FORMAT or not lines or lines.pop():
        raise _malformed(f"no {FORMAT}, or no final newline")
    bus = lines.pop(0) if lines else ""
    number, *digests = _match(_SEGMENT, lines)
    logs: dict[int, LogRoots] = {}
    while lines and lines[0].startswith("log ") and len(logs) < PARTITIONS_MAX:
        partition, size, *roots = _match(_LOG, lines)
        logs[int(partition)] = LogRoots(_size(size), *_roots(roots))
    heads_size, *heads = _match(_HEADS, lines)
    count, files = _match(_FILES, lines)
    if lines or sorted(logs) != list(range(len(logs))) or not bus.startswith("bus "):
        raise _malformed("lines too many, no bus, or log partitions that do not follow one another")
    first, second = _roots(heads)
    return RehashStatement(
        bus=AgencyId.from_text(bus.removeprefix("bus ")),
        segment=int(number),
        manifest=Digests(*digests),
        logs=logs,
        heads=(_size(heads_size), first, second),
        files=(int(count), files),
    )


def _match(pattern: re.Pattern[str], lines: list[str]) -> tuple[str, ...]:
    match = pattern.fullmatch(lines.pop(0) if lines else "")
    if match is None:
        raise _malformed(f"expected {pattern.pattern.split(' ', 1)[0]}")
    return match.groups()


def _size(text: str) -> int:
    if int(text) > SIZE_MAX:
        raise _malformed("a size")
    return int(text)


def _roots(texts: Sequence[str]) -> list[bytes]:
    """Return roots: SHA-256 first, then SHA-512."""
    roots = [base64.b64decode(text, validate=True) for text in texts]
    if [len(root) for root in roots] != [HASH_BYTES, *[SECOND_HASH_BYTES] * (len(roots) - 1)]:
        raise _malformed("the length of a root")
    return roots


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")


def _malformed(detail: str) -> TimestampError:
    return TimestampError(f"the rehash statement does not follow docs/specs/renewal.md: {detail}")
