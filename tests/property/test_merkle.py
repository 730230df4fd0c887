"""Properties of Merkle proofs that hold for every tree."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from govbus.errors import ProofError
from govbus.message_log.tree import CompactTree
from govbus.signing.merkle import (
    PathMemo,
    consistency_proof,
    inclusion_path,
    inclusion_paths,
    leaf_hash,
    root_from_path,
    root_of,
    verify_consistency,
    verify_inclusion,
)

SIZES = st.integers(1, 300)
_LEAVES = [leaf_hash(number.to_bytes(2, "big")) for number in range(300)]


def _root_by_definition(leaves):
    """MTH of RFC 6962 section 2.1, as written there."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, right = _root_by_definition(leaves[:split]), _root_by_definition(leaves[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


@given(SIZES)
def test_root_is_the_definitions(size):
    """The root built level by level is the one of the recursive definition."""
    assert _root_by_definition(_LEAVES[:size]) == root_of(_LEAVES[:size])


@given(SIZES, st.data())
def test_inclusion(size, data):
    """A leaf's path leads to the root at its own index, and at no other index of the tree."""
    index, other = (data.draw(st.integers(0, size - 1)) for _ in range(2))
    root, paths = inclusion_paths(_LEAVES[:size])

    verify_inclusion(_LEAVES[index], index, size, inclusion_path(_LEAVES[:size], index), root)
    assert root == root_from_path(_LEAVES[index], index, size, paths[index])
    PathMemo(root, size).verify(_LEAVES[index], index, paths[index])
    if other != index:
        with pytest.raises(ProofError):
            verify_inclusion(_LEAVES[index], other, size, inclusion_path(_LEAVES[:size], index), root)


@given(st.integers(0, 5), st.data())
def test_memo_agrees_with_the_plain_check(height, data):
    """After any history, the memo accepts a path exactly if it leads to the root."""
    size = 2**height
    root, paths = inclusion_paths(_LEAVES[:size])
    memo = PathMemo(root, size)
    for _ in range(data.draw(st.integers(1, 8))):
        index = data.draw(st.integers(0, size - 1))
        path = bytearray(paths[data.draw(st.sampled_from([index, index ^ 1 if size > 1 else index]))])
        if path and data.draw(st.booleans()):
            path[data.draw(st.integers(0, len(path) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        is_right = root_from_path(_LEAVES[index], index, size, bytes(path)) == root
        try:
            memo.verify(_LEAVES[index], index, bytes(path))
            is_taken = True
        except ProofError:
            is_taken = False
        assert is_right == is_taken


@given(SIZES, st.data())
def test_consistency(size, data):
    """Every older tree is proven consistent, and not with a root or size of another tree."""
    older = data.draw(st.integers(1, size))
    wrong = data.draw(st.integers(1, size).filter(lambda number: number != older)) if size > 1 else 0
    root1, root2 = root_of(_LEAVES[:older]), root_of(_LEAVES[:size])
    proof = consistency_proof(_LEAVES[:size], older)

    verify_consistency(older, size, root1, root2, proof)
    with pytest.raises(ProofError):
        verify_consistency(wrong, size, root1, root2, proof)
    with pytest.raises(ProofError):
        verify_consistency(older, size, root_of(_LEAVES[1 : older + 1] or [root2]), root2, proof)


@given(st.integers(0, 300), st.integers(0, 300))
def test_compact_tree(before, after):
    """The right edge states the root of all leaves, also when stored and read half way."""
    size = min(before + after, 300)
    tree = CompactTree()
    for leaf in _LEAVES[: min(before, size)]:
        tree.append(leaf)
    tree = CompactTree.from_bytes(tree.to_bytes())
    for leaf in _LEAVES[tree.size : size]:
        tree.append(leaf)

    assert size == tree.size
    assert root_of(_LEAVES[:size]) == tree.root()
