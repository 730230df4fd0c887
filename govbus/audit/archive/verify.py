"""`verify_archive()`: an archive by itself, the log's public keys and the governing authority; one process a core."""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from govbus.audit.archive.reader import Archive
from govbus.audit.archive.report import ArchiveReport
from govbus.audit.archive.segment_check import SegmentResult, check_segment
from govbus.audit.archive.whole_check import WholeCheck
from govbus.errors import MissingPartError
from govbus.message_log.keys import LogPublicKeys
from govbus.signing.certificates import Certificate

Progress = Callable[[int, int], None]
"""Called with segments done and segments in all."""
_GARBAGE_THRESHOLD = 100_000


def verify_archive(
    folder: Path,
    *,
    keys: LogPublicKeys,
    authority: Sequence[Certificate],
    segments: tuple[int, int] | None = None,
    processes: int | None = None,
    progress: Progress | None = None,
    base: Path | None = None,
) -> ArchiveReport:
    """Verify an archive, or some of its segments.

    Args:
        folder: the archive.
        keys: the log's public keys, from outside the archive.
        authority: the governing authority's certificates, likewise.
        segments: first and last number; all unless told.
        processes: to work with; one for each core unless told.
        progress: told how far it is.
        base: an archive that the segments go on from, where this one holds only later ones.

    Returns:
        A report; it is clean exactly if nothing differs.

    Raises:
        MissingPartError: if there is no archive, or not all of the segments asked for.
    """
    archive = Archive(folder, base)
    numbers = archive.numbers
    if not numbers:
        raise MissingPartError(f"{folder} is no archive: it has no segments")
    first, last = segments or (1, numbers[-1])
    if not 1 <= first <= last <= numbers[-1]:
        raise MissingPartError(f"{folder} has segments 1 to {numbers[-1]}, not {first} to {last}")
    chosen = list(range(first, last + 1))
    report = ArchiveReport(first, last)
    results = _results(archive, chosen, keys, processes, progress)
    for result in results:
        _take(report, result)
    whole = WholeCheck(archive, keys, report)
    whole.check_directories(authority, results)
    whole.check_elsewhere(results)
    whole.check_absent(authority, results)
    if last == numbers[-1]:
        whole.check_checkpoint_files()
    if segments is None:
        whole.check_places()
    else:
        report.notes.append(
            "files that belong to no segment are looked for only where all segments are verified"
        )
    return report


def _results(
    archive: Archive,
    numbers: list[int],
    keys: LogPublicKeys,
    processes: int | None,
    progress: Progress | None,
) -> list[SegmentResult]:
    """Check segments side by side and return what they came to, in their order."""
    public = (*keys.to_pem(), keys.handover_notes)  # as octets and text, for other processes
    count = min(processes or os.cpu_count() or 1, len(numbers))
    results: list[SegmentResult] = []
    if count == 1:
        for number in numbers:
            results.append(check_segment(archive.folder, number, *public, archive.base))
            if progress is not None:
                progress(len(results), len(numbers))
        return results
    context = multiprocessing.get_context("spawn")  # a fork would copy threads' locks
    with ProcessPoolExecutor(count, mp_context=context, initializer=_calm_garbage) as pool:
        futures = [
            pool.submit(check_segment, archive.folder, number, *public, archive.base) for number in numbers
        ]
        for done, _ in enumerate(as_completed(futures), start=1):
            if progress is not None:
                progress(done, len(numbers))
        return [future.result() for future in futures]


def _calm_garbage() -> None:
    """Let Python look for cycles seldom: there are none, and looking costs a tenth of the time."""
    gc.freeze()
    gc.set_threshold(_GARBAGE_THRESHOLD)


def _take(report: ArchiveReport, result: SegmentResult) -> None:
    report.extend(result.findings)
    report.entries += result.entries
    report.files += result.files
    report.octets += result.octets
    report.checkpoints += result.checkpoints
    report.missing += result.missing
