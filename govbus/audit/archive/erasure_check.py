"""Checking the orders behind values that are gone: an entry explains nothing unless somebody who may ordered it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from govbus.audit.archive import layout
from govbus.audit.archive.erasing import segment_of
from govbus.audit.archive.reader import Archive
from govbus.audit.archive.report import finding
from govbus.audit.erasures import require_lawful
from govbus.audit.report import AuditFinding, Check
from govbus.document.decision import LogEntry
from govbus.document.statement import statement_hash
from govbus.errors import DirectoryError, LogIntegrityError, MissingPartError, RuleError, UntrustedKeyError
from govbus.message_log.keys import log_origin
from govbus.routing.directory.records import DirectoryReader
from govbus.routing.trust.status import RevocationRecords
from govbus.schemas.core import decode_log_entry, is_erasure
from govbus.signing.certificates import Certificate


class Absent(NamedTuple):
    """An entry whose value is not there though its record was archived."""

    source: str
    """Of the outbox record."""
    origin: str
    """Of the log that the entry stands in."""
    number: int
    """Index in it."""


class ErasureCheck:
    """The orders of an archive, by the directories and the revocation material that it holds."""

    def __init__(self, archive: Archive, authority: Sequence[Certificate]) -> None:
        """Read directories and revocation material; what does not hold there is said of its segment."""
        self._archive = archive
        self.findings: list[AuditFinding] = []
        self._lawful: dict[str, set[bytes]] = {}
        """What was erased by lawful orders: digests that entries name, by outbox record."""
        self._reader = DirectoryReader(authority)
        self._revocations = RevocationRecords()
        for number in archive.numbers:
            try:
                self._take_segment(number)
            except (LogIntegrityError, MissingPartError):
                continue

    def _take_segment(self, number: int) -> None:
        segment = self._archive.segment(number)
        for record in segment.records(layout.DIRECTORY):
            try:
                self._reader.apply(record)
            except DirectoryError:
                continue
        for record in segment.records(layout.REVOCATIONS):
            try:
                self._revocations.take(record)
            except UntrustedKeyError:
                continue

    def read(self, numbers: Iterable[int], *, is_told: bool) -> None:
        """Take the orders of some segments in.

        Args:
            numbers: of the segments.
            is_told: whether an order that is not lawful is a finding, or only explains nothing.
        """
        for number in numbers:
            try:
                for origin, index, entry in self._orders(number):
                    self._take(number, origin, index, entry, is_told=is_told)
            except (LogIntegrityError, MissingPartError):
                continue  # said of the segment

    def explains(self, absent: Absent) -> bool:
        """Return whether the value of an entry was erased by a lawful order about what that very entry names."""
        digests = self._lawful.get(absent.source)
        if not digests:
            return False
        try:
            return _digest(decode_log_entry(self._entry(absent))) in digests
        except (LogIntegrityError, MissingPartError, RuleError):
            return False

    def _entry(self, absent: Absent) -> bytes:
        partition = int(absent.origin.rpartition("/")[2])
        segment = segment_of(self._archive, partition, absent.number)
        if segment is None:
            raise MissingPartError(f"no segment holds entry {absent.number} of {absent.origin}")
        end = segment.manifest.logs[partition].end
        return next(self._archive.entries(absent.origin, absent.number, end))

    def _orders(self, number: int) -> Iterator[tuple[str, int, LogEntry]]:
        manifest = self._archive.segment(number).manifest
        for partition, log in sorted(manifest.logs.items()):
            origin = log_origin(manifest.bus, partition)
            for index, octets in enumerate(self._archive.entries(origin, log.start, log.end), log.start):
                if is_erasure(octets):
                    yield origin, index, decode_log_entry(octets)

    def _take(self, number: int, origin: str, index: int, entry: LogEntry, *, is_told: bool) -> None:
        directory = self._reader.at(entry.directory_version)
        found = ""
        if directory is None:
            found = f"version {entry.directory_version} of the directory, which is not known"
        else:
            try:
                require_lawful(entry, directory, self._revocations)
            except RuleError as err:
                found = err.message
        if not found:
            self._lawful.setdefault(str(entry.source), set()).add(_digest(entry))
        elif is_told:
            path, expected = (
                layout.segment_path(number),
                "an order to erase by the bus or the document's agency",
            )
            self.findings.append(finding(Check.ERASURE, path, expected, found, entry=index, origin=origin))


def _digest(entry: LogEntry) -> bytes:
    """Return what an order names an entry's document by."""
    return statement_hash(entry.statement) if entry.statement is not None else entry.record_hash or b""
