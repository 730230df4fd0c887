"""The spool's SQLite file: its tables, how it is opened, and how its errors become ours.

Documents lie in segments, the runs of one `put`: SQLite then takes one step for dozens of documents, which counts
twice, because every step gives the interpreter lock away to a busy event loop. A segment keeps statements apart from
the rest, so that sealing reads nothing else.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from govbus.document.ids import Origin
from govbus.errors import SpoolError, SpoolFullError

APPLICATION_ID: Final = 0x67627370
"""``gbsp``: tells a spool from other SQLite files."""
FORMAT_VERSION: Final = 2
"""2 keeps signatures over single statements beside those over a batch; a file of 1 is brought up when it is opened."""
PAGE_BYTES: Final = 32_768
"""Measured: half the time of the default 4096 at a kilobyte a document, and still small for a single one."""
BUSY_TIMEOUT_S: Final = 30.0
WAL_BYTES_KEPT: Final = 64 * 1024 * 1024
_FILE_MODE: Final = 0o600

_TABLES: Final = """
CREATE TABLE spool (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  origin TEXT NOT NULL,
  next_index INTEGER NOT NULL,
  sealed_next INTEGER NOT NULL,
  published_next INTEGER NOT NULL,
  put_bytes INTEGER NOT NULL,
  published_bytes INTEGER NOT NULL,
  last_statement_hash BLOB);
CREATE TABLE repeated_headers (id INTEGER PRIMARY KEY, lines BLOB NOT NULL UNIQUE);
CREATE TABLE segment (
  first_index INTEGER PRIMARY KEY,
  end_index INTEGER NOT NULL,
  time_ms INTEGER NOT NULL,
  end_bytes INTEGER NOT NULL,
  sizes BLOB NOT NULL,
  statements BLOB NOT NULL,
  contents BLOB NOT NULL);
CREATE TABLE seal (
  first_index INTEGER PRIMARY KEY,
  end_index INTEGER NOT NULL,
  batch BLOB,
  signatures BLOB NOT NULL,
  paths BLOB NOT NULL,
  own BLOB NOT NULL DEFAULT x'');
CREATE TABLE cursor (adapter TEXT PRIMARY KEY, cursor TEXT NOT NULL) WITHOUT ROWID;
"""
"""``spool`` has one row. ``put_bytes`` and ``published_bytes`` only grow; their difference waits. ``end_bytes`` is
``put_bytes`` after the segment."""


@contextmanager
def converted_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into `SpoolError`, a full disk into `SpoolFullError`."""
    try:
        yield
    except sqlite3.Error as err:
        code = getattr(err, "sqlite_errorcode", None)
        if code == sqlite3.SQLITE_FULL:
            raise SpoolFullError(
                f"the disk under spool {path} is full; nothing was taken", remedy="free some space"
            ) from err
        raise SpoolError(f"spool {path}: {err}") from err
    except OSError as err:
        raise SpoolError(f"spool {path}: {err.strerror or err}") from err


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Hold the write lock, then commit; roll back on any exception."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def connect(path: Path, origin: Origin, next_index: int | None) -> sqlite3.Connection:
    """Open the file of an origin, or create it.

    Args:
        path: of the file; missing folders are made, the file is readable by its owner alone.
        origin: whose documents it holds.
        next_index: index of the first document of a new spool; None where the spool must exist already.

    Raises:
        SpoolError: if the file is no spool of this origin, or does not exist and `next_index` is None.
    """
    with converted_errors(path):
        if next_index is None and not path.exists():
            raise _missing(path, origin)
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, _FILE_MODE))
        connection = sqlite3.connect(
            path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        try:
            _prepare(connection, path, origin, next_index)
        except BaseException:
            connection.close()
            raise
        return connection


def _prepare(connection: sqlite3.Connection, path: Path, origin: Origin, next_index: int | None) -> None:
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise SpoolError(
            f"spool {path}: the file system has no write-ahead log", remedy="put the spool on a local disk"
        )
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA fullfsync = ON")  # macOS: fsync alone does not reach the disk there
    connection.execute("PRAGMA checkpoint_fullfsync = ON")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}")
    with transaction(connection):
        (application_id,) = connection.execute("PRAGMA application_id").fetchone()
        if application_id == 0 and not connection.execute("SELECT 1 FROM sqlite_schema").fetchone():
            if next_index is None:
                raise _missing(path, origin)
            _create(connection, origin, next_index)
        elif application_id == APPLICATION_ID:
            _bring_up(connection)
    _check(connection, path, origin, next_index)


def _create(connection: sqlite3.Connection, origin: Origin, next_index: int) -> None:
    for statement in _TABLES.split(";"):
        connection.execute(statement)
    connection.execute(
        "INSERT INTO spool VALUES (1, ?, ?, ?, ?, 0, 0, NULL)",
        (str(origin), next_index, next_index, next_index),
    )
    connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def _bring_up(connection: sqlite3.Connection) -> None:
    """Give a file of version 1 what version 2 has; its rows stay as they are, and are read as they were."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 1:
        connection.execute("ALTER TABLE seal ADD COLUMN own BLOB NOT NULL DEFAULT x''")
        connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")


def _check(connection: sqlite3.Connection, path: Path, origin: Origin, next_index: int | None) -> None:
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if (application_id, version) != (APPLICATION_ID, FORMAT_VERSION):
        raise SpoolError(
            f"{path} is not a spool of format {FORMAT_VERSION}", remedy="name another file for the spool"
        )
    found, found_next = connection.execute("SELECT origin, next_index FROM spool").fetchone()
    if found != str(origin):
        raise SpoolError(
            f"spool {path} belongs to origin {found}, not to {origin}",
            remedy="give each outbox a spool of its own",
        )
    if next_index is not None and next_index > found_next:
        raise SpoolError(
            f"spool {path} goes on at index {found_next}, not at {next_index}: it is older than what was sent",
            remedy="move the file aside and let a new spool start at the right index",
        )


def _missing(path: Path, origin: Origin) -> SpoolError:
    return SpoolError(
        f"there is no spool {path}, and an origin's indexes may not start again by accident",
        remedy=f"give next_index: 0 if {origin} never sent a document, else one above its last on the bus",
    )
