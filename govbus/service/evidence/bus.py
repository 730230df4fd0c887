"""The evidence about one document, searched on the topics of a bus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from govbus.audit.bundle.assemble import DirectoryRecords, DocumentParts, LoggedEntry
from govbus.document import topics
from govbus.document.decision import LogEntry
from govbus.document.finding import Outcome
from govbus.document.ids import AgencyId
from govbus.errors import ConfigError, MissingPartError, RuleError
from govbus.message_log.keys import LogPublicKeys
from govbus.message_log.policy import Policy
from govbus.message_log.proof import TlogProof
from govbus.schemas.core import decode_log_entry
from govbus.service.evidence.checkpoints import Checkpoints
from govbus.service.scanning import record_at, scan
from govbus.signing.merkle import HASH_BYTES, leaf_hash, node_hash
from govbus.transport.base import Transport

Progress = Callable[[str, int], None]
"""Called with what is being read and how many records of it are done."""
_EVERY = 1000
_PREFERENCE = (Outcome.ACCEPTED, Outcome.QUARANTINED, Outcome.REFUSED, Outcome.DUPLICATE)


Place = TypeVar("Place")


@dataclass(frozen=True, slots=True)
class FoundEntry(Generic[Place]):
    """An entry about the document, and where it stands."""

    partition: int
    index: int
    entry: LogEntry
    value: bytes
    """As stored, frame included."""
    place: Place
    """What whoever searches needs to find the rest."""


@dataclass(slots=True)
class EntrySearch(Generic[Place]):
    """The entries about one document, among all of a log."""

    document_id: str
    agency: str | None = None
    """Whose; an id is unique among the documents of one sender only."""
    found: list[FoundEntry[Place]] = field(default_factory=list)

    def look(self, partition: int, index: int, value: bytes, place: Place) -> None:
        """Look at the next entry; only one that holds the id at all is decoded."""
        if self.document_id.encode("utf-8") not in value:
            return
        try:
            entry = decode_log_entry(value)
        except RuleError:
            return
        if self.agency is not None and entry.source.topic != topics.OUT_PREFIX + self.agency:
            return
        if entry.document_id == self.document_id:
            self.found.append(FoundEntry(partition, index, entry, value, place))

    def chosen(self) -> FoundEntry[Place]:
        """Return the entry to prove: the acceptance where there is one, else the last decision.

        Raises:
            MissingPartError: if no decision about the document is in the log.
            ConfigError: if several agencies have documents of this id, and none is named.
        """
        senders = {one.entry.source.topic.removeprefix(topics.OUT_PREFIX) for one in self.found}
        if len(senders) > 1:
            raise ConfigError(
                f"documents of {', '.join(sorted(senders))[:300]} have the id {self.document_id}",
                remedy="say whose is meant with --agency",
            )
        for outcome in _PREFERENCE:
            of_outcome = [one for one in self.found if one.entry.decision is outcome]
            if of_outcome:
                return of_outcome[0] if outcome is Outcome.ACCEPTED else of_outcome[-1]
        raise MissingPartError(
            f"the message log has no decision about document {self.document_id}",
            remedy="look at the id, as `govbus trace` shows it",
        )


class LeafHashes:
    """The leaf hashes of every partition, 32 bytes an entry."""

    def __init__(self) -> None:
        """Start with empty logs."""
        self._hashes: dict[int, bytearray] = {}

    def append(self, partition: int, value: bytes) -> int:
        """Take in the next entry of a partition; return its index."""
        hashes = self._hashes.setdefault(partition, bytearray())
        hashes += leaf_hash(value)
        return len(hashes) // HASH_BYTES - 1

    def path(self, partition: int, index: int, size: int) -> list[bytes]:
        """Return the inclusion path of an entry in the tree of the first entries of a partition.

        Each level is made from the one below, so that no more than half of the leaves again is held.

        Raises:
            MissingPartError: if the partition has fewer entries.
        """
        level = self._hashes.get(partition, bytearray())
        if size * HASH_BYTES > len(level):
            raise MissingPartError(
                f"a checkpoint states {size} entries in log partition {partition}, "
                f"there are {len(level) // HASH_BYTES}",
                remedy="run `govbus audit verify`: the end of the log is gone",
            )
        path: list[bytes] = []
        while size > 1:
            beside = index ^ 1
            if beside < size:
                path.append(_hash_at(level, beside))
            above = bytearray()
            for left in range(0, size - 1, 2):
                above += node_hash(_hash_at(level, left), _hash_at(level, left + 1))
            if size % 2:
                above += _hash_at(level, size - 1)
            level, index, size = above, index // 2, (size + 1) // 2
        return path


def _hash_at(level: bytearray, number: int) -> bytes:
    return bytes(level[number * HASH_BYTES : (number + 1) * HASH_BYTES])


@dataclass(frozen=True, slots=True)
class Evidences:
    """What a bus or an archive has about one document."""

    logged: LoggedEntry
    parts: DocumentParts
    directory: DirectoryRecords
    revocations: tuple[bytes, ...]


async def search_bus(
    transport: Transport,
    document_id: str,
    *,
    bus: AgencyId,
    keys: LogPublicKeys,
    policy: Policy | None,
    agency: str | None = None,
    progress: Progress = lambda _what, _done: None,
) -> Evidences:
    """Find the decision about a document and everything that proves it.

    Args:
        transport: the broker; it is only read from.
        document_id: ``ce_id``.
        bus: whose log it is.
        keys: public keys of the log.
        policy: a head that its witnesses cosigned is preferred.
        agency: whose document, where several have one of this id.
        progress: told what is read.

    Raises:
        MissingPartError: if the document, its record, or a checkpoint over it is not there.
        TransportError: if the broker fails.
    """
    logged = await search_log(
        transport, document_id, bus=bus, keys=keys, policy=policy, agency=agency, progress=progress
    )
    entry = logged.entry
    record = await record_at(transport, *entry.source)
    if record is None:
        raise MissingPartError(
            f"the outbox record {entry.source} is no longer on the bus; only its log entry can be proven from there",
            remedy="take the bundle from the archive with --archive, or the proof alone with: govbus audit prove",
        )
    directory = DirectoryRecords()
    async for one in scan(transport, [topics.DIRECTORY]):
        directory.take(one)
    revocations: list[bytes] = []
    if entry.revocations:
        async for one in scan(transport, [topics.REVOCATIONS]):
            if len(revocations) < entry.revocations and one.value:
                revocations.append(one.value)
    return Evidences(logged, DocumentParts.of_record(record), directory, tuple(revocations))


async def search_log(
    transport: Transport,
    document_id: str,
    *,
    bus: AgencyId,
    keys: LogPublicKeys,
    policy: Policy | None,
    agency: str | None = None,
    progress: Progress = lambda _what, _done: None,
) -> LoggedEntry:
    """Find the decision about a document with its proofs; arguments and errors as for `search_bus`."""
    search, hashes = EntrySearch[None](document_id, agency), LeafHashes()
    done = 0
    async for record in scan(transport, [topics.MESSAGE_LOG]):
        value = record.value or b""
        search.look(record.partition, hashes.append(record.partition, value), value, None)
        done += 1
        if done % _EVERY == 0:
            progress("message log", done)
    chosen = search.chosen()
    checkpoints = Checkpoints(bus, keys, policy)
    async for record in scan(transport, [topics.CHECKPOINTS]):
        checkpoints.take(record)
    return logged_entry(chosen, checkpoints, lambda size: hashes.path(chosen.partition, chosen.index, size))


def logged_entry(
    chosen: FoundEntry[Place], checkpoints: Checkpoints, path_of: Callable[[int], list[bytes]]
) -> LoggedEntry:
    """Return an entry with its proofs: under the first checkpoint over it, and under the best head over that.

    Args:
        chosen: the entry.
        checkpoints: all that the log's keys signed.
        path_of: returns the inclusion path of the entry in the tree of a size.

    Raises:
        MissingPartError: if no checkpoint covers it yet, or `path_of` lacks entries.
    """
    size, note, number = checkpoints.first_over(chosen.partition, chosen.index)
    path = path_of(size)
    head = checkpoints.head_over(number)
    return LoggedEntry(
        chosen.entry,
        chosen.value,
        TlogProof(chosen.index, tuple(path), note).to_text(),
        head.proof.to_text() if head is not None else None,
        head.timestamps if head is not None else {},
    )
