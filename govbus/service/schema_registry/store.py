"""The registry's memory: one SQLite file, written by one process, durable with every commit.

Every schema has one id, but a content may have several: one that the directory fixed, and one that a client got
before the directory had it. Ids are never given twice, not even when a schema was deleted for good.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from govbus.errors import ConfigError
from govbus.schemas.catalog import DOCUMENT_SCHEMA_ID_MAX

CLIENT_SCHEMA_ID_MIN: Final = DOCUMENT_SCHEMA_ID_MAX + 1
"""Smaller ids are the bus's own and the directory's."""
GLOBAL: Final = ""
"""The subject of settings for all subjects."""
BUSY_TIMEOUT_S: Final = 5.0

_TABLES = (
    """CREATE TABLE IF NOT EXISTS schema (
      id INTEGER PRIMARY KEY, hash TEXT NOT NULL, text TEXT NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS schema_hash ON schema (hash)",
    """CREATE TABLE IF NOT EXISTS version (
      subject TEXT NOT NULL, version INTEGER NOT NULL, id INTEGER NOT NULL REFERENCES schema (id),
      is_deleted INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (subject, version)) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS version_id ON version (id)",
    "CREATE TABLE IF NOT EXISTS setting (subject TEXT, kind TEXT, value TEXT NOT NULL, PRIMARY KEY (subject, kind))",
    "CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL)",
)
_VERSIONS = """SELECT subject, version, version.id, is_deleted, hash, text
  FROM version JOIN schema ON schema.id = version.id"""


class StoredSchema(NamedTuple):
    """A schema by its id."""

    id: int
    hash: str
    """Hex SHA-256 of the canonical JSON."""
    text: str
    """As it was registered first."""

    @property
    def definition(self) -> Any:
        """The schema as JSON values."""
        return json.loads(self.text)


class StoredVersion(NamedTuple):
    """A version of a subject."""

    subject: str
    version: int
    id: int
    is_deleted: bool
    """Deleted, but not for good."""
    hash: str
    text: str

    @property
    def definition(self) -> Any:
        """The schema as JSON values."""
        return json.loads(self.text)


class RegistryStore:
    """The tables. Use it from one thread; every change belongs inside `transaction`."""

    def __init__(self, path: Path | str) -> None:
        """Open or create the file.

        Raises:
            ConfigError: if it cannot be opened, is no such database, or is in use by another registry.
        """
        try:
            self._connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
                self._connection.execute(f"PRAGMA {pragma}")
            with self.transaction():
                for statement in _TABLES:
                    self._connection.execute(statement)
        except sqlite3.Error as err:
            raise ConfigError(f"{path} cannot be used as the registry's database: {err}") from err

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Make all changes inside durable together, or none of them."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def schema(self, schema_id: int) -> StoredSchema | None:
        """Return the schema with an id, or None."""
        row = self._one("SELECT id, hash, text FROM schema WHERE id = ?", schema_id)
        return None if row is None else StoredSchema(*row)

    def schema_by_hash(self, prefix: str) -> StoredSchema | None:
        """Return the schema of a content, or None; the lowest id where there are several.

        Args:
            prefix: the hash, or as much of it as a GUID holds.
        """
        row = self._one(
            "SELECT id, hash, text FROM schema WHERE hash >= ? AND hash < ? ORDER BY id LIMIT 1",
            prefix,
            prefix + "g",  # comes after every hex digit
        )
        return None if row is None else StoredSchema(*row)

    def put_schema(self, schema: StoredSchema) -> None:
        """Keep a schema under its id."""
        self._connection.execute("INSERT INTO schema VALUES (?, ?, ?)", schema)
        if schema.id >= CLIENT_SCHEMA_ID_MIN:
            self._connection.execute(
                "INSERT INTO counter VALUES ('id', ?1) ON CONFLICT DO UPDATE SET value = max(value, ?1)",
                (schema.id,),
            )

    def next_schema_id(self) -> int:
        """Return the id for a client's new schema."""
        return self.counter("id", CLIENT_SCHEMA_ID_MIN - 1) + 1

    def schema_id_max(self) -> int:
        """Return the largest id in use, 0 where there is none."""
        row = self._one("SELECT coalesce(max(id), 0) FROM schema")
        return int(row[0]) if row is not None else 0

    def subjects(self, prefix: str = "") -> list[tuple[str, bool]]:
        """Return every subject with such a name, and whether all of its versions are deleted."""
        rows = self._connection.execute(
            "SELECT subject, min(is_deleted) FROM version WHERE substr(subject, 1, ?) = ? GROUP BY subject",
            (len(prefix), prefix),
        )
        return [(subject, bool(is_deleted)) for subject, is_deleted in rows]

    def subject_count(self) -> int:
        """Return the number of subjects, deleted ones included."""
        row = self._one("SELECT count(DISTINCT subject) FROM version")
        return int(row[0]) if row is not None else 0

    def versions(self, subject: str) -> list[StoredVersion]:
        """Return all versions of a subject in order, deleted ones included."""
        rows = self._connection.execute(f"{_VERSIONS} WHERE subject = ? ORDER BY version", (subject,))
        return [_version(row) for row in rows]

    def all_versions(self, prefix: str = "") -> list[StoredVersion]:
        """Return all versions of all subjects with such a name, by subject and version."""
        rows = self._connection.execute(
            f"{_VERSIONS} WHERE substr(subject, 1, ?) = ? ORDER BY subject, version", (len(prefix), prefix)
        )
        return [_version(row) for row in rows]

    def versions_of_schema(self, schema_id: int) -> list[StoredVersion]:
        """Return where a schema stands, by subject and version."""
        rows = self._connection.execute(
            f"{_VERSIONS} WHERE version.id = ? ORDER BY subject, version", (schema_id,)
        )
        return [_version(row) for row in rows]

    def put_version(self, subject: str, version: int, schema_id: int) -> None:
        """Make a schema a version of a subject."""
        self._connection.execute(
            "INSERT INTO version (subject, version, id) VALUES (?, ?, ?)", (subject, version, schema_id)
        )

    def mark_deleted(self, subject: str, versions: Sequence[int]) -> None:
        """Delete versions, but not for good."""
        self._connection.executemany(
            "UPDATE version SET is_deleted = 1 WHERE subject = ? AND version = ?",
            [(subject, version) for version in versions],
        )

    def erase(self, subject: str, versions: Sequence[int]) -> None:
        """Delete versions for good, and the schemas that stand nowhere else."""
        self._connection.executemany(
            "DELETE FROM version WHERE subject = ? AND version = ?",
            [(subject, version) for version in versions],
        )
        self._connection.execute("DELETE FROM schema WHERE id NOT IN (SELECT id FROM version)")

    def setting(self, subject: str, kind: str) -> str | None:
        """Return a setting of a subject, or of all (`GLOBAL`); None where it has none of its own."""
        row = self._one("SELECT value FROM setting WHERE subject = ? AND kind = ?", subject, kind)
        return None if row is None else str(row[0])

    def put_setting(self, subject: str, kind: str, value: str | None) -> None:
        """Change a setting; None takes it away."""
        self._connection.execute("DELETE FROM setting WHERE subject = ? AND kind = ?", (subject, kind))
        if value is not None:
            self._connection.execute("INSERT INTO setting VALUES (?, ?, ?)", (subject, kind, value))

    def counter(self, name: str, start: int = 0) -> int:
        """Return a counter."""
        row = self._one("SELECT value FROM counter WHERE name = ?", name)
        return start if row is None else int(row[0])

    def put_counter(self, name: str, value: int) -> None:
        """Set a counter."""
        self._connection.execute(
            "INSERT INTO counter VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
            (name, value),
        )

    def _one(self, query: str, *arguments: object) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._connection.execute(query, arguments).fetchone()
        return row


def _version(row: tuple[Any, ...]) -> StoredVersion:
    subject, version, schema_id, is_deleted, digest, text = row
    return StoredVersion(subject, version, schema_id, bool(is_deleted), digest, text)
