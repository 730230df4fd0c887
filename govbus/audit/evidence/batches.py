"""Inclusion of statements in their batches: the whole batch at once where it is all there.

The root over a whole batch's statement hashes, computed once, proves every statement in it; the paths that the
documents carry must then be the tree's own, byte for byte. That is a third of the work of climbing path by path, and
the verdict is the same.
"""

from __future__ import annotations

from collections.abc import Iterator

from govbus.errors import ProofError
from govbus.signing.batch import BatchText
from govbus.signing.merkle import PathMemo, inclusion_paths

WHOLE_DOCUMENTS_MAX = 4096
"""Documents of one batch that wait for the rest of it; of larger batches every path is climbed."""


class OpenBatch:
    """A batch of one origin whose statements come one after the other."""

    __slots__ = ("batch", "end", "entries", "hashes", "next", "paths", "text")

    def __init__(self, text: bytes, batch: BatchText) -> None:
        """Wait for the statements of a batch, from its first on."""
        self.text = text
        self.batch = batch
        self.next = batch.start
        """Index of the statement that is to come."""
        self.end = batch.end
        self.hashes: list[bytes] = []
        """Statement hash of each that has come."""
        self.paths: list[bytes] = []
        self.entries: list[int] = []
        """Numbers of their entries."""

    def add(self, statement_hash: bytes, path: bytes, entry: int) -> None:
        """Take the statement in that comes next.

        Args:
            statement_hash: 32 bytes.
            path: that its document carries.
            entry: number of the entry.
        """
        self.hashes.append(statement_hash)
        self.paths.append(path)
        self.entries.append(entry)
        self.next += 1

    def close(self) -> bool:
        """Return whether all of the batch has come, and every path is the tree's own."""
        if len(self.hashes) != self.end - self.batch.start:
            return False
        root, demanded = inclusion_paths(self.hashes)
        return root == self.batch.root and demanded == self.paths

    def astray(self) -> Iterator[tuple[int, int]]:
        """Yield index and entry number of every document whose path does not lead to the batch's root."""
        batch = self.batch
        memo = PathMemo(batch.root, batch.end - batch.start)
        leaves = zip(self.hashes, self.paths, self.entries, strict=True)
        for index, (leaf, path, entry) in enumerate(leaves, batch.start):
            try:
                memo.verify(leaf, index - batch.start, path)
            except ProofError:
                yield index, entry
