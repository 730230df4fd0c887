"""Rehashes in an archive: written whole or not at all, and checked against what the archive holds now."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cryptography import x509

from govbus.audit.archive import layout
from govbus.audit.archive.reader import Archive, read_part
from govbus.audit.archive.rehash import (
    FILES,
    READ_BYTES,
    VALUES,
    Progress,
    file_digest,
    opened,
    other_files,
    read_under_both,
    segment_files,
)
from govbus.audit.archive.renewals import STAMP_SUFFIX, STATEMENT, rehash_path, rehash_stamps
from govbus.audit.archive.tile_folder import sync_folder, write_whole
from govbus.errors import LogIntegrityError, MissingPartError
from govbus.message_log.second_tree import MARK_BYTES, NO_VALUE, LogRoots, RehashStatement


class MarkWriter:
    """Keeps the marks of all values in files, one for each log partition."""

    def __init__(self, folder: Path, files: ExitStack) -> None:
        """Write below a folder; the files are closed with the stack."""
        folder.mkdir(parents=True)
        self._folder = folder
        self._stack = files
        self._files: dict[int, IO[bytes]] = {}

    def take(self, partition: int, marks: list[bytes]) -> list[bytes]:
        """Write the next marks of one log partition."""
        if partition not in self._files:
            file = (self._folder / str(partition)).open("wb", buffering=READ_BYTES)
            self._files[partition] = self._stack.enter_context(file)
        self._files[partition].write(b"".join(marks))
        return marks


class MarkReader:
    """Compares marks with those that were kept; a value that was erased since counts as it was."""

    def __init__(self, folder: Path, files: ExitStack) -> None:
        """Read from a folder; the files are closed with the stack."""
        self.erased = 0
        """Values that were there when they were hashed, and are not any more."""
        self.changed: dict[int, int] = {}
        """Log partition to the index of the first value that is not what it was."""
        self._folder = folder
        self._stack = files
        self._files: dict[int, IO[bytes]] = {}
        self._next: dict[int, int] = {}

    def take(self, partition: int, marks: list[bytes]) -> list[bytes]:
        """Return the kept marks of one log partition, having compared them.

        Raises:
            MissingPartError: if they are not there.
        """
        if partition not in self._files:
            self._files[partition] = self._stack.enter_context(opened(self._folder / str(partition)))
        octets = self._files[partition].read(MARK_BYTES * len(marks))
        kept = [octets[at : at + MARK_BYTES] for at in range(0, MARK_BYTES * len(marks), MARK_BYTES)]
        start = self._next.get(partition, 0)
        self._next[partition] = start + len(marks)
        if kept != marks:
            for number, (old, new) in enumerate(zip(kept, marks, strict=True), start=start):
                if old != new and new == NO_VALUE:
                    self.erased += 1
                elif old != new:
                    self.changed.setdefault(partition, number)
        return kept


class RehashDraft:
    """A rehash being written; it is in the archive once it was stamped."""

    def __init__(self, archive: Archive) -> None:
        """Begin with an empty staging folder; the caller holds the archive's lock."""
        self._archive = archive
        self._folder = archive.folder / layout.STAGING / "rehash"
        if self._folder.exists():
            shutil.rmtree(self._folder)

    def read(self, until: int, *, progress: Progress) -> RehashStatement:
        """Read segments 1 to `until`, write the list of files and the marks, and return the statement.

        Raises:
            LogIntegrityError: if there is a rehash up to this segment, or the archive does not follow its format.
            MissingPartError: if a file is not there.
        """
        if (self._archive.folder / rehash_path(until)).exists():
            raise LogIntegrityError(f"{rehash_path(until)} is there already")
        with ExitStack() as files:
            marks = MarkWriter(self._folder / VALUES, files)
            count = 0
            with (self._folder / FILES).open("w", encoding="ascii", buffering=READ_BYTES) as listing:
                for path in other_files(self._archive, until):
                    listing.write(f"{file_digest(self._archive.folder / path)}  {path}\n")
                    count += 1
            digest = file_digest(self._folder / FILES)
            return read_under_both(self._archive, until, marks, (count, digest), progress=progress)

    def finish(self, statement: RehashStatement, responses: Mapping[str, bytes]) -> str:
        """Move it into place with the responses by name of the authority, and return its path below the archive."""
        write_whole(self._folder / STATEMENT, statement.to_bytes())
        for name, der in responses.items():
            write_whole(self._folder / f"{name}{STAMP_SUFFIX}", der)
        for path in (self._folder / FILES, *(self._folder / VALUES).iterdir()):
            sync_folder(path)  # a file is forced to disk in the same way
        sync_folder(self._folder / VALUES)
        sync_folder(self._folder)
        target = self._archive.folder / rehash_path(statement.segment)
        target.parent.mkdir(exist_ok=True)
        self._folder.rename(target)
        sync_folder(target.parent)
        sync_folder(self._archive.folder)
        return rehash_path(statement.segment)


@dataclass(slots=True)
class RehashCheck:
    """What a check of one rehash found."""

    statement: RehashStatement
    made_ms: int
    """Time of its earliest timestamp that verifies, milliseconds since 1970."""
    erased: int
    """Values that were there when they were hashed, and are not any more; the log must say why."""
    problems: list[str]


def check_rehash(
    archive: Archive,
    number: int,
    anchors: Sequence[x509.Certificate],
    *,
    progress: Progress = lambda _: None,
) -> RehashCheck:
    """Compute everything that a rehash states again, and compare.

    Args:
        archive: that it is of.
        number: of the last segment that it covers.
        anchors: certificates of timestamp authorities that are trusted.
        progress: told how many entries have been read.

    Raises:
        TimestampError: if the statement is malformed or has no timestamp that verifies.
        LogIntegrityError: if the entries have another SHA-256 root than the manifests say.
        MissingPartError: if a file is not there.
    """
    folder = archive.folder / rehash_path(number)
    # Step 1: the statement, and that an authority stamped it.
    statement = RehashStatement.from_bytes(read_part(folder / STATEMENT))
    stamps = rehash_stamps(archive, number, anchors)
    # Step 2: the other files.
    problems = list(_file_problems(archive, folder, number))
    # Step 3: entries and values, in one pass.
    with ExitStack() as files:
        marks = MarkReader(folder / VALUES, files)
        found = read_under_both(archive, number, marks, _listing(folder), progress=progress)
    problems += statement_problems(statement, found)
    problems += [
        f"log partition {partition}: the value of entry {index} is not what was hashed under SHA-512"
        for partition, index in sorted(marks.changed.items())
    ]
    return RehashCheck(statement, min(stamp.made_ms for stamp in stamps), marks.erased, problems)


def _listing(folder: Path) -> tuple[int, str]:
    with opened(folder / FILES) as file:
        count = sum(1 for _ in file)
    return count, file_digest(folder / FILES)


def _file_problems(archive: Archive, folder: Path, number: int) -> Iterator[str]:
    """Hash every listed file again, and see that the list names all of every segment."""
    listed: set[str] = set()
    with opened(folder / FILES) as file:
        for line in file:
            digest, _, path = line.decode("utf-8", "replace").rstrip("\n").partition("  ")
            if ".." in path or path.startswith("/"):
                yield f"{path[:80]!r} is not a path below the archive"
                continue
            listed.add(path)
            try:
                is_same = file_digest(archive.folder / path) == digest
            except MissingPartError:
                yield f"{path} is missing, and was hashed under SHA-512"
                continue
            if not is_same:
                yield f"{path} is not what was hashed under SHA-512"
    for path in segment_files(archive, number):
        if path not in listed:
            yield f"{path} was not hashed under SHA-512"


def statement_problems(expected: RehashStatement, found: RehashStatement) -> Iterator[str]:
    """Yield how an archive differs from what a statement says of it."""
    for what, old, new in (
        ("bus", expected.bus, found.bus),
        ("manifest of the last segment", expected.manifest, found.manifest),
        ("log of checkpoints", expected.heads, found.heads),
        ("files", expected.files, found.files),
    ):
        if old != new:
            yield f"{what}: not what was hashed under SHA-512"
    if sorted(expected.logs) != sorted(found.logs):
        yield f"expected {len(expected.logs)} log partitions, found {len(found.logs)}"
    yield from _log_problems(expected.logs, found.logs)


def _log_problems(expected: Mapping[int, LogRoots], found: Mapping[int, LogRoots]) -> Iterator[str]:
    for number in sorted(expected.keys() & found.keys()):
        for name, old, new in zip(LogRoots._fields, expected[number], found[number], strict=True):
            if old != new:
                yield f"log partition {number}: {name} is not what was hashed under SHA-512"
