"""Taking segments over from one archive into another: verified first, then each whole or not at all."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from govbus.audit.archive import layout
from govbus.audit.archive.reader import Archive, Segment
from govbus.audit.archive.report import ArchiveReport
from govbus.audit.archive.staging import mark_ready, move_into_place, recover, staging_path
from govbus.audit.archive.verify import Progress, verify_archive
from govbus.errors import LogIntegrityError, MissingPartError
from govbus.message_log.keys import LogPublicKeys
from govbus.signing.certificates import Certificate

_COPIED_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Imported:
    """What one import came to."""

    report: ArchiveReport
    """On the archive that segments come from; where it is not clean, nothing was taken over."""
    present: int
    """Segments that were there already."""
    added: int


def import_archive(
    source: Path,
    target: Path,
    *,
    keys: LogPublicKeys,
    authority: Sequence[Certificate],
    processes: int | None = None,
    progress: Progress | None = None,
    taken: Callable[[int], None] | None = None,
) -> Imported:
    """Verify an archive and take over those of its segments that another one has not; it may be called again.

    The caller holds the target's lock.

    Args:
        source: the archive to take over; it is only read from.
        target: the archive to add to; it need not hold anything yet.
        keys: the log's public keys, from outside both.
        authority: the governing authority's certificates, likewise.
        processes: to verify with; one for each core unless told.
        progress: told how far verification is.
        taken: told the number of every segment that came into the target.

    Raises:
        LogIntegrityError: if both have a segment of one number that is not the same, or files that contradict each
            other; nothing is taken over then.
        MissingPartError: if the source is no archive, or lacks segments that the target needs first.
    """
    recover(target)
    given, kept = Archive(source), Archive(target)
    present = _require_same(given, kept)
    report = verify_archive(source, keys=keys, authority=authority, processes=processes, progress=progress)
    added = 0
    if report.is_clean:
        for number in given.numbers:
            if number > (kept.numbers or [0])[-1]:
                _take_over(given.segment(number), source, target)
                added += 1
                if taken is not None:
                    taken(number)
    return Imported(report, present, added)


def _require_same(given: Archive, kept: Archive) -> int:
    """Require that segments of one number are the same, and return how many both have."""
    both = sorted(set(given.numbers) & set(kept.numbers))
    for number in both:
        ours, theirs = kept.segment(number), given.segment(number)
        if ours.digest != theirs.digest:
            raise LogIntegrityError(
                f"segment {number} is sha256 {ours.digest} in {kept.folder} and {theirs.digest} in {given.folder}: "
                "two histories of one log",
                remedy="take neither for true before it is known which was changed; keep both",
            )
    if kept.numbers and given.numbers and given.numbers[0] > kept.numbers[-1] + 1:
        raise MissingPartError(
            f"{kept.folder} ends with segment {kept.numbers[-1]} and {given.folder} begins with {given.numbers[0]}"
        )
    return len(both)


def _take_over(segment: Segment, source: Path, target: Path) -> None:
    """Copy a segment's files aside, compare their hashes on the way, and move them into place."""
    number = segment.manifest.segment
    staged = staging_path(target, number)
    if staged.exists():
        shutil.rmtree(staged)
    for path, digest in segment.manifest.files.items():
        if _copied(source / path, staged / path) != digest:
            raise LogIntegrityError(f"{source / path} changed while it was read")
    folder = layout.segment_path(number)
    for name in (layout.VALUES, layout.MANIFEST):
        digest = _copied(source / folder / name, staged / folder / name)
        if name == layout.MANIFEST and digest != segment.digest:
            raise LogIntegrityError(f"{source / folder / name} changed while it was read")
    if number == Archive(source).numbers[-1]:
        for origin in segment.manifest.ranges():
            checkpoint = f"{layout.tiles_path(origin)}/{layout.CHECKPOINT}"
            if (source / checkpoint).exists():
                _copied(source / checkpoint, staged / checkpoint)
    mark_ready(target, number)
    move_into_place(target, number)


def _copied(source: Path, target: Path) -> str:
    """Copy a file and return the hex SHA-256 of what was copied."""
    digest = hashlib.sha256()
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as given, target.open("wb") as taken:
        while octets := given.read(_COPIED_BYTES):
            digest.update(octets)
            taken.write(octets)
    return digest.hexdigest()
