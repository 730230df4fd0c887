"""`erase()`: one document's content, in an order that leaves nothing half known wherever it stops.

(1) The document must be in every archive that is named. (2) The fact goes into the log. (3) Values and salts go out of
the archives. (4) Records go from the broker. Run again, it goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from govbus.audit.archive.erasing import erase_values, segment_of
from govbus.audit.archive.reader import Archive, Segment
from govbus.audit.archive.staging import ArchiveLock
from govbus.audit.erasures import require_lawful
from govbus.document import topics
from govbus.document.decision import LogEntry
from govbus.document.statement import Statement
from govbus.errors import ConfigError, MissingPartError
from govbus.message_log.erasure import erasure_entry, order_for
from govbus.routing.directory.model import Delivery, Directory, TrafficMode
from govbus.routing.trust.status import RevocationRecords
from govbus.schemas.core import encode_log_entry
from govbus.service.erasure.broker import remove_records
from govbus.service.erasure.places import (
    Decided,
    Decisions,
    Place,
    State,
    copies_of,
    decisions_about,
    kept_sources,
)
from govbus.signing.signer import Signer
from govbus.transport.base import OutRecord, Transport


@dataclass(frozen=True, slots=True)
class Erasure:
    """What is to be done, and on whose word."""

    document_id: str
    authority: str
    """The order or law, one line; it stays in the log for good."""
    signers: Sequence[Signer]
    """Of the bus, or of the document's agency."""
    directory: Directory
    """The newest version; the signers' certificates must be in it."""
    revocations: RevocationRecords
    """Records of ``govbus.revocations`` so far."""
    agency: str | None = None
    """Whose document; needed where several agencies have one of this id."""


@dataclass(slots=True)
class ErasureReport:
    """How it stands with every place."""

    document_id: str
    facts: list[LogEntry] = field(default_factory=list)
    """Entries of the log that say so, those of earlier runs included."""
    places: list[Place] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether nothing has to wait."""
        return all(place.state is not State.PENDING for place in self.places)


async def erase(
    transport: Transport, archives: Sequence[Archive], erasure: Erasure, *, clock_ms: Callable[[], int]
) -> ErasureReport:
    """Erase the content of one document.

    Args:
        transport: the broker.
        archives: every folder that the bus's archive is kept in; at least one.
        erasure: what, and on whose word.
        clock_ms: milliseconds since 1970.

    Raises:
        ConfigError: if no archive is named, an archive is being written, or several agencies have such a document.
        UntrustedKeyError: if the order is not one that the directory lets the signers give.
        MissingPartError: if there is no such document, or an archive does not have it yet.
        TransportError: if the broker fails; run again, it goes on.
    """
    if not archives:
        raise ConfigError(
            "erasing needs the archive, which keeps the proof", remedy="name it with --archive FOLDER"
        )
    found = await decisions_about(transport, erasure.document_id)
    decisions = found.only_of(erasure.agency)
    segments = [(archive, _segments(archive, decisions)) for archive in archives]
    report = ErasureReport(erasure.document_id)
    report.facts = await _log_facts(transport, decisions, erasure, clock_ms())
    for archive, by_segment in segments:
        with ArchiveLock(archive.folder):  # a writer or an import could bring the old file back
            report.places += _erase_archive(archive, by_segment)
    kept = [*await kept_sources(transport, decisions), *await copies_of(transport, decisions)]
    archived = _archived_until(archives)
    readers = _readers_of(erasure.directory)
    report.places += await remove_records(transport, kept, archived=archived, readers=readers)
    gone = {one.entry.source for one in decisions.decided} - set(kept)
    report.places += [Place(str(source), State.ABSENT) for source in sorted(gone)]
    return report


def _segments(archive: Archive, decisions: Decisions) -> list[tuple[Segment, list[Decided]]]:
    """Return the segments that hold the document's entries."""
    found: dict[int, tuple[Segment, list[Decided]]] = {}
    for decided in decisions.decided:
        segment = segment_of(archive, decided.partition, decided.number)
        if segment is None:
            raise MissingPartError(
                f"{archive.folder} does not hold entry {decided.number} of log partition {decided.partition} yet, "
                "and with it the proof would go",
                remedy="run `govbus archive write --close` first",
            )
        found.setdefault(segment.manifest.segment, (segment, []))[1].append(decided)
    return [found[number] for number in sorted(found)]


async def _log_facts(
    transport: Transport, decisions: Decisions, erasure: Erasure, at_ms: int
) -> list[LogEntry]:
    """Put the facts into the log that are not there yet, and return all of them."""
    facts, records = [], []
    bus = erasure.directory.bus
    for decided in decisions.decided:
        known = decisions.erased.get(decided.entry.source)
        if known is not None:
            facts.append(known)
            continue
        order = order_for(decided.entry, bus, time_ms=at_ms, authority=erasure.authority)
        entry = erasure_entry(
            order,
            decided.entry,
            erasure.signers,
            directory_version=erasure.directory.version,
            revocations=erasure.revocations.count,
        )
        # What an auditor would refuse must not get into the log.
        require_lawful(entry, erasure.directory, erasure.revocations)
        facts.append(entry)
        records.append(_record(decided, entry, at_ms))
    if records:
        publisher = transport.publisher()
        await publisher.start()
        try:
            await publisher.publish(records)
        finally:
            await publisher.stop()
    return facts


def _record(decided: Decided, entry: LogEntry, at_ms: int) -> OutRecord:
    return OutRecord(
        topics.MESSAGE_LOG, decided.partition, _key_of(entry), encode_log_entry(entry), (), at_ms
    )


def _key_of(entry: LogEntry) -> bytes:
    """Return the key of an entry's record: the origin, or the outbox topic where there is none."""
    if entry.statement is None:
        return entry.source.topic.encode("utf-8")
    return str(Statement.from_bytes(entry.statement).origin).encode("utf-8")


def _erase_archive(archive: Archive, by_segment: list[tuple[Segment, list[Decided]]]) -> list[Place]:
    places = []
    for segment, decided in by_segment:
        count = erase_values(segment, [(one.partition, one.number) for one in decided])
        state = State.ERASED if count else State.ABSENT
        places.append(Place(f"{archive.folder.name}/segments/{segment.manifest.segment:08}/values", state))
    return places


def _readers_of(directory: Directory) -> dict[str, int]:
    """Return how many agencies read each publication topic, by its name: each has a consumer group of its own."""
    agencies: dict[str, set[str]] = {}
    for one in directory.agreements.values():
        package = directory.package(one.package.text)
        if package is not None and package.delivery is Delivery.PUBLISH:
            for is_test in (False, True):
                name = topics.publication(one.package, is_test=is_test)
                if (one.mode is TrafficMode.TEST) is is_test:
                    agencies.setdefault(name, set()).update(agency.text for agency in one.consumers)
    return {name: len(found) for name, found in agencies.items()}


def _archived_until(archives: Sequence[Archive]) -> dict[tuple[str, int], int]:
    """Return the last offset of every partition that all archives have."""
    positions = []
    for archive in archives:
        last = archive.last()
        positions.append(last.positions() if last is not None else {})
    return {
        partition: min(one[partition] for one in positions)
        for partition in positions[0]
        if all(partition in one for one in positions)
    }
