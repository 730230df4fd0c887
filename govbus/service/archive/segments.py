"""Writing one segment after the other, each with all that its entries speak of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from govbus.audit.archive import layout
from govbus.audit.archive.evidence import Covering, pack_proof, strongest
from govbus.audit.archive.growth import LogGrowth
from govbus.audit.archive.manifest import Manifest, Range, TreeRange
from govbus.audit.archive.planning import Plan
from govbus.audit.archive.reader import Archive, Segment, pack_positions
from govbus.audit.archive.records import pack_records
from govbus.audit.archive.staging import mark_ready, move_into_place
from govbus.audit.archive.writer import ERASED, SegmentDraft
from govbus.document.decision import LogEntry
from govbus.document.ids import AgencyId
from govbus.errors import RuleError
from govbus.message_log.checkpoint import Checkpoint
from govbus.message_log.heads import head_origin
from govbus.message_log.keys import LogPublicKeys
from govbus.message_log.note import Note
from govbus.schemas.core import decode_log_entry
from govbus.service.archive.backlog import Backlog
from govbus.service.archive.small_topics import SmallTopics
from govbus.service.archive.source import BusSource

logger = structlog.get_logger(__name__)

PROGRESS_ENTRIES = 1024
"""Entries between two calls of the progress."""


@dataclass(slots=True)
class Written:
    """What one run added to an archive."""

    segments: int = 0
    entries: int = 0
    missing: int = 0
    """Entries whose outbox record the broker no longer had."""
    skipped: int = 0
    """Outbox records between others that no entry is about."""
    unproven: int = 0
    """Segments that no head checkpoint with a timestamp covered yet."""
    waiting: int = 0
    """Entries that checkpoints cover and that wait for their segment to fill."""
    held_back: int = 0
    """Segments that wait for a timestamp to cover them."""


class SegmentWriting:
    """Goes on behind the newest segment of an archive."""

    def __init__(
        self,
        archive: Archive,
        last: Segment | None,
        *,
        bus: AgencyId,
        keys: LogPublicKeys,
        logs: dict[int, LogGrowth],
        source: BusSource,
        backlog: Backlog,
        small_topics: SmallTopics,
    ) -> None:
        """Prepare; the caller holds the archive's lock.

        Args:
            archive: to write to.
            last: its newest segment.
            bus: whose log it is.
            keys: the log's public keys.
            logs: every log partition as the archive ends with it.
            source: gives entries and outbox records.
            backlog: gives checkpoints.
            small_topics: give directory and revocation material.
        """
        self.written = Written()
        self._archive = archive
        self._bus = bus
        self._keys = keys
        self._logs = logs
        self._source = source
        self._backlog = backlog
        self._small_topics = small_topics
        self._number = last.manifest.segment if last is not None else 0
        self._digest = last.digest if last is not None else None
        origin = head_origin(bus)
        heads_end = last.manifest.heads.end if last is not None else 0
        self._heads = LogGrowth(origin, archive.tiles(origin), heads_end)
        self._head_note_size = _size_of_note(archive, origin)
        self._earliest_ms = 0
        """Time of the earliest decision in the segment that is being written."""
        self._prepared: list[int] = []
        """Segments that wait for the checkpoint that covers them."""

    @property
    def heads_end(self) -> int:
        """Size of the log of checkpoints as far as it is written."""
        return self._heads.size

    async def write(self, plan: Plan, progress: Callable[[int], None]) -> None:
        """Write one segment; it is in the archive once checkpoints cover all of it.

        Args:
            plan: what it takes.
            progress: told how many entries have been written, now and then.

        Raises:
            LogIntegrityError: if the log contradicts its checkpoints; nothing of the segment is kept then.
            TransportError: if the broker fails.
        """
        number = self._number + 1
        self._earliest_ms = 0
        with SegmentDraft(self._archive.folder, number) as draft:
            for partition, entries in sorted(plan.logs.items()):
                await self._write_log(draft, partition, entries, progress)
            self._digest = self._finish(draft, plan)
        self._number = number
        self._prepared.append(number)
        self.written.missing += draft.missing
        if plan.is_covered:
            await asyncio.to_thread(self._commit)

    def _commit(self) -> None:
        for number in self._prepared:
            mark_ready(self._archive.folder, number)
        for number in self._prepared:
            move_into_place(self._archive.folder, number)
        self.written.segments += len(self._prepared)
        self._prepared.clear()

    async def _write_log(
        self, draft: SegmentDraft, partition: int, entries: Range, progress: Callable[[int], None]
    ) -> None:
        log = self._logs[partition]
        use, written = self._small_topics.certificates.use, self.written
        for _ in range(entries.end - entries.start):
            value = (await self._source.entry(partition)).value or b""
            entry = _decoded(value, log)
            record = None if entry is None else await self._source.outbox_record(entry.source)
            draft.add_entry(entry, record)
            if entry is not None:
                use(entry.signatures)
                if not self._earliest_ms or entry.time_ms < self._earliest_ms:
                    self._earliest_ms = entry.time_ms
                if record is None and entry.decision.value != ERASED:
                    _say_missing(draft, log, entry)
            if log.append(value):
                draft.add_tiles(log.origin, log.parts())
            written.entries += 1
            if written.entries % PROGRESS_ENTRIES == 0:
                progress(written.entries)
        draft.add_tiles(log.origin, log.flush())

    def _finish(self, draft: SegmentDraft, plan: Plan) -> str:
        """Write everything but entries, and the manifest; return its hash."""
        heads = self._write_heads(draft, plan.checkpoints)
        covering = self._write_evidence(draft)
        self._write_checkpoints(draft, plan)
        manifest = Manifest(
            bus=self._bus,
            segment=draft.number,
            previous=self._digest,
            logs={
                number: TreeRange(*entries, self._logs[number].root())
                for number, entries in plan.logs.items()
            },
            heads=heads,
            directory=self._write_records(draft, layout.DIRECTORY),
            revocations=self._write_records(draft, layout.REVOCATIONS),
            checkpoints=plan.checkpoints,
            missing=draft.missing,
            evidence=strongest(covering),
            files={},
        )
        draft.add_file(layout.POSITIONS, pack_positions(self._source.positions))
        if manifest.evidence is None or not manifest.evidence.timestamps:
            self.written.unproven += 1
            logger.warning(
                "no head checkpoint with a timestamp covers the segment yet; a later segment will hold it",
                segment=draft.number,
            )
        return draft.finish(manifest)

    def _write_heads(self, draft: SegmentDraft, offsets: Range) -> TreeRange:
        """Write the log of checkpoints as far as it stands before an offset."""
        heads, start = self._heads, self._heads.size
        note = self._backlog.head_note(offsets.end)
        for text in self._backlog.heads_of(offsets.end):
            if heads.append(text.encode("utf-8")):
                draft.add_tiles(heads.origin, heads.parts())
            if note is not None and heads.size == note[0]:
                # Stock readers of tiles start from the checkpoint, so the partial tiles of its size must be there.
                draft.add_tiles(heads.origin, heads.flush())
        draft.add_tiles(heads.origin, heads.flush())
        if note is not None and note[0] >= self._head_note_size:
            self._head_note_size = note[0]
            draft.set_checkpoint(heads.origin, self._backlog.spool.record(note[1]).value or b"")
        return TreeRange(start, heads.size, heads.root())

    def _write_evidence(self, draft: SegmentDraft) -> list[Covering]:
        """Write what covers the segment, as far as the topic has it by now."""
        backlog, size = self._backlog, self._heads.size
        covering = backlog.evidence.covering(size)
        for one in covering:
            name = f"{layout.EVIDENCE}/{one.size}"
            draft.add_file(f"{name}.note", backlog.spool.record(one.note).value or b"")
            draft.add_file(f"{name}.proof", pack_proof(backlog.heads.proof(size, one.size)))
            for number, offset in enumerate(one.timestamps, start=1):
                draft.add_file(f"{name}.{number}.tsr", backlog.spool.record(offset).value or b"")
        backlog.evidence.forget(size)
        certificates = self._small_topics.certificates.take_used()
        for thumbprint, der in certificates.items():
            draft.add_file(f"{layout.EVIDENCE}/{layout.CERTIFICATES}/{thumbprint}.der", der)
        for name, pem in zip(layout.LOG_KEY_FILES, self._keys.to_pem(), strict=True):
            draft.add_file(f"{layout.EVIDENCE}/{name}", pem)
        in_force = pack_records(self._small_topics.in_force(self._earliest_ms))
        draft.add_file(f"{layout.EVIDENCE}/{layout.REVOCATIONS_IN_FORCE}", in_force)
        return covering

    def _write_checkpoints(self, draft: SegmentDraft, plan: Plan) -> None:
        spool = self._backlog.spool
        draft.add_parts(layout.CHECKPOINTS, spool.parts_of(plan.checkpoints))
        for partition, entries in plan.logs.items():
            offset = self._backlog.partition_note(partition, entries.end)
            if offset is not None and entries.end > entries.start:
                draft.set_checkpoint(self._logs[partition].origin, spool.record(offset).value or b"")

    def _write_records(self, draft: SegmentDraft, name: str) -> Range:
        offsets, records = self._small_topics.pop(name)
        draft.add_file(name, pack_records(records))
        return offsets


def _decoded(value: bytes, log: LogGrowth) -> LogEntry | None:
    """Return an entry; None where it cannot be read, which an audit reports and an archive keeps as it is."""
    try:
        return decode_log_entry(value)
    except RuleError as err:
        logger.error(  # noqa: TRY400  # a state of the log, not a defect of ours
            "entry cannot be read; it is archived as it stands",
            log=log.origin,
            index=log.size,
            error=err.message,
        )
        return None


def _say_missing(draft: SegmentDraft, log: LogGrowth, entry: LogEntry) -> None:
    if draft.missing == 1:
        logger.error(
            "the broker no longer has outbox records that entries are about; only the entries are archived",
            segment=draft.number,
            log=log.origin,
            first=str(entry.source),
        )


def _size_of_note(archive: Archive, origin: str) -> int:
    """Return the size that the checkpoint file of a log states; 0 while there is none."""
    path = archive.tiles(origin).folder / layout.CHECKPOINT
    if not path.exists():
        return 0
    return Checkpoint.from_text(Note.from_bytes(path.read_bytes()).text).size
