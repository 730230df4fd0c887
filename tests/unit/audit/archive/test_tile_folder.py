"""Tiles in a folder."""

import pytest

from govbus.audit.archive.tile_folder import FolderTiles, write_whole
from govbus.errors import LogIntegrityError, MissingPartError
from govbus.message_log.tiles import TileTree, TileWriter
from govbus.signing.merkle import leaf_hash, root_of

ENTRIES = [b"entry %d" % number for number in range(300)]


def test_tree_in_a_folder(tmp_path):
    """A tree written into a folder is read from it."""
    tiles, writer = FolderTiles(tmp_path / "bus.example/log/0"), TileWriter()
    for path, octets in (*writer.extend(ENTRIES), *writer.flush()):
        assert tiles.write(path, octets)

    assert root_of([leaf_hash(entry) for entry in ENTRIES]) == TileTree(tiles, 300).root()
    assert (tmp_path / "bus.example/log/0/tile/0/001.p/44").is_file()


def test_same_bytes_again(tmp_path):
    """Writing a part again changes nothing, so that a writer may repeat what it did before a crash."""
    tiles = FolderTiles(tmp_path, is_durable=False)

    assert tiles.write("tile/0/000", b"same")
    assert not tiles.write("tile/0/000", b"same")


def test_other_bytes(tmp_path):
    """A part that was published is never written with other bytes."""
    tiles = FolderTiles(tmp_path)
    tiles.write("tile/0/000", b"one")

    with pytest.raises(LogIntegrityError, match="tile/0/000"):
        tiles.write("tile/0/000", b"two")
    assert b"one" == tiles.read("tile/0/000")


@pytest.mark.parametrize("path", ["tile/0/000", "tile/0/x001/000.p/3"])
def test_missing(tmp_path, path):
    """A part that is not there is said to be missing."""
    with pytest.raises(MissingPartError):
        FolderTiles(tmp_path).read(path)


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "tile/0/../../secret"])
def test_outside(tmp_path, path):
    """Nothing but parts of the tree is read or written, whatever path is asked for."""
    tiles = FolderTiles(tmp_path / "tiles")

    with pytest.raises(LogIntegrityError):
        tiles.read(path)
    with pytest.raises(LogIntegrityError):
        tiles.write(path, b"")


def test_half_written(tmp_path):
    """A write that fails leaves neither a file nor a temporary one."""
    (tmp_path / "name").mkdir()
    (tmp_path / "name/held").touch()

    with pytest.raises(OSError, match="name"):
        write_whole(tmp_path / "name", b"octets")
    assert ["name"] == [path.name for path in tmp_path.iterdir()]
