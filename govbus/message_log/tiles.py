"""Merkle trees as files: tiles of hashes and bundles of entries (C2SP ``tlog-tiles``).

A tile is up to 256 hashes side by side on every eighth level of the tree, a bundle the entries below a tile of
level 0. Full ones never change; the right edge of each level is a partial tile, named by its width. From the tiles of
one size follow the root and every proof of that size and of all smaller ones, so a reader needs no database and no
server that thinks. Nothing here reads or writes files: a store hands out parts by path, a writer says what to write.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from govbus.errors import LogIntegrityError, MissingPartError, ProofError
from govbus.message_log.tree import CompactTree
from govbus.signing.merkle import EMPTY_ROOT, HASH_BYTES, SIZE_MAX, leaf_hash, node_hash, root_of

TILE_HEIGHT = 8
"""Levels of the tree that one tile spans."""
TILE_WIDTH = 256
"""Hashes of a full tile, entries of a full bundle."""
TILE_LEVEL_MAX = 63
ENTRY_BYTES_MAX = 65_535
"""The length in front of an entry has 16 bits."""
TILES_CACHED_MAX = 64
"""Tiles that a tree keeps, about 50 KiB each: enough for a path from every level and a walk along one."""

_LENGTH = struct.Struct(">H")
_PATH = re.compile(
    r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII
)
"""Seven groups of digits hold every index of a tree of 2^63 entries; Python converts no number without bound."""


class TilePath(NamedTuple):
    """Which part of a tree a path names."""

    level: int | None
    """0 to 63, where 0 holds leaf hashes; None for a bundle of entries."""
    number: int
    """From 0, left to right (``<N>``)."""
    width: int = TILE_WIDTH
    """Hashes or entries in it; below 256 for a partial one."""

    def to_text(self) -> str:
        """Return the path below the log's prefix, such as ``tile/0/x001/234.p/8``."""
        level = "entries" if self.level is None else str(self.level)
        suffix = f".p/{self.width}" if self.width < TILE_WIDTH else ""
        return f"tile/{level}/{_number_path(self.number)}{suffix}"


def tile_path(level: int, index: int, width: int = TILE_WIDTH) -> str:
    """Return the path of a tile, such as ``tile/0/x001/234.p/8``."""
    return TilePath(level, index, width).to_text()


def entries_path(index: int, width: int = TILE_WIDTH) -> str:
    """Return the path of an entry bundle, such as ``tile/entries/x001/234.p/8``."""
    return TilePath(None, index, width).to_text()


def _number_path(number: int) -> str:
    """Return a number as path elements of three digits, all but the last with an ``x`` in front."""
    path = f"{number % 1000:03}"
    while number >= 1000:  # noqa: PLR2004  # three decimal digits
        number //= 1000
        path = f"x{number % 1000:03}/{path}"
    return path


def parse_path(path: str) -> TilePath:
    """Return what a path names; the inverse of `TilePath.to_text`.

    Raises:
        LogIntegrityError: if it is no path of a tile or bundle, or not the one spelling of it.
    """
    match = _PATH.fullmatch(path)
    if match is not None:
        kind, digits, width_text = match.groups()
        parsed = TilePath(
            None if kind == "entries" else int(kind),
            int(digits.replace("/", "").replace("x", "")),
            int(width_text) if width_text else TILE_WIDTH,
        )
        if (parsed.level or 0) <= TILE_LEVEL_MAX and parsed.number <= SIZE_MAX and parsed.to_text() == path:
            return parsed
    raise LogIntegrityError(f"expected the path of a tile or an entry bundle, found {path[:80]!r}")


def pack_entries(entries: Sequence[bytes]) -> bytes:
    """Return a bundle: each entry behind its length as 2 big-endian bytes.

    Raises:
        LogIntegrityError: if an entry is over 65,535 bytes; the log may not hold one.
    """
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > ENTRY_BYTES_MAX:
            raise LogIntegrityError(
                f"an entry of the log may have {ENTRY_BYTES_MAX} bytes to fit an entry bundle, found {len(entry)}"
            )
        parts.append(_LENGTH.pack(len(entry)))
        parts.append(entry)
    return b"".join(parts)


def unpack_entries(bundle: bytes) -> list[bytes]:
    """Return the entries of a bundle; the inverse of `pack_entries`.

    Raises:
        LogIntegrityError: if the bundle ends inside an entry.
    """
    entries: list[bytes] = []
    position, end = 0, len(bundle)
    while position < end:
        start = position + _LENGTH.size
        position = start + int.from_bytes(bundle[position:start], "big")
        if start > end or position > end:
            raise LogIntegrityError(
                f"an entry bundle of {end} bytes is cut short inside entry {len(entries)}"
            )
        entries.append(bundle[start:position])
    return entries


def parts_of(size: int, *, start: int = 0, with_entries: bool = True) -> Iterator[TilePath]:
    """Yield every part of a tree of this size that a tree of `start` entries has not.

    Args:
        size: entries in the tree.
        start: entries in an older one; 0 for all parts.
        with_entries: bundles too, not only tiles.

    Yields:
        Bundles and tiles of level 0 side by side, then the higher levels; full and partial ones.
    """
    levels: list[int | None] = [None, 0] if with_entries else [0]
    count, older = size, start
    while count:
        for level in levels:
            yield from (TilePath(level, number) for number in range(older // TILE_WIDTH, count // TILE_WIDTH))
            if count % TILE_WIDTH and count != older:
                yield TilePath(level, count // TILE_WIDTH, count % TILE_WIDTH)
        count, older = count // TILE_WIDTH, older // TILE_WIDTH
        levels = [(levels[-1] or 0) + 1]


class TileStore(Protocol):
    """Where tiles and bundles lie: a folder, a web server."""

    def read(self, path: str) -> bytes:
        """Return one part.

        Args:
            path: below the log's prefix, such as ``tile/0/000``.

        Raises:
            MissingPartError: if it is not there.
        """
        ...


class TileTree:
    """A tree read from its tiles.

    What it returns is as true as the tiles are: callers compare a root with the one that the log signed.
    """

    def __init__(self, store: TileStore, size: int) -> None:
        """Read the tree whose right edge are the partial tiles of `size` entries."""
        self._store = store
        self.size = size
        self._tiles: dict[tuple[int, int], list[list[bytes]]] = {}
        """(level, index) to the hashes of the tile and, in turn, the joins of every complete pair of them."""

    def root(self, size: int | None = None) -> bytes:
        """Return the root over the first `size` entries, all of them unless told.

        Raises:
            ProofError: if the tree has fewer.
            MissingPartError: if a tile is not in the store.
            LogIntegrityError: if a tile has another width than its path says.
        """
        size = self._within(size)
        return self._range_root(0, size) if size else EMPTY_ROOT

    def leaf(self, index: int) -> bytes:
        """Return the leaf hash at an index; errors as for `root`."""
        if not 0 <= index < self.size:
            raise ProofError(f"expected a leaf index below {self.size}, found {index}")
        return self._node(0, index)

    def inclusion_proof(self, index: int, size: int | None = None) -> list[bytes]:
        """Return the proof of one leaf in the tree of the first `size` entries (RFC 9162 section 2.1.3.1).

        Returns:
            Hashes of 32 bytes, lowest level first.

        Raises:
            ProofError, MissingPartError, LogIntegrityError: as for `root`, or if there is no such leaf.
        """
        size = self._within(size)
        if not 0 <= index < size:
            raise ProofError(f"expected a leaf index below {size}, found {index}")
        path: list[bytes] = []
        start, end = 0, size
        while end - start > 1:
            middle = start + _split(end - start)
            if index < middle:
                path.append(self._range_root(middle, end))
                end = middle
            else:
                path.append(self._range_root(start, middle))
                start = middle
        return path[::-1]

    def consistency_proof(self, old: int, size: int | None = None) -> list[bytes]:
        """Return the proof that the first `old` entries are where the first `size` grew from.

        Implements RFC 9162 section 2.1.4.1. From an empty tree everything grows, by an empty proof, which is what a
        C2SP witness expects to be told.

        Returns:
            Hashes of 32 bytes, lowest level first.

        Raises:
            ProofError, MissingPartError, LogIntegrityError: as for `root`, or if `old` is over `size`.
        """
        size = self._within(size)
        if not 0 <= old <= size:
            raise ProofError(f"expected an older size of 0 to {size}, found {old}")
        if old == 0:
            return []
        proof: list[bytes] = []
        start, end, is_whole = 0, size, True
        while old != end:
            middle = start + _split(end - start)
            if old <= middle:
                proof.append(self._range_root(middle, end))
                end = middle
            else:
                proof.append(self._range_root(start, middle))
                start, is_whole = middle, False
        if not is_whole:
            proof.append(self._range_root(start, end))
        return proof[::-1]

    def compact(self, size: int | None = None) -> CompactTree:
        """Return the right edge of the tree over the first `size` entries, from which it can grow.

        Raises:
            ProofError, MissingPartError, LogIntegrityError: as for `root`.
        """
        size = self._within(size)
        return CompactTree.from_bytes(size.to_bytes(8, "big") + b"".join(self._peaks(0, size)))

    def edge(self, level: int) -> list[bytes]:
        """Return the hashes of the last tile of a level, if that is not full; errors as for `root`."""
        index, width = divmod(self.size >> TILE_HEIGHT * level, TILE_WIDTH)
        octets = self._read(level, index) if width else b""
        return [octets[start : start + HASH_BYTES] for start in range(0, width * HASH_BYTES, HASH_BYTES)]

    def _within(self, size: int | None) -> int:
        if size is None:
            return self.size
        if not 0 <= size <= self.size:
            raise ProofError(f"expected a tree of at most {self.size} entries, found {size}")
        return size

    def _range_root(self, start: int, end: int) -> bytes:
        """Return MTH(D[start:end]) of a range that starts where a subtree does."""
        return _folded(self._peaks(start, end))

    def _peaks(self, start: int, end: int) -> list[bytes]:
        """Return the roots of the perfect subtrees of a range, largest first."""
        peaks: list[bytes] = []
        while start < end:
            level = (end - start).bit_length() - 1
            peaks.append(self._node(level, start >> level))
            start += 1 << level
        return peaks

    def _node(self, level: int, index: int) -> bytes:
        """Return the root of the perfect subtree over leaves [index << level, (index + 1) << level)."""
        tile_level, height = divmod(level, TILE_HEIGHT)
        tile_index, position = divmod(index << height, TILE_WIDTH)
        key = (tile_level, tile_index)
        levels = self._tiles.get(key)
        if levels is None:
            levels = _joined(self._read(tile_level, tile_index))
            if len(self._tiles) >= TILES_CACHED_MAX:
                del self._tiles[next(iter(self._tiles))]
            self._tiles[key] = levels
        return levels[height][position >> height]

    def _read(self, level: int, index: int) -> bytes:
        """Return a tile's bytes; where a partial tile is gone, the full one that replaced it serves as well."""
        width = min(TILE_WIDTH, (self.size >> TILE_HEIGHT * level) - TILE_WIDTH * index)
        path = tile_path(level, index, width)
        try:
            octets = self._store.read(path)
        except MissingPartError:
            if width == TILE_WIDTH:
                raise
            path = tile_path(level, index)
            octets = self._store.read(path)
            width = TILE_WIDTH
        if len(octets) != HASH_BYTES * width:
            raise LogIntegrityError(f"{path}: expected {HASH_BYTES * width} bytes, found {len(octets)}")
        return octets


class TileWriter:
    """Says which tiles and bundles to write as a log grows.

    It holds the right edge of every level, and of the entries: under 8 KiB a level and at most 255 entries.
    """

    def __init__(self, *, with_entries: bool = True) -> None:
        """Start with the empty tree; without entries, no bundles are made and no entry is asked for."""
        self.size = 0
        self._with_entries = with_entries
        self._entries: list[bytes] = []
        self._edge: list[list[bytes]] = [[]]
        """For each level the hashes of its last tile, if that is not full."""
        self._flushed = 0

    @classmethod
    def resume(cls, store: TileStore, size: int, *, with_entries: bool = True) -> TileWriter:
        """Go on where a tree of this size ended.

        Raises:
            MissingPartError: if a part of the right edge is not in the store.
            LogIntegrityError: if one has another width than its path says.
        """
        writer = cls(with_entries=with_entries)
        writer.size = writer._flushed = size
        tree = TileTree(store, size)
        writer._edge = [tree.edge(level) for level in range(_levels_of(size))] or [[]]
        width = size % TILE_WIDTH
        if with_entries and width:
            writer._entries = _bundle_edge(store, size // TILE_WIDTH, width)
        return writer

    def extend(
        self, entries: Sequence[bytes], leaf_hashes: Sequence[bytes] | None = None
    ) -> Iterator[tuple[str, bytes]]:
        """Append entries; the parts that are full by them are yielded and must be consumed.

        Args:
            entries: exact entry bytes; empty where the writer makes no bundles.
            leaf_hashes: theirs in order, where the caller has them; required where there are no entries.

        Yields:
            Path below the log's prefix and content of each full tile and bundle.

        Raises:
            LogIntegrityError: if an entry is too long for a bundle.
        """
        hashes = [leaf_hash(entry) for entry in entries] if leaf_hashes is None else leaf_hashes
        if self._with_entries and len(hashes) != len(entries):
            raise LogIntegrityError(f"{len(entries)} entries cannot have {len(hashes)} leaf hashes")
        start = 0
        while start < len(hashes):
            room = TILE_WIDTH - len(self._edge[0])
            if self._with_entries:
                self._entries += entries[start : start + room]
            self._edge[0] += hashes[start : start + room]
            self.size += len(hashes[start : start + room])
            start += room
            if len(self._edge[0]) == TILE_WIDTH:
                yield from self._full()

    def _full(self) -> Iterator[tuple[str, bytes]]:
        """Yield the bundle and the tiles that end at the current size, a multiple of 256."""
        if self._with_entries:
            yield entries_path(self.size // TILE_WIDTH - 1), pack_entries(self._entries)
            self._entries = []
        level = 0
        while len(self._edge[level]) == TILE_WIDTH:
            hashes = self._edge[level]
            yield tile_path(level, (self.size >> TILE_HEIGHT * (level + 1)) - 1), b"".join(hashes)
            self._edge[level] = []
            level += 1
            if level == len(self._edge):
                self._edge.append([])
            self._edge[level].append(root_of(hashes))

    def flush(self) -> Iterator[tuple[str, bytes]]:
        """Yield the partial tiles and the partial bundle of the current size that were not yielded before."""
        older, self._flushed = self._flushed, self.size
        if older == self.size:
            return
        if self._entries:
            yield entries_path(self.size // TILE_WIDTH, len(self._entries)), pack_entries(self._entries)
        for level, hashes in enumerate(self._edge):
            is_new = self.size >> TILE_HEIGHT * level != older >> TILE_HEIGHT * level
            if hashes and is_new:
                index = self.size >> TILE_HEIGHT * (level + 1)
                yield tile_path(level, index, len(hashes)), b"".join(hashes)

    def compact(self) -> CompactTree:
        """Return the right edge of the tree so far."""
        peaks: list[bytes] = []
        for hashes in reversed(self._edge):
            levels = _joined(b"".join(hashes)) if hashes else []
            position = 0
            for height in range(len(levels) - 1, -1, -1):
                if len(hashes) >> height & 1:
                    peaks.append(levels[height][position >> height])
                    position += 1 << height
        return CompactTree.from_bytes(self.size.to_bytes(8, "big") + b"".join(peaks))

    def root(self) -> bytes:
        """Return the root over all entries so far."""
        return self.compact().root()


def _split(count: int) -> int:
    """Return the largest power of two below a count of at least 2 (RFC 6962 section 2.1)."""
    return 1 << (count - 1).bit_length() - 1


def _folded(peaks: list[bytes]) -> bytes:
    node = peaks[-1]
    for peak in reversed(peaks[:-1]):
        node = node_hash(peak, node)
    return node


def _joined(octets: bytes) -> list[list[bytes]]:
    """Return the hashes of a tile and, level by level, the joins of every complete pair."""
    level = [octets[start : start + HASH_BYTES] for start in range(0, len(octets), HASH_BYTES)]
    levels = [level]
    while len(level) > 1:
        level = [node_hash(left, right) for left, right in zip(level[::2], level[1::2], strict=False)]
        levels.append(level)
    return levels


def _levels_of(size: int) -> int:
    """Return how many levels of tiles a tree has."""
    return -(-size.bit_length() // TILE_HEIGHT)


def _bundle_edge(store: TileStore, index: int, width: int) -> list[bytes]:
    """Return the first `width` entries of a bundle, from the partial bundle or the full one that replaced it."""
    path = entries_path(index, width)
    try:
        entries = unpack_entries(store.read(path))
        is_whole = len(entries) == width
    except MissingPartError:
        path = entries_path(index)
        entries = unpack_entries(store.read(path))
        is_whole = len(entries) == TILE_WIDTH
    if not is_whole:
        raise LogIntegrityError(f"{path}: found {len(entries)} entries")
    return entries[:width]
