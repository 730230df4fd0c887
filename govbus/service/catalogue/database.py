"""The catalogue's index in one SQLite file: items for full-text search, their labels, and how far the log was read.

It is a view of the directory and the message log: deleted, it is made again. Documents and offsets move in one
transaction, so a process that is killed has taken a batch or has not.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from govbus.document.decision import SourcePosition
from govbus.errors import FencedError, MissingPartError
from govbus.service.catalogue.documents import Document
from govbus.service.catalogue.items import Item, Kind
from govbus.service.catalogue.query import RESULTS_MAX, Query, match_expression, plain
from govbus.service.database_errors import database_errors
from govbus.transport.base import TopicPartition

BUSY_TIMEOUT_S: Final = 5.0
FACET_VALUES_MAX: Final = 50
TITLE_WEIGHT: Final = 5.0
"""How much more a word in the title counts than one in the text (bm25)."""
_FORM: Final = 1
"""Of the tables below; a file of another form is made again."""

_TABLES: Final = (
    """CREATE TABLE item (
      number INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, source TEXT NOT NULL, title TEXT NOT NULL,
      classification TEXT, access_level TEXT, from_ms INTEGER, to_ms INTEGER, detail TEXT NOT NULL,
      UNIQUE (kind, id, source))""",
    "CREATE TABLE label (item INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, "
    "PRIMARY KEY (item, name, value)) WITHOUT ROWID",
    "CREATE INDEX label_value ON label (name, value, item)",
    "CREATE VIRTUAL TABLE words USING fts5 (title, text, tokenize = 'unicode61 remove_diacritics 2', "
    "prefix = '2 3')",
    """CREATE TABLE document (
      item INTEGER PRIMARY KEY, supplier TEXT NOT NULL, record_id TEXT, is_test INTEGER NOT NULL, id TEXT NOT NULL,
      decided_ms INTEGER NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, record_offset INTEGER NOT NULL)""",
    "CREATE INDEX document_record ON document (supplier, is_test, record_id)",
    "CREATE INDEX document_id ON document (id)",
    "CREATE TABLE link (item INTEGER NOT NULL, target TEXT NOT NULL, PRIMARY KEY (item, target)) WITHOUT ROWID",
    "CREATE INDEX link_target ON link (target)",
    """CREATE TABLE position (
      topic TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL,
      PRIMARY KEY (topic, partition)) WITHOUT ROWID""",
    "CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    f"PRAGMA user_version = {_FORM}",
)


class Found(NamedTuple):
    """One result."""

    kind: str
    id: str
    title: str
    classification: str | None
    access_level: str | None
    from_ms: int | None
    to_ms: int | None
    detail: Mapping[str, Any]


class Results(NamedTuple):
    """What a query found."""

    matches: int
    """How many matched; no more than asked for are in `items`."""
    items: tuple[Found, ...]
    facets: Mapping[str, Mapping[str, int]]
    """How many of all that matched have each value, by facet and value, the most frequent first."""


class Reuse(NamedTuple):
    """Two documents of one supplier with one record_id and no relation between them that says why (rule REC-1)."""

    supplier: str
    earlier_id: str
    later_id: str
    topic: str
    partition: int
    offset: int
    """Where the later one stands in the outbox."""


class CatalogueDatabase:
    """One index. Safe for several threads."""

    def __init__(self, path: Path | str) -> None:
        """Open or create the file; ``:memory:`` keeps nothing.

        Raises:
            MissingPartError: if this Python's SQLite has no full-text search.
            SourceUnavailableError: if another process holds the file.
            AdapterError: if it is no database, or cannot be written.
        """
        self._lock = threading.RLock()
        with _database_errors():
            self._connection = sqlite3.connect(
                path, timeout=BUSY_TIMEOUT_S, check_same_thread=False, isolation_level=None
            )
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.execute("PRAGMA secure_delete=ON")  # what is erased must not stay in free pages
            self._make_tables()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _make_tables(self) -> None:
        options = {row[0] for row in self._connection.execute("PRAGMA compile_options")}
        if "ENABLE_FTS5" not in options:
            raise MissingPartError(
                "SQLite of this Python has no full-text search (FTS5)",
                remedy="use a Python whose SQLite has it",
            )
        if self._connection.execute("PRAGMA user_version").fetchone()[0] == _FORM:
            return
        with self._transaction():
            for name in ("item", "label", "words", "document", "link", "position", "fact"):
                self._connection.execute(f"DROP TABLE IF EXISTS {name}")
            for statement in _TABLES:
                self._connection.execute(statement)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock, _database_errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    # What is in it.

    def replace_directory(self, items: Iterable[Item], version: str) -> bool:
        """Put the items of a directory in place of those there; return whether anything had to be done.

        Args:
            items: of `govbus.service.catalogue.items.directory_items`.
            version: tells one directory from another.
        """
        row = self._one("SELECT value FROM fact WHERE name = 'directory'")
        if row is not None and row[0] == version:
            return False
        with self._transaction():
            old = self._connection.execute(
                "SELECT number FROM item WHERE kind != ?", (Kind.DOCUMENT,)
            ).fetchall()
            for table, column in (("item", "number"), ("label", "item"), ("words", "rowid")):
                self._connection.executemany(f"DELETE FROM {table} WHERE {column} = ?", old)  # noqa: S608  # names of ours
            for item in items:
                self._add(item, "")
            self._connection.execute("INSERT OR REPLACE INTO fact VALUES ('directory', ?)", (version,))
        return True

    def add_documents(
        self,
        documents: Iterable[Document],
        source: TopicPartition,
        *,
        start: int | None,
        end: int,
        erased: Collection[SourcePosition] = (),
    ) -> int:
        """Add documents, forget erased ones and move on in the log, or do nothing; return how many were new.

        Args:
            documents: of consecutive entries of one log partition.
            source: that partition.
            start: the stored next offset that this builds on; None where none is stored yet.
            end: the next offset after it.
            erased: outbox records whose content was erased.

        Raises:
            FencedError: if another process has moved on from `start`.
        """
        new = 0
        with self._transaction():
            if self.next_offset(source) != start:
                raise FencedError(f"{source.topic}/{source.partition}: another process has indexed this")
            for document in documents:
                new += self._add_document(document)
            for place in erased:
                self._forget(place)
            self._connection.execute("INSERT OR REPLACE INTO position VALUES (?,?,?)", (*source, end))
        if erased:
            self._sweep()
        return new

    def _forget(self, place: SourcePosition) -> None:
        """Delete everything that is known of the document in an outbox record."""
        numbers = self._connection.execute(
            "SELECT item FROM document WHERE topic = ? AND partition = ? AND record_offset = ?", place
        ).fetchall()
        for table, column in (
            ("item", "number"),
            ("label", "item"),
            ("words", "rowid"),
            ("link", "item"),
            ("document", "item"),
        ):
            self._connection.executemany(f"DELETE FROM {table} WHERE {column} = ?", numbers)  # noqa: S608  # names of ours

    def _sweep(self) -> None:
        """Leave no octet of what was deleted in the files: neither in the word index nor in the write-ahead log."""
        with self._transaction():
            self._connection.execute("INSERT INTO words (words) VALUES ('optimize')")
        with self._lock, _database_errors():
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def next_offset(self, source: TopicPartition) -> int | None:
        """Return the offset of the log to read next, or None where the partition was never read."""
        row = self._one("SELECT next_offset FROM position WHERE topic = ? AND partition = ?", source)
        return None if row is None else int(row[0])

    def _add_document(self, document: Document) -> int:
        source = str(document.item.detail["origin"])
        number = self._add(document.item, source)
        if number is None:
            return 0
        self._connection.execute(
            "INSERT INTO document VALUES (?,?,?,?,?,?,?,?,?)",
            (
                number,
                document.supplier,
                document.record_id,
                document.is_test,
                document.item.id,
                document.decided_ms,
                *document.source,
            ),
        )
        self._connection.executemany(
            "INSERT OR IGNORE INTO link VALUES (?,?)", [(number, target) for target in document.linked]
        )
        return 1

    def _add(self, item: Item, source: str) -> int | None:
        cursor = self._connection.execute(
            "INSERT OR IGNORE INTO item (kind, id, source, title, classification, access_level, from_ms, to_ms, "
            "detail) VALUES (?,?,?,?,?,?,?,?,?)",
            (
                item.kind,
                item.id,
                source,
                item.title,
                item.classification,
                item.access_level,
                item.from_ms,
                item.to_ms,
                json.dumps(item.detail, ensure_ascii=False),
            ),
        )
        if cursor.rowcount != 1:
            return None
        number = cursor.lastrowid
        self._connection.execute(
            "INSERT INTO words (rowid, title, text) VALUES (?,?,?)", (number, item.title, item.text)
        )
        labels = [("agency", one) for one in item.agencies] + [("topic", one) for one in item.topics]
        self._connection.executemany(
            "INSERT OR IGNORE INTO label VALUES (?,?,?)", [(number, *label) for label in labels]
        )
        return number

    # What is asked of it.

    def search(self, query: Query) -> Results:
        """Return what matches, the best first, with counts over all that matches.

        Raises:
            ConfigError: if the words cannot be looked for.
        """
        condition, values = _condition(query)
        rank = f"bm25(words, {TITLE_WEIGHT}, 1.0), " if match_expression(query.words) is not None else ""
        limit = max(0, min(query.results_max, RESULTS_MAX))
        with self._lock, _database_errors():
            count = self._connection.execute(f"SELECT count(*) FROM {condition}", values).fetchone()[0]  # noqa: S608  # built of our own texts; what users write is bound
            rows = self._connection.execute(
                "SELECT kind, id, item.title, classification, access_level, from_ms, to_ms, detail "  # noqa: S608  # as above
                f"FROM {condition} ORDER BY {rank}item.from_ms DESC, kind, id LIMIT ?",
                (*values, limit),
            ).fetchall()
            facets = {name: self._facet(name, condition, values) for name in _FACETS}
        return Results(count, tuple(_found(row) for row in rows), facets)

    def _facet(self, name: str, condition: str, values: list[Any]) -> dict[str, int]:
        if name in _LABELS:
            text = (
                f"SELECT value, count(*) FROM label WHERE name = ? AND item IN (SELECT number FROM {condition}) "  # noqa: S608  # built of our own texts
                "GROUP BY value ORDER BY 2 DESC, 1 LIMIT ?"
            )
            rows = self._connection.execute(text, (name, *values, FACET_VALUES_MAX))
        else:
            text = (
                f"SELECT {name}, count(*) FROM {condition} AND {name} IS NOT NULL "  # noqa: S608  # built of our own texts
                "GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ?"
            )
            rows = self._connection.execute(text, (*values, FACET_VALUES_MAX))
        return {str(value): int(count) for value, count in rows}

    def get(self, kind: Kind, id_text: str) -> tuple[Found, ...]:
        """Return what has this id; several documents may, each of another origin."""
        with self._lock, _database_errors():
            rows = self._connection.execute(
                "SELECT kind, id, title, classification, access_level, from_ms, to_ms, detail FROM item "
                "WHERE kind = ? AND id = ? ORDER BY source LIMIT ?",
                (kind, plain(id_text), RESULTS_MAX),
            ).fetchall()
        return tuple(_found(row) for row in rows)

    def reuses(self, results_max: int = RESULTS_MAX) -> list[Reuse]:
        """Return record ids that a supplier used again without saying that one record replaces the other (REC-1).

        Tests are compared with tests alone. A document after the first is fine once a relation leads from it to
        their record_id or to another of them, or from another of them to it.
        """
        text = """
            WITH ordered AS (
              SELECT *, first_value(id) OVER same AS first_id, row_number() OVER same AS place
              FROM document WHERE record_id IS NOT NULL
              WINDOW same AS (PARTITION BY supplier, is_test, record_id
                              ORDER BY decided_ms, topic, partition, record_offset))
            SELECT supplier, first_id, id, topic, partition, record_offset FROM ordered AS later
            WHERE place > 1
              AND NOT EXISTS (SELECT 1 FROM link WHERE link.item = later.item AND link.target = later.record_id)
              AND NOT EXISTS (
                SELECT 1 FROM link JOIN document AS other ON other.id = link.target
                WHERE link.item = later.item AND other.item != later.item AND other.supplier = later.supplier
                  AND other.is_test = later.is_test AND other.record_id = later.record_id)
              AND NOT EXISTS (
                SELECT 1 FROM link JOIN document AS other ON other.item = link.item
                WHERE link.target = later.id AND other.item != later.item AND other.supplier = later.supplier
                  AND other.is_test = later.is_test AND other.record_id = later.record_id)
            ORDER BY supplier, decided_ms, topic, partition, record_offset LIMIT ?"""
        with self._lock, _database_errors():
            rows = self._connection.execute(text, (min(results_max, RESULTS_MAX),)).fetchall()
        return [Reuse(*row) for row in rows]

    def _one(self, text: str, values: tuple[Any, ...] = ()) -> Any:
        with self._lock, _database_errors():
            return self._connection.execute(text, values).fetchone()


_LABELS: Final = frozenset({"agency", "topic"})
_FACETS: Final = ("kind", "agency", "topic", "classification", "access_level")


def _condition(query: Query) -> tuple[str, list[Any]]:
    """Return what stands behind FROM, with places for values, and the values."""
    parts: list[str] = ["1"]
    values: list[Any] = []
    tables = "item"
    expression = match_expression(query.words)
    if expression is not None:
        tables = "words JOIN item ON item.number = words.rowid"
        parts.append("words MATCH ?")
        values.append(expression)
    if query.kinds:
        parts.append(f"kind IN ({', '.join('?' * len(query.kinds))})")
        values += query.kinds
    if query.agency is not None:
        parts.append("EXISTS (SELECT 1 FROM label WHERE item = number AND name = 'agency' AND value = ?)")
        values.append(plain(query.agency))
    if query.topic is not None:
        topic = plain(query.topic)
        comparison = "value = ?" if "/" in topic else "substr(value, instr(value, '/') + 1) = ?"
        parts.append(f"EXISTS (SELECT 1 FROM label WHERE item = number AND name = 'topic' AND {comparison})")  # noqa: S608  # built of our own texts
        values.append(topic)
    for column, value in (("classification", query.classification), ("access_level", query.access_level)):
        if value is not None:
            parts.append(f"{column} = ?")
            values.append(plain(value))
    if query.from_ms is not None:
        parts.append("to_ms >= ?")
        values.append(query.from_ms)
    if query.to_ms is not None:
        parts.append("from_ms <= ?")
        values.append(query.to_ms)
    return f"{tables} WHERE {' AND '.join(parts)}", values


def _found(row: tuple[Any, ...]) -> Found:
    kind, identifier, title, classification, access_level, from_ms, to_ms, detail = row
    return Found(kind, identifier, title, classification, access_level, from_ms, to_ms, json.loads(detail))


def _database_errors() -> contextlib.AbstractContextManager[None]:
    return database_errors(
        "the catalogue's index",
        remedy="delete the file: it is made again from the directory and the message log",
    )
