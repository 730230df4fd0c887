"""A colluding operator: he signs everything again that his keys sign, and others' material gives him away.

The first part of a test's name is the row of the threat model that it proves (`test_table.py`).
"""

import asyncio
import dataclasses

import pytest

from govbus.audit.archive import layout
from govbus.audit.archive.values import frames_of, pack_frame
from govbus.audit.report import Check
from govbus.document import topics
from govbus.document.finding import Finding, Outcome, Severity
from govbus.document.ids import Origin
from govbus.errors import ConfigError, DirectoryError
from govbus.message_log.erasure import erasure_entry, order_for
from govbus.message_log.heads import HEADS_KEY, TIMESTAMP_KEY, head_origin
from govbus.message_log.note import Note
from govbus.message_log.witness import CONFLICT, UNPROCESSABLE, AddCheckpoint
from govbus.schemas.core import decode_receipt, encode_log_entry, encode_receipt
from govbus.service.auditing.fsck import fsck_bus
from govbus.signing.issuing import CertificateAuthority
from govbus.signing.jws import RECEIPT_TYP, sign_detached
from govbus.signing.signer import KeySigner
from govbus.testing import example_keys
from govbus.testing.example_bus import BASE_AT_MS, BUS, TAX

from .bus import LAND, ROUND_MS, Bus
from .operator import Operator, checks, receipts_of

ENTRIES = 34
HEADS = head_origin(BUS)
MATERIALS = {"cosignature", "quorum", "timestamp"}


@pytest.fixture
def operator(bus):
    """The operator of the bus."""
    return Operator(bus)


def _found(report, check):
    """Return topic and what was found, of every finding of one check."""
    return [(one.topic, one.found) for one in report.findings if one.check is check]


def _materials(report):
    return {one.material for one in report.coverage}


async def test_honest_bus(bus):
    """Nothing is found on the bus that every attack begins with, and all of it is vouched for."""
    receipts = [*receipts_of(bus, TAX), *receipts_of(bus, LAND)]
    report = await bus.audit(known=[bus.head_of_witness], receipts=tuple(receipts))

    assert [] == report.findings
    assert (ENTRIES, 0, 0) == (report.entries, report.operator_only, report.entries_after_checkpoint)
    assert MATERIALS | {"known checkpoint", "receipts"} == _materials(report)
    evidence = await bus.audit_evidence()
    assert ([], 0) == (evidence.findings, evidence.operator_only)


async def test_signing_again_without_an_attack(bus, operator):
    """The operator's tools alone change nothing: what is found below is what was attacked."""
    before = [record.value for record in bus.at(topics.CHECKPOINTS) if record.key.isdigit()]
    operator.sign_again()

    report = await bus.audit(is_alone=True)
    assert [] == report.findings
    after = [record.value for record in bus.at(topics.CHECKPOINTS) if record.key.isdigit()]
    assert [Note.from_bytes(one).text for one in before] == [Note.from_bytes(one).text for one in after]


# Truncate the log.


async def test_truncate_the_log__unseen_without_outside_material(bus, operator):
    """With the operator's own signatures alone a shorter log verifies, and the report says whose word that is."""
    operator.truncate(1)
    operator.sign_again()

    report = await bus.audit(is_alone=True)
    assert report.is_clean
    assert report.entries == report.operator_only < ENTRIES
    assert [] == report.coverage
    text = report.to_text()
    assert f"not covered      {report.entries} entries by anything but the operator's own signatures" in text
    assert "cosignatures were not looked at" in text
    assert "timestamps vouch for nothing" in text


async def test_truncate_the_log__witness(bus, operator):
    """The head that a witness cosigned last has more entries than the log has now."""
    known = bus.head_of_witness
    operator.truncate(1)
    operator.sign_again()

    report = await bus.audit(known=[known])
    assert {"heads"} == checks(report)
    assert [("known checkpoint", "4: the end of the checkpoints is gone")] == _found(report, Check.HEADS)


async def test_truncate_the_log__auditors_checkpoint(bus, operator):
    """A checkpoint of a partition in the auditor's drawer is enough, for the audit and for fsck."""
    known = bus.sign_partition(1, publish=False)
    operator.truncate(1)
    operator.sign_again()

    report = await bus.audit(is_alone=True, known=[known])
    assert [("known checkpoint", "8: the end of the log is gone")] == _found(report, Check.TREE)
    assert {"tree"} == checks(report)
    keys = bus.stage.log_keys.public
    report = await asyncio.to_thread(fsck_bus, bus.transport, BUS, keys, [known])
    assert [("known checkpoint", "8: the end of the log is gone")] == _found(report, Check.TREE)


async def test_truncate_the_log__time_stamps(bus, operator):
    """A time stamp over a head that the log does not have any more contradicts it."""
    stamp = bus.at(topics.CHECKPOINTS)[-1]
    assert stamp.key == TIMESTAMP_KEY
    operator.truncate(1)
    operator.sign_again()
    bus.append(topics.CHECKPOINTS, 0, stamp.key, stamp.value, stamp.headers)

    report = await bus.audit()
    assert {"timestamp"} == checks(report)
    assert "for 6 entries" in report.findings[0].found


async def test_truncate_the_log__receipts(bus, operator):
    """Receipts that agencies kept speak of decisions that are gone."""
    receipts = receipts_of(bus, LAND)
    operator.truncate(1)
    operator.sign_again()

    report = await bus.audit(is_alone=True, receipts=tuple(receipts))
    assert [("held receipt", "no such decision in the log")] == _found(report, Check.RECEIPT)
    assert ({"receipt"}, {"receipts"}) == (checks(report), _materials(report))
    assert report.findings[0].index == 6


async def test_truncate_the_log__witnesses_refuse(bus, operator):
    """A witness does not forget: a smaller head is a conflict, and one that grew again another history."""
    operator.truncate(1)
    operator.sign_again()
    short = bus.sign_head()
    answers = [
        one.add_checkpoint(short, bus.head_leaves(), at_ms=bus.at_ms, old_size=4) for one in bus.witnesses
    ]
    assert [(CONFLICT, "6\n")] * 2 == [(one.status, one.body) for one in answers]

    operator.go_on_from_here()
    bus.send(TAX, 2)
    bus.send(TAX, 2, outbox="other", partition=1)
    bus.close_round(is_witnessed=False, is_stamped=False)
    assert [UNPROCESSABLE] * 2 == [one.status for one in bus.cosign(bus.sign_head(publish=False))]
    report = await bus.audit(known=[bus.head_of_witness])
    assert {"fork", "heads"} == checks(report)
    assert {0: 15, 1: 8} == next(one.sizes for one in report.coverage if one.material == "quorum")
    assert report.operator_only == 4


# Delete, swap or insert an entry.


def _delete(operator):
    operator.delete(operator.number_of(TAX, 2))


def _delete_entry_only(operator):
    operator.delete(operator.number_of(TAX, 2), with_record=False)


def _swap(operator):
    operator.swap(operator.number_of(TAX, 1))


def _insert_again(operator):
    number = operator.number_of(TAX, 2)
    records = operator.bus.entries()
    records.insert(number + 3, records[number])
    operator.renumber(topics.MESSAGE_LOG)


def _insert_document(operator):
    """Insert a document that the agency never sent: the operator has no better key than his own."""
    operator.forge(Origin(LAND, "main"), signer=example_keys.signer(BUS.text))


@pytest.mark.parametrize(
    ("attack", "alone", "evidence"),
    [
        (_delete, {"decision"}, {"sequence"}),
        (_delete_entry_only, {"decided", "decision"}, {"decided", "sequence"}),
        (_swap, {"decided", "decision", "delivery", "receipt"}, {"decided", "sequence"}),
        (_insert_again, {"decided", "receipt"}, {"decided", "sequence"}),
        (_insert_document, {"decision"}, {"certificate"}),
    ],
    ids=["delete", "delete-entry-only", "swap", "insert-again", "insert-document"],
)
async def test_delete_swap_or_insert_an_entry(bus, operator, attack, alone, evidence):
    """What an agency numbered and signed does not fit any more; and outside material contradicts every new root."""
    known = bus.head_of_witness
    attack(operator)
    operator.sign_again()

    # By what the agencies signed, with no outside material.
    report = await bus.audit(is_alone=True)
    assert alone == checks(report)
    report = await bus.audit_evidence(is_alone=True)
    assert evidence == checks(report)
    # By the witness's head, and by the quorum that no head has any more.
    report = await bus.audit(known=[known])
    assert "known checkpoint" in {topic for topic, _ in _found(report, Check.HEADS)}
    assert report.operator_only > 0
    assert [UNPROCESSABLE] * 2 == [one.status for one in bus.cosign(bus.sign_head())]


async def test_delete_swap_or_insert_an_entry__end_of_a_batch(bus, operator):
    """The last document of all leaves no gap; but the agency signed its batch up to there, and the report says so."""
    known, receipts = bus.head_of_witness, tuple(receipts_of(bus, LAND))
    operator.delete(operator.number_of(LAND, 8))
    operator.sign_again()

    report = await bus.audit_evidence(is_alone=True)
    assert report.is_clean
    (note,) = [one for one in report.notes if one.startswith("land.example/main")]
    assert "ends at index 7 of a batch that the agency signed up to index 8" in note
    assert {"heads", "fork"} == checks(await bus.audit_evidence(known=[known]))
    (finding,) = (await bus.audit(is_alone=True, receipts=receipts)).findings
    assert ("receipt", 6, "the log has 2 of its documents, then ends") == (
        finding.check,
        finding.index,
        finding.found,
    )


# Back-date an entry.


async def test_back_date_an_entry__clocks_of_others(bus, operator):
    """Agency and operator agree on an earlier time; heads that others vouched for since then do not have the entry."""
    accomplice = example_keys.signer(LAND.text)
    record = operator.forge(
        Origin(LAND, "main"), signer=accomplice, at_ms=BASE_AT_MS, decided_ms=BASE_AT_MS + 50
    )
    bus.sign_partition(0)
    note = bus.sign_head()
    bus.cosign(note)
    offset = bus.entries()[-1].offset
    operator.answer_again()

    assert (await bus.audit(is_alone=True)).is_clean
    report = await bus.audit()
    (finding,) = report.findings
    assert (Check.TIMESTAMP, 0, offset, record.offset) == (
        finding.check,
        finding.partition,
        finding.offset,
        finding.source.offset,
    )
    assert "vouched for by" in finding.expected
    assert finding.found == "one that says 2026-11-23T20:45:00.050Z: it was back-dated"


async def test_back_date_an_entry__within_the_tolerance(bus, operator):
    """A clock that is minutes off is no attack: only what an earlier head contradicts is a finding."""
    accomplice, at_ms = example_keys.signer(LAND.text), BASE_AT_MS + ROUND_MS
    operator.forge(Origin(LAND, "main"), signer=accomplice, at_ms=at_ms, decided_ms=at_ms)
    operator.answer_again()
    bus.sign_partition(0)
    bus.cosign(bus.sign_head())

    assert [] == (await bus.audit()).findings


async def test_back_date_an_entry__in_its_place(bus, operator):
    """Put where it would have been, everything else signed again: no head that witnesses cosigned has it."""
    known = bus.head_of_witness
    for index in range(3):
        number = operator.number_of(LAND, index)
        operator.alter(number, time_ms=operator.entry(number).time_ms - 1)
    operator.sign_again()

    assert (await bus.audit(is_alone=True)).is_clean
    report = await bus.audit(known=[known])
    assert {"heads", "fork", "cosignature"} == checks(report)
    assert report.operator_only == ENTRIES


# Fork the log for one reader.


async def test_fork_the_log_for_one_reader__two_signed_checkpoints(bus, operator):
    """The checkpoint that the reader was shown and the one of everybody else are proof against the log's keys."""
    reader = Bus(bus.stage)
    reader.records = {place: list(records) for place, records in bus.records.items()}
    reader.signings, reader.witnesses = list(bus.signings), bus.witnesses
    other = Operator(reader)
    for index in (6, 7, 8):
        number = other.number_of(LAND, index)
        other.alter(number, time_ms=other.entry(number).time_ms + 1)
    other.sign_again()
    shown = reader.sign_head(publish=False)
    partition = reader.sign_partition(0, publish=False)

    assert (await reader.audit(is_alone=True)).operator_only == ENTRIES
    for known in (shown, partition):
        report = await bus.audit(known=[known])
        assert Check.FORK in {one.check for one in report.findings}
        assert any("signed too: the log shows two histories" in one.found for one in report.findings)
    refused = [
        one.witness.decide(
            one.witness.receive(AddCheckpoint(6, (), shown).to_text().encode()), one.latest[HEADS], at_s=1
        )
        for one in bus.witnesses
    ]
    assert [(UNPROCESSABLE, True)] * 2 == [(one.answer.status, one.is_fork) for one in refused]
    assert (
        {"cosignature", "heads", "fork"}
        >= checks(await reader.audit(known=[bus.head_of_witness]))
        >= {"heads"}
    )


# Drop one agency's tail.


async def test_drop_one_agency_s_tail__unseen_without_outside_material(bus, operator):
    """What one agency sent last can be left out as if it had not been sent, as far as the operator's word goes."""
    operator.drop_tail(LAND)
    operator.sign_again()

    report = await bus.audit(is_alone=True)
    assert report.is_clean
    assert report.operator_only == report.entries == ENTRIES - 3
    assert (await bus.audit_evidence(is_alone=True)).is_clean


async def test_drop_one_agency_s_tail__receipts(bus, operator):
    """The agency's receipt names the documents, and nobody else's receipt does."""
    receipts = {agency: tuple(receipts_of(bus, agency)) for agency in (TAX, LAND)}
    operator.drop_tail(LAND)
    operator.sign_again()

    report = await bus.audit(is_alone=True, receipts=receipts[LAND])
    assert {"receipt"} == checks(report)
    assert [("land.example/main", 6)] == [(one.origin, one.index) for one in report.findings]
    assert (await bus.audit(is_alone=True, receipts=receipts[TAX])).is_clean


async def test_drop_one_agency_s_tail__cosigned_heads(bus, operator):
    """No cosigned head has the shorter log; the witnesses do not cosign it either."""
    known = bus.head_of_witness
    operator.drop_tail(LAND)
    operator.sign_again()

    report = await bus.audit(known=[known])
    assert {"heads", "fork"} == checks(report)
    assert [UNPROCESSABLE] * 2 == [one.status for one in bus.cosign(bus.sign_head())]


# Alter a decision.


def _refuse(operator):
    finding = Finding("DRM-1", Severity.REFUSE, "ce_agreementid", "no agreement")
    fields = {"findings": (finding,), "recipients": (), "agreement": None, "receipt_first": 12}
    operator.alter(operator.number_of(TAX, 12), decision=Outcome.REFUSED, **fields)


def _accept(operator):
    number = operator.number_of(TAX, 8, decision=Outcome.REFUSED)
    model = operator.entry(operator.number_of(TAX, 4))
    fields = {"findings": (), "recipients": model.recipients, "agreement": model.agreement}
    operator.alter(number, decision=Outcome.ACCEPTED, **fields)
    operator.deliver(number)


@pytest.mark.parametrize(
    ("attack", "index", "expected", "found"),
    [(_refuse, 12, "accepted", "refused"), (_accept, 8, "refused", "accepted")],
    ids=["refuse", "accept"],
)
async def test_alter_a_decision__decided_again(bus, operator, attack, index, expected, found, tmp_path):
    """By the directory of that time the same rules give another decision; bus and archive both say which."""
    attack(operator)
    operator.sign_again()
    await bus.archive(tmp_path)

    for report in (await bus.audit(is_alone=True), bus.audit_archive(tmp_path, is_alone=True)):
        assert {"decision"} == checks(report)
        assert (f"decision {expected}", found) in [(one.expected, one.found) for one in report.findings]
        assert {("tax.example/main", index)} == {(one.origin, one.index) for one in report.findings}


async def test_alter_a_decision__receipt(bus, operator):
    """The receipt that the agency got at that time says what was decided then."""
    receipts = tuple(receipts_of(bus, TAX))
    _accept(operator)
    operator.sign_again()

    report = await bus.audit(is_alone=True, receipts=receipts)
    assert ("held receipt", "the log says accepted") in _found(report, Check.RECEIPT)


# Suppress a receipt.


async def test_suppress_a_receipt__every_decision_has_one(bus):
    """A decision that no receipt covers is named with its document."""
    removed = receipts_of(bus, LAND)[1]
    bus.at(removed.topic, removed.partition).remove(removed)

    (finding,) = (await bus.audit(is_alone=True)).findings
    assert (Check.RECEIPT, topics.inbox(LAND)) == (finding.check, finding.topic)
    assert ("land.example/main", 3, "none") == (finding.origin, finding.index, finding.found)


async def test_suppress_a_receipt__another_in_its_place(bus, operator):
    """A receipt that says something else, signed by the bus itself, is none for the decision."""
    removed = receipts_of(bus, LAND)[1]
    bus.at(removed.topic, removed.partition).remove(removed)
    receipt = dataclasses.replace(decode_receipt(removed.value), count=2)
    operator.send_receipt(removed.topic, removed.key, encode_receipt(receipt))

    report = await bus.audit(is_alone=True)
    assert {"receipt"} == checks(report)
    assert {"another content"} == {one.found for one in report.findings}


async def test_suppress_a_receipt__forged_by_an_agency(bus, operator):
    """What an agency brings as a receipt counts only if the bus signed it."""
    kept = receipts_of(bus, LAND)[0]
    signature = sign_detached(
        example_keys.signer(LAND.text), kept.value[5:], typ=RECEIPT_TYP, at_ms=BASE_AT_MS
    )
    forged = kept._replace(headers=(("gb-sig", signature),))

    report = await bus.audit(is_alone=True, receipts=(forged,))
    assert {"receipt"} == checks(report)
    assert "is not the bus's" in report.findings[0].found
    assert [] == report.coverage


# Replace the directory.


def _usurper():
    """Return an authority that calls itself like the governing one."""
    authority = CertificateAuthority.create("Example root", at_ms=example_keys.VALID_FROM_MS, days=3650)
    return KeySigner.from_pem(authority.key_pem, authority.certificate_pem, kid="authority")


async def test_replace_the_directory__whole(bus):
    """A directory that the operator signs is not one: without the authority's nothing is established."""
    bus.at(topics.DIRECTORY)[:] = bus.stage.publish(bus.stage.content, _usurper())
    with pytest.raises((ConfigError, DirectoryError), match="governing authority|no directory"):
        await bus.audit(is_alone=True)


async def test_replace_the_directory__version_of_an_entry(bus, operator):
    """An entry that rests on a version which the authority did not sign is named."""
    for index in range(3):
        operator.alter(operator.number_of(LAND, index), directory_version=2)
    operator.sign_again()

    report = await bus.audit(is_alone=True)
    assert "directory" in checks(report)
    assert ("govbus.log", "version 2") in _found(report, Check.DIRECTORY)


# Stop publishing checkpoints.


async def test_stop_publishing_checkpoints__entries_after_the_last_one(bus):
    """What no checkpoint covers is counted, and is nobody's word but the operator's."""
    bus.send(TAX, 3)
    bus.route()

    report = await bus.audit(known=[bus.head_of_witness])
    assert report.is_clean
    assert (ENTRIES + 3, 3, 3) == (report.entries, report.entries_after_checkpoint, report.operator_only)
    assert "3 entries after the last one" in report.to_text()


async def test_stop_publishing_checkpoints__heads(bus):
    """Checkpoints of partitions that no cosigned head joins cover nothing in others' eyes."""
    bus.send(TAX, 3)
    bus.route()
    bus.sign_partition(0)
    bus.sign_head()

    report = await bus.audit()
    assert report.is_clean
    assert (0, 3) == (report.entries_after_checkpoint, report.operator_only)
    assert (6, 7) == (report.heads_witnessed, report.heads)


async def test_stop_publishing_checkpoints__all_gone(bus):
    """A log without any checkpoint is named as such, whatever else verifies."""
    bus.at(topics.CHECKPOINTS).clear()

    report = await bus.audit(is_alone=True)
    assert {"tree"} == checks(report)
    assert [("govbus.log", "none, for 22 entries"), ("govbus.log", "none, for 12 entries")] == _found(
        report, Check.TREE
    )
    assert {"tree", "heads"} == checks(await bus.audit(is_alone=True, known=[bus.head_of_witness]))


async def test_stop_publishing_checkpoints__witnesses_see_silence(bus):
    """A witness says when it cosigned last: how long the log has been silent is not the operator's word."""
    last_s = bus.at_ms // 1000 - ROUND_MS // 1000
    bus.send(TAX, 3)
    bus.route()

    report = await bus.audit()
    quorum = next(one for one in report.coverage if one.material == "quorum")
    assert last_s == quorum.time_ms // 1000 == bus.witnesses[0].latest[HEADS].time_s
    assert report.entries_after_checkpoint == 3


# Erase without authority.


def _erasure(operator, signer, *, number):
    entry = operator.entry(number)
    order = order_for(entry, BUS, time_ms=operator.bus.at_ms, authority="Example order 17")
    erased = erasure_entry(order, entry, [signer], directory_version=1, revocations=1)
    operator.bus.append(topics.MESSAGE_LOG, 0, b"tax.example/main", encode_log_entry(erased))


async def test_erase_without_authority__order_of_a_stranger(bus, operator):
    """An order that neither the document's agency nor the bus signed is none; theirs is."""
    number = operator.number_of(TAX, 2)
    _erasure(operator, example_keys.signer(TAX.text), number=number)
    bus.close_round()
    assert (await bus.audit()).is_clean
    _erasure(operator, example_keys.signer(LAND.text), number=number)
    bus.close_round()

    (finding,) = (await bus.audit()).findings
    assert (Check.ERASURE, bus.entries()[-1].offset) == (finding.check, finding.offset)
    assert "only bus.example and tax.example" in finding.found


async def test_erase_without_authority__no_order(bus, operator, tmp_path):
    """A value that is gone without any order is missing, on the bus and in an archive."""
    entry = operator.entry(operator.number_of(TAX, 2))
    await bus.archive(tmp_path)
    outbox = bus.at(*entry.source[:2])
    outbox[entry.source.offset] = outbox[entry.source.offset]._replace(value=None)

    report = await bus.audit()
    assert {"decision", "delivery"} == checks(report)
    assert ("tax.example/main", 2) in {(one.origin, one.index) for one in report.findings}
    path = tmp_path / layout.segment_path(1) / layout.VALUES
    frames = list(frames_of(path.read_bytes()))
    frames[operator.number_of(TAX, 2)] = b""
    path.write_bytes(b"".join(map(pack_frame, frames)))
    report = bus.audit_archive(tmp_path)
    assert [("value", "tax.example/main", 2)] == [
        (one.check.value, one.origin, one.index) for one in report.findings
    ]
    assert "neither" == report.findings[0].found


# Forge revocation records.


async def test_forge_revocation_records__by_a_stranger(bus):
    """A list that no authority of the bus signed is named, and decides nothing."""
    stranger = CertificateAuthority.create("Example root", at_ms=example_keys.VALID_FROM_MS, days=3650)
    bus.publish_revocation(bus.stage.crl((LAND.text, BASE_AT_MS), authority=stranger))
    bus.send(LAND, 2)
    bus.close_round()

    report = await bus.audit()
    assert [(topics.REVOCATIONS, Check.REVOCATION)] == [(one.topic, one.check) for one in report.findings]
    assert {"accepted": 35, "refused": 1} == dict(report.outcomes)
    assert ({"revocation"}, 0) == (checks(await bus.audit_evidence()), report.operator_only)


async def test_forge_revocation_records__as_a_reason_to_refuse(bus, operator):
    """A decision that takes a stranger's list for a reason is not the one that the rules give."""
    finding = Finding("SEC-6", Severity.REFUSE, "gb-sig", "revoked")
    fields = {"findings": (finding,), "recipients": (), "agreement": None, "receipt_first": 8}
    operator.alter(operator.number_of(LAND, 8), decision=Outcome.REFUSED, **fields)
    operator.sign_again()

    report = await bus.audit(is_alone=True)
    assert ("decision accepted", "refused") in [(one.expected, one.found) for one in report.findings]


async def test_forge_revocation_records__taken_away(bus, operator):
    """A list that entries rest on cannot be taken away: they name how many there were."""
    bus.at(topics.REVOCATIONS).clear()

    report = await bus.audit()
    assert {"revocation"} == checks(report)
    assert {"revocations 1"} == {found for _, found in _found(report, Check.REVOCATION)}


async def test_forge_revocation_records__not_wanting_to_know(bus, operator):
    """A router that leaves a revocation out accepts what the rules refuse, once the entry has to count the record."""
    bus.publish_revocation(bus.stage.crl((LAND.text, bus.at_ms - 1), at_ms=bus.at_ms))
    operator.forge(
        Origin(LAND, "main"), signer=example_keys.signer(LAND.text), at_ms=bus.at_ms, decided_ms=bus.at_ms
    )
    operator.alter(len(bus.entries()) - 1, revocations=2)
    operator.answer_again()
    bus.close_round()

    report = await bus.audit()
    assert {"decision"} == checks(report)
    assert ("decision refused", "accepted") in [(one.expected, one.found) for one in report.findings]


# Replay an old head.


async def test_replay_an_old_head__covers_no_more(bus):
    """An old head with all its cosignatures, published as if it were new, vouches for what it did, and no more."""
    old = [record for record in bus.at(topics.CHECKPOINTS) if record.key == HEADS_KEY][-1]
    bus.send(TAX, 3)
    bus.route()
    bus.sign_partition(0)
    bus.append(topics.CHECKPOINTS, 0, HEADS_KEY, old.value)

    report = await bus.audit()
    assert report.is_clean
    assert (3, {0: 22, 1: 12}) == (report.operator_only, report.coverage[0].sizes)


async def test_replay_an_old_head__witnesses_refuse(bus):
    """Witnesses answer an old head with the size that they have come to."""
    old = next(record for record in bus.at(topics.CHECKPOINTS) if record.key == HEADS_KEY)
    answers = [
        one.add_checkpoint(old.value.decode(), bus.head_leaves(), at_ms=bus.at_ms, old_size=2)
        for one in bus.witnesses
    ]
    assert [(CONFLICT, "6\n")] * 2 == [(one.status, one.body) for one in answers]


async def test_replay_an_old_head__moved_cosignatures(bus):
    """Cosignatures of an old head under a new one do not hold."""
    old = Note.from_bytes([one for one in bus.at(topics.CHECKPOINTS) if one.key == HEADS_KEY][-1].value)
    bus.send(TAX, 3)
    bus.route()
    bus.sign_partition(0)
    new = Note.from_text(bus.sign_head(publish=False))
    moved = dataclasses.replace(new, signatures=(*new.signatures, *old.signatures[2:]))
    bus.append(topics.CHECKPOINTS, 0, HEADS_KEY, moved.to_text().encode())

    report = await bus.audit()
    assert {"cosignature"} == checks(report)
    assert report.operator_only == 3
