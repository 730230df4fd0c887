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

    __slots__ = ("batch", "entries", "hashes", "next", "paths", "text")

    def __init__(self, text: bytes, batch: BatchText) -> None:
        """Wait for the statements of a batch, from its first on."""
        self.text = text
        self.batch = batch
        self.next = batch.start
        """Index of the statement that is to come."""
        self.hashes: list[bytes] = []
        self.paths: list[bytes] = []
        self.entries: list[int] = []

    def close(self) -> bool:
        """Return whether all of the batch has come, and every path is the tree's own."""
        if len(self.hashes) != self.batch.end - self.batch.start:
            return False
        root, paths = inclusion_paths(self.hashes)
        return root == self.batch.root and paths == self.paths

    def astray(self) -> Iterator[tuple[int, int]]:
        """Yield index and entry number of every document whose path does not lead to the batch's root."""
        batch = self.batch
        memo = PathMemo(batch.root, batch.end - batch.start)
        came = zip(self.hashes, self.paths, self.entries, strict=True)
        for index, (leaf, path, entry) in enumerate(came, batch.start):
            try:
                memo.verify(leaf, index - batch.start, path)
            except ProofError:
                yield index, entry
