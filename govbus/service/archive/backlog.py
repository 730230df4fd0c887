"""Records of ``govbus.checkpoints`` that are not archived yet: verified, cut into segments, searched for evidence."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import structlog

from govbus.audit.archive import layout
from govbus.audit.archive.checkpoint_records import SignedCheckpoint, read_checkpoint, timestamped_text
from govbus.audit.archive.evidence import Evidence, HeadsAhead
from govbus.audit.archive.growth import LogGrowth
from govbus.audit.archive.planning import Plan, Planner
from govbus.document.ids import AgencyId
from govbus.document.record import Record
from govbus.errors import NoteError
from govbus.message_log.keys import LogPublicKeys
from govbus.service.archive.spool import CheckpointSpool

logger = structlog.get_logger(__name__)


class Backlog:
    """Checkpoints as they are read, ahead of the segments that they will stand in."""

    def __init__(
        self,
        spool: CheckpointSpool,
        *,
        bus: AgencyId,
        keys: LogPublicKeys,
        logs: Mapping[int, LogGrowth],
        heads: HeadsAhead,
        next_offset: int,
        entries_max: int = layout.SEGMENT_ENTRIES_MAX,
    ) -> None:
        """Go on where an archive ended.

        Args:
            spool: keeps the records.
            bus: whose they are.
            keys: the log's public keys.
            logs: every log partition as the archive ends with it; told what checkpoints state.
            heads: the log of checkpoints, likewise.
            next_offset: of the next record.
            entries_max: entries of one segment.
        """
        self.spool = spool
        self.evidence = Evidence()
        self.heads = heads
        self.plans: deque[Plan] = deque()
        """Segments that are full and not written yet, oldest first."""
        self.records = 0
        """Records taken."""
        self.last_ms = 0
        """Time of the last one."""
        self._bus = bus
        self._keys = keys
        self._logs = logs
        sizes = {number: log.size for number, log in logs.items()}
        self._planner = Planner(sizes, next_offset, entries_max)
        self._sizes = sizes
        self._head_texts: deque[tuple[int, str]] = deque()
        self._head_notes: deque[tuple[int, int, int]] = deque()
        self._notes: dict[int, deque[tuple[int, int]]] = {number: deque() for number in logs}

    @property
    def waiting(self) -> int:
        """Entries that are covered by checkpoints and wait for their segment to fill."""
        return self._planner.entries

    @property
    def next_offset(self) -> int:
        """Offset after the last record taken."""
        return self._planner.next_offset

    def take(self, record: Record) -> None:
        """Take the next record.

        Raises:
            LogIntegrityError: if a signed checkpoint contradicts another one, or what is archived.
        """
        self.spool.add(record)
        self.records += 1
        self.last_ms = record.timestamp_ms
        try:
            signed = read_checkpoint(record, self._bus, self._keys)
        except NoteError as err:
            # It is archived as it stands, and counts for nothing; `archive verify` reports it.
            logger.warning("record without a signed checkpoint", offset=record.offset, error=err.message)
            signed = None
        partition = signed.partition if signed is not None else None
        if signed is None:
            self._take_other(record)
        elif partition is None:
            self._take_head(signed, record.offset)
        elif partition in self._logs:
            size = signed.checkpoint.size
            self.plans.extend(self._planner.take(record.offset, partition, size))
            self._take_partition(signed, partition, record.offset)
            return
        self.plans.extend(self._planner.take(record.offset))

    def close(self) -> None:
        """Make what waits a segment, however small it is."""
        self.plans.append(self._planner.close())

    def heads_of(self, end_offset: int) -> list[str]:
        """Return the entries of the log of checkpoints that stand before an offset, each once."""
        texts: list[str] = []
        while self._head_texts and self._head_texts[0][0] < end_offset:
            texts.append(self._head_texts.popleft()[1])
        return texts

    def count_heads(self, end_offset: int) -> int:
        """Return how many entries `heads_of` would."""
        count = 0
        for offset, _ in self._head_texts:
            if offset >= end_offset:
                break
            count += 1
        return count

    def head_note(self, end_offset: int) -> tuple[int, int] | None:
        """Return size and offset of the newest head checkpoint before an offset; of one size, the best cosigned."""
        best: tuple[int, int, int] | None = None
        while self._head_notes and self._head_notes[0][0] < end_offset:
            offset, size, cosignatures = self._head_notes.popleft()
            if best is None or (size, cosignatures) > (best[0], best[2]):
                best = size, offset, cosignatures
        return None if best is None else best[:2]

    def partition_note(self, partition: int, size: int) -> int | None:
        """Return the offset of a checkpoint of a partition with exactly this size; older ones are forgotten."""
        notes = self._notes[partition]
        while notes and notes[0][0] < size:
            notes.popleft()
        return notes[0][1] if notes and notes[0][0] == size else None

    def _take_other(self, record: Record) -> None:
        text = timestamped_text(record)
        if text is not None:
            self.evidence.take_timestamp(text, record.offset)

    def _take_head(self, signed: SignedCheckpoint, offset: int) -> None:
        self.heads.compare(signed)
        self.evidence.take_head(signed, offset)
        self._head_notes.append((offset, signed.checkpoint.size, signed.cosignatures))

    def _take_partition(self, signed: SignedCheckpoint, partition: int, offset: int) -> None:
        size = signed.checkpoint.size
        self._logs[partition].state(size, signed.checkpoint.root)
        if size <= self._sizes[partition]:
            return  # published again
        self._sizes[partition] = size
        self._notes[partition].append((size, offset))
        self._head_texts.append((offset, signed.text))
        self.heads.append(signed.text)
