"""Properties of the cut into segments that hold however checkpoints come."""

from hypothesis import given
from hypothesis import strategies as st

from govbus.audit.archive.manifest import Range
from govbus.audit.archive.planning import Planner

_STEPS = st.lists(
    st.one_of(st.tuples(st.integers(0, 2), st.integers(-3, 25)), st.none()), max_size=40
)  # a partition and how much its next checkpoint grows, or some other record
_ENTRIES_MAX = 10


def _planned(steps):
    """Return the plans, and the sizes that the last checkpoints state."""
    planner, sizes, plans = Planner({0: 0, 1: 0, 2: 0}, 0, _ENTRIES_MAX), {0: 0, 1: 0, 2: 0}, []
    for number, step in enumerate(steps):
        offset = 2 * number  # with holes
        if step is None:
            plans += planner.take(offset)
            continue
        partition, growth = step
        size = max(0, sizes[partition] + growth)
        plans += planner.take(offset, partition, size)
        sizes[partition] = max(sizes[partition], size)
    return planner, plans, sizes


@given(_STEPS)
def test_segments_tile(steps):
    """Segments follow each other without gap, in entries and in records, and end where the checkpoints do."""
    planner, plans, sizes = _planned(steps)
    plans.append(planner.close())
    ends, offset = {0: 0, 1: 0, 2: 0}, 0
    for plan in plans:
        assert offset == plan.checkpoints.start
        offset = plan.checkpoints.end
        for partition, entries in plan.logs.items():
            assert ends[partition] == entries.start
            ends[partition] = entries.end

    assert sizes == ends
    assert offset == planner.next_offset == (2 * len(steps) - 1 if steps else 0)


@given(_STEPS)
def test_bounds(steps):
    """No segment has more entries than it may, and none that is not closed by hand is empty."""
    planner, plans, _ = _planned(steps)

    assert all(0 < plan.entries <= _ENTRIES_MAX for plan in plans)
    assert planner.entries <= _ENTRIES_MAX


@given(_STEPS)
def test_covered(steps):
    """A segment that says it is covered ends in sizes that checkpoints up to there state; others are full."""
    planner, plans, _ = _planned(steps)
    plans.append(planner.close())
    stated = {0: {0}, 1: {0}, 2: {0}}
    sizes, number = {0: 0, 1: 0, 2: 0}, 0
    for plan in plans:
        while number < len(steps) and 2 * number < plan.checkpoints.end:
            step = steps[number]
            if step is not None:
                sizes[step[0]] = max(sizes[step[0]], sizes[step[0]] + step[1])
                stated[step[0]].add(sizes[step[0]])
            number += 1
        if plan.is_covered:
            assert all(entries.end in stated[partition] for partition, entries in plan.logs.items())
        else:
            assert _ENTRIES_MAX == plan.entries


def test_time_order():
    """A segment takes what happened together, not one partition after the other."""
    planner = Planner({0: 0, 1: 0}, 5, 10)
    plans = [*planner.take(5, 0, 4), *planner.take(6, 1, 4), *planner.take(8, 0, 9)]

    assert [({0: Range(0, 4), 1: Range(0, 4)}, Range(5, 7))] == [(one.logs, one.checkpoints) for one in plans]
