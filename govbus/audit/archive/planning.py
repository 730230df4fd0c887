"""Where the segments of an archive end: after the checkpoints that cover their entries.

A segment takes the records of ``govbus.checkpoints`` in their order, and with each checkpoint of a log partition the
entries that it newly covers, until the next would be too many. So segments hold what happened together, and
every one ends in signed sizes. Only where a single checkpoint covers more new entries than a segment holds, such as
after an outage of the log service, do segments end in between; the checkpoint then stands in the last of them, and
none of them is kept before it has been compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from govbus.audit.archive.layout import SEGMENT_ENTRIES_MAX
from govbus.audit.archive.manifest import Range


@dataclass(frozen=True, slots=True)
class Plan:
    """What one segment takes."""

    logs: Mapping[int, Range]
    """New entries, by log partition."""
    checkpoints: Range
    """Offsets of records on ``govbus.checkpoints``."""
    is_covered: bool
    """Whether checkpoints up to here cover all of its entries; else those of a later one do."""

    @property
    def entries(self) -> int:
        """New entries of all partitions."""
        return sum(end - start for start, end in self.logs.values())


class Planner:
    """Cuts the checkpoints, as they come, into segments."""

    def __init__(
        self, sizes: Mapping[int, int], next_offset: int, entries_max: int = SEGMENT_ENTRIES_MAX
    ) -> None:
        """Go on where the last segment ended.

        Args:
            sizes: entries archived so far, of every log partition of the bus.
            next_offset: of the next record on ``govbus.checkpoints``.
            entries_max: entries of one segment.
        """
        self._starts = dict(sizes)
        self._ends = dict(sizes)
        self._first_offset = self._next_offset = next_offset
        self._entries_max = entries_max
        self._room = entries_max

    @property
    def entries(self) -> int:
        """Entries that wait for a segment."""
        return self._entries_max - self._room

    @property
    def next_offset(self) -> int:
        """Offset after the last record that was taken."""
        return self._next_offset

    def take(self, offset: int, partition: int | None = None, size: int = 0) -> Iterator[Plan]:
        """Take the next record, and yield the segments that are full before it.

        Args:
            offset: of the record.
            partition: that it is a checkpoint of; None for every other record.
            size: that the checkpoint states, as compared with nothing yet.
        """
        if partition is not None and size > self._ends.get(partition, 0):
            if size - self._ends.get(partition, 0) > self._room and self._room < self._entries_max:
                yield self._cut(is_covered=True)
            while size - self._ends.get(partition, 0) > self._room:
                self._grow(partition, self._ends.get(partition, 0) + self._room)
                yield self._cut(is_covered=False)
            self._grow(partition, size)
        self._next_offset = offset + 1

    def close(self) -> Plan:
        """Return what waits as a segment, however small it is."""
        return self._cut(is_covered=True)

    def _grow(self, partition: int, size: int) -> None:
        self._starts.setdefault(partition, 0)
        self._room -= size - self._ends.get(partition, 0)
        self._ends[partition] = size

    def _cut(self, *, is_covered: bool) -> Plan:
        logs = {number: Range(self._starts[number], end) for number, end in self._ends.items()}
        plan = Plan(logs, Range(self._first_offset, self._next_offset), is_covered)
        self._starts = dict(self._ends)
        self._first_offset = self._next_offset
        self._room = self._entries_max
        return plan
