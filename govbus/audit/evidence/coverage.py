"""How far material outside the operator's control vouches for a log: cosignatures, timestamps, known checkpoints.

A head checkpoint states the sizes of all partitions' logs, so whoever vouches for it vouches for so many entries of
each. An operator who signs everything again cannot change those without contradicting the material.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence

from cryptography.x509 import Certificate

from govbus.audit.dating import DatedHead, Dating
from govbus.audit.report import Covered
from govbus.document.ids import AgencyId
from govbus.document.record import Record
from govbus.errors import NoteError, TimestampError
from govbus.message_log.checkpoint import Checkpoint
from govbus.message_log.heads import (
    HEADS_KEY,
    TIMESTAMP_KEY,
    TIMESTAMPED_HEADER,
    HeadTree,
    head_origin,
    partition_of_key,
)
from govbus.message_log.keys import LogPublicKeys, log_origin
from govbus.message_log.note import Note
from govbus.message_log.policy import Policy, WitnessedCheckpoint
from govbus.message_log.timestamp import Timestamp
from govbus.signing.merkle import verify_consistency

_SECOND_MS = 1000


class Coverage:
    """Follows the records of ``govbus.checkpoints`` in their order."""

    def __init__(
        self,
        bus: AgencyId,
        keys: LogPublicKeys,
        *,
        policy: Policy | None = None,
        timestamp_anchors: Sequence[Certificate] = (),
    ) -> None:
        """Take whom the auditor trusts; without a policy no cosignature counts, without anchors no timestamp."""
        self._bus = bus
        self._keys = keys
        self._policy = policy
        self._anchors = timestamp_anchors
        self._origin = head_origin(bus)
        self._heads = HeadTree()
        self._roots: dict[int, bytes] = {}
        self._partitions = array("l")
        self._sizes = array("q")
        self._best: dict[tuple[str, str], tuple[int, int | None]] = {}
        """By material and name: greatest size of the head tree, and when."""
        self._dated: dict[int, tuple[int, str]] = {}
        """By size of the head tree: the first time at which somebody vouched for it, and who."""
        self._known: dict[tuple[str, int], bytes] = {}
        self._known_sizes: dict[int, int] = {}

    def take_known(self, notes: Iterable[str]) -> None:
        """Take checkpoints that the auditor brought along; those that do not hold are found elsewhere."""
        for note in notes:
            try:
                origin = Checkpoint.from_text(Note.from_text(note).text).origin
                checkpoint = self._keys.open(note, origin)
            except NoteError:
                continue
            self._known[origin, checkpoint.size] = checkpoint.root

    def take(self, record: Record) -> None:
        """Take the next record; what does not hold is found elsewhere and vouches for nothing."""
        number = partition_of_key(record.key)
        try:
            if record.key == TIMESTAMP_KEY:
                self._take_timestamp(record)
            elif record.key == HEADS_KEY:
                self._take_head(record)
            elif number is not None:
                self._take_partition(number, record)
        except (NoteError, TimestampError):
            return

    def _take_partition(self, partition: int, record: Record) -> None:
        origin = log_origin(self._bus, partition)
        checkpoint = self._keys.open(record.value or b"", origin)
        if self._known.get((origin, checkpoint.size)) == checkpoint.root:
            self._known_sizes[partition] = max(self._known_sizes.get(partition, 0), checkpoint.size)
        if self._heads.take(checkpoint):
            self._partitions.append(partition)
            self._sizes.append(checkpoint.size)
            size = self._heads.tree.size
            if (self._origin, size) in self._known:
                self._roots[size] = self._heads.tree.root()
                if self._roots[size] == self._known[self._origin, size]:
                    self._note("known checkpoint", "the auditor, of the head tree", size, None)

    def _take_head(self, record: Record) -> None:
        if self._policy is None:
            checkpoint = self._keys.open(record.value or b"", self._origin)
            self._is_right(checkpoint)
            return
        note = record.value or b""
        opened = self._policy.open(
            note,
            self._origin,
            log_verifiers=self._keys.signing(note, self._origin),
            is_every_log_key_required=True,
        )
        if not self._is_right(opened.checkpoint):
            return
        self._note_cosigned(self._policy, opened, opened.checkpoint.size)

    def _take_timestamp(self, record: Record) -> None:
        headers = dict(record.headers)
        text = headers.get(TIMESTAMPED_HEADER) or b""  # a stranger's header may be null
        if not self._anchors:
            return
        stamp = Timestamp.from_response(record.value or b"")
        time_ms = stamp.verify(text, self._anchors)
        checkpoint = Checkpoint.from_text(text.decode("utf-8", "replace"))
        if checkpoint.origin == self._origin and self._is_right(checkpoint):
            self._note("timestamp", _authority(stamp), checkpoint.size, time_ms)

    def take_larger(self, note: bytes, stamps: Sequence[tuple[str, bytes]], proof: Sequence[bytes]) -> None:
        """Take a head checkpoint of a later size, which a consistency proof leads to from the size of now.

        Args:
            note: the signed note.
            stamps: name of the authority and RFC 3161 response, of each timestamp over it.
            proof: hashes, lowest level first.

        Raises:
            NoteError: if the note or a cosignature does not hold.
            ProofError: if the tree of now is not what it grew from.
            TimestampError: if a timestamp does not hold.
        """
        checkpoint = self._keys.open(note, self._origin)
        size = self._heads.tree.size
        verify_consistency(size, checkpoint.size, self._heads.tree.root(), checkpoint.root, proof)
        if self._policy is not None:
            opened = self._policy.open(
                note, self._origin, log_verifiers=self._keys.signing(note, self._origin)
            )
            self._note_cosigned(self._policy, opened, size)
        if self._anchors:
            text = Note.from_bytes(note).text.encode("utf-8")
            for _, der in stamps:
                stamp = Timestamp.from_response(der)
                self._note("timestamp", _authority(stamp), size, stamp.verify(text, self._anchors))

    def _note_cosigned(self, policy: Policy, opened: WitnessedCheckpoint, size: int) -> None:
        for name, time_s in opened.cosignatures:
            self._note("cosignature", name, size, time_s * _SECOND_MS if time_s else None)
        if opened.is_quorum and opened.cosignatures:
            times = [time_s for _, time_s in opened.cosignatures if time_s]
            self._note("quorum", policy.quorum, size, max(times) * _SECOND_MS if times else None)

    def _is_right(self, checkpoint: Checkpoint) -> bool:
        """Return whether a head checkpoint states the root that the checkpoints before it give."""
        size = checkpoint.size
        if size == self._heads.tree.size:
            self._roots[size] = self._heads.tree.root()
        return self._roots.get(size) == checkpoint.root

    def _note(self, material: str, name: str, size: int, time_ms: int | None) -> None:
        if time_ms is not None:
            self._dated[size] = min(self._dated.get(size, (time_ms, name)), (time_ms, name))
        known = self._best.get((material, name))
        if known is None or size > known[0]:
            self._best[material, name] = (size, time_ms)

    def dating(self) -> Dating:
        """Return what the times of heads say about the times of entries."""
        heads = [DatedHead(size, *self._dated[size]) for size in sorted(self._dated)]
        return Dating(heads, zip(self._partitions, self._sizes, strict=True))

    def covered(self) -> list[Covered]:
        """Return what vouches for how much; what vouches for most comes first."""
        found = [
            Covered(material, name, time_ms, self._at(size))
            for (material, name), (size, time_ms) in self._best.items()
        ]
        if self._known_sizes:
            found.append(Covered("known checkpoint", "the auditor", None, dict(self._known_sizes)))
        return sorted(found, key=lambda one: -sum(one.sizes.values()))

    def _at(self, size: int) -> dict[int, int]:
        """Return the sizes of the partitions' logs that a size of the head tree stands for."""
        return dict(zip(self._partitions[:size], self._sizes[:size], strict=True))


def _authority(stamp: Timestamp) -> str:
    """Return who stamped, as its certificate says; the name that the bus gave it is nobody's word."""
    return stamp.signer.subject.rfc4514_string()
