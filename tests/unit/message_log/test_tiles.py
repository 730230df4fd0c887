"""Tiles of a tree: their paths, bundles, and what is read from them."""

import pytest

from govbus.errors import LogIntegrityError, MissingPartError, ProofError
from govbus.message_log.tiles import (
    TilePath,
    TileTree,
    TileWriter,
    entries_path,
    pack_entries,
    parse_path,
    parts_of,
    tile_path,
    unpack_entries,
)
from govbus.signing.merkle import EMPTY_ROOT, leaf_hash, root_of


class Store(dict):
    """Parts in memory."""

    def read(self, path):
        """Return one part."""
        try:
            return self[path]
        except KeyError:
            raise MissingPartError(f"{path} is not there") from None


ENTRIES = [b"entry %d" % number for number in range(1000)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


def _stored(size, *, step=None):
    store, writer = Store(), TileWriter()
    for start in range(0, size, step or size):
        store.update(writer.extend(ENTRIES[start : min(size, start + (step or size))]))
        store.update(writer.flush())
    return store


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (TilePath(0, 1234067), "tile/0/x001/x234/067"),
        (TilePath(0, 1234, 8), "tile/0/x001/234.p/8"),
        (TilePath(None, 0, 1), "tile/entries/000.p/1"),
        (TilePath(63, 1000), "tile/63/x001/000"),
        (TilePath(None, 999), "tile/entries/999"),
    ],
)
def test_paths(path, text):
    """A path is spelt as C2SP tlog-tiles says, and read back."""
    assert text == path.to_text()
    assert path == parse_path(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tile/0/1234",
        "tile/0/001/234",
        "tile/0/x001",
        "tile/0/x000/234",
        "tile/00/000",
        "tile/64/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/08",
        "tile/8/000/",
        "tile/data/000",
        "tile/0/../000",
        "tile/0/000\n",
        "tile/0/" + "x999/" * 7 + "999",
    ],
)
def test_paths_refused(text):
    """A path that is not the one spelling of a part is refused before anything is opened."""
    with pytest.raises(LogIntegrityError):
        parse_path(text)


def test_parts_of_the_specification():
    """A tree of 70,000 entries has the tiles that tlog-tiles counts, and one of 256 two."""
    parts = list(parts_of(70_000, with_entries=False))
    widths = {
        level: [part.width for part in parts if part.level == level] for level in {p.level for p in parts}
    }

    assert {0: [256] * 273 + [112], 1: [256, 17], 2: [1]} == widths
    assert ["tile/0/000", "tile/1/000.p/1"] == [p.to_text() for p in parts_of(256, with_entries=False)]


def test_parts_since():
    """Parts that an older size has already are left out."""
    assert [
        "tile/entries/000.p/10",
        "tile/0/000.p/10",
    ] == [part.to_text() for part in parts_of(10, start=5)]
    assert [] == list(parts_of(10, start=10))
    assert [
        "tile/entries/001.p/2",
        "tile/0/001.p/2",
    ] == [part.to_text() for part in parts_of(258, start=256)]


def test_bundle():
    """Entries are packed behind 16-bit lengths, and unpacked again."""
    assert b"\0\x01a\0\0\0\x02bc" == pack_entries([b"a", b"", b"bc"])
    assert [b"a", b"", b"bc"] == unpack_entries(b"\0\x01a\0\0\0\x02bc")
    assert [bytes(65_535)] == unpack_entries(pack_entries([bytes(65_535)]))


@pytest.mark.parametrize("bundle", [b"\0", b"\0\x02a", b"\0\x01a\0"])
def test_bundle_cut_short(bundle):
    """A bundle that ends inside an entry is refused."""
    with pytest.raises(LogIntegrityError):
        unpack_entries(bundle)


def test_entry_too_long():
    """An entry that 16 bits cannot measure is refused, not cut."""
    with pytest.raises(LogIntegrityError):
        pack_entries([bytes(65_536)])


def test_empty_tree():
    """The empty tree has no parts, and a root all the same."""
    assert {} == _stored(0, step=1)
    assert EMPTY_ROOT == TileTree(Store(), 0).root() == TileWriter().root()
    assert 0 == TileTree(Store(), 0).compact().size


def test_parts_are_those_announced():
    """What a writer writes at once is what a tree of that size has, part for part."""
    for size in (1, 255, 256, 257, 512, 1000):
        assert {part.to_text() for part in parts_of(size)} == set(_stored(size))


def test_partial_tile_replaced_by_full():
    """A reader takes the full tile where a partial one was tidied away."""
    store, older = _stored(600), _stored(300)
    tree = TileTree(Store({**store, tile_path(1, 0, 1): older[tile_path(1, 0, 1)]}), 300)

    assert tile_path(0, 1, 44) not in store
    assert root_of(LEAVES[:300]) == tree.root()


def test_missing_tile():
    """A tile that is not there is said to be missing, by its path."""
    store = _stored(600)
    del store[tile_path(0, 2, 88)]

    with pytest.raises(MissingPartError, match="tile/0/002"):
        TileTree(store, 600).root()


def test_tile_of_another_width():
    """A tile whose width is not the one of its path is refused."""
    store = _stored(600)
    store[tile_path(0, 2, 88)] += bytes(32)

    with pytest.raises(LogIntegrityError, match=r"002\.p/88"):
        TileTree(store, 600).root()


@pytest.mark.parametrize(
    "call",
    [
        lambda tree: tree.root(11),
        lambda tree: tree.inclusion_proof(10),
        lambda tree: tree.inclusion_proof(5, 5),
        lambda tree: tree.inclusion_proof(-1),
        lambda tree: tree.consistency_proof(11),
        lambda tree: tree.consistency_proof(6, 5),
        lambda tree: tree.leaf(10),
        lambda tree: tree.compact(11),
    ],
)
def test_outside(call):
    """Nothing is proven about entries that the tree has not."""
    with pytest.raises(ProofError):
        call(TileTree(_stored(10), 10))


def test_resume_from_full_bundle():
    """A writer resumes at a size whose partial parts were replaced by full ones."""
    store = _stored(600)
    older = Store({path: part for path, part in store.items() if ".p/" not in path})
    writer = TileWriter.resume(Store({**older, tile_path(1, 0, 1): LEAVES[0]}), 300)
    parts = dict(writer.extend(ENTRIES[300:512]))

    assert store[entries_path(1)] == parts[entries_path(1)]
    assert store[tile_path(0, 1)] == parts[tile_path(0, 1)]


def test_resume_from_short_bundle():
    """A writer does not go on from a bundle that lacks entries."""
    store = _stored(10)
    store[entries_path(0, 10)] = pack_entries(ENTRIES[:9])

    with pytest.raises(LogIntegrityError):
        TileWriter.resume(store, 10)


def test_hashes_and_entries_must_match():
    """Entries without a hash each are refused."""
    with pytest.raises(LogIntegrityError):
        list(TileWriter().extend(ENTRIES[:2], LEAVES[:1]))


def test_tiles_without_entries():
    """A writer of hashes alone needs no entries and makes no bundles."""
    writer, store = TileWriter(with_entries=False), Store()
    store.update(writer.extend([], LEAVES[:300]))
    store.update(writer.flush())

    assert {part.to_text() for part in parts_of(300, with_entries=False)} == set(store)
    assert root_of(LEAVES[:300]) == writer.root()
    assert 300 == TileWriter.resume(store, 300, with_entries=False).size


def test_flush_says_nothing_twice():
    """Partial parts of one size are written once."""
    writer = TileWriter()
    assert [] == list(writer.extend(ENTRIES[:3]))

    assert 2 == len(list(writer.flush()))
    assert [] == list(writer.flush())
