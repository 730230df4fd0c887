"""What a record on ``govbus.checkpoints`` is: a checkpoint of a partition or of all, a timestamp, or nothing known."""

from __future__ import annotations

from dataclasses import dataclass

from govbus.document.ids import AgencyId
from govbus.document.record import Record
from govbus.errors import NoteError
from govbus.message_log.checkpoint import Checkpoint
from govbus.message_log.heads import (
    HEADS_KEY,
    TIMESTAMP_KEY,
    TIMESTAMPED_HEADER,
    head_origin,
    partition_of_key,
)
from govbus.message_log.keys import LogPublicKeys, log_origin
from govbus.message_log.note import Note


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint that the log's keys signed."""

    checkpoint: Checkpoint
    partition: int | None
    """Of the message log; None for a head checkpoint."""
    cosignatures: int
    """Signature lines that are not the log's own; who made them is not looked at."""

    @property
    def text(self) -> str:
        """The note text."""
        return self.checkpoint.to_text()


def read_checkpoint(record: Record, bus: AgencyId, keys: LogPublicKeys) -> SignedCheckpoint | None:
    """Return the checkpoint in a record; None where it is a timestamp or something unknown.

    Raises:
        NoteError: if the record should hold a checkpoint and holds none that the log's keys signed for its key.
    """
    partition = partition_of_key(record.key)
    if partition is None and record.key != HEADS_KEY:
        return None
    origin = head_origin(bus) if partition is None else log_origin(bus, partition)
    value = record.value or b""
    checkpoint = keys.open(value, origin)
    own = {(verifier.name, verifier.key_id) for verifier in keys.signing(value, origin)}
    lines = Note.from_bytes(value).signatures
    others = {(line.name, line.key_id) for line in lines} - own
    return SignedCheckpoint(checkpoint, partition, len(others))


def timestamped_text(record: Record) -> str | None:
    """Return the note text that a timestamp is about; None where the record is no timestamp that names one."""
    if record.key != TIMESTAMP_KEY or not record.value:
        return None
    texts = [value for name, value in record.headers if name == TIMESTAMPED_HEADER and value is not None]
    try:
        return texts[0].decode("utf-8") if len(texts) == 1 else None
    except UnicodeDecodeError:
        return None


def timestamped_size(record: Record, bus: AgencyId) -> int | None:
    """Return the size of the head checkpoint that a timestamp is about; None where it is about none of this bus."""
    text = timestamped_text(record)
    if text is None:
        return None
    try:
        checkpoint = Checkpoint.from_text(text)
    except NoteError:
        return None
    return checkpoint.size if checkpoint.origin == head_origin(bus) else None
