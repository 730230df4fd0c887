"""The consumer's database: what was applied, what was rejected, and how far each partition was read, in SQLite.

All of it moves in one transaction with the effect of the documents (the inbox pattern), so a process that is killed
at any moment has either done everything about a batch or nothing, and reads on from where the database says.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from govbus.document.decision import SourcePosition
from govbus.errors import (
    Disposition,
    DocumentError,
    FencedError,
    RuleError,
)
from govbus.service.database_errors import database_errors
from govbus.service.delivered import Delivered, DeliveredDocument, DeliveredReceipt, Rejection
from govbus.transport.base import TopicPartition

BUSY_TIMEOUT_S = 5.0
REASON_CHARACTERS_MAX = 500

Effect = Callable[[DeliveredDocument], None]
"""Applies one document inside the open transaction; a `RuleError` rejects the document and undoes its effect."""
ReceiptEffect = Callable[[DeliveredReceipt], None]
"""Takes one receipt inside the open transaction. The same receipt may come again."""

_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS inbox (
      origin TEXT NOT NULL, number INTEGER NOT NULL, statement_hash BLOB NOT NULL, document_id TEXT NOT NULL,
      PRIMARY KEY (origin, number)) WITHOUT ROWID""",
    "CREATE UNIQUE INDEX IF NOT EXISTS inbox_document ON inbox (origin, document_id)",
    """CREATE TABLE IF NOT EXISTS position (
      topic TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL,
      PRIMARY KEY (topic, partition)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS rejected (
      topic TEXT NOT NULL, partition INTEGER NOT NULL, record_offset INTEGER NOT NULL, rule TEXT NOT NULL,
      field TEXT NOT NULL, reason TEXT NOT NULL, document_id TEXT, time_ms INTEGER NOT NULL,
      PRIMARY KEY (topic, partition, record_offset)) WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS tally (name TEXT PRIMARY KEY, records INTEGER NOT NULL) WITHOUT ROWID",
)


class ConsumerCounts(NamedTuple):
    """What a consumer did with the records that it read, since its database was made."""

    applied: int = 0
    duplicates: int = 0
    """Documents that had been applied already."""
    rejected: int = 0
    """Records that did not verify, or that the effect could not accept."""
    receipts: int = 0


class PartitionSlice(NamedTuple):
    """Consecutive records of one partition, verified and decoded."""

    source: TopicPartition
    start: int | None
    """The stored next offset that it builds on; None where none is stored yet."""
    end: int
    """The next offset after it."""
    delivered: Sequence[Delivered]


class InboxDatabase:
    """One SQLite file with the consumer's memory and its effects. Safe for several threads."""

    def __init__(
        self,
        path: Path | str,
        effect: Callable[[sqlite3.Connection], Effect],
        receipt_effect: Callable[[sqlite3.Connection], ReceiptEffect] | None = None,
    ) -> None:
        """Open or create the file.

        The journal is synced at checkpoints rather than at every commit: after a power failure the newest
        transactions may be gone, offsets and effects together, and their records are read again.

        Args:
            path: where; ``:memory:`` keeps nothing.
            effect: makes what applies documents, on the connection that holds the transaction.
            receipt_effect: makes what takes receipts; None only counts them.

        Raises:
            SourceUnavailableError: if another process holds the file.
            AdapterError: if it is no database, or cannot be written.
        """
        self._lock = threading.RLock()
        with _database_errors():
            self.connection = sqlite3.connect(
                path, timeout=BUSY_TIMEOUT_S, check_same_thread=False, isolation_level=None
            )
            self.connection.execute("PRAGMA journal_mode=WAL")
            self.connection.execute("PRAGMA synchronous=NORMAL")
            for statement in _SCHEMA:
                self.connection.execute(statement)
            self._effect = effect(self.connection)
            self._receipt_effect = receipt_effect(self.connection) if receipt_effect is not None else None

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self.connection.close()

    @contextlib.contextmanager
    def at_rest(self) -> Iterator[None]:
        """Hold off transactions, so that several reads see one state and nothing that is half done."""
        with self._lock, _database_errors():
            yield

    def next_offset(self, source: TopicPartition) -> int | None:
        """Return the offset to read next, or None where the partition was never read."""
        with self.at_rest():
            row = self.connection.execute(
                "SELECT next_offset FROM position WHERE topic = ? AND partition = ?", source
            ).fetchone()
        return int(row[0]) if row is not None else None

    def counts(self) -> ConsumerCounts:
        """Return what was done since the database was made."""
        with self.at_rest():
            rows = self.connection.execute("SELECT name, records FROM tally").fetchall()
        return ConsumerCounts(**dict(rows))

    def rejections(self, records_max: int = 100) -> list[Rejection]:
        """Return the newest rejected records, newest first."""
        with self.at_rest():
            rows = self.connection.execute(
                "SELECT topic, partition, record_offset, rule, field, reason, document_id FROM rejected"
                " ORDER BY time_ms DESC, topic, partition, record_offset DESC LIMIT ?",
                (records_max,),
            ).fetchall()
        return [Rejection(SourcePosition(*row[:3]), *row[3:]) for row in rows]

    def apply(self, slices: Sequence[PartitionSlice], *, at_ms: int) -> ConsumerCounts:
        """Do everything about a batch in one transaction, or nothing.

        Args:
            slices: at most one for each partition.
            at_ms: the time that rejections are noted with, milliseconds since 1970.

        Returns:
            What was done with the records of this batch.

        Raises:
            FencedError: if another process has moved on from where a slice starts.
            SourceUnavailableError: if another process holds the database.
            GovbusError: whatever else the effect raises, except `RuleError`.
        """
        tally: Counter[str] = Counter()
        with self.at_rest():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                for part in slices:
                    self._move(part)
                    for delivered in part.delivered:
                        tally[self._take(delivered, at_ms)] += 1
                self._add(tally)
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise
        return ConsumerCounts(**tally)

    def _move(self, part: PartitionSlice) -> None:
        """Move a partition's offset, provided that nobody else has: a process that lost it changes nothing."""
        row = self.connection.execute(
            "SELECT next_offset FROM position WHERE topic = ? AND partition = ?", part.source
        ).fetchone()
        found = row[0] if row is not None else None
        if found != part.start:
            raise FencedError(
                f"{part.source.topic}/{part.source.partition}: expected offset {part.start}, found {found}"
            )
        self.connection.execute("INSERT OR REPLACE INTO position VALUES (?,?,?)", (*part.source, part.end))

    def _take(self, delivered: Delivered, at_ms: int) -> str:
        """Do what is to be done about one record and return the field of `ConsumerCounts` that it counts in."""
        match delivered:
            case DeliveredDocument():
                return self._take_document(delivered, at_ms)
            case DeliveredReceipt():
                if self._receipt_effect is not None:
                    self._receipt_effect(delivered)
                return "receipts"
            case Rejection():
                return self._reject(delivered, at_ms)

    def _take_document(self, document: DeliveredDocument, at_ms: int) -> str:
        self.connection.execute("SAVEPOINT document")
        try:
            outcome = "applied" if self._remember(document) else "duplicates"
            if outcome == "applied":
                self._effect(document)
        except RuleError as err:
            if err.disposition is not Disposition.QUARANTINE:
                raise
            self.connection.execute("ROLLBACK TO document")
            self.connection.execute("RELEASE document")
            rejection = Rejection(document.position, err.rule, err.field, err.message, document.document_id)
            return self._reject(rejection, at_ms)
        self.connection.execute("RELEASE document")
        return outcome

    def _remember(self, document: DeliveredDocument) -> bool:
        """Enter a document into the inbox; False where this very statement stands there already.

        Raises:
            DocumentError: if its index (SEQ-1) or its id (CE-4) belongs to another statement.
        """
        origin, index = str(document.statement.origin), document.statement.index
        execute = self.connection.execute
        entered = execute(
            "INSERT OR IGNORE INTO inbox VALUES (?,?,?,?)",
            (origin, index, document.statement_hash, document.document_id),
        )
        if entered.rowcount == 1:
            return True
        row = execute(
            "SELECT statement_hash FROM inbox WHERE origin = ? AND number = ?", (origin, index)
        ).fetchone()
        if row is None:
            raise DocumentError("this id was applied with other content", rule="CE-4", field="ce_id")
        if row[0] != document.statement_hash:
            raise DocumentError(f"index {index} belongs to another document", rule="SEQ-1", field="index")
        return False

    def _reject(self, rejection: Rejection, at_ms: int) -> str:
        position, rule, field, reason, document_id = rejection
        self.connection.execute(
            "INSERT OR REPLACE INTO rejected VALUES (?,?,?,?,?,?,?,?)",
            (*position, rule, field, reason[:REASON_CHARACTERS_MAX], document_id, at_ms),
        )
        return "rejected"

    def _add(self, tally: Mapping[str, int]) -> None:
        self.connection.executemany(
            "INSERT INTO tally VALUES (?,?)"
            " ON CONFLICT (name) DO UPDATE SET records = records + excluded.records",
            list(tally.items()),
        )


def _database_errors() -> contextlib.AbstractContextManager[None]:
    return database_errors(
        "the consumer's database",
        remedy="see that its folder is writable and has room; nothing of the open batch was applied",
    )
