"""The publisher: takes documents out of a spool, signs them, and forgets them once the broker has them.

While one chunk is on its way the next one is signed and read, off the event loop. Only one chunk is ever on its way,
so a failure leaves no gap: the same chunk is sent again as the same bytes, before anything after it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import structlog

from govbus import telemetry
from govbus.adapters.spool import Spool
from govbus.adapters.spool_lock import SpoolPublisherLock
from govbus.errors import Disposition, GovbusError, SignerUnavailableError, TransportError
from govbus.signing.signer import Signers
from govbus.transport.base import OutRecord, Publisher, Transport

logger = structlog.get_logger(__name__)

CHUNK_DOCUMENTS_MAX = 1000
BATCH_DOCUMENTS_MAX = 64
IDLE_PAUSE_S = 0.02
"""How often a spool is looked at that another process fills."""
RETRY_PAUSE_S = 0.2
RETRY_PAUSE_S_MAX = 5.0
DRAIN_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class PublisherParts:
    """What a publisher is made of."""

    spool: Spool
    signers: Signers
    """The agency's seal, and its twin where it has one; each signs everything. Or a choice of them by time."""
    transport: Transport
    clock_ms: Callable[[], int]
    batch_documents_max: int = BATCH_DOCUMENTS_MAX
    """Documents under one signature."""
    chunk_documents_max: int = CHUNK_DOCUMENTS_MAX
    """Documents on their way at once."""
    idle_pause_s: float = IDLE_PAUSE_S
    drain_timeout_s: float = DRAIN_TIMEOUT_S
    """How long a publisher that is asked to stop goes on with what is in the spool."""


class _Chunk(NamedTuple):
    """Signed documents in index order."""

    first_index: int
    records: list[OutRecord]

    @property
    def next_index(self) -> int:
        return self.first_index + len(self.records)


class SpoolPublisher:
    """Publishes one spool. Only one may run for a spool; a lock beside the file sees to it."""

    def __init__(self, parts: PublisherParts) -> None:
        self._parts = parts
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.published = 0
        """Documents that the broker acknowledged to this publisher."""

    def wake(self) -> None:
        """Say that the spool has something new; callable from any thread, before and after the run as well."""
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to wake
                loop.call_soon_threadsafe(self._wake.set)

    async def run(self, stopping: asyncio.Event) -> None:
        """Publish until `stopping` is set, then what is left within the drain timeout.

        A broker that is away is waited for; the spool goes on taking documents meanwhile.

        Raises:
            SpoolError: if another process publishes from this spool.
            GovbusError: if something asks to halt.
        """
        self._loop = asyncio.get_running_loop()
        with SpoolPublisherLock(self._parts.spool.path):
            logger.info("publisher started", origin=str(self._parts.spool.origin))
            drain = asyncio.create_task(self._deadline(stopping))
            publish = asyncio.create_task(self._publish_until(stopping))
            try:
                await asyncio.wait({drain, publish}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (drain, publish):
                    task.cancel()
                results = await asyncio.gather(drain, publish, return_exceptions=True)
            logger.info("publisher stopped", origin=str(self._parts.spool.origin), published=self.published)
        if isinstance(results[1], Exception):
            raise results[1]

    async def drain(self) -> int:
        """Publish what is in the spool now, and return how many documents that was.

        Raises:
            SpoolError: if another process publishes from this spool.
            GovbusError: at the first trouble with the broker; nothing is lost, the documents stay in the spool.
        """
        with SpoolPublisherLock(self._parts.spool.path):
            return await self._drain()

    async def publish_upto(self, index: int, *, timeout_s: float) -> None:
        """See to it that the broker has everything up to an index: publish it, or wait for the process that does.

        Raises:
            TransportError: if the broker fails, or does not have it in time; the documents stay in the spool.
            GovbusError: if something else is in the way.
        """
        spool, loop = self._parts.spool, asyncio.get_running_loop()
        until_s = loop.time() + timeout_s
        while await asyncio.to_thread(lambda: spool.published_next) <= index:
            lock = SpoolPublisherLock(spool.path)
            if lock.try_acquire():
                try:
                    await asyncio.wait_for(self._drain(), until_s - loop.time())
                except TimeoutError as err:
                    raise TransportError(
                        f"the broker did not take index {index} in {timeout_s:.0f} s"
                    ) from err
                finally:
                    lock.release()
            elif loop.time() > until_s:
                raise TransportError(
                    f"the publisher of this spool did not send index {index} in {timeout_s:.0f} s"
                )
            else:
                await asyncio.sleep(self._parts.idle_pause_s)

    async def _drain(self) -> int:
        before = self.published
        publisher = self._parts.transport.publisher()
        try:
            await publisher.start()
            await self._publish_available(publisher)
        finally:
            await publisher.stop()
        return self.published - before

    async def _deadline(self, stopping: asyncio.Event) -> None:
        await stopping.wait()
        self._wake.set()
        await asyncio.sleep(self._parts.drain_timeout_s)
        left = (await asyncio.to_thread(self._parts.spool.stats, self._parts.clock_ms())).documents
        logger.warning("documents stay in the spool", origin=str(self._parts.spool.origin), documents=left)

    async def _publish_until(self, stopping: asyncio.Event) -> None:
        """Keep a producer going; a failed one is replaced, because what it still had in hand is unknown."""
        pause_s = RETRY_PAUSE_S
        while True:
            publisher = self._parts.transport.publisher()
            before = self.published
            try:
                await publisher.start()
                await self._publish_while(publisher, stopping)
            except GovbusError as err:
                if err.disposition is not Disposition.RETRY:
                    raise
                if self.published > before:
                    pause_s = RETRY_PAUSE_S
                logger.warning(
                    "documents cannot be signed for the moment; they wait in the spool"
                    if isinstance(err, SignerUnavailableError)
                    else "broker does not take documents; they wait in the spool",
                    origin=str(self._parts.spool.origin),
                    error=str(err),
                    next_try_in_s=pause_s,
                )
            else:
                return
            finally:
                await publisher.stop()
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, RETRY_PAUSE_S_MAX)

    async def _publish_while(self, publisher: Publisher, stopping: asyncio.Event) -> None:
        while True:
            self._wake.clear()
            is_last = stopping.is_set()
            await self._publish_available(publisher)
            if is_last:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._parts.idle_pause_s)

    async def _publish_available(self, publisher: Publisher) -> None:
        """Publish until the spool is empty: one chunk on its way, the one before forgotten, the next made ready."""
        chunk = await asyncio.to_thread(self._make_ready, None)
        acknowledged: int | None = None
        while chunk.records:
            following = asyncio.create_task(asyncio.to_thread(self._step, acknowledged, chunk.next_index))
            try:
                await publisher.publish(chunk.records)
            finally:
                # A thread cannot be stopped, so it is waited for: the spool may be closed right after us.
                ready = (await asyncio.gather(following, return_exceptions=True))[0]
            self._count(len(chunk.records))
            acknowledged = chunk.next_index - 1
            if isinstance(ready, BaseException):
                await asyncio.to_thread(self._parts.spool.mark_published, acknowledged)
                raise ready
            chunk = ready
        if acknowledged is not None:
            await asyncio.to_thread(self._parts.spool.mark_published, acknowledged)

    def _count(self, documents: int) -> None:
        self.published += documents
        agency = str(self._parts.spool.origin.agency)
        telemetry.DOCUMENTS_PUBLISHED.labels(agency=agency).inc(documents)

    def _step(self, acknowledged: int | None, first_index: int) -> _Chunk:
        if acknowledged is not None:
            self._parts.spool.mark_published(acknowledged)
        return self._make_ready(first_index)

    def _make_ready(self, first_index: int | None) -> _Chunk:
        """Sign and read the next documents; runs off the event loop.

        Args:
            first_index: of the chunk, None for the first document that the broker has not acknowledged.
        """
        parts = self._parts
        spool, now_ms = parts.spool, parts.clock_ms()
        stats = spool.stats(now_ms)
        telemetry.SPOOL_DOCUMENTS.labels(origin=str(spool.origin)).set(stats.documents)
        first = stats.published_next if first_index is None else first_index
        if stats.sealed_next < min(first + parts.chunk_documents_max, stats.next_index):
            try:
                spool.seal(
                    parts.signers,
                    at_ms=now_ms,
                    batch_max=parts.batch_documents_max,
                    documents_max=first + parts.chunk_documents_max - stats.sealed_next,
                )
            except SignerUnavailableError:
                if stats.sealed_next <= first:
                    raise  # else what is signed already goes out first
        return _Chunk(first, spool.unpublished(parts.chunk_documents_max, first_index=first))
