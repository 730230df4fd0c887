"""Merkle trees: what the vectors of others do not reach."""

import pytest

from govbus.errors import ProofError
from govbus.signing.merkle import (
    EMPTY_ROOT,
    PathMemo,
    consistency_proof,
    inclusion_path,
    inclusion_paths,
    leaf_hash,
    root_from_path,
    root_of,
    verify_consistency,
    verify_inclusion,
    verify_subtree_consistency,
)


def _leaves(count):
    return [leaf_hash(str(number).encode()) for number in range(count)]


def _flip(octets, at):
    return octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1 :]


def test_empty_tree():
    """The empty tree has the hash of nothing as its root, and no leaf to prove."""
    assert EMPTY_ROOT == root_of([])
    with pytest.raises(ProofError):
        inclusion_paths([])
    with pytest.raises(ProofError):
        inclusion_path([], 0)


def test_single_leaf():
    """A tree of one leaf is that leaf, with an empty path."""
    leaf = leaf_hash(b"entry")

    assert (leaf, [b""]) == inclusion_paths([leaf])
    assert leaf == root_from_path(leaf, 0, 1, b"")


@pytest.mark.parametrize("index", [-1, 5, 6])
def test_index_outside(index):
    """An index outside the tree is refused, not looked up from the other end."""
    leaves = _leaves(5)

    with pytest.raises(ProofError):
        inclusion_path(leaves, index)
    with pytest.raises(ProofError):
        root_from_path(leaves[0], index, 5, b"")


@pytest.mark.parametrize("length", [0, 32, 95, 97, 128])
def test_path_of_wrong_length(length):
    """A path has the one length that fits index and size."""
    with pytest.raises(ProofError):
        root_from_path(leaf_hash(b"entry"), 2, 8, bytes(length))


def test_size_beyond_bound():
    """A size over 2^63-1 is refused before anything is computed."""
    with pytest.raises(ProofError):
        root_from_path(leaf_hash(b"entry"), 0, 2**63, bytes(32 * 63))
    with pytest.raises(ProofError):
        verify_subtree_consistency(0, 1, 2**63, EMPTY_ROOT, EMPTY_ROOT, [])


def test_hash_of_wrong_length():
    """Hashes that are not 32 bytes are refused even where their sum fits."""
    leaves = _leaves(4)
    path = inclusion_path(leaves, 0)

    with pytest.raises(ProofError):
        verify_inclusion(leaves[0], 0, 4, [path[0] + path[1][:1], path[1][1:]], root_of(leaves))


@pytest.mark.parametrize("older", [-1, 0, 6])
def test_consistency_proof_of_no_older_tree(older):
    """There is no proof from an empty tree, nor from a larger one."""
    with pytest.raises(ProofError):
        consistency_proof(_leaves(5), older)


def test_consistency_after_a_change_in_the_past():
    """A tree whose old leaf was replaced is not consistent with the older root, whoever makes the proof."""
    old, new = _leaves(5), _leaves(9)
    new[2] = leaf_hash(b"another")

    with pytest.raises(ProofError):
        verify_consistency(5, 9, root_of(old), root_of(new), consistency_proof(new, 5))


@pytest.mark.parametrize("size", [1, 2, 64, 100])
def test_memo_takes_every_leaf(size):
    """The memo accepts every leaf of a batch, in order, backwards, and again."""
    leaves = _leaves(size)
    root, paths = inclusion_paths(leaves)
    memo = PathMemo(root, size)

    for index in (*range(size), *reversed(range(size))):
        memo.verify(leaves[index], index, paths[index])


@pytest.mark.parametrize("known", [[], [4], [5], [7], [0, 1, 2, 3, 4, 6, 7]])
@pytest.mark.parametrize("byte", [0, 31, 32, 64, 95])
def test_memo_refuses_a_changed_path(known, byte):
    """One bit changed anywhere in a path is refused, whatever the memo knows already."""
    leaves = _leaves(8)
    root, paths = inclusion_paths(leaves)
    memo = PathMemo(root, 8)
    for index in known:
        memo.verify(leaves[index], index, paths[index])

    with pytest.raises(ProofError):
        memo.verify(leaves[5], 5, _flip(paths[5], byte))
    with pytest.raises(ProofError):
        memo.verify(_flip(leaves[5], 0), 5, paths[5])
    with pytest.raises(ProofError):
        memo.verify(leaves[5], 6, paths[5])
    memo.verify(leaves[5], 5, paths[5])


@pytest.mark.parametrize("size", [8, 6])
def test_memo_refuses_what_does_not_fit(size):
    """Paths of a wrong length and indexes outside are refused, also where the tree is not perfect."""
    leaves = _leaves(size)
    root, paths = inclusion_paths(leaves)
    memo = PathMemo(root, size)

    for index, path in ((0, paths[0][:-1]), (0, b""), (size, paths[0]), (-1, paths[0]), (1, paths[0])):
        with pytest.raises(ProofError):
            memo.verify(leaves[0], index, path)
