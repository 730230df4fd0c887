"""`resolve()`: what an incoming source record means for a registry, on exact identifiers only.

The rule, and why the order of arrival does not matter: records are linked if they claim the same identifier in its
normal form. Which links are live is a function of the set of claims alone, so every order leads to the same links.

An identifier belongs to one subject, so a source that claims it for two of its records contradicts itself, and
nobody can tell which of the two the other sources mean. Such an identifier is *contested* and links nothing; links
that it made are closed. An identifier claimed by more than `CLAIMANTS_MAX` records identifies nobody either.
"""

from __future__ import annotations

from itertools import combinations

from govbus.registry.record import (
    EntityId,
    Identifier,
    Link,
    RegistryDecision,
    Resolution,
    SourceRecord,
    SourceRecordId,
)
from govbus.registry.store import RegistryStore

CLAIMANTS_MAX = 64
"""Records of different sources that one identifier may link; beyond that it is contested."""


def resolve(store: RegistryStore, record: SourceRecord) -> RegistryDecision:
    """Take a record into the registry and decide which entity it belongs to.

    The same record again, or an older state of it, changes nothing. A newer state replaces the claims of the former:
    links that rested on them alone are closed, and entities that they held together come apart.

    Args:
        store: the registry; changed in place, within whatever transaction its owner holds.
        record: with identifiers in their normal form.
    """
    known = store.record(record.id)
    if known is not None and record.revision <= known.revision:
        entity = store.entity_of(record.id)
        return RegistryDecision(Resolution.STALE, record.id, entity, (), (), ())
    store.put_record(record)
    affected = set(record.identifiers) | set(known.identifiers if known is not None else ())
    opened: list[Link] = []
    closed: list[Link] = []
    contested: list[Identifier] = []
    for identifier in sorted(affected):
        wanted, is_contested = _wanted_links(store, identifier)
        live = set(store.links_by(identifier))
        closed += sorted(live - wanted)
        opened += sorted(wanted - live)
        store.set_contested(identifier, is_contested=is_contested)
        if is_contested and identifier in record.identifiers:
            contested.append(identifier)
    for link in closed:
        store.close_link(link)
    for link in opened:
        store.open_link(link)
    _regroup(store, opened, closed)
    resolution = Resolution.LINK if store.links_of(record.id) else Resolution.NEW
    entity = store.entity_of(record.id)
    return RegistryDecision(resolution, record.id, entity, tuple(opened), tuple(closed), tuple(contested))


def _wanted_links(store: RegistryStore, identifier: Identifier) -> tuple[set[Link], bool]:
    """Return the links that an identifier ought to make, and whether it is contested.

    Every pair of claimants is linked, so that no link depends on who came first; pairs are few, because each source
    stands among them once.
    """
    claimants = store.claimants(identifier, CLAIMANTS_MAX + 1)
    sources = {claimant.source for claimant in claimants}
    if len(sources) < len(claimants) or len(claimants) > CLAIMANTS_MAX:
        return set(), True
    return {Link.between(one, other, identifier) for one, other in combinations(claimants, 2)}, False


def _regroup(store: RegistryStore, opened: list[Link], closed: list[Link]) -> None:
    """Make entities the connected components again, after links were opened and closed."""
    touched = {store.entity_of(end) for link in (*opened, *closed) for end in (link.left, link.right)}
    members: set[SourceRecordId] = set()
    for entity_id in touched:
        entity = store.entity(entity_id)
        members.update(entity.members if entity is not None else ())
    while members:
        component = _component(store, members.pop())
        members -= component
        founder = EntityId(min(store.number(member) for member in component))
        for member in component:
            if store.entity_of(member) != founder:
                store.assign(member, founder)


def _component(store: RegistryStore, start: SourceRecordId) -> set[SourceRecordId]:
    """Return the records that live links connect with `start`."""
    component = {start}
    frontier = [start]
    while frontier:
        for link in store.links_of(frontier.pop()):
            for end in (link.left, link.right):
                if end not in component:
                    component.add(end)
                    frontier.append(end)
    return component
