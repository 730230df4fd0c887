"""The numbering of an origin's documents: dense, in order, and its batches one after the other."""

from __future__ import annotations

from collections.abc import Callable

from govbus.audit.evidence.result import RUNS_MAX, UNACCEPTED_MAX, OriginEdges, Try
from govbus.audit.report import Check
from govbus.signing.batch import BatchText

Report = Callable[[Check, str, str, int, int], None]
"""Takes check, expected, found, the origin's index and the number of the entry."""


class OriginSequence:
    """Follows the documents of one origin that used up an index, in the order of the log."""

    __slots__ = ("edges", "runs")

    def __init__(self, first: int, entry: int) -> None:
        """Begin with the first document that is to come.

        Args:
            first: its index.
            entry: number of the entry about it.
        """
        self.edges = OriginEdges(first, entry, first)
        """The run that grows."""
        self.runs = [self.edges]

    def take(self, decided: Try, batch: tuple[bytes, BatchText] | None, report: Report) -> None:
        """Take a decision in.

        Args:
            decided: what was decided about an index.
            batch: text and content of the batch that the document stands in; None where it has a signature of its own.
            report: takes what is wrong.
        """
        if decided.number > self.edges.next:
            if len(self.runs) < RUNS_MAX:
                self.edges = OriginEdges(decided.number, decided.entry, decided.number)
                self.runs.append(self.edges)
            else:
                report_gap(self.edges.next, decided.number, decided.entry, report)
        edges = self.edges
        if decided.number >= edges.next:
            if edges.first_try is None:
                edges.first_try = decided
            self._advance(decided, batch, report)
        else:
            judge_try(edges, decided, report)
        keep_try(edges, decided)

    def _advance(self, decided: Try, batch: tuple[bytes, BatchText] | None, report: Report) -> None:
        edges, index = self.edges, decided.number
        edges.next = index + 1
        if not decided.is_proven:
            # A batch text that nothing proves says nothing.
            if edges.unproven_since is None:
                edges.unproven_since = index
            return
        if edges.first_proven is None:
            edges.first_proven = index
            edges.first_batch = (batch[1].start, batch[1].end) if batch is not None else None
        else:
            self._check_tiling(decided, batch, report)
        edges.unproven_since = None
        edges.batch_text, edges.batch_end = (batch[0], batch[1].end) if batch is not None else (None, None)

    def _check_tiling(self, decided: Try, batch: tuple[bytes, BatchText] | None, report: Report) -> None:
        edges, index = self.edges, decided.number
        lowest = edges.unproven_since if edges.unproven_since is not None else index
        if batch is not None and batch[0] == edges.batch_text:
            return
        start = batch[1].start if batch is not None else index
        if not lowest <= start <= index:
            report(
                Check.BATCH,
                f"a batch that starts at index {lowest}, where this origin has come to",
                f"one that starts at {start}",
                index,
                decided.entry,
            )
        elif edges.batch_end is not None and not lowest <= edges.batch_end <= start:
            report(
                Check.BATCH,
                f"the batch before up to its end at index {edges.batch_end}",
                f"another signature from index {start} on",
                index,
                decided.entry,
            )


def judge_try(edges: OriginEdges, decided: Try, report: Report) -> None:
    """Judge a decision about an index that was used before: it must not have been accepted, nor be another's."""
    if decided.number < edges.first:
        if len(edges.early) < UNACCEPTED_MAX:
            edges.early.append(decided)
        return
    prior = edges.unaccepted.get(decided.number)
    if prior is None:
        report(
            Check.SEQUENCE,
            f"index {edges.next}, the next of the origin",
            f"index {decided.number} a second time, though it was accepted before",
            decided.number,
            decided.entry,
        )
    elif prior.is_proven and prior.statement_hash != decided.statement_hash:
        report(
            Check.SEQUENCE,
            f"the document that used index {decided.number} first, at entry {prior.entry}",
            "another one under the same index",
            decided.number,
            decided.entry,
        )


def keep_try(edges: OriginEdges, decided: Try) -> None:
    """Remember a decision as long as a later try may ask for it; the oldest go first where there are many."""
    if decided.is_accepted:
        edges.unaccepted.pop(decided.number, None)
        return
    if len(edges.unaccepted) >= UNACCEPTED_MAX:
        del edges.unaccepted[next(iter(edges.unaccepted))]
    edges.unaccepted[decided.number] = decided


def report_gap(expected: int, found: int, entry: int, report: Report) -> None:
    """Report documents that are not there."""
    report(
        Check.SEQUENCE,
        f"index {expected}, the next of the origin",
        f"index {found}: {found - expected} documents are not there",
        found,
        entry,
    )


def join_edges(before: OriginEdges, after: OriginEdges, report: Report) -> None:
    """Judge what only shows where two runs meet, and make the first cover both."""
    if after.first > before.next:
        report_gap(before.next, after.first, after.first_entry, report)
    elif after.first < before.next:
        _join_tries(before, after, report)
    else:
        _join_batches(before, after, report)
    for decided in after.early:
        judge_try(before, decided, report)
        keep_try(before, decided)
    if after.next > before.next and after.first_proven is not None:
        before.batch_end, before.batch_text = after.batch_end, after.batch_text
        before.unproven_since = after.unproven_since
    elif after.next > before.next and before.unproven_since is None:
        before.unproven_since = after.first
    if before.first_proven is None:
        before.first_proven = after.first_proven
    before.next = max(before.next, after.next)
    for decided in after.unaccepted.values():
        keep_try(before, decided)


def _join_tries(before: OriginEdges, after: OriginEdges, report: Report) -> None:
    """Judge a run that begins with indexes that were used before: none of them may have been accepted."""
    first = after.first_try
    if first is not None:
        judge_try(before, first, report)
    for number in range(after.first, min(after.next, before.next)):
        if number not in before.unaccepted and number != after.first and number >= before.first:
            expected = f"index {before.next}, the next of the origin"
            found = f"index {number} a second time, though it was accepted before"
            report(Check.SEQUENCE, expected, found, number, after.first_entry)
            break
        if number not in after.unaccepted:
            before.unaccepted.pop(number, None)


def _join_batches(before: OriginEdges, after: OriginEdges, report: Report) -> None:
    if after.first_proven is None:
        return
    start, end = after.first_batch if after.first_batch is not None else (after.first_proven, None)
    is_same = end is not None and before.batch_end == end and start < after.first
    lowest = before.unproven_since if before.unproven_since is not None else after.first
    is_next = start >= lowest and (before.batch_end is None or before.batch_end <= start)
    # A log that is not read from its beginning shows no batch before.
    if is_same or is_next or before.first_proven is None:
        return
    report(
        Check.BATCH,
        f"a batch that starts at index {lowest}, or goes on to its end at {before.batch_end or lowest}",
        f"one that starts at {start}",
        after.first_proven,
        after.first_entry,
    )
