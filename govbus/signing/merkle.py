"""Merkle trees of RFC 6962 and RFC 9162: roots, inclusion proofs and consistency proofs over SHA-256.

A leaf hash is SHA-256(0x00 || entry), an interior node SHA-256(0x01 || left || right), the root of the empty tree
SHA-256 of nothing. The tree over n leaves splits at the largest power of two below n. Proofs are lists of 32-byte
hashes, lowest level first; on the wire (``gb-path``) they are concatenated.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from govbus.errors import ProofError

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256().digest()
SIZE_MAX = 2**63 - 1
"""Leaves of one tree; a proof in it has at most 63 hashes, twice that for consistency."""

_NODE = b"\x01"


def leaf_hash(entry: bytes) -> bytes:
    """Return SHA-256(0x00 || entry) (RFC 6962 section 2.1)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256(0x01 || left || right) (RFC 6962 section 2.1)."""
    return hashlib.sha256(_NODE + left + right).digest()


def root_of(leaf_hashes: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes in order; the empty tree has a root too (RFC 6962 section 2.1)."""
    return _levels(leaf_hashes)[-1][0] if leaf_hashes else EMPTY_ROOT


def _levels(leaf_hashes: Sequence[bytes]) -> list[Sequence[bytes]]:
    """Return every level of a tree that is not empty, leaves first; an odd last node moves up unchanged."""
    sha256 = hashlib.sha256
    level = leaf_hashes
    levels = [level]
    while len(level) > 1:
        above = [
            sha256(_NODE + left + right).digest()
            for left, right in zip(level[::2], level[1::2], strict=False)
        ]
        if len(level) % 2:
            above.append(level[-1])
        level = above
        levels.append(level)
    return levels


def inclusion_path(leaf_hashes: Sequence[bytes], index: int) -> list[bytes]:
    """Return the inclusion proof of one leaf (RFC 9162 section 2.1.3.1), lowest level first.

    Raises:
        ProofError: if there is no such leaf.
    """
    _require_inside(index, len(leaf_hashes))
    path = []
    for level in _levels(leaf_hashes)[:-1]:
        if index ^ 1 < len(level):
            path.append(level[index ^ 1])
        index >>= 1
    return path


def inclusion_paths(leaf_hashes: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
    """Return the root and the inclusion proof of every leaf at once.

    The paths are built from the root down, each from its parent's, so that the cost is two joins a leaf and not one
    a hash of its path.

    Args:
        leaf_hashes: 32-byte hashes in order, at least one.

    Returns:
        The root, and for each leaf its path with the hashes concatenated, lowest level first.

    Raises:
        ProofError: if there is no leaf.
    """
    _require_inside(0, len(leaf_hashes))
    levels = _levels(leaf_hashes)
    paths = [b""]
    for level in reversed(levels[:-1]):
        below: list[bytes] = []
        append = below.append
        for left, right, path in zip(level[::2], level[1::2], paths, strict=False):
            append(right + path)
            append(left + path)
        if len(level) % 2:
            append(paths[-1])
        paths = below
    return levels[-1][0], paths


def root_from_path(leaf: bytes, index: int, size: int, path: bytes) -> bytes:
    """Return the root that an inclusion path leads to (RFC 9162 section 2.1.3.2).

    The caller compares it with the root that was signed.

    Args:
        leaf: leaf hash, 32 bytes.
        index: of the leaf, from 0.
        size: leaves in the tree.
        path: hashes of 32 bytes, concatenated, lowest level first.

    Raises:
        ProofError: if the index lies outside the tree, or the path has not the one length that fits index and size.
    """
    if not 0 <= index < size <= SIZE_MAX:
        _require_inside(index, size)
    # Up to the level where leaf and right edge meet, the index says which side; above, all siblings stand left.
    inner = (index ^ (size - 1)).bit_length()
    inner_bytes = HASH_BYTES * inner
    if len(path) != inner_bytes + HASH_BYTES * (index >> inner).bit_count() or len(leaf) != HASH_BYTES:
        raise _wrong_length(index, size, path)
    sha256 = hashlib.sha256
    node = leaf
    for start in range(0, inner_bytes, HASH_BYTES):
        sibling = path[start : start + HASH_BYTES]
        node = sha256(_NODE + sibling + node if index & 1 else _NODE + node + sibling).digest()
        index >>= 1
    for start in range(inner_bytes, len(path), HASH_BYTES):
        node = sha256(_NODE + path[start : start + HASH_BYTES] + node).digest()
    return node


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check that a leaf stands at an index of the tree with this size and root (RFC 9162 section 2.1.3.2).

    Raises:
        ProofError: if it is not shown to.
    """
    _require_hashes(path)
    if root_from_path(leaf, index, size, b"".join(path)) != root:
        raise _astray(index, size)


class PathMemo:
    """Checks the inclusion paths of many leaves of one tree, each interior node once.

    A path that holds proves every sibling on it too, together with the rest of the path above that sibling. The next
    leaf climbs only until it meets one of them, and what is left of its path must then be the known rest byte for
    byte, so the verdict is the same as without the memo. Over all leaves of a batch that is one hash a leaf instead
    of the tree's height; memory is one entry a leaf, about 260 bytes each in a batch of 64.
    """

    __slots__ = ("_known", "_path_bytes", "_root", "_size")

    def __init__(self, root: bytes, size: int) -> None:
        """Start with nothing but the root, 32 bytes, of a tree of `size` leaves."""
        self._root = root
        self._size = size
        self._path_bytes = HASH_BYTES * (size - 1).bit_length()
        self._known: dict[int, bytes] = {}
        """Position (1 is the root, 2n and 2n+1 are below n) to a proven node and the path above it."""

    def verify(self, leaf: bytes, index: int, path: bytes) -> None:
        """Check that a leaf stands at an index of the tree; the path as for `root_from_path`.

        Raises:
            ProofError: if the path does not lead to the root.
        """
        size = self._size
        if (
            size & (size - 1)
            or not 0 <= index < size
            or len(path) != self._path_bytes
            or len(leaf) != HASH_BYTES
        ):
            # Only a perfect tree numbers its nodes simply; what does not fit gets its error there.
            if root_from_path(leaf, index, size, path) != self._root:
                raise _astray(index, size)
            return
        sha256, known = hashlib.sha256, self._known
        position, node, proven = size | index, leaf, []
        while position > 1:
            stored = known.get(position)
            if stored is not None:
                if stored != node + path:
                    raise _astray(index, size)
                break
            sibling, path = path[:HASH_BYTES], path[HASH_BYTES:]
            proven.append((position ^ 1, sibling + node + path))
            node = sha256(_NODE + sibling + node if position & 1 else _NODE + node + sibling).digest()
            position >>= 1
        else:
            if node != self._root:
                raise _astray(index, size)
        known.update(proven)


def verify_subtree_inclusion(
    leaf: bytes, index: int, start: int, end: int, path: Sequence[bytes], root: bytes
) -> None:
    """Check that a leaf stands at an index of the subtree over leaves [start, end).

    Implements draft-ietf-plants-merkle-tree-certs section 4.3, what a C2SP subtree cosignature is about.

    Raises:
        ProofError: if it is not shown to, or [start, end) is no subtree.
    """
    require_subtree(start, end)
    verify_inclusion(leaf, index - start, end - start, path, root)


def consistency_proof(leaf_hashes: Sequence[bytes], size1: int) -> list[bytes]:
    """Return the proof that the first `size1` leaves are where this tree grew from (RFC 9162 section 2.1.4.1).

    Raises:
        ProofError: if `size1` is 0 (everything grew from nothing) or over the tree's size.
    """
    size2 = len(leaf_hashes)
    if not 0 < size1 <= size2:
        raise ProofError(f"expected an older size of 1 to {size2}, found {size1}")
    return _subproof(leaf_hashes, size1, is_whole=True)


def _subproof(leaves: Sequence[bytes], older: int, *, is_whole: bool) -> list[bytes]:
    """SUBPROOF of RFC 9162 section 2.1.4.1; `is_whole` while the older tree's root is known to the verifier."""
    if older == len(leaves):
        return [] if is_whole else [root_of(leaves)]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if older <= split:
        return [*_subproof(leaves[:split], older, is_whole=is_whole), root_of(leaves[split:])]
    return [*_subproof(leaves[split:], older - split, is_whole=False), root_of(leaves[:split])]


def verify_consistency(size1: int, size2: int, root1: bytes, root2: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree of `size2` leaves grew from the one of `size1` (RFC 9162 section 2.1.4.2).

    Raises:
        ProofError: if it is not shown to; always for `size1` 0, which proves nothing.
    """
    if size1 == 0:
        raise ProofError("an empty tree is consistent with everything and proves nothing")
    verify_subtree_consistency(0, size1, size2, root1, root2, proof)


def verify_subtree_consistency(
    start: int, end: int, size: int, subtree_root: bytes, root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the subtree over leaves [start, end) is part of the tree of `size` leaves.

    Implements draft-ietf-plants-merkle-tree-certs section 4.4.3; with `start` 0 it is RFC 9162 section 2.1.4.2.

    Raises:
        ProofError: if it is not shown to, or [start, end) is no subtree of the tree.
    """
    # Step 1: shape of the input.
    if end > size or size > SIZE_MAX:
        raise ProofError(f"expected a subtree inside {size} leaves, found [{start}, {end})")
    if start == end >= 0:
        if proof or subtree_root != EMPTY_ROOT:
            raise ProofError("an empty subtree has the empty root and an empty proof")
        return
    require_subtree(start, end)
    _require_hashes(proof)
    older, newer = _climb(start, end - 1, size - 1, subtree_root, list(proof))
    # Step 4: both climbs must have arrived.
    if older != subtree_root or newer != root:
        raise ProofError(
            f"the proof does not lead from the subtree [{start}, {end}) to the root of {size} leaves"
        )


def require_subtree(start: int, end: int) -> None:
    """Check that leaves [start, end) are a subtree: it starts at a multiple of the power of two that holds it.

    Implements draft-ietf-plants-merkle-tree-certs section 4.1.

    Raises:
        ProofError: if they are not a subtree of any tree.
    """
    if not 0 <= start < end <= SIZE_MAX or start % (1 << (end - start - 1).bit_length()):
        raise ProofError(f"[{start}, {end}) is not a subtree of any tree")


def _climb(first: int, last: int, tree_last: int, node: bytes, hashes: list[bytes]) -> tuple[bytes, bytes]:
    """Return the subtree root and the tree root that a consistency proof leads to.

    Args:
        first: position of the node at the subtree's left edge, on the level of the climb.
        last: the same at its right edge.
        tree_last: the same at the right edge of the tree.
        node: root of the subtree, where the climb starts if the subtree is one node of the tree.
        hashes: the proof.
    """
    # Step 2: up the subtree's right edge to the highest node that the tree has too.
    while first != last and (last == tree_last or last & 1):
        first, last, tree_last = first >> 1, last >> 1, tree_last >> 1
    if first != last:
        if not hashes:
            raise ProofError("the consistency proof is too short")
        node = hashes.pop(0)
    older = newer = node
    # Step 3: to both roots at once.
    for sibling in hashes:
        if tree_last == 0:
            raise ProofError("the consistency proof is too long")
        if last & 1 or last == tree_last:
            if first < last:
                older = node_hash(sibling, older)
            newer = node_hash(sibling, newer)
            while not last & 1:
                first, last, tree_last = first >> 1, last >> 1, tree_last >> 1
        else:
            newer = node_hash(newer, sibling)
        first, last, tree_last = first >> 1, last >> 1, tree_last >> 1
    if tree_last != 0:
        raise ProofError("the consistency proof is too short")
    return older, newer


def _require_inside(index: int, size: int) -> None:
    if not 0 <= index < size <= SIZE_MAX:
        raise ProofError(f"expected a leaf index below {size}, found {index}")


def _require_hashes(proof: Sequence[bytes]) -> None:
    if any(len(octets) != HASH_BYTES for octets in proof):
        raise ProofError(f"a proof is made of hashes of {HASH_BYTES} bytes")


def _wrong_length(index: int, size: int, path: bytes) -> ProofError:
    return ProofError(
        f"a path of {len(path)} bytes does not fit leaf {index} of {size}, or a hash is cut short"
    )


def _astray(index: int, size: int) -> ProofError:
    return ProofError(f"the path does not lead from leaf {index} to the root of {size} leaves")
