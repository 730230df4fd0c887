"""Reading an archive: manifests, entries from tiles, documents, values, and the records of other topics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from govbus.audit.archive import layout
from govbus.audit.archive.documents import ArchivedDocument, record_of, unpack_document
from govbus.audit.archive.manifest import Manifest, manifest_digest
from govbus.audit.archive.records import records_of
from govbus.audit.archive.tile_folder import NO_PLAIN_FILE, FolderTiles, opened_plainly
from govbus.audit.archive.values import frames_in, unpack_value
from govbus.document.decision import LogEntry
from govbus.document.record import Record
from govbus.errors import LogIntegrityError, MissingPartError
from govbus.message_log.heads import head_origin
from govbus.message_log.keys import log_origin
from govbus.message_log.tiles import TILE_WIDTH, TileTree, entries_path, unpack_entries


class ArchivedEntry(NamedTuple):
    """One entry of the message log with what the archive holds beside it; nothing in it is verified yet."""

    partition: int
    """Of the message log."""
    number: int
    """Index in its partition, from 0."""
    octets: bytes
    """The entry exactly as it stood in Kafka."""
    document: bytes
    """Content of its frame among the documents."""
    value: bytes
    """Content of its frame among the values; empty where nothing is there (any more)."""

    def record(self, entry: LogEntry) -> Record | None:
        """Return the outbox record exactly as it was; None where it is not there (any more).

        Args:
            entry: decoded from the octets.

        Raises:
            LogIntegrityError: if a frame does not follow the format.
        """
        return record_of(entry, unpack_document(self.document), unpack_value(self.value))

    def unpack(self) -> ArchivedDocument:
        """Return what the documents hold of it; errors as for `record`."""
        return unpack_document(self.document)


class Segment:
    """One segment of an archive."""

    def __init__(self, archive: Archive, manifest: Manifest, digest: str) -> None:
        self._archive = archive
        self.manifest = manifest
        self.digest = digest
        """Hex SHA-256 of the manifest."""
        self.folder = archive.path(layout.segment_path(manifest.segment))

    def entries(self, partition: int) -> Iterator[bytes]:
        """Yield the entries of one log partition that are new in the segment, exactly as they stood in Kafka.

        Raises:
            MissingPartError: if a bundle is not there.
            LogIntegrityError: if one does not follow the format, or has too few entries.
        """
        log = self.manifest.logs[partition]
        origin = log_origin(self.manifest.bus, partition)
        return self._archive.entries(origin, log.start, log.end)

    def __iter__(self) -> Iterator[ArchivedEntry]:
        """Yield every entry with its frames, by partition and index; errors as for `entries`."""
        documents = self._frames(layout.DOCUMENTS)
        values = self._frames(layout.VALUES)
        for partition, log in sorted(self.manifest.logs.items()):
            for number, octets in enumerate(self.entries(partition), start=log.start):
                document, value = next(documents, None), next(values, None)
                if document is None or value is None:
                    name = layout.DOCUMENTS if document is None else layout.VALUES
                    raise LogIntegrityError(f"{self.folder / name} has fewer frames than the segment entries")
                yield ArchivedEntry(partition, number, octets, document, value)
        for name, frames in ((layout.DOCUMENTS, documents), (layout.VALUES, values)):
            if next(frames, None) is not None:
                raise LogIntegrityError(f"{self.folder / name} has more frames than the segment entries")

    def records(self, name: str) -> Iterator[Record]:
        """Yield the records of ``directory``, ``revocations`` or ``checkpoints`` that are new in the segment.

        Raises:
            MissingPartError: if the file is not there.
            LogIntegrityError: if it does not follow the format, or holds others than the manifest says.
        """
        start, end = self.manifest.record_range(name)
        last = start - 1
        for record in records_of(self._frames(name), f"govbus.{name}"):
            if not last < record.offset < end:
                raise LogIntegrityError(
                    f"{self.folder / name}: offset {record.offset} is outside {start} to {end}, or out of order"
                )
            last = record.offset
            yield record

    def positions(self) -> dict[tuple[str, int], int]:
        """Return the offset of the last record taken, by topic and partition, of message log and outboxes.

        Raises:
            MissingPartError: if the file is not there.
            LogIntegrityError: if it does not follow the format.
        """
        return parse_positions(self.read(layout.POSITIONS))

    def read(self, name: str) -> bytes:
        """Return a file of the segment's folder.

        Raises:
            MissingPartError: if it is not there.
        """
        return read_part(self.folder / name)

    def _frames(self, name: str) -> Iterator[bytes]:
        return frames_in(self.folder / name)


class Archive:
    """An archive as it stands in a folder; segments that are added later are seen too."""

    def __init__(self, folder: Path, base: Path | None = None) -> None:
        """Open a folder; it need not hold anything yet.

        Args:
            folder: the archive.
            base: another one that has what this one lacks, where this one holds only some segments.
        """
        self.folder = folder
        self.base = base

    @property
    def numbers(self) -> list[int]:
        """Numbers of the segments that are in the folder itself, in order."""
        return layout.segment_numbers(self.folder)

    def path(self, path: str) -> Path:
        """Return where a file or folder of the archive lies: in the folder itself, or else in the base."""
        own = self.folder / path
        return own if self.base is None or own.exists() else self.base / path

    def segment(self, number: int) -> Segment:
        """Return one segment.

        Raises:
            MissingPartError: if it is not there.
            LogIntegrityError: if its manifest does not follow the format.
        """
        octets = read_part(self.path(layout.segment_path(number)) / layout.MANIFEST)
        manifest = Manifest.from_bytes(octets)
        if manifest.segment != number:
            raise LogIntegrityError(
                f"{layout.segment_path(number)}: the manifest is of segment {manifest.segment}"
            )
        return Segment(self, manifest, manifest_digest(octets))

    def last(self) -> Segment | None:
        """Return the newest segment; None while there is none; errors as for `segment`."""
        numbers = self.numbers
        return self.segment(numbers[-1]) if numbers else None

    def segments(self, numbers: Iterable[int] | None = None) -> Iterator[Segment]:
        """Yield some segments, all of them unless told; errors as for `segment`."""
        for number in self.numbers if numbers is None else numbers:
            yield self.segment(number)

    def records(self, name: str, *, until: int | None = None) -> Iterator[Record]:
        """Yield the records of ``directory``, ``revocations`` or ``checkpoints`` of all segments, oldest first.

        Args:
            name: of the file.
            until: number of the last segment to read; the newest unless told.
        """
        for segment in self.segments():
            if until is None or segment.manifest.segment <= until:
                yield from segment.records(name)

    def tiles(self, origin: str) -> FolderTiles:
        """Return the tiles of one log."""
        path = layout.tiles_path(origin)
        return FolderTiles(self.folder / path, base=None if self.base is None else self.base / path)

    def tree(self, origin: str, size: int) -> TileTree:
        """Return the tree of one log at a size that a segment ends at."""
        return TileTree(self.tiles(origin), size)

    def heads(self, manifest: Manifest) -> TileTree:
        """Return the tree of the partitions' checkpoints as a segment leaves it."""
        return self.tree(head_origin(manifest.bus), manifest.heads.end)

    def entries(self, origin: str, start: int, end: int) -> Iterator[bytes]:
        """Yield the entries [start, end) of one log, where `end` is a size that a segment ends at, or less.

        Raises:
            MissingPartError: if a bundle is not there.
            LogIntegrityError: if one does not follow the format, or has too few entries.
        """
        tiles = self.tiles(origin)
        for number in range(start // TILE_WIDTH, -(-end // TILE_WIDTH)):
            first = number * TILE_WIDTH
            width = min(TILE_WIDTH, end - first)
            path = entries_path(number, width)
            try:
                entries = unpack_entries(tiles.read(path))
            except MissingPartError:
                if width == TILE_WIDTH:
                    raise
                path = entries_path(number)
                entries = unpack_entries(tiles.read(path))
            if len(entries) < width:
                raise LogIntegrityError(
                    f"{tiles.folder / path}: expected {width} entries, found {len(entries)}"
                )
            yield from entries[max(0, start - first) : width]


def read_part(path: Path) -> bytes:
    """Return a file.

    Raises:
        MissingPartError: if it is not there.
    """
    try:
        with open(path, "rb", opener=opened_plainly) as file:
            return file.read()
    except OSError as err:
        if err.errno in NO_PLAIN_FILE:
            raise MissingPartError(f"{path} is not there, or is no plain file") from err
        raise


def pack_positions(positions: dict[tuple[str, int], int]) -> bytes:
    """Return the text of positions: a line of topic, partition and offset for each."""
    return "".join(
        f"{topic} {partition} {offset}\n" for (topic, partition), offset in sorted(positions.items())
    ).encode("ascii")


def parse_positions(octets: bytes) -> dict[tuple[str, int], int]:
    """Return positions; the inverse of `pack_positions`.

    Raises:
        LogIntegrityError: if the text does not follow the format.
    """
    positions: dict[tuple[str, int], int] = {}
    try:
        for line in octets.decode("ascii").splitlines():
            topic, partition, offset = line.split(" ")
            positions[topic, int(partition)] = int(offset)
    except ValueError as err:
        raise LogIntegrityError("positions of the archive do not follow docs/specs/archive.md") from err
    if pack_positions(positions) != octets:
        raise LogIntegrityError("positions of the archive are out of order, or written in another way")
    return positions
