"""What the log service has signed, on disk: a checkpoint is written here before anybody else sees it.

SQLite with full durability. Unlike the router's state this is not a view of the message log: it is the memory that
keeps the log service from ever signing two histories. One transaction holds everything that belongs together: the
partitions' trees, the entries that they become in the head tree, the head checkpoint, and the notes to be published.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from govbus.errors import ConfigError
from govbus.message_log.tree import CompactTree
from govbus.transport.base import TopicPartition

CHECKPOINTS_KEPT_MAX = 10_000
"""Sizes and roots remembered for each log, to compare with what stands on the topic."""
SCHEMA_VERSION = 2

_SCHEMA = """
CREATE TABLE IF NOT EXISTS signed (
  origin TEXT PRIMARY KEY, tree BLOB NOT NULL, last_offset INTEGER NOT NULL, last_leaf BLOB NOT NULL,
  note TEXT NOT NULL, at_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS checkpoint (
  origin TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, PRIMARY KEY (origin, size)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS head_entry (
  number INTEGER PRIMARY KEY, origin TEXT NOT NULL, size INTEGER NOT NULL, note_text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS seen (origin TEXT PRIMARY KEY, size INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outgoing (
  number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, note TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS position (
  topic TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL, last_offset INTEGER NOT NULL,
  last_hash BLOB NOT NULL, PRIMARY KEY (topic, partition)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS evidence (
  kind TEXT NOT NULL, name TEXT NOT NULL, size INTEGER NOT NULL, note TEXT NOT NULL, at_ms INTEGER NOT NULL,
  PRIMARY KEY (kind, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS handover (number INTEGER PRIMARY KEY, note TEXT NOT NULL);
"""


class SignedTree(NamedTuple):
    """The last tree of one log that was signed."""

    tree: CompactTree
    last_offset: int
    """Kafka offset of its last entry; -1 in the head tree, whose entries are no records of their own."""
    last_leaf: bytes
    """Leaf hash of that entry."""
    note: str
    """The signed checkpoint."""
    at_ms: int = 0
    """When it was signed, milliseconds since 1970."""


class HeadEntry(NamedTuple):
    """One entry of the head tree: a checkpoint of a partition."""

    number: int
    """Its index in the head tree, from 0."""
    origin: str
    """Of the partition's log."""
    size: int
    """That the checkpoint states."""
    text: str
    """Note text of the checkpoint, without signatures."""


class Outgoing(NamedTuple):
    """A note that the broker has not acknowledged yet."""

    number: int
    key: str
    note: str


class Position(NamedTuple):
    """Up to where a partition of the checkpoints topic was read."""

    next_offset: int
    last_offset: int
    """Of the last record read; -1 where none was."""
    last_hash: bytes
    """SHA-256 of that record's value, to see on the next start that the topic is still the same."""


class Evidence(NamedTuple):
    """What others say about a head checkpoint: a quorum of witnesses, a timestamp."""

    size: int
    note: str
    """The cosigned note, or the note text that was stamped."""
    at_ms: int


class Round(NamedTuple):
    """Everything that is signed at once."""

    partitions: Mapping[str, SignedTree]
    """By origin."""
    entries: Sequence[HeadEntry]
    """What the partitions' checkpoints become in the head tree."""
    head: SignedTree
    outgoing: Sequence[tuple[str, str]]
    """Key and note of each record to publish, in order."""


class TopicProgress(NamedTuple):
    """What some records of the checkpoints topic tell."""

    position: Position
    seen: Mapping[str, int]
    """Largest size by origin on the topic so far; under the head log's origin, how many entries it has there."""
    adopted: Sequence[HeadEntry]
    """Entries that were not known before."""
    published: Sequence[tuple[str, str]]
    """Key and note of records that stand on the topic."""
    heads: Sequence[tuple[str, SignedTree]]
    """Origin and tree of head checkpoints that were not known before."""


class LogState:
    """The durable memory of one log service; calls may come from any thread."""

    def __init__(self, path: Path | str, *, is_read_only: bool = False) -> None:
        """Open or create the file; ``:memory:`` keeps nothing.

        Raises:
            ConfigError: if another version of govbus made the file, or it cannot be opened.
        """
        self._lock = threading.Lock()
        try:
            if is_read_only:
                self._connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, check_same_thread=False)
            else:
                self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
                self._prepare(path)
        except sqlite3.Error as err:
            raise ConfigError(f"{path} cannot be opened: {err}") from err

    def _prepare(self, path: Path | str) -> None:
        connection = self._connection
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        is_new = not connection.execute("SELECT 1 FROM sqlite_master").fetchone()
        if not is_new and version != SCHEMA_VERSION:
            connection.close()
            raise ConfigError(
                f"{path} has format {version}, expected {SCHEMA_VERSION}",
                remedy="move it away: the log service builds it again from the topics",
            )
        connection.executescript(_SCHEMA)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    # Trees.

    def signed(self, origin: str) -> SignedTree | None:
        """Return the last tree of a log that was signed, or None.

        Raises:
            LogIntegrityError: if the stored tree is damaged.
        """
        with self._lock:
            row = self._connection.execute(
                "SELECT tree, last_offset, last_leaf, note, at_ms FROM signed WHERE origin = ?", (origin,)
            ).fetchone()
        if row is None:
            return None
        tree, last_offset, last_leaf, note, at_ms = row
        return SignedTree(CompactTree.from_bytes(tree), last_offset, last_leaf, note, at_ms)

    def signed_sizes(self) -> dict[str, int]:
        """Return the size of the last signed tree of every log, by origin."""
        with self._lock:
            rows = self._connection.execute("SELECT origin, tree FROM signed").fetchall()
        return {origin: CompactTree.from_bytes(tree).size for origin, tree in rows}

    def root_at(self, origin: str, size: int) -> bytes | None:
        """Return the root that was signed for a size, or None where none was or it is forgotten."""
        with self._lock:
            row = self._connection.execute(
                "SELECT root FROM checkpoint WHERE origin = ? AND size = ?", (origin, size)
            ).fetchone()
        return bytes(row[0]) if row is not None else None

    def keep(self, signed: Round) -> None:
        """Store one round durably; only then may a note of it leave this process."""
        with self._transaction() as connection:
            for origin, tree in signed.partitions.items():
                _keep_tree(connection, origin, tree)
            _keep_tree(connection, signed.head.note.partition("\n")[0], signed.head)
            _keep_entries(connection, signed.entries)
            connection.executemany("INSERT INTO outgoing (key, note) VALUES (?,?)", signed.outgoing)

    def forget_entries(self, before: int) -> None:
        """Forget head entries below a number: they stand on the topic and in tiles."""
        with self._lock:
            self._connection.execute("DELETE FROM head_entry WHERE number < ?", (before,))

    def head_entries(self) -> list[HeadEntry]:
        """Return the head entries that are still kept, in order."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT number, origin, size, note_text FROM head_entry ORDER BY number"
            ).fetchall()
        return [HeadEntry(*row) for row in rows]

    # Hand-overs of the log's keys.

    def keep_handover(self, number: int, key: str, note: str) -> None:
        """Store a hand-over durably, and have it published; only then may the new pair sign."""
        with self._transaction() as connection:
            connection.execute("INSERT INTO handover VALUES (?,?)", (number, note))
            connection.execute("INSERT INTO outgoing (key, note) VALUES (?,?)", (key, note))

    def handovers(self) -> list[str]:
        """Return the hand-overs that this service made, in order."""
        with self._lock:
            rows = self._connection.execute("SELECT note FROM handover ORDER BY number").fetchall()
        return [row[0] for row in rows]

    # Notes on their way to the topic.

    def outgoing(self) -> list[Outgoing]:
        """Return the notes to publish, in order."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT number, key, note FROM outgoing ORDER BY number"
            ).fetchall()
        return [Outgoing(*row) for row in rows]

    def mark_published(self, numbers: Iterable[int]) -> None:
        """Forget notes that the broker acknowledged."""
        with self._transaction() as connection:
            connection.executemany("DELETE FROM outgoing WHERE number = ?", [(number,) for number in numbers])

    # What stands on the topic.

    def position(self, partition: TopicPartition) -> Position:
        """Return up to where a partition of the checkpoints topic was read."""
        with self._lock:
            row = self._connection.execute(
                "SELECT next_offset, last_offset, last_hash FROM position WHERE topic = ? AND partition = ?",
                partition,
            ).fetchone()
        return Position(*row) if row is not None else Position(0, -1, b"")

    def seen(self) -> dict[str, int]:
        """Return the largest size by origin on the topic."""
        with self._lock:
            return dict(self._connection.execute("SELECT origin, size FROM seen").fetchall())

    def forget_topic(self, kind: str) -> None:
        """Forget what was read from the topic, so that it is read again from its beginning, and evidence of a kind."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM position")
            connection.execute("DELETE FROM seen")
            connection.execute("DELETE FROM evidence WHERE kind = ?", (kind,))

    def keep_progress(self, partition: TopicPartition, progress: TopicProgress) -> None:
        """Remember what was read from the checkpoints topic, all of it or nothing."""
        with self._transaction() as connection:
            _keep_entries(connection, progress.adopted)
            for origin, tree in progress.heads:
                _keep_tree(connection, origin, tree)
            connection.executemany("INSERT OR REPLACE INTO seen VALUES (?,?)", progress.seen.items())
            connection.executemany("DELETE FROM outgoing WHERE key = ? AND note = ?", progress.published)
            connection.execute(
                "INSERT OR REPLACE INTO position VALUES (?,?,?,?,?)", (*partition, *progress.position)
            )

    # What others say about head checkpoints.

    def evidence(self, kind: str) -> dict[str, Evidence]:
        """Return evidence of a kind (``quorum``, ``timestamp``) by name."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT name, size, note, at_ms FROM evidence WHERE kind = ?", (kind,)
            ).fetchall()
        return {row[0]: Evidence(*row[1:]) for row in rows}

    def keep_evidence(
        self, kind: str, name: str, evidence: Evidence, outgoing: Sequence[tuple[str, str]] = ()
    ) -> None:
        """Remember evidence, and the notes that make it known, unless there is some of a larger head already."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO evidence VALUES (?,?,?,?,?) ON CONFLICT (kind, name) DO UPDATE SET "
                "size = excluded.size, note = excluded.note, at_ms = excluded.at_ms "
                "WHERE excluded.size >= evidence.size",
                (kind, name, *evidence),
            )
            connection.executemany("INSERT INTO outgoing (key, note) VALUES (?,?)", outgoing)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")


def _keep_tree(connection: sqlite3.Connection, origin: str, signed: SignedTree) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO signed VALUES (?,?,?,?,?,?)",
        (origin, signed.tree.to_bytes(), *signed[1:]),
    )
    connection.execute(
        "INSERT OR REPLACE INTO checkpoint VALUES (?,?,?)", (origin, signed.tree.size, signed.tree.root())
    )
    connection.execute(
        "DELETE FROM checkpoint WHERE origin = ?1 AND size < ("
        "SELECT size FROM checkpoint WHERE origin = ?1 ORDER BY size DESC LIMIT 1 OFFSET ?2)",
        (origin, CHECKPOINTS_KEPT_MAX),
    )


def _keep_entries(connection: sqlite3.Connection, entries: Iterable[HeadEntry]) -> None:
    connection.executemany("INSERT OR REPLACE INTO head_entry VALUES (?,?,?,?)", entries)
