"""Says which process signs from a folder of state, so that only one does."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import TracebackType
from typing import Self

from govbus.errors import ConfigError


class StateLock:
    """Held by the one log service of a folder; a context manager.

    SQLite's own lock on an empty file beside the state: the operating system drops it with the process, ``kill -9``
    included.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "log.lock"
        self._connection: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        connection = sqlite3.connect(self._file, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as err:
            connection.close()
            raise ConfigError(
                f"{self._file} cannot be locked: {err}",
                remedy="stop the other log service of this folder: two would sign two histories",
            ) from err
        self._connection = connection
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
