"""Evidence of single documents: an honest log has no finding, and one thing broken is found at its entry."""

import dataclasses

import pytest

from govbus.audit.report import Check
from govbus.document.finding import Finding, Outcome, Severity
from govbus.document.ids import Origin
from govbus.document.record import Record
from govbus.message_log.checkpoint import Checkpoint, sign_checkpoint
from govbus.message_log.erasure import erasure_entry, order_for
from govbus.message_log.keys import log_origin
from govbus.message_log.tree import CompactTree
from govbus.routing.decide import record_hash
from govbus.schemas.core import encode_log_entry
from govbus.signing.merkle import leaf_hash
from govbus.testing.example_archive import AT_MS, BUS
from tests.unit.audit.evidence.conftest import Log

AT = 42
"""Number of the entry that is broken: index 21 of its origin, in the middle of a batch."""


def _flip(octets, place):
    changed = bytearray(octets)
    changed[place] ^= 1
    return bytes(changed)


def _note(log, size):
    tree = CompactTree()
    for one in log.kept[:size]:
        tree.append(leaf_hash(one.material().entry))
    origin = log_origin(BUS, 0)
    return sign_checkpoint(Checkpoint(origin, size, tree.root()), log.keys.signers(origin), at_s=1)


def test_honest_log(log):
    """Nothing is found in an honest log, and every document is counted as verified."""
    report = log.audit(checkpoints=[_note(log, 33), _note(log, 80)])

    assert [] == report.findings
    assert (80, 80) == (report.entries, report.signatures_verified)
    assert {"accepted": 80} == dict(report.outcomes)
    assert 0 == report.entries_after_checkpoint


@pytest.mark.parametrize("cuts", [(1,), (16,), (31, 32), (40,), (79,)])
def test_parts_say_what_the_whole_says(log, cuts):
    """A log cut in parts anywhere verifies like the whole, with the same root."""
    whole = log.audit()
    parts = log.audit(cuts=cuts)

    assert [one.to_text() for one in whole.findings] == [one.to_text() for one in parts.findings]
    assert (whole.roots, whole.sizes) == (parts.roots, parts.sizes)
    assert 80 == parts.signatures_verified


@pytest.mark.parametrize("batch", [16, 1])
def test_two_outboxes_of_one_agency(who, batch):
    """Origins of one outbox topic that take turns verify, and take the short way as others do."""
    first = who.makers[0]
    makers = [
        dataclasses.replace(first, next=0, origin=Origin(first.origin.agency, outbox))
        for outbox in ("a", "b")
    ]
    log = Log(dataclasses.replace(who, makers=makers), 80, batch)
    for number, one in enumerate(log.kept):
        one.change(source=one.entry.source._replace(offset=8170 + number))

    assert [] == log.findings()
    assert 80 == log.joining.counts["verified"]
    assert log.joining.counts["long_way"] <= 2 + (8 if batch == 1 else 10)


def test_entry_cut_anywhere(log):
    """An entry that ends early, wherever it does, is found and stops nothing."""
    octets = encode_log_entry(log[AT].entry)
    for end in range(0, len(octets), 7):
        log[AT].octets = octets[:end]
        assert (Check.ENTRY, AT, None) in log.findings()


def test_value_changed(log):
    """One bit of a value."""
    made = log[AT].made
    log[AT].made = made._replace(value=_flip(made.value, 100))

    assert [(Check.VALUE, AT, 21)] == log.findings()


def test_value_longer(log):
    """A byte more in a value."""
    log[AT].made = log[AT].made._replace(value=log[AT].made.value + b"x")

    assert [(Check.VALUE, AT, 21)] == log.findings()


def test_value_without_frame(log):
    """A value that is not framed."""
    log[AT].made = log[AT].made._replace(value=b"\x01" + log[AT].made.value[1:])

    assert [(Check.VALUE, AT, 21)] == log.findings()


def test_salt_changed(log):
    """One bit of a salt."""
    log[AT].made = log[AT].made._replace(salt=_flip(log[AT].made.salt, 0))

    assert [(Check.VALUE, AT, 21)] == log.findings()


def test_header_changed(log):
    """One signed header with another value."""
    log[AT].lines = log[AT].lines.replace(b"ce_type:", b"ce_typ3:")

    assert [(Check.HEADERS, AT, 21)] == log.findings()


def test_value_gone(log):
    """A value that is gone without an entry that says so."""
    log[AT].made = log[AT].made._replace(value=None)

    assert [(Check.VALUE, AT, 21)] == log.findings()


def test_document_gone(log):
    """A record that is gone is counted, and its signature is still checked."""
    log[AT].lines, log[AT].made = None, log[AT].made._replace(value=None, salt=None)

    assert [] == log.findings()
    assert 1 == log.joining.counts["documents_not_kept"]


def test_signature_changed(log):
    """One bit of a signature."""
    signature = log[AT].entry.signatures[0]
    log[AT].change(signatures=(signature[:-4] + (b"AAAA" if signature[-4:] != b"AAAA" else b"BBBB"),))

    assert [(Check.SIGNATURE, AT, 21)] == log.findings()


def test_signature_missing(log):
    """A document that lost its signature in the log."""
    log[AT].change(signatures=())

    assert [(Check.SIGNATURE, AT, 21)] == log.findings()


def test_statement_changed(log):
    """Another time in the statement: the signature, or the path in the batch, is not over it."""
    statement = log[AT].entry.statement
    log[AT].change(statement=statement.replace(b".420Z", b".421Z"))
    found = Check.BATCH if log[AT].entry.batch is not None else Check.SIGNATURE

    assert [(found, AT, 21)] == log.findings()


def test_statement_malformed(log):
    """A line too many in the statement; its index is then missing, too."""
    log[AT].change(statement=log[AT].entry.statement + b"x 1\n")

    assert [(Check.STATEMENT, AT, None), (Check.SEQUENCE, AT + 2, 22)] == log.findings()


def test_statement_of_a_time_that_does_not_exist(log):
    """Second 60 is none, also where everything else is like before."""
    statement = log[AT].entry.statement
    log[AT].change(statement=statement.replace(b":00.420Z", b":60.420Z"))

    assert (Check.STATEMENT, AT, None) in log.findings()


def test_statement_for_another_place(log):
    """A statement for one outbox under an entry about another."""
    source = log[AT].entry.source
    log[AT].change(source=source._replace(topic="govbus.out.agency-9.example"))

    assert [(Check.STATEMENT, AT, 21)] == log.findings()


def test_entry_unreadable(log):
    """An entry cut short; its index is then missing, too."""
    log[AT].octets = encode_log_entry(log[AT].entry)[:-1]

    assert [(Check.ENTRY, AT, None), (Check.SEQUENCE, AT + 2, 22)] == log.findings()


def test_entry_longer(log):
    """A byte behind an entry."""
    log[AT].octets = encode_log_entry(log[AT].entry) + b"\x00"

    assert (Check.ENTRY, AT, None) in log.findings()


def test_directory_unknown(log):
    """A directory version that nobody signed."""
    log[AT].change(directory_version=9)

    assert [(Check.DIRECTORY, AT, 21)] == log.findings()


def test_revocation_records_unknown(log):
    """More revocation material than there is."""
    log[AT].change(revocations=3)

    assert [(Check.DIRECTORY, AT, 21)] == log.findings()


def test_certificate_revoked(log):
    """A certificate that was revoked from index 30 on: what was signed before stays good."""
    log.revoke(AT_MS + 30 * 20)

    assert {(Check.CERTIFICATE, number, number // 2) for number in range(60, 80)} == set(log.findings())


def test_certificate_not_in_the_directory(log):
    """A sender whose certificate no version has."""
    policy, bindings = log.table.versions[1]
    log.table = dataclasses.replace(log.table, versions={1: (policy, bindings[1:])})

    report = log.audit()
    assert {"certificate": 40, "tree": 1} == dict(report.by_check)
    assert {0} == {one.entry % 2 for one in report.findings if one.check is Check.CERTIFICATE}


def test_certificate_of_another_agency(log):
    """A certificate that the directory binds to another agency."""
    policy, bindings = log.table.versions[1]
    taken = bindings[0]._replace(agency="agency-7.example")
    log.table = dataclasses.replace(log.table, versions={1: (policy, (taken, *bindings[1:]))})

    assert {Check.CERTIFICATE} == {check for check, _, _ in log.findings()}


def test_source_out_of_order(log):
    """An entry about a record that comes before the one of the entry before."""
    log[AT].change(source=log[AT].entry.source._replace(offset=3))

    assert [(Check.DECIDED, AT, 21)] == log.findings()


def test_record_without_signature_changed(log):
    """A record that no signature speaks for must be the one that the entry names by its hash."""
    entry = log[AT].entry
    record = Record(*entry.source, AT_MS, b"key", b"value", (("name", b"value"),))
    finding = Finding("CE-2", Severity.REFUSE, "name", "not allowed")
    log[AT].change(
        decision=Outcome.REFUSED,
        record_hash=record_hash(record),
        findings=(finding,),
        recipients=(),
        agreement=None,
    )
    log[AT].whole = record
    assert [] == log.findings()

    log[AT].whole = record._replace(value=b"other")
    assert [(Check.RECORD, AT, 21)] == log.findings()


def test_tree_contradicts_a_known_checkpoint(log):
    """An entry that was changed after a checkpoint that the auditor kept."""
    note = _note(log, 80)
    log[AT].change(recipients=("govbus.in.other.example",))

    report = log.audit(checkpoints=[note])
    assert [Check.TREE] == [one.check for one in report.findings]


def test_log_cut_short(log):
    """A log that is shorter than a checkpoint that the auditor kept."""
    note = _note(log, 80)
    del log.kept[70:]

    report = log.audit(checkpoints=[note])
    assert [Check.TREE] == [one.check for one in report.findings]
    assert "the end of the log is gone" in report.findings[0].found


def test_path_forged(batches):
    """A path that does not lead to the root of the batch."""
    batches[AT].change(path=_flip(batches[AT].entry.path, 40))

    assert [(Check.BATCH, AT, 21)] == batches.findings()


def test_path_of_another_length(batches):
    """A path with a hash too few."""
    batches[AT].change(path=batches[AT].entry.path[32:])

    assert [(Check.BATCH, AT, 21)] == batches.findings()


def test_batch_text_changed(batches):
    """A batch text with another range: the signature is not over it."""
    batch = batches[AT].entry.batch
    batches[AT].change(batch=batch.replace(b"end 32", b"end 33"))

    assert {Check.BATCH} == {check for check, _, _ in batches.findings()}
    assert {AT} <= {entry for _, entry, _ in batches.findings()}


def _erase(who, log, number, signer):
    """Erase the value of an entry's document, by an order at the end of the log."""
    entry = log[number].entry
    order = order_for(entry, BUS, time_ms=AT_MS + 9000, authority="Example court, 1 O 1/26")
    erased = erasure_entry(order, entry, [signer], directory_version=1, revocations=0)
    log[number].made = log[number].made._replace(value=None, salt=None)
    log.kept.append(dataclasses.replace(log[number], entry=erased, lines=None))


@pytest.mark.parametrize("number", [0, AT])
def test_erasure(who, log, number):
    """A value that was erased by an order of the document's agency is none that is missing."""
    _erase(who, log, number, who.makers[number % 2].signers[0])

    report = log.audit()
    assert [] == [one for one in report.findings if one.check != "tree"]
    assert 1 == report.outcomes["erased"]
    assert any("1 values were erased" in note for note in report.notes)


def test_erasure_by_a_stranger(who, log):
    """An order by another agency is none, so the value is missing, too."""
    _erase(who, log, AT, who.makers[5].signers[0])

    assert [(Check.ERASURE, 80, 21), (Check.VALUE, AT, 21)] == log.findings()
