"""Tiles of a tree in a folder, written so that a part is there whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from govbus.errors import LogIntegrityError, MissingPartError
from govbus.message_log.tiles import parse_path

NO_PLAIN_FILE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.ENXIO}


class FolderTiles:
    """The tiles and entry bundles of one log below a folder: its C2SP ``tlog-tiles`` prefix."""

    def __init__(self, folder: Path, *, is_durable: bool = True, base: Path | None = None) -> None:
        """Use a folder; it is made when the first part is written.

        Args:
            folder: the prefix, such as ``tiles/bus.example/log/3``.
            is_durable: force every part to disk at once; False where the caller does so for many together.
            base: another prefix, to read from what this one lacks.
        """
        self.folder = folder
        self._base = base
        self._is_durable = is_durable

    def read(self, path: str) -> bytes:
        """Return one part.

        Raises:
            MissingPartError: if it is not there.
        """
        parse_path(path)
        target = self.folder / path
        if self._base is not None and not target.exists():
            target = self._base / path
        try:
            with open(target, "rb", opener=opened_plainly) as file:
                return file.read()
        except OSError as err:
            if err.errno in NO_PLAIN_FILE:
                raise MissingPartError(f"{target} is not there, or is no plain file") from err
            raise

    def write(self, path: str, octets: bytes) -> bool:
        """Write one part, unless it is there with the same bytes.

        Returns:
            Whether it was not there before.

        Raises:
            LogIntegrityError: if it is there with other bytes; what was published never changes.
        """
        parse_path(path)
        target = self.folder / path
        try:
            existing = target.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            write_whole(target, octets, is_durable=self._is_durable)
            return True
        if existing != octets:
            raise LogIntegrityError(
                f"{target} holds other bytes than the log has now",
                remedy="keep both and find out who changed the log or the folder",
            )
        return False


def opened_plainly(path: str, flags: int) -> int:
    """Open a file, but no link, pipe or device: a folder from elsewhere must not lead out of itself, or never end."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise IsADirectoryError(errno.EISDIR, "not a plain file", path)
    return descriptor


def write_whole(target: Path, octets: bytes, *, is_durable: bool = True) -> None:
    """Write a file so that it is there whole or not at all, whatever fails meanwhile.

    Args:
        target: the file; its folders are made.
        octets: its content.
        is_durable: on disk when this returns, not only in the system's cache.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        with temporary.open("wb") as file:
            file.write(octets)
            if is_durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if is_durable:
        sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Force a folder's list of names to disk, without which a rename may be forgotten in a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
