"""Runs an adapter: reads an agency's system chunk by chunk and puts each chunk with its cursor into the spool."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import structlog

from govbus.adapters.base import Adapter
from govbus.adapters.outgoing import DocumentTemplate, EncodedDocument, OutgoingDocument
from govbus.adapters.spool import Spool
from govbus.errors import (
    AdapterError,
    DocumentError,
    GovbusError,
    SourceRejectedError,
    SourceUnavailableError,
    SpoolFullError,
)

logger = structlog.get_logger(__name__)

CHUNK_DOCUMENTS_MAX = 500
FULL_PAUSE_S = 0.2
READ_INTERVAL_S = 5.0


@dataclass(frozen=True, slots=True)
class RunnerParts:
    """What a run of an adapter is made of."""

    adapter: Adapter
    spool: Spool
    template: DocumentTemplate
    clock_ms: Callable[[], int]
    on_put: Callable[[int], None] = lambda _: None
    """Told how many documents were put, after each chunk; from another thread."""
    chunk_documents_max: int = CHUNK_DOCUMENTS_MAX
    """Documents put at once; they and the cursor are one transaction."""
    full_pause_s: float = FULL_PAUSE_S
    """How long to wait before a full spool is tried again."""


class _Chunk(NamedTuple):
    documents: list[EncodedDocument]
    cursor: str | None
    error: GovbusError | None
    """Why reading ended early; what was read before it is good."""
    is_last: bool


class AdapterRunner:
    """Moves what an agency's system has into the spool."""

    def __init__(self, parts: RunnerParts) -> None:
        self._parts = parts
        self._is_full = False

    async def run_once(self, stopping: asyncio.Event) -> int:
        """Read from the cursor to the end of the source, and return how many documents were put.

        A full spool is waited for. Stopping between two chunks is no error: the next run goes on from the cursor.

        Raises:
            SourceUnavailableError: if the source cannot be reached; what was read before is in the spool.
            SourceRejectedError: if something in the source cannot be read or does not fit the package's schema; what
                stands before it is in the spool.
            SpoolError: if the spool cannot be written.
        """
        parts = self._parts
        total = 0
        cursor = await asyncio.to_thread(parts.spool.cursor, parts.adapter.name)
        pairs = parts.adapter.read(cursor)
        while not stopping.is_set():
            chunk = await asyncio.to_thread(self._next_chunk, pairs)
            if chunk.documents and not await self._put(chunk, stopping):
                break
            total += len(chunk.documents)
            if chunk.error is not None:
                raise chunk.error
            if chunk.is_last:
                break
        return total

    async def run(self, stopping: asyncio.Event, *, interval_s: float = READ_INTERVAL_S) -> int:
        """Read again and again until `stopping` is set, and return how many documents were put.

        A source that cannot be reached is tried again; other errors are as for `run_once`.

        Args:
            stopping: asks to stop.
            interval_s: pause between two reads.
        """
        total = 0
        while not stopping.is_set():
            try:
                total += await self.run_once(stopping)
            except SourceUnavailableError as err:
                logger.warning("source cannot be reached", adapter=self._parts.adapter.name, error=str(err))
            await _pause(stopping, interval_s)
        return total

    def _next_chunk(self, pairs: Iterator[tuple[OutgoingDocument, str]]) -> _Chunk:
        """Read and encode the next documents; runs off the event loop."""
        documents: list[EncodedDocument] = []
        cursor: str | None = None
        try:
            for document, after in pairs:
                documents.append(self._parts.template.encode(document))
                cursor = after
                if len(documents) >= self._parts.chunk_documents_max:
                    return _Chunk(documents, cursor, None, is_last=False)
        except AdapterError as err:
            return _Chunk(documents, cursor, err, is_last=True)
        except DocumentError as err:
            reason = f"{err.message}: {err.__cause__}" if err.__cause__ is not None else err.message
            rejected = SourceRejectedError(
                f"adapter {self._parts.adapter.name}: a document cannot be encoded: {reason}",
                remedy="mend the source or the mapping and run the adapter again; it goes on from there",
            )
            rejected.__cause__ = err
            return _Chunk(documents, cursor, rejected, is_last=True)
        return _Chunk(documents, cursor, None, is_last=True)

    async def _put(self, chunk: _Chunk, stopping: asyncio.Event) -> bool:
        """Put a chunk, waiting while the spool is full; False if asked to stop before there was room."""
        parts = self._parts
        while True:
            try:
                await asyncio.to_thread(self._put_now, chunk)
            except SpoolFullError as err:
                if not self._is_full:
                    logger.warning("adapter waits", adapter=parts.adapter.name, error=str(err))
                self._is_full = True
                if stopping.is_set():
                    return False
                await _pause(stopping, parts.full_pause_s)
            else:
                self._is_full = False
                return True

    def _put_now(self, chunk: _Chunk) -> None:
        parts = self._parts
        parts.spool.put(
            chunk.documents, at_ms=parts.clock_ms(), adapter=parts.adapter.name, cursor=chunk.cursor
        )
        parts.on_put(len(chunk.documents))


async def _pause(stopping: asyncio.Event, pause_s: float) -> None:
    """Wait, but not beyond a request to stop."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), pause_s)
