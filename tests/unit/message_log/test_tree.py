"""The right edge of a growing tree."""

import pytest

from govbus.errors import LogIntegrityError
from govbus.message_log.tree import CompactTree
from govbus.signing.merkle import EMPTY_ROOT, leaf_hash, root_of


def _tree(count):
    tree = CompactTree()
    for number in range(count):
        tree.append(leaf_hash(bytes([number])))
    return tree


def test_empty():
    """A new tree is empty and stores as a size of zero."""
    tree = CompactTree()

    assert (0, EMPTY_ROOT, bytes(8)) == (tree.size, tree.root(), tree.to_bytes())


def test_copy_grows_alone():
    """A copy grows without its original."""
    tree = _tree(3)
    copy = tree.copy()
    copy.append(leaf_hash(b"\x03"))

    assert 3 == tree.size
    assert _tree(4).to_bytes() == copy.to_bytes()
    assert root_of([leaf_hash(bytes([number])) for number in range(3)]) == tree.root()


@pytest.mark.parametrize(
    "octets",
    [b"", bytes(7), _tree(3).to_bytes()[:-1], _tree(3).to_bytes() + b"\0", b"\xff" * 8 + bytes(2048)],
)
def test_damaged(octets):
    """A stored tree that is cut short, too long or too large is refused."""
    with pytest.raises(LogIntegrityError):
        CompactTree.from_bytes(octets)
