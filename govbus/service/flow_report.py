"""The flows of a bus as its message log shows them: when deliveries came, which are overdue, where indexes have gaps.

Rule DRM-7 looks at a document when it comes. A delivery that does not come at all brings no document to look at, so
somebody has to ask; this is the asking.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from govbus.document import topics
from govbus.document.finding import Breach, Outcome
from govbus.document.ids import Origin
from govbus.document.record import Record
from govbus.document.statement import Statement
from govbus.errors import RuleError
from govbus.routing.directory.model import Agreement, AgreementStatus, Directory
from govbus.routing.rules.flow import cadence_breaches, frequency_of, interval_ms
from govbus.schemas.core import decode_log_entry
from govbus.service.scanning import scan
from govbus.transport.base import Transport

HELD_MAX = 1_000
"""Held indexes remembered of one origin."""


@dataclass(frozen=True, slots=True)
class AgreementFlow:
    """What flowed under one agreement from one origin; from none where nothing came yet."""

    agreement: Agreement
    origin: Origin | None
    documents: int
    last_ms: int | None
    """When the last document was accepted."""
    frequency: str
    breaches: tuple[Breach, ...]
    """DRM-7 where the next delivery is overdue."""


@dataclass(frozen=True, slots=True)
class OriginGap:
    """An origin whose documents are held because earlier ones are missing (rule SEQ-1)."""

    origin: Origin
    expected: int
    """Index that has to come next."""
    held: tuple[int, ...]
    """Indexes that wait behind it."""


@dataclass(frozen=True, slots=True)
class FlowReport:
    """All flows of a bus."""

    flows: tuple[AgreementFlow, ...]
    gaps: tuple[OriginGap, ...]

    @property
    def overdue(self) -> tuple[AgreementFlow, ...]:
        """The flows whose next delivery should have come by now."""
        return tuple(flow for flow in self.flows if flow.breaches)


@dataclass(slots=True)
class FlowCounter:
    """Counts the entries of the message log, one after the other."""

    _documents: dict[tuple[str, Origin], int] = field(default_factory=lambda: defaultdict(int))
    _last_ms: dict[tuple[str, Origin], int] = field(default_factory=dict)
    _next: dict[Origin, int] = field(default_factory=dict)
    _held: dict[Origin, set[int]] = field(default_factory=lambda: defaultdict(set))

    def take(self, record: Record) -> None:
        """Take one entry in; what is no entry, or names no origin, counts for no flow."""
        try:
            entry = decode_log_entry(record.value)
            origin_and_index = Statement.from_bytes(entry.statement or b"")
        except RuleError:
            return
        origin, index = origin_and_index.origin, origin_and_index.index
        if entry.receipt_first is not None:
            self._next[origin] = max(self._next.get(origin, 0), index + 1)
        elif entry.decision is Outcome.QUARANTINED and len(self._held[origin]) < HELD_MAX:
            self._held[origin].add(index)
        if entry.decision is Outcome.ACCEPTED and entry.agreement is not None:
            key = entry.agreement, origin
            self._documents[key] += 1
            self._last_ms[key] = max(self._last_ms.get(key, 0), entry.time_ms)

    def report(self, directory: Directory, at_ms: int) -> FlowReport:
        """Return what was counted, judged by the agreements of a directory at a time.

        Args:
            directory: the version in force.
            at_ms: now, milliseconds since 1970.
        """
        flows = []
        for agreement in sorted(directory.agreements.values(), key=lambda one: one.id):
            origins = sorted(origin for name, origin in self._last_ms if name == agreement.id)
            flows += [self._flow(directory, agreement, origin, at_ms) for origin in origins or (None,)]
        gaps = []
        for origin in sorted(self._held):
            expected = self._next.get(origin, 0)
            held = tuple(sorted(index for index in self._held[origin] if index >= expected))
            if held:
                gaps.append(OriginGap(origin, expected, held))
        return FlowReport(tuple(flows), tuple(gaps))

    def _flow(
        self, directory: Directory, agreement: Agreement, origin: Origin | None, at_ms: int
    ) -> AgreementFlow:
        key = (agreement.id, origin) if origin is not None else None
        last_ms = self._last_ms[key] if key is not None else None
        frequency = frequency_of(agreement, directory.package(agreement.package.text))
        breaches = _overdue(agreement, frequency, last_ms, at_ms)
        documents = self._documents[key] if key is not None else 0
        return AgreementFlow(agreement, origin, documents, last_ms, frequency, breaches)


def _overdue(agreement: Agreement, frequency: str, last_ms: int | None, at_ms: int) -> tuple[Breach, ...]:
    """Return DRM-7 where the next delivery under an active agreement is late; a pause that goes on cannot be early."""
    expected_ms = interval_ms(frequency)
    is_in_force = (
        agreement.status is AgreementStatus.ACTIVE
        and agreement.valid_from_ms <= at_ms <= agreement.valid_to_ms
    )
    if expected_ms is None or not is_in_force:
        return ()
    pause_ms = at_ms - max(last_ms or 0, agreement.valid_from_ms)
    return tuple(cadence_breaches(pause_ms, agreement, expected_ms)) if pause_ms > expected_ms else ()


async def flow_report(transport: Transport, directory: Directory, at_ms: int) -> FlowReport:
    """Read the message log to its end and return the flows of the bus.

    Raises:
        MissingPartError: if there is no message log.
        TransportError: if the broker fails.
    """
    counter = FlowCounter()
    async for record in scan(transport, [topics.MESSAGE_LOG]):
        counter.take(record)
    return counter.report(directory, at_ms)
