"""The audit of the head tree: breaks exactly one thing and signs the rest again."""

import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from govbus.audit.report import Check
from govbus.document import topics
from govbus.message_log.checkpoint import Checkpoint, sign_checkpoint
from govbus.message_log.cosignature import CosignatureSigner
from govbus.message_log.heads import (
    HEADS_KEY,
    TIMESTAMP_KEY,
    TIMESTAMPED_HEADER,
    HeadTree,
    head_origin,
    partition_of_key,
)
from govbus.message_log.keys import LogKeys
from govbus.message_log.note import Note
from govbus.message_log.policy import Policy
from govbus.testing.tsa import YEAR_MS, FakeTsa

from .conftest import AT_MS, BUS

HEADS = head_origin(BUS)


def _found(report):
    return [(one.check, one.offset) for one in report.findings]


def _checkpoints(bus):
    return bus.at(topics.CHECKPOINTS, 0)


def _last(bus):
    return _checkpoints(bus)[-1].offset


async def test_honest_head_tree(bus):
    """Every checkpoint of a partition is an entry, and the report gives size and root."""
    heads = HeadTree()
    for record in _checkpoints(bus):
        if partition_of_key(record.key) is not None:
            heads.take(Checkpoint.from_text(Note.from_bytes(record.value).text))
    report = await bus.audit()
    assert [] == report.findings
    assert (3, heads.tree.root().hex(), 0) == (report.heads, report.head_root, report.heads_witnessed)


async def test_checkpoint_published_again_is_no_entry(bus):
    """The same note twice, as after a crash, changes nothing."""
    record = _checkpoints(bus)[1]
    bus.append(topics.CHECKPOINTS, 0, record.key, record.value)
    bus.head_checkpoint()

    report = await bus.audit()
    assert ([], 3) == (report.findings, report.heads)


async def test_unknown_keys_are_passed_over(bus):
    """What later versions put there is not judged by this one."""
    bus.append(topics.CHECKPOINTS, 0, b"later/kind", b"something")
    bus.append(topics.CHECKPOINTS, 0, b"007", b"something")
    assert (await bus.audit()).is_clean


async def test_removed_partition_checkpoint(bus):
    """A partition's checkpoint taken out under a head checkpoint that nobody could sign again is found."""
    del _checkpoints(bus)[0]

    assert [(Check.HEADS, _last(bus))] == _found(await bus.audit())


async def test_swapped_partition_checkpoints(bus):
    """Checkpoints of partitions in another order are found by the head checkpoint."""
    records = _checkpoints(bus)
    one, two = records[0], records[1]
    records[0] = two._replace(offset=one.offset)
    records[1] = one._replace(offset=two.offset)

    assert [(Check.HEADS, _last(bus))] == _found(await bus.audit())


async def test_wrong_head_checkpoint(bus):
    """A signed head checkpoint over a root that the checkpoints do not give is found at its place."""
    bus.checkpoint(1)  # the same again: no entry
    _checkpoints(bus)[-2:] = []
    bus.head_checkpoint(root=bytes(32))

    assert [(Check.HEADS, _last(bus))] == _found(await bus.audit())


async def test_forked_head_checkpoint(bus):
    """Two signed head checkpoints for one size are a fork, whatever the tree is."""
    bus.head_checkpoint(root=bytes(32))

    assert [(Check.FORK, _last(bus)), (Check.HEADS, _last(bus))] == _found(await bus.audit())


async def test_head_checkpoint_of_foreign_keys(bus):
    """A head checkpoint that other keys signed is found."""
    bus.head_checkpoint(keys=LogKeys.generate())

    assert [(Check.CHECKPOINT, _last(bus))] == _found(await bus.audit())


async def test_no_head_checkpoints(bus):
    """Checkpoints of partitions that no head checkpoint joins are not vouched for as a whole."""
    del _checkpoints(bus)[-1]

    assert [(Check.HEADS, None)] == _found(await bus.audit())


async def test_head_checkpoint_from_elsewhere_agrees(bus):
    """A head checkpoint that a witness gave to the auditor agrees with the topic, also one of an earlier size."""
    assert (await bus.audit(known_checkpoints=[bus.head_checkpoint(publish=False)])).is_clean


async def test_dropped_tail_is_found_by_a_witness(bus):
    """An operator who drops the last round and signs again contradicts the head checkpoint of a witness."""
    known = bus.head_checkpoint(publish=False)
    _checkpoints(bus)[-2:] = []
    bus.head_checkpoint()

    report = await bus.audit(known_checkpoints=[known])
    assert (Check.HEADS, 0) in _found(report)
    assert (await bus.audit()).entries_after_checkpoint > 0


async def test_rewritten_past_is_found_by_a_witness(bus):
    """An operator who signs another first checkpoint and everything after again contradicts an earlier head."""
    known = bus.head_checkpoint(publish=False)
    bus.checkpoint(0, size=5)
    record = _checkpoints(bus).pop()
    _checkpoints(bus)[0] = record._replace(offset=0)
    _checkpoints(bus).pop()
    bus.head_checkpoint()

    assert [] == (await bus.audit()).findings
    assert {Check.FORK, Check.HEADS} & {
        one.check for one in (await bus.audit(known_checkpoints=[known])).findings
    }


@pytest.fixture(scope="module")
def witness():
    """One witness."""
    return CosignatureSigner("court.example/w", MLDSA44PrivateKey.generate())


def _policy(witness):
    return Policy.from_text(f"witness court {witness.verifier.to_vkey()}\nquorum court\n")


def _cosigned(bus, witness):
    note = Note.from_text(bus.head_checkpoint(publish=False))
    return Note(note.text, (*note.signatures, witness.sign(note.text, at_s=AT_MS // 1000)))


async def test_cosigned_head(bus, witness):
    """With the quorum's cosignatures on the topic, the report says how far the witnesses vouch."""
    bus.append(topics.CHECKPOINTS, 0, HEADS_KEY, _cosigned(bus, witness).to_text().encode())

    report = await bus.audit(policy=_policy(witness))
    assert ([], 3) == (report.findings, report.heads_witnessed)


async def test_no_quorum_at_all(bus, witness):
    """An auditor who trusts a witness finds a bus that shows no cosignature."""
    assert [(Check.COSIGNATURE, None)] == _found(await bus.audit(policy=_policy(witness)))


async def test_cosignature_of_something_else(bus, witness):
    """A cosignature taken from another checkpoint does not hold."""
    other = sign_checkpoint(Checkpoint(HEADS, 9, bytes(32)), bus.keys.log.signers(HEADS), at_s=1)
    note = Note.from_text(bus.head_checkpoint(publish=False))
    moved = Note(note.text, (*note.signatures, witness.sign(Note.from_text(other).text, at_s=1)))
    bus.append(topics.CHECKPOINTS, 0, HEADS_KEY, moved.to_text().encode())

    assert (Check.COSIGNATURE, _last(bus)) in _found(await bus.audit(policy=_policy(witness)))


@pytest.fixture(scope="module")
def tsa():
    """A time stamping authority."""
    return FakeTsa.make()


def _stamp(bus, tsa, text, stamped=None):
    response = tsa.response(stamped if stamped is not None else text, YEAR_MS)
    bus.append(topics.CHECKPOINTS, 0, TIMESTAMP_KEY, response, ((TIMESTAMPED_HEADER, text),))


def _head_text(bus):
    return Note.from_text(bus.head_checkpoint(publish=False)).text.encode()


async def test_timestamp(bus, tsa):
    """A timestamp over a head checkpoint of the topic counts, with the authority known or not."""
    _stamp(bus, tsa, _head_text(bus))

    for anchors in ((), tsa.anchors):
        report = await bus.audit(timestamp_anchors=anchors)
        assert ([], 1) == (report.findings, report.timestamps)


async def test_timestamp_by_a_stranger(bus, tsa):
    """A timestamp by an authority that the auditor does not trust is found."""
    _stamp(bus, tsa, _head_text(bus))

    report = await bus.audit(timestamp_anchors=FakeTsa.make().anchors)
    assert [(Check.TIMESTAMP, _last(bus))] == _found(report)


@pytest.mark.parametrize("is_trusted", [True, False])
async def test_timestamp_over_something_else(bus, tsa, is_trusted):
    """A timestamp whose imprint is not of the text beside it is found without trusting anybody."""
    _stamp(bus, tsa, _head_text(bus), stamped=b"something else")

    report = await bus.audit(timestamp_anchors=tsa.anchors if is_trusted else ())
    assert [(Check.TIMESTAMP, _last(bus))] == _found(report)


async def test_timestamp_over_no_head_checkpoint_of_the_topic(bus, tsa):
    """A timestamp over a head checkpoint that the topic does not have shows another history."""
    _stamp(bus, tsa, Checkpoint(HEADS, 3, bytes(32)).to_text().encode())

    assert [(Check.TIMESTAMP, _last(bus))] == _found(await bus.audit())
