"""Router and auditor bound an entry alike."""

import dataclasses

from govbus.document import topics
from govbus.document.finding import Outcome, Severity
from govbus.document.ids import AgencyId
from govbus.routing.directory.model import Agency
from govbus.routing.entry_bounds import ENTRY_BYTES_MAX
from govbus.schemas.core import decode_log_entry
from govbus.transport.base import TopicPartition

from .conftest import PARTITIONS


def _with_consumers(bus, count):
    """Give the agreement so many consumers whose ids are as long as they may be."""
    agencies = [AgencyId.from_text(f"{number:03}{'a' * 89}.example") for number in range(count)]
    directory = bus.directory
    agreement = dataclasses.replace(directory.agreements["tax-moj"], consumers=tuple(agencies))
    bus.directory = dataclasses.replace(
        directory,
        agreements={"tax-moj": agreement},
        agencies=directory.agencies | {agency.text: Agency(agency, agency.text) for agency in agencies},
    )
    for agency in agencies:
        bus.records |= {TopicPartition(topics.inbox(agency), number): [] for number in range(PARTITIONS)}
    return agencies


async def test_as_many_recipients_as_fit(empty_bus):
    """The most recipients that an entry names are all delivered to, and the audit agrees."""
    agencies = _with_consumers(empty_bus, 140)
    empty_bus.send(0, empty_bus.documents("main", 0, 2))
    empty_bus.route(0, 0)
    empty_bus.checkpoint(0)
    empty_bus.head_checkpoint()

    (first, _) = [record.value for record in empty_bus.at(topics.MESSAGE_LOG, 0)]
    entry = decode_log_entry(first)
    assert (Outcome.ACCEPTED, len(agencies)) == (entry.decision, len(entry.recipients))
    assert len(first) <= ENTRY_BYTES_MAX
    assert [] == (await empty_bus.audit()).findings


async def test_more_recipients_than_fit_are_held(empty_bus):
    """A directory of before that names more recipients than fit: the document is held whole, not cut."""
    _with_consumers(empty_bus, 200)
    empty_bus.send(0, empty_bus.documents("main", 0, 1))
    empty_bus.route(0, 0)
    empty_bus.checkpoint(0)
    empty_bus.head_checkpoint()

    (record,) = empty_bus.at(topics.MESSAGE_LOG, 0)
    entry = decode_log_entry(record.value)
    assert (Outcome.QUARANTINED, ()) == (entry.decision, entry.recipients)
    (finding,) = entry.findings
    assert ("INT-1", Severity.QUARANTINE, "ce_agreementid") == (finding.rule, finding.severity, finding.field)
    assert [] == (await empty_bus.audit()).findings


async def test_evidence_at_the_limit_of_headers_fits(empty_bus):
    """A refused record whose headers are at their limit still has an entry that fits a bundle."""
    ((key, value, headers),) = empty_bus.documents("main", 0, 1)
    used = sum(len(name) + len(octets) for name, octets in headers)
    filler = ("gb-sig", b"x" * (32_768 - used - len("gb-sig")))
    empty_bus.send(0, [(key, value, (*headers, filler))])
    empty_bus.route(0, 0)
    empty_bus.checkpoint(0)
    empty_bus.head_checkpoint()

    (record,) = empty_bus.at(topics.MESSAGE_LOG, 0)
    assert 30_000 < len(record.value) <= ENTRY_BYTES_MAX
    assert Outcome.REFUSED is decode_log_entry(record.value).decision
    assert [] == (await empty_bus.audit()).findings
