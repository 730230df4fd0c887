"""The head tree against its checkpoints: what the partitions' checkpoints give, and what others vouch for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from cryptography.x509 import Certificate

from govbus.audit.report import AuditFinding, AuditReport, Check
from govbus.document import topics
from govbus.document.record import Record
from govbus.errors import NoteError, TimestampError
from govbus.message_log.checkpoint import Checkpoint
from govbus.message_log.heads import TIMESTAMPED_HEADER, HeadTree
from govbus.message_log.keys import LogPublicKeys
from govbus.message_log.policy import NO_QUORUM, Policy
from govbus.message_log.timestamp import Timestamp


class _Place(NamedTuple):
    """Where a head checkpoint stands."""

    topic: str
    partition: int | None
    offset: int | None


class Heads:
    """The head tree, recomputed from the partitions' checkpoints as they stand on the topic, and compared."""

    def __init__(
        self,
        origin: str,
        keys: LogPublicKeys,
        report: AuditReport,
        *,
        policy: Policy | None = None,
        timestamp_anchors: Sequence[Certificate] = (),
    ) -> None:
        """Take what the auditor knows beforehand.

        Args:
            origin: of the head log.
            keys: the log's keys.
            report: takes findings.
            policy: the witnesses that the auditor trusts; cosignatures are not looked at without one.
            timestamp_anchors: certificates of time stamping authorities that the auditor trusts; without any, a
                timestamp is only read and compared with the head checkpoints.
        """
        self.origin = origin
        self._keys = keys
        self._report = report
        self._policy = policy
        self._anchors = timestamp_anchors
        self._heads = HeadTree()
        self._roots: dict[int, bytes] = {0: HeadTree().tree.root()}
        """As recomputed, for every size that a head checkpoint stated."""
        self._known: dict[int, list[tuple[Checkpoint, _Place]]] = {}
        """Brought along, by size: compared once the tree is as large."""
        self._last: Record | None = None
        self._witnessed_size = 0
        self._has_stated = False
        """Whether any head checkpoint stands on the topic."""
        self._has_differed = False

    @property
    def size(self) -> int:
        """Entries in the head tree."""
        return self._heads.tree.size

    @property
    def root(self) -> bytes:
        """Root of the head tree as recomputed."""
        return self._heads.tree.root()

    def take_entry(self, checkpoint: Checkpoint, record: Record) -> None:
        """Let the tree grow by a partition's checkpoint, signed by the log's keys, unless it stands there again."""
        if not self._heads.take(checkpoint):
            return
        self._last = record
        for known, place in self._known.pop(self.size, []):
            self._compare(known, place)

    def take_known(self, checkpoint: Checkpoint, topic: str, number: int) -> None:
        """Take a head checkpoint that the auditor has from elsewhere, before anything of the topic."""
        self._known.setdefault(checkpoint.size, []).append((checkpoint, _Place(topic, None, number)))

    def take(self, checkpoint: Checkpoint, record: Record) -> None:
        """Compare a head checkpoint on the topic, signed by the log's keys, with the tree before it."""
        place = _Place(record.topic, record.partition, record.offset)
        self._has_stated = True
        if checkpoint.size > self.size:
            self._find(
                Check.HEADS,
                place,
                f"a head checkpoint of at most the {self.size} entries before it",
                f"{checkpoint.size}: checkpoints of partitions are gone or in another order",
            )
            return
        self._compare(checkpoint, place)
        if self._policy is not None:
            self._witness(self._policy, record, place)

    def take_handover(self, checkpoint: Checkpoint, record: Record) -> None:
        """Compare the head checkpoint that a hand-over of the log's keys states with the tree before it."""
        place = _Place(record.topic, record.partition, record.offset)
        if checkpoint.size > self.size:
            self._find(
                Check.HEADS,
                place,
                f"a hand-over of keys at {checkpoint.size} checkpoints of partitions",
                f"{self.size} before it: some are gone",
            )
            return
        self._compare(checkpoint, place)

    def take_timestamp(self, record: Record) -> None:
        """Check a timestamp on the topic: over a head checkpoint that stands before it, by a trusted authority."""
        place = _Place(record.topic, record.partition, record.offset)
        text = dict(record.headers).get(TIMESTAMPED_HEADER) or b""  # a stranger's header may be null
        try:
            checkpoint = Checkpoint.from_text(text.decode("utf-8", "replace"))
            self._verify_timestamp(record.value or b"", text)
        except (NoteError, TimestampError) as err:
            expected = "a timestamp over a head checkpoint, by an authority that is trusted"
            self._find(Check.TIMESTAMP, place, expected, err.message)
            return
        if checkpoint.origin != self.origin or self._roots.get(checkpoint.size) != checkpoint.root:
            self._find(
                Check.TIMESTAMP,
                place,
                "a timestamp over a head checkpoint that stands before it",
                f"one over a checkpoint of {checkpoint.origin[:80]} for {checkpoint.size} entries",
            )
            return
        self._report.timestamps += 1

    def finish(self) -> None:
        """Report what is missing at the end of the topic."""
        report = self._report
        for size in sorted(self._known):
            _, place = self._known[size][0]
            self._find(
                Check.HEADS,
                place,
                f"a head tree of {size} entries",
                f"{self.size}: the end of the checkpoints is gone",
            )
        if not self._has_stated and self._last is not None:
            place = _Place(topics.CHECKPOINTS, self._last.partition, None)
            self._find(
                Check.HEADS, place, f"head checkpoints of {self.origin}", f"none, for {self.size} entries"
            )
        if (
            self._policy is not None
            and self.size
            and self._policy.quorum != NO_QUORUM
            and not self._witnessed_size
        ):
            place = _Place(topics.CHECKPOINTS, None, None)
            self._find(
                Check.COSIGNATURE, place, "a head checkpoint that the policy's quorum cosigned", "none"
            )
        report.heads = self.size
        report.head_root = self.root.hex()
        report.heads_witnessed = self._witnessed_size

    def _verify_timestamp(self, response: bytes, text: bytes) -> None:
        stamped = Timestamp.from_response(response)
        if self._anchors:
            stamped.verify(text, self._anchors)
        elif hashlib.new(stamped.hash_name, text).digest() != stamped.imprint:
            raise TimestampError("the timestamp is over another text (message imprint)")

    def _compare(self, checkpoint: Checkpoint, place: _Place) -> None:
        root = self.root if checkpoint.size == self.size else self._roots.get(checkpoint.size)
        if root is None:
            self._find(
                Check.HEADS,
                place,
                f"head checkpoints in the order of the tree, which has {self.size} entries here",
                f"the first one for {checkpoint.size}, too late",
            )
            return
        self._roots[checkpoint.size] = root
        if checkpoint.root != root and not self._has_differed:
            self._has_differed = True  # once wrong, every later one is too
            self._find(
                Check.HEADS,
                place,
                f"root {root.hex()}, which the first {checkpoint.size} checkpoints of partitions give",
                f"root {checkpoint.root.hex()} under a signature: one was changed, removed or added",
            )

    def _witness(self, policy: Policy, record: Record, place: _Place) -> None:
        """Note how far a quorum of witnesses vouches; what they sign must hold."""
        try:
            note = record.value or b""
            signing = self._keys.signing(note, self.origin)
            opened = policy.open(note, self.origin, log_verifiers=signing)
        except NoteError as err:
            self._find(Check.COSIGNATURE, place, "cosignatures that hold", err.message)
            return
        if opened.is_quorum:
            self._witnessed_size = max(self._witnessed_size, opened.checkpoint.size)

    def _find(self, check: Check, place: _Place, expected: str, found: str) -> None:
        self._report.add(AuditFinding(check, *place, expected, found, origin=self.origin))
