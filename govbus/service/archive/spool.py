"""Records of ``govbus.checkpoints`` on disk until the segment that they belong to is written: memory stays flat."""

from __future__ import annotations

import tempfile
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from govbus.audit.archive.manifest import Range
from govbus.audit.archive.records import pack_record, unpack_records
from govbus.audit.archive.values import pack_frame
from govbus.document import topics
from govbus.document.record import Record


class CheckpointSpool:
    """A temporary file of records, found by their offsets."""

    def __init__(self, folder: Path) -> None:
        """Make the file in a folder; nobody else sees it, and it is gone when the process ends."""
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # closed by __exit__
        self._offsets: list[int] = []
        self._positions: list[int] = []
        self._end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, record: Record) -> None:
        """Append a record; offsets grow."""
        octets = pack_frame(pack_record(record))
        self._file.seek(self._end)
        self._file.write(octets)
        self._offsets.append(record.offset)
        self._positions.append(self._end)
        self._end += len(octets)

    def file_of(self, offsets: Range) -> bytes:
        """Return a record file of those in a range of offsets."""
        first, last = bisect_left(self._offsets, offsets.start), bisect_left(self._offsets, offsets.end)
        start, end = self._position(first), self._position(last)
        self._file.seek(start)
        return self._file.read(end - start)

    def records(self, offsets: Range) -> Iterator[Record]:
        """Yield the records in a range of offsets."""
        yield from unpack_records(self.file_of(offsets), topics.CHECKPOINTS)

    def record(self, offset: int) -> Record:
        """Return the record at an offset, which must be there."""
        return next(self.records(Range(offset, offset + 1)))

    def _position(self, number: int) -> int:
        return self._positions[number] if number < len(self._positions) else self._end
