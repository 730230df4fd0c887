"""The population register: a consumer whose effect is to resolve each document's record into a shared registry."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from govbus import telemetry
from govbus.errors import MetadataError
from govbus.registry.conflicts import HeldRecord, conflict_breaches, held_records
from govbus.registry.identifiers import national_id
from govbus.registry.record import EntityId, Revision, SourceRecord, SourceRecordId
from govbus.registry.resolver import resolve
from govbus.service.consumer import Consumer, ConsumerParts
from govbus.service.delivered import DeliveredDocument
from govbus.service.directory.follower import DirectoryFollower
from govbus.service.inbox_database import Effect, InboxDatabase, ReceiptEffect
from govbus.service.processes import clock_ms
from govbus.service.registry_store import SqliteRegistryStore
from govbus.service.revocations.following import RevocationFollower
from govbus.signing.certificates import Certificate
from govbus.transport.base import Transport

NATIONAL_ID_FIELD = "national_id"


class PopulationStats(NamedTuple):
    """What the population register holds and did."""

    records: int
    entities: int
    links: int
    contested: int
    """Identifiers that link nothing, because one source claims them for several records."""
    applied: int
    duplicates: int
    rejected: int
    receipts: int


class PopulationRegister:
    """The register's database: hand `database` to a `Consumer`, ask `stats` and `store` at any time."""

    def __init__(
        self,
        path: Path | str,
        receipt_effect: Callable[[sqlite3.Connection], ReceiptEffect] | None = None,
    ) -> None:
        """Open or create the register; errors as for `InboxDatabase`.

        Args:
            path: the SQLite file.
            receipt_effect: makes what takes receipts that come to the same inbox; None only counts them.
        """
        self.database = InboxDatabase(path, _population_effect, receipt_effect)
        self.store = SqliteRegistryStore(self.database.connection)

    def close(self) -> None:
        """Close the file."""
        self.database.close()

    def stats(self) -> PopulationStats:
        """Return what the register holds and did."""
        with self.database.at_rest():
            return PopulationStats(*self.store.counts(), *self.database.counts())

    def held(self) -> list[HeldRecord]:
        """Return the records that are held now (rule DED-1)."""
        with self.database.at_rest():
            return list(held_records(self.store))

    def entities_by_record(self) -> dict[SourceRecordId, EntityId]:
        """Return the entity that each record is in."""
        with self.database.at_rest():
            return {member: entity.id for entity in self.store.entities() for member in entity.members}


def _population_effect(connection: sqlite3.Connection) -> Effect:
    store = SqliteRegistryStore(connection)

    def apply(document: DeliveredDocument) -> None:
        for breach in conflict_breaches(resolve(store, person_record(document))):
            telemetry.FINDINGS.labels(rule=breach.rule).inc()

    return apply


def person_record(document: DeliveredDocument) -> SourceRecord:
    """Return the source record that a person document carries.

    The record's name is the agency and its ``record_id``; its state is as of the statement's time.

    Raises:
        MetadataError: if the document has no record id (rule REC-1) or no body.
    """
    value = document.value
    record, body = (value.get("record"), value.get("body")) if isinstance(value, dict) else (None, None)
    if not isinstance(record, dict) or not isinstance(body, dict):
        raise MetadataError("expected a record part and a body", rule="REC-1", field="value")
    statement = document.statement
    identifier = national_id(_text(body.get(NATIONAL_ID_FIELD)))
    return SourceRecord(
        id=SourceRecordId.from_parts(statement.origin.agency.text, record.get("record_id")),
        revision=Revision(statement.time_ms, document.document_id),
        identifiers=(identifier,) if identifier is not None else (),
        fields={name: text for name, field in body.items() if (text := _text(field)) is not None},
    )


def _text(field: object) -> str | None:
    """Return a text field's value; other kinds of fields take no part in linkage."""
    return field if isinstance(field, str) else None


async def serve_population(
    transport: Transport,
    *,
    database_file: Path,
    topics: Sequence[str],
    name: str,
    authority: Sequence[Certificate],
    stopping: asyncio.Event,
) -> None:
    """Run the population register until it is asked to stop.

    Args:
        transport: the broker.
        database_file: the register's SQLite file, in a folder that exists.
        topics: the register's inbox and the publication topics it reads.
        name: its consumer group, and the label of its metrics.
        authority: certificates of the governing authority.
        stopping: asks it to stop; the open transaction is finished first.

    Raises:
        GovbusError: if the directory or the file cannot be used.
    """
    follower = DirectoryFollower(
        transport,
        authority,
        clock_ms=clock_ms,
        seen_file=database_file.with_name(database_file.name + ".directory.json"),
    )
    revocations = RevocationFollower(transport)
    register = PopulationRegister(database_file)
    try:
        await follower.start()
        await revocations.start()
        consumer = Consumer(
            ConsumerParts(
                transport=transport,
                database=register.database,
                topics=topics,
                name=name,
                directory=lambda: follower.current,
                clock_ms=clock_ms,
                revocations=lambda: revocations.state,
            )
        )
        await consumer.run(stopping)
    finally:
        await revocations.stop()
        await follower.stop()
        register.close()
