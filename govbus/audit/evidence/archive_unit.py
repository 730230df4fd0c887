"""Evidence from an archive: one segment is a unit of work, read from front to back with little in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from govbus.audit.archive import layout
from govbus.audit.archive.documents import DocumentKind, unpack_document
from govbus.audit.archive.reader import Archive, Segment
from govbus.audit.archive.values import unpack_value
from govbus.audit.evidence.material import Material, Stretch
from govbus.document.record import SALT_BYTES
from govbus.errors import LogIntegrityError, MissingPartError
from govbus.message_log.keys import log_origin
from govbus.message_log.tiles import TILE_WIDTH, entries_path, unpack_entries

READ_BYTES: Final = 1 << 20
"""Of a file at a time."""
_LENGTH_BYTES: Final = 4
_KEY_AT: Final = 9
"""Where a document's frame has its key, behind kind and time."""
_VALUE_START: Final = b"\x01\x00\x10"
"""How the value of a document begins: one salt of 16 bytes."""
_SALT_END: Final = len(_VALUE_START) + SALT_BYTES


@dataclass(frozen=True, slots=True)
class ArchiveUnit:
    """One segment of an archive."""

    folder: Path
    segment: int
    ranges: tuple[tuple[int, int, int], ...]
    """Partition, first entry and end of what is new in it, as its manifest says."""

    @classmethod
    def of(cls, segment: Segment) -> ArchiveUnit:
        """Return the unit of an opened segment."""
        manifest = segment.manifest
        ranges = [(partition, log.start, log.end) for partition, log in sorted(manifest.logs.items())]
        return cls(segment.folder.parent.parent, manifest.segment, tuple(ranges))

    @property
    def entries(self) -> int:
        """Entries in it."""
        return sum(end - start for _, start, end in self.ranges)

    @property
    def name(self) -> str:
        """Path of the segment below the archive."""
        return layout.segment_path(self.segment)

    def stretches(self) -> Iterator[Stretch]:
        """Read the segment, a bundle of entries at a time.

        Raises:
            MissingPartError: if a file is not there.
            LogIntegrityError: if one does not follow the format.
        """
        archive = Archive(self.folder)
        segment = archive.segment(self.segment)
        with (
            _open(segment.folder / layout.DOCUMENTS) as documents,
            _open(segment.folder / layout.VALUES) as values,
        ):
            yield from _stretches(archive, segment, FrameFile(documents), FrameFile(values))


def _stretches(
    archive: Archive, segment: Segment, documents: FrameFile, values: FrameFile
) -> Iterator[Stretch]:
    manifest = segment.manifest
    for partition, log in sorted(manifest.logs.items()):
        origin = log_origin(manifest.bus, partition)
        start = log.start
        for entries in bundles(archive, origin, log.start, log.end):
            count = len(entries)
            yield Stretch(partition, start, _materials(entries, documents.take(count), values.take(count)))
            start += count
    if not documents.is_at_end or not values.is_at_end:
        raise LogIntegrityError(f"{segment.folder} has more frames than entries")


def bundles(archive: Archive, origin: str, start: int, end: int) -> Iterator[list[bytes]]:
    """Yield the entries [start, end) of a log, bundle by bundle; errors as for `Archive.entries`."""
    tiles = archive.tiles(origin)
    for number in range(start // TILE_WIDTH, -(-end // TILE_WIDTH)):
        first = number * TILE_WIDTH
        width = min(TILE_WIDTH, end - first)
        try:
            octets = tiles.read(entries_path(number, width))
        except MissingPartError:
            if width == TILE_WIDTH:
                raise
            octets = tiles.read(entries_path(number))
        entries = unpack_entries(octets)
        if len(entries) < width:
            raise LogIntegrityError(
                f"{tiles.folder}/{entries_path(number, width)}: expected {width} entries, found {len(entries)}"
            )
        yield entries[max(0, start - first) : width]


def _materials(entries: list[bytes], documents: list[bytes], values: list[bytes]) -> list[Material]:
    materials: list[Material] = []
    append, integer = materials.append, int.from_bytes
    for entry, document, value in zip(entries, documents, values, strict=True):
        key_end = _KEY_AT + _LENGTH_BYTES + integer(document[_KEY_AT : _KEY_AT + _LENGTH_BYTES], "big")
        lines_at = key_end + _LENGTH_BYTES
        lines_end = lines_at + integer(document[key_end:lines_at], "big")
        if (
            document[:1] == b"\x01"
            and value.startswith(_VALUE_START)
            and value[_SALT_END : _SALT_END + 1] == b"\x01"
            and lines_end <= len(document)
        ):
            append(
                Material(
                    entry,
                    document[lines_at:lines_end],
                    value[len(_VALUE_START) : _SALT_END],
                    value[_SALT_END + 1 :],
                    (document, value),
                    None,
                )
            )
        else:
            append(_uncommon(entry, document, value))
    return materials


def _uncommon(entry: bytes, document: bytes, value: bytes) -> Material:
    """Return the material of a record that is gone, erased, or not in the usual form."""
    unpacked, kept = unpack_document(document), unpack_value(value)
    return Material(
        entry,
        unpacked.lines if unpacked.kind is DocumentKind.DOCUMENT else None,
        kept.salts[0] if kept is not None and len(kept.salts) == 1 else None,
        kept.value if kept is not None else None,
        (document, value) if unpacked.kind is not DocumentKind.NONE and kept is not None else None,
        None,
    )


class FrameFile:
    """A file of frames, read some at a time."""

    def __init__(self, file: IO[bytes]) -> None:
        """Read from the file's beginning."""
        self._file = file
        self._octets = b""
        self._at = 0

    @property
    def is_at_end(self) -> bool:
        """Whether no frame is left."""
        return self._at == len(self._octets) and not self._more()

    def take(self, count: int) -> list[bytes]:
        """Return the contents of the next frames.

        Raises:
            LogIntegrityError: if there are fewer, or the file ends inside one.
        """
        frames: list[bytes] = []
        append, integer = frames.append, int.from_bytes
        octets, at = self._octets, self._at
        size = len(octets)
        while len(frames) < count:
            start = at + _LENGTH_BYTES
            end = start + integer(octets[at:start], "big")
            if end <= size and start <= size:
                append(octets[start:end])
                at = end
                continue
            self._at = at
            if not self._more():
                raise LogIntegrityError(
                    f"{self._file.name} ends inside a frame, or has fewer frames than entries"
                )
            octets, at = self._octets, self._at
            size = len(octets)
        self._at = at
        return frames

    def _more(self) -> bool:
        further = self._file.read(READ_BYTES)
        self._octets = self._octets[self._at :] + further
        self._at = 0
        return bool(further)


def _open(path: Path) -> IO[bytes]:
    try:
        return path.open("rb", buffering=0)
    except (FileNotFoundError, NotADirectoryError) as err:
        raise MissingPartError(f"{path} is not there") from err
