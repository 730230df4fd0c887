"""The memory of a witness, on disk: the latest checkpoint of every log, and what it refused to cosign.

SQLite with full durability. A witness that forgot what it cosigned would cosign a second history, so a memory is made
once, together with the keys, and never made anew for keys that were in use. The file itself refuses to go back.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from govbus.errors import ConfigError
from govbus.message_log.checkpoint import Checkpoint
from govbus.message_log.witness import Decision, Latest

REFUSED_KEPT_MAX = 1000
"""Signed checkpoints kept for each log although they were refused, of forks and of others; the first ones, which show
where it began."""
BUSY_TIMEOUT_S = 5.0

_FORMAT = 1
_SCHEMA = """
CREATE TABLE witness (vkey TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE latest (
  origin TEXT PRIMARY KEY, origin_hash TEXT NOT NULL UNIQUE, size INTEGER NOT NULL, root BLOB NOT NULL,
  time_s INTEGER NOT NULL, note TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE refused (
  origin TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, is_fork INTEGER NOT NULL,
  time_s INTEGER NOT NULL, reason TEXT NOT NULL, note TEXT NOT NULL, cosigned TEXT NOT NULL,
  PRIMARY KEY (origin, size, root)) WITHOUT ROWID;
CREATE TRIGGER latest_never_goes_back BEFORE UPDATE ON latest
  WHEN NEW.origin <> OLD.origin OR NEW.size < OLD.size OR NEW.time_s < OLD.time_s
    OR (NEW.size = OLD.size AND NEW.root <> OLD.root)
  BEGIN SELECT RAISE(ABORT, 'a witness never goes back'); END;
CREATE TRIGGER latest_is_never_forgotten BEFORE DELETE ON latest
  BEGIN SELECT RAISE(ABORT, 'a witness never forgets'); END;
"""


class Refused(NamedTuple):
    """A checkpoint that its log signed and that was not shown to have grown from the latest one."""

    origin: str
    size: int
    root: bytes
    is_fork: bool
    """Whether note and cosigned note prove two histories of the log; otherwise it may be the client's mistake."""
    time_s: int
    """When it was refused first, seconds since 1970."""
    reason: str
    note: str
    """Text and signatures of the log."""
    cosigned: str
    """The latest checkpoint that was cosigned until then; empty if there was none."""


class WitnessStore:
    """The memory of one witness; calls may come from any thread, and several processes may share the file."""

    def __init__(self, path: Path) -> None:
        """Open a memory that exists.

        Raises:
            ConfigError: if there is none, or the file is of something else.
        """
        self._lock = threading.Lock()
        if not path.is_file():
            raise ConfigError(
                f"{path}, the memory of the witness, is missing",
                remedy="bring it back as it was when the witness stopped; if it is lost, make a witness with new keys: "
                "one that forgot must not sign again",
            )
        try:
            self._connection = _connect(path, mode="rw")
            (found,) = self._connection.execute("PRAGMA user_version").fetchone()
        except sqlite3.Error as err:
            raise ConfigError(f"{path} cannot be used as the memory of a witness: {err}") from err
        if found != _FORMAT:
            self._connection.close()
            raise ConfigError(f"{path} is no memory of a witness, or of another version of govbus")

    @classmethod
    def make(cls, path: Path, vkeys: tuple[str, ...]) -> WitnessStore:
        """Make an empty memory for new keys.

        Raises:
            ConfigError: if the file exists.
        """
        try:
            path.touch(mode=0o600, exist_ok=False)
        except FileExistsError as err:
            raise ConfigError(f"{path} exists", remedy="a witness's memory is never overwritten") from err
        connection = _connect(path, mode="rw")
        connection.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version = {_FORMAT};COMMIT;")
        connection.executemany("INSERT INTO witness VALUES (?)", [(vkey,) for vkey in vkeys])
        connection.close()
        return cls(path)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def require_keys(self, vkeys: tuple[str, ...]) -> None:
        """Check that this is the memory of these very keys.

        Raises:
            ConfigError: if it was made for others.
        """
        with self._lock:
            found = {vkey for (vkey,) in self._connection.execute("SELECT vkey FROM witness")}
        if found != set(vkeys):
            raise ConfigError(
                "the memory of the witness was made for other keys",
                remedy="keys and memory are made together and stay together",
            )

    @property
    def vkeys(self) -> tuple[str, ...]:
        """Verifier keys that this memory belongs to."""
        with self._lock:
            return tuple(
                vkey for (vkey,) in self._connection.execute("SELECT vkey FROM witness ORDER BY vkey")
            )

    def latest(self, origin: str) -> Latest | None:
        """Return the latest checkpoint of a log that was cosigned, or None."""
        with self._lock:
            return self._latest("origin", origin)

    def latest_by_hash(self, origin_hash: str) -> Latest | None:
        """Return the same by the lower-case hex SHA-256 of the log's origin."""
        with self._lock:
            return self._latest("origin_hash", origin_hash)

    def all_latest(self) -> dict[str, Latest]:
        """Return the latest checkpoint of every log, by origin."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT origin, size, root, time_s, note FROM latest ORDER BY origin"
            )
            return {origin: Latest(*fields) for origin, *fields in rows}

    def decide(self, origin: str, decide: Callable[[Latest | None], Decision]) -> Decision:
        """Look up the latest checkpoint of a log, decide, and store the new one: all or nothing, and durably.

        Args:
            origin: of the log.
            decide: takes the latest checkpoint, None if there is none.

        Returns:
            The decision; once it is returned, it survives the end of the process and of the machine.
        """
        with self._transaction():
            decision = decide(self._latest("origin", origin))
            latest = decision.latest
            if latest is not None:
                self._connection.execute(
                    "INSERT INTO latest VALUES (?,?,?,?,?,?) ON CONFLICT (origin) DO UPDATE SET "
                    "size = excluded.size, root = excluded.root, time_s = excluded.time_s, note = excluded.note",
                    (origin, origin_hash(origin), latest.size, latest.root, latest.time_s, latest.note),
                )
        return decision

    def keep_refused(
        self, checkpoint: Checkpoint, note: str, *, is_fork: bool, reason: str, at_s: int
    ) -> bool:
        """Keep a signed checkpoint that was refused, beside the latest one that was cosigned.

        Returns:
            Whether it is kept and was not known before.
        """
        origin, size, root = checkpoint.origin, checkpoint.size, checkpoint.root
        with self._transaction():
            latest = self._latest("origin", origin)
            (count,) = self._connection.execute(
                "SELECT COUNT(*) FROM refused WHERE origin = ? AND is_fork = ?", (origin, is_fork)
            ).fetchone()
            if count >= REFUSED_KEPT_MAX:
                return False
            changed = self._connection.execute(
                "INSERT INTO refused VALUES (?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET is_fork = TRUE, "
                "time_s = excluded.time_s, reason = excluded.reason, note = excluded.note, "
                "cosigned = excluded.cosigned WHERE excluded.is_fork AND NOT is_fork",
                (origin, size, root, is_fork, at_s, reason, note, latest.note if latest is not None else ""),
            )
            return changed.rowcount > 0

    def refused(self) -> list[Refused]:
        """Return what was kept of the refused, by origin and time."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT origin, size, root, is_fork, time_s, reason, note, cosigned FROM refused "
                "ORDER BY origin, time_s, size"
            )
            return [
                Refused(origin, size, root, bool(is_fork), *rest)
                for origin, size, root, is_fork, *rest in rows
            ]

    def _latest(self, column: str, value: str) -> Latest | None:
        row = self._connection.execute(
            f"SELECT size, root, time_s, note FROM latest WHERE {column} = ?",  # noqa: S608  # one of two names above
            (value,),
        ).fetchone()
        return Latest(*row) if row is not None else None

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """Hold the one write lock of the file, whoever else has it open, from the first look to the last write."""
        with self._lock, self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            yield


def origin_hash(origin: str) -> str:
    """Return the lower-case hex SHA-256 of a log's origin: its place under the monitoring prefix."""
    return hashlib.sha256(origin.encode("utf-8")).hexdigest()


def _connect(path: Path, *, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        check_same_thread=False,
        isolation_level=None,
        timeout=BUSY_TIMEOUT_S,
    )
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    return connection
