"""An audit of evidence: checkpoints, trees and documents of a bus or an archive, one process a core."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from cryptography.x509 import Certificate

from govbus.audit.checkpoints import Checkpoints
from govbus.audit.dating import Dating
from govbus.audit.evidence.coverage import Coverage
from govbus.audit.evidence.joining import Joining
from govbus.audit.evidence.material import EvidenceUnit, Selection
from govbus.audit.evidence.pool import Work, check_units
from govbus.audit.evidence.trust import TrustTable
from govbus.audit.report import AuditReport
from govbus.document import topics
from govbus.document.ids import AgencyId
from govbus.document.record import Record
from govbus.message_log.heads import HEADS_KEY, TIMESTAMP_KEY, TIMESTAMPED_HEADER, TSA_HEADER
from govbus.message_log.keys import LogPublicKeys, log_origin
from govbus.message_log.note import Note
from govbus.message_log.policy import Policy
from govbus.transport.base import TopicPartition

Progress = Callable[[str, int, int], None]
"""Called with what is being read, entries done and entries in all."""


@dataclass(frozen=True, slots=True)
class Beforehand:
    """What the auditor knows before he reads anything, got from outside what he audits."""

    bus: AgencyId
    keys: LogPublicKeys
    checkpoints: tuple[str, ...] = ()
    """Signed notes that he kept from before, or has from others."""
    policy: Policy | None = None
    """The witnesses that he trusts."""
    timestamp_anchors: tuple[Certificate, ...] = ()
    """Certificates of timestamp authorities that he trusts."""


class CheckpointReading:
    """The records of ``govbus.checkpoints``, given to all who need them."""

    def __init__(self, known: Beforehand, report: AuditReport) -> None:
        """Take what the auditor brought along first."""
        trusted = {"policy": known.policy, "timestamp_anchors": known.timestamp_anchors}
        self.checkpoints = Checkpoints(known.bus, known.keys, report, **trusted)  # type: ignore[arg-type]
        self._coverage = Coverage(known.bus, known.keys, **trusted)  # type: ignore[arg-type]
        self._report = report
        self.checkpoints.take_known(known.checkpoints)
        self._coverage.take_known(known.checkpoints)

    def take(self, record: Record) -> None:
        """Take the next record."""
        self.checkpoints.take(record)
        self._coverage.take(record)

    def take_evidence(self, note: bytes, stamps: Sequence[tuple[str, bytes]]) -> None:
        """Take a head checkpoint of the size that the tree has now, kept beside the topic, with its timestamps."""
        self.take(Record(topics.CHECKPOINTS, 0, -1, 0, HEADS_KEY, note, ()))
        text = Note.from_bytes(note).text.encode("utf-8")
        for name, der in stamps:
            headers = ((TIMESTAMPED_HEADER, text), (TSA_HEADER, name.encode("utf-8")))
            self.take(Record(topics.CHECKPOINTS, 0, -1, 0, TIMESTAMP_KEY, der, headers))

    def take_larger(self, note: bytes, stamps: Sequence[tuple[str, bytes]], proof: Sequence[bytes]) -> None:
        """Take a head checkpoint beyond the end of what is read; as for `Coverage.take_larger`."""
        self._coverage.take_larger(note, stamps, proof)

    @property
    def dating(self) -> Dating:
        """What the times of heads say about the times of entries."""
        return self._coverage.dating()

    @property
    def heads_size(self) -> int:
        """Entries of the head tree so far."""
        return self.checkpoints.heads.size

    def finish(self) -> None:
        """Report what is missing, and what vouches for how much."""
        self.checkpoints.finish()
        self._report.coverage = self._coverage.covered()


def audit_evidence(
    units: Sequence[EvidenceUnit],
    reading: CheckpointReading,
    table: TrustTable,
    report: AuditReport,
    *,
    known: Beforehand,
    partitions: Iterable[int],
    selection: Selection,
    processes: int,
    progress: Progress | None = None,
    roots: Mapping[tuple[int, int], bytes] | None = None,
    beginnings: Mapping[TopicPartition, int] | None = None,
) -> Joining:
    """Check units and compare the trees with every checkpoint.

    Args:
        units: that together hold a whole log.
        reading: of all checkpoints.
        table: whose certificates count.
        report: takes findings and counts.
        known: by the auditor beforehand.
        partitions: of the message log.
        selection: which entries are checked.
        processes: how many to use.
        progress: told how far it is.
        roots: that an archive's manifests state, by log partition and size.
        beginnings: first offsets that the broker still has, where it is asked.

    Raises:
        GovbusError: if something cannot be read; nothing is then established.
    """
    numbers = sorted(partitions)
    cuts = {number: reading.checkpoints.sizes(log_origin(known.bus, number)) for number in numbers}
    work = Work(table, cuts, selection)
    total, reached = sum(unit.entries for unit in units), 0

    def done(entries: int) -> None:
        nonlocal reached
        reached += entries
        if progress is not None:
            progress("entries", reached, max(total, reached))

    joining = Joining(report, selection, roots or {}, beginnings)
    for result in check_units(units, work, processes=processes, done=done):
        joining.take(result)
    joining.finish(reading.checkpoints, numbers)
    reading.finish()
    return joining
