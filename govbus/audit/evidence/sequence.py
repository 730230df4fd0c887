"""The numbering of an origin's documents: dense, in order, and its batches one after the other."""

from __future__ import annotations

from collections.abc import Callable

from govbus.audit.evidence.result import UNACCEPTED_MAX, OriginEdges, Try
from govbus.audit.report import Check
from govbus.signing.batch import BatchText

Report = Callable[[Check, str, str, int, int], None]
"""Takes check, expected, found, the origin's index and the number of the entry."""


class OriginSequence:
    """Follows the documents of one origin that used up an index, in the order of the log."""

    __slots__ = ("_unproven_since", "edges")

    def __init__(self, edges: OriginEdges) -> None:
        """Continue from these edges; the first document to come is `edges.next`."""
        self.edges = edges
        self._unproven_since: int | None = None
        """First of the documents just before the next one that no signature proved."""

    def take(self, decided: Try, batch: tuple[bytes, BatchText] | None, report: Report) -> None:
        """Take a decision in.

        Args:
            decided: what was decided about an index.
            batch: text and content of the batch that the document stands in; None where it has a signature of its own.
            report: takes what is wrong.
        """
        edges = self.edges
        if decided.number >= edges.next:
            if decided.number > edges.next:
                report(
                    Check.SEQUENCE,
                    f"index {edges.next}, the next of the origin",
                    f"index {decided.number}: {decided.number - edges.next} documents are not there",
                    decided.number,
                    decided.entry,
                )
            self._advance(decided, batch, report)
        else:
            judge_try(edges, decided, report)
        keep_try(edges, decided)

    def _advance(self, decided: Try, batch: tuple[bytes, BatchText] | None, report: Report) -> None:
        edges, index = self.edges, decided.number
        is_next = index == edges.next
        edges.next = index + 1
        if not decided.is_proven:
            # A batch text that nothing proves says nothing.
            if self._unproven_since is None:
                self._unproven_since = index
            return
        if is_next and (index != edges.first or edges.batch_text is not None):
            self._check_tiling(decided, batch, report)
        if index == edges.first:
            edges.first_batch = (batch[1].start, batch[1].end) if batch is not None else None
        self._unproven_since = None
        edges.batch_text, edges.batch_end = (batch[0], batch[1].end) if batch is not None else (None, None)

    def _check_tiling(self, decided: Try, batch: tuple[bytes, BatchText] | None, report: Report) -> None:
        edges, index = self.edges, decided.number
        lowest = self._unproven_since if self._unproven_since is not None else index
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


def join_edges(before: OriginEdges, after: OriginEdges, report: Report) -> None:
    """Judge what only shows where two parts of a log meet, and make the first part cover both."""
    if after.first != before.next:
        is_gap = after.first > before.next
        report(
            Check.SEQUENCE,
            f"index {before.next}, the next of the origin",
            f"index {after.first}" + ("" if is_gap else " again"),
            after.first,
            after.first_entry,
        )
    else:
        _join_batches(before, after, report)
    for decided in after.early:
        judge_try(before, decided, report)
        keep_try(before, decided)
    before.next = max(before.next, after.next)
    before.batch_end, before.batch_text = after.batch_end, after.batch_text
    for decided in after.unaccepted.values():
        keep_try(before, decided)


def _join_batches(before: OriginEdges, after: OriginEdges, report: Report) -> None:
    start, end = after.first_batch if after.first_batch is not None else (after.first, None)
    is_same = start < after.first and before.batch_end == end
    if is_same or (start == after.first and before.batch_end in {None, after.first}):
        return
    report(
        Check.BATCH,
        f"batches that meet at index {after.first}",
        f"one that starts at {start} after one that ends at {before.batch_end or after.first}",
        after.first,
        after.first_entry,
    )
