"""Records that contradict the registry are held, whatever the order in which they come (rule DED-1)."""

from govbus.registry.conflicts import conflict_breaches, held_records
from govbus.registry.memory import MemoryRegistryStore
from govbus.registry.record import Identifier, Revision, SourceRecord, SourceRecordId
from govbus.registry.resolver import resolve

X = Identifier("national-id", "4711")
A1, A2 = SourceRecordId("civil.example", "1"), SourceRecordId("civil.example", "2")
B1 = SourceRecordId("health.example", "1")


def _record(record_id, *identifiers, time_ms=1):
    return SourceRecord(record_id, Revision(time_ms, f"document-{time_ms}"), identifiers, {})


def test_agreeing_records_are_not_held():
    """Two sources that claim one identifier once each agree."""
    store = MemoryRegistryStore()

    assert [] == conflict_breaches(resolve(store, _record(A1, X)))
    assert [] == conflict_breaches(resolve(store, _record(B1, X)))
    assert [] == list(held_records(store))


def test_a_source_that_contradicts_itself_is_held():
    """One identifier for two records of one source: all who claim it wait, and nothing is linked."""
    for order in ((A1, A2, B1), (B1, A2, A1)):
        store = MemoryRegistryStore()
        breaches = [conflict_breaches(resolve(store, _record(one, X))) for one in order]

        assert {A1, A2, B1} == {held.record for held in held_records(store)}
        assert {"DED-1"} == {held.breach.rule for held in held_records(store)}
        assert "national-id" in breaches[2][0].detail
        assert "4711" not in breaches[2][0].detail
        assert [] == store.links_of(B1)


def test_a_mended_claim_releases_everybody():
    """Once the source takes its second claim back, nobody is held."""
    store = MemoryRegistryStore()
    for record in (_record(A1, X), _record(A2, X), _record(B1, X), _record(A2, time_ms=2)):
        resolve(store, record)

    assert [] == list(held_records(store))
    assert 1 == len(store.links_of(B1))
