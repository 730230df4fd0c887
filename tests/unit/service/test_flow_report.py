"""Flows as the message log shows them: what came, what is overdue, what is missing."""

from types import SimpleNamespace

from govbus.document.decision import LogEntry, SourcePosition
from govbus.document.finding import Finding, Outcome, Severity
from govbus.document.ids import AgencyId, Origin, PackageId
from govbus.document.record import Record
from govbus.document.statement import Statement
from govbus.routing.directory.model import Agreement, AgreementStatus, Delivery
from govbus.schemas.core import encode_log_entry
from govbus.service.flow_report import FlowCounter

DAY_MS = 86_400_000
AT_MS = 1_795_466_700_000
TAX = AgencyId("tax.example")
MAIN, OTHER = Origin(TAX, "main"), Origin(TAX, "other")
HASH = "A" * 43


def _agreement(id_="daily", frequency="R/P1D", status=AgreementStatus.ACTIVE):
    return Agreement(
        id=id_,
        package=PackageId("tax.notice"),
        supplier=TAX,
        consumers=(AgencyId("court.example"),),
        delivery=Delivery.INBOX,
        purpose="tests",
        legal_authority="none",
        valid_from_ms=AT_MS - 10 * DAY_MS,
        valid_to_ms=AT_MS + 10 * DAY_MS,
        status=status,
        frequency=frequency,
    )


def _directory(*agreements):
    return SimpleNamespace(agreements={one.id: one for one in agreements}, package=lambda _: None)


def _entry(index, time_ms, decision=Outcome.ACCEPTED, origin=MAIN, agreement="daily", *, uses_index=True):
    statement = Statement(origin, index, "govbus.out.tax.example", HASH, "0" * 64, 1, HASH, time_ms)
    findings = () if decision is Outcome.ACCEPTED else (Finding("SEQ-1", Severity.QUARANTINE, "index", "x"),)
    entry = LogEntry(
        decision,
        time_ms,
        SourcePosition("govbus.out.tax.example", 0, index),
        f"d-{index}",
        statement.to_bytes(),
        (),
        None,
        b"",
        None,
        1,
        findings,
        (),
        index if uses_index else None,
        agreement if decision is Outcome.ACCEPTED else None,
    )
    return Record("govbus.log", 0, index, time_ms, b"", encode_log_entry(entry), ())


def _report(entries, *agreements, at_ms=AT_MS):
    counter = FlowCounter()
    for entry in entries:
        counter.take(entry)
    return counter.report(_directory(*agreements), at_ms)


def test_a_flow_that_keeps_its_cadence():
    """Documents are counted by agreement and origin, and nothing is overdue."""
    entries = [_entry(0, AT_MS - 2 * DAY_MS), _entry(1, AT_MS - DAY_MS), _entry(0, AT_MS, origin=OTHER)]
    report = _report(entries, _agreement())

    assert [(MAIN, 2, AT_MS - DAY_MS), (OTHER, 1, AT_MS)] == [
        (one.origin, one.documents, one.last_ms) for one in report.flows
    ]
    assert () == report.overdue == report.gaps


def test_a_delivery_that_does_not_come():
    """Half an interval after it was due, a delivery is overdue without any document that would say so."""
    entries = [_entry(0, AT_MS - 2 * DAY_MS)]

    assert ["DRM-7"] == [one.breaches[0].rule for one in _report(entries, _agreement()).overdue]
    assert () == _report(entries, _agreement(), at_ms=AT_MS - DAY_MS // 2).overdue


def test_an_agreement_under_which_nothing_ever_came():
    """It is overdue once an interval and its tolerance have passed since it began."""
    (flow,) = _report([], _agreement()).flows

    assert (None, 0, None) == (flow.origin, flow.documents, flow.last_ms)
    assert ["DRM-7"] == [one.rule for one in flow.breaches]


def test_what_nobody_expects_is_not_overdue():
    """Irregular exchanges and suspended agreements wait for nothing."""
    agreements = (_agreement("a", "irregular"), _agreement("b", status=AgreementStatus.SUSPENDED))

    assert () == _report([], *agreements).overdue


def test_a_gap_until_it_closes():
    """Held documents show which index is missing; once it has come and they came again, the gap is gone."""
    held = [_entry(index, AT_MS, Outcome.QUARANTINED, uses_index=False) for index in (3, 2)]
    (gap,) = _report([_entry(0, AT_MS), *held], _agreement()).gaps

    assert (MAIN, 1, (2, 3)) == (gap.origin, gap.expected, gap.held)
    waiting = _report([_entry(0, AT_MS), *held, _entry(1, AT_MS)], _agreement())
    assert [(2, (2, 3))] == [(one.expected, one.held) for one in waiting.gaps]
    closed = [_entry(index, AT_MS) for index in (1, 2, 3)]
    assert () == _report([_entry(0, AT_MS), *held, *closed], _agreement()).gaps


def test_entries_that_cannot_be_read_count_for_nothing():
    """A damaged entry is the auditor's business and stops nobody."""
    assert () == _report([Record("govbus.log", 0, 0, 0, b"", b"\x00", ())], _agreement("a", "irregular")).gaps
