"""A registry store that keeps everything in memory: for tests, trials and the auditor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from govbus.registry.record import (
    Entity,
    EntityId,
    Identifier,
    Link,
    RegistryCounts,
    SourceRecord,
    SourceRecordId,
)


class MemoryRegistryStore:
    """A `RegistryStore` in memory. Not durable, not safe for several threads."""

    def __init__(self) -> None:
        self._records: dict[SourceRecordId, SourceRecord] = {}
        self._numbers: dict[SourceRecordId, int] = {}
        self._by_number: dict[int, SourceRecordId] = {}
        self._claims: dict[Identifier, set[SourceRecordId]] = {}
        self._links_by: dict[Identifier, set[Link]] = {}
        self._links_of: dict[SourceRecordId, set[Link]] = {}
        self._entity_of: dict[SourceRecordId, EntityId] = {}
        self._members: dict[EntityId, set[SourceRecordId]] = {}
        self._contested: set[Identifier] = set()

    def record(self, record_id: SourceRecordId) -> SourceRecord | None:
        """Return the record in the state that is in force, or None."""
        return self._records.get(record_id)

    def put_record(self, record: SourceRecord) -> None:
        """Keep a record and its claims in place of its former state."""
        former = self._records.get(record.id)
        if former is None:
            number = len(self._numbers) + 1
            self._numbers[record.id] = number
            self._by_number[number] = record.id
            self._entity_of[record.id] = EntityId(number)
            self._members[EntityId(number)] = {record.id}
        else:
            for identifier in former.identifiers:
                self._claims[identifier].discard(record.id)
        self._records[record.id] = record
        for identifier in record.identifiers:
            self._claims.setdefault(identifier, set()).add(record.id)

    def claimants(self, identifier: Identifier, records_max: int) -> Sequence[SourceRecordId]:
        """Return the records that claim an identifier, sorted, at most `records_max` of them."""
        return sorted(self._claims.get(identifier, ()))[:records_max]

    def links_by(self, identifier: Identifier) -> Sequence[Link]:
        """Return the live links that the identifier makes, sorted."""
        return sorted(self._links_by.get(identifier, ()))

    def links_of(self, record_id: SourceRecordId) -> Sequence[Link]:
        """Return the live links of a record, sorted."""
        return sorted(self._links_of.get(record_id, ()))

    def open_link(self, link: Link) -> None:
        """Make a link live."""
        self._links_by.setdefault(link.identifier, set()).add(link)
        for end in (link.left, link.right):
            self._links_of.setdefault(end, set()).add(link)

    def close_link(self, link: Link) -> None:
        """End a live link."""
        self._links_by[link.identifier].discard(link)
        for end in (link.left, link.right):
            self._links_of[end].discard(link)

    def number(self, record_id: SourceRecordId) -> int:
        """Return a record's arrival number, from 1."""
        return self._numbers[record_id]

    def entity_of(self, record_id: SourceRecordId) -> EntityId:
        """Return the entity that a record is in."""
        return self._entity_of[record_id]

    def entity(self, entity_id: EntityId) -> Entity | None:
        """Return the entity that a name leads to, or None where the name was never given."""
        founder = self._by_number.get(entity_id.founder)
        if founder is None:
            return None
        current = self._entity_of[founder]
        return Entity(current, tuple(sorted(self._members[current])))

    def assign(self, record_id: SourceRecordId, entity_id: EntityId) -> None:
        """Put a record into an entity."""
        former = self._entity_of[record_id]
        self._members[former].discard(record_id)
        if not self._members[former]:
            del self._members[former]
        self._entity_of[record_id] = entity_id
        self._members.setdefault(entity_id, set()).add(record_id)

    def set_contested(self, identifier: Identifier, *, is_contested: bool) -> None:
        """Remember whether an identifier links nothing."""
        if is_contested:
            self._contested.add(identifier)
        else:
            self._contested.discard(identifier)

    def contested_claims(self) -> Iterable[tuple[Identifier, SourceRecordId]]:
        """Iterate over the claims of identifiers that are contested, by identifier and then by record."""
        return (
            (identifier, record_id)
            for identifier in sorted(self._contested)
            for record_id in sorted(self._claims.get(identifier, ()))
        )

    def counts(self) -> RegistryCounts:
        """Return how much the registry holds."""
        return RegistryCounts(
            records=len(self._records),
            entities=len(self._members),
            links=sum(len(links) for links in self._links_by.values()),
            contested=len(self._contested),
        )

    def records(self) -> Iterable[SourceRecord]:
        """Iterate over all records, sorted by id."""
        return (self._records[record_id] for record_id in sorted(self._records))

    def entities(self) -> Iterable[Entity]:
        """Iterate over all entities, by id."""
        return (Entity(key, tuple(sorted(self._members[key]))) for key in sorted(self._members))
