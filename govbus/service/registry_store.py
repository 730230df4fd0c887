"""A registry store in SQLite, on a connection whose owner holds the transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter

from govbus.registry.record import (
    Entity,
    EntityId,
    Identifier,
    Link,
    RegistryCounts,
    Revision,
    SourceRecord,
    SourceRecordId,
)

_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS registry_record (
      number INTEGER PRIMARY KEY, source TEXT NOT NULL, record_id TEXT NOT NULL, time_ms INTEGER NOT NULL,
      document_id TEXT NOT NULL, identifiers TEXT NOT NULL, fields TEXT NOT NULL, entity INTEGER NOT NULL)""",
    "CREATE UNIQUE INDEX IF NOT EXISTS registry_record_id ON registry_record (source, record_id)",
    "CREATE INDEX IF NOT EXISTS registry_record_entity ON registry_record (entity)",
    """CREATE TABLE IF NOT EXISTS registry_claim (
      scheme TEXT NOT NULL, value TEXT NOT NULL, source TEXT NOT NULL, record_id TEXT NOT NULL,
      PRIMARY KEY (scheme, value, source, record_id)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS registry_link (
      scheme TEXT NOT NULL, value TEXT NOT NULL, left INTEGER NOT NULL, right INTEGER NOT NULL,
      PRIMARY KEY (scheme, value, left, right)) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS registry_link_left ON registry_link (left)",
    "CREATE INDEX IF NOT EXISTS registry_link_right ON registry_link (right)",
    """CREATE TABLE IF NOT EXISTS registry_contested (
      scheme TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (scheme, value)) WITHOUT ROWID""",
)
_LINKS = """
SELECT l.source, l.record_id, r.source, r.record_id, scheme, value
FROM registry_link JOIN registry_record l ON l.number = left JOIN registry_record r ON r.number = right
"""
_RECORDS = "SELECT source, record_id, time_ms, document_id, identifiers, fields FROM registry_record"


class SqliteRegistryStore:
    """A `RegistryStore` in SQLite. Changes become durable when the connection's owner commits."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Open the registry's tables, and create them where they are missing.

        Args:
            connection: whoever made it begins and ends the transactions.
        """
        self._connection = connection
        for statement in _SCHEMA:
            connection.execute(statement)

    def record(self, record_id: SourceRecordId) -> SourceRecord | None:
        """Return the record in the state that is in force, or None."""
        row = self._connection.execute(_RECORDS + " WHERE source = ? AND record_id = ?", record_id).fetchone()
        return _record(row) if row is not None else None

    def put_record(self, record: SourceRecord) -> None:
        """Keep a record and its claims in place of its former state."""
        execute = self._connection.execute
        former = self.record(record.id)
        texts = (
            *record.revision,
            json.dumps(record.identifiers, ensure_ascii=False),
            json.dumps(dict(record.fields), ensure_ascii=False),
        )
        if former is None:
            number = int(execute("SELECT coalesce(max(number), 0) + 1 FROM registry_record").fetchone()[0])
            execute(
                "INSERT INTO registry_record VALUES (?,?,?,?,?,?,?,?)", (number, *record.id, *texts, number)
            )
        else:
            execute(
                "UPDATE registry_record SET time_ms = ?, document_id = ?, identifiers = ?, fields = ?"
                " WHERE source = ? AND record_id = ?",
                (*texts, *record.id),
            )
            self._connection.executemany(
                "DELETE FROM registry_claim WHERE scheme = ? AND value = ? AND source = ? AND record_id = ?",
                [(*identifier, *record.id) for identifier in former.identifiers],
            )
        self._connection.executemany(
            "INSERT INTO registry_claim VALUES (?,?,?,?)",
            [(*identifier, *record.id) for identifier in record.identifiers],
        )

    def claimants(self, identifier: Identifier, records_max: int) -> Sequence[SourceRecordId]:
        """Return the records that claim an identifier, sorted, at most `records_max` of them."""
        rows = self._connection.execute(
            "SELECT source, record_id FROM registry_claim WHERE scheme = ? AND value = ?"
            " ORDER BY source, record_id LIMIT ?",
            (*identifier, records_max),
        )
        return [SourceRecordId(*row) for row in rows]

    def links_by(self, identifier: Identifier) -> Sequence[Link]:
        """Return the live links that the identifier makes, sorted."""
        return self._links(_LINKS + "WHERE scheme = ? AND value = ?", identifier)

    def links_of(self, record_id: SourceRecordId) -> Sequence[Link]:
        """Return the live links of a record, sorted."""
        number = self._number(record_id)
        return self._links(_LINKS + "WHERE left = ? OR right = ?", (number, number)) if number else []

    def _links(self, query: str, arguments: tuple[object, ...]) -> list[Link]:
        return sorted(
            Link(SourceRecordId(*row[:2]), SourceRecordId(*row[2:4]), Identifier(*row[4:]))
            for row in self._connection.execute(query, arguments)
        )

    def open_link(self, link: Link) -> None:
        """Make a link live."""
        ends = self.number(link.left), self.number(link.right)
        self._connection.execute("INSERT INTO registry_link VALUES (?,?,?,?)", (*link.identifier, *ends))

    def close_link(self, link: Link) -> None:
        """End a live link."""
        ends = self.number(link.left), self.number(link.right)
        self._connection.execute(
            "DELETE FROM registry_link WHERE scheme = ? AND value = ? AND left = ? AND right = ?",
            (*link.identifier, *ends),
        )

    def number(self, record_id: SourceRecordId) -> int:
        """Return a record's arrival number, from 1; `KeyError` where it is not there."""
        number = self._number(record_id)
        if number is None:
            raise KeyError(record_id)
        return number

    def _number(self, record_id: SourceRecordId) -> int | None:
        row = self._connection.execute(
            "SELECT number FROM registry_record WHERE source = ? AND record_id = ?", record_id
        ).fetchone()
        return int(row[0]) if row is not None else None

    def entity_of(self, record_id: SourceRecordId) -> EntityId:
        """Return the entity that a record is in; `KeyError` where it is not there."""
        row = self._connection.execute(
            "SELECT entity FROM registry_record WHERE source = ? AND record_id = ?", record_id
        ).fetchone()
        if row is None:
            raise KeyError(record_id)
        return EntityId(row[0])

    def entity(self, entity_id: EntityId) -> Entity | None:
        """Return the entity that a name leads to, or None where the name was never given."""
        rows = self._connection.execute(
            "SELECT entity, source, record_id FROM registry_record"
            " WHERE entity = (SELECT entity FROM registry_record WHERE number = ?)",
            entity_id,
        ).fetchall()
        if not rows:
            return None
        return Entity(EntityId(rows[0][0]), tuple(sorted(SourceRecordId(*row[1:]) for row in rows)))

    def assign(self, record_id: SourceRecordId, entity_id: EntityId) -> None:
        """Put a record into an entity."""
        self._connection.execute(
            "UPDATE registry_record SET entity = ? WHERE source = ? AND record_id = ?",
            (entity_id.founder, *record_id),
        )

    def set_contested(self, identifier: Identifier, *, is_contested: bool) -> None:
        """Remember whether an identifier links nothing."""
        self._connection.execute(
            "INSERT OR IGNORE INTO registry_contested VALUES (?,?)"
            if is_contested
            else "DELETE FROM registry_contested WHERE scheme = ? AND value = ?",
            identifier,
        )

    def contested_claims(self) -> Iterable[tuple[Identifier, SourceRecordId]]:
        """Iterate over the claims of identifiers that are contested, by identifier and then by record."""
        rows = self._connection.execute(
            "SELECT scheme, value, source, record_id FROM registry_contested JOIN registry_claim"
            " USING (scheme, value) ORDER BY scheme, value, source, record_id"
        )
        return ((Identifier(*row[:2]), SourceRecordId(*row[2:])) for row in rows)

    def counts(self) -> RegistryCounts:
        """Return how much the registry holds."""
        row = self._connection.execute(
            "SELECT (SELECT count(*) FROM registry_record),"
            " (SELECT count(DISTINCT entity) FROM registry_record),"
            " (SELECT count(*) FROM registry_link), (SELECT count(*) FROM registry_contested)"
        ).fetchone()
        return RegistryCounts(*row)

    def records(self) -> Iterable[SourceRecord]:
        """Iterate over all records, sorted by id."""
        return map(_record, self._connection.execute(_RECORDS + " ORDER BY source, record_id"))

    def entities(self) -> Iterator[Entity]:
        """Iterate over all entities, by id."""
        rows = self._connection.execute(
            "SELECT entity, source, record_id FROM registry_record ORDER BY entity, source, record_id"
        )
        for number, members in groupby(rows, key=itemgetter(0)):
            yield Entity(EntityId(number), tuple(SourceRecordId(*row[1:]) for row in members))


def _record(row: tuple[str, str, int, str, str, str]) -> SourceRecord:
    source, record_id, time_ms, document_id, identifiers, fields = row
    return SourceRecord(
        SourceRecordId(source, record_id),
        Revision(time_ms, document_id),
        tuple(Identifier(*pair) for pair in json.loads(identifiers)),
        json.loads(fields),
    )
