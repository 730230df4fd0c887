"""Evidence is found on a bus and in an archive alike, for documents that were accepted or not, kept or gone."""

import pytest

from govbus.audit.archive.reader import Archive
from govbus.audit.bundle.assemble import assemble
from govbus.audit.bundle.check import check_evidence
from govbus.audit.bundle.contents import TrustPart
from govbus.document import topics
from govbus.document.decision import SourcePosition
from govbus.document.finding import Outcome
from govbus.document.ids import AgencyId
from govbus.errors import ConfigError, MissingPartError
from govbus.schemas.core import decode_log_entry, encode_log_entry
from govbus.service.evidence.archive import search_archive
from govbus.service.evidence.bus import LeafHashes, search_bus, search_log
from govbus.signing.merkle import inclusion_path, leaf_hash
from govbus.testing.example_bus import BUS
from govbus.transport.base import TopicPartition
from tests.unit.audit.archive.conftest import OUTBOX, ArchiveBus


@pytest.fixture
async def bus():
    """A bus with three accepted documents, one that was refused, and one that was sent twice."""
    bus = await ArchiveBus().start()
    await bus.send(3)
    await bus.send(1, {"headers": {"ce_type": "example.other.v1"}})
    record = (await bus.records(OUTBOX, 0))[1]
    await bus.put(OUTBOX, 0, record.key, record.value, record.headers)
    await bus.route()
    await bus.sign()
    return bus


async def _entries(bus):
    return [decode_log_entry(one.value) for one in await bus.records(topics.MESSAGE_LOG, 0)]


async def _found(bus, document_id, folder=None, **options):
    options = {"keys": bus.keys.public, "policy": None, **options}
    if folder is None:
        return await search_bus(bus.transport, document_id, bus=AgencyId.from_text(BUS.text), **options)
    return search_archive(Archive(folder), document_id, **options)


def _bundle(bus, found):
    ed25519, ml_dsa_44 = bus.keys.public.to_pem()
    trust = TrustPart(tuple(one.der for one in bus.authority), ed25519, ml_dsa_44)
    return assemble(
        found.logged,
        found.parts,
        found.directory,
        bus=BUS.text,
        trust=trust,
        revocations=found.revocations,
    )


@pytest.mark.parametrize("number", range(4))
async def test_bus_and_archive_give_the_same_evidence(bus, tmp_path, number):
    """Accepted or not, the evidence is the same from both, and verifies."""
    await bus.archive(tmp_path)
    document_id = (await _entries(bus))[number].document_id
    of_bus = _bundle(bus, await _found(bus, document_id))
    assert of_bus == _bundle(bus, await _found(bus, document_id, tmp_path))
    report = check_evidence(of_bus, of_bus.trust, is_own_trust=True)
    assert report.is_verified, report.to_text()


async def test_the_acceptance_is_proven_where_there_is_one(bus):
    """A document that was sent twice is proven by its acceptance, not by the duplicate."""
    entries = await _entries(bus)
    assert [one.decision for one in entries].count(Outcome.DUPLICATE) == 1
    found = await _found(bus, entries[1].document_id)
    assert found.logged.entry == entries[1]


async def test_what_left_the_broker_is_proven_and_exported_from_the_archive(bus, tmp_path):
    """The bus says what can still be proven from it, and the archive has the rest."""
    await bus.archive(tmp_path)
    document_id = (await _entries(bus))[1].document_id
    administrator = bus.transport.administrator()
    await administrator.delete_records({TopicPartition(OUTBOX, 0): 2})
    with pytest.raises(MissingPartError, match="only its log entry can be proven"):
        await _found(bus, document_id)
    logged = await search_log(
        bus.transport,
        document_id,
        bus=AgencyId.from_text(BUS.text),
        keys=bus.keys.public,
        policy=None,
    )
    assert logged.entry.document_id == document_id
    evidence = _bundle(bus, await _found(bus, document_id, tmp_path))
    assert check_evidence(evidence, evidence.trust, is_own_trust=True).is_verified


async def test_an_id_of_two_agencies_is_asked_about(bus):
    """Another sender's document of the same id is not shown for this one."""
    entry = (await _entries(bus))[1]
    other = entry._replace(source=SourcePosition("govbus.out.court.example", 0, 0))
    await bus.put(topics.MESSAGE_LOG, 0, b"x", encode_log_entry(other))
    await bus.sign()
    with pytest.raises(ConfigError, match=r"court\.example, tax\.example"):
        await _found(bus, entry.document_id)
    found = await _found(bus, entry.document_id, agency="tax.example")
    assert found.logged.entry == entry


async def test_an_unknown_document_is_said_to_be_unknown(bus):
    """No decision, no evidence."""
    with pytest.raises(MissingPartError, match="no decision about document nothing"):
        await _found(bus, "nothing")


@pytest.mark.parametrize("size", range(1, 20))
def test_paths_are_those_of_the_tree(size):
    """A path from the kept hashes is the path of RFC 9162, for every entry of every small tree."""
    hashes = LeafHashes()
    values = [b"entry %d" % number for number in range(20)]
    for number, value in enumerate(values):
        assert hashes.append(3, value) == number
    leaves = [leaf_hash(value) for value in values[:size]]
    for index in range(size):
        assert hashes.path(3, index, size) == inclusion_path(leaves, index)


def test_a_log_that_is_shorter_than_its_checkpoint_is_said():
    """A checkpoint over more entries than there are is no proof, and the remedy says what happened."""
    with pytest.raises(MissingPartError, match="states 2 entries in log partition 0, there are 0"):
        LeafHashes().path(0, 0, 2)
