"""Says which process publishes from a spool, so that only one does.

Two publishers would do no harm that the router does not catch (they send the same bytes under the same indexes), but
twice the work and out of order. The lock is SQLite's own on an empty file beside the spool: the operating system drops
it with the process, ``kill -9`` included, and it works the same on every system that the spool works on.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import TracebackType
from typing import Self

from govbus.adapters.spool_database import converted_errors
from govbus.errors import SpoolError


class SpoolPublisherLock:
    """Held by the one publisher of a spool; a context manager."""

    def __init__(self, spool_path: Path) -> None:
        self._path = spool_path.with_name(spool_path.name + ".publisher")
        self._connection: sqlite3.Connection | None = None

    def acquire(self) -> None:
        """Take the lock, or fail at once.

        Raises:
            SpoolError: if another publisher holds it, or the file beside the spool cannot be made.
        """
        if not self.try_acquire():
            raise SpoolError(
                f"another process publishes from this spool (lock {self._path})",
                remedy="stop that one first; documents it has not published are kept",
            )

    def try_acquire(self) -> bool:
        """Take the lock and return True, or False at once where another publisher holds it.

        Raises:
            SpoolError: if the file beside the spool cannot be made.
        """
        with converted_errors(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._path, timeout=0, isolation_level=None, check_same_thread=False)
            try:
                connection.execute("BEGIN EXCLUSIVE")
            except sqlite3.Error as err:
                connection.close()
                if err.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                    return False
                raise
        self._connection = connection
        return True

    def release(self) -> None:
        """Let the lock go; nothing happens where it is not held."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        err: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
