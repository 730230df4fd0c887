"""The router: takes its share of all outbox partitions and serves each by a session of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

import structlog

from govbus import telemetry
from govbus.document import topics
from govbus.errors import Disposition, GovbusError, LogIntegrityError
from govbus.service.router.session import PartitionSession, SessionParts
from govbus.transport.base import TopicPartition

logger = structlog.get_logger(__name__)

POLL_TIMEOUT_S = 0.2
RETRY_PAUSE_S = 0.5
RETRY_PAUSE_S_MAX = 10.0
NEW_TOPICS_INTERVAL_S = 5.0
"""How soon an outbox that was just created is served."""


class _Served:
    """One assigned partition: its session while one lives, and the task that keeps starting new ones."""

    def __init__(self, source: TopicPartition) -> None:
        self.source = source
        self.session: PartitionSession | None = None
        self.revoked = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self.is_paused = False
        self.epoch = 0
        """Counts seeks, so that records fetched before one are not taken for records after it."""


class RouterService:
    """Any number of these share the outboxes in one consumer group."""

    def __init__(self, parts: SessionParts) -> None:
        self._parts = parts
        self._served: dict[TopicPartition, _Served] = {}
        self._failure: GovbusError | None = None
        self._subscriber = parts.transport.subscriber(
            pattern=topics.OUT_PATTERN,
            group=parts.settings.group,
            session_timeout_s=parts.settings.session_timeout_s,
            metadata_interval_s=NEW_TOPICS_INTERVAL_S,
            on_assigned=self._on_assigned,
            on_revoked=self._on_revoked,
        )

    @property
    def partitions(self) -> list[TopicPartition]:
        """The partitions that are served at the moment."""
        return sorted(source for source, served in self._served.items() if served.session is not None)

    async def run(self, stopping: asyncio.Event) -> None:
        """Route until `stopping` is set; then finish the open transactions and leave the group.

        Raises:
            GovbusError: if something asks to halt; broker trouble is waited out.
        """
        await self._subscriber.start()
        logger.info("router started", router=self._parts.name, group=self._parts.settings.group)
        try:
            while not stopping.is_set() and self._failure is None:
                await self._poll_once()
        finally:
            await self._stop()
        if self._failure is not None:
            raise self._failure

    async def _poll_once(self) -> None:
        epochs = {source: served.epoch for source, served in self._served.items()}
        try:
            polled = await self._subscriber.poll(
                timeout_s=POLL_TIMEOUT_S, records_max=self._parts.settings.transaction_documents_max
            )
        except GovbusError as err:
            if err.disposition is not Disposition.RETRY:
                raise
            logger.warning("broker does not answer", error=str(err))
            await asyncio.sleep(RETRY_PAUSE_S)
            return
        for source, records in polled.items():
            served = self._served.get(source)
            # Records that came while a session failed or was rebuilt are read again by its successor.
            if served is None or served.session is None:
                continue
            if epochs.get(source) == served.epoch:
                served.session.give(records)
            else:
                # The session sought its place during this poll: what came may be from before or from after that.
                await self._subscriber.seek(source, served.session.next_offset)
        self._balance()

    def _balance(self) -> None:
        """Pause partitions whose sessions have enough to do, resume the others."""
        for source, served in self._served.items():
            wants_pause = served.session is None or not served.session.has_room
            if wants_pause and not served.is_paused:
                self._subscriber.pause(source)
                served.is_paused = True
            elif not wants_pause and served.is_paused:
                self._subscriber.resume(source)
                served.is_paused = False

    async def _on_assigned(self, sources: Sequence[TopicPartition]) -> None:
        for source in sources:
            served = _Served(source)
            self._served[source] = served
            served.task = asyncio.create_task(self._serve(served))
        telemetry.ROUTER_PARTITIONS.set(len(self._served))

    async def _on_revoked(self, sources: Sequence[TopicPartition]) -> None:
        """Let the open transactions end before the partitions go to somebody else."""
        leaving = [self._served.pop(source) for source in sources if source in self._served]
        await self._let_go(leaving)
        telemetry.ROUTER_PARTITIONS.set(len(self._served))

    async def _let_go(self, leaving: list[_Served]) -> None:
        for served in leaving:
            served.revoked.set()
            if served.session is not None:
                served.session.close()
        tasks = [served.task for served in leaving if served.task is not None]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=self._parts.settings.drain_timeout_s)
        for task in late:  # what is not committed by now is aborted; its records are read again by the next
            task.cancel()
        if late:
            await asyncio.wait(late)

    async def _serve(self, served: _Served) -> None:
        """Keep a session running for one partition for as long as it is ours."""
        pause_s = RETRY_PAUSE_S
        while not served.revoked.is_set():
            session = PartitionSession(served.source, self._parts)
            try:
                await session.take_over()
                if served.revoked.is_set():
                    break
                await self._seek_to_committed(served, session)
                served.session = session
                pause_s = RETRY_PAUSE_S
                await session.run()
            except GovbusError as err:
                served.session = None
                match err.disposition:
                    case Disposition.RETRY:
                        telemetry.PRODUCERS_REPLACED.inc()
                        logger.warning("session ended", source=str(served.source), error=str(err))
                        await self._pause(served, pause_s)
                        pause_s = min(2 * pause_s, RETRY_PAUSE_S_MAX)
                    case Disposition.HALT | Disposition.QUARANTINE:
                        self._failure = err
                        return
            except Exception as err:  # a defect: stop loudly, with nothing half done
                logger.exception("session failed", source=str(served.source))
                self._failure = LogIntegrityError(f"router session for {served.source} failed: {err!r}")
                return
            finally:
                served.session = None
                with contextlib.suppress(GovbusError):
                    await session.discard()

    async def _pause(self, served: _Served, pause_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(served.revoked.wait(), pause_s)

    async def _seek_to_committed(self, served: _Served, session: PartitionSession) -> None:
        """Read again from what the last transaction committed: what was taken since is forgotten."""
        committed = (await self._subscriber.committed([served.source]))[served.source]
        session.next_offset = committed if committed is not None else 0
        await self._subscriber.seek(served.source, session.next_offset)
        served.epoch += 1

    async def _stop(self) -> None:
        leaving = list(self._served.values())
        self._served.clear()
        await self._let_go(leaving)
        await self._subscriber.stop()
        logger.info("router stopped", router=self._parts.name)
