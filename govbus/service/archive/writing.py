"""Writing an archive: one run takes what the topics hold, a service runs again and again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import structlog

from govbus.audit.archive import layout
from govbus.audit.archive.evidence import HeadsAhead
from govbus.audit.archive.growth import LogGrowth
from govbus.audit.archive.reader import Archive, Segment
from govbus.audit.archive.staging import recover
from govbus.document.ids import AgencyId
from govbus.errors import ConfigError
from govbus.message_log.heads import head_origin
from govbus.message_log.keys import LogPublicKeys, log_origin
from govbus.service.archive.backlog import Backlog
from govbus.service.archive.segments import SegmentWriting, Written
from govbus.service.archive.small_topics import SmallTopics
from govbus.service.archive.source import DIRECTORY, REVOCATIONS, BusSource, Reach, entries_beyond
from govbus.service.archive.spool import CheckpointSpool
from govbus.transport.base import Transport

logger = structlog.get_logger(__name__)

Progress = Callable[[int, int], None]
"""Called with entries written, and entries that the log has beyond the archive by an estimate."""

LOOKAHEAD_RECORDS = 5000
"""Records of ``govbus.checkpoints`` read beyond a segment to find a timestamp that covers it."""
EVIDENCE_WAIT_MS = 180_000
"""A service waits so long for a timestamp that covers a segment before it writes the segment without."""


async def write_archive(
    transport: Transport,
    folder: Path,
    *,
    bus: AgencyId,
    keys: LogPublicKeys,
    close: bool,
    now_ms: int | None = None,
    entries_max: int = layout.SEGMENT_ENTRIES_MAX,
    progress: Progress | None = None,
) -> Written:
    """Append to an archive what the topics hold beyond it.

    The caller holds the archive's lock.

    Args:
        transport: the broker; it is only read from.
        folder: the archive.
        bus: whose log it is.
        keys: the log's public keys.
        close: write a last segment that is not full.
        now_ms: for a service, milliseconds since 1970: segments that no timestamp covers yet are left for later,
            unless they are old. None writes them as they are.
        entries_max: entries of one segment.
        progress: told how far it is.

    Raises:
        LogIntegrityError: if the log contradicts its checkpoints, or the archive; nothing of that is kept.
        ConfigError: if there is no message log, or the archive is of another bus.
        TransportError: if the broker fails; segments written before are kept.
    """
    for number in recover(folder):
        logger.warning("segment of an interrupted run put into place", segment=number)
    archive = Archive(folder)
    last = archive.last()
    if last is not None and last.manifest.bus != bus:
        raise ConfigError(f"{folder} is an archive of {last.manifest.bus}, not of {bus}")
    reach = await Reach.ask(transport)
    logs = _logs(archive, last, bus, reach)
    with CheckpointSpool(folder / layout.STAGING) as spool:
        async with BusSource(transport, reach, last) as source:
            await source.see_again(archive, bus, {number: log.size for number, log in logs.items()})
            origin, manifest = head_origin(bus), last.manifest if last is not None else None
            backlog = Backlog(
                spool,
                bus=bus,
                keys=keys,
                logs=logs,
                heads=HeadsAhead(archive.tiles(origin), manifest.heads.end if manifest is not None else 0),
                next_offset=manifest.checkpoints.end if manifest is not None else 0,
                entries_max=entries_max,
            )
            writing = SegmentWriting(
                archive,
                last,
                bus=bus,
                keys=keys,
                logs=logs,
                source=source,
                backlog=backlog,
                small_topics=await _small_topics(archive, last, source),
            )
            total = entries_beyond(reach, last)
            run = _Run(backlog, writing, lambda done: None if progress is None else progress(done, total))
            await run.take_all(source)
            if close and (backlog.waiting or _is_evidence_new(last, backlog)):
                backlog.close()
            await run.write_rest(now_ms)
            writing.written.skipped = source.skipped
    return writing.written


async def _small_topics(archive: Archive, last: Segment | None, source: BusSource) -> SmallTopics:
    """Return directory and revocation material, archived and new."""
    small_topics = SmallTopics(archive, last)
    for name, partition in ((layout.DIRECTORY, DIRECTORY), (layout.REVOCATIONS, REVOCATIONS)):
        small_topics.take(name, await source.rest_of(partition))
    return small_topics


class _Run:
    """Checkpoints in, segments out: a segment is written once its evidence has come, or enough after it."""

    def __init__(self, backlog: Backlog, writing: SegmentWriting, progress: Callable[[int], None]) -> None:
        self._backlog = backlog
        self._writing = writing
        self._progress = progress
        self._read_at: dict[int, int] = {}
        """Records read when a plan came up, by the offset that it ends at."""

    async def take_all(self, source: BusSource) -> None:
        backlog = self._backlog
        async for record in source.checkpoints():
            backlog.take(record)
            while backlog.plans and self._is_due(backlog.plans[0].checkpoints.end):
                await self._writing.write(backlog.plans.popleft(), self._progress)

    def _is_due(self, end_offset: int) -> bool:
        backlog = self._backlog
        read_at = self._read_at.setdefault(end_offset, backlog.records)
        if backlog.records - read_at >= LOOKAHEAD_RECORDS:
            return True
        return self._is_proven(end_offset)

    def _is_proven(self, end_offset: int) -> bool:
        size = self._writing.heads_end + self._backlog.count_heads(end_offset)
        return self._backlog.evidence.is_complete(size)

    async def write_rest(self, now_ms: int | None) -> None:
        """Write what is planned; a service leaves for later what may still get its timestamp."""
        backlog = self._backlog
        while backlog.plans:
            plan = backlog.plans[0]
            is_old = now_ms is None or now_ms - backlog.last_ms > EVIDENCE_WAIT_MS
            if not is_old and not self._is_proven(plan.checkpoints.end):
                break
            await self._writing.write(backlog.plans.popleft(), self._progress)
        self._writing.written.held_back = len(backlog.plans)
        self._writing.written.waiting = backlog.waiting


def _logs(archive: Archive, last: Segment | None, bus: AgencyId, reach: Reach) -> dict[int, LogGrowth]:
    """Return every log partition that the bus has, as the archive ends with it."""
    archived = last.manifest.logs if last is not None else {}
    logs: dict[int, LogGrowth] = {}
    for number in reach.log_partitions:
        origin = log_origin(bus, number)
        size = archived[number].end if number in archived else 0
        logs[number] = LogGrowth(origin, archive.tiles(origin), size)
    return logs


def _is_evidence_new(last: Segment | None, backlog: Backlog) -> bool:
    """Return whether a timestamp has come for a last segment that had none."""
    if last is None:
        return False
    evidence = last.manifest.evidence
    is_proven = evidence is not None and evidence.timestamps > 0
    return not is_proven and backlog.evidence.is_complete(last.manifest.heads.end)
