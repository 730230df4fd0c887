"""What the log service has signed, on disk: a checkpoint is written here before anybody else sees it.

SQLite with full durability. Unlike the router's state this is not a view of the message log: it is the memory that
keeps the log service from ever signing two histories.
"""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import NamedTuple

from govbus.message_log.tree import CompactTree
from govbus.transport.base import TopicPartition

CHECKPOINTS_KEPT_MAX = 10_000
"""Sizes and roots remembered for each log, to compare with what stands on the topic."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS signed (
  origin TEXT PRIMARY KEY, tree BLOB NOT NULL, last_offset INTEGER NOT NULL, last_leaf BLOB NOT NULL,
  note TEXT NOT NULL, is_published INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS checkpoint (
  origin TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, PRIMARY KEY (origin, size)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS position (
  topic TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL,
  PRIMARY KEY (topic, partition)) WITHOUT ROWID;
"""


class SignedTree(NamedTuple):
    """The last tree of one log that was signed."""

    tree: CompactTree
    last_offset: int
    """Kafka offset of its last entry."""
    last_leaf: bytes
    """Leaf hash of that entry."""
    note: str
    """The signed checkpoint."""
    is_published: bool
    """Whether the broker acknowledged the note."""


class LogState:
    """The durable memory of one log service; calls may come from any thread."""

    def __init__(self, path: Path | str) -> None:
        """Open or create the file; ``:memory:`` keeps nothing."""
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def signed(self, origin: str) -> SignedTree | None:
        """Return the last tree of a log that was signed, or None.

        Raises:
            LogIntegrityError: if the stored tree is damaged.
        """
        with self._lock:
            row = self._connection.execute(
                "SELECT tree, last_offset, last_leaf, note, is_published FROM signed WHERE origin = ?",
                (origin,),
            ).fetchone()
        if row is None:
            return None
        tree, last_offset, last_leaf, note, is_published = row
        return SignedTree(CompactTree.from_bytes(tree), last_offset, last_leaf, note, bool(is_published))

    def root_at(self, origin: str, size: int) -> bytes | None:
        """Return the root that was signed for a size, or None where none was or it is forgotten."""
        with self._lock:
            row = self._connection.execute(
                "SELECT root FROM checkpoint WHERE origin = ? AND size = ?", (origin, size)
            ).fetchone()
        return bytes(row[0]) if row is not None else None

    def keep(self, origin: str, signed: SignedTree) -> None:
        """Store a tree and its signed checkpoint durably; only then may the note leave this process."""
        with self._lock, self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute(
                "INSERT OR REPLACE INTO signed VALUES (?,?,?,?,?,?)",
                (
                    origin,
                    signed.tree.to_bytes(),
                    signed.last_offset,
                    signed.last_leaf,
                    signed.note,
                    signed.is_published,
                ),
            )
            self._connection.execute(
                "INSERT OR REPLACE INTO checkpoint VALUES (?,?,?)",
                (origin, signed.tree.size, signed.tree.root()),
            )
            self._connection.execute(
                "DELETE FROM checkpoint WHERE origin = ?1 AND size < ("
                "SELECT size FROM checkpoint WHERE origin = ?1 ORDER BY size DESC LIMIT 1 OFFSET ?2)",
                (origin, CHECKPOINTS_KEPT_MAX),
            )

    def mark_published(self, origin: str) -> None:
        """Remember that the broker has the last note of a log."""
        with self._lock:
            self._connection.execute("UPDATE signed SET is_published = 1 WHERE origin = ?", (origin,))

    def position(self, partition: TopicPartition) -> int:
        """Return the offset from which a partition of the checkpoints topic has not been read."""
        with self._lock:
            row = self._connection.execute(
                "SELECT next_offset FROM position WHERE topic = ? AND partition = ?", partition
            ).fetchone()
        return int(row[0]) if row is not None else 0

    def keep_position(self, partition: TopicPartition, next_offset: int) -> None:
        """Remember up to where a partition of the checkpoints topic was read."""
        with self._lock:
            self._connection.execute(
                "INSERT OR REPLACE INTO position VALUES (?,?,?)", (*partition, next_offset)
            )
