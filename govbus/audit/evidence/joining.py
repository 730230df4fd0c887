"""Results of all units joined: trees compared with every checkpoint, and what only shows where parts meet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from govbus.audit.checkpoints import Checkpoints
from govbus.audit.erasures import DeletedRecords
from govbus.audit.evidence.material import Selection
from govbus.audit.evidence.result import OriginEdges, PartitionPart, UnitResult
from govbus.audit.evidence.sequence import Report, join_edges, report_gap
from govbus.audit.evidence.subtrees import TreeStretch
from govbus.audit.report import AuditFinding, AuditReport, Check
from govbus.document import topics
from govbus.document.decision import SourcePosition
from govbus.message_log.tree import CompactTree
from govbus.transport.base import TopicPartition

_COUNTS = (
    ("hashed", "entries outside the range were hashed only, not checked"),
    ("order_only", "documents of other packages were checked for their order only"),
    (
        "documents_not_kept",
        "documents are not there any more: signatures hold, headers and values were not seen",
    ),
    ("records_not_kept", "records that no signature speaks for are not there any more"),
)

UNFINISHED_NAMED_MAX = 20
"""Origins whose last batch is not whole, named one by one."""


class Joining:
    """Takes the results of units in any order; flat in memory but for the edges of parts."""

    def __init__(
        self,
        report: AuditReport,
        selection: Selection,
        roots: Mapping[tuple[int, int], bytes],
        beginnings: Mapping[TopicPartition, int] | None = None,
    ) -> None:
        """Take where findings and counts go.

        Args:
            report: takes findings and counts.
            selection: which entries are checked.
            roots: that manifests state, by log partition and size.
            beginnings: first offsets that the broker still has, where it is asked.
        """
        self._roots = roots
        self._beginnings = beginnings or {}
        self._deleted = DeletedRecords()
        self._report = report
        self._selection = selection
        self._parts: list[PartitionPart] = []
        self._absent: list[tuple[str, int, int, int, str, bytes]] = []
        self._erased: set[tuple[str, bytes]] = set()
        self.counts: dict[str, int] = {}
        self.peak_bytes = 0

    def take(self, result: UnitResult) -> None:
        """Take the result of one unit in."""
        report = self._report
        beyond = Counter(result.found.by_check)
        for finding in result.found.findings:
            beyond[finding.check] -= 1
            if finding.check is Check.RETENTION and finding.source is not None:
                self._deleted.take(finding)
            else:
                report.add(finding)
        self._deleted.take_uncounted(beyond.pop(Check.RETENTION, 0))
        report.findings_total += beyond.total()
        report.by_check.update({check.value: count for check, count in beyond.items() if count})
        report.outcomes.update(result.outcomes)
        for name, count in result.counts.items():
            self.counts[name] = self.counts.get(name, 0) + count
        self._parts += result.parts
        self._absent += result.absent
        self._erased |= result.erased
        self.peak_bytes = max(self.peak_bytes, result.peak_bytes)

    def finish(self, checkpoints: Checkpoints, partitions: Iterable[int]) -> None:
        """Join everything and compare it with the checkpoints.

        Args:
            checkpoints: all that are signed.
            partitions: of the message log.
        """
        by_partition: dict[int, list[PartitionPart]] = {partition: [] for partition in partitions}
        for part in self._parts:
            by_partition.setdefault(part.partition, []).append(part)
        origins: dict[str, tuple[int, OriginEdges]] = {}
        for partition, parts in sorted(by_partition.items()):
            parts.sort(key=lambda part: part.start)
            self._join_trees(checkpoints, partition, parts)
            self._join_sources(partition, parts)
            for part in parts:
                self._join_origins(part, origins)
        self._explain_absent()
        self._note_unfinished(origins)
        report = self._report
        report.entries = sum(report.sizes.values())
        report.signatures_verified = self.counts.get("verified", 0)
        report.notes += [f"{self.counts[name]:,} {text}" for name, text in _COUNTS if self.counts.get(name)]

    def _join_trees(self, checkpoints: Checkpoints, partition: int, parts: list[PartitionPart]) -> None:
        replay = checkpoints.replay(partition)
        whole = TreeStretch()
        replay.grow(CompactTree())
        for part in parts:
            if part.start != whole.end:
                self._add(
                    Check.ENTRY, partition, whole.end, f"entry {whole.end}", f"entry {part.start} comes next"
                )
                break
            for stretch in part.stretches:
                whole.join(stretch)
                replay.grow(whole.tree())
            stated = self._roots.get((partition, whole.end))
            if stated is not None and stated != whole.tree().root():
                self._add(
                    Check.ARCHIVE,
                    partition,
                    whole.end - 1,
                    f"root {whole.tree().root().hex()}, which the first {whole.end} entries give",
                    f"root {stated.hex()} in the manifest of the segment that ends here",
                )
        replay.finish()

    def _join_sources(self, partition: int, parts: list[PartitionPart]) -> None:
        last: dict[tuple[str, int], int] = {}
        for part in parts:
            for place, source in part.sources.items():
                before = last.get(place)
                if before is not None and source.first <= before:
                    self._add(
                        Check.DECIDED,
                        partition,
                        source.first_entry,
                        f"a record of {place[0]}/{place[1]} after offset {before}",
                        f"one at offset {source.first}: a second entry, or one out of order",
                        source=SourcePosition(*place, source.first),
                    )
                last[place] = max(source.last, before if before is not None else -1)

    def _join_origins(self, part: PartitionPart, origins: dict[str, tuple[int, OriginEdges]]) -> None:
        for origin, runs in part.origins.items():

            def report(
                check: Check, expected: str, found: str, index: int, entry: int, origin: str = origin
            ) -> None:
                self._add(check, part.partition, entry, expected, found, origin=origin, index=index)

            for edges in runs:
                self._join_run(part.partition, origin, edges, origins, report)

    def _join_run(
        self,
        partition: int,
        origin: str,
        edges: OriginEdges,
        origins: dict[str, tuple[int, OriginEdges]],
        report: Report,
    ) -> None:
        known = origins.get(origin)
        if known is None:
            origins[origin] = (partition, edges)
            if edges.first and not self._selection.begins_later:
                report_gap(0, edges.first, edges.first_entry, report)
        elif known[0] != partition:
            expected = f"all documents of the origin in log partition {known[0]}"
            report(Check.SEQUENCE, expected, f"some in {partition}", edges.first, edges.first_entry)
        else:
            join_edges(known[1], edges, report)

    def _note_unfinished(self, origins: Mapping[str, tuple[int, OriginEdges]]) -> None:
        """Say which agencies signed more than the log has: still on the way, or taken out."""
        unfinished = [
            f"{origin}: the log ends at index {edges.next - 1} of a batch that the agency signed up to index "
            f"{edges.batch_end - 1}: the rest is not decided yet, or was taken out"
            for origin, (_, edges) in sorted(origins.items())
            if edges.batch_end is not None and edges.batch_end > edges.next
        ]
        self._report.notes += unfinished[:UNFINISHED_NAMED_MAX]
        if len(unfinished) > UNFINISHED_NAMED_MAX:
            self._report.notes.append(
                f"{len(unfinished) - UNFINISHED_NAMED_MAX:,} more origins end in the middle of a batch"
            )

    def _explain_absent(self) -> None:
        for source, _ in self._erased:
            place, _, offset = source.rpartition("@")
            topic, _, number = place.rpartition("/")
            self._deleted.explain(SourcePosition(topic, int(number), int(offset)))
        self._deleted.finish(self._report, self._beginnings)
        for origin, index, partition, entry, *named in self._absent:
            if tuple(named) not in self._erased:
                self._add(
                    Check.VALUE,
                    partition,
                    entry,
                    "the value, or an entry that says that it was erased",
                    "neither",
                    origin=origin,
                    index=index,
                )
        erased = sum(one[4:] in self._erased for one in self._absent)
        if erased:
            self._report.notes.append(f"{erased:,} values were erased, as entries of the log say")

    def _add(
        self,
        check: Check,
        partition: int,
        entry: int,
        expected: str,
        found: str,
        *,
        origin: str | None = None,
        index: int | None = None,
        source: SourcePosition | None = None,
    ) -> None:
        self._report.add(
            AuditFinding(
                check,
                topics.MESSAGE_LOG,
                partition,
                None,
                expected,
                found,
                origin=origin,
                index=index,
                source=source,
                entry=entry,
            )
        )
