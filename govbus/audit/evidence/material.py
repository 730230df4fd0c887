"""What evidence is read from: entries of the message log, each with what is kept of the record that it is about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from govbus.document.record import Record
from govbus.signing.certificates import TrustStore


class Material(NamedTuple):
    """One log entry and what is kept of its record."""

    entry: bytes
    """As stored: framed Avro, the leaf of the log's tree."""
    lines: bytes | None
    """The signed headers as lines of text, as hashed for the statement; None where no document is kept."""
    salt: bytes | None
    value: bytes | None
    """As stored, framed; None where it was erased or never kept."""
    raw: Record | None
    """The whole record, where no signature speaks for it."""
    offset: int | None
    """Of the entry in its Kafka partition, where it is read from there."""


class Stretch(NamedTuple):
    """Consecutive entries of one log partition."""

    partition: int
    start: int
    """Number of the first, from 0."""
    materials: Sequence[Material]


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

    def stretches(self) -> Iterator[Stretch]:
        """Read it, some hundred entries at a time, those of one partition in their order.

        Raises:
            GovbusError: if it cannot be read.
        """
        ...


class Trust(Protocol):
    """Whose certificates counted at a decision."""

    def store(self, directory_version: int, revocations: int) -> TrustStore | None:
        """Return the trusted certificates as of a directory version and a number of revocation records.

        None where no such version is known.
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
