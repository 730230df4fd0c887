"""Bad documents for the demo, for drills and for tests: each breaks exactly one thing and is signed for the rest.

Every bad document has an outbox of its own (``<agency>/fault-007``), so that the dense indexes of the good stream
never notice it, and a refusal that uses up no index leaves no gap behind.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from typing import NamedTuple

from govbus.cli.demo.drafts import Workbench
from govbus.cli.demo.faults import FAULTS, Fault
from govbus.document.finding import Outcome
from govbus.transport.base import OutRecord

__all__ = ["BadDocument", "Workbench", "bad_documents"]


class BadDocument(NamedTuple):
    """One bad document and what is to become of it."""

    kind: str
    description: str
    record: OutRecord
    expected_outcome: Outcome
    expected_rules: frozenset[str]
    """Rules of which one is to be named in the finding."""
    before: tuple[OutRecord, ...]
    """Good documents of the same outbox that must be sent first; they are accepted."""


def bad_documents(
    workbench: Workbench, count: int, faults: Sequence[Fault] | None = None
) -> Iterator[BadDocument]:
    """Yield so many bad documents, going through the kinds again and again.

    Args:
        workbench: what they are made of.
        count: how many.
        faults: the kinds; None is every kind that Kafka clients can send.
    """
    kinds = faults if faults is not None else [fault for fault in FAULTS if fault.is_sendable]
    for number, fault in enumerate(islice(cycle(kinds), count), 1):
        good = workbench.draft(number)
        yield BadDocument(
            fault.kind,
            fault.description,
            fault.apply(good, workbench).to_record(),
            fault.outcome,
            fault.rules,
            (good.to_record(),) if fault.needs_first else (),
        )
