"""`verify_archive` and `verify_bus`: everything that ``govbus audit verify`` does besides reading its options."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from cryptography.x509 import Certificate as AnchorCertificate

from govbus.audit.archive.reader import Archive
from govbus.audit.dating import Dating
from govbus.audit.evidence.archive_unit import ArchiveUnit
from govbus.audit.evidence.audit import Beforehand, CheckpointReading, Progress, audit_evidence
from govbus.audit.evidence.chain import read_chain
from govbus.audit.evidence.coverage import Coverage
from govbus.audit.evidence.log_unit import LogUnit
from govbus.audit.evidence.material import Selection
from govbus.audit.evidence.trust import TrustTable
from govbus.audit.receipts import HeldReceipts
from govbus.audit.replay import Replay, steps_of_archive
from govbus.audit.report import AuditFinding, AuditReport
from govbus.audit.revocations import RevocationAudit
from govbus.audit.snapshot import Snapshot
from govbus.audit.streams import PartitionStreams
from govbus.audit.verify import verify
from govbus.document import topics
from govbus.document.encoding import time_text
from govbus.document.record import Record
from govbus.errors import ConfigError, MissingPartError
from govbus.message_log.keys import LogPublicKeys
from govbus.message_log.policy import Policy
from govbus.routing.directory.model import Directory
from govbus.service.replay.sources import directories_of
from govbus.service.scanning import scan
from govbus.signing.certificates import Certificate
from govbus.transport.base import TopicPartition, Transport


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be audited, and by what."""

    authority: tuple[Certificate, ...]
    """Of the governing authority, got from it and not from the bus."""
    keys: LogPublicKeys
    checkpoints: tuple[str, ...] = ()
    policy: Policy | None = None
    timestamp_anchors: tuple[AnchorCertificate, ...] = ()
    """Of timestamp authorities that the auditor trusts, or their issuers."""
    receipts: tuple[Record, ...] = ()
    """That agencies kept, as they stood on their inboxes."""
    since_ms: int | None = None
    until_ms: int | None = None
    agencies: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    processes: int = 1

    @property
    def has_range(self) -> bool:
        """Whether only a part is asked for."""
        return bool(self.since_ms is not None or self.until_ms is not None or self.agencies or self.packages)

    def beforehand(self, directories: Mapping[int, Directory]) -> Beforehand:
        """Return what the auditor knows; the bus's name is what its directory says."""
        return Beforehand(
            directories[max(directories)].bus,
            self.keys,
            self.checkpoints,
            self.policy,
            self.timestamp_anchors,
        )

    def selection(self, directories: Mapping[int, Directory]) -> Selection:
        """Return which entries are checked.

        Raises:
            ConfigError: if no version of the directory has a package or an agency that is asked for.
        """
        known = {name for one in directories.values() for name in one.agencies}
        for agency in self.agencies:
            if agency not in known:
                raise ConfigError(f"no version of the directory has an agency {agency}")
        agreements: dict[str, set[str]] = {package: set() for package in self.packages}
        for one in directories.values():
            for agreement in one.agreements.values():
                if agreement.package.text in agreements:
                    agreements[agreement.package.text].add(agreement.id)
        for package, found in agreements.items():
            if not found:
                raise ConfigError(f"no version of the directory has an agreement about package {package}")
        return Selection(
            self.since_ms,
            self.until_ms,
            frozenset(self.agencies),
            frozenset().union(*agreements.values()) if self.packages else None,
        )


def verify_archive(
    folder: Path, request: Request, *, is_full: bool, progress: Progress | None = None
) -> AuditReport:
    """Audit an archive.

    Args:
        folder: that it is in.
        request: what to audit.
        is_full: decide again about every document, too.
        progress: told how far it is.

    Raises:
        MissingPartError: if the folder holds no archive, or a file of it is not there.
        LogIntegrityError: if a file does not follow the format.
        ConfigError: if the request does not fit the directory.
    """
    archive = Archive(folder)
    if archive.last() is None:
        raise MissingPartError(f"{folder} holds no segment of an archive")
    _require_receipts_fit(request, is_full=is_full)
    directories = directories_of(archive.records("directory"), request.authority)
    report, known = AuditReport(), request.beforehand(directories)
    selection = request.selection(directories)
    reading = CheckpointReading(known, report)
    # Step 1: what authorities said about certificates, and the checkpoints, segment by segment.
    revocations = _revocations(archive.records("revocations"), directories, report)
    chain = read_chain(archive, reading, report)
    # Step 2: trees and documents.
    audit_evidence(
        [ArchiveUnit.of(segment) for segment in archive.segments()],
        reading,
        TrustTable.of(directories.values(), revocations.values),
        report,
        known=known,
        partitions=chain.partitions,
        selection=selection,
        processes=request.processes,
        progress=progress,
        roots=chain.roots,
    )
    # Step 3: decisions.
    if is_full:
        receipts = HeldReceipts(request.receipts, directories)
        outside = _Outside(receipts, reading.dating)
        _decide_again(archive, directories, revocations, selection, report, outside, progress)
        report.extend(receipts.findings())
        report.coverage += receipts.covered()
    if is_full:
        report.established = "every signature, number and tree holds, and every decision is the same again"
    report.notes.append("deliveries and receipts are not in an archive: those were not looked at")
    return _finished(report, request, is_full=is_full)


async def verify_bus(
    transport: Callable[[], Transport], request: Request, *, progress: Progress | None = None
) -> AuditReport:
    """Audit the evidence of a running bus.

    Args:
        transport: makes a client of the broker, in every process that reads.
        request: what to audit.
        progress: told how far it is.

    Raises:
        ConfigError: if there is no message log, or the request does not fit the directory.
        TransportError: if the broker fails.
    """
    _require_receipts_fit(request, is_full=False)
    client = transport()
    snapshot = await Snapshot.take(client)
    directories = directories_of([one async for one in scan(client, [topics.DIRECTORY])], request.authority)
    report, known = AuditReport(), request.beforehand(directories)
    selection = request.selection(directories)
    reading = CheckpointReading(known, report)
    # Step 1: checkpoints, and what authorities said about certificates.
    await _read(client, snapshot.checkpoints, reading.take)
    material: list[Record] = []
    await _read(client, snapshot.revocations, material.append)
    revocations = _revocations(material, directories, report)
    # Step 2: trees and documents.
    units = [
        LogUnit(
            transport,
            message_log,
            end,
            snapshot.sources_of(message_log.partition),
            snapshot.beginnings,
        )
        for message_log, end in snapshot.message_log.items()
    ]
    await asyncio.to_thread(
        audit_evidence,
        units,
        reading,
        TrustTable.of(directories.values(), revocations.values),
        report,
        known=known,
        partitions=[partition.partition for partition in snapshot.message_log],
        selection=selection,
        processes=request.processes,
        progress=progress,
        beginnings=snapshot.beginnings,
    )
    return _finished(report, request, is_full=False)


async def verify_bus_fully(
    transport: Transport, request: Request, *, progress: Progress | None = None
) -> AuditReport:
    """Audit a whole running bus: evidence, decisions, deliveries and receipts.

    Args:
        transport: the broker; it is only read from.
        request: what to audit; a range cannot be asked for, because a delivery may be of any time.
        progress: told how far it is.

    Raises:
        ConfigError: if a range is asked for, or there is no message log.
        TransportError: if the broker fails.
    """
    if request.has_range:
        raise ConfigError(
            "a range of a running bus is checked on the level of evidence only",
            remedy="add --level evidence, or audit an archive",
        )
    directories = directories_of(
        [one async for one in scan(transport, [topics.DIRECTORY])], request.authority
    )
    known = request.beforehand(directories)
    coverage = Coverage(known.bus, known.keys, policy=known.policy, timestamp_anchors=known.timestamp_anchors)
    coverage.take_known(known.checkpoints)
    async for record in scan(transport, [topics.CHECKPOINTS]):
        coverage.take(record)
    receipts = HeldReceipts(request.receipts, directories)
    report = await verify(
        transport,
        bus=known.bus,
        keys=known.keys,
        directories=directories,
        known_checkpoints=known.checkpoints,
        policy=known.policy,
        timestamp_anchors=known.timestamp_anchors,
        receipts=receipts,
        dating=coverage.dating(),
        progress=progress,
    )
    report.coverage = [*coverage.covered(), *receipts.covered()]
    return _finished(report, request, is_full=True)


class _Outside(NamedTuple):
    """What others hold against the entries, besides checkpoints."""

    receipts: HeldReceipts
    dating: Dating


def _require_receipts_fit(request: Request, *, is_full: bool) -> None:
    if request.receipts and not is_full:
        raise ConfigError(
            "receipts are compared with decisions, which the level of evidence does not look at",
            remedy="add --level full",
        )


@dataclass(slots=True)
class _Revocations:
    """Revocation material, for processes and for deciding again."""

    audit: RevocationAudit
    values: list[bytes] = dataclasses.field(default_factory=list)


def _revocations(
    records: Iterable[Record], directories: Mapping[int, Directory], report: AuditReport
) -> _Revocations:
    found = _Revocations(RevocationAudit(directories))
    for record in records:
        found.values.append(record.value or b"")
        finding = found.audit.take(record)
        if finding is not None:
            report.add(finding)
    return found


async def _read(
    transport: Transport, ends: Mapping[TopicPartition, int], take: Callable[[Record], None]
) -> None:
    for partition, end in ends.items():
        async with PartitionStreams(transport, {partition: end}) as streams:
            async for record in streams.records(partition):
                take(record)


def _decide_again(
    archive: Archive,
    directories: Mapping[int, Directory],
    revocations: _Revocations,
    selection: Selection,
    report: AuditReport,
    outside: _Outside,
    progress: Progress | None,
) -> None:
    """Re-run the decision about every record; the past is always whole, differences outside the range are left out."""
    replay = Replay(directories, revocations.audit.records)
    total = sum(ArchiveUnit.of(segment).entries for segment in archive.segments())
    gone = 0
    try:
        for done, step in enumerate(steps_of_archive(archive), start=1):
            replayed = replay.take(step)
            entry = replayed.entry
            if entry is not None:
                outside.receipts.take(step.partition, entry)
            if entry is not None and selection.has_decision(entry):
                gone += not replayed.is_decided_again
                for finding in replayed.findings:
                    report.add(_placed(finding, step.number))
                late = outside.dating.finding(step.partition, step.number, None, entry)
                report.extend([late] if late is not None else [])
                report.rules.update(one.rule for one in entry.findings)
            if progress is not None and done % _PROGRESS_ENTRIES == 0:
                progress("decisions", done, total)
    finally:
        replay.close()
    if gone:
        report.notes.append(
            f"{gone:,} decisions were not taken again: their records are not kept, or they are about none"
        )


def _placed(finding: AuditFinding, number: int) -> AuditFinding:
    """Return a finding about an archived entry, which has a number and no offset."""
    if finding.topic != topics.MESSAGE_LOG:
        return finding
    return dataclasses.replace(finding, offset=None, entry=number)


_PROGRESS_ENTRIES = 1000


def _finished(report: AuditReport, request: Request, *, is_full: bool) -> AuditReport:
    """Say what the audit did not look at."""
    if not is_full:
        report.established = "every signature, number, batch and tree holds"
        report.notes.append("level evidence: no value was decoded and no decision taken again")
    if request.has_range:
        chosen = [
            f"from {time_text(request.since_ms)}" if request.since_ms is not None else "",
            f"before {time_text(request.until_ms)}" if request.until_ms is not None else "",
            f"of {', '.join(request.agencies)}" if request.agencies else "",
            f"under agreements about {', '.join(request.packages)}" if request.packages else "",
        ]
        report.notes.append(
            f"checked: {' '.join(filter(None, chosen))}; every other entry was only hashed into its tree"
        )
    if request.policy is None:
        report.notes.append("cosignatures were not looked at: no --policy was given")
    if not request.timestamp_anchors:
        report.notes.append("timestamps vouch for nothing: no --tsa-ca was given")
    return report
