"""The checkpoints that prove an entry best: the first of its partition, and a head above it that others have seen."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from govbus.document.ids import AgencyId
from govbus.document.record import Record
from govbus.errors import MissingPartError, NoteError, TimestampError
from govbus.message_log.heads import (
    HEADS_KEY,
    TIMESTAMP_KEY,
    TIMESTAMPED_HEADER,
    TSA_HEADER,
    HeadTree,
    head_origin,
    partition_of_key,
)
from govbus.message_log.keys import LogPublicKeys, log_origin
from govbus.message_log.note import Note
from govbus.message_log.policy import Policy
from govbus.message_log.proof import TlogProof
from govbus.message_log.timestamp import Timestamp
from govbus.signing.merkle import inclusion_path, leaf_hash

_ODD: Final = re.compile(r"[^A-Za-z0-9_-]", re.ASCII)
"""What has no place in the name of a file."""
_NAME_CHARACTERS_MAX: Final = 60


@dataclass(frozen=True, slots=True)
class HeadProof:
    """What leads from a partition's checkpoint to the head that was chosen."""

    proof: TlogProof
    timestamps: Mapping[str, bytes]
    """RFC 3161 responses over the head's text, by the name of the authority."""


@dataclass(slots=True)
class Checkpoints:
    """Everything on ``govbus.checkpoints`` that the log's keys signed."""

    bus: AgencyId
    keys: LogPublicKeys
    policy: Policy | None = None
    """Whose quorum a head is preferred for."""
    _heads: HeadTree = field(default_factory=HeadTree, init=False)
    _leaves: list[bytes] = field(default_factory=list, init=False)
    """Leaf hashes of the head tree."""
    _partitions: dict[int, list[tuple[int, str, int]]] = field(default_factory=dict, init=False)
    """For each partition size, note and number in the head tree of its checkpoints, as they came."""
    _head_notes: dict[int, str] = field(default_factory=dict, init=False)
    """For each size of the head tree, the note with the most signatures."""
    _timestamps: dict[str, dict[str, bytes]] = field(default_factory=dict, init=False)
    """By note text and name of the authority."""

    @classmethod
    def of(
        cls, records: Iterable[Record], *, bus: AgencyId, keys: LogPublicKeys, policy: Policy | None
    ) -> Checkpoints:
        """Return what some records of the topic say, in the order of offsets."""
        checkpoints = cls(bus, keys, policy)
        for record in records:
            checkpoints.take(record)
        return checkpoints

    def take(self, record: Record) -> None:
        """Take in the next record; one that the log's keys did not sign proves nothing and is passed over."""
        value = record.value or b""
        if record.key == TIMESTAMP_KEY:
            self._take_timestamp(dict(record.headers), value)
            return
        partition = partition_of_key(record.key)
        if partition is None and record.key != HEADS_KEY:
            return
        origin = head_origin(self.bus) if partition is None else log_origin(self.bus, partition)
        try:
            checkpoint = self.keys.open(value, origin)
        except NoteError:
            return
        note = value.decode("utf-8")
        if partition is None:
            known = self._head_notes.get(checkpoint.size)
            if known is None or _signature_count(note) >= _signature_count(known):
                self._head_notes[checkpoint.size] = note
        elif self._heads.take(checkpoint):
            self._partitions.setdefault(partition, []).append((checkpoint.size, note, len(self._leaves)))
            self._leaves.append(leaf_hash(checkpoint.to_text().encode("utf-8")))

    def _take_timestamp(self, headers: Mapping[str, bytes], value: bytes) -> None:
        """Take in a response; one that is not over the text that it is published for is passed over.

        Whether an authority signed it is for whoever holds the authority's certificate to say.
        """
        text = headers.get(TIMESTAMPED_HEADER) or b""
        try:
            stamp = Timestamp.from_response(value)
        except TimestampError:
            return
        if hashlib.new(stamp.hash_name, text).digest() != stamp.imprint:
            return
        name = _ODD.sub("-", (headers.get(TSA_HEADER) or b"tsa").decode("utf-8", "replace"))[
            :_NAME_CHARACTERS_MAX
        ]
        of_text = self._timestamps.setdefault(text.decode("utf-8", "replace"), {})
        of_text.setdefault(name or "tsa", value)

    def first_over(self, partition: int, index: int) -> tuple[int, str, int]:
        """Return the first checkpoint that covers an entry: its size, its note, and its number in the head tree.

        Raises:
            MissingPartError: if there is none yet.
        """
        for size, note, number in self._partitions.get(partition, ()):
            if size > index:
                return size, note, number
        raise MissingPartError(
            f"no checkpoint covers entry {index} of log partition {partition} yet",
            remedy="wait until the log service has signed one, with: govbus log serve",
        )

    def head_over(self, number: int) -> HeadProof | None:
        """Return the best head over an entry of the head tree: witnessed, then time stamped, then the earliest.

        None where no head covers it.
        """
        candidates = [
            (not self._is_witnessed(note), not self._timestamps_of(note), size, note)
            for size, note in self._head_notes.items()
            if number < size <= len(self._leaves)
        ]
        if not candidates:
            return None
        *_, size, note = min(candidates)
        path = inclusion_path(self._leaves[:size], number)
        return HeadProof(TlogProof(number, tuple(path), note), self._timestamps_of(note))

    def _timestamps_of(self, note: str) -> Mapping[str, bytes]:
        return self._timestamps.get(Note.from_text(note).text, {})

    def _is_witnessed(self, note: str) -> bool:
        if self.policy is None:
            return _signature_count(note) > len(self.keys.verifiers(head_origin(self.bus)))
        origin = head_origin(self.bus)
        try:
            return self.policy.open(note, origin, log_verifiers=self.keys.signing(note, origin)).is_quorum
        except NoteError:
            return False


def _signature_count(note: str) -> int:
    return len(Note.from_text(note).signatures)
