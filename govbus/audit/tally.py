"""What must stand on a topic against what does, compared as sets of any size in little memory.

Every record is named by a hash under a secret of this one audit, so that nobody can prepare records whose hashes
cancel out. The hashes are added up in buckets: sums that agree mean equal sets. Only buckets whose sums differ are
read a second time, record by record, to say which.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from govbus.document.decision import SourcePosition

BUCKETS = 4096
LOCATED_RECORDS_MAX = 1_000_000
"""Records that the second reading keeps; where more differ, the rest is only counted."""

_DIGEST_BYTES = 16


class Name(NamedTuple):
    """The name of one record on one topic."""

    topic: str
    digest: int
    """Equal for equal content and source."""

    @property
    def bucket(self) -> int:
        """Which sum it goes into."""
        return self.digest % BUCKETS


class Naming:
    """Names records under one secret."""

    def __init__(self, secret: bytes) -> None:
        """Take 32 random bytes that nobody else knows."""
        self._secret = secret

    def document(self, topic: str, source: str, content_hash: bytes) -> Name:
        """Name a document that the router copied to a topic.

        Args:
            topic: where it stands, or must.
            source: the outbox record that it is a copy of.
            content_hash: over key, value and headers.
        """
        return self._name(topic, b"document", source, content_hash)

    def receipt(self, topic: str, key: bytes | None, value: bytes) -> Name:
        """Name a receipt by its key and its Avro value."""
        return self._name(topic, b"receipt", (key or b"").hex(), value)

    def _name(self, topic: str, kind: bytes, source: str, content: bytes) -> Name:
        digest = hashlib.blake2b(content, digest_size=_DIGEST_BYTES, key=self._secret, person=kind)
        digest.update(b"\0" + source.encode("utf-8", "surrogateescape"))
        return Name(topic, int.from_bytes(digest.digest(), "big"))


@dataclass(frozen=True, slots=True)
class Expectation:
    """A record that must stand on a topic, as an entry of the message log says."""

    source: SourcePosition
    origin: str | None
    index: int | None
    is_receipt: bool
    """A receipt must be there; the same one again says nothing new."""


@dataclass(frozen=True, slots=True)
class Presence:
    """A record that stands on a topic."""

    topic: str
    partition: int
    offset: int
    source: str
    """The outbox record that it says it is about."""
    is_receipt: bool


class Ledger(Protocol):
    """Takes what must be and what is."""

    def expect(self, name: Name, expectation: Expectation) -> None:
        """Take a record that must be there exactly once."""
        ...

    def repeat(self, name: Name, expectation: Expectation) -> None:
        """Take a receipt, expected before, that may be there once more."""
        ...

    def see(self, name: Name, presence: Presence) -> None:
        """Take a record that is there."""
        ...


class Tally:
    """The first reading: sums only."""

    def __init__(self) -> None:
        """Start with nothing expected and nothing seen."""
        self._sums: dict[str, list[int]] = {}
        self._repeated: dict[Name, tuple[Expectation, bool]] = {}

    def expect(self, name: Name, expectation: Expectation) -> None:  # noqa: ARG002  # the second reading needs it
        """Take a record that must be there exactly once."""
        self._add(name, name.digest)

    def repeat(self, name: Name, expectation: Expectation) -> None:
        """Take a receipt that is given again: it counts by being there, however often."""
        if name not in self._repeated:
            self._add(name, -name.digest)
            self._repeated[name] = (expectation, False)

    def see(self, name: Name, presence: Presence) -> None:  # noqa: ARG002  # the second reading needs it
        """Take a record that is there."""
        repeated = self._repeated.get(name)
        if repeated is None:
            self._add(name, -name.digest)
        else:
            self._repeated[name] = (repeated[0], True)

    def _add(self, name: Name, amount: int) -> None:
        sums = self._sums.get(name.topic)
        if sums is None:
            sums = self._sums[name.topic] = [0] * BUCKETS
        sums[name.bucket] += amount

    def differing(self) -> set[tuple[str, int]]:
        """Return topic and bucket of every sum that does not come out."""
        buckets = {
            (topic, bucket)
            for topic, sums in self._sums.items()
            for bucket, total in enumerate(sums)
            if total
        }
        return buckets | {(name.topic, name.bucket) for name, (_, seen) in self._repeated.items() if not seen}


@dataclass(slots=True)
class _Place:
    expected: list[Expectation] = field(default_factory=list)
    present: list[Presence] = field(default_factory=list)

    @property
    def is_receipt(self) -> bool:
        return any(expectation.is_receipt for expectation in self.expected)


class Locator:
    """The second reading: every record of the buckets that differ."""

    def __init__(self, buckets: Iterable[tuple[str, int]]) -> None:
        """Look at these topics and buckets only."""
        self._buckets = frozenset(buckets)
        self._places: dict[Name, _Place] = {}
        self.is_full = False
        """Whether more differed than could be kept; what was left out is not judged."""

    def _place(self, name: Name) -> _Place | None:
        if (name.topic, name.bucket) not in self._buckets:
            return None
        place = self._places.get(name)
        if place is None:
            if len(self._places) >= LOCATED_RECORDS_MAX:
                self.is_full = True
                return None
            place = self._places[name] = _Place()
        return place

    def expect(self, name: Name, expectation: Expectation) -> None:
        """Take a record that must be there exactly once."""
        place = self._place(name)
        if place is not None:
            place.expected.append(expectation)

    def repeat(self, name: Name, expectation: Expectation) -> None:
        """Take a receipt that may be there once more: nothing to do."""

    def see(self, name: Name, presence: Presence) -> None:
        """Take a record that is there."""
        place = self._place(name)
        if place is not None:
            place.present.append(presence)

    def missing(self) -> list[tuple[str, Expectation]]:
        """Return topic and expectation of every record that is not there."""
        return [
            (name.topic, expectation)
            for name, place in self._places.items()
            for expectation in place.expected[len(place.present) :]
            if not (expectation.is_receipt and place.present)
        ]

    def extra(self) -> list[Presence]:
        """Return every record that must not be there, or not again."""
        return [
            presence
            for place in self._places.values()
            for presence in place.present[len(place.expected) :]
            if not place.is_receipt
        ]
