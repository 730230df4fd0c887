"""A whole audit: nothing is found on an honest bus, and what is broken is found where it is."""

import json

import pytest

from govbus.audit.report import Check
from govbus.document import topics
from govbus.document.finding import Finding, Outcome, Severity
from govbus.document.ids import AgencyId, Origin
from govbus.errors import ConfigError, TransportError
from govbus.message_log.heads import HEADS_KEY
from govbus.message_log.keys import LogKeys
from govbus.schemas.core import decode_log_entry, encode_log_entry
from govbus.transport.base import TopicPartition

BUS, TAX, MOJ = (AgencyId.from_text(f"{name}.example") for name in ("bus", "tax", "moj"))
AT_MS = 1_795_466_700_000
OUT = topics.outbox(TAX)


def _places(report, check):
    """Return topic, partition and offset of every finding of one check."""
    return [(one.topic, one.partition, one.offset) for one in report.findings if one.check is check]


def _checks(report):
    return {one.check for one in report.findings}


def _flip(octets, at):
    return octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1 :]


def _entry_of(bus, partition, number):
    """Return the place in the list and the record of one log entry."""
    records = bus.at(topics.MESSAGE_LOG, partition)
    return records, records[number]


def _rewrite(bus, partition, number, **changes):
    """Change fields of one log entry where it stands."""
    records, record = _entry_of(bus, partition, number)
    entry = decode_log_entry(record.value)._replace(**changes)
    records[number] = record._replace(value=encode_log_entry(entry))
    return (record.topic, record.partition, record.offset)


def _sign_again(bus, partition):
    """Replace the checkpoints of a partition and of the heads by ones that an operator signs over the log as it is."""
    checkpoints = bus.at(topics.CHECKPOINTS, 0)
    replaced = (str(partition).encode(), HEADS_KEY)
    checkpoints[:] = [record for record in checkpoints if record.key not in replaced]
    bus.checkpoint(partition)
    bus.head_checkpoint()


async def test_honest_bus(bus):
    """An honest bus audits clean, and everything is counted."""
    report = await bus.audit()

    assert [] == report.findings
    assert report.is_clean
    assert {"accepted": 54, "duplicate": 1, "quarantined": 1, "refused": 1} == dict(report.outcomes)
    assert (57, 0, 4) == (report.entries, report.entries_after_checkpoint, report.checkpoints)
    assert (108, 1, 0, 0) == (report.delivered, report.quarantined, report.pending, report.pending_deliveries)
    assert {"SEQ-1": 1, "DRM-1": 1} == dict(report.rules)
    assert {0: 41, 1: 16} == report.sizes


async def test_empty_bus(empty_bus):
    """A bus on which nothing has happened audits clean."""
    report = await empty_bus.audit()

    assert report.is_clean
    assert 0 == report.entries


async def test_records_not_decided_yet_are_pending(bus):
    """Outbox records after the last entry, and entries after the last checkpoint, are no differences."""
    bus.send(1, bus.documents("other", 16, 5))
    bus.route(1, 16, 18)

    report = await bus.audit()
    assert [] == report.findings
    assert (3, 2) == (report.pending, report.entries_after_checkpoint)


async def test_deliveries_after_the_end_of_the_audit(bus):
    """What the router delivers while the audit reads is left to the next audit."""
    bus.send(1, bus.documents("other", 16, 5))
    log = bus.at(topics.MESSAGE_LOG, 1)
    before = list(log)
    bus.route(1, 16)
    log[:] = before

    report = await bus.audit()
    assert [] == report.findings
    assert (5, 11) == (report.pending, report.pending_deliveries)


async def test_value_bit_in_the_outbox(bus):
    """One bit of an outbox value changed: the decision about it cannot be repeated, and its copies differ."""
    records = bus.at(OUT, 1)
    records[4] = records[4]._replace(value=_flip(records[4].value, 9))
    _, entry = _entry_of(bus, 1, 4)

    report = await bus.audit()
    assert {Check.DECISION, Check.DELIVERY} == _checks(report)
    assert {(entry.topic, 1, entry.offset)} == set(_places(report, Check.DECISION))
    assert {4} == {one.index for one in report.findings}
    assert any("refused" in one.expected for one in report.findings)


@pytest.mark.parametrize("topic", [topics.inbox(MOJ), topics.inbox(BUS)])
async def test_value_bit_in_an_inbox(bus, topic):
    """One bit of a delivered value changed is found in that inbox."""
    records = bus.at(topic, 0)
    records[5] = records[5]._replace(value=_flip(records[5].value, 9))

    report = await bus.audit()
    assert [(topic, 0, records[5].offset)] == _places(report, Check.DELIVERY)
    assert 1 == report.findings_total
    assert "another content" == report.findings[0].found


async def test_header_changed_in_an_inbox(bus):
    """A header added on the way is found."""
    records = bus.at(topics.inbox(MOJ), 1)
    headers = records[0].headers
    records[0] = records[0]._replace(headers=(("ce_priority", b"high"), *headers))

    report = await bus.audit()
    assert [(topics.inbox(MOJ), 1, records[0].offset)] == _places(report, Check.DELIVERY)


async def test_wrong_source_in_gb_route(bus):
    """A copy that names another decision than its own is found."""
    records = bus.at(topics.inbox(MOJ), 0)
    route = records[2].headers[-1]
    claimed = route[1].replace(b"decision=", b"decision=x")
    records[2] = records[2]._replace(headers=(*records[2].headers[:-1], (route[0], claimed)))

    report = await bus.audit()
    assert report.findings_total >= 1
    assert {Check.DELIVERY} == _checks(report)


async def test_extra_inbox_record(bus):
    """A record delivered twice is found at the second place."""
    records = bus.at(topics.inbox(MOJ), 0)
    again = records[3]
    bus.append(again.topic, 0, again.key, again.value, again.headers)

    report = await bus.audit()
    assert [(again.topic, 0, records[-1].offset)] == _places(report, Check.DELIVERY)
    assert 1 == report.findings_total


async def test_foreign_inbox_record(bus):
    """A record that nobody routed is found."""
    bus.append(topics.inbox(MOJ), 1, b"key", b"\0\0\0\0\x64abc", [("ce_id", b"1")])

    report = await bus.audit()
    offset = bus.at(topics.inbox(MOJ), 1)[-1].offset
    assert [(topics.inbox(MOJ), 1, offset)] == _places(report, Check.DELIVERY)


async def test_missing_inbox_record(bus):
    """A record missing from one inbox is found, by its source."""
    records = bus.at(topics.inbox(BUS), 0)
    del records[4]

    report = await bus.audit()
    assert [(topics.inbox(BUS), None, None)] == _places(report, Check.DELIVERY)
    assert 1 == report.findings_total
    assert (OUT, "none") == (report.findings[0].source.topic, report.findings[0].found)
    assert report.findings[0].index is not None


async def test_missing_receipt(bus):
    """A receipt that never came is found, by the first document that it covers."""
    records = [record for partition in (0, 1) for record in bus.at(topics.inbox(TAX), partition)]
    removed = records[1]
    bus.at(topics.inbox(TAX), removed.partition).remove(removed)

    report = await bus.audit()
    assert [(topics.inbox(TAX), None, None)] == _places(report, Check.RECEIPT)
    assert 1 == report.findings_total


async def test_answer_to_a_duplicate_counts_as_the_first(bus):
    """A receipt is there once or again; only if both copies are gone is it missing."""
    records = [record for partition in (0, 1) for record in bus.at(topics.inbox(TAX), partition)]
    values = [record.value for record in records]
    twice = next(value for value in values if values.count(value) == 2)
    copies = [record for record in records if record.value == twice]

    bus.at(topics.inbox(TAX), copies[1].partition).remove(copies[1])
    assert (await bus.audit()).is_clean
    bus.at(topics.inbox(TAX), copies[0].partition).remove(copies[0])
    report = await bus.audit()
    assert [(topics.inbox(TAX), None, None)] == _places(report, Check.RECEIPT)


async def test_altered_receipt(bus):
    """A receipt with one bit changed is found, because it says something else and its signature does not hold."""
    records = bus.at(topics.inbox(TAX), 0) or bus.at(topics.inbox(TAX), 1)
    place = (records[0].topic, records[0].partition, records[0].offset)
    records[0] = records[0]._replace(value=_flip(records[0].value, len(records[0].value) - 1))

    report = await bus.audit()
    assert {Check.RECEIPT} == _checks(report)
    assert place in _places(report, Check.RECEIPT)


async def test_receipt_signed_by_somebody_else(bus, keys):
    """A receipt whose signature is not the bus's is found at its place."""
    records = bus.at(topics.inbox(TAX), 0) or bus.at(topics.inbox(TAX), 1)
    from govbus.signing.jws import RECEIPT_TYP, sign_detached

    forged = sign_detached(keys.signers[TAX], records[0].value[5:], typ=RECEIPT_TYP, at_ms=AT_MS)
    headers = tuple((name, forged if name == "gb-sig" else value) for name, value in records[0].headers)
    records[0] = records[0]._replace(headers=headers)

    report = await bus.audit()
    assert [(records[0].topic, records[0].partition, records[0].offset)] == _places(report, Check.RECEIPT)
    assert 1 == report.findings_total


async def test_record_missing_from_quarantine(bus):
    """A held record that is not in the quarantine is found."""
    for partition in (0, 1):
        bus.at(topics.QUARANTINE, partition).clear()

    report = await bus.audit()
    assert [(topics.QUARANTINE, None, None)] == _places(report, Check.QUARANTINE)
    assert 1 == report.findings_total


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("decision", {"decision": Outcome.REFUSED}),
        ("findings", {"findings": (Finding("CE-1", Severity.REFUSE, "ce_id", "nothing"),)}),
        ("document_id", {"document_id": "another"}),
        ("path", {"path": b""}),
        ("signatures", {"signatures": (b"one", b"two")}),
        ("batch", {"batch": None}),
        ("record_hash", {"record_hash": bytes(32)}),
        ("receipt_first", {"receipt_first": 3}),
    ],
)
async def test_altered_entry(bus, field, change):
    """A field of an entry changed and the log signed again: deciding again finds it at its place."""
    place = _rewrite(bus, 1, 6, **change)
    _sign_again(bus, 1)

    report = await bus.audit()
    assert place in _places(report, Check.DECISION)
    assert any(one.expected.startswith(field) for one in report.findings if one.check is Check.DECISION)
    assert Check.TREE not in _checks(report)


async def test_altered_recipients(bus):
    """A recipient left out of an entry is found there, and its copy is one that no entry accounts for."""
    place = _rewrite(bus, 1, 6, recipients=(topics.inbox(BUS),))
    _sign_again(bus, 1)

    report = await bus.audit()
    assert [place] == _places(report, Check.DECISION)
    assert [topics.inbox(MOJ)] == [topic for topic, _, _ in _places(report, Check.DELIVERY)]


async def test_altered_decision_without_signing_again(bus):
    """An altered entry under the old checkpoints is found by the tree too, at the first checkpoint over it."""
    _rewrite(bus, 0, 3, decision=Outcome.REFUSED, recipients=())

    report = await bus.audit()
    assert [(topics.CHECKPOINTS, 0, 0)] == _places(report, Check.TREE)
    assert {Check.TREE, Check.DECISION, Check.DELIVERY, Check.RECEIPT} == _checks(report)


async def test_unknown_directory_version(bus):
    """An entry under a directory that nobody signed is found."""
    place = _rewrite(bus, 1, 6, directory_version=7)
    _sign_again(bus, 1)

    report = await bus.audit()
    assert [place] == _places(report, Check.DIRECTORY)


async def test_swapped_entries(bus):
    """Two entries swapped and signed again are found by the order of the outbox."""
    records = bus.at(topics.MESSAGE_LOG, 1)
    first, second = records[4], records[5]
    records[4] = first._replace(value=second.value)
    records[5] = second._replace(value=first.value)
    _sign_again(bus, 1)

    report = await bus.audit()
    assert {(OUT, 1, 4), (topics.MESSAGE_LOG, 1, second.offset)} == set(_places(report, Check.DECIDED))


async def test_deleted_entry(bus):
    """An entry taken out and the log signed again is found at the outbox record without an entry."""
    records = bus.at(topics.MESSAGE_LOG, 1)
    del records[4]
    _sign_again(bus, 1)

    report = await bus.audit()
    assert [(OUT, 1, 4)] == _places(report, Check.DECIDED)
    assert {Check.DECIDED, Check.DELIVERY, Check.RECEIPT, Check.DECISION} >= _checks(report)
    assert 2 == len(_places(report, Check.DELIVERY))


async def test_entry_twice(bus):
    """A second entry about one record is found."""
    records = bus.at(topics.MESSAGE_LOG, 1)
    bus.append(topics.MESSAGE_LOG, 1, records[2].key, records[2].value)
    bus.checkpoint(1)

    report = await bus.audit()
    assert [(topics.MESSAGE_LOG, 1, records[-1].offset)] == _places(report, Check.DECIDED)
    assert 1 == report.findings_total


async def test_garbage_in_the_log(bus):
    """A record in the log that is no entry is found."""
    bus.append(topics.MESSAGE_LOG, 1, b"x", b"garbage")
    bus.checkpoint(1)

    report = await bus.audit()
    assert [(topics.MESSAGE_LOG, 1, bus.at(topics.MESSAGE_LOG, 1)[-1].offset)] == _places(report, Check.ENTRY)


async def test_entry_in_another_partition(bus):
    """An entry in a log partition that is not its outbox's is found."""
    record = bus.at(topics.MESSAGE_LOG, 0)[2]
    bus.append(topics.MESSAGE_LOG, 1, record.key, record.value)
    bus.checkpoint(1)

    report = await bus.audit()
    assert [(topics.MESSAGE_LOG, 1, bus.at(topics.MESSAGE_LOG, 1)[-1].offset)] == _places(report, Check.ENTRY)


async def test_wrong_key_of_an_entry(bus):
    """An entry under a key that is not its origin is found."""
    records = bus.at(topics.MESSAGE_LOG, 1)
    records[3] = records[3]._replace(key=b"moj.example/main")

    report = await bus.audit()
    assert [(topics.MESSAGE_LOG, 1, records[3].offset)] == _places(report, Check.ENTRY)


async def test_wrong_checkpoint(bus):
    """A signed checkpoint over a root that the entries do not give is found at its place."""
    bus.checkpoint(0, size=30, root=bytes(32))

    report = await bus.audit()
    assert [(topics.CHECKPOINTS, 0, bus.at(topics.CHECKPOINTS, 0)[-1].offset)] == _places(report, Check.TREE)
    assert 1 == report.findings_total


async def test_forked_checkpoint(bus):
    """Two signed checkpoints for one size are found as a fork."""
    bus.checkpoint(0, root=bytes(32))

    report = await bus.audit()
    assert [(topics.CHECKPOINTS, 0, bus.at(topics.CHECKPOINTS, 0)[-1].offset)] == _places(report, Check.FORK)


async def test_checkpoint_of_foreign_keys(bus):
    """A checkpoint that other keys signed is found at its place."""
    bus.checkpoint(0, keys=LogKeys.generate())

    report = await bus.audit()
    assert [(topics.CHECKPOINTS, 0, bus.at(topics.CHECKPOINTS, 0)[-1].offset)] == _places(
        report, Check.CHECKPOINT
    )
    assert 1 == report.findings_total


async def test_checkpoint_under_another_partition(bus):
    """A checkpoint under the key of another partition is found."""
    note = bus.checkpoint(0, publish=False)
    bus.append(topics.CHECKPOINTS, 0, b"1", note.encode())

    report = await bus.audit()
    assert [Check.CHECKPOINT] == [one.check for one in report.findings]


async def test_checkpoint_of_no_partition(bus):
    """A signed checkpoint of a log that does not exist is found."""
    from govbus.message_log.checkpoint import Checkpoint, sign_checkpoint
    from govbus.message_log.keys import log_origin

    origin = log_origin(BUS, 7)
    note = sign_checkpoint(Checkpoint(origin, 3, bytes(32)), bus.keys.log.signers(origin), at_s=1)
    bus.append(topics.CHECKPOINTS, 0, b"7", note.encode())

    report = await bus.audit()
    assert [Check.TREE] == [one.check for one in report.findings]


async def test_no_checkpoints(bus):
    """A log that nobody vouches for is not verified."""
    bus.at(topics.CHECKPOINTS, 0).clear()

    report = await bus.audit()
    assert {(topics.MESSAGE_LOG, 0, None), (topics.MESSAGE_LOG, 1, None)} == set(_places(report, Check.TREE))


async def test_truncated_log(bus):
    """A log cut at the end is found by a checkpoint on the topic."""
    del bus.at(topics.MESSAGE_LOG, 1)[-4:]

    report = await bus.audit()
    places = _places(report, Check.TREE)
    assert [(topics.CHECKPOINTS, 0, 1)] == places
    assert 4 == report.pending


async def test_truncated_log_signed_again(bus):
    """A log cut and signed again by its operator is found by an earlier checkpoint from outside, and only by it."""
    known = bus.checkpoint(1, publish=False)
    log = bus.at(topics.MESSAGE_LOG, 1)
    gone = {str(decode_log_entry(record.value).source) for record in log[-4:]}
    del log[-4:]
    _sign_again(bus, 1)
    for topic in (topics.inbox(MOJ), topics.inbox(BUS)):
        for partition in (0, 1):
            records = bus.at(topic, partition)
            records[:] = [
                record for record in records if record.headers[-1][1].split()[0][9:].decode() not in gone
            ]

    assert Check.TREE not in _checks(await bus.audit())
    report = await bus.audit(known_checkpoints=[known])
    assert [("known checkpoint", None, 0)] == _places(report, Check.TREE)


async def test_bad_known_checkpoint(bus):
    """A checkpoint brought along that nobody signed is reported, not believed."""
    report = await bus.audit(known_checkpoints=["garbage"])

    assert [("known checkpoint", None, 0)] == _places(report, Check.CHECKPOINT)


async def test_outbox_that_lost_its_beginning(bus):
    """Entries about outbox records that the broker deleted are reported, and the rest is still judged."""
    bus.expire(OUT, 1, 3)

    report = await bus.audit()
    assert 3 == len(_places(report, Check.RETENTION))
    assert {Check.RETENTION} == _checks(report)


async def test_log_that_lost_its_beginning(bus):
    """A log whose first entries the broker deleted cannot be verified."""
    bus.expire(topics.MESSAGE_LOG, 1, 3)

    report = await bus.audit()
    assert [(topics.MESSAGE_LOG, 1, 0)] == _places(report, Check.RETENTION)


async def test_inbox_whose_old_records_expired(bus):
    """Expired inbox records are noted, not missed; what is still there is judged."""
    bus.expire(topics.inbox(MOJ), 0, 5)
    records = bus.at(topics.inbox(MOJ), 0)

    report = await bus.audit()
    assert report.is_clean
    assert 1 == len(report.notes)
    assert topics.inbox(MOJ) in report.notes[0]
    bus.append(topics.inbox(MOJ), 0, records[2].key, records[2].value, records[2].headers)
    assert [Check.DELIVERY] == [one.check for one in (await bus.audit()).findings]


async def test_restart_of_a_router_that_forgot(bus, monkeypatch):
    """A resend so old that the router no longer knew it is refused, and the auditor agrees."""
    import govbus.audit.history as audit_history
    from govbus.routing.history import MemoryHistory

    monkeypatch.setattr(audit_history, "FORGOTTEN_DOCUMENTS_MIN", 5)
    main = bus.histories[OUT, 0]
    forgetful = MemoryHistory()
    past = main._past(Origin(TAX, "main"))
    forgetful._past(Origin(TAX, "main")).next_index = past.next_index
    bus.histories[OUT, 0] = forgetful
    again = bus.at(OUT, 0)[2]
    bus.send(0, [(again.key, again.value, again.headers)])
    bus.route(0, len(bus.at(OUT, 0)) - 1)

    report = await bus.audit()
    assert [] == report.findings
    assert 2 == report.outcomes["refused"]


async def test_past_that_went_to_disk(bus, monkeypatch):
    """Nothing changes where the past does not fit into memory."""
    import govbus.audit.history as audit_history

    monkeypatch.setattr(audit_history, "FRESH_DOCUMENTS_MAX", 3)
    assert (await bus.audit()).is_clean


async def test_progress(bus):
    """Progress is told for every step, up to all of it."""
    told = []
    await bus.audit(progress=lambda *step: told.append(step))

    last = {name: (done, total) for name, done, total in told}
    assert {"checkpoints", "revocations", "entries", "deliveries"} == set(last)
    assert all(done == total for done, total in last.values())


async def test_report_as_json_and_text(bus):
    """A report says the same to programs and to people."""
    place = _rewrite(bus, 1, 6, document_id="another")
    report = await bus.audit()
    data = json.loads(report.to_json())

    assert not data["log_verified"]
    assert 57 == data["log_entries"]
    first = next(one for one in data["findings"] if one["check"] == "decision")
    assert place == (first["topic"], first["partition"], first["offset"])
    assert ("tax.example/other", 6) == (first["origin"], first["index"])
    assert f"decision: {place[0]}/1@{place[2]} (tax.example/other index 6): expected" in report.to_text()
    assert "The log verifies" in (await _clean(bus)).to_text()


async def _clean(bus):
    records, record = _entry_of(bus, 1, 6)
    entry = decode_log_entry(record.value)
    original = bus.at(OUT, 1)[entry.source.offset]
    name = dict(original.headers)["ce_id"].decode()
    records[6] = record._replace(value=encode_log_entry(entry._replace(document_id=name)))
    return await bus.audit()


async def test_findings_are_bounded(bus):
    """Of many findings of one kind the first are kept and all are counted."""
    for partition in (0, 1):
        bus.at(topics.inbox(MOJ), partition).clear()
        bus.at(topics.inbox(BUS), partition).clear()

    report = await bus.audit()
    assert 108 == report.findings_total
    assert len(report.findings) < 108
    assert "more" in report.to_text()


async def test_no_directory(bus):
    """Without any directory version nothing can be checked, and that is said."""
    from govbus.audit.verify import verify

    with pytest.raises(ConfigError, match="directory"):
        await verify(bus.transport(), bus=BUS, keys=bus.keys.log.public, directories={})


async def test_no_message_log(bus):
    """Pointed at a broker without a bus, the audit says so."""
    del bus.records[topics.MESSAGE_LOG, 0], bus.records[topics.MESSAGE_LOG, 1]

    with pytest.raises(ConfigError, match=r"govbus\.log is missing"):
        await bus.audit()


async def test_broker_that_is_stuck(bus, monkeypatch):
    """A partition that never reaches its end stops the audit with an error."""
    monkeypatch.setattr(type(bus.transport().subscriber(assign=[])), "position", _never)

    with pytest.raises(TransportError, match="does not move"):
        await bus.audit()


async def _never(self, partition):
    return 0


async def test_records_that_cannot_be_read(bus):
    """Garbage, odd header names and an outbox of nobody are decided about like everything else, and audit clean."""
    bus.append(OUT, 1, b"tax.example/other", None)
    bus.append(OUT, 1, None, b"garbage", [("ce_id", b"\xff")])
    gap = bus.documents("other", 40, 1)[0]
    bus.send(1, [(gap[0], gap[1], (*gap[2], ("odd\udcff", b"value"), ("\u00e9t\u00e9", b"value")))])
    bus.route(1, 16)
    foreign = "govbus.out.nobody.example"
    for partition in (0, 1):
        bus.records[TopicPartition(foreign, partition)] = []
    document = bus.documents("other", 0, 1)[0]
    bus.append(foreign, 1, *document)
    bus.route(1, 0, topic=foreign)
    bus.checkpoint(1)

    report = await bus.audit()
    assert [] == report.findings
    assert {"accepted": 54, "duplicate": 1, "quarantined": 2, "refused": 4} == dict(report.outcomes)


async def test_partitions_wait_for_each_other(bus, monkeypatch):
    """With room for only a few records the partitions take turns, and nothing is lost."""
    import govbus.audit.streams as audit_streams

    monkeypatch.setattr(audit_streams, "WAITING_RECORDS_MAX", 3)
    assert (await bus.audit()).is_clean


async def test_duplicate_of_a_past_on_disk(bus, monkeypatch):
    """A duplicate is known as one also where its first decision went to disk."""
    import govbus.audit.history as audit_history

    monkeypatch.setattr(audit_history, "FRESH_DOCUMENTS_MAX", 3)
    again = bus.at(OUT, 1)[4]
    other_content = bus.documents("other", 16, 1, change=lambda _, signed: signed.update(ce_id=_id_of(again)))
    bus.send(1, [(again.key, again.value, again.headers), *other_content])
    bus.route(1, 16)
    bus.checkpoint(1)

    report = await bus.audit()
    assert [] == report.findings
    assert 2 == report.outcomes["duplicate"]
    assert 1 == report.rules["CE-4"]


def _id_of(record):
    return dict(record.headers)["ce_id"]


async def test_unreadable_receipt(bus):
    """A record that calls itself a receipt and is none is found."""
    bus.append(topics.inbox(TAX), 0, b"tax.example/main", b"garbage", [("ce_type", b"govbus.receipt.v1")])

    report = await bus.audit()
    assert [(topics.inbox(TAX), 0, bus.at(topics.inbox(TAX), 0)[-1].offset)] == _places(report, Check.RECEIPT)


@pytest.mark.parametrize("copies", [0, 2])
async def test_receipt_with_another_number_of_signatures(bus, copies):
    """A receipt with no signature, or two, is found."""
    records = bus.at(topics.inbox(TAX), 0) or bus.at(topics.inbox(TAX), 1)
    headers = [header for header in records[0].headers if header[0] != "gb-sig"]
    signature = [header for header in records[0].headers if header[0] == "gb-sig"]
    records[0] = records[0]._replace(headers=(*headers, *signature * copies))

    report = await bus.audit()
    assert [f"found {copies} signatures"] == [one.found for one in report.findings]
