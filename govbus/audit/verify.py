"""`verify()`: one audit of a whole bus, from the topics alone.

It reads checkpoints, then each log partition beside its outboxes, then everything that was delivered, each once and
record by record. Only where sums differ are those parts read a second time, to say which records it is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cryptography.x509 import Certificate

from govbus.audit.checkpoints import Checkpoints
from govbus.audit.dating import Dating
from govbus.audit.erasures import DeletedRecords, erasure_finding
from govbus.audit.expectations import Expectations, statement_of
from govbus.audit.history import ReplayHistory
from govbus.audit.judge import Judge
from govbus.audit.pairs import Pair, pairs
from govbus.audit.presences import Presences
from govbus.audit.receipts import HeldReceipts
from govbus.audit.report import AuditFinding, AuditReport, Check
from govbus.audit.revocations import RevocationAudit
from govbus.audit.snapshot import Snapshot
from govbus.audit.streams import PartitionStreams
from govbus.audit.tally import Ledger, Locator, Naming, Presence, Tally
from govbus.document import topics
from govbus.document.decision import LogEntry
from govbus.document.finding import Outcome
from govbus.document.ids import AgencyId
from govbus.document.record import Record
from govbus.errors import ConfigError
from govbus.message_log.keys import LogPublicKeys
from govbus.message_log.policy import Policy
from govbus.routing.directory.model import Directory
from govbus.signing.verifier import VerifiedSignatures
from govbus.transport.base import TopicPartition, Transport

Progress = Callable[[str, int, int], None]
"""Called with what is being read, records done and records in all, about a hundred times in all."""

_SECRET_BYTES = 32


async def verify(
    transport: Transport,
    *,
    bus: AgencyId,
    keys: LogPublicKeys,
    directories: Mapping[int, Directory],
    known_checkpoints: Sequence[str] = (),
    policy: Policy | None = None,
    timestamp_anchors: Sequence[Certificate] = (),
    receipts: HeldReceipts | None = None,
    dating: Dating | None = None,
    progress: Progress | None = None,
) -> AuditReport:
    """Audit everything that a bus has recorded.

    Args:
        transport: the broker; it is only read from.
        bus: whose log it is; first part of the checkpoints' origins.
        keys: the log's public keys, from outside the broker.
        directories: every version by its number, verified against the governing authority.
        known_checkpoints: signed notes that the auditor has from before or from others; a log that was cut or
            rewritten since then contradicts them.
        policy: the witnesses that the auditor trusts; cosignatures are not looked at without one.
        timestamp_anchors: certificates of time stamping authorities that the auditor trusts.
        receipts: that agencies kept; the log must bear them out.
        dating: what others' clocks say about the heads; entries must not be older than those that lack them.
        progress: told how far it is.

    Returns:
        A report; it is clean exactly if nothing differs.

    Raises:
        ConfigError: if there is no message log, or no directory version is known.
        TransportError: if the broker fails; nothing is then established.
    """
    if not directories:
        raise ConfigError(
            "no version of the directory is known", remedy="give the governing authority's certificate"
        )
    snapshot = await Snapshot.take(transport)
    audit = _Audit(transport, snapshot, directories, progress, _Outside(receipts, dating))
    checkpoints = Checkpoints(bus, keys, audit.report, policy=policy, timestamp_anchors=timestamp_anchors)
    checkpoints.take_known(known_checkpoints)
    # Step 1: checkpoints.
    for partition, end in snapshot.checkpoints.items():
        await audit.read("checkpoints", {partition: end}, checkpoints.take)
    # Step 2: what authorities said about certificates.
    await audit.read_revocations()
    # Step 3: entries, each beside its outbox record.
    tally = Tally()
    await audit.replay(checkpoints, tally)
    checkpoints.finish()
    audit.report.extend(receipts.findings() if receipts is not None else ())
    # Step 4: what was delivered.
    await audit.look_at_recipients(tally, audit.report)
    # Step 5: where that differs, which records it is.
    await audit.locate(tally.differing())
    return audit.report


@dataclass(frozen=True, slots=True)
class _Outside:
    """What others hold against the entries, besides checkpoints."""

    receipts: HeldReceipts | None
    dating: Dating | None

    def finding(self, number: int, record: Record, entry: LogEntry) -> AuditFinding | None:
        """Take an entry, with its number in its partition; return what its time contradicts."""
        if self.receipts is not None:
            self.receipts.take(record.partition, entry)
        if self.dating is None:
            return None
        return self.dating.finding(record.partition, number, record.offset, entry)


@dataclass(slots=True)
class _Step:
    """Counts records of one step and tells the progress."""

    name: str
    total: int
    progress: Progress | None
    done: int = 0

    def count(self, records: int = 1) -> None:
        self.done += records
        if self.progress is not None and self.done % max(1, self.total // 100) == 0:
            self.progress(self.name, self.done, self.total)

    def finish(self) -> None:
        if self.progress is not None:
            self.progress(self.name, self.total, self.total)


class _Audit:
    """One audit under way."""

    def __init__(
        self,
        transport: Transport,
        snapshot: Snapshot,
        directories: Mapping[int, Directory],
        progress: Progress | None,
        outside: _Outside,
    ) -> None:
        self.report = AuditReport()
        self._outside = outside
        self._transport = transport
        self._snapshot = snapshot
        self._directories = directories
        self._progress = progress
        self._naming = Naming(os.urandom(_SECRET_BYTES))
        self._decided_until: dict[TopicPartition, int] = {}
        self._trimmed: set[str] = set()
        self._revocations = RevocationAudit(directories)
        self._deleted = DeletedRecords()

    async def read(
        self, name: str, ends: Mapping[TopicPartition, int], take: Callable[[Record], None]
    ) -> None:
        """Give every record of some partitions to a function, one partition after the other."""
        step = self._step(name, ends)
        for partition, end in ends.items():
            async with PartitionStreams(self._transport, {partition: end}) as streams:
                async for record in streams.records(partition):
                    take(record)
                    step.count()
        step.finish()

    async def read_revocations(self) -> None:
        """Take in the revocation material, and report what no authority answers for."""
        findings: list[AuditFinding | None] = []
        ends = self._snapshot.revocations
        await self.read("revocations", ends, lambda record: findings.append(self._revocations.take(record)))
        self.report.extend(finding for finding in findings if finding is not None)
        for partition in ends:
            self._check_beginning(partition, "the revocation material from its first record")

    def _step(self, name: str, ends: Mapping[TopicPartition, int]) -> _Step:
        total = sum(max(0, end - self._snapshot.beginnings[partition]) for partition, end in ends.items())
        return _Step(name, total, self._progress)

    async def replay(self, checkpoints: Checkpoints, tally: Tally) -> None:
        """Recompute every tree and decide again about every record."""
        history = ReplayHistory()
        judge = Judge(self._directories, history, VerifiedSignatures(), self._revocations.records)
        step = self._step("entries", self._snapshot.message_log)
        try:
            for message_log, end in self._snapshot.message_log.items():
                sources = self._snapshot.sources_of(message_log.partition)
                tree = checkpoints.replay(message_log.partition)
                expectations = self._expectations(tally, message_log)
                number = 0
                async with PartitionStreams(self._transport, {message_log: end, **sources}) as streams:
                    async for pair in pairs(streams, message_log, sources, self._snapshot.beginnings):
                        if pair.entry_record is not None:
                            tree.append(pair.entry_record)
                            self._hold_against(number, pair.entry_record, pair.entry)
                            number += 1
                            step.count()
                        self._judge(pair, judge, expectations, history)
                    for source in sources:
                        async for _ in streams.records(source):
                            self.report.pending += 1
                expectations.finish()
                tree.finish()
                self._check_beginning(message_log, "the log from its first entry")
        finally:
            history.close()
        self._deleted.finish(self.report, self._snapshot.beginnings)
        step.finish()

    def _hold_against(self, number: int, record: Record, entry: LogEntry | None) -> None:
        finding = self._outside.finding(number, record, entry) if entry is not None else None
        if finding is not None:
            self.report.add(finding)

    def _expectations(self, ledger: Ledger, message_log: TopicPartition) -> Expectations:
        return Expectations(self._naming, ledger, self._directories, message_log.partition)

    def _judge(self, pair: Pair, judge: Judge, expectations: Expectations, history: ReplayHistory) -> None:
        entry_record, entry, record, finding = pair
        report = self.report
        if finding is not None and _is_gone(pair):
            self._deleted.take(finding)
        elif finding is not None:
            report.add(finding)
        if entry is None or entry_record is None:
            if record is not None:
                judge.judge_undecided(record)
            return
        report.entries += 1
        report.outcomes[entry.decision.value] += 1
        report.rules.update(one.rule for one in entry.findings)
        self._check_key(pair)
        if entry.decision is Outcome.ERASED:
            erasure = erasure_finding(
                entry_record, entry, self._directories, history, self._revocations.records
            )
            if erasure is not None:
                report.add(erasure)
            else:
                self._deleted.explain(entry.source)
            return
        if record is None:
            judge.believe(entry)
            if _is_gone(pair):
                self._note_decided(entry)
                expectations.take(entry, None, history)
            return
        judgement = judge.judge(entry_record, entry, record, is_in_run=expectations.continues_run(entry))
        report.extend(judgement.findings)
        if judgement.decision is not None and judgement.decision.is_proven:
            report.signatures_verified += 1
        self._note_decided(entry)
        expectations.take(entry, record, history)

    def _note_decided(self, entry: LogEntry) -> None:
        source = TopicPartition(*entry.source[:2])
        self._decided_until[source] = max(self._decided_until.get(source, -1), entry.source.offset)

    def _check_key(self, pair: Pair) -> None:
        """An entry's key is its origin, or the outbox topic where no origin could be read."""
        if pair.entry is None or pair.entry_record is None:
            return
        expected = _expected_key(pair.entry)
        if pair.entry_record.key != expected:
            self.report.add(
                AuditFinding(
                    Check.ENTRY,
                    pair.entry_record.topic,
                    pair.entry_record.partition,
                    pair.entry_record.offset,
                    f"key {expected.decode('utf-8', 'replace')}",
                    f"key {(pair.entry_record.key or b'none').decode('utf-8', 'replace')[:100]}",
                    source=pair.entry.source,
                )
            )

    def _check_beginning(self, partition: TopicPartition, expected: str) -> None:
        beginning = self._snapshot.beginnings[partition]
        if beginning > 0:
            self.report.add(
                AuditFinding(
                    Check.RETENTION,
                    partition.topic,
                    partition.partition,
                    0,
                    expected,
                    f"the broker deleted what was before offset {beginning}",
                )
            )

    async def look_at_recipients(self, ledger: Ledger, report: AuditReport | None) -> None:
        """See everything that stands on inboxes, publication topics and the quarantine."""
        presences = Presences(
            self._naming, ledger, self._directories, self._decided_until, self._snapshot.beginnings, report
        )
        await self.read("deliveries", self._snapshot.recipients, presences.take)
        for partition in self._snapshot.recipients:
            if self._snapshot.beginnings[partition] > 0:
                self._trimmed.add(partition.topic)

    async def locate(self, buckets: set[tuple[str, int]]) -> None:
        """Read again what differs, and report each record that is missing or must not be there."""
        for topic in sorted(self._trimmed):
            self.report.notes.append(
                f"{topic}: old records have expired, so a missing one cannot be told from them"
            )
        if not buckets:
            return
        locator = Locator(buckets)
        for message_log, end in self._snapshot.message_log.items():
            sources = self._snapshot.sources_of(message_log.partition)
            expectations = self._expectations(locator, message_log)
            async with PartitionStreams(self._transport, {message_log: end, **sources}) as streams:
                async for pair in pairs(streams, message_log, sources, self._snapshot.beginnings):
                    if pair.entry is not None and (pair.record is not None or _is_gone(pair)):
                        expectations.take(pair.entry, pair.record, None)
            expectations.finish()
        await self.look_at_recipients(locator, None)
        self.report.extend(_differences(locator, self._trimmed))
        if locator.is_full:
            self.report.notes.append("more records differ than could be located one by one")


def _is_gone(pair: Pair) -> bool:
    """Return whether the broker deleted the outbox record of an entry: its receipt can still be judged."""
    return pair.finding is not None and pair.finding.check is Check.RETENTION


def _expected_key(entry: LogEntry) -> bytes:
    """Return the key that the record of an entry must have."""
    statement = statement_of(entry)
    return (str(statement.origin) if statement is not None else entry.source.topic).encode("utf-8")


def _differences(locator: Locator, trimmed: set[str]) -> list[AuditFinding]:
    """Return a finding for each record; a missing and an extra one about the same source are one that changed."""
    extra = locator.extra()
    by_source: dict[tuple[str, str, bool], list[Presence]] = {}
    for presence in extra:
        by_source.setdefault((presence.topic, presence.source, presence.is_receipt), []).append(presence)
    findings = []
    partition: int | None
    offset: int | None
    for topic, expectation in locator.missing():
        changed = by_source.get((topic, str(expectation.source), expectation.is_receipt), [])
        if changed:
            presence = changed.pop()
            extra.remove(presence)
            partition, offset, found = presence.partition, presence.offset, "another content"
        elif topic in trimmed:
            continue
        else:
            partition, offset, found = None, None, "none"
        what = "a receipt that covers" if expectation.is_receipt else "one unchanged copy of"
        findings.append(
            AuditFinding(
                _check_of(topic, is_receipt=expectation.is_receipt),
                topic,
                partition,
                offset,
                f"{what} {expectation.source}",
                found,
                origin=expectation.origin,
                index=expectation.index,
                source=expectation.source,
            )
        )
    findings += [
        AuditFinding(
            _check_of(presence.topic, is_receipt=presence.is_receipt),
            presence.topic,
            presence.partition,
            presence.offset,
            "only what the message log says was delivered, once",
            f"a record about {presence.source} that no entry accounts for",
        )
        for presence in extra
    ]
    return findings


def _check_of(topic: str, *, is_receipt: bool) -> Check:
    if is_receipt:
        return Check.RECEIPT
    return Check.QUARANTINE if topic == topics.QUARANTINE else Check.DELIVERY
