"""What holds for every stream of records into a registry."""

import sqlite3

from hypothesis import given, settings
from hypothesis import strategies as st

from govbus.registry.memory import MemoryRegistryStore
from govbus.registry.record import Identifier, Revision, SourceRecord, SourceRecordId
from govbus.registry.resolver import resolve
from govbus.registry.store import state_hash
from govbus.service.registry_store import SqliteRegistryStore

IDENTIFIERS = [Identifier("national-id", f"id-{number}") for number in range(4)]


@st.composite
def _streams(draw):
    """Records of three sources, some in several states, over few identifiers, so that they meet."""
    states = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["a.example", "b.example", "c.example"]),
                st.integers(1, 3),
                st.integers(1, 3),
                st.frozensets(st.sampled_from(IDENTIFIERS), max_size=2),
            ),
            max_size=12,
            unique_by=lambda state: state[:3],
        )
    )
    return [
        SourceRecord(
            SourceRecordId(source, str(record_id)),
            Revision(time_ms, f"{source}-{record_id}-{time_ms}"),
            tuple(sorted(identifiers)),
            {"surname": f"s{time_ms}"},
        )
        for source, record_id, time_ms, identifiers in states
    ]


def _resolved(records):
    store = MemoryRegistryStore()
    for record in records:
        resolve(store, record)
    return store


def _clusters_by_definition(records):
    """The clusters worked out the slow way: newest states, uncontested identifiers, transitive closure."""
    newest = {}
    for record in sorted(records, key=lambda record: record.revision):
        newest[record.id] = record
    clusters = {record_id: {record_id} for record_id in newest}
    for identifier in IDENTIFIERS:
        claimants = [key for key, record in newest.items() if identifier in record.identifiers]
        if len({key.source for key in claimants}) == len(claimants):
            merged = set().union(*(clusters[key] for key in claimants)) if claimants else set()
            for key in merged:
                clusters[key] = merged
    return sorted({tuple(sorted(cluster)) for cluster in clusters.values()})


@given(_streams(), st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(records, random):
    """Every order of the same records leads to the same records, links and clusters."""
    shuffled = list(records)
    random.shuffle(shuffled)

    assert state_hash(_resolved(records)) == state_hash(_resolved(shuffled))


@given(_streams())
def test_clusters_are_those_of_the_definition(records):
    """The incremental clusters are the ones that the definition gives over all records at once."""
    store = _resolved(records)

    assert _clusters_by_definition(records) == sorted(entity.members for entity in store.entities())
    assert store.counts().entities == len(list(store.entities()))


@given(_streams())
def test_replay_changes_nothing(records):
    """Every record a second time is stale, and the state stays as it was."""
    store = _resolved(records)
    before = state_hash(store)
    for record in records:
        resolve(store, record)

    assert before == state_hash(store)


@given(_streams())
def test_an_entity_is_named_after_the_first_of_its_members(records):
    """The founder is always the member with the least arrival number, after merges and splits too."""
    store = _resolved(records)

    for entity in store.entities():
        assert entity.id.founder == min(store.number(member) for member in entity.members)


@settings(max_examples=50)
@given(_streams(), st.lists(st.tuples(st.integers(1, 5), st.booleans()), max_size=30))
def test_kills_leave_no_trace(records, batches):
    """Batches that are rolled back at random and delivered again end in the state of an undisturbed run."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    store = SqliteRegistryStore(connection)
    position = 0
    for size, is_killed in [*batches, (len(records), False)]:
        connection.execute("BEGIN")
        for record in records[position : position + size]:
            resolve(store, record)
        if is_killed:
            connection.execute("ROLLBACK")
        else:
            connection.execute("COMMIT")
            position += size

    undisturbed = _resolved(records)
    assert state_hash(undisturbed) == state_hash(store)
    assert list(undisturbed.entities()) == list(store.entities())
    connection.close()
