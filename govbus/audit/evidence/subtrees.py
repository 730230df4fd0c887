"""A stretch [start, end) of a Merkle tree as the roots of its perfect subtrees: what one process gives another.

They are the largest subtrees of the whole tree that lie in the stretch, from left to right, at most two a level.
Stretches that follow one another join to one, from 0 on to the whole tree, whoever computed them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from govbus.errors import LogIntegrityError
from govbus.message_log.tree import CompactTree


class Subtree(NamedTuple):
    """A perfect subtree of 2**level leaves."""

    level: int
    position: int
    """Among the subtrees of its level, from 0."""
    root: bytes


class TreeStretch:
    """A stretch that grows at its right end."""

    __slots__ = ("_nodes", "end", "start")

    def __init__(self, start: int = 0) -> None:
        """Begin with no leaf.

        Args:
            start: number of the first leaf to come.
        """
        self.start = start
        self.end = start
        self._nodes: list[Subtree] = []

    def extend(self, leaf_hashes: Sequence[bytes]) -> None:
        """Add leaf hashes of 32 bytes; many at once cost one hash each and no more."""
        if leaf_hashes:
            self._extend(0, self.end, leaf_hashes)
            self.end += len(leaf_hashes)

    def _extend(self, level: int, position: int, roots: Sequence[bytes]) -> None:
        """Add subtrees of one level, the first at `position`."""
        sha256 = hashlib.sha256
        if position & 1:
            self._push(Subtree(level, position, roots[0]))
            roots, position = roots[1:], position + 1
        pairs = len(roots) & ~1
        if pairs:
            above = [
                sha256(b"\x01" + left + right).digest()
                for left, right in zip(roots[:pairs:2], roots[1:pairs:2], strict=True)
            ]
            self._extend(level + 1, position >> 1, above)
        if len(roots) & 1:
            self._push(Subtree(level, position + pairs, roots[-1]))

    def _push(self, node: Subtree) -> None:
        nodes = self._nodes
        level, position, root = node
        while position & 1 and nodes and nodes[-1][:2] == (level, position - 1):
            root = hashlib.sha256(b"\x01" + nodes.pop().root + root).digest()
            level, position = level + 1, position >> 1
        nodes.append(Subtree(level, position, root))

    def join(self, other: TreeStretch) -> None:
        """Add the stretch that begins where this one ends.

        Raises:
            LogIntegrityError: if it begins elsewhere.
        """
        if other.start != self.end:
            raise LogIntegrityError(f"a stretch from leaf {other.start} cannot follow leaf {self.end}")
        for node in other._nodes:
            self._push(node)
        self.end = other.end

    def tree(self) -> CompactTree:
        """Return the tree whose leaves these are.

        Raises:
            LogIntegrityError: if the stretch does not begin at leaf 0.
        """
        if self.start:
            raise LogIntegrityError(f"a stretch from leaf {self.start} is no tree")
        return CompactTree.from_bytes(
            self.end.to_bytes(8, "big") + b"".join(node.root for node in self._nodes)
        )
