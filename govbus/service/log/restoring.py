"""From what the disk holds to logs that go on: state and tiles must agree, and what is missing is built again."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import structlog

from govbus.errors import MissingPartError
from govbus.message_log.checkpoint import Checkpoint
from govbus.service.log.heads import HeadLog
from govbus.service.log.partition import LogPartition
from govbus.service.log.state import HeadEntry, LogState, SignedTree
from govbus.service.log.tiles import LogTiles
from govbus.signing.merkle import leaf_hash

logger = structlog.get_logger(__name__)

TILES = "tiles"
"""Kind of evidence in the state: for the head log, the size up to which its tiles are on disk."""


class ResumedHeads(NamedTuple):
    """The head log as the disk has it."""

    log: HeadLog
    tiles: LogTiles
    is_rebuilt: bool
    """Whether the topic must be read from its beginning."""
    remembered: list[HeadEntry]
    """With that, entries that were signed and perhaps not published."""


def resume_partition(state: LogState, folder: Path, origin: str) -> tuple[LogPartition, LogTiles]:
    """Return one partition's log and its tiles, both as of the last signed tree.

    Where tiles are missing, the log starts at the empty tree and is held to what was signed.

    Raises:
        LogIntegrityError: if the tiles give another root than was signed.
    """
    signed = state.signed(origin)
    if signed is None:
        return LogPartition(origin, None), LogTiles(folder)
    try:
        tiles = LogTiles.resumed(folder, size=signed.tree.size, root=signed.tree.root())
    except MissingPartError as err:
        logger.warning("tiles are missing and are written again", log=origin, reason=err.message)
        log = LogPartition(origin, None)
        log.promise(_checkpoint(origin, signed), None)
        return log, LogTiles(folder)
    return LogPartition(origin, signed), tiles


def resume_heads(state: LogState, folder: Path, origin: str) -> ResumedHeads:
    """Return the head log and its tiles.

    Where the state or the tiles lack anything, both are built again from the topic's beginning and held to what was
    signed.

    Raises:
        LogIntegrityError: if state and tiles contradict each other.
    """
    signed = state.signed(origin)
    entries = state.head_entries()
    seen = state.seen()
    size_seen = seen.pop(origin, 0)
    if signed is not None:
        try:
            tiles = _resumed_tiles(state, folder, origin)
            kept = _from(entries, min(size_seen, tiles.size), signed.tree.size)
        except MissingPartError as err:
            logger.warning("head tree is built again from the topic", reason=err.message)
        else:
            return _resumed(origin, signed, tiles, (size_seen, seen), kept)
    state.forget_topic(TILES)
    promised = _checkpoint(origin, signed) if signed is not None else None
    remembered = [entry for entry in entries if entry.number >= size_seen]
    return ResumedHeads(HeadLog(origin, promised), LogTiles(folder), is_rebuilt=True, remembered=remembered)


def _from(entries: list[HeadEntry], start: int, size_min: int) -> list[HeadEntry]:
    """Return the entries that tiles or topic may lack; a gap in them cannot be closed from here."""
    kept = [entry for entry in entries if entry.number >= start]
    end = start + len(kept)
    if [entry.number for entry in kept] != list(range(start, end)) or end < size_min:
        raise MissingPartError(f"head entries from {start} on are not remembered")
    return kept


def _resumed_tiles(state: LogState, folder: Path, origin: str) -> LogTiles:
    written = state.evidence(TILES).get(origin)
    root = state.root_at(origin, written.size) if written is not None else None
    if written is None or root is None:
        raise MissingPartError("it is not known which tiles are on disk")
    return LogTiles.resumed(folder, size=written.size, root=root)


def _resumed(
    origin: str,
    signed: SignedTree,
    tiles: LogTiles,
    seen: tuple[int, dict[str, int]],
    kept: list[HeadEntry],
) -> ResumedHeads:
    log = HeadLog.resumed(origin, _checkpoint(origin, signed), tiles.compact(), seen, kept)
    missing = [entry.text.encode("utf-8") for entry in kept if entry.number >= tiles.size]
    tiles.extend(missing, [leaf_hash(entry) for entry in missing])
    return ResumedHeads(log, tiles, is_rebuilt=False, remembered=[])


def _checkpoint(origin: str, signed: SignedTree) -> Checkpoint:
    return Checkpoint(origin, signed.tree.size, signed.tree.root())
