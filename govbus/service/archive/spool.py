"""Records of ``govbus.checkpoints`` on disk until the segment that they belong to is written: memory stays flat."""

from __future__ import annotations

import tempfile
from array import array
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

PART_BYTES = 1 << 20


class CheckpointSpool:
    """A temporary file of records, found by their offsets."""

    def __init__(self, folder: Path) -> None:
        """Make the file in a folder; nobody else sees it, and it is gone when the process ends."""
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # closed by __exit__
        self._offsets = array("q")
        self._positions = array("q")
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

    def parts_of(self, offsets: Range) -> Iterator[bytes]:
        """Yield a record file of those in a range of offsets, a piece at a time."""
        first, last = bisect_left(self._offsets, offsets.start), bisect_left(self._offsets, offsets.end)
        start, end = self._position(first), self._position(last)
        while start < end:
            self._file.seek(start)
            part = self._file.read(min(PART_BYTES, end - start))
            start += len(part)
            yield part

    def record(self, offset: int) -> Record:
        """Return the record at an offset, which must be there."""
        octets = b"".join(self.parts_of(Range(offset, offset + 1)))
        return next(unpack_records(octets, topics.CHECKPOINTS))

    def _position(self, number: int) -> int:
        return self._positions[number] if number < len(self._positions) else self._end
