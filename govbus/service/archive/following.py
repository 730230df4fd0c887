"""The archive as a service: segments as they fill, and a smaller one every so often."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

import structlog

from govbus import telemetry
from govbus.audit.archive import layout
from govbus.audit.archive.reader import Archive
from govbus.audit.archive.staging import LOCK
from govbus.document.ids import AgencyId
from govbus.message_log.keys import LogPublicKeys
from govbus.service.archive.segments import Written
from govbus.service.archive.source import Reach, entries_beyond
from govbus.service.archive.writing import write_archive
from govbus.transport.base import Transport

logger = structlog.get_logger(__name__)

LOOK_INTERVAL_S = 20.0
"""Between two looks at how far the log has grown."""
GROWTH_ENTRIES_MIN = layout.SEGMENT_ENTRIES_MAX // 8
"""After a run that filled no segment, the log must have grown by so much before the next: offsets are only an
estimate of entries, and what is read in vain is read again."""


class ArchiveService:
    """Writes an archive for as long as it runs."""

    def __init__(
        self,
        transport: Transport,
        folder: Path,
        *,
        bus: AgencyId,
        keys: LogPublicKeys,
        every_s: float,
        clock_ms: Callable[[], int],
        look_interval_s: float = LOOK_INTERVAL_S,
    ) -> None:
        """Prepare; the caller holds the archive's lock.

        Args:
            transport: the broker; it is only read from.
            folder: the archive.
            bus: whose log it is.
            keys: the log's public keys.
            every_s: after so long, what there is becomes a segment however small it is.
            clock_ms: milliseconds since 1970.
            look_interval_s: between two looks at how far the log has grown.
        """
        self._transport = transport
        self._folder = folder
        self._bus = bus
        self._keys = keys
        self._every_s = every_s
        self._clock_ms = clock_ms
        self._look_interval_s = look_interval_s
        self._tried = 0
        """Entries beyond the archive, by the estimate, when a run last filled no segment."""

    async def run(self, stopping: asyncio.Event) -> None:
        """Write until `stopping` is set.

        Raises:
            LogIntegrityError: if the log contradicts its checkpoints, or the archive; a person has to look.
            ConfigError: if there is no message log, or the archive is of another bus.
            TransportError: if the broker fails; what was written is kept.
        """
        loop = asyncio.get_running_loop()
        due_s = loop.time() + self._every_s - self._age_s()
        while not stopping.is_set():
            is_due = loop.time() >= due_s
            if is_due or await self._is_worth_a_run():
                written = await write_archive(
                    self._transport,
                    self._folder,
                    bus=self._bus,
                    keys=self._keys,
                    close=is_due,
                    now_ms=self._clock_ms(),
                )
                self._tell(written)
                if is_due and not written.held_back:
                    due_s = loop.time() + self._every_s
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), self._look_interval_s)

    def _age_s(self) -> float:
        """Return how long ago the newest segment was written, or else the archive was begun.

        A service that is started again and again would else never close a segment that is not full.
        """
        last = Archive(self._folder).last()
        path = self._folder / layout.STAGING / LOCK if last is None else last.folder / layout.MANIFEST
        if not path.exists():
            return 0.0
        return max(0.0, self._clock_ms() / 1000 - path.stat().st_mtime)

    async def _is_worth_a_run(self) -> bool:
        """Return whether the log has grown enough to fill a segment, by the offsets of the topics."""
        reach = await Reach.ask(self._transport)
        beyond = await asyncio.to_thread(lambda: entries_beyond(reach, Archive(self._folder).last()))
        if beyond < layout.SEGMENT_ENTRIES_MAX or beyond < self._tried + GROWTH_ENTRIES_MIN:
            return False
        self._tried = beyond
        return True

    def _tell(self, written: Written) -> None:
        if written.segments:
            self._tried = 0
            numbers = Archive(self._folder).numbers
            telemetry.ARCHIVE_SEGMENT.set(numbers[-1] if numbers else 0)
            telemetry.ARCHIVED_ENTRIES.inc(written.entries)
            telemetry.ARCHIVE_MISSING.inc(written.missing)
            telemetry.ARCHIVE_UNPROVEN.inc(written.unproven)
            logger.info("archive written", segments=written.segments, entries=written.entries)
