"""Replaying a log: its entries in their original order, each decided again by the directory of its time.

The same from a bus or from an archive: both are a stream of entries with their outbox records for every log partition.
Streams are merged by the time of decision, which never changes the order within one partition.
"""

from __future__ import annotations

import heapq
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from govbus.audit.archive import layout
from govbus.audit.archive.reader import Archive, ArchivedEntry
from govbus.audit.erasures import erasure_finding
from govbus.audit.evidence.archive_unit import FrameFile, bundles
from govbus.audit.expectations import Expectations, statement_of
from govbus.audit.history import ReplayHistory
from govbus.audit.judge import Judge
from govbus.audit.pairs import Pair, pairs
from govbus.audit.report import AuditFinding, Check
from govbus.audit.snapshot import Snapshot
from govbus.audit.streams import PartitionStreams
from govbus.audit.tally import Expectation, Name, Naming, Presence
from govbus.document import topics
from govbus.document.decision import LogEntry
from govbus.document.finding import Outcome
from govbus.document.record import Record
from govbus.errors import RuleError
from govbus.message_log.keys import log_origin
from govbus.message_log.tiles import TILE_WIDTH
from govbus.routing.directory.model import Directory
from govbus.routing.trust.status import RevocationRecords
from govbus.schemas.core import decode_log_entry
from govbus.signing.verifier import VerifiedSignatures
from govbus.transport.base import TopicPartition, Transport

_NO_SECRET = bytes(32)
"""Names of copies are not compared here."""


class Step(NamedTuple):
    """One entry of the message log in its place, with the outbox record where it is kept."""

    partition: int
    number: int
    """Index in its partition, from 0."""
    pair: Pair


@dataclass(frozen=True, slots=True)
class Replayed:
    """One entry and what deciding again came to."""

    partition: int
    number: int
    entry: LogEntry | None
    """None where it cannot be read."""
    record: Record | None
    """The outbox record; None where it is no longer kept."""
    is_decided_again: bool
    findings: tuple[AuditFinding, ...]
    """Every difference."""


class _Nowhere:
    """Takes what must stand on topics, and forgets it: a replay looks at decisions."""

    def expect(self, name: Name, expectation: Expectation) -> None:
        """Forget what must be there."""

    def repeat(self, name: Name, expectation: Expectation) -> None:
        """Forget what may be there again."""

    def see(self, name: Name, presence: Presence) -> None:
        """Forget what is there."""


class Replay:
    """Decides again about one entry after the other; those of one partition must come in their order."""

    def __init__(self, directories: Mapping[int, Directory], revocations: RevocationRecords) -> None:
        """Take every version of the directory by number, and the revocation material."""
        self._directories = directories
        self._revocations = revocations
        self._history = ReplayHistory()
        self._judge = Judge(directories, self._history, VerifiedSignatures(), revocations)
        self._runs: dict[int, Expectations] = {}

    def close(self) -> None:
        """Give the temporary database back."""
        self._history.close()

    def take(self, step: Step) -> Replayed:
        """Return what the next entry comes to, or the next record that has none."""
        entry_record, entry, record, finding = step.pair
        findings = () if finding is None else (finding,)
        if entry_record is None:
            if record is not None:
                self._judge.judge_undecided(record)
            return Replayed(
                step.partition, step.number, None, record, is_decided_again=False, findings=findings
            )
        if entry is None:
            return Replayed(
                step.partition, step.number, None, record, is_decided_again=False, findings=findings
            )
        if entry.decision is Outcome.ERASED:
            erasure = erasure_finding(
                entry_record, entry, self._directories, self._history, self._revocations
            )
            findings = (*findings, erasure) if erasure is not None else findings
            return Replayed(
                step.partition, step.number, entry, None, is_decided_again=erasure is None, findings=findings
            )
        runs = self._runs.get(step.partition)
        if runs is None:
            runs = self._runs[step.partition] = Expectations(
                Naming(_NO_SECRET), _Nowhere(), self._directories, step.partition
            )
        if record is None:
            self._judge.believe(entry)
            runs.take(entry, None, None)  # which runs of receipts are open, and nothing else
            return Replayed(
                step.partition, step.number, entry, None, is_decided_again=False, findings=findings
            )
        judgement = self._judge.judge(entry_record, entry, record, is_in_run=runs.continues_run(entry))
        runs.take(entry, None, None)
        return Replayed(
            step.partition,
            step.number,
            entry,
            record,
            is_decided_again=judgement.decision is not None,
            findings=(*findings, *judgement.findings),
        )


async def steps_of_bus(transport: Transport, snapshot: Snapshot) -> AsyncIterator[Step]:
    """Yield every entry of a bus with its outbox record, by time of decision.

    Raises:
        TransportError: if the broker fails.
    """
    streams = [_bus_partition(transport, snapshot, partition) for partition in snapshot.message_log]
    waiting: list[tuple[int, int, Step]] = []
    for number, stream in enumerate(streams):
        await _push(waiting, number, stream)
    while waiting:
        _, number, step = heapq.heappop(waiting)
        yield step
        await _push(waiting, number, streams[number])


async def _push(waiting: list[tuple[int, int, Step]], number: int, stream: AsyncIterator[Step]) -> None:
    try:
        step = await anext(stream)
    except StopAsyncIteration:
        return
    heapq.heappush(waiting, (_time_of(step), number, step))


def _time_of(step: Step) -> int:
    """Return when a step took place; what has no time of its own comes at once."""
    return step.pair.entry.time_ms if step.pair.entry is not None else -1


async def _bus_partition(
    transport: Transport, snapshot: Snapshot, message_log: TopicPartition
) -> AsyncIterator[Step]:
    sources = snapshot.sources_of(message_log.partition)
    ends = {message_log: snapshot.message_log[message_log], **sources}
    number = 0
    async with PartitionStreams(transport, ends) as streams:
        async for pair in pairs(streams, message_log, sources, snapshot.beginnings):
            yield Step(message_log.partition, number, pair)
            number += pair.entry_record is not None


def steps_of_archive(archive: Archive) -> Iterator[Step]:
    """Yield every entry of an archive with its outbox record, by time of decision within each segment.

    Raises:
        MissingPartError: if a file is not there.
        LogIntegrityError: if one does not follow the format.
    """
    for segment in archive.segments():
        partitions = sorted(segment.manifest.logs)
        streams = [
            _archive_partition(archive, segment.manifest.segment, partition) for partition in partitions
        ]
        yield from heapq.merge(*streams, key=_time_of)


def _archive_partition(archive: Archive, segment_number: int, partition: int) -> Iterator[Step]:
    """Yield the entries of one log partition in one segment; its frames stand behind those of the partitions before."""
    segment = archive.segment(segment_number)
    logs = segment.manifest.logs
    log, origin = logs[partition], log_origin(segment.manifest.bus, partition)
    before = sum(one.end - one.start for number, one in logs.items() if number < partition)
    with (
        (segment.folder / layout.DOCUMENTS).open("rb") as document_file,
        (segment.folder / layout.VALUES).open("rb") as value_file,
    ):
        documents, values = FrameFile(document_file), FrameFile(value_file)
        for start in range(0, before, TILE_WIDTH):
            documents.take(min(TILE_WIDTH, before - start))
            values.take(min(TILE_WIDTH, before - start))
        number = log.start
        for entries in bundles(archive, origin, log.start, log.end):
            frames = zip(entries, documents.take(len(entries)), values.take(len(entries)), strict=True)
            for octets, document, value in frames:
                yield _archived_step(ArchivedEntry(partition, number, octets, document, value))
                number += 1


def _archived_step(one: ArchivedEntry) -> Step:
    entry_record = Record(topics.MESSAGE_LOG, one.partition, one.number, 0, None, one.octets, ())
    try:
        entry = decode_log_entry(one.octets)
    except RuleError as err:
        finding = AuditFinding(
            Check.ENTRY,
            topics.MESSAGE_LOG,
            one.partition,
            one.number,
            "a log entry",
            f"something else: {err.message}",
        )
        return Step(one.partition, one.number, Pair(entry_record, None, None, finding))
    return Step(one.partition, one.number, Pair(entry_record, entry, one.record(entry), None))


def is_about(
    replayed: Replayed, *, agency: str | None, package: str | None, directories: Mapping[int, Directory]
) -> bool:
    """Return whether an entry is about an agency's documents, and about a package's, where those are asked for."""
    entry = replayed.entry
    if entry is None:
        return agency is None and package is None
    statement = statement_of(entry)
    if agency is not None and (statement is None or statement.origin.agency.text != agency):
        return False
    if package is None:
        return True
    directory = directories.get(entry.directory_version)
    agreement = directory.agreement(entry.agreement) if directory is not None and entry.agreement else None
    return agreement is not None and agreement.package.text == package
