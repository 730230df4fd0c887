"""The tiles of one log on disk, written as it grows."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from govbus.audit.archive.tile_folder import FolderTiles, write_whole
from govbus.errors import LogIntegrityError
from govbus.message_log.tiles import TILE_WIDTH, TileTree, TileWriter, parse_path
from govbus.message_log.tree import CompactTree

CHECKPOINT = "checkpoint"
"""The file beside ``tile/`` that holds the newest published checkpoint."""


class LogTiles:
    """Tiles and entry bundles of one log below its own folder, a C2SP ``tlog-tiles`` prefix.

    Full ones are written once they are full, partial ones for every tree that is signed; those go once the full one is
    there. Everything is forced to disk, so that after a crash the folder holds at least what was signed.
    """

    def __init__(self, folder: Path, writer: TileWriter | None = None) -> None:
        """Write below a folder; from the first entry on unless told otherwise."""
        self.folder = folder
        self._store = FolderTiles(folder)
        self._writer = writer if writer is not None else TileWriter()
        self._published = ""

    @classmethod
    def resumed(cls, folder: Path, *, size: int, root: bytes) -> LogTiles:
        """Go on at a tree that was signed.

        Raises:
            MissingPartError: if the folder lacks parts of that tree.
            LogIntegrityError: if what it holds gives another root.
        """
        writer = TileWriter.resume(FolderTiles(folder), size)
        if writer.root() != root:
            raise LogIntegrityError(
                f"{folder} gives root {writer.root().hex()} for {size} entries, {root.hex()} was signed",
                remedy="keep it for whoever finds out why, and move it away: it is written again from the topics",
            )
        return cls(folder, writer)

    @property
    def size(self) -> int:
        """Entries so far."""
        return self._writer.size

    def extend(self, entries: Sequence[bytes], leaf_hashes: Sequence[bytes]) -> None:
        """Append entries and write what is full by them.

        Raises:
            LogIntegrityError: if an entry is too long for a bundle, or a part is there with other bytes.
        """
        for path, octets in self._writer.extend(entries, leaf_hashes):
            self._write(path, octets)

    def flush(self) -> None:
        """Write the partial tiles of the present size; errors as for `extend`."""
        for path, octets in self._writer.flush():
            self._write(path, octets)

    def compact(self) -> CompactTree:
        """Return the right edge of the tree so far."""
        return self._writer.compact()

    def tree(self, size: int) -> TileTree:
        """Return the tree of a size that was flushed, as the folder has it."""
        return TileTree(self._store, size)

    def publish(self, note: str) -> None:
        """Write the checkpoint that readers get, unless it is the last one written."""
        if note != self._published:
            write_whole(self.folder / CHECKPOINT, note.encode("utf-8"))
            self._published = note

    def _write(self, path: str, octets: bytes) -> None:
        self._store.write(path, octets)
        if parse_path(path).width == TILE_WIDTH:
            shutil.rmtree(self.folder / f"{path}.p", ignore_errors=True)
