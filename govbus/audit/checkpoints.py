"""Checkpoints against the entries: every one must be signed and state the root that the entries give."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cryptography.x509 import Certificate

from govbus.audit.heads import Heads
from govbus.audit.report import AuditFinding, AuditReport, Check
from govbus.document import topics
from govbus.document.ids import AgencyId
from govbus.document.record import Record
from govbus.errors import NoteError
from govbus.message_log.checkpoint import Checkpoint
from govbus.message_log.heads import HEADS_KEY, KEYS_KEY, TIMESTAMP_KEY, head_origin, partition_of_key
from govbus.message_log.keys import LogPublicKeys, log_origin
from govbus.message_log.note import Note
from govbus.message_log.policy import Policy
from govbus.message_log.tree import CompactTree
from govbus.signing.merkle import leaf_hash

KNOWN = "known checkpoint"
"""Stands for the topic in findings about a checkpoint that the auditor brought along."""


class _Stated(NamedTuple):
    """A checkpoint and where it stands."""

    root: bytes
    topic: str
    partition: int | None
    offset: int | None


class Checkpoints:
    """All checkpoints of a bus that are signed by its log's keys."""

    def __init__(
        self,
        bus: AgencyId,
        keys: LogPublicKeys,
        report: AuditReport,
        *,
        policy: Policy | None = None,
        timestamp_anchors: Sequence[Certificate] = (),
    ) -> None:
        """Take the keys that must have signed, where findings go, and whom the auditor trusts besides (see `Heads`)."""
        self._bus = bus
        self._keys = keys
        self._report = report
        origin = head_origin(bus)
        self.heads = Heads(origin, keys, report, policy=policy, timestamp_anchors=timestamp_anchors)
        self._stated: dict[str, dict[int, _Stated]] = {}

    def take(self, record: Record) -> None:
        """Open one record of the checkpoints topic; keys that this version does not know are passed over."""
        number = partition_of_key(record.key)
        if record.key == TIMESTAMP_KEY:
            self.heads.take_timestamp(record)
        elif record.key == KEYS_KEY:
            self._take_handover(record)
        elif number is not None or record.key == HEADS_KEY:
            self._open(self.heads.origin if number is None else log_origin(self._bus, number), record)

    def _take_handover(self, record: Record) -> None:
        """Hold a hand-over of the log's keys against those that the auditor has, and against both kinds of trees."""
        value = (record.value or b"").decode("utf-8", "replace")
        known = dict(zip(self._keys.handover_notes, self._keys.handovers, strict=True))
        handover = known.get(value)
        if handover is None:
            expected = "a hand-over of the log's keys that is among those given (log-keys-<n>.note)"
            self._report.add(
                AuditFinding(
                    Check.CHECKPOINT, record.topic, record.partition, record.offset, expected, "another"
                )
            )
            return
        place = (record.topic, record.partition, record.offset)
        for number, one in handover.partitions.items():
            checkpoint = Checkpoint(log_origin(self._bus, number), one.size, one.root)
            self._state(checkpoint, _Stated(one.root, *place))
        self.heads.take_handover(Checkpoint(self.heads.origin, *handover.heads), record)

    def _open(self, origin: str, record: Record) -> None:
        try:
            checkpoint = self._keys.open(record.value or b"", origin)
        except NoteError as err:
            self._report.add(
                AuditFinding(
                    Check.CHECKPOINT,
                    record.topic,
                    record.partition,
                    record.offset,
                    f"a checkpoint of {origin[:80]}, signed by the log's keys",
                    err.message,
                )
            )
            return
        self._state(checkpoint, _Stated(checkpoint.root, record.topic, record.partition, record.offset))
        if origin == self.heads.origin:
            self.heads.take(checkpoint, record)
        else:
            self.heads.take_entry(checkpoint, record)

    def take_known(self, notes: Iterable[str]) -> None:
        """Open checkpoints that the auditor has from before, or from a witness."""
        for number, note in enumerate(notes):
            try:
                origin = Checkpoint.from_text(Note.from_text(note).text).origin
                checkpoint = self._keys.open(note, origin)
            except NoteError as err:
                expected = "a checkpoint signed by the log's keys"
                self._report.add(AuditFinding(Check.CHECKPOINT, KNOWN, None, number, expected, err.message))
            else:
                self._state(checkpoint, _Stated(checkpoint.root, KNOWN, None, number))
                if origin == self.heads.origin:
                    self.heads.take_known(checkpoint, KNOWN, number)

    def _state(self, checkpoint: Checkpoint, stated: _Stated) -> None:
        self._report.checkpoints += 1
        first = self._stated.setdefault(checkpoint.origin, {}).setdefault(checkpoint.size, stated)
        if first.root != stated.root:
            self._report.add(
                AuditFinding(
                    Check.FORK,
                    stated.topic,
                    stated.partition,
                    stated.offset,
                    f"root {first.root.hex()} for {checkpoint.size} entries, as at offset {first.offset}",
                    f"root {stated.root.hex()}, signed too: the log shows two histories",
                    origin=checkpoint.origin,
                )
            )

    def sizes(self, origin: str) -> list[int]:
        """Return the sizes that checkpoints of one log state, smallest first."""
        return sorted(self._stated.get(origin, ()))

    def replay(self, partition: int) -> TreeReplay:
        """Return what recomputes the tree of one log partition."""
        origin = log_origin(self._bus, partition)
        return TreeReplay(origin, partition, self._stated.pop(origin, {}), self._report)

    def finish(self) -> None:
        """Report checkpoints of logs that do not exist, and what is missing at the end of the head tree."""
        self._stated.pop(self.heads.origin, None)
        self.heads.finish()
        for origin, by_size in self._stated.items():
            stated = by_size[max(by_size)]
            self._report.add(
                AuditFinding(
                    Check.TREE,
                    stated.topic,
                    stated.partition,
                    stated.offset,
                    "a checkpoint of a partition of the message log",
                    f"one of {origin[:80]}, which does not exist",
                    origin=origin[:80],
                )
            )


class TreeReplay:
    """The tree of one log partition, recomputed entry by entry and compared at the size of every checkpoint."""

    def __init__(self, origin: str, partition: int, stated: dict[int, _Stated], report: AuditReport) -> None:
        """Start with the empty tree."""
        self._origin = origin
        self._partition = partition
        self._stated = stated
        self._report = report
        self._tree = CompactTree()
        self._differing = 0
        self._covered = 0
        self._compare()

    def grow(self, tree: CompactTree) -> None:
        """Go on with a larger tree, computed elsewhere, and compare it where a checkpoint states its size."""
        self._tree = tree
        self._compare()

    def append(self, record: Record) -> None:
        """Add an entry as it stands in Kafka."""
        self._tree.append(leaf_hash(record.value or b""))
        if self._tree.size in self._stated:
            self._compare()

    def _compare(self) -> None:
        stated = self._stated.get(self._tree.size)
        if stated is None:
            return
        root = self._tree.root()
        self._covered = self._tree.size
        if stated.root != root:
            self._differing += 1
            if self._differing == 1:  # once wrong, every later one is too
                self._find(
                    stated,
                    f"root {root.hex()}, which the first {self._tree.size} entries give",
                    f"root {stated.root.hex()} under a signature: an entry was changed, removed or added",
                )

    def finish(self) -> None:
        """Compare the end of the log with the checkpoints."""
        size = self._tree.size
        beyond = max(self._stated, default=0)
        if beyond > size:
            self._find(
                self._stated[beyond],
                f"{beyond} entries in {topics.MESSAGE_LOG}/{self._partition}",
                f"{size}: the end of the log is gone",
            )
        elif size and not self._stated:
            self._report.add(
                AuditFinding(
                    Check.TREE,
                    topics.MESSAGE_LOG,
                    self._partition,
                    None,
                    f"checkpoints of {self._origin}",
                    f"none, for {size} entries",
                    origin=self._origin,
                )
            )
        self._report.entries_after_checkpoint += size - self._covered
        self._report.roots[self._partition] = self._tree.root().hex()
        self._report.sizes[self._partition] = size

    def _find(self, stated: _Stated, expected: str, found: str) -> None:
        self._report.add(
            AuditFinding(
                Check.TREE,
                stated.topic,
                stated.partition,
                stated.offset,
                expected,
                found,
                origin=self._origin,
            )
        )
