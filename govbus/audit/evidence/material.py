"""What evidence is read from: entries of the message log, each with what is kept of the record that it is about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from govbus.audit.report import AuditFinding
from govbus.document import topics
from govbus.document.decision import LogEntry
from govbus.document.ids import AgencyId
from govbus.document.record import Record
from govbus.signing.certificates import TrustedCertificate, TrustStore
from govbus.signing.signature_policy import ProvenSignature

Frames = tuple[bytes, bytes]
"""An archive's frames of one record: what it holds of the document, and of the value."""


class Material(NamedTuple):
    """One log entry and what is kept of its record."""

    entry: bytes
    """As stored: framed Avro, the leaf of the log's tree."""
    lines: bytes | None
    """The signed headers as lines of text, as hashed for the statement; None where no document is kept."""
    salt: bytes | None
    value: bytes | None
    """As stored, framed; None where it was erased or never kept."""
    whole: Record | Frames | None
    """The whole record, or of what it can be made again; None where it is gone."""
    offset: int | None
    """Of the entry in its Kafka partition, where it is read from there."""


class Stretch(NamedTuple):
    """Consecutive entries of one log partition, and what is wrong with how they were found."""

    partition: int
    start: int
    """Number of the first, from 0."""
    materials: Sequence[Material]
    findings: Sequence[AuditFinding] = ()


class EvidenceUnit(Protocol):
    """A part of a log that one process reads: an archive segment, or a partition of the log in Kafka.

    It is sent to that process, so it can be pickled, and opens what it reads only there.
    """

    @property
    def name(self) -> str:
        """What it is called in messages and findings."""
        ...

    @property
    def entries(self) -> int:
        """How many entries it holds, as far as that is known before it is read."""
        ...

    @property
    def ranges(self) -> Sequence[tuple[int, int, int]]:
        """Partition, first entry and end of what it holds; the end may be more than there is."""
        ...

    def stretches(self) -> Iterator[Stretch]:
        """Read it, some hundred entries at a time, those of one partition in their order.

        Raises:
            GovbusError: if it cannot be read.
        """
        ...


class TrustAt(TrustStore, Protocol):
    """Whose certificates counted at one decision."""

    def require_unrevoked(self, signatures: Sequence[ProvenSignature], *, time_ms: int) -> None:
        """Check what authorities say about the certificates of signatures that hold.

        Raises:
            UntrustedKeyError: if one was revoked at that time.
        """
        ...

    def span_ms(self, trusted: TrustedCertificate) -> tuple[int, int]:
        """Return the first and the last statement time for which a certificate is good, milliseconds since 1970."""
        ...


class Trust(Protocol):
    """Whose certificates counted at every decision."""

    @property
    def bus(self) -> AgencyId | None:
        """Who may order erasures besides a document's own agency; None where nobody else may."""
        ...

    def at(self, directory_version: int, revocations: int) -> TrustAt | None:
        """Return what counted as of a directory version and a number of revocation records.

        None where no such version, or not so many records, are known.
        """
        ...


@dataclass(frozen=True, slots=True)
class Selection:
    """Which entries are checked; the trees are always whole, so all others are hashed."""

    since_ms: int | None = None
    """First time of a decision that is checked, milliseconds since 1970."""
    until_ms: int | None = None
    """First time that is not."""
    agencies: frozenset[str] = frozenset()
    """Senders by agency id; all of them where there is none."""
    agreements: frozenset[str] | None = None
    """Accepted documents under these agreements only; the order of an origin is checked over all."""

    @property
    def is_whole(self) -> bool:
        """Whether every entry is checked."""
        return self == Selection()

    @property
    def begins_later(self) -> bool:
        """Whether the first documents of origins may be left out."""
        return self.since_ms is not None

    def has_time(self, time_ms: int) -> bool:
        """Return whether decisions of this time are checked."""
        return (self.since_ms is None or time_ms >= self.since_ms) and (
            self.until_ms is None or time_ms < self.until_ms
        )

    def has_decision(self, entry: LogEntry) -> bool:
        """Return whether a decision is checked."""
        return (
            self.has_time(entry.time_ms)
            and (not self.agencies or entry.source.topic.removeprefix(topics.OUT_PREFIX) in self.agencies)
            and (self.agreements is None or entry.agreement in self.agreements)
        )
