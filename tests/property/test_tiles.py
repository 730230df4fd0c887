"""Properties of trees read from tiles that hold for every size."""

from hypothesis import given
from hypothesis import strategies as st

from govbus.errors import MissingPartError
from govbus.message_log.tiles import (
    TilePath,
    TileTree,
    TileWriter,
    pack_entries,
    parse_path,
    parts_of,
    unpack_entries,
)
from govbus.signing.merkle import (
    consistency_proof,
    inclusion_path,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

_ENTRIES = [number.to_bytes(3, "big") for number in range(70_000)]
_LEAVES = [leaf_hash(entry) for entry in _ENTRIES]


class _Store(dict):
    def read(self, path):
        """Return one part."""
        try:
            return self[path]
        except KeyError:
            raise MissingPartError(path) from None


def _whole():
    """A tree with three levels of tiles, written at once."""
    store, writer = _Store(), TileWriter()
    store.update(writer.extend(_ENTRIES, _LEAVES))
    store.update(writer.flush())
    return store


_STORE = _whole()
_TREE = TileTree(_STORE, len(_LEAVES))
_SIZES = st.one_of(
    st.integers(1, 700), st.integers(1, len(_LEAVES)), st.sampled_from([255, 256, 257, 65_536, 65_537])
)


@given(_SIZES)
def test_root(size):
    """The root of every size, read from the tiles of a larger one, is that of its leaves."""
    assert root_of(_LEAVES[:size]) == _TREE.root(size) == _TREE.compact(size).root()


@given(st.integers(1, 3000), st.data())
def test_inclusion(size, data):
    """A proof from tiles is the proof from leaves."""
    index = data.draw(st.integers(0, size - 1))

    assert inclusion_path(_LEAVES[:size], index) == _TREE.inclusion_proof(index, size)
    assert _LEAVES[index] == _TREE.leaf(index)


@given(_SIZES, st.data())
def test_proofs_hold(size, data):
    """Proofs from tiles hold against the roots."""
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    root = _TREE.root(size)

    verify_inclusion(_LEAVES[index], index, size, _TREE.inclusion_proof(index, size), root)
    verify_consistency(old, size, _TREE.root(old), root, _TREE.consistency_proof(old, size))


@given(st.integers(1, 3000), st.data())
def test_consistency(size, data):
    """A consistency proof from tiles is the one from leaves; from the empty tree it is empty."""
    old = data.draw(st.integers(1, size))

    assert consistency_proof(_LEAVES[:size], old) == _TREE.consistency_proof(old, size)
    assert [] == _TREE.consistency_proof(0, size)


@given(st.lists(st.integers(0, 600), max_size=8), st.data())
def test_writing_in_steps(steps, data):
    """However a log grows and wherever its writer is replaced, its parts are those of the tree written at once."""
    store, writer, size = _Store(), TileWriter(), 0
    for step in steps:
        older = size
        size += step
        written = dict(writer.extend(_ENTRIES[older:size]))
        written |= dict(writer.flush())
        assert {part.to_text() for part in parts_of(size, start=older)} == set(written)
        assert not written.keys() & store.keys()
        store.update(written)
        if data.draw(st.booleans()):
            writer = TileWriter.resume(store, size)
    tree = TileTree(store, size)

    assert root_of(_LEAVES[:size]) == tree.root() == writer.root()
    for part in parts_of(size):
        whole = _STORE.get(TilePath(part.level, part.number).to_text())
        if whole is not None:
            assert whole.startswith(store[part.to_text()])


@given(st.one_of(st.none(), st.integers(0, 63)), st.integers(0, 2**63 - 1), st.integers(1, 256))
def test_paths(level, index, width):
    """Every path is read back as what it names."""
    path = TilePath(level, index, width)

    assert path == parse_path(path.to_text())


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_bundles(entries):
    """Every bundle is read back as its entries."""
    assert entries == unpack_entries(pack_entries(entries))
