"""The memory of a witness: it is made once, belongs to its keys, and never goes back."""

import sqlite3
import threading

import pytest

from govbus.errors import ConfigError
from govbus.message_log.checkpoint import Checkpoint
from govbus.message_log.witness import Answer, Decision, Latest
from govbus.service.witness import store as store_module
from govbus.service.witness.store import WitnessStore, origin_hash

ORIGIN = "bus.example/log/heads"
ROOT, OTHER_ROOT = bytes(32), bytes([1]) * 32


def _keep(store, size, *, root=ROOT, time_s=100, origin=ORIGIN):
    latest = Latest(size, root, time_s, f"note of {size}\n")
    return store.decide(origin, lambda _known: Decision(Answer(200, ""), latest))


def test_remembers(store):
    """What was decided is there by origin, by the hash of it, and among all."""
    assert store.latest(ORIGIN) is None
    assert store.latest_by_hash(origin_hash(ORIGIN)) is None
    _keep(store, 5)
    _keep(store, 7, time_s=101)
    latest = Latest(7, ROOT, 101, "note of 7\n")

    assert latest == store.latest(ORIGIN) == store.latest_by_hash(origin_hash(ORIGIN))
    assert {ORIGIN: latest} == store.all_latest()
    assert store.latest("other") is None


def test_origin_hash():
    """The place under the monitoring prefix is the lower-case hex SHA-256 of the origin."""
    assert "5e2f358b6ca4ae4aab5a287cdfb7499b9a407f4b1f80971a2b09c854e4c90b22" == origin_hash(ORIGIN)


def test_decides_by_what_is_stored(store):
    """The decision sees the latest checkpoint; one that keeps nothing changes nothing."""
    seen = []

    def refuse(known):
        seen.append(known)
        return Decision(Answer(409, "5\n"), None)

    _keep(store, 5)

    assert Decision(Answer(409, "5\n"), None) == store.decide(ORIGIN, refuse)
    assert [5] == [known.size for known in seen]
    assert 5 == store.latest(ORIGIN).size


def test_a_decision_that_fails_keeps_nothing(store):
    """An error in the middle leaves the memory as it was, and usable."""
    _keep(store, 5)
    with pytest.raises(ZeroDivisionError):
        store.decide(ORIGIN, lambda _known: 1 / 0)
    _keep(store, 6)

    assert 6 == store.latest(ORIGIN).size


@pytest.mark.parametrize(
    "change", [{"size": 4}, {"size": 5, "root": OTHER_ROOT}, {"size": 6, "time_s": 99}], ids=str
)
def test_never_goes_back(store, change):
    """The file itself refuses a smaller size, another root of the same size, and an earlier time."""
    _keep(store, 5)
    with pytest.raises(sqlite3.IntegrityError, match="never goes back"):
        _keep(store, **change)
    assert Latest(5, ROOT, 100, "note of 5\n") == store.latest(ORIGIN)


def test_never_forgets(store, tmp_path):
    """Not even by hand can a log be taken out of the file."""
    _keep(store, 5)
    connection = sqlite3.connect(tmp_path / "witness" / "witness.db")
    with pytest.raises(sqlite3.IntegrityError, match="never forgets"):
        connection.execute("DELETE FROM latest")
    with pytest.raises(sqlite3.IntegrityError, match="never goes back"):
        connection.execute("UPDATE latest SET origin = 'other'")
    connection.close()


def test_survives_being_opened_again(store, keys, tmp_path):
    """Another process that opens the file sees what was stored."""
    _keep(store, 5)
    other = WitnessStore(tmp_path / "witness" / "witness.db")

    other.require_keys(keys.vkeys)
    assert set(keys.vkeys) == set(other.vkeys)
    assert 5 == other.latest(ORIGIN).size
    other.close()


def test_two_processes_at_once(store, tmp_path):
    """Of two that decide from the same size at once, one sees what the other stored."""
    other = WitnessStore(tmp_path / "witness" / "witness.db")
    _keep(store, 5)
    inside, seen = threading.Event(), {}

    def first(known):
        inside.set()
        thread.join(0.3)  # the other one is waiting now, or was let in wrongly
        seen["first"] = known.size
        return Decision(Answer(200, ""), Latest(6, ROOT, 100, "first\n"))

    def second(known):
        seen["second"] = known.size
        return Decision(Answer(409, ""), None)

    def wait_and_decide():
        inside.wait()
        other.decide(ORIGIN, second)

    thread = threading.Thread(target=wait_and_decide)
    thread.start()
    store.decide(ORIGIN, first)
    thread.join()
    other.close()

    assert {"first": 5, "second": 6} == seen


def test_missing_memory(tmp_path):
    """A memory that is gone is not made anew: a witness that forgot must not sign."""
    with pytest.raises(ConfigError, match="one that forgot must not sign again"):
        WitnessStore(tmp_path / "witness.db")
    assert not (tmp_path / "witness.db").exists()


def test_not_overwritten(store, keys, tmp_path):
    """A memory is never made over another one."""
    with pytest.raises(ConfigError, match="never overwritten"):
        WitnessStore.make(tmp_path / "witness" / "witness.db", keys.vkeys)


@pytest.mark.parametrize("octets", [b"", b"x" * 4096])
def test_file_of_something_else(tmp_path, octets):
    """An empty file, or one that is no database, is no memory."""
    (tmp_path / "witness.db").write_bytes(octets)
    with pytest.raises(ConfigError, match="memory of a witness"):
        WitnessStore(tmp_path / "witness.db")


def test_memory_of_other_keys(store, keys):
    """A memory serves the keys that it was made for, all of them and no others."""
    store.require_keys(keys.vkeys[::-1])
    for vkeys in ((), keys.vkeys[:1], (*keys.vkeys, "other")):
        with pytest.raises(ConfigError, match="made for other keys"):
            store.require_keys(vkeys)


def _refuse(store, size, *, root=ROOT, is_fork=False, at_s=200):
    checkpoint = Checkpoint(ORIGIN, size, root)
    return store.keep_refused(checkpoint, f"refused {size}\n", is_fork=is_fork, reason="why", at_s=at_s)


def test_keeps_the_refused(store):
    """A refused checkpoint is kept once, beside what was cosigned until then."""
    assert _refuse(store, 3)
    _keep(store, 5)
    assert _refuse(store, 6)
    assert not _refuse(store, 6, at_s=300)
    assert [(3, False, 200, ""), (6, False, 200, "note of 5\n")] == [
        (entry.size, entry.is_fork, entry.time_s, entry.cosigned) for entry in store.refused()
    ]


def test_what_proves_a_fork_replaces_what_proves_nothing(store):
    """The same tree that was refused for its proof before is kept again once it proves a fork, and stays so."""
    _refuse(store, 5, root=OTHER_ROOT)
    _keep(store, 5)

    assert _refuse(store, 5, root=OTHER_ROOT, is_fork=True, at_s=300)
    assert not _refuse(store, 5, root=OTHER_ROOT, at_s=400)
    (entry,) = store.refused()
    assert (True, 300, "note of 5\n") == (entry.is_fork, entry.time_s, entry.cosigned)


def test_the_refused_are_bounded(store, monkeypatch):
    """So many are kept and no more; those that prove a fork are counted for themselves."""
    monkeypatch.setattr(store_module, "REFUSED_KEPT_MAX", 3)

    assert [True, True, True, False] == [_refuse(store, size) for size in range(1, 5)]
    assert _refuse(store, 9, is_fork=True)
