"""The router's view of the past: an SQLite file that can be thrown away, because the message log rebuilds it.

For every outbox partition it remembers up to which offset of the message log it has read, in the same transaction
as what it read; a router that takes a partition over reads the rest of the log first.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from govbus.document.finding import Outcome
from govbus.document.ids import Origin
from govbus.routing.history import OriginPast, Prior, findings_text, prior_of_row
from govbus.transport.base import TopicPartition

_SCHEMA = """
CREATE TABLE IF NOT EXISTS origin (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS prior (
  origin INTEGER NOT NULL, number INTEGER NOT NULL, document_id TEXT NOT NULL, statement_hash BLOB NOT NULL,
  outcome TEXT NOT NULL, is_proven INTEGER NOT NULL, time_ms INTEGER NOT NULL, receipt_first INTEGER NOT NULL,
  record_offset INTEGER NOT NULL, agreement TEXT, findings TEXT,
  PRIMARY KEY (origin, number)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS prior_document ON prior (origin, document_id) WHERE outcome = 'accepted';
CREATE TABLE IF NOT EXISTS accepted (
  origin INTEGER NOT NULL, agreement TEXT NOT NULL, time_ms INTEGER NOT NULL,
  PRIMARY KEY (origin, agreement)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS position (
  topic TEXT NOT NULL, partition INTEGER NOT NULL, log_offset INTEGER NOT NULL,
  PRIMARY KEY (topic, partition)) WITHOUT ROWID;
"""
_SELECT_PRIOR = (
    "SELECT number, document_id, statement_hash, outcome, is_proven, time_ms, receipt_first, record_offset,"
    " agreement, findings FROM prior WHERE origin = ? "
)


class RouterState:
    """The remembered decisions of all outbox partitions that this process has served."""

    def __init__(self, path: Path | str, *, documents_max: int) -> None:
        """Open or create the file.

        Args:
            path: where; ``:memory:`` keeps nothing.
            documents_max: decisions remembered for each origin.
        """
        self._documents_max = documents_max
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(_SCHEMA)
        self._origins: dict[Origin, int] = {}

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def log_offset(self, source: TopicPartition) -> int:
        """Return up to which offset of the message log the decisions about this partition are remembered."""
        with self._lock:
            row = self._connection.execute(
                "SELECT log_offset FROM position WHERE topic = ? AND partition = ?", source
            ).fetchone()
        return int(row[0]) if row is not None else 0

    def remember(
        self, priors: Iterable[tuple[Origin, Prior]], *, source: TopicPartition, log_offset: int | None
    ) -> None:
        """Keep decisions, and how far in the message log they reach where that is known."""
        with self._lock, self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            tops: dict[int, int] = {}
            rows = []
            accepted: dict[tuple[int, str], int] = {}
            for origin, prior in priors:
                origin_id = self._origin_id(origin)
                tops[origin_id] = max(tops.get(origin_id, 0), prior.number)
                rows.append(
                    (
                        origin_id,
                        prior.number,
                        prior.document_id,
                        prior.statement_hash,
                        prior.outcome.value,
                        prior.is_proven,
                        prior.time_ms,
                        prior.receipt_first,
                        prior.offset,
                        prior.agreement,
                        findings_text(prior.findings),
                    )
                )
                if prior.agreement is not None:
                    accepted[origin_id, prior.agreement] = prior.time_ms
            self._connection.executemany("INSERT OR REPLACE INTO prior VALUES (?,?,?,?,?,?,?,?,?,?,?)", rows)
            # Entries may be read again after a takeover, so only what is newer replaces what is there.
            self._connection.executemany(
                "INSERT INTO accepted VALUES (?,?,?)"
                " ON CONFLICT DO UPDATE SET time_ms = max(time_ms, excluded.time_ms)",
                [(*key, time_ms) for key, time_ms in accepted.items()],
            )
            for origin_id, top in tops.items():
                self._connection.execute(
                    "DELETE FROM prior WHERE origin = ? AND number <= ?",
                    (origin_id, top - self._documents_max),
                )
            if log_offset is not None:
                self._connection.execute(
                    "INSERT OR REPLACE INTO position VALUES (?,?,?)", (*source, log_offset)
                )

    def next_index(self, origin: Origin) -> int:
        """Return the index that the origin's next document must have."""
        row = self._one("SELECT max(number) FROM prior WHERE origin = ?", origin)
        return 0 if row is None or row[0] is None else int(row[0]) + 1

    def greatest_document_id(self, origin: Origin) -> str:
        """Return the greatest id among the origin's accepted documents, compared as text; empty if none."""
        row = self._one(
            "SELECT max(document_id) FROM prior WHERE origin = ? AND outcome = 'accepted'", origin
        )
        return "" if row is None or row[0] is None else str(row[0])

    def at_index(self, origin: Origin, index: int) -> Prior | None:
        """Return what was decided about an index, or None."""
        return _prior(self._one(_SELECT_PRIOR + "AND number = ?", origin, index))

    def of_document(self, origin: Origin, document_id: str) -> Prior | None:
        """Return the accepted document with this id, or None."""
        return _prior(
            self._one(
                _SELECT_PRIOR + "AND document_id = ? AND outcome = 'accepted'",
                origin,
                document_id,
            )
        )

    def run(self, origin: Origin, receipt_first: int, documents_max: int) -> list[Prior]:
        """Return the documents from `receipt_first` on that share its receipt."""
        with self._lock:
            rows = self._connection.execute(
                _SELECT_PRIOR + "AND number >= ? ORDER BY number LIMIT ?",
                (self._origin_id(origin), receipt_first, documents_max),
            ).fetchall()
        priors: list[Prior] = []
        for number, row in enumerate(rows, receipt_first):
            prior = _prior(row)
            if prior is None or prior.number != number or prior.receipt_first != receipt_first:
                break
            priors.append(prior)
        return priors

    def last_accepted_ms(self, origin: Origin, agreement: str) -> int | None:
        """Return when the last document of an origin under an agreement was accepted, or None before the first."""
        row = self._one("SELECT time_ms FROM accepted WHERE origin = ? AND agreement = ?", origin, agreement)
        return None if row is None else int(row[0])

    def _one(self, query: str, origin: Origin, *arguments: object) -> tuple[Any, ...] | None:
        with self._lock:
            row: tuple[Any, ...] | None = self._connection.execute(
                query, (self._origin_id(origin), *arguments)
            ).fetchone()
        return row

    def _origin_id(self, origin: Origin) -> int:
        known = self._origins.get(origin)
        if known is None:
            name = str(origin)
            self._connection.execute("INSERT OR IGNORE INTO origin (name) VALUES (?)", (name,))
            row = self._connection.execute("SELECT id FROM origin WHERE name = ?", (name,)).fetchone()
            known = self._origins[origin] = int(row[0])
        return known


def _prior(row: tuple[Any, ...] | None) -> Prior | None:
    return None if row is None else prior_of_row(row)


class PartitionHistory:
    """The `History` of one outbox partition: what is on disk, and over it what is decided but not yet kept.

    Most documents are new, and new ids are mostly greater than all before (UUIDv7), so the greatest id answers
    whether one was seen without a look at the disk.
    """

    def __init__(self, state: RouterState, *, run_documents_max: int) -> None:
        self._state = state
        self._run_documents_max = run_documents_max
        self._fresh: dict[Origin, OriginPast] = {}
        self._next: dict[Origin, int] = {}
        self._greatest: dict[Origin, str] = {}
        self._accepted_ms: dict[tuple[Origin, str], int] = {}

    def next_index(self, origin: Origin) -> int:
        """Return the index that the origin's next document must have."""
        index = self._next.get(origin)
        if index is None:
            index = self._next[origin] = self._state.next_index(origin)
            self._greatest[origin] = self._state.greatest_document_id(origin)
        return index

    def at_index(self, origin: Origin, index: int) -> Prior | None:
        """Return what was decided about an index, or None."""
        fresh = self._fresh.get(origin)
        prior = fresh.at_index(index) if fresh is not None else None
        return prior if prior is not None else self._state.at_index(origin, index)

    def of_document(self, origin: Origin, document_id: str) -> Prior | None:
        """Return the accepted document with this id, or None."""
        if document_id > self._greatest.get(origin, ""):
            return None
        fresh = self._fresh.get(origin)
        prior = fresh.of_document(document_id) if fresh is not None else None
        return prior if prior is not None else self._state.of_document(origin, document_id)

    def run(self, origin: Origin, receipt_first: int) -> Sequence[Prior]:
        """Return the accepted documents that one receipt covered."""
        fresh = self._fresh.get(origin)
        priors = fresh.run(receipt_first) if fresh is not None else []
        return priors or self._state.run(origin, receipt_first, self._run_documents_max)

    def remember(self, origin: Origin, prior: Prior) -> None:
        """Take a decision into the past, before it is kept."""
        fresh = self._fresh.get(origin)
        if fresh is None:
            fresh = self._fresh[origin] = OriginPast()
        fresh.remember(prior)
        self._next[origin] = max(self._next.get(origin, 0), prior.number + 1)
        if prior.agreement is not None:
            self._accepted_ms[origin, prior.agreement] = prior.time_ms
        if prior.outcome is Outcome.ACCEPTED and prior.document_id > self._greatest.get(origin, ""):
            self._greatest[origin] = prior.document_id

    def last_accepted_ms(self, origin: Origin, agreement: str) -> int | None:
        """Return when the last document of an origin under an agreement was accepted, or None before the first."""
        fresh_ms = self._accepted_ms.get((origin, agreement))
        return fresh_ms if fresh_ms is not None else self._state.last_accepted_ms(origin, agreement)

    def forget_fresh(self) -> None:
        """Drop what is kept on disk by now."""
        self._fresh.clear()
