"""The numbering of documents: what is missing, inserted or out of order is found, also where parts of a log meet."""

import dataclasses

import pytest

from govbus.audit.evidence.material import Selection
from govbus.audit.report import Check
from govbus.document.finding import Finding, Outcome, Severity
from govbus.document.record import Record
from govbus.routing.decide import record_hash
from govbus.testing.example_archive import AT_MS
from govbus.testing.example_log import header_lines

CUTS = [(), (20,), (42,), (43,), (44,)]
"""The whole, and cut at, before and after the place that is broken."""
FINDING = Finding("CE-2", Severity.REFUSE, "ce_id", "not allowed")


def _refuse(kept, *, is_proven):
    """Make an entry one about a refused document that used up its index."""
    kept.change(decision=Outcome.REFUSED, recipients=(), agreement=None, findings=(FINDING,))
    if not is_proven:
        record = Record(*kept.entry.source, AT_MS, b"key", b"value", ())
        kept.change(record_hash=record_hash(record))
        kept.whole = record


def _again(log, number, at):
    """Repeat an entry further on, about a later record of the outbox."""
    last = max(one.entry.source.offset for one in log.kept)
    kept = dataclasses.replace(log[number])
    log.kept.insert(at, kept)
    for offset, one in enumerate(log.kept[at:], start=last + 1):
        one.change(source=one.entry.source._replace(offset=offset))
    return kept


@pytest.mark.parametrize("cuts", CUTS)
def test_document_missing(log, cuts):
    """An entry taken out is found at the next one of its origin."""
    del log.kept[42]

    findings = log.findings(cuts=cuts)
    assert (Check.SEQUENCE, 43, 22) in findings
    assert {Check.SEQUENCE} == {check for check, _, _ in findings}


def test_first_document_missing(log):
    """An origin that does not begin at index 0."""
    del log.kept[0]

    assert [(Check.SEQUENCE, 1, 1)] == log.findings()


@pytest.mark.parametrize("cuts", CUTS)
def test_documents_swapped(log, cuts):
    """Two neighbours of one origin that changed places, outbox and all."""
    first, second = log[42].entry.source, log[44].entry.source
    log.kept[42], log.kept[44] = log[44], log[42]
    log[42].change(source=first)
    log[44].change(source=second)

    findings = log.findings(cuts=cuts)
    assert {Check.SEQUENCE} == {check for check, _, _ in findings}
    assert 42 in {entry for _, entry, _ in findings}


@pytest.mark.parametrize("cuts", CUTS)
def test_document_twice(log, cuts):
    """A document accepted a second time."""
    _again(log, 20, 43)

    assert (Check.SEQUENCE, 43, 10) in log.findings(cuts=cuts)


@pytest.mark.parametrize("is_proven", [True, False])
@pytest.mark.parametrize("cuts", CUTS)
def test_second_try_of_a_refused_document(log, cuts, is_proven):
    """What was refused may be sent again and then be accepted."""
    _again(log, 20, 43)
    _refuse(log[20], is_proven=is_proven)

    assert [] == log.findings(cuts=cuts)


@pytest.mark.parametrize("cuts", CUTS)
def test_other_document_under_a_proven_index(who, log, cuts):
    """An index that a proven document used, though refused, cannot become another document's."""
    _again(log, 20, 43)
    maker = dataclasses.replace(who.makers[0], next=10, body=b"y" * 1000)
    (other,) = maker.documents(1, in_batch=False)
    log[20].change(statement=other.statement, signatures=other.signatures, batch=None, path=b"")
    log[20].made, log[20].lines = other, header_lines(other.signed)
    _refuse(log[20], is_proven=True)

    assert (Check.SEQUENCE, 43, 10) in log.findings(cuts=cuts)


def test_proven_document_without_an_index(log):
    """A document that a signature proves uses up its index; an entry that says otherwise is found."""
    log[42].change(receipt_first=None)

    assert (Check.SEQUENCE, 42, 21) in log.findings()


@pytest.mark.parametrize("cuts", CUTS)
def test_batches_overlap(who, batches, cuts):
    """A batch that begins inside the one before it."""
    maker = dataclasses.replace(who.makers[0], next=16)
    resigned = [*maker.documents(5), *dataclasses.replace(maker, next=20).documents(16)]
    for number, made in zip(range(32, 80, 2), resigned[:5] + resigned[6:], strict=False):
        log = batches[number]
        log.change(batch=made.batch, path=made.path, signatures=made.signatures)

    assert {Check.BATCH} == {check for check, _, _ in batches.findings(cuts=cuts)}
    assert 42 in {entry for _, entry, _ in batches.findings(cuts=cuts)}


@pytest.mark.parametrize("cuts", CUTS)
def test_batch_that_ends_early(who, batches, cuts):
    """A batch of which the end is not there, though its origin goes on under other signatures."""
    maker = dataclasses.replace(who.makers[0], next=21)
    for number, made in zip(range(42, 80, 2), maker.documents(19, in_batch=False), strict=True):
        batches[number].change(batch=None, path=b"", signatures=made.signatures)

    assert [(Check.BATCH, 42, 21)] == batches.findings(cuts=cuts)


def test_range_of_time(log):
    """Before a range nothing is checked, so what is broken there is not found; the tree is whole all the same."""
    whole = log.audit().roots
    log[42].change(signatures=(b"",))
    selection = Selection(since_ms=log[70].entry.time_ms + 1)

    report = log.audit(selection=selection)
    assert [] == [one for one in report.findings if one.check != "tree"]
    assert whole != report.roots
    assert 80 == report.entries


def test_one_agency(log):
    """Of the other agency's documents nothing is checked."""
    agency = log[1].entry.source.topic.removeprefix("govbus.out.")
    log[42].change(signatures=())
    log[43].change(signatures=())

    report = log.audit(selection=Selection(agencies=frozenset({agency})))
    assert [43] == [one.entry for one in report.findings if one.check != "tree"]
    assert any("40 entries outside the range were hashed only" in note for note in report.notes)


def test_one_package(log):
    """Of other packages' documents the order alone is checked."""
    log[42].change(agreement="other")
    log[42].change(signatures=())
    log[44].change(signatures=())

    report = log.audit(selection=Selection(agreements=frozenset({"tax-moj"})))
    assert [44] == [one.entry for one in report.findings if one.check != "tree"]
    del log.kept[42]
    report = log.audit(selection=Selection(agreements=frozenset({"tax-moj"})))
    assert Check.SEQUENCE in {one.check for one in report.findings}
