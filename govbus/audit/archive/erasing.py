"""Taking values out of an archive: the only thing that ever changes in a segment once it is there.

Manifest, tiles and documents stay as they are, and so do their hashes; the frame of an erased value is empty.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import IO, Final

from govbus.audit.archive import layout
from govbus.audit.archive.reader import Archive, Segment
from govbus.audit.archive.values import pack_frame
from govbus.errors import LogIntegrityError, MissingPartError

_LENGTH_BYTES: Final = 4
_NEW: Final = ".values.new"
"""Name of the file that replaces the values; one that a crash left is written again."""


def segment_of(archive: Archive, partition: int, number: int) -> Segment | None:
    """Return the segment that holds an entry, or None while it is not archived.

    Raises:
        LogIntegrityError: if a manifest does not follow the format.
    """
    for segment_number in reversed(archive.numbers):
        segment = archive.segment(segment_number)
        log = segment.manifest.logs.get(partition)
        if log is not None and log.start <= number < log.end:
            return segment
    return None


def erase_values(segment: Segment, places: Collection[tuple[int, int]]) -> int:
    """Empty the frames of some entries and return how many held something.

    The new file is written beside the old one; then the octets are overwritten in the old one, and the new one takes
    its place. So a crash leaves every other frame as it was, and the content never behind where nothing would find it:
    overwritten frames that still have their length are emptied when the same is done again.

    Args:
        segment: that holds the entries.
        places: log partition and index of each.

    Raises:
        MissingPartError: if there are no values.
        LogIntegrityError: if the file does not follow the format.
    """
    numbers = {_frame_number(segment, partition, number) for partition, number in places}
    path = segment.folder / layout.VALUES
    new = segment.folder / _NEW
    try:
        source = path.open("r+b")
    except FileNotFoundError as err:
        raise MissingPartError(f"{path} is not there") from err
    with source:
        with new.open("wb") as target:
            spans = _copy(source, target, numbers, path)
            target.flush()
            os.fsync(target.fileno())
        if not spans:
            new.unlink()
            return 0
        for start, length in spans:
            source.seek(start)
            source.write(bytes(length))
        source.flush()
        os.fsync(source.fileno())
        new.replace(path)
        _sync_folder(segment.folder)
    return len(spans)


def _frame_number(segment: Segment, partition: int, number: int) -> int:
    logs = segment.manifest.logs
    before = sum(log.end - log.start for other, log in logs.items() if other < partition)
    return before + number - logs[partition].start


def _copy(
    source: IO[bytes], target: IO[bytes], numbers: Collection[int], path: Path
) -> list[tuple[int, int]]:
    """Copy every frame but those to empty; return start and length of what was left out."""
    spans: list[tuple[int, int]] = []
    frame = 0
    while header := source.read(_LENGTH_BYTES):
        length = int.from_bytes(header, "big")
        start = source.tell()
        content = source.read(length)
        if len(header) < _LENGTH_BYTES or len(content) < length:
            raise LogIntegrityError(f"{path} ends inside the frame at byte {start}")
        if frame in numbers and length:
            spans.append((start, length))
            content = b""
        target.write(pack_frame(content))
        frame += 1
    if numbers and max(numbers) >= frame:
        raise LogIntegrityError(f"{path} has fewer frames than the segment entries")
    return spans


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
