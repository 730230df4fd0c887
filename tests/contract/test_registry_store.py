"""One suite for every registry store: memory and SQLite."""

import sqlite3

import pytest

from govbus.registry.memory import MemoryRegistryStore
from govbus.registry.record import (
    Entity,
    EntityId,
    Identifier,
    Link,
    RegistryCounts,
    Revision,
    SourceRecord,
    SourceRecordId,
)
from govbus.registry.store import state_hash
from govbus.service.registry_store import SqliteRegistryStore

A1 = SourceRecordId("civil.example", "1")
A2 = SourceRecordId("civil.example", "2")
B1 = SourceRecordId("health.example", "1")
X = Identifier("national-id", "4711")
Y = Identifier("national-id", "4712")


def _record(record_id, *identifiers, time_ms=1, **fields):
    return SourceRecord(record_id, Revision(time_ms, f"document-{time_ms}"), identifiers, fields)


@pytest.fixture(params=["memory", "sqlite"])
def store(request):
    if request.param == "memory":
        yield MemoryRegistryStore()
    else:
        connection = sqlite3.connect(":memory:", isolation_level=None)
        yield SqliteRegistryStore(connection)
        connection.close()


def test_a_record_comes_back_as_it_was_put(store):
    """What is read is what was put, text beyond ASCII included."""
    record = _record(A1, X, Y, surname="Čapek", given_name="")
    store.put_record(record)

    assert record == store.record(A1)
    assert store.record(A2) is None


def test_a_new_record_founds_an_entity(store):
    """Numbers count arrivals from 1, and a new record is alone in the entity named after it."""
    store.put_record(_record(B1))
    store.put_record(_record(A1))

    assert [1, 2] == [store.number(B1), store.number(A1)]
    assert EntityId(2) == store.entity_of(A1)
    assert Entity(EntityId(2), (A1,)) == store.entity(EntityId(2))
    assert store.entity(EntityId(3)) is None


def test_a_newer_state_keeps_number_and_entity(store):
    """Putting a record again replaces fields and claims and nothing else."""
    store.put_record(_record(A1, X, surname="old"))
    store.put_record(_record(B1, X))
    store.assign(B1, EntityId(1))
    store.put_record(_record(B1, Y, time_ms=2, surname="new"))

    assert {"surname": "new"} == store.record(B1).fields
    assert 2 == store.number(B1)
    assert EntityId(1) == store.entity_of(B1)
    assert [A1] == list(store.claimants(X, 10))
    assert [B1] == list(store.claimants(Y, 10))


def test_claimants_are_sorted_and_bounded(store):
    """Claimants come sorted by id, whatever the order of arrival, and no more than asked for."""
    for record_id in (B1, A2, A1):
        store.put_record(_record(record_id, X))

    assert [A1, A2, B1] == list(store.claimants(X, 10))
    assert [A1, A2] == list(store.claimants(X, 2))
    assert [] == list(store.claimants(Y, 10))


def test_links_open_and_close(store):
    """A live link is found by its identifier and from both ends, until it is closed."""
    for record_id in (A1, A2, B1):
        store.put_record(_record(record_id, X))
    by_x, by_y = Link.between(B1, A1, X), Link.between(B1, A2, Y)
    store.open_link(by_y)
    store.open_link(by_x)

    assert [by_x] == list(store.links_by(X))
    assert [by_x, by_y] == list(store.links_of(B1))
    assert [by_x] == list(store.links_of(A1))

    store.close_link(by_x)

    assert [] == list(store.links_by(X))
    assert [by_y] == list(store.links_of(B1))


def test_links_of_an_unknown_record(store):
    """A record that is not there has no links, and asking for its number or entity is a mistake."""
    assert [] == list(store.links_of(A1))
    with pytest.raises(KeyError):
        store.number(A1)
    with pytest.raises(KeyError):
        store.entity_of(A1)


def test_every_name_of_an_entity_leads_to_it(store):
    """After a merge the name of the entity that is gone leads to the one that its founder is in."""
    store.put_record(_record(A1))
    store.put_record(_record(B1))
    store.assign(B1, EntityId(1))
    merged = Entity(EntityId(1), (A1, B1))

    assert merged == store.entity(EntityId(1))
    assert merged == store.entity(EntityId(2))
    assert [merged] == list(store.entities())


def test_counts(store):
    """Counts are of records, entities, live links and contested identifiers."""
    for record_id in (A1, A2, B1):
        store.put_record(_record(record_id, X, *(() if record_id == B1 else (Y,))))
    store.open_link(Link.between(A1, B1, X))
    store.assign(B1, EntityId(1))
    store.set_contested(Y, is_contested=True)
    store.set_contested(Y, is_contested=True)

    assert RegistryCounts(records=3, entities=2, links=1, contested=1) == store.counts()

    assert [(Y, A1), (Y, A2)] == list(store.contested_claims())
    store.set_contested(Y, is_contested=False)
    assert [] == list(store.contested_claims())

    assert 0 == store.counts().contested


def test_records_are_iterated_by_id(store):
    """Records come sorted by id, so that two stores can be compared side by side."""
    for record_id in (B1, A2, A1):
        store.put_record(_record(record_id))

    assert [A1, A2, B1] == [record.id for record in store.records()]


def _filled(store, order):
    for record_id in order:
        store.put_record(_record(record_id, X, surname="s"))
    store.open_link(Link.between(A1, B1, X))
    founder = EntityId(min(store.number(A1), store.number(B1)))
    store.assign(A1, founder)
    store.assign(B1, founder)
    return store


def test_the_state_hash_does_not_know_the_order_of_arrival(store):
    """Every store gives the hash that a memory store filled in another order gives."""
    expected = state_hash(_filled(MemoryRegistryStore(), (B1, A2, A1)))

    assert expected == state_hash(_filled(store, (A1, A2, B1)))


@pytest.mark.parametrize("change", ["fields", "revision", "link", "entity"])
def test_the_state_hash_knows_every_difference(store, change):
    """A difference in a field, a revision, a link or an entity changes the hash."""
    before = state_hash(_filled(store, (A1, A2, B1)))
    if change == "fields":
        store.put_record(_record(A2, X, surname="t"))
    elif change == "revision":
        store.put_record(_record(A2, X, surname="s", time_ms=2))
    elif change == "link":
        store.close_link(Link.between(A1, B1, X))
    else:
        store.assign(A2, store.entity_of(A1))

    assert before != state_hash(store)
