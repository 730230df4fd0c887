"""Erasures under audit: a lawful one changes nothing, an unlawful one is a finding at its place."""

import pytest

from govbus.audit.report import Check
from govbus.document import topics
from govbus.document.finding import Outcome
from govbus.document.ids import AgencyId
from govbus.message_log.erasure import erasure_entry, order_for
from govbus.schemas.core import decode_log_entry, encode_log_entry

BUS, TAX, MOJ = (AgencyId.from_text(f"{name}.example") for name in ("bus", "tax", "moj"))
AT_MS = 1_795_466_700_000
ORIGIN_KEY = b"tax.example/main"


def _erase(bus, signer, *, number=1, change=lambda entry: entry, version=1):
    """Log that the document of an entry was erased, by a signer, and sign a checkpoint over it."""
    original = decode_log_entry(bus.at(topics.MESSAGE_LOG, 0)[number].value)
    assert original.decision is Outcome.ACCEPTED
    order = order_for(original, BUS, time_ms=AT_MS + 500, authority="Example order 17")
    signers = [bus.keys.signers[signer]]
    entry = change(erasure_entry(order, original, signers, directory_version=version, revocations=0))
    bus.append(topics.MESSAGE_LOG, 0, ORIGIN_KEY, encode_log_entry(entry))
    bus.checkpoint(0)


def _erasures(report):
    return [one for one in report.findings if one.check is Check.ERASURE]


@pytest.mark.parametrize("signer", [BUS, TAX])
async def test_a_lawful_erasure_leaves_the_audit_clean(bus, signer):
    """By the bus or by the sender: the entry is counted, and nothing differs."""
    _erase(bus, signer)
    report = await bus.audit()
    assert [one.to_text() for one in report.findings] == []
    assert report.outcomes["erased"] == 1


async def test_a_recipient_cannot_erase(bus):
    """An order signed by somebody who may not give it is a finding at its place in the log."""
    _erase(bus, MOJ)
    report = await bus.audit()
    (finding,) = report.findings
    assert finding.check is Check.ERASURE
    assert finding.offset == bus.at(topics.MESSAGE_LOG, 0)[-1].offset
    assert "only bus.example and tax.example" in finding.found


async def test_an_erasure_of_what_was_never_decided_is_found(bus):
    """An order is about a decision that stands before it."""

    def other(entry):
        statement = entry.statement.replace(b"index 1\n", b"index 900\n")
        assert statement != entry.statement
        changed = entry._replace(statement=statement, erasure=None)
        order = order_for(changed, BUS, time_ms=AT_MS + 500, authority="Example order 17")
        return erasure_entry(order, changed, [bus.keys.signers[BUS]], directory_version=1, revocations=0)

    _erase(bus, BUS, change=other)
    (finding,) = (await bus.audit()).findings
    assert finding.check is Check.ERASURE
    assert "no decision about that document before it" in finding.found


async def test_an_order_that_was_changed_is_found(bus):
    """The words of the order are signed."""

    def changed(entry):
        return entry._replace(erasure=entry.erasure.replace(b"order 17", b"order 18"))

    _erase(bus, BUS, change=changed)
    (finding,) = (await bus.audit()).findings
    assert finding.check is Check.ERASURE


async def test_an_order_under_an_unknown_directory_is_found(bus):
    """Who may order is said by the directory that the entry names."""
    _erase(bus, BUS, version=9)
    (finding,) = (await bus.audit()).findings
    assert finding.check is Check.ERASURE
    assert "version 9" in finding.found


async def test_records_that_left_with_an_erased_one_are_noted(bus):
    """The partition begins right behind the erased record: what is gone is said, and is no finding."""
    _erase(bus, BUS, number=1)
    bus.expire(topics.outbox(TAX), 0, 2)
    report = await bus.audit()
    assert [one.to_text() for one in report.findings] == []
    assert [note for note in report.notes if "2 records left the broker with one that was erased" in note]


async def test_records_beyond_an_erasure_are_missed(bus):
    """One record more than the erasure explains is gone: all of them are findings."""
    _erase(bus, BUS, number=1)
    bus.expire(topics.outbox(TAX), 0, 3)
    report = await bus.audit()
    assert {one.check for one in report.findings} == {Check.RETENTION}
    assert report.by_check["retention"] == 3


async def test_an_unlawful_erasure_explains_nothing(bus):
    """Records that left with one that a recipient wanted gone are findings, besides the order itself."""
    _erase(bus, MOJ, number=1)
    bus.expire(topics.outbox(TAX), 0, 2)
    report = await bus.audit()
    assert {one.check for one in report.findings} == {Check.RETENTION, Check.ERASURE}
