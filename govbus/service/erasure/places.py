"""Where the content of a document stands: entries in the log, records on topics, frames in archives."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import NamedTuple

from govbus.document import topics
from govbus.document.decision import LogEntry, SourcePosition
from govbus.document.finding import Outcome
from govbus.document.record import ROUTE, STATEMENT, Record
from govbus.errors import ConfigError, MissingPartError, RuleError
from govbus.schemas.core import decode_log_entry
from govbus.service.scanning import record_at, scan
from govbus.transport.base import Transport, partition_counts


class State(enum.StrEnum):
    """How it stands with one place."""

    ERASED = "erased"
    PENDING = "pending"
    """It has to wait, and the reason says for what; the same command goes on later."""
    ABSENT = "absent"
    """Nothing is kept there any more."""


class Place(NamedTuple):
    """One place that held the content."""

    where: str
    state: State
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision about the document: the router may have seen it more than once."""

    partition: int
    """Of the message log."""
    number: int
    """Index in it."""
    entry: LogEntry


@dataclass(slots=True)
class Decisions:
    """Everything that the log says about one document."""

    document_id: str
    decided: list[Decided] = field(default_factory=list)
    erased: dict[SourcePosition, LogEntry] = field(default_factory=dict)
    """Facts of erasure by the outbox record that they are about."""

    @property
    def recipients(self) -> set[str]:
        """Topics that may hold copies."""
        names = {name for one in self.decided for name in one.entry.recipients}
        if any(one.entry.decision is Outcome.QUARANTINED for one in self.decided):
            names.add(topics.QUARANTINE)
        return names

    def only_of(self, agency: str | None) -> Decisions:
        """Return what is about one agency's document: an id is unique among the documents of one sender only.

        Args:
            agency: whose; None where it must be one agency's alone.

        Raises:
            ConfigError: if none is named and there are several.
            MissingPartError: if the agency has no such document.
        """
        senders = {one.entry.source.topic.removeprefix(topics.OUT_PREFIX) for one in self.decided}
        if agency is None and len(senders) > 1:
            raise ConfigError(
                f"documents of {', '.join(sorted(senders))[:300]} have the id {self.document_id}",
                remedy="say whose is meant with --agency",
            )
        if agency is not None and agency not in senders:
            raise MissingPartError(
                f"the message log has no decision about document {self.document_id} of {agency}"
            )
        if agency is None:
            return self
        topic = topics.OUT_PREFIX + agency
        return Decisions(
            self.document_id,
            [one for one in self.decided if one.entry.source.topic == topic],
            {source: entry for source, entry in self.erased.items() if source.topic == topic},
        )

    @property
    def sources(self) -> set[bytes]:
        """How the router names the decisions in the copies that it makes."""
        return {f"decision={one.entry.source}".encode() for one in self.decided}

    @property
    def statements(self) -> set[bytes]:
        """Statements of the document, by which copies are known."""
        return {one.entry.statement for one in self.decided if one.entry.statement is not None}


async def decisions_about(transport: Transport, document_id: str) -> Decisions:
    """Search the log.

    Raises:
        MissingPartError: if there is no decision about such a document.
        TransportError: if the broker fails.
    """
    found = Decisions(document_id)
    numbers: dict[int, int] = {}
    wanted = document_id.encode("utf-8")
    async for record in scan(transport, [topics.MESSAGE_LOG]):
        number = numbers.get(record.partition, 0)
        numbers[record.partition] = number + 1
        if wanted not in (record.value or b""):
            continue
        try:
            entry = decode_log_entry(record.value)
        except RuleError:
            continue
        if entry.document_id != document_id:
            continue
        if entry.decision is Outcome.ERASED:
            found.erased[entry.source] = entry
        else:
            found.decided.append(Decided(record.partition, number, entry))
    if not found.decided:
        raise MissingPartError(
            f"the message log has no decision about document {document_id}",
            remedy="look at the id, as `govbus trace` shows it",
        )
    return found


async def copies_of(transport: Transport, decisions: Decisions) -> list[SourcePosition]:
    """Return where copies of the document stand on the topics of recipients, and in the quarantine.

    Raises:
        TransportError: if the broker fails.
    """
    counts = await partition_counts(transport)
    names = sorted(name for name in decisions.recipients if name in counts)
    if not names:
        return []
    return [
        SourcePosition(record.topic, record.partition, record.offset)
        async for record in scan(transport, names)
        if _is_copy(record, decisions)
    ]


def _is_copy(record: Record, decisions: Decisions) -> bool:
    """Return whether a record holds the document: by its statement, or by what the router added to it last."""
    routes = [value for name, value in record.headers if name == ROUTE]
    if routes and routes[-1].partition(b" ")[0] in decisions.sources:
        return True
    return any(name == STATEMENT and value in decisions.statements for name, value in record.headers)


async def kept_sources(transport: Transport, decisions: Decisions) -> list[SourcePosition]:
    """Return the outbox records of the document that the broker still has.

    Raises:
        TransportError: if the broker fails.
    """
    sources = [one.entry.source for one in decisions.decided]
    return [source for source in sources if await record_at(transport, *source) is not None]
