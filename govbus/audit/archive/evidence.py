"""Evidence that covers a segment: head checkpoints with what witnesses and timestamp authorities put under them.

The head checkpoint that covers a segment's last entries is signed after them, so it is often larger than the log of
checkpoints that the segment ends with. A consistency proof leads from one to the other, so that a segment can be
checked without the next.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field

from govbus.audit.archive.checkpoint_records import SignedCheckpoint
from govbus.audit.archive.manifest import EvidenceLine
from govbus.errors import LogIntegrityError
from govbus.message_log.tiles import TileStore, TileTree, TileWriter
from govbus.signing.merkle import HASH_BYTES, leaf_hash

PROOF_HASHES_MAX = 126
TIMESTAMPS_MAX = 8
"""Timestamps of one head checkpoint in a segment; two authorities give two."""


class _Overlay:
    """The tiles of an archive, and over them those that are not in it yet."""

    def __init__(self, below: TileStore) -> None:
        self._below = below
        self._parts: dict[str, bytes] = {}

    def read(self, path: str) -> bytes:
        part = self._parts.get(path)
        return self._below.read(path) if part is None else part

    def update(self, parts: Iterator[tuple[str, bytes]]) -> None:
        self._parts.update(parts)


class HeadsAhead:
    """The log of checkpoints as far as the topic has been read, ahead of what is archived."""

    def __init__(self, store: TileStore, size: int) -> None:
        """Go on where the archive ended.

        Raises:
            MissingPartError: if a tile is not there.
            LogIntegrityError: if one does not follow the format.
        """
        self._store = _Overlay(store)
        self._writer = TileWriter.resume(store, size, with_entries=False)
        self._tree = TileTree(store, size).compact()

    @property
    def size(self) -> int:
        """Checkpoints so far."""
        return self._tree.size

    def append(self, text: str) -> None:
        """Append the note text of a partition's checkpoint."""
        leaf = leaf_hash(text.encode("utf-8"))
        self._tree.append(leaf)
        self._store.update(self._writer.extend([], [leaf]))

    def compare(self, signed: SignedCheckpoint) -> None:
        """Compare a head checkpoint with the tree.

        Raises:
            LogIntegrityError: if it has another root, or is larger than what stands before it on the topic.
        """
        size = signed.checkpoint.size
        if size > self.size or self._root(size) != signed.checkpoint.root:
            raise LogIntegrityError(
                f"{signed.checkpoint.origin}: the signed head checkpoint for {size} entries is not what the "
                f"{self.size} checkpoints before it on the topic give"
            )

    def proof(self, old: int, size: int) -> list[bytes]:
        """Return the consistency proof between two sizes, lowest level first."""
        return self._tiles().consistency_proof(old, size)

    def _root(self, size: int) -> bytes:
        return self._tree.root() if size == self.size else self._tiles().root(size)

    def _tiles(self) -> TileTree:
        self._store.update(self._writer.flush())
        return TileTree(self._store, self.size)


@dataclass(slots=True)
class _Head:
    """A head checkpoint with what stands under it; numbers are offsets of records on ``govbus.checkpoints``."""

    size: int
    note: int
    """The record with the most cosignatures."""
    cosignatures: int
    timestamps: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Covering:
    """A head checkpoint that covers a segment."""

    size: int
    note: int
    """Offset of its record."""
    cosignatures: int
    timestamps: tuple[int, ...]
    """Offsets of the timestamps' records."""

    @property
    def line(self) -> EvidenceLine:
        """What the manifest says of it."""
        return EvidenceLine(self.size, self.cosignatures, len(self.timestamps))


class Evidence:
    """Head checkpoints and timestamps as they come on the topic."""

    def __init__(self) -> None:
        self._heads: dict[str, _Head] = {}

    def take_head(self, signed: SignedCheckpoint, offset: int) -> None:
        """Take a head checkpoint; the same again with more cosignatures replaces it."""
        head = self._heads.get(signed.text)
        if head is None:
            self._heads[signed.text] = _Head(signed.checkpoint.size, offset, signed.cosignatures)
        elif signed.cosignatures > head.cosignatures:
            head.note, head.cosignatures = offset, signed.cosignatures

    def take_timestamp(self, text: str, offset: int) -> None:
        """Take a timestamp over a head checkpoint that came before."""
        head = self._heads.get(text)
        if head is not None and len(head.timestamps) < TIMESTAMPS_MAX:
            head.timestamps.append(offset)

    def covering(self, size: int) -> list[Covering]:
        """Return the head checkpoints to keep for a segment that ends at a size of the log of checkpoints.

        Returns:
            The smallest of those with the most cosignatures, rather one with a timestamp; and where that has none, the
            smallest that has: none, one or two.
        """
        heads = sorted((head for head in self._heads.values() if head.size >= size), key=lambda one: one.size)
        if not heads:
            return []
        chosen = [max(heads, key=lambda head: (head.cosignatures, bool(head.timestamps)))]
        if not chosen[0].timestamps:
            chosen += [head for head in heads if head.timestamps][:1]
        return [Covering(head.size, head.note, head.cosignatures, tuple(head.timestamps)) for head in chosen]

    def is_complete(self, size: int) -> bool:
        """Return whether a head checkpoint that covers a size has a timestamp."""
        return any(head.timestamps and head.size >= size for head in self._heads.values())

    def forget(self, size: int) -> None:
        """Forget head checkpoints that cover less."""
        self._heads = {text: head for text, head in self._heads.items() if head.size >= size}


def strongest(covering: list[Covering]) -> EvidenceLine | None:
    """Return what a manifest says of its evidence: the head checkpoint with the most under it."""
    if not covering:
        return None
    return max(covering, key=lambda one: (len(one.timestamps), one.cosignatures, -one.size)).line


def pack_proof(proof: list[bytes]) -> bytes:
    """Return a consistency proof as text: base64 of one hash a line, as C2SP ``tlog-witness`` writes it."""
    return b"".join(base64.b64encode(one) + b"\n" for one in proof)


def parse_proof(octets: bytes) -> list[bytes]:
    """Return a consistency proof; the inverse of `pack_proof`.

    Raises:
        LogIntegrityError: if the text does not follow the format.
    """
    try:
        proof = [base64.b64decode(line, validate=True) for line in octets.splitlines()]
    except ValueError as err:
        raise LogIntegrityError("expected a consistency proof: base64, one hash a line") from err
    if (
        len(proof) > PROOF_HASHES_MAX
        or any(len(one) != HASH_BYTES for one in proof)
        or pack_proof(proof) != octets
    ):
        raise LogIntegrityError("expected a consistency proof: base64, one hash a line")
    return proof
