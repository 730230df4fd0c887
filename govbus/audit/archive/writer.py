"""Writing one segment of an archive into its staging folder: files, hashes, and at last the manifest."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from govbus.audit.archive import layout
from govbus.audit.archive.documents import NO_DOCUMENT, pack_document
from govbus.audit.archive.manifest import Manifest, manifest_digest
from govbus.audit.archive.staging import staging_path
from govbus.audit.archive.values import pack_frame
from govbus.document.decision import LogEntry
from govbus.document.record import Record

ERASED = "erased"
"""Outcome of an entry about an erasure; it has no record of its own in an outbox."""
_BUFFER_BYTES = 1 << 20


class SegmentFile:
    """A file that is written from front to back, and hashed on the way."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("wb", buffering=_BUFFER_BYTES)
        self._digest = hashlib.sha256()

    def write(self, octets: bytes) -> None:
        """Append octets."""
        self._digest.update(octets)
        self._file.write(octets)

    def finish(self) -> str:
        """Close the file and return its hex SHA-256."""
        self._file.close()
        return self._digest.hexdigest()


class SegmentDraft:
    """A segment being written; nothing of it is in the archive before it is marked as ready."""

    def __init__(self, archive: Path, number: int) -> None:
        """Begin with an empty staging folder."""
        self.number = number
        self.missing = 0
        """Entries whose outbox record was gone."""
        self._root = staging_path(archive, number)
        if self._root.exists():
            shutil.rmtree(self._root)
        self._segment = layout.segment_path(number)
        self._files: dict[str, str] = {}
        self._documents = SegmentFile(self._root / self._segment / layout.DOCUMENTS)
        self._values = SegmentFile(self._root / self._segment / layout.VALUES)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._documents.finish()
        self._values.finish()

    def add_entry(self, entry: LogEntry | None, record: Record | None) -> None:
        """Keep what belongs to the next entry, in the order of partition and index.

        Args:
            entry: None where it cannot be read; nothing is then known that belongs to it.
            record: that it is about; None where it is gone.
        """
        if entry is None or record is None:
            document, value = NO_DOCUMENT, b""
            if entry is not None and entry.decision.value != ERASED:
                self.missing += 1
        else:
            document, value = pack_document(record, entry)
        self._documents.write(pack_frame(document))
        self._values.write(pack_frame(value))

    def add_tiles(self, origin: str, parts: Iterable[tuple[str, bytes]]) -> None:
        """Keep tiles and bundles of one log, by their path below its prefix."""
        prefix = layout.tiles_path(origin)
        for path, octets in parts:
            self._add(f"{prefix}/{path}", octets)

    def add_file(self, name: str, octets: bytes) -> None:
        """Keep a file in the segment's folder."""
        self._add(f"{self._segment}/{name}", octets)

    def add_parts(self, name: str, parts: Iterable[bytes]) -> None:
        """Keep a file in the segment's folder that is too large to have in memory at once."""
        path = f"{self._segment}/{name}"
        file = SegmentFile(self._root / path)
        for part in parts:
            file.write(part)
        self._files[path] = file.finish()

    def set_checkpoint(self, origin: str, note: bytes) -> None:
        """Make a note the newest checkpoint of a log; it replaces the one before and is in no manifest."""
        _write(self._root / layout.tiles_path(origin) / layout.CHECKPOINT, note)

    def finish(self, manifest: Manifest) -> str:
        """Write the manifest, its files filled in, and return its hash.

        Args:
            manifest: without files.
        """
        self._files[f"{self._segment}/{layout.DOCUMENTS}"] = self._documents.finish()
        self._values.finish()
        octets = dataclasses.replace(manifest, files=dict(self._files)).to_text().encode("ascii")
        _write(self._root / self._segment / layout.MANIFEST, octets)
        return manifest_digest(octets)

    def _add(self, path: str, octets: bytes) -> None:
        _write(self._root / path, octets)
        self._files[path] = hashlib.sha256(octets).hexdigest()


def _write(path: Path, octets: bytes) -> None:
    """Write a file of the staging folder; it is forced to disk with all others before it counts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(octets)
