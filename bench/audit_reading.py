"""Reading an archive on every core at once: started, then timed together."""

import gc
import multiprocessing
import queue
import time
from collections import Counter
from pathlib import Path

from govbus.audit.archive.reader import Archive
from govbus.audit.evidence.archive_unit import ArchiveUnit
from govbus.audit.evidence.pool import Work, check_unit
from govbus.audit.evidence.trust import TrustTable

GARBAGE_THRESHOLD = 100_000
"""As in the audit's own processes."""


def _read(share, table, is_hash_only, barrier, results):
    """Read some units in a process of its own."""
    work, trust = Work(table, is_hash_only=is_hash_only), table.open()
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)
    barrier.wait()
    started, used = time.perf_counter(), time.process_time()
    counts, findings, peak, entries = Counter(), 0, 0, 0
    for unit in share:
        result = check_unit(unit, work, trust, {}, lambda _: None)
        counts.update(result.counts)
        findings += result.found.by_check.total()
        peak = max(peak, result.peak_bytes)
        entries += unit.entries
    rate = entries / (time.process_time() - used)
    results.put((time.perf_counter() - started, counts["verified"], findings, peak, rate))


def read_archive(folder: Path, table: TrustTable, *, processes: int, is_hash_only: bool) -> dict[str, float]:
    """Read every segment of an archive and return the rate of all processes together.

    Processes start first and are timed from one moment on, because starting them is the same for an hour of work.
    ``docs_per_cpu_s`` adds up what each did in a second of its own processor time: it hardly depends on what else the
    machine is doing, and leaves out waiting for the disk.
    """
    units = [ArchiveUnit.of(segment) for segment in Archive(folder).segments()]
    entries = sum(unit.entries for unit in units)
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(processes), context.Queue()
    shares = [units[number::processes] for number in range(processes)]
    running = [
        context.Process(target=_read, args=(share, table, is_hash_only, barrier, results)) for share in shares
    ]
    for process in running:
        process.start()
    found = []
    while len(found) < processes:
        try:
            found.append(results.get(timeout=5))
        except queue.Empty:
            if any(process.exitcode for process in running):
                for process in running:
                    process.terminate()
                raise
    for process in running:
        process.join()
    seconds = max(one[0] for one in found)
    verified, findings = sum(one[1] for one in found), sum(one[2] for one in found)
    if findings or (not is_hash_only and verified != entries):
        raise AssertionError(f"{verified} of {entries} documents verified, {findings} findings")
    return {
        "docs_per_s": round(entries / seconds),
        "docs_per_cpu_s": round(sum(one[4] for one in found)),
        "documents": entries,
        "peak_mib": round(max(one[3] for one in found) / 2**20, 1),
    }
