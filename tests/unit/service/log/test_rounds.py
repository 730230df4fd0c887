"""Signing all at once: what is stored, and what is never signed."""

import contextlib

import pytest

from govbus.document import topics
from govbus.document.record import Record
from govbus.errors import LogIntegrityError
from govbus.message_log.checkpoint import open_checkpoint
from govbus.message_log.keys import log_origin
from govbus.service.log.heads import HeadLog
from govbus.service.log.partition import LogPartition
from govbus.service.log.rounds import RoundMaker
from govbus.service.log.signing_keys import SigningKeys
from govbus.service.log.state import LogState

from .conftest import AT_MS, BUS, HEADS


@pytest.fixture
def state():
    """A state that is gone with the test."""
    with contextlib.closing(LogState(":memory:")) as opened:
        yield opened


def _partition(number, *entries):
    log = LogPartition(log_origin(BUS, number), None)
    log.extend(
        Record(topics.MESSAGE_LOG, number, offset, AT_MS, b"k", entry, ())
        for offset, entry in enumerate(entries)
    )
    return log


def test_a_round_is_stored_whole_in_the_order_of_the_head_tree(state, log_keys):
    """Partitions' notes come in the order of their entries, then the head checkpoint that covers them."""
    heads = HeadLog(HEADS)
    logs = [_partition(1, b"a"), _partition(0, b"b", b"c")]
    entries = RoundMaker(SigningKeys(log_keys), state, lambda: AT_MS).sign(logs, heads)

    assert [(0, log_origin(BUS, 1), 1), (1, log_origin(BUS, 0), 2)] == [one[:3] for one in entries]
    assert entries == state.head_entries()
    outgoing = state.outgoing()
    assert ["1", "0", "heads"] == [one.key for one in outgoing]
    for one, log in zip(outgoing, logs, strict=False):
        checkpoint = open_checkpoint(one.note, log_keys.public.verifiers(log.origin))
        assert (log.tree.size, log.tree.root()) == (checkpoint.size, checkpoint.root)
    head = open_checkpoint(outgoing[-1].note, log_keys.public.verifiers(HEADS))
    assert (2, heads.heads.tree.root()) == (head.size, head.root)
    assert state.signed(HEADS).tree.to_bytes() == heads.heads.tree.to_bytes()


@pytest.mark.parametrize("is_partition", [True, False])
def test_another_root_for_a_signed_size_is_never_signed(state, log_keys, is_partition):
    """Whatever went wrong before: for one size there is one root, and nothing of the round is stored."""
    maker = RoundMaker(SigningKeys(log_keys), state, lambda: AT_MS)
    maker.sign([_partition(0, b"a")], HeadLog(HEADS))
    stored = state.outgoing()

    other = _partition(0, b"x") if is_partition else _partition(1, b"a")
    with pytest.raises(LogIntegrityError, match="was signed for 1 entries"):
        maker.sign([other], HeadLog(HEADS))
    assert stored == state.outgoing()
    assert 1 == len(state.head_entries())
