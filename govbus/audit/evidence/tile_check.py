"""One log derived again from its entries: every tile, and the tree at every size that somebody stated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from govbus.audit.evidence.subtrees import TreeStretch
from govbus.audit.report import AuditFinding, Check
from govbus.errors import LogIntegrityError, MissingPartError
from govbus.message_log.tiles import TILE_WIDTH, TileStore, TileWriter, entries_path, unpack_entries
from govbus.signing.merkle import leaf_hash

FINDINGS_MAX = 50
"""Tiles named for one log; where one is wrong, those above it are mostly wrong too."""


@dataclass(slots=True)
class TileCheck:
    """What came out for one log."""

    origin: str
    trees: list[bytes] = field(default_factory=list)
    """The tree at each size that was asked for, as `CompactTree.to_bytes`."""
    size: int = 0
    parts: int = 0
    """Tiles and bundles that are as they must be."""
    findings: list[AuditFinding] = field(default_factory=list)


def check_tiles(
    origin: str,
    store: TileStore,
    size: int,
    *,
    ends: Iterable[int] = (),
    cuts: Sequence[int] = (),
    done: Callable[[int], None] | None = None,
) -> TileCheck:
    """Derive a log again from its entry bundles and compare every tile.

    Args:
        origin: of the log, for findings.
        store: where tiles and bundles lie.
        size: entries in the log.
        ends: sizes at which partial tiles were published, besides `size`; those that are gone are none that differ.
        cuts: sizes to return the tree at.
        done: told how many more entries are done.
    """
    check = _Check(TileCheck(origin), store, sorted({*ends, size}), sorted(set(cuts)), size)
    try:
        for entries in bundles_of(store, size):
            check.take(entries)
            if done is not None:
                done(len(entries))
    except (LogIntegrityError, MissingPartError) as err:
        check.find(entries_path(check.size // TILE_WIDTH), "a bundle of whole entries", err.message)
    check.result.size = check.size
    return check.result


def bundles_of(store: TileStore, size: int) -> Iterator[list[bytes]]:
    """Yield the entries of a log bundle by bundle.

    Raises:
        MissingPartError: if one is not there.
        LogIntegrityError: if one does not follow the format, or has too few entries.
    """
    for number in range(-(-size // TILE_WIDTH)):
        width = min(TILE_WIDTH, size - number * TILE_WIDTH)
        try:
            octets = store.read(entries_path(number, width))
        except MissingPartError:
            if width == TILE_WIDTH:
                raise
            octets = store.read(entries_path(number))
        entries = unpack_entries(octets)[:width]
        if len(entries) < width:
            raise LogIntegrityError(
                f"{entries_path(number, width)}: expected {width} entries, found {len(entries)}"
            )
        yield entries


class _Check:
    """A log as it is derived again."""

    def __init__(
        self, result: TileCheck, store: TileStore, ends: list[int], cuts: list[int], size: int
    ) -> None:
        self.result = result
        self._store = store
        self._ends = [end for end in ends if 0 < end <= size]
        self._cuts = [cut for cut in cuts if cut <= size]
        self._whole_size = size
        self._stretch = TreeStretch()
        self._writer = TileWriter()
        self._cut()

    @property
    def size(self) -> int:
        """Entries so far."""
        return self._stretch.end

    def take(self, entries: list[bytes]) -> None:
        """Derive from the next entries."""
        while entries:
            stops = [*self._ends[:1], *self._cuts[:1]]
            room = min([stop - self.size for stop in stops] + [len(entries)])
            hashes = [leaf_hash(entry) for entry in entries[:room]]
            self._stretch.extend(hashes)
            self._compare(self._writer.extend(entries[:room], hashes))
            if self._ends and self.size == self._ends[0]:
                end = self._ends.pop(0)
                self._compare(self._writer.flush(), may_be_gone=end < self._whole_size)
            self._cut()
            entries = entries[room:]

    def _cut(self) -> None:
        if self._cuts and self._cuts[0] == self.size:
            self._cuts.pop(0)
            self.result.trees.append(self._stretch.tree().to_bytes())

    def _compare(self, parts: Iterable[tuple[str, bytes]], *, may_be_gone: bool = False) -> None:
        for path, octets in parts:
            try:
                found = self._store.read(path)
            except MissingPartError as err:
                if not may_be_gone:
                    self.find(path, "the tile that the entries give", err.message)
                continue
            except LogIntegrityError as err:
                self.find(path, "the tile that the entries give", err.message)
                continue
            if found == octets:
                self.result.parts += 1
            else:
                self.find(path, "the tile that the entries give", _difference(octets, found))

    def find(self, path: str, expected: str, found: str) -> None:
        """Report a tile."""
        if len(self.result.findings) < FINDINGS_MAX:
            self.result.findings.append(
                AuditFinding(
                    Check.TILE,
                    f"tiles of {self.result.origin}/{path}",
                    None,
                    None,
                    expected,
                    found,
                    origin=self.result.origin,
                )
            )


def _difference(expected: bytes, found: bytes) -> str:
    if len(expected) != len(found):
        return f"{len(found)} bytes instead of {len(expected)}"
    place = next(
        number for number, pair in enumerate(zip(expected, found, strict=True)) if pair[0] != pair[1]
    )
    return f"another one, from byte {place} on"
