"""Reading an archive once, front to back, under SHA-256 and SHA-512 at the same time, with little in memory.

What comes out lies in ``rehash/<8 digits of the last segment>/``: the ``statement``, a timestamp of each authority
over it, ``files`` as ``sha512sum`` writes them, and ``values/<partition>`` with the mark of every value, because a
value may lawfully be erased later and the others must stay provable (``docs/specs/renewal.md``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Protocol

from govbus.audit.archive import layout
from govbus.audit.archive.reader import Archive, Segment
from govbus.audit.archive.renewals import RENEWALS
from govbus.audit.evidence.archive_unit import FrameFile, bundles
from govbus.errors import LogIntegrityError, MissingPartError
from govbus.message_log.heads import head_origin
from govbus.message_log.keys import log_origin
from govbus.message_log.renewal import Digests
from govbus.message_log.second_tree import (
    NO_VALUE,
    LogRoots,
    RehashStatement,
    SecondTree,
    salted_mark,
    second_leaf,
    value_leaf,
    whole_mark,
)
from govbus.message_log.tree import CompactTree
from govbus.signing.merkle import leaf_hash

FILES, VALUES = "files", "values"
READ_BYTES = 1 << 20

_FRAME_BYTES = 5
"""Registry's frame in front of the Avro bytes: 0x00 and a schema id."""
_USUAL_START = b"\x01\x00\x10"
"""How the frame of a document's value begins: one salt of 16 bytes."""
_SALT_END = 19
_AVRO_START = _SALT_END + 1 + _FRAME_BYTES

Progress = Callable[[int], None]
"""Told how many entries have been read."""


class Marks(Protocol):
    """Where the marks of values go, or what they are compared with."""

    def take(self, partition: int, marks: list[bytes]) -> list[bytes]:
        """Take the next marks of one log partition, and return those that count."""
        ...


@dataclass(slots=True)
class _Log:
    """One log partition as it is read."""

    tree: CompactTree = field(default_factory=CompactTree)
    second: SecondTree = field(default_factory=SecondTree)
    values: SecondTree = field(default_factory=SecondTree)

    def take(self, entries: list[bytes]) -> list[bytes]:
        """Take entries under both hashes, and return their SHA-512 leaves."""
        append = self.tree.append
        for entry in entries:
            append(leaf_hash(entry))
        leaves = [second_leaf(entry) for entry in entries]
        self.second.extend(leaves)
        return leaves

    def roots(self) -> LogRoots:
        """Return the roots of what has been read."""
        return LogRoots(self.tree.size, self.tree.root(), self.second.root(), self.values.root())


def mark_of(content: bytes) -> bytes:
    """Return the mark of the content of a frame among the values."""
    if not content:
        return NO_VALUE
    # One salt of 16 bytes, a value, and a frame in front of its Avro bytes.
    if (
        content.startswith(_USUAL_START)
        and content[_SALT_END : _SALT_END + 2] == b"\x01\x00"
        and len(content) >= _AVRO_START
    ):
        return salted_mark(content[len(_USUAL_START) : _SALT_END], content[_AVRO_START:])
    return whole_mark(content)


def read_under_both(
    archive: Archive, until: int, marks: Marks, files: tuple[int, str], *, progress: Progress = lambda _: None
) -> RehashStatement:
    """Return what segments 1 to `until` hold, under both hashes.

    Args:
        archive: to read.
        until: number of the last segment.
        marks: takes the marks of all values.
        files: count and hash of the list of all other files.
        progress: told how far it is, a few hundred entries at a time.

    Raises:
        MissingPartError: if a file is not there.
        LogIntegrityError: if one does not follow the format, or the entries have another SHA-256 root than a manifest
            says; nothing is then said again under SHA-512.
    """
    logs: dict[int, _Log] = {}
    done = 0
    last: Segment | None = None
    for segment in archive.segments(range(1, until + 1)):
        for count in _read_segment(archive, segment, logs, marks):
            done += count
            progress(done)
        last = segment
    if last is None:
        raise MissingPartError(f"{archive.folder} holds no segment")
    manifest = last.manifest
    heads = _Log()
    for texts in bundles(archive, head_origin(manifest.bus), 0, manifest.heads.end):
        heads.take(texts)
    _require_root(heads.tree, manifest.heads.root, head_origin(manifest.bus))
    return RehashStatement(
        bus=manifest.bus,
        segment=until,
        manifest=Digests.of(last.read(layout.MANIFEST)),
        logs={number: log.roots() for number, log in logs.items()},
        heads=(heads.tree.size, heads.tree.root(), heads.second.root()),
        files=files,
    )


def _read_segment(archive: Archive, segment: Segment, logs: dict[int, _Log], marks: Marks) -> Iterator[int]:
    """Read one segment, and yield after each bundle how many entries it had."""
    manifest = segment.manifest
    with opened(segment.folder / layout.VALUES) as file:
        values = FrameFile(file)
        for partition, entries in sorted(manifest.logs.items()):
            log = logs.setdefault(partition, _Log())
            origin = log_origin(manifest.bus, partition)
            for bundle in bundles(archive, origin, entries.start, entries.end):
                leaves = log.take(bundle)
                counted = marks.take(partition, [mark_of(one) for one in values.take(len(bundle))])
                log.values.extend(
                    [value_leaf(leaf, mark) for leaf, mark in zip(leaves, counted, strict=True)]
                )
                yield len(bundle)
            _require_root(log.tree, entries.root, origin)
        if not values.is_at_end:
            raise LogIntegrityError(f"{segment.folder / layout.VALUES} has more frames than entries")


def _require_root(tree: CompactTree, root: bytes, origin: str) -> None:
    if tree.root() != root:
        raise LogIntegrityError(
            f"{origin}: the archive's {tree.size} entries have another SHA-256 root than the manifest says",
            remedy="run `govbus archive verify`; an archive that does not verify is not hashed again",
        )


def other_files(archive: Archive, until: int) -> Iterator[str]:
    """Yield the path of every file but tiles, values and what comes after, in a fixed order.

    Those are all that is below ``renewals`` now, and segment by segment all that the manifests of 1 to `until` list
    beside tiles, and the manifests themselves.
    """
    renewals = sorted(path for path in (archive.folder / RENEWALS).rglob("*") if path.is_file())
    yield from (path.relative_to(archive.folder).as_posix() for path in renewals)
    yield from segment_files(archive, until)


def segment_files(archive: Archive, until: int) -> Iterator[str]:
    """Yield the paths that `other_files` does, of segments only."""
    for segment in archive.segments(range(1, until + 1)):
        listed = [path for path in segment.manifest.files if path.startswith(layout.SEGMENTS + "/")]
        yield from sorted([*listed, f"{layout.segment_path(segment.manifest.segment)}/{layout.MANIFEST}"])


def file_digest(path: Path) -> str:
    """Return the hex SHA-512 of a file.

    Raises:
        MissingPartError: if it is not there.
    """
    with opened(path) as file:
        return hashlib.file_digest(file, "sha512").hexdigest()


def opened(path: Path) -> BufferedReader:
    """Open a file to read.

    Raises:
        MissingPartError: if it is not there.
    """
    try:
        return path.open("rb")
    except (FileNotFoundError, NotADirectoryError) as err:
        raise MissingPartError(f"{path} is not there") from err
