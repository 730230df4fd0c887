"""Times of entries against the heads that do not have them: what is contradicted, and what is forgiven."""

import pytest

from govbus.audit.dating import TOLERANCE_MS, DatedHead, Dating
from govbus.audit.report import Check
from govbus.document.decision import LogEntry, SourcePosition
from govbus.document.finding import Outcome

HOUR_MS = 3_600_000
HEADS = [
    DatedHead(2, HOUR_MS, "court"),
    DatedHead(3, 2 * HOUR_MS, "court"),
    DatedHead(5, 3 * HOUR_MS, "tsa"),
]
GROWTH = [(0, 10), (1, 4), (0, 20), (1, 8), (0, 30), (0, 40)]
"""Sizes of partition 0 at the heads: 10, 20, 30; of partition 1: 4, 4, 8. The last checkpoint is in no dated head."""


def _entry(time_ms):
    source = SourcePosition("govbus.out.tax.example", 0, 7)
    return LogEntry(Outcome.REFUSED, time_ms, source, None, None, (), None, b"", bytes(32), 1, (), (), None)


def _bound(partition, number):
    """Return the earliest time of an entry that is no finding, or None where any time is none."""
    dating = Dating(HEADS, GROWTH)
    if dating.finding(partition, number, None, _entry(-(10**15))) is None:
        return None
    (bound,) = [
        head.time_ms - TOLERANCE_MS
        for head in HEADS
        if dating.finding(partition, number, None, _entry(head.time_ms - TOLERANCE_MS)) is None
        and dating.finding(partition, number, None, _entry(head.time_ms - TOLERANCE_MS - 1)) is not None
    ]
    return bound


@pytest.mark.parametrize(
    ("partition", "number", "head"),
    [
        (0, 0, None),
        (0, 9, None),
        (0, 10, None),
        (0, 19, None),
        (0, 20, 0),
        (0, 29, 0),
        (0, 30, 1),
        (0, 39, 1),
        (0, 999, 1),
        (1, 3, None),
        (1, 4, 0),
        (1, 7, 0),
        (1, 8, 1),
        (7, 0, 1),
    ],
)
def test_the_head_before_the_last_that_does_not_have_it(partition, number, head):
    """Of the heads without an entry the last may have lain about; the one before it bounds the entry's time."""
    expected = None if head is None else HEADS[head].time_ms - TOLERANCE_MS
    assert expected == _bound(partition, number)


def test_nothing_dated():
    """Without anybody's clock any time is as good as another."""
    assert Dating([], GROWTH).finding(0, 5, None, _entry(0)) is None


@pytest.mark.parametrize(("offset", "entry"), [(77, None), (None, 30)])
def test_the_finding_names_place_and_times(offset, entry):
    """It has the offset on a bus, the entry's number in an archive, and both times in words."""
    found = Dating(HEADS, GROWTH).finding(0, 30, offset, _entry(0))
    assert (Check.TIMESTAMP, "govbus.log", 0, offset, entry) == (
        found.check,
        found.topic,
        found.partition,
        found.offset,
        found.entry,
    )
    assert "1970-01-01T02:00:00.000Z" in found.expected
    assert "heads" not in found.found
    assert "1970-01-01T00:00:00.000Z" in found.found
