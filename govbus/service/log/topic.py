"""Reads ``govbus.checkpoints`` and holds trees and head tree to what stands there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import structlog

from govbus.document.ids import AgencyId
from govbus.document.record import Record
from govbus.errors import LogIntegrityError, NoteError
from govbus.message_log.checkpoint import Checkpoint
from govbus.message_log.heads import HEADS_KEY, KEYS_KEY, partition_of_key
from govbus.message_log.keys import log_origin
from govbus.service.log.heads import HeadLog
from govbus.service.log.partition import LogPartition
from govbus.service.log.signing_keys import SigningKeys
from govbus.service.log.state import HeadEntry, LogState, Position, SignedTree, TopicProgress
from govbus.service.log.tiles import LogTiles
from govbus.signing.merkle import leaf_hash
from govbus.transport.base import TopicPartition

logger = structlog.get_logger(__name__)


class CheckpointsReader:
    """Takes records of the topic in order; each batch is remembered whole or not at all."""

    def __init__(
        self,
        bus: AgencyId,
        keys: SigningKeys,
        state: LogState,
        heads: HeadLog,
        tiles: LogTiles,
        logs: Mapping[int, LogPartition],
    ) -> None:
        """Take the logs that the records are about, and the head log's tiles."""
        self._bus = bus
        self._keys = keys
        self._state = state
        self._heads = heads
        self._tiles = tiles
        self._logs = logs
        self.is_rebuilding = False
        """Whether the head tree is built from the topic's beginning."""
        self._must_see_again: Position | None = None

    def start_offset(self, partition: TopicPartition, beginning: int, end: int) -> int:
        """Return where to read from: the last record read is read once more, to see that it is still the same.

        Args:
            partition: the topic's only one.
            beginning: first offset that the broker still has.
            end: offset after the last record.

        Raises:
            LogIntegrityError: if records are gone that were there, or that the head tree is built from.
        """
        position = self._state.position(partition)
        start = max(position.last_offset, 0)
        if beginning > start or position.next_offset > end:
            raise LogIntegrityError(
                f"{partition.topic} has offsets {beginning} to {end}, and was read from {start} to "
                f"{position.next_offset}: records are gone"
            )
        self._must_see_again = position if position.last_offset >= 0 else None
        return start

    def require_seen_again(self) -> None:
        """Raise `LogIntegrityError` if the last record of before was not found."""
        if self._must_see_again is not None:
            raise LogIntegrityError(
                f"the checkpoints topic has nothing at offset {self._must_see_again.last_offset}, where "
                "a record was read before"
            )

    def take(self, partition: TopicPartition, records: Sequence[Record]) -> None:
        """Compare records with what was signed, and remember that they were read.

        Raises:
            LogIntegrityError: if one contradicts what was signed, or the entries.
        """
        adopted: list[HeadEntry] = []
        published: list[tuple[str, str]] = []
        heads: list[tuple[str, SignedTree]] = []
        for record in records:
            if self._must_see_again is not None:
                self._see_again(record, self._must_see_again)
                continue
            if record.key == KEYS_KEY and self._keys.take(record.value or b""):
                published.append((KEYS_KEY.decode("ascii"), (record.value or b"").decode("utf-8")))
                continue
            number = partition_of_key(record.key)
            if number is None and record.key != HEADS_KEY:
                continue
            origin = self._heads.origin if number is None else log_origin(self._bus, number)
            checkpoint = self._opened(origin, record)
            if checkpoint is None:
                continue
            published.append(((record.key or b"").decode("ascii"), (record.value or b"").decode("utf-8")))
            if number is None:
                root = self._state.root_at(origin, checkpoint.size)
                if self._heads.take_head(checkpoint, root):
                    heads.append((origin, self._head_tree(record)))
            else:
                entry = self._take_entry(number, checkpoint)
                adopted += [entry] if entry is not None else []
        self._keep(partition, records, adopted, published, heads)

    def finish_restore(self, remembered: Sequence[HeadEntry]) -> None:
        """Note that the topic was read to its end as of the start.

        Args:
            remembered: entries that were signed and may not have been published yet.

        Raises:
            LogIntegrityError: if the topic lacks what was seen there before.
        """
        size = self._heads.size
        self._heads.finish_restore(remembered)
        self._grow_tiles([entry for entry in remembered if entry.number >= size])
        self.is_rebuilding = False

    def _keep(
        self,
        partition: TopicPartition,
        records: Sequence[Record],
        adopted: list[HeadEntry],
        published: list[tuple[str, str]],
        heads: list[tuple[str, SignedTree]],
    ) -> None:
        """Write down what a batch told. While all is built again, only what was signed needs remembering."""
        self._grow_tiles(adopted)
        last = records[-1]
        progress = TopicProgress(
            Position(last.offset + 1, last.offset, _hash(last)),
            self._heads.sizes_seen | {self._heads.origin: self._heads.size_seen},
            [] if self.is_rebuilding else adopted,
            published,
            heads,
        )
        self._state.keep_progress(partition, progress)

    def _grow_tiles(self, entries: Sequence[HeadEntry]) -> None:
        texts = [entry.text.encode("utf-8") for entry in entries]
        self._tiles.extend(texts, [leaf_hash(text) for text in texts])

    def _see_again(self, record: Record, position: Position) -> None:
        if (record.offset, _hash(record)) != (position.last_offset, position.last_hash):
            raise LogIntegrityError(
                f"{record.topic}: another record stands at offset {record.offset} than was read at "
                f"{position.last_offset} before: the topic was replaced"
            )
        self._must_see_again = None

    def _opened(self, origin: str, record: Record) -> Checkpoint | None:
        try:
            return self._keys.public.open(record.value or b"", origin)
        except NoteError as err:  # not our promise: written by somebody else, or with keys of before
            logger.warning("checkpoint that our keys did not sign", offset=record.offset, error=str(err))
            return None

    def _take_entry(self, number: int, checkpoint: Checkpoint) -> HeadEntry | None:
        log = self._logs.get(number)
        if log is None:
            raise LogIntegrityError(
                f"{checkpoint.origin}: a checkpoint bears our signature, and there is no partition {number}"
            )
        log.promise(checkpoint, self._state.root_at(checkpoint.origin, checkpoint.size))
        return self._heads.take_entry(checkpoint)

    def _head_tree(self, record: Record) -> SignedTree:
        note = (record.value or b"").decode("utf-8")
        return SignedTree(self._heads.heads.tree.copy(), -1, b"", note, record.timestamp_ms)


def _hash(record: Record) -> bytes:
    return hashlib.sha256(record.value or b"").digest()
