"""How a segment comes into an archive: prepared aside, then moved into place so that it is there whole or not at all.

Everything is written below ``.staging/<segment>`` and forced to disk, and then marked as ready. What is ready is
moved file by file; a crash in between is made good at the next start, because moving again does no harm. What is not
ready is thrown away. The segment's folder comes last, so that whoever reads sees it only when all else is there.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from govbus.audit.archive import layout
from govbus.audit.archive.manifest import Manifest
from govbus.audit.archive.tile_folder import sync_folder, write_whole
from govbus.errors import ConfigError, LogIntegrityError

READY, LOCK = "ready", "lock"
_SYNC_THREADS = 8
"""Files are forced to disk side by side: a disk takes many requests at once better than one after the other."""


class ArchiveLock:
    """Keeps a second writer out of an archive; ends with the process at the latest."""

    def __init__(self, archive: Path) -> None:
        self._path = archive / layout.STAGING / LOCK
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            ConfigError: if another process has it.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as err:
            file.close()
            raise ConfigError(
                f"another process writes to {self._path.parent.parent}", remedy="let one writer run at a time"
            ) from err
        self._file = file
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def staging_path(archive: Path, number: int) -> Path:
    """Return the folder in which a segment is prepared, laid out like the archive itself."""
    return archive / layout.STAGING / f"{number:08}"


def ready_segments(archive: Path) -> list[int]:
    """Return the segments that were prepared but perhaps not moved into place yet."""
    staging = archive / layout.STAGING
    if not staging.is_dir():
        return []
    return sorted(int(path.parent.name) for path in staging.glob(f"[0-9]*/{READY}"))


def recover(archive: Path) -> list[int]:
    """Move into place what was ready when a writer ended, and throw away what was not.

    Returns:
        Numbers of the segments that came into place.

    Raises:
        LogIntegrityError: if the archive has other files in their places.
    """
    ready = ready_segments(archive)
    for number in ready:
        move_into_place(archive, number)
    for path in (archive / layout.STAGING).glob("[0-9]*"):
        shutil.rmtree(path)
    return ready


def mark_ready(archive: Path, number: int) -> None:
    """Force what was prepared to disk and mark it; from here on it comes into the archive, whatever happens."""
    folder = staging_path(archive, number)
    files, folders = [], [folder]
    for parent, names, file_names in os.walk(folder):
        folders += [Path(parent, name) for name in names]
        files += [Path(parent, name) for name in file_names]
    with ThreadPoolExecutor(_SYNC_THREADS) as pool:
        for _ in pool.map(_sync_file, files):
            pass
        for _ in pool.map(sync_folder, folders):
            pass
    write_whole(folder / READY, b"")
    sync_folder(folder.parent)


def move_into_place(archive: Path, number: int) -> None:
    """Move a segment that is ready into the archive.

    Raises:
        LogIntegrityError: if the archive has other files in their places.
    """
    staged = staging_path(archive, number)
    segment = layout.segment_path(number)
    if (staged / segment).is_dir():
        manifest = Manifest.from_bytes((staged / segment / layout.MANIFEST).read_bytes())
        tiles = [path for path in manifest.files if path.startswith(layout.TILES + "/")]
        folders = {_moved(staged, archive, path) for path in tiles}
        _sync_folders(folders, archive)
        if (archive / segment).exists():
            raise LogIntegrityError(f"{archive / segment} is there already")
        (archive / layout.SEGMENTS).mkdir(parents=True, exist_ok=True)
        (staged / segment).rename(archive / segment)
        _sync_folders({archive / layout.SEGMENTS}, archive)
    for checkpoint in sorted((staged / layout.TILES).rglob(layout.CHECKPOINT)):
        target = archive / checkpoint.relative_to(staged)
        target.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.replace(target)
        sync_folder(target.parent)
    shutil.rmtree(staged)
    sync_folder(staged.parent)


def _moved(staged: Path, archive: Path, path: str) -> Path:
    """Move one file of tiles and return the folder that it is in; a file never replaces one with other bytes."""
    source, target = staged / path, archive / path
    if source.exists():
        if target.exists() and target.read_bytes() != source.read_bytes():
            raise LogIntegrityError(
                f"{target} holds other bytes than the segment has",
                remedy="keep both and find out who wrote it",
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
    return target.parent


def _sync_folders(folders: Iterable[Path], archive: Path) -> None:
    """Force folders to disk, and all between them and the archive, some of which may be new."""
    chosen = {archive}
    for folder in folders:
        chosen.add(folder)
        chosen.update(parent for parent in folder.parents if parent.is_relative_to(archive))
    with ThreadPoolExecutor(_SYNC_THREADS) as pool:
        for _ in pool.map(sync_folder, sorted(chosen, reverse=True)):
            pass


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
