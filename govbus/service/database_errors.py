"""The errors of SQLite files, in the words of who uses them."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

from govbus.errors import AdapterError, SourceUnavailableError

_PRIMARY_CODE = 0xFF
"""Low byte of an SQLite error code; what is above it tells kinds of the same apart."""


@contextlib.contextmanager
def database_errors(name: str, *, remedy: str) -> Iterator[None]:
    """Convert the errors of SQLite: a file that another holds passes, everything else needs a person.

    Args:
        name: whose file it is, such as ``the consumer's database``.
        remedy: what to do where it cannot be used.

    Raises:
        SourceUnavailableError: if another process holds the file.
        AdapterError: if it cannot be used.
    """
    try:
        yield
    except sqlite3.Error as err:
        code = getattr(err, "sqlite_errorcode", 0) & _PRIMARY_CODE
        if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            raise SourceUnavailableError(f"{name} is held by another process") from err
        raise AdapterError(f"{name} cannot be used: {err}", remedy=remedy) from err
