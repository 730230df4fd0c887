"""What of the log service is public: notes on the topic, the checkpoint files beside the tiles, the newest head."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from govbus.audit.archive.tile_folder import FolderTiles
from govbus.document import topics
from govbus.document.record import CONTENT_TYPE, Headers
from govbus.message_log.heads import (
    HEADS_KEY,
    TIMESTAMP_KEY,
    TIMESTAMP_TYPE,
    TIMESTAMPED_HEADER,
    TSA_HEADER,
)
from govbus.message_log.tiles import TileTree
from govbus.service.log.fencing import FencedPublisher
from govbus.service.log.state import Evidence, LogState
from govbus.service.log.tiles import LogTiles
from govbus.transport.base import OutRecord

NOTE_TYPE = b"text/plain; charset=utf-8"
QUORUM, TIMESTAMP = "quorum", "timestamp"
"""Kinds of evidence in the state."""


class Head(NamedTuple):
    """A head checkpoint that stands on the topic."""

    size: int
    text: str
    """Note text: what witnesses and time stamping authorities sign."""
    note: str
    """With the log's own signatures."""
    at_ms: int
    """When it was signed, milliseconds since 1970."""


class HeadWatcher(Protocol):
    """Looks after published head checkpoints, beside the service and without ever stopping it."""

    async def run(self, heads: PublishedHeads) -> None:
        """Work until cancelled."""
        ...


class PublishedHeads:
    """The newest head checkpoint on the topic, and what others say about head checkpoints."""

    def __init__(self, origin: str, *, state: LogState, tiles: Path, clock_ms: Callable[[], int]) -> None:
        """Take the head log's origin, the service's memory, and the folder of the head log's tiles."""
        self.origin = origin
        self.newest: Head | None = None
        self.is_quorum_awaited = False
        """Whether readers over HTTP get head checkpoints only once a quorum of witnesses has cosigned them."""
        self._state = state
        self._tiles = FolderTiles(tiles)
        self._clock_ms = clock_ms
        self._publisher: FencedPublisher | None = None
        self._is_stale = True
        """Whether something was signed or cosigned since `refresh` made the newest known."""

    def bound_to(self, publisher: FencedPublisher) -> PublishedHeads:
        """Return this object, which publishes timestamps with a publisher from now on."""
        self._publisher = publisher
        return self

    def evidence(self, kind: str) -> dict[str, Evidence]:
        """Return evidence of a kind by name."""
        return self._state.evidence(kind)

    def consistency_proof(self, old_size: int, size: int) -> list[bytes]:
        """Return the proof that the head tree of `size` grew from that of `old_size`, read from tiles.

        Raises:
            ProofError: if `old_size` is over `size`.
            MissingPartError, LogIntegrityError: if the tiles on disk are damaged.
        """
        return TileTree(self._tiles, size).consistency_proof(old_size)

    async def publish_notes(self, publisher: FencedPublisher, notes: Sequence[tuple[str, str]]) -> None:
        """Publish notes by key, in order; errors as for `FencedPublisher.publish`."""
        headers = ((CONTENT_TYPE, NOTE_TYPE),)
        at_ms = self._clock_ms()
        await publisher.publish(
            [_record(key.encode("ascii"), note.encode("utf-8"), headers, at_ms) for key, note in notes]
        )

    def mark_stale(self) -> None:
        """Note that something new is on its way to the topic."""
        self._is_stale = True

    async def keep_cosigned(self, head: Head, note: str) -> None:
        """Remember a head checkpoint that a quorum cosigned, and have it published."""
        evidence = Evidence(head.size, note, self._clock_ms())
        outgoing = [(HEADS_KEY.decode("ascii"), note)]
        await asyncio.to_thread(self._state.keep_evidence, QUORUM, self.origin, evidence, outgoing)
        self.mark_stale()

    async def publish_timestamp(self, authority: str, head: Head, response: bytes) -> None:
        """Publish a verified RFC 3161 response over a head checkpoint's text, and remember that it is there.

        Raises:
            TransportError: if the broker fails.
        """
        if self._publisher is None:
            raise AssertionError("a timestamp comes only once the service runs")
        headers = (
            (CONTENT_TYPE, TIMESTAMP_TYPE),
            (TIMESTAMPED_HEADER, head.text.encode("utf-8")),
            (TSA_HEADER, authority.encode("utf-8")),
        )
        at_ms = self._clock_ms()
        await self._publisher.publish([_record(TIMESTAMP_KEY, response, headers, at_ms)])
        evidence = Evidence(head.size, head.text, at_ms)
        await asyncio.to_thread(self._state.keep_evidence, TIMESTAMP, authority, evidence)

    def refresh(self, tiles: Mapping[str, LogTiles]) -> None:
        """Make known what was published: the newest head, and the checkpoint file of every log.

        To be called while nothing that was signed waits to be published.
        """
        if not self._is_stale:
            return
        self._is_stale = False
        for origin, log_tiles in tiles.items():
            signed = self._state.signed(origin)
            if signed is None:
                continue
            note = signed.note
            if origin == self.origin:
                self.newest = Head(
                    signed.tree.size, note.partition("\n\n")[0] + "\n", signed.note, signed.at_ms
                )
                note = self._served(note)
            log_tiles.publish(note)

    def _served(self, newest: str) -> str:
        """Return the head checkpoint that readers over HTTP get."""
        quorum = self._state.evidence(QUORUM).get(self.origin)
        return quorum.note if self.is_quorum_awaited and quorum is not None else newest


def _record(key: bytes, value: bytes, headers: Headers, at_ms: int) -> OutRecord:
    return OutRecord(topics.CHECKPOINTS, None, key, value, headers, at_ms)
