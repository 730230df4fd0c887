"""What an incoming record means for a registry."""

import pytest

from govbus.registry.memory import MemoryRegistryStore
from govbus.registry.record import (
    EntityId,
    Identifier,
    Link,
    RegistryCounts,
    Resolution,
    Revision,
    SourceRecord,
    SourceRecordId,
)
from govbus.registry.resolver import CLAIMANTS_MAX, resolve
from govbus.registry.store import state_hash

A1 = SourceRecordId("civil.example", "1")
A2 = SourceRecordId("civil.example", "2")
B1 = SourceRecordId("health.example", "1")
C1 = SourceRecordId("tax.example", "1")
X = Identifier("national-id", "4711")
Y = Identifier("national-id", "4712")


def _record(record_id, *identifiers, time_ms=1):
    return SourceRecord(record_id, Revision(time_ms, f"document-{time_ms}"), identifiers, {})


@pytest.fixture
def store():
    return MemoryRegistryStore()


def _resolve_all(store, *records):
    return [resolve(store, record) for record in records]


def test_a_record_without_identifier_is_a_new_entity(store):
    """Nothing links a record that claims nothing."""
    decisions = _resolve_all(store, _record(A1), _record(B1))

    assert [Resolution.NEW, Resolution.NEW] == [decision.resolution for decision in decisions]
    assert RegistryCounts(records=2, entities=2, links=0, contested=0) == store.counts()


def test_the_same_identifier_links(store):
    """Records of two sources with one identifier are one entity, named after the first."""
    _, decision = _resolve_all(store, _record(A1, X), _record(B1, X))

    assert Resolution.LINK is decision.resolution
    assert EntityId(1) == decision.entity
    assert (Link.between(A1, B1, X),) == decision.opened


def test_another_identifier_does_not_link(store):
    """Different identifiers are different subjects."""
    _, decision = _resolve_all(store, _record(A1, X), _record(B1, Y))

    assert Resolution.NEW is decision.resolution


def test_three_sources_are_one_entity(store):
    """Every pair of claimants is linked."""
    _resolve_all(store, _record(A1, X), _record(B1, X), _record(C1, X))

    assert RegistryCounts(records=3, entities=1, links=3, contested=0) == store.counts()


def test_the_same_record_again_changes_nothing(store):
    """A record that is known in this state is stale."""
    _resolve_all(store, _record(A1, X), _record(B1, X))
    before = state_hash(store)
    decision = resolve(store, _record(B1, X))

    assert Resolution.STALE is decision.resolution
    assert EntityId(1) == decision.entity
    assert before == state_hash(store)


def test_an_older_state_changes_nothing(store):
    """The state in force is the newest, not the one that arrived last."""
    _resolve_all(store, _record(A1, X), _record(B1, X, time_ms=2))
    decision = resolve(store, _record(B1, Y, time_ms=1))

    assert Resolution.STALE is decision.resolution
    assert (X,) == store.record(B1).identifiers


def test_a_corrected_identifier_moves_the_record(store):
    """A newer state without the identifier ends the link, and the new identifier makes another."""
    _resolve_all(store, _record(A1, X), _record(C1, Y), _record(B1, X))
    decision = resolve(store, _record(B1, Y, time_ms=2))

    assert (Link.between(A1, B1, X),) == decision.closed
    assert (Link.between(B1, C1, Y),) == decision.opened
    assert [(A1,), (B1, C1)] == sorted(entity.members for entity in store.entities())


def test_a_source_that_claims_an_identifier_twice_contests_it(store):
    """A contested identifier links nothing: the links that it made are closed."""
    _resolve_all(store, _record(A1, X), _record(B1, X))
    decision = resolve(store, _record(A2, X))

    assert Resolution.NEW is decision.resolution
    assert (X,) == decision.contested
    assert (Link.between(A1, B1, X),) == decision.closed
    assert RegistryCounts(records=3, entities=3, links=0, contested=1) == store.counts()


def test_a_contest_ends_when_the_source_corrects_itself(store):
    """When one claim is withdrawn, the links come back and the contest is over."""
    _resolve_all(store, _record(A1, X), _record(B1, X), _record(A2, X))
    resolve(store, _record(A2, Y, time_ms=2))

    assert RegistryCounts(records=3, entities=2, links=1, contested=0) == store.counts()


def test_a_contested_identifier_leaves_other_links_alone(store):
    """What a second identifier links stays linked when the first is contested."""
    _resolve_all(store, _record(A1, X, Y), _record(B1, X, Y), _record(A2, X))

    assert EntityId(1) == store.entity_of(B1)
    assert EntityId(3) == store.entity_of(A2)


def test_merge_then_unmerge_leaves_no_trace(store):
    """A record that joins two entities and is then withdrawn from both leaves the state as it was."""
    bridge = SourceRecordId("zoning.example", "1")
    _resolve_all(store, _record(A1, X), _record(B1, Y), _record(bridge, time_ms=9))
    before = state_hash(store)
    names = [entity.id for entity in store.entities()]
    resolve(store, _record(bridge, X, Y, time_ms=10))

    assert 1 == store.counts().entities

    resolve(store, _record(bridge, time_ms=11))
    store._records[bridge] = _record(bridge, time_ms=9)  # the revision alone is to differ

    assert before == state_hash(store)
    assert names == [entity.id for entity in store.entities()]


def test_an_identifier_claimed_too_often_identifies_nobody(store):
    """Beyond the bound on claimants an identifier is contested, even by different sources."""
    for number in range(CLAIMANTS_MAX):
        resolve(store, _record(SourceRecordId(f"s{number}.example", "1"), X))

    assert 1 == store.counts().entities

    decision = resolve(store, _record(SourceRecordId("one-more.example", "1"), X))

    assert (X,) == decision.contested
    assert RegistryCounts(CLAIMANTS_MAX + 1, CLAIMANTS_MAX + 1, 0, 1) == store.counts()
