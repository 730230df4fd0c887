"""The population register: documents become records, entities and links, each exactly once."""

import random
from types import SimpleNamespace

import pytest

from govbus.document.ids import AgencyId
from govbus.errors import MetadataError
from govbus.registry.memory import MemoryRegistryStore
from govbus.registry.record import EntityId, Identifier, SourceRecordId
from govbus.registry.resolver import resolve
from govbus.registry.store import state_hash
from govbus.service.delivered import read_delivered
from govbus.service.inbox_database import PartitionSlice
from govbus.service.registry_service import PopulationRegister, PopulationStats, person_record
from govbus.signing.verifier import VerifiedSignatures
from govbus.transport.base import TopicPartition

CIVIL, HEALTH = AgencyId("civil.example"), AgencyId("health.example")
SOURCE = TopicPartition("govbus.in.register.example", 0)


@pytest.fixture
def register(tmp_path):
    opened = PopulationRegister(tmp_path / "register.db")
    yield opened
    opened.close()


def _delivered(bench, *records):
    return [read_delivered(record, bench.directory, VerifiedSignatures()) for record in records]


def test_a_document_becomes_a_source_record(bench):
    """Agency and record id name it, the statement's time dates it, and the national id is in its normal form."""
    (document,) = _delivered(bench, bench.document(5, "p-1", national_id=" 47 11-x"))
    record = person_record(document)

    assert SourceRecordId("civil.example", "p-1") == record.id
    assert (document.statement.time_ms, "civil.example-5") == record.revision
    assert (Identifier("national-id", "4711X"),) == record.identifiers
    assert {"surname": "x", "national_id": " 47 11-x"} == record.fields


def test_fields_without_value_are_left_out(bench):
    """A person without national id claims nothing."""
    (document,) = _delivered(bench, bench.document(0, "p-1"))

    assert ((), {"surname": "x"}) == (person_record(document).identifiers, person_record(document).fields)


@pytest.mark.parametrize("value", [None, {}, {"record": {"record_id": "p"}}, {"record": {}, "body": {}}])
def test_values_that_are_no_person(value):
    """A value without record id or body breaks rule REC-1."""
    statement = SimpleNamespace(origin=SimpleNamespace(agency=CIVIL), time_ms=1)
    with pytest.raises(MetadataError) as caught:
        person_record(SimpleNamespace(value=value, statement=statement, document_id="d"))

    assert "REC-1" == caught.value.rule


def test_two_agencies_one_person(register, bench):
    """Documents with one national id are one entity, and the stats say what was done."""
    records = [
        bench.document(0, "c-1", national_id="4711"),
        bench.document(0, "h-1", agency=HEALTH, national_id="47-11"),
        bench.document(0, "c-1", national_id="4711"),
        bench.document(1, "c-2"),
        bench.document(2, ""),
        bench.receipt(),
    ]
    register.database.apply([PartitionSlice(SOURCE, None, 6, _delivered(bench, *records))], at_ms=1)

    assert EntityId(1) == register.store.entity_of(SourceRecordId("health.example", "h-1"))
    assert {
        "civil.example:c-1": "E-1",
        "health.example:h-1": "E-1",
        "civil.example:c-2": "E-3",
    } == {str(record): str(entity) for record, entity in register.entities_by_record().items()}
    assert (
        PopulationStats(
            records=3, entities=2, links=1, contested=0, applied=3, duplicates=1, rejected=1, receipts=1
        )
        == register.stats()
    )


def test_kills_at_random_leave_the_state_of_an_undisturbed_run(tmp_path, bench):
    """Transactions that are torn down anywhere, and batches delivered twice, change nothing in the end."""
    rng = random.Random(7)
    records = [
        bench.document(index, f"p-{index % 9}", agency=agency, national_id=f"400{rng.randrange(12)}")
        for index in range(20)
        for agency in (CIVIL, HEALTH)
    ]
    documents = _delivered(bench, *records)
    undisturbed = MemoryRegistryStore()
    for document in documents:
        resolve(undisturbed, person_record(document))

    path = tmp_path / "killed.db"
    register = PopulationRegister(path)
    position = 0
    while position < len(documents):
        stored = register.database.next_offset(SOURCE)
        batch = documents[position : position + rng.randrange(1, 6)]
        if rng.random() < 0.5:
            register.database.connection.execute("BEGIN IMMEDIATE")
            register.database._move(PartitionSlice(SOURCE, stored, position + len(batch), batch))
            for document in batch[: rng.randrange(len(batch)) + 1]:
                register.database._take(document, 1)
            register.close()  # what a killed process leaves behind: a transaction that was never committed
            register = PopulationRegister(path)
            continue
        again = documents[:2] if rng.random() < 0.3 else []
        register.database.apply(
            [PartitionSlice(SOURCE, stored, position + len(batch), [*again, *batch])], at_ms=1
        )
        position += len(batch)

    assert state_hash(undisturbed) == state_hash(register.store)
    assert list(undisturbed.entities()) == list(register.store.entities())
    assert len(documents) == register.stats().applied
    register.close()
