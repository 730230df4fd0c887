"""The log service is killed before and after every step that anybody could notice; nothing is lost or doubled."""

import errno
import inspect
import shutil
import sqlite3
from itertools import count

import pytest

from govbus.audit.archive.tile_folder import FolderTiles
from govbus.errors import ConfigError, TransportError
from govbus.message_log.tiles import TileTree
from govbus.service.log import tiles
from govbus.service.log.state import LogState
from govbus.transport.memory import MemoryTransactionalPublisher

from .conftest import HEADS

STATE_STEPS = ("keep", "mark_published", "keep_progress", "keep_evidence", "forget_entries", "forget_topic")


class Killed(BaseException):
    """The process is gone: no handler of ours may take it for an error."""


class Reaper:
    """Counts steps and kills at one of them."""

    def __init__(self, monkeypatch):
        self.steps = 0
        self.kill_at = None
        for name in STATE_STEPS:
            self._wrap(monkeypatch, LogState, name)
        self._wrap(monkeypatch, tiles.FolderTiles, "write")
        self._wrap(monkeypatch, tiles, "write_whole")
        for name in ("transact", "_check"):  # the latter is asked in the middle of a transaction, too
            self._wrap(monkeypatch, MemoryTransactionalPublisher, name)

    def _wrap(self, monkeypatch, owner, name):
        call = getattr(owner, name)

        def call_and_die(*arguments, **options):
            self.step()
            result = call(*arguments, **options)
            self.step()
            return result

        async def await_and_die(*arguments, **options):
            self.step()
            await call(*arguments, **options)
            self.step()

        is_async = inspect.iscoroutinefunction(call)
        monkeypatch.setattr(owner, name, await_and_die if is_async else call_and_die)

    def step(self):
        self.steps += 1
        if self.steps == self.kill_at:
            raise Killed

    def arm(self, kill_at):
        self.steps, self.kill_at = 0, kill_at


async def _append(bench, reaper, partition, *entries):
    kill_at, reaper.kill_at = reaper.kill_at, None
    steps = reaper.steps
    await bench.append(partition, *entries)
    reaper.steps, reaper.kill_at = steps, kill_at


async def _life(bench, reaper, number):
    """One run of the service over a log that has grown."""
    await _append(bench, reaper, 0, b"a%d" % number)
    await _append(bench, reaper, 1, b"b%d" % number, b"c%d" % number)
    await bench.run_to_the_end()


async def _check(bench, lives):
    heads, _ = await bench.verify_topic()
    origins = [origin for origin, _ in await bench.checkpoints()]
    assert HEADS == origins[-1]
    assert {"bus.example/log/0": lives, "bus.example/log/1": 2 * lives} == heads.sizes
    last = (await bench.checkpoints())[-1][1]
    assert (heads.tree.size, heads.tree.root()) == (last.size, last.root)
    by_size = {}
    for origin, checkpoint in await bench.checkpoints():
        assert checkpoint.root == by_size.setdefault((origin, checkpoint.size), checkpoint.root)
    assert heads.tree.root() == TileTree(FolderTiles(bench.folder / "tiles" / HEADS), heads.tree.size).root()


@pytest.mark.parametrize("lost", ["nothing", "state before", "tiles after"])
async def test_kill_between_every_two_steps(tmp_path, log_keys, monkeypatch, lost):
    """Killed at any step and started again, the service publishes every head entry once and signs one history."""
    from .conftest import Bench

    reaper = Reaper(monkeypatch)
    kills = 0
    for kill_at in count(1):
        bench = await Bench(tmp_path / str(kill_at), log_keys).start()
        reaper.arm(None)
        await _life(bench, reaper, 0)
        if lost == "state before":
            for path in bench.folder.glob("signed.db*"):
                path.unlink()
        reaper.arm(kill_at)
        try:
            await _life(bench, reaper, 1)
            is_killed = False
        except Killed:
            is_killed = True
        reaper.arm(None)
        if lost == "tiles after":
            shutil.rmtree(bench.folder / "tiles", ignore_errors=True)
        await _life(bench, reaper, 2)
        await _check(bench, 3)
        kills += is_killed
        if not is_killed:
            break
    assert kills > 25


async def test_broker_away_while_publishing(bench, monkeypatch):
    """What could not be published is published again in the same order, and nothing is signed meanwhile."""
    transact = MemoryTransactionalPublisher.transact
    refused = []

    async def refuse(publisher, records, **options):
        if len(refused) < 3:
            refused.append([record.value for record in records])
            if len(refused) == 3:  # committed, but the answer was lost
                await transact(publisher, records, **options)
            raise TransportError("the broker is away")
        return await transact(publisher, records, **options)

    monkeypatch.setattr(MemoryTransactionalPublisher, "transact", refuse)
    monkeypatch.setattr("govbus.service.log.service.RETRY_PAUSE_S", 0.01)
    await bench.append(0, b"a")
    await bench.append(1, b"b")
    await bench.run_to_the_end()

    heads, published_again = await bench.verify_topic()
    assert 2 == heads.tree.size
    assert 0 == published_again
    assert refused[0] == refused[1] == refused[2]


@pytest.mark.parametrize("step", ["keep", "mark_published", "keep_progress", "tile"])
async def test_full_disk_stops_the_service_and_nothing_is_lost(bench, monkeypatch, step):
    """A disk that takes no more is said in words; with room again, the service goes on in the same history."""
    await bench.append(0, b"a")
    await bench.run_to_the_end()
    await bench.append(0, b"b")

    def refuse(*_arguments, **_options):
        if step == "tile":
            raise OSError(errno.ENOSPC, "No space left on device")
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as full:
        owner, name = (tiles.FolderTiles, "write") if step == "tile" else (LogState, step)
        full.setattr(owner, name, refuse)
        with pytest.raises(ConfigError, match="make room"):
            await bench.run_to_the_end()

    await bench.run_to_the_end()
    heads, _ = await bench.verify_topic()
    assert {"bus.example/log/0": 2} == heads.sizes
