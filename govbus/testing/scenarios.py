"""Scenarios: what a rule does that no single document can show, run for real.

An example names one with the key ``scenario``. Each returns the findings that it led to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from govbus.document.decision import LogEntry, SourcePosition
from govbus.document.finding import Breach, Finding, Outcome
from govbus.document.ids import Origin
from govbus.document.record import Record
from govbus.registry.conflicts import conflict_breaches
from govbus.registry.memory import MemoryRegistryStore
from govbus.registry.record import Identifier, Revision, SourceRecord, SourceRecordId
from govbus.registry.resolver import resolve
from govbus.routing.decide import decide
from govbus.routing.directory.model import Directory
from govbus.routing.history import MemoryHistory
from govbus.routing.rules.catalogue import finding_of
from govbus.routing.rules.security import audit_record_breaches
from govbus.testing.example_bus import BASE_AT_MS, TAX

Scenario = Callable[[Directory, Record], tuple[Finding, ...]]
"""Takes the base directory and a good document; returns findings."""
_NUMBER: Final = Identifier("national-id", "5304218")


def _resolved(*record_ids: str) -> tuple[Finding, ...]:
    """Let one source claim an identifier for records, and return what the registry holds against the last."""
    store = MemoryRegistryStore()
    breaches: list[Breach] = []
    for record_id in record_ids:
        name = SourceRecordId(TAX.text, record_id)
        decision = resolve(store, SourceRecord(name, Revision(BASE_AT_MS, "1"), (_NUMBER,), {}))
        breaches = conflict_breaches(decision)
    return tuple(map(finding_of, breaches))


def _registry_agrees(_directory: Directory, _record: Record) -> tuple[Finding, ...]:
    return _resolved("TA-1")


def _registry_conflict(_directory: Directory, _record: Record) -> tuple[Finding, ...]:
    return _resolved("TA-1", "TA-2")


class _BrokenHistory(MemoryHistory):
    """A history with a defect, as any code may have."""

    def next_index(self, origin: Origin) -> int:
        raise LookupError(str(origin))


def _defect(directory: Directory, record: Record) -> tuple[Finding, ...]:
    """Decide with code that fails: the document is held, and nothing is raised."""
    return decide(record, directory, _BrokenHistory(), at_ms=BASE_AT_MS).findings


def _entry_without_time(_directory: Directory, record: Record) -> tuple[Finding, ...]:
    """Write a log entry about a refusal that says neither when nor why."""
    entry = LogEntry(
        decision=Outcome.REFUSED,
        time_ms=0,
        source=SourcePosition(record.topic, record.partition, record.offset),
        document_id=None,
        statement=None,
        signatures=(),
        batch=None,
        path=b"",
        record_hash=bytes(32),
        directory_version=1,
        findings=(),
        recipients=(),
        receipt_first=None,
    )
    return tuple(map(finding_of, audit_record_breaches(entry)))


SCENARIOS: Final[Mapping[str, Scenario]] = {
    "registry-agrees": _registry_agrees,
    "registry-conflict": _registry_conflict,
    "defect-in-a-rule": _defect,
    "entry-without-outcome": _entry_without_time,
}
"""Every scenario by its name."""
