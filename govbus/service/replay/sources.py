"""What a replay reads: the same three things from a bus or from an archive."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Protocol

from govbus.audit.archive.reader import Archive
from govbus.audit.replay import Step, steps_of_archive, steps_of_bus
from govbus.audit.snapshot import Snapshot
from govbus.document import topics
from govbus.document.record import Record
from govbus.errors import DirectoryError, MissingPartError, UntrustedKeyError
from govbus.routing.directory.model import Directory
from govbus.routing.directory.records import DirectoryReader
from govbus.routing.trust.status import RevocationRecords
from govbus.service.scanning import scan
from govbus.signing.certificates import Certificate
from govbus.transport.base import Transport, partition_counts


class ReplaySource(Protocol):
    """A bus or an archive."""

    async def load(self) -> None:
        """Read directory and revocation material."""
        ...

    @property
    def directory_records(self) -> list[Record]:
        """Records of ``govbus.directory``, oldest first."""
        ...

    @property
    def revocation_records(self) -> list[Record]:
        """Records of ``govbus.revocations``, oldest first."""
        ...

    @property
    def entries(self) -> int:
        """Entries of the log, as far as is known beforehand."""
        ...

    def steps(self) -> AsyncIterator[Step]:
        """Yield every entry with its outbox record, by time of decision."""
        ...

    async def outbox_partitions(self) -> dict[str, int]:
        """Return the number of partitions of every outbox that has records."""
        ...


@dataclass(slots=True)
class BusSource:
    """A running bus."""

    transport: Transport
    directory_records: list[Record]
    revocation_records: list[Record]
    snapshot: Snapshot | None = None

    @classmethod
    def of(cls, transport: Transport) -> BusSource:
        """Return a source that has read nothing yet."""
        return cls(transport, [], [])

    async def load(self) -> None:
        """Read directory and revocation material, and fix how far the replay goes.

        Raises:
            ConfigError: if there is no message log.
            TransportError: if the broker fails.
        """
        self.snapshot = await Snapshot.take(self.transport)
        counts = await partition_counts(self.transport)
        self.directory_records = [one async for one in scan(self.transport, [topics.DIRECTORY])]
        if topics.REVOCATIONS in counts:
            self.revocation_records = [one async for one in scan(self.transport, [topics.REVOCATIONS])]

    @property
    def entries(self) -> int:
        """Offsets of the log; a few of them are no entries."""
        return sum(self._taken.message_log.values())

    @property
    def _taken(self) -> Snapshot:
        if self.snapshot is None:
            raise MissingPartError("the bus was not looked at yet")
        return self.snapshot

    def steps(self) -> AsyncIterator[Step]:
        """Yield every entry with its outbox record."""
        return steps_of_bus(self.transport, self._taken)

    async def outbox_partitions(self) -> dict[str, int]:
        """Return the number of partitions of every outbox."""
        counts: dict[str, int] = {}
        for source in self._taken.outboxes:
            counts[source.topic] = max(counts.get(source.topic, 0), source.partition + 1)
        return counts


@dataclass(slots=True)
class ArchiveSource:
    """An archive in a folder."""

    archive: Archive
    directory_records: list[Record]
    revocation_records: list[Record]

    @classmethod
    def of(cls, archive: Archive) -> ArchiveSource:
        """Return a source that has read nothing yet."""
        return cls(archive, [], [])

    async def load(self) -> None:
        """Read directory and revocation material.

        Raises:
            MissingPartError: if the archive is empty, or a file is not there.
            LogIntegrityError: if one does not follow the format.
        """
        if self.archive.last() is None:
            raise MissingPartError(f"{self.archive.folder} holds no segment of an archive")
        self.directory_records = list(self.archive.records("directory"))
        self.revocation_records = list(self.archive.records("revocations"))

    @property
    def entries(self) -> int:
        """Entries of all segments."""
        return sum(
            log.end - log.start
            for segment in self.archive.segments()
            for log in segment.manifest.logs.values()
        )

    async def steps(self) -> AsyncIterator[Step]:
        """Yield every entry with its outbox record."""
        for step in steps_of_archive(self.archive):
            yield step

    async def outbox_partitions(self) -> dict[str, int]:
        """Return the number of partitions of every outbox, as the records are spread over them."""
        counts: dict[str, int] = {}
        for step in steps_of_archive(self.archive):
            record = step.pair.record
            if record is not None:
                counts[record.topic] = max(counts.get(record.topic, 0), record.partition + 1)
        return counts


def directories_of(records: Iterable[Record], authority: Iterable[Certificate]) -> dict[int, Directory]:
    """Return every version of the directory that the authority signed, by number.

    Raises:
        MissingPartError: if there is none.
    """
    reader = DirectoryReader(authority)
    for record in records:
        try:
            reader.apply(record)
        except DirectoryError:
            continue  # the reader stays at its last good version, as every follower does
    newest = reader.current.version if reader.current is not None else 0
    versions = {number: reader.at(number) for number in range(1, newest + 1)}
    found = {number: one for number, one in versions.items() if one is not None}
    if not found:
        raise MissingPartError("no directory has been published under this authority")
    return found


def revocations_of(records: Iterable[Record]) -> RevocationRecords:
    """Return the revocation material in its order; what cannot be read counts all the same."""
    material = RevocationRecords()
    for record in records:
        try:
            material.take(record)
        except UntrustedKeyError:
            continue  # every decider leaves it out; `govbus audit verify` reports it
    return material
