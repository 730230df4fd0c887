"""One log as an archive grows: its tree, compared with every checkpoint on the way, and the tiles to write."""

from __future__ import annotations

from collections.abc import Iterator

from govbus.errors import LogIntegrityError
from govbus.message_log.tiles import TILE_WIDTH, TileStore, TileTree, TileWriter
from govbus.signing.merkle import leaf_hash


class LogGrowth:
    """A log that goes on where the archive ended."""

    def __init__(self, origin: str, store: TileStore, size: int) -> None:
        """Read the right edge of a tree.

        Raises:
            MissingPartError: if a tile is not there.
            LogIntegrityError: if one does not follow the format.
        """
        self.origin = origin
        self._writer = TileWriter.resume(store, size)
        self._tree = TileTree(store, size).compact()
        self._entries: list[bytes] = []
        self._leaves: list[bytes] = []
        self._stated: dict[int, bytes] = {}

    @property
    def size(self) -> int:
        """Entries so far."""
        return self._tree.size

    def root(self) -> bytes:
        """Return the root over all entries so far."""
        return self._tree.root()

    def state(self, size: int, root: bytes) -> None:
        """Take note of a signed checkpoint; it is compared as soon as the log has its size.

        Raises:
            LogIntegrityError: if another one states another root, or the log has the size and another root.
        """
        if self._stated.setdefault(size, root) != root:
            raise LogIntegrityError(
                f"{self.origin}: two signed checkpoints state different roots for {size} entries"
            )
        if size == self.size:
            self._compare()

    def append(self, entry: bytes) -> bool:
        """Append an entry.

        Returns:
            Whether `parts` has something to yield: a bundle and tiles that are full by this entry.

        Raises:
            LogIntegrityError: if the log contradicts a checkpoint.
        """
        leaf = leaf_hash(entry)
        self._tree.append(leaf)
        self._entries.append(entry)
        self._leaves.append(leaf)
        if self._tree.size in self._stated:
            self._compare()
        return self._tree.size % TILE_WIDTH == 0

    def parts(self) -> Iterator[tuple[str, bytes]]:
        """Yield the parts that became full since the last call.

        Raises:
            LogIntegrityError: if an entry is too long for a bundle.
        """
        entries, leaves = self._entries, self._leaves
        self._entries, self._leaves = [], []
        yield from self._writer.extend(entries, leaves)

    def flush(self) -> Iterator[tuple[str, bytes]]:
        """Yield the parts that became full, and the partial ones of the size that the log has now."""
        yield from self.parts()
        yield from self._writer.flush()

    def _compare(self) -> None:
        root = self._tree.root()
        stated = self._stated.pop(self.size)
        if stated != root:
            raise LogIntegrityError(
                f"{self.origin}: the signed checkpoint for {self.size} entries has root {stated.hex()}, "
                f"the entries have {root.hex()}",
                remedy="do not archive this log; find out who changed it",
            )
