"""Value types of a shared registry: source record, link, entity, decision.

Vocabulary: a *source record* is what one agency says about one subject; a *link* says that two of them are about the
same subject; an *entity* is a connected component of live links. Source records are never rewritten by linking.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from govbus.errors import MetadataError

RECORD_ID_LENGTH_MAX = 255


class SourceRecordId(NamedTuple):
    """Names a source record for good: the agency that supplies it and that agency's own id for it."""

    source: str
    """Agency id text, such as ``civil-registry.example``."""
    record_id: str
    """Unique per supplier (36 CFR 1236.54, Record ID)."""

    @classmethod
    def from_parts(cls, source: str, record_id: object) -> SourceRecordId:
        """Return the id of a supplier's record.

        Raises:
            MetadataError: if the record id is not a text of 1 to 255 characters (rule REC-1).
        """
        if not isinstance(record_id, str) or not 1 <= len(record_id) <= RECORD_ID_LENGTH_MAX:
            raise MetadataError(
                f"expected a text of 1 to {RECORD_ID_LENGTH_MAX} characters", rule="REC-1", field="record_id"
            )
        return cls(source, record_id)

    def __str__(self) -> str:
        return f"{self.source}:{self.record_id}"


class Identifier(NamedTuple):
    """An identifier that belongs to one subject only, in its normal form."""

    scheme: str
    """Such as ``national-id``."""
    value: str


class Revision(NamedTuple):
    """Which state of a source record a document carries; the greatest is in force, in whatever order they arrive."""

    time_ms: int
    """When the agency's spool took the document, milliseconds since 1970; signed."""
    document_id: str


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """What one agency says about one subject, as of one document."""

    id: SourceRecordId
    revision: Revision
    identifiers: tuple[Identifier, ...]
    """Exclusive identifiers that the record claims: sorted, none twice."""
    fields: Mapping[str, str]
    """Everything else that linkage may compare, by field name."""


class EntityId(NamedTuple):
    """Names an entity after its founder, the member that was registered first.

    A name once given stays valid for ever without a table of redirects: it leads to the founder's record, and that
    record leads to the entity it is in now.
    """

    founder: int
    """The founder's number in order of arrival, from 1."""

    @classmethod
    def from_text(cls, text: str) -> EntityId:
        """Parse ``E-<number>``.

        Raises:
            MetadataError: if the text is something else.
        """
        prefix, _, number = text.partition("-")
        if prefix != "E" or not (number.isascii() and number.isdecimal()) or int(number) < 1:
            raise MetadataError(f"expected an entity id such as E-17, found {text[:40]!r}")
        return cls(int(number))

    def __str__(self) -> str:
        return f"E-{self.founder}"


class Link(NamedTuple):
    """Two source records are about the same subject, and which identifier says so."""

    left: SourceRecordId
    """The lesser of the two, so that a pair has one form."""
    right: SourceRecordId
    identifier: Identifier

    @classmethod
    def between(cls, one: SourceRecordId, other: SourceRecordId, identifier: Identifier) -> Link:
        """Return the link of two different records in its one form."""
        if one == other:
            raise ValueError("a record is not linked to itself")
        return cls(min(one, other), max(one, other), identifier)


@dataclass(frozen=True, slots=True)
class Entity:
    """A connected component of live links."""

    id: EntityId
    members: tuple[SourceRecordId, ...]
    """Sorted, at least one."""


class Resolution(enum.Enum):
    """What a registry decides about an incoming record."""

    NEW = "new"
    """About a subject that no other record is about."""
    LINK = "link"
    """About the same subject as records that are known."""
    STALE = "stale"
    """An older state of a record than the one in force: nothing changes."""


@dataclass(frozen=True, slots=True)
class RegistryDecision:
    """What was decided about one incoming record, and on what grounds."""

    resolution: Resolution
    record: SourceRecordId
    entity: EntityId
    opened: tuple[Link, ...]
    """Links that this record made live."""
    closed: tuple[Link, ...]
    """Links that it ended: the record no longer claims the identifier, or the identifier became contested."""
    contested: tuple[Identifier, ...]
    """Identifiers of the record that link nothing, because one source claims them for several records."""


class RegistryCounts(NamedTuple):
    """How much a registry holds."""

    records: int
    entities: int
    links: int
    contested: int
    """Identifiers that link nothing, because one source claims them for several records."""
