"""The port behind which a registry keeps its records, links and entities.

One contract suite (``tests/contract/test_registry_store.py``) runs against every implementation. A store keeps no
rules: what is linked is decided in `govbus.registry.resolver`, and whoever owns the store owns its transactions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Protocol

from govbus.registry.record import (
    Entity,
    EntityId,
    Identifier,
    Link,
    RegistryCounts,
    SourceRecord,
    SourceRecordId,
)


class RegistryStore(Protocol):
    """Records, claims, live links and entities of one registry."""

    def record(self, record_id: SourceRecordId) -> SourceRecord | None:
        """Return the record in the state that is in force, or None."""
        ...

    def put_record(self, record: SourceRecord) -> None:
        """Keep a record and its claims in place of its former state.

        A record that was not there before MUST get the next arrival number and be alone in the entity that it founds;
        one that was there MUST keep number, entity and links.
        """
        ...

    def claimants(self, identifier: Identifier, records_max: int) -> Sequence[SourceRecordId]:
        """Return the records that claim an identifier, sorted, at most `records_max` of them."""
        ...

    def links_by(self, identifier: Identifier) -> Sequence[Link]:
        """Return the live links that the identifier makes, sorted."""
        ...

    def links_of(self, record_id: SourceRecordId) -> Sequence[Link]:
        """Return the live links of a record, sorted."""
        ...

    def open_link(self, link: Link) -> None:
        """Make a link live. Both records MUST be there and the link MUST NOT be live already."""
        ...

    def close_link(self, link: Link) -> None:
        """End a live link."""
        ...

    def number(self, record_id: SourceRecordId) -> int:
        """Return a record's arrival number, from 1."""
        ...

    def entity_of(self, record_id: SourceRecordId) -> EntityId:
        """Return the entity that a record is in. The record MUST be there."""
        ...

    def entity(self, entity_id: EntityId) -> Entity | None:
        """Return the entity that a name leads to, whether or not its founder founded the entity it is in now.

        None where the name was never given.
        """
        ...

    def assign(self, record_id: SourceRecordId, entity_id: EntityId) -> None:
        """Put a record into an entity."""
        ...

    def set_contested(self, identifier: Identifier, *, is_contested: bool) -> None:
        """Remember whether an identifier links nothing because one source claims it for several records."""
        ...

    def contested_claims(self) -> Iterable[tuple[Identifier, SourceRecordId]]:
        """Iterate over the claims of identifiers that are contested, by identifier and then by record."""
        ...

    def counts(self) -> RegistryCounts:
        """Return how much the registry holds."""
        ...

    def records(self) -> Iterable[SourceRecord]:
        """Iterate over all records, sorted by id."""
        ...

    def entities(self) -> Iterable[Entity]:
        """Iterate over all entities, by id."""
        ...


def state_hash(store: RegistryStore) -> bytes:
    """Return a SHA-256 that two registries share exactly if they hold the same records, links and entities.

    Arrival numbers, and so the names of entities, are left out: they depend on the order in which partitions were
    read, while records, links and who is together with whom do not.
    """
    digest = hashlib.sha256()
    for record in store.records():
        digest.update(repr((record.id, record.revision, record.identifiers)).encode())
        digest.update(repr(sorted(record.fields.items())).encode())
        digest.update(repr([tuple(link) for link in store.links_of(record.id)]).encode())
    for members in sorted(entity.members for entity in store.entities()):
        digest.update(repr(members).encode())
    return digest.digest()
