"""Taking segments over from one archive into another: verified first, then each whole or not at all."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from govbus.audit.archive import layout
from govbus.audit.archive.checkpoint_records import read_checkpoint
from govbus.audit.archive.reader import Archive, Segment
from govbus.audit.archive.report import ArchiveReport
from govbus.audit.archive.staging import mark_ready, move_into_place, recover, staging_path
from govbus.audit.archive.tile_folder import write_whole
from govbus.audit.archive.verify import Progress, verify_archive
from govbus.errors import LogIntegrityError, MissingPartError, NoteError
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
    segments: tuple[int, int] | None = None,
) -> Imported:
    """Verify an archive and take over those of its segments that another one has not; it may be called again.

    The source may hold only segments that go on from the target's, such as on a medium: they are verified together
    with what the target has. Such an increment is made by taking chosen segments into an empty folder. The caller
    holds the target's lock.

    Args:
        source: the archive to take over; it is only read from.
        target: the archive to add to; it need not hold anything yet.
        keys: the log's public keys, from outside both.
        authority: the governing authority's certificates, likewise.
        processes: to verify with; one for each core unless told.
        progress: told how far verification is.
        taken: told the number of every segment that came into the target.
        segments: first and last number to take over; all that the target lacks unless told.

    Raises:
        LogIntegrityError: if both have a segment of one number that is not the same, or files that contradict each
            other; nothing is taken over then.
        MissingPartError: if the source is no archive, or lacks segments that the target needs first.
    """
    recover(target)
    given, kept = Archive(source), Archive(target)
    chosen = _chosen(given, segments)
    present = _require_same(given, kept, chosen, is_increment=segments is not None)
    is_whole = given.numbers[:1] == [1]
    report = verify_archive(
        source,
        keys=keys,
        authority=authority,
        # Of an increment what is there; else all, gaps included.
        segments=segments or (None if is_whole else (given.numbers[0], given.numbers[-1])),
        processes=processes,
        progress=progress,
        base=None if is_whole else target,
    )
    added = 0
    if report.is_clean:
        for number in chosen:
            if number > (kept.numbers or [0])[-1]:
                _take_over(given.segment(number), source, target, keys if number == chosen[-1] else None)
                added += 1
                if taken is not None:
                    taken(number)
    return Imported(report, present, added)


def _chosen(given: Archive, segments: tuple[int, int] | None) -> list[int]:
    """Return the numbers of the segments to take over, without gap."""
    numbers = given.numbers
    if not numbers:
        raise MissingPartError(f"{given.folder} is no archive: it has no segments")
    first, last = segments or (numbers[0], numbers[-1])
    chosen = list(range(first, last + 1))
    if missing := sorted(set(chosen) - set(numbers)):
        raise MissingPartError(f"{given.folder} has no segments {missing[:10]}")
    return chosen


def _require_same(given: Archive, kept: Archive, chosen: list[int], *, is_increment: bool) -> int:
    """Require that segments of one number are the same and others follow, and return how many both have."""
    both = sorted(set(given.numbers) & set(kept.numbers))
    for number in both:
        ours, theirs = kept.segment(number), given.segment(number)
        if ours.digest != theirs.digest:
            raise LogIntegrityError(
                f"segment {number} is sha256 {ours.digest} in {kept.folder} and {theirs.digest} in {given.folder}: "
                "two histories of one log",
                remedy="take neither for true before it is known which was changed; keep both",
            )
    last = (kept.numbers or [0])[-1]
    if chosen[0] > last + 1 and (kept.numbers or not is_increment):
        raise MissingPartError(
            f"{kept.folder} ends with segment {last} and {given.folder} gives those from {chosen[0]}",
            remedy="take over the segments in between first",
        )
    if chosen[0] == last + 1 and last:
        previous, digest = given.segment(chosen[0]).manifest.previous, kept.segment(last).digest
        if previous != digest:
            raise LogIntegrityError(
                f"segment {chosen[0]} in {given.folder} goes on from sha256 {previous}, and segment {last} in "
                f"{kept.folder} is {digest}: two histories of one log",
                remedy="take neither for true before it is known which was changed; keep both",
            )
    return len(both)


def _take_over(segment: Segment, source: Path, target: Path, keys: LogPublicKeys | None) -> None:
    """Copy a segment's files aside, compare their hashes on the way, and move them into place.

    Args:
        segment: of the source.
        source: the archive to take it from.
        target: the archive to add it to.
        keys: the log's public keys, where it is the last and brings the newest checkpoints; else None.
    """
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
    if keys is not None:
        _take_checkpoints(segment, source, staged, keys)
    mark_ready(target, number)
    move_into_place(target, number)


def _take_checkpoints(segment: Segment, source: Path, staged: Path, keys: LogPublicKeys) -> None:
    """Put the newest checkpoint of each log aside: the source's own, or where it goes on, that of the segment."""
    if segment.manifest.segment < Archive(source).numbers[-1]:
        for origin, note in _newest_checkpoints(segment, keys).items():
            write_whole(staged / layout.tiles_path(origin) / layout.CHECKPOINT, note)
        return
    for origin in segment.manifest.ranges():
        checkpoint = f"{layout.tiles_path(origin)}/{layout.CHECKPOINT}"
        if (source / checkpoint).exists():
            _copied(source / checkpoint, staged / checkpoint)


def _newest_checkpoints(segment: Segment, keys: LogPublicKeys) -> dict[str, bytes]:
    """Return the newest signed checkpoint of each log that stands in a segment, by origin."""
    newest: dict[str, tuple[int, int, bytes]] = {}
    for record in segment.records(layout.CHECKPOINTS):
        try:
            signed = read_checkpoint(record, segment.manifest.bus, keys)
        except NoteError:
            continue  # no checkpoint of this log
        if signed is not None:
            one = (signed.checkpoint.size, signed.cosignatures, record.value or b"")
            if one[:2] >= newest.get(signed.checkpoint.origin, (0, 0, b""))[:2]:
                newest[signed.checkpoint.origin] = one
    return {origin: note for origin, (_, _, note) in newest.items()}


def _copied(source: Path, target: Path) -> str:
    """Copy a file and return the hex SHA-256 of what was copied."""
    digest = hashlib.sha256()
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as given, target.open("wb") as taken:
        while octets := given.read(_COPIED_BYTES):
            digest.update(octets)
            taken.write(octets)
    return digest.hexdigest()
