"""Back-dated decisions: what others' clocks say about when an entry cannot have been in the log yet.

A head checkpoint that a witness cosigned, or an authority stamped, is the newest of its moment. So an entry that it
does not have was decided after it was signed; and it was signed after the head before it was vouched for. The one
before is what counts here, because a head may lie about for a while before others see it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from govbus.audit.report import AuditFinding, Check
from govbus.document import topics
from govbus.document.decision import LogEntry
from govbus.document.encoding import TIME_MS_MAX, time_text

TOLERANCE_MS: Final = 300_000
"""Between the clocks of routers, witnesses and authorities, and for transactions under way: five minutes."""


class DatedHead(NamedTuple):
    """A head checkpoint and the first moment at which somebody outside vouched for it."""

    size: int
    """Of the head tree."""
    time_ms: int
    by: str


class Dating:
    """Holds the time of every entry against the heads that do not have it."""

    def __init__(self, heads: Sequence[DatedHead], growth: Iterable[tuple[int, int]]) -> None:
        """Take what is dated.

        Args:
            heads: in the order of their sizes, each once.
            growth: the entries of the head tree in their order: log partition, and its size.
        """
        self._heads = heads
        self._sizes: dict[int, list[int]] = {}
        self._firsts: dict[int, list[int]] = {}
        """By log partition: its sizes, and beside each the first of the dated heads that has it."""
        at = 0
        for number, (partition, size) in enumerate(growth, start=1):
            while at < len(heads) and heads[at].size < number:
                at += 1
            if at == len(heads):
                break
            sizes = self._sizes.setdefault(partition, [])
            firsts = self._firsts.setdefault(partition, [])
            if firsts and firsts[-1] == at:
                sizes[-1] = size
            else:
                sizes.append(size)
                firsts.append(at)

    def finding(
        self, partition: int, number: int, offset: int | None, entry: LogEntry
    ) -> AuditFinding | None:
        """Return what is wrong with the time of an entry, or None.

        Args:
            partition: of the message log.
            number: of the entry in it, from 0.
            offset: of its record on the topic; None where it is read from an archive.
            entry: decoded.
        """
        place = bisect_right(self._sizes.get(partition, []), number)
        firsts = self._firsts.get(partition, [])
        having = firsts[place] if place < len(firsts) else len(self._heads)
        if having < 2:  # noqa: PLR2004  # the last head that does not have it, and the one before that
            return None
        head = self._heads[having - 2]
        if entry.time_ms >= head.time_ms - TOLERANCE_MS:
            return None
        return AuditFinding(
            Check.TIMESTAMP,
            topics.MESSAGE_LOG,
            partition,
            offset,
            f"a decision after {time_text(head.time_ms)}, because the head checkpoints of {head.size} and of "
            f"{self._heads[having - 1].size} entries, vouched for by {head.by} from then on, do not have it",
            f"one that says {_shown(entry.time_ms)}: it was back-dated",
            source=entry.source,
            entry=None if offset is not None else number,
        )


def _shown(time_ms: int) -> str:
    """Return a time as text, also one that no calendar has: an entry may say anything."""
    return time_text(time_ms) if 0 <= time_ms <= TIME_MS_MAX else f"{time_ms} ms since 1970"
