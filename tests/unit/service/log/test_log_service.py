"""The log service: checkpoints, the head tree, and what it refuses to go on over."""

import asyncio
import shutil

import pytest

from govbus.audit.archive.tile_folder import FolderTiles
from govbus.document import topics
from govbus.errors import ConfigError, LogIntegrityError
from govbus.message_log.checkpoint import Checkpoint, sign_checkpoint
from govbus.message_log.heads import HEADS_KEY
from govbus.message_log.keys import LogKeys, log_origin
from govbus.message_log.tiles import TileTree, entries_path, unpack_entries
from govbus.service.log.fencing import FencedPublisher
from govbus.signing.merkle import leaf_hash
from govbus.transport.base import TopicSpec
from govbus.transport.memory import MemoryTransport

from .conftest import BUS, HEADS, Bench


async def test_every_partition_checkpoint_is_an_entry_of_the_head_tree(bench):
    """Anyone recomputes trees and head tree from the topics; the last head checkpoint covers everything."""
    await bench.append(0, b"a", b"b")
    await bench.append(1, b"c")
    await bench.run_to_the_end()
    await bench.append(1, b"d")
    service = await bench.run_to_the_end()

    heads, published_again = await bench.verify_topic()
    assert (3, 0) == (heads.tree.size, published_again)
    assert {log_origin(BUS, 0): 2, log_origin(BUS, 1): 2} == heads.sizes
    origin, last = (await bench.checkpoints())[-1]
    assert (HEADS, heads.tree.size, heads.tree.root()) == (origin, last.size, last.root)
    assert (last.size, last.to_text()) == service.published.newest[:2]


async def test_nothing_is_signed_twice_while_nothing_grows(bench):
    """A service that starts on an unchanged log publishes nothing."""
    await bench.append(0, b"a")
    await bench.run_to_the_end()
    before = await bench.records(topics.CHECKPOINTS)

    await bench.run_to_the_end()

    assert before == await bench.records(topics.CHECKPOINTS)


@pytest.mark.parametrize("lost", ["state", "tiles", "both"])
async def test_lost_folder_is_built_again(bench, lost):
    """State, tiles or both are built again from the topics, and the next round goes on in the same trees."""
    for number in range(300):
        await bench.append(number % 2, b"entry %d" % number)
    await bench.run_to_the_end()
    await bench.append(0, b"more")
    await bench.run_to_the_end()
    tiles = bench.folder / "tiles"
    before = {path.relative_to(tiles): path.read_bytes() for path in tiles.rglob("*") if path.is_file()}
    if lost in {"state", "both"}:
        for path in bench.folder.glob("signed.db*"):
            path.unlink()
    if lost in {"tiles", "both"}:
        shutil.rmtree(tiles)

    await bench.run_to_the_end()
    await bench.append(1, b"last")
    await bench.run_to_the_end()

    heads, published_again = await bench.verify_topic()
    assert 0 == published_again
    assert heads.tree.root() == (await bench.checkpoints())[-1][1].root
    after = FolderTiles(tiles / HEADS)
    assert heads.tree.root() == TileTree(after, heads.tree.size).root()
    full = {
        name: octets for name, octets in before.items() if ".p" not in str(name) and name.name != "checkpoint"
    }
    assert full == {name: (tiles / name).read_bytes() for name in full}


async def test_topic_without_head_checkpoints_is_taken_up(bench):
    """Checkpoints that a service without a head tree published become its first entries."""
    await bench.append(0, b"a", b"b")
    await bench.append(1, b"c")
    leaves = [leaf_hash(entry) for entry in (b"a", b"b")]
    await _publish(bench, b"0", Checkpoint(log_origin(BUS, 0), 1, leaves[0]))
    await _publish(bench, b"1", Checkpoint(log_origin(BUS, 1), 1, leaf_hash(b"c")))
    await _publish(bench, b"1", Checkpoint(log_origin(BUS, 1), 1, leaf_hash(b"c")))

    service = await bench.run_to_the_end()

    heads, published_again = await bench.verify_topic()
    assert (3, 1) == (heads.tree.size, published_again)
    assert 3 == service.published.newest.size
    assert (HEADS, heads.tree.root()) == (
        (await bench.checkpoints())[-1][0],
        (await bench.checkpoints())[-1][1].root,
    )


async def test_tiles_give_every_signed_root(bench):
    """Tiles and bundles of each log hold its entries as stored, for the size of its checkpoint file."""
    entries = [b"entry %d" % number for number in range(520)]
    await bench.append(0, *entries)
    await bench.run_to_the_end()

    folder = bench.folder / "tiles" / log_origin(BUS, 0)
    store = FolderTiles(folder)
    checkpoint = Checkpoint.from_text((folder / "checkpoint").read_text("utf-8").partition("\n\n")[0] + "\n")
    assert (520, TileTree(store, 520).root()) == (checkpoint.size, checkpoint.root)
    stored = [store.read(path) for path in (entries_path(0), entries_path(1), entries_path(2, 8))]
    assert entries == [entry for bundle in stored for entry in unpack_entries(bundle)]


async def test_partial_tiles_go_once_the_full_one_is_there(bench):
    """Only the right edge of a log is in partial tiles."""
    await bench.append(0, *[b"%d" % number for number in range(200)])
    await bench.run_to_the_end()
    folder = bench.folder / "tiles" / log_origin(BUS, 0) / "tile"
    assert (folder / "0/000.p/200").exists()

    await bench.append(0, *[b"%d" % number for number in range(60)])
    await bench.run_to_the_end()

    assert not (folder / "0/000.p").exists()
    assert (folder / "0/000").exists()
    assert (folder / "entries/001.p/4").exists()


@pytest.mark.parametrize("origin", [log_origin(BUS, 0), HEADS])
async def test_damaged_tiles_stop_the_service(bench, origin):
    """Tiles that give another root than was signed are neither served nor grown."""
    await bench.append(0, b"a", b"b")
    await bench.run_to_the_end()
    (tile,) = (bench.folder / "tiles" / origin / "tile/0/000.p").iterdir()
    tile.write_bytes(bytes([tile.read_bytes()[0] ^ 1]) + tile.read_bytes()[1:])

    with pytest.raises(LogIntegrityError, match="was signed; keep it"):
        await bench.run_to_the_end()


async def test_altered_entry_stops_the_service(bench):
    """An entry that was signed and is another one now stops the service before it signs anything."""
    await bench.append(0, b"a", b"b")
    await bench.run_to_the_end()
    other = await Bench(bench.folder, bench.keys).start()
    await other.append(0, b"a", b"B", b"c")
    for record in await bench.records(topics.CHECKPOINTS):
        await other.append(0, record.value, topic=topics.CHECKPOINTS, key=record.key)
    before = await other.records(topics.CHECKPOINTS)

    with pytest.raises(LogIntegrityError):
        await other.run_to_the_end()
    assert before == await other.records(topics.CHECKPOINTS)


async def _publish(bench, key, checkpoint, keys=None):
    note = sign_checkpoint(checkpoint, (keys or bench.keys).signers(checkpoint.origin), at_s=1)
    await bench.append(0, note.encode(), topic=topics.CHECKPOINTS, key=key)


async def test_second_service_with_the_same_keys_is_noticed(bench):
    """A checkpoint that bears our signature and that we did not make stops a running service."""
    await bench.append(0, b"a")
    strangers = []

    def publish_as_a_stranger(service):
        if service.published.newest is not None and not strangers:
            checkpoint = Checkpoint(log_origin(BUS, 1), 1, leaf_hash(b"x"))
            strangers.append(asyncio.ensure_future(_publish(bench, b"1", checkpoint)))
        return False

    with pytest.raises(LogIntegrityError, match="did not make it"):
        await bench.run_until(publish_as_a_stranger)


async def test_head_checkpoint_that_contradicts_stops_the_service(bench):
    """A head checkpoint with our signature and another root for a signed size stops the service at its start."""
    await bench.append(0, b"a")
    await bench.run_to_the_end()
    await _publish(bench, HEADS_KEY, Checkpoint(HEADS, 1, bytes(32)))

    with pytest.raises(LogIntegrityError, match="root"):
        await bench.run_to_the_end()


async def test_head_checkpoint_beyond_the_topic_stops_the_service(bench):
    """A head checkpoint over more entries than stand before it means that entries were taken out."""
    await bench.append(0, b"a")
    await bench.run_to_the_end()
    await _publish(bench, HEADS_KEY, Checkpoint(HEADS, 2, bytes(32)))

    with pytest.raises(LogIntegrityError, match="stand before it"):
        await bench.run_to_the_end()


async def test_rebuilt_head_tree_must_reach_what_was_signed(bench):
    """Where the topic was emptied and the tiles are gone, the state still knows what was signed."""
    await bench.append(0, b"a")
    await bench.run_to_the_end()
    shutil.rmtree(bench.folder / "tiles")
    other = await Bench(bench.folder, bench.keys).start()
    await other.append(0, b"a")

    with pytest.raises(LogIntegrityError, match="1 entries were signed, the topic has 0"):
        await other.run_to_the_end()


async def test_emptied_checkpoints_topic_stops_the_service(bench):
    """A topic with fewer records than were read from it before stops the service."""
    await bench.append(0, b"a")
    await bench.run_to_the_end()
    other = await Bench(bench.folder, bench.keys).start()
    await other.append(0, b"a")

    with pytest.raises(LogIntegrityError, match="records are gone"):
        await other.run_to_the_end()


async def test_replaced_checkpoints_topic_stops_the_service(bench):
    """A topic whose last record of before is another one now stops the service."""
    await bench.append(0, b"a")
    await bench.run_to_the_end()
    other = await Bench(bench.folder, bench.keys).start()
    await other.append(0, b"a")
    for record in await bench.records(topics.CHECKPOINTS):
        await other.append(0, record.value + b"x", topic=topics.CHECKPOINTS, key=b"unknown")

    with pytest.raises(LogIntegrityError, match="was replaced"):
        await other.run_to_the_end()


async def test_checkpoint_of_no_partition_stops_the_service(bench):
    """A signed checkpoint of a partition that does not exist stops the service."""
    await _publish(bench, b"7", Checkpoint(log_origin(BUS, 7), 1, bytes(32)))

    with pytest.raises(LogIntegrityError, match="no partition 7"):
        await bench.run_to_the_end()


async def test_strange_records_are_passed_over(bench):
    """Unknown keys and notes of other keys on the topic are no entries and no obstacle."""
    await bench.append(0, b"junk", topic=topics.CHECKPOINTS, key=b"unknown")
    await bench.append(0, b"junk", topic=topics.CHECKPOINTS, key=b"0")
    await _publish(bench, b"0", Checkpoint(log_origin(BUS, 0), 9, bytes(32)), LogKeys.generate())
    await _publish(bench, HEADS_KEY, Checkpoint(HEADS, 9, bytes(32)), LogKeys.generate())
    await bench.append(0, b"a")

    service = await bench.run_to_the_end()
    assert 1 == service.published.newest.size


async def test_more_than_one_partition_of_checkpoints_is_refused(tmp_path, log_keys):
    """The order of the head tree is the order of one partition."""
    bench = Bench(tmp_path / "log", log_keys)
    bench.transport = MemoryTransport()
    await bench.transport.administrator().create_topics(
        [TopicSpec(topics.MESSAGE_LOG, 2, 1, {}), TopicSpec(topics.CHECKPOINTS, 2, 1, {})]
    )
    with pytest.raises(ConfigError, match="must have 1 partition"):
        await bench.run_until(lambda _: False)


async def test_missing_topics_are_named(tmp_path, log_keys):
    """Without topics the service says how to make them."""
    bench = Bench(tmp_path / "log", log_keys)
    with pytest.raises(ConfigError, match="govbus topics apply"):
        await bench.run_until(lambda _: False)


async def test_state_of_another_format_is_refused(tmp_path):
    """A file that another version wrote is not guessed at."""
    import sqlite3

    from govbus.service.log.state import LogState

    connection = sqlite3.connect(tmp_path / "signed.db")
    connection.execute("CREATE TABLE signed (origin TEXT)")
    connection.commit()
    connection.close()
    with pytest.raises(ConfigError, match="built again|builds it again"):
        LogState(tmp_path / "signed.db")


async def test_later_service_ends_the_earlier_one(bench, tmp_path):
    """Two services with the same keys on two machines: the earlier one cannot publish what it signs, and stops."""
    await bench.append(0, b"a")
    other = Bench(tmp_path / "other", bench.keys)
    other.transport = bench.transport
    started = []

    def start_another(service):
        if service.published.newest is not None and not started:
            started.append(asyncio.ensure_future(_run_other(other)))
        return False

    async def _run_other(other):
        publisher = FencedPublisher(other.transport, BUS)
        await publisher.start()
        await bench.append(0, b"b")

    before = await bench.records(topics.CHECKPOINTS)
    with pytest.raises(LogIntegrityError, match="another log service"):
        await bench.run_until(start_another)

    assert [] == before
    assert 2 == len(await bench.records(topics.CHECKPOINTS))
    heads, _ = await bench.verify_topic()
    assert 1 == heads.tree.size

    await bench.append(0, b"c")
    await other.run_to_the_end()
    assert {log_origin(BUS, 0): 3} == (await bench.verify_topic())[0].sizes
    with pytest.raises(LogIntegrityError, match="two histories"):
        await bench.run_to_the_end()
