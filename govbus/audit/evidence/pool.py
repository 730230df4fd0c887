"""Units of evidence checked side by side, one process a core, each result sent back as soon as it is there."""

from __future__ import annotations

import gc
import multiprocessing
import os
import resource
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import Any

from govbus.audit.evidence.engine import PartitionCheck
from govbus.audit.evidence.material import EvidenceUnit, Selection, Trust
from govbus.audit.evidence.result import UnitResult
from govbus.audit.evidence.trust import TrustTable
from govbus.errors import GovbusError, LogIntegrityError

Done = Callable[[int], None]
"""Told how many more entries are done."""

POLL_S = 0.2
"""How often the processes are asked how far they are."""
_GARBAGE_THRESHOLD = 100_000
"""Objects made before Python looks for cycles, of which there are none: the usual 700 cost a tenth of the time."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done with every unit."""

    table: TrustTable
    cuts: Mapping[int, Sequence[int]] = field(default_factory=dict)
    """Sizes of checkpoints, sorted, by log partition."""
    selection: Selection = field(default_factory=Selection)
    is_hash_only: bool = False
    """Whether nothing but the trees is computed."""

    def for_unit(self, unit: EvidenceUnit) -> dict[int, tuple[int, ...]]:
        """Return the sizes of checkpoints that lie in a unit."""
        return {
            partition: tuple(cut for cut in self.cuts.get(partition, ()) if start < cut <= end)
            for partition, start, end in unit.ranges
        }


def check_units(
    units: Sequence[EvidenceUnit], work: Work, *, processes: int, done: Done | None = None
) -> Iterator[UnitResult]:
    """Check units and yield what came out, in any order.

    Args:
        units: parts of one log; with more than one process they are pickled.
        work: what to do.
        processes: how many to use; with one, everything is done in this one.
        done: told how far it is.

    Raises:
        GovbusError: if a unit cannot be read, or a process ended by itself.
    """
    if processes <= 1 or len(units) <= 1:
        trust = work.table.open()
        for unit in units:
            yield check_unit(unit, work, trust, work.for_unit(unit), done or (lambda _: None))
        return
    yield from _side_by_side(units, work, min(processes, len(units)), done)


def _side_by_side(
    units: Sequence[EvidenceUnit], work: Work, processes: int, done: Done | None
) -> Iterator[UnitResult]:
    context = multiprocessing.get_context("spawn")
    counter = context.Value("q", 0)
    shared = Work(work.table, {}, work.selection, work.is_hash_only)
    told = 0
    waiting = list(reversed(units))
    running: set[Future[UnitResult]] = set()
    with ProcessPoolExecutor(processes, context, _begin, (shared, counter)) as pool:
        try:
            while waiting or running:
                # A few ahead of what is running: results come back in time, and little waits in memory.
                while waiting and len(running) < 2 * processes:
                    unit = waiting.pop()
                    running.add(pool.submit(_check, unit, work.for_unit(unit)))
                finished, running = wait(running, timeout=POLL_S, return_when=FIRST_COMPLETED)
                if done is not None and counter.value > told:
                    done(counter.value - told)
                    told = counter.value
                for future in finished:
                    yield future.result()
        except BrokenProcessPool as err:
            raise LogIntegrityError(
                "a process of the audit ended by itself; nothing is established",
                remedy="give the machine more memory, or use fewer --processes",
            ) from err
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


class _Process:
    """What one process keeps from unit to unit."""

    work: Work
    trust: Trust
    counter: Any


def _begin(work: Work, counter: Any) -> None:
    _Process.work, _Process.trust, _Process.counter = work, work.table.open(), counter
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE_THRESHOLD)


def _check(unit: EvidenceUnit, cuts: Mapping[int, Sequence[int]]) -> UnitResult:
    def done(entries: int) -> None:
        with _Process.counter.get_lock():
            _Process.counter.value += entries

    return check_unit(unit, _Process.work, _Process.trust, cuts, done)


def check_unit(
    unit: EvidenceUnit, work: Work, trust: Trust, cuts: Mapping[int, Sequence[int]], done: Done
) -> UnitResult:
    """Check one unit in this process.

    Raises:
        GovbusError: if it cannot be read.
    """
    result = UnitResult(unit.name)
    checks: dict[int, PartitionCheck] = {}
    try:
        for stretch in unit.stretches():
            check = checks.get(stretch.partition)
            if check is None:
                check = checks[stretch.partition] = PartitionCheck(
                    stretch.partition,
                    stretch.start,
                    trust,
                    result,
                    cuts=cuts.get(stretch.partition, ()),
                    selection=work.selection,
                )
            for finding in stretch.findings:
                result.found.add(finding)
            if work.is_hash_only:
                check.hash(stretch.materials)
            else:
                check.take(stretch.materials)
            done(len(stretch.materials))
    except GovbusError as err:
        raise type(err)(f"{unit.name}: {err.message}", remedy=err.remedy) from err
    for check in checks.values():
        check.finish()
    result.peak_bytes = peak_bytes()
    return result


def peak_bytes() -> int:
    """Return the most memory that this process has held, as the system counts it (``ru_maxrss``)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def processes_default() -> int:
    """Return how many processes may run at once: the cores that this one may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
