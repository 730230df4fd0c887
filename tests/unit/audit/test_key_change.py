"""Audits of a log whose keys were changed: hand-overs are held against what the auditor has and against the trees."""

import pytest

from govbus.audit.checkpoints import Checkpoints
from govbus.audit.report import AuditReport, Check
from govbus.document import topics
from govbus.document.ids import AgencyId
from govbus.document.record import Record
from govbus.message_log.checkpoint import Checkpoint, sign_checkpoint
from govbus.message_log.heads import HEADS_KEY, KEYS_KEY, HeadTree, head_origin
from govbus.message_log.key_handover import LogSize
from govbus.message_log.keys import LogKeys, log_origin
from govbus.message_log.tree import CompactTree
from govbus.signing.merkle import leaf_hash

BUS = AgencyId.from_text("bus.example")
ORIGIN, HEADS = log_origin(BUS, 0), head_origin(BUS)
AT_MS = 1_795_466_700_000
OLD, NEW = LogKeys.generate(), LogKeys.generate()
ENTRIES = [b"a", b"b", b"c"]


class Topic:
    """A log of three entries: two under the old keys, the hand-over, the third under the new ones."""

    def __init__(self, *, root=None, heads_root=None, third=NEW):
        self.records = []
        tree, heads = CompactTree(), HeadTree()
        self._sign(tree, heads, ENTRIES[:2], OLD)
        self.note = OLD.hand_over(
            NEW,
            OLD.public,
            bus=BUS,
            partitions={0: LogSize(2, root or tree.root())},
            heads=LogSize(1, heads_root or heads.tree.root()),
            at_ms=AT_MS,
        )
        self._put(KEYS_KEY, self.note)
        self._sign(tree, heads, ENTRIES[2:], third)

    def _sign(self, tree, heads, entries, keys):
        for entry in entries:
            tree.append(leaf_hash(entry))
        checkpoint = Checkpoint(ORIGIN, tree.size, tree.root())
        heads.take(checkpoint)
        head = Checkpoint(HEADS, heads.tree.size, heads.tree.root())
        for key, one in ((b"0", checkpoint), (HEADS_KEY, head)):
            self._put(key, sign_checkpoint(one, keys.signers(one.origin), at_s=AT_MS // 1000))

    def _put(self, key, note):
        self.records.append(Record(topics.CHECKPOINTS, 0, len(self.records), AT_MS, key, note.encode(), ()))

    def audit(self, keys):
        """Return what an auditor with these keys finds, as pairs of check and offset."""
        report = AuditReport()
        checkpoints = Checkpoints(BUS, keys, report)
        for record in self.records:
            checkpoints.take(record)
        replay = checkpoints.replay(0)
        for offset, entry in enumerate(ENTRIES):
            replay.append(Record(topics.MESSAGE_LOG, 0, offset, AT_MS, b"k", entry, ()))
        replay.finish()
        checkpoints.finish()
        return [(one.check, one.offset) for one in report.findings]


@pytest.mark.parametrize("known", [OLD, NEW])
def test_either_pair_and_the_handover_verify_all(known):
    """One pair, whichever it is, and the hand-over are enough for the whole log."""
    topic = Topic()
    assert topic.audit(known.public.with_handovers([topic.note])) == []


def test_what_the_old_pair_signs_afterwards_is_found():
    """Checkpoints under the pair that was given up are findings once they are larger than it may sign."""
    topic = Topic(third=OLD)
    found = topic.audit(NEW.public.with_handovers([topic.note]))
    assert [one for one in found if one[0] is Check.CHECKPOINT] == [
        (Check.CHECKPOINT, 3),
        (Check.CHECKPOINT, 4),
    ]


def test_a_handover_that_is_not_given_is_found():
    """An auditor with the first pair alone is told where the hand-over is that he lacks."""
    found = Topic().audit(OLD.public)
    assert found[0] == (Check.CHECKPOINT, 2)


def test_a_handover_with_another_root_of_a_partition_is_found():
    """The root that a hand-over states is one more statement about the log, and this one is another history."""
    topic = Topic(root=b"\x01" * 32)
    found = topic.audit(NEW.public.with_handovers([topic.note]))
    assert found


def test_a_handover_with_another_root_of_heads_is_found():
    """The head tree's root in a hand-over is compared with the checkpoints before it."""
    topic = Topic(heads_root=b"\x01" * 32)
    assert (Check.HEADS, 2) in topic.audit(NEW.public.with_handovers([topic.note]))
