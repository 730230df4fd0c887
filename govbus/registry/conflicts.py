"""Records that are held because they contradict what the registry holds (rule DED-1).

An identifier belongs to one subject. Where one source claims it for two of its records, or more records claim it than
one subject can have, nobody can tell whom it means: it links nothing, and every record that claims it waits for a
steward. What is held is a function of the claims alone, so it does not depend on the order in which documents came.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from govbus.document.finding import Breach
from govbus.registry.record import Identifier, RegistryDecision, SourceRecordId
from govbus.registry.store import RegistryStore


class HeldRecord(NamedTuple):
    """A record that waits for a steward, and why."""

    record: SourceRecordId
    document_id: str
    """Of the document that brought its state."""
    breach: Breach


def conflict_breaches(decision: RegistryDecision) -> list[Breach]:
    """Return what an incoming record contradicts; empty where its identifiers resolve."""
    return [_breach(identifier) for identifier in decision.contested]


def held_records(store: RegistryStore) -> Iterator[HeldRecord]:
    """Yield every record that is held now, by identifier and then by record."""
    for identifier, record_id in store.contested_claims():
        record = store.record(record_id)
        if record is not None:
            yield HeldRecord(record_id, record.revision.document_id, _breach(identifier))


def _breach(identifier: Identifier) -> Breach:
    detail = (
        f"one source claims the same {identifier.scheme} for several records, or too many sources claim it"
    )
    return Breach("DED-1", "body", detail)
