"""Tests of changing the log's keys: the service hands over once, wherever it is killed, and both pairs verify."""

import pytest

from govbus.cli.message_log import _signing_keys
from govbus.document import topics
from govbus.errors import ConfigError, LogIntegrityError, NoteError
from govbus.message_log.heads import HEADS_KEY, KEYS_KEY, partition_of_key
from govbus.message_log.key_handover import LogSize, keys_origin, open_handovers
from govbus.message_log.keys import LogKeys, log_origin
from govbus.message_log.tree import CompactTree
from govbus.service.keys.files import write_new
from govbus.service.log import key_folder
from govbus.service.log.signing_keys import SigningKeys
from govbus.service.log.state import LogState
from govbus.signing.merkle import leaf_hash
from tests.unit.service.log.conftest import BUS, HEADS


@pytest.fixture
def folder(tmp_path, log_keys):
    """A folder of keys as `govbus log keys` makes it."""
    path = tmp_path / "keys"
    for name, pem in zip((key_folder.ED25519_KEY, key_folder.ML_DSA_KEY), log_keys.to_pem(), strict=True):
        write_new(path / name, pem, is_private=True)
    publics = (key_folder.ED25519_PUBLIC, key_folder.ML_DSA_PUBLIC)
    for name, pem in zip(publics, log_keys.public.to_pem(), strict=True):
        write_new(path / name, pem, is_private=False)
    return path


def opened(folder):
    """Return the keys as a log service that starts now finds them."""
    return _signing_keys(folder, "", None)


async def handovers_on(bench):
    return [one.value.decode() for one in await bench.records(topics.CHECKPOINTS) if one.key == KEYS_KEY]


async def rotated(bench, folder):
    """Run a log with two entries, change its keys, and run on with a third one."""
    await bench.append(0, b"a", b"b")
    bench.keys = opened(folder)
    await bench.run_to_the_end()
    key_folder.write_next_pair(folder, LogKeys.generate(), None)
    bench.keys = opened(folder)
    await bench.run_until(lambda service: service._keys.pending is None and not service._state.outgoing())
    await bench.append(0, b"c")
    bench.keys = opened(folder)
    await bench.run_to_the_end()


async def verify(bench, folder):
    """Open every checkpoint as an auditor would, and return by which pair each is signed, in order."""
    known = key_folder.read_log_keys(folder)
    signed = []
    for record in await bench.records(topics.CHECKPOINTS):
        number = partition_of_key(record.key)
        if number is None and record.key != HEADS_KEY:
            continue
        origin = HEADS if number is None else log_origin(BUS, number)
        known.open(record.value, origin)
        ids = [key.key_id for key in known.signing(record.value, origin)]
        signed.append([[key.key_id for key in pair.verifiers(origin)] for pair in known.pairs()].index(ids))
    return signed


async def test_both_pairs_verify_one_log(bench, folder):
    """All that the old pair signed comes before all that the new one signed, with one hand-over between."""
    await rotated(bench, folder)
    assert await verify(bench, folder) == [0, 0, 1, 1]
    (note,) = await handovers_on(bench)
    assert key_folder.read_notes(folder) == [note]
    (handover,) = open_handovers([note])
    tree = CompactTree()
    for record in (await bench.records(topics.MESSAGE_LOG))[:2]:
        tree.append(leaf_hash(record.value))
    assert handover.partitions == {0: LogSize(2, tree.root())}
    assert handover.heads.size == 1


async def test_what_is_not_signed_yet_is_signed_by_the_old_pair(bench, folder):
    """Entries that wait when the service starts are signed before the hand-over, which then covers them."""
    await bench.append(0, b"a", b"b")
    await bench.append(1, b"c")
    key_folder.write_next_pair(folder, LogKeys.generate(), None)
    bench.keys = opened(folder)
    await bench.run_to_the_end()
    assert set(await verify(bench, folder)) == {0}
    assert {
        number: one.size for number, one in open_handovers(await handovers_on(bench))[0].partitions.items()
    } == {
        0: 2,
        1: 1,
    }


class KilledError(Exception):
    """The process ends here."""


async def crash(bench, folder, monkeypatch, place, name, *, is_after):
    """Run until a function is called for the hand-over, and die there."""
    real = getattr(place, name)

    def dying(*arguments):
        if is_after:
            real(*arguments)
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(place, name, dying)
        bench.keys = opened(folder)
        with pytest.raises(KilledError):
            await bench.run_until(lambda _: False)


@pytest.mark.parametrize("is_after", [False, True])
@pytest.mark.parametrize(("place", "name"), [(LogState, "keep_handover"), (SigningKeys, "adopt")])
async def test_a_crash_at_any_step_leaves_one_handover(bench, folder, monkeypatch, place, name, is_after):
    """Killed before or after the hand-over is stored or adopted, the next start ends up with exactly one."""
    await bench.append(0, b"a", b"b")
    bench.keys = opened(folder)
    await bench.run_to_the_end()
    key_folder.write_next_pair(folder, LogKeys.generate(), None)
    await crash(bench, folder, monkeypatch, place, name, is_after=is_after)
    await bench.append(0, b"c")
    bench.keys = opened(folder)
    await bench.run_to_the_end()
    await bench.append(0, b"d")
    bench.keys = opened(folder)
    await bench.run_to_the_end()
    assert len(await handovers_on(bench)) == 1
    assert await handovers_on(bench) == key_folder.read_notes(folder)
    signed = await verify(bench, folder)
    assert signed == sorted(signed)
    assert signed[-1] == 1


@pytest.mark.parametrize("is_note_lost", [False, True])
async def test_a_lost_state_finds_the_handover_on_the_topic(bench, folder, is_note_lost):
    """A service that has lost its memory, and even the file of the hand-over, goes on with the new pair."""
    await rotated(bench, folder)
    if is_note_lost:
        key_folder.note_file(folder, 1).unlink()
    bench.folder = bench.folder.with_name("other")
    await bench.append(0, b"d")
    bench.keys = opened(folder)
    await bench.run_to_the_end()
    assert await verify(bench, folder) == [0, 0, 1, 1, 1, 1]
    assert len(await handovers_on(bench)) == 1


async def test_a_service_with_the_old_pair_alone_stops(bench, folder, log_keys):
    """Whoever has only the pair that was given up signs nothing any more."""
    await rotated(bench, folder)
    bench.folder = bench.folder.with_name("other")
    bench.keys = log_keys
    await bench.append(0, b"d")
    with pytest.raises(LogIntegrityError, match="keys that this service does not have"):
        await bench.run_to_the_end()


async def test_a_second_handover_of_one_number_stops_the_service(bench, folder, log_keys):
    """A thief of the old pair who hands over to keys of his own is noticed."""
    await rotated(bench, folder)
    empty = LogSize(0, CompactTree().root())
    rival = log_keys.hand_over(
        LogKeys.generate(), log_keys.public, bus=BUS, partitions={}, heads=empty, at_ms=1
    )
    await bench.append(0, rival.encode(), topic=topics.CHECKPOINTS, key=KEYS_KEY)
    bench.keys = opened(folder)
    with pytest.raises(LogIntegrityError, match="two hand-overs"):
        await bench.run_to_the_end()


async def test_what_strangers_write_is_passed_over(bench, folder):
    """A hand-over that our keys did not sign, or no hand-over at all, stops nothing."""
    await rotated(bench, folder)
    stranger, empty = LogKeys.generate(), LogSize(0, CompactTree().root())
    foreign = stranger.hand_over(
        LogKeys.generate(), stranger.public, bus=BUS, partitions={}, heads=empty, at_ms=1
    )
    with pytest.raises(NoteError):
        key_folder.read_log_keys(folder).with_handovers([foreign])
    await bench.append(0, b"\xff", topic=topics.CHECKPOINTS, key=KEYS_KEY)
    await bench.append(0, b"no note", topic=topics.CHECKPOINTS, key=KEYS_KEY)
    await bench.append(0, foreign.encode(), topic=topics.CHECKPOINTS, key=KEYS_KEY)
    bench.keys = opened(folder)
    await bench.append(0, b"d")
    await bench.run_to_the_end()
    assert keys_origin(BUS) in foreign


def test_one_pair_waits_at_a_time(folder):
    """A second pair is not made while one waits for its hand-over."""
    key_folder.write_next_pair(folder, LogKeys.generate(), None)
    with pytest.raises(ConfigError, match="waits for its hand-over"):
        key_folder.write_next_pair(folder, LogKeys.generate(), None)


def test_a_missing_note_is_named(folder):
    """A folder with a later hand-over and not the earlier one is refused."""
    write_new(key_folder.note_file(folder, 2), b"x", is_private=False)
    with pytest.raises(ConfigError, match="lacks a hand-over"):
        key_folder.read_log_keys(folder)


def test_a_handover_is_never_replaced(folder):
    """The file of a hand-over is written once; the same again changes nothing, another is refused."""
    keep = key_folder.keep_note(folder)
    keep(1, "note\n")
    keep(1, "note\n")
    with pytest.raises(ConfigError):
        keep(1, "other\n")
    assert key_folder.note_file(folder, 1).read_bytes() == b"note\n"
