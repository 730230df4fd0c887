"""An archive's manifests as one chain, and the checkpoints that it holds, in the order in which they came.

Whether every file is the one that its manifest names is what ``govbus archive verify`` looks at; here the manifests
must follow one another, so that no segment was taken out or put in.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from govbus.audit.archive import layout
from govbus.audit.archive.evidence import parse_proof
from govbus.audit.archive.reader import Archive, Segment
from govbus.audit.evidence.audit import CheckpointReading
from govbus.audit.report import AuditFinding, AuditReport, Check
from govbus.errors import GovbusError

_NOTE, _STAMP = ".note", ".tsr"


@dataclass(slots=True)
class Chain:
    """What the manifests of an archive say."""

    partitions: list[int] = field(default_factory=list)
    """Of the message log."""
    roots: dict[tuple[int, int], bytes] = field(default_factory=dict)
    """By log partition and size."""


@dataclass(slots=True)
class _Kept:
    """Head checkpoints that lie beside segments, until the tree has their size."""

    reading: CheckpointReading
    notes: dict[int, list[tuple[bytes, list[tuple[str, bytes]]]]] = field(default_factory=dict)

    def release(self) -> None:
        for note, stamps in self.notes.pop(self.reading.heads_size, ()):
            self.reading.take_evidence(note, stamps)


def read_chain(archive: Archive, reading: CheckpointReading, report: AuditReport) -> Chain:
    """Follow the manifests and give every checkpoint to those who need it.

    Args:
        archive: that is audited.
        reading: takes checkpoints, cosigned heads and timestamps.
        report: takes findings.

    Raises:
        MissingPartError: if a file is not there.
        LogIntegrityError: if one does not follow the format.
    """
    chain, kept = Chain(), _Kept(reading)
    before: Segment | None = None
    for segment in archive.segments():
        _follow(segment, before, report)
        for partition, log in segment.manifest.logs.items():
            chain.roots[partition, log.end] = log.root
        chain.partitions = sorted(segment.manifest.logs)
        _take_evidence(segment, kept, report)
        kept.release()
        for record in segment.records(layout.CHECKPOINTS):
            reading.take(record)
            kept.release()
        before = segment
    if before is not None:
        _take_larger(before, kept, report)
    return chain


def _take_larger(last: Segment, kept: _Kept, report: AuditReport) -> None:
    """Head checkpoints beside the last segment cover it, though they are of a later size of the tree."""
    for size, notes in sorted(kept.notes.items()):
        path = f"{layout.EVIDENCE}/{size}.proof"
        if f"{layout.segment_path(last.manifest.segment)}/{path}" not in last.manifest.files:
            continue  # beside an earlier segment, and the tree never had that size
        try:
            for note, stamps in notes:
                kept.reading.take_larger(note, stamps, parse_proof(last.read(path)))
        except GovbusError as err:
            place = f"archive {layout.segment_path(last.manifest.segment)}/{layout.EVIDENCE}/{size}{_NOTE}"
            expected = "a head checkpoint that covers the segment, cosigned and stamped as the auditor trusts"
            report.add(AuditFinding(Check.HEADS, place, None, None, expected, err.message))


def _follow(segment: Segment, before: Segment | None, report: AuditReport) -> None:
    """Compare a manifest with the one before."""
    manifest = segment.manifest
    number = before.manifest.segment + 1 if before is not None else 1
    previous = before.digest if before is not None else None
    place = f"archive {layout.segment_path(manifest.segment)}"
    if manifest.segment != number:
        report.add(
            AuditFinding(Check.ARCHIVE, place, None, None, f"segment {number}", f"segment {manifest.segment}")
        )
    if manifest.previous != previous:
        report.add(
            AuditFinding(
                Check.ARCHIVE,
                place,
                None,
                None,
                f"the hash of the manifest before, {previous or 'none'}",
                manifest.previous or "none",
            )
        )


def _take_evidence(segment: Segment, kept: _Kept, report: AuditReport) -> None:
    """Read the head checkpoints that lie beside a segment."""
    prefix = f"{layout.segment_path(segment.manifest.segment)}/{layout.EVIDENCE}/"
    names = [path.removeprefix(prefix) for path in segment.manifest.files if path.startswith(prefix)]
    for name in names:
        size = name.removesuffix(_NOTE)
        if not name.endswith(_NOTE) or not size.isdecimal():
            continue
        stamps = [one for one in names if one.startswith(f"{size}.") and one.endswith(_STAMP)]
        try:
            note = segment.read(f"{layout.EVIDENCE}/{name}")
            ders = [
                (one.removeprefix(f"{size}.").removesuffix(_STAMP), segment.read(f"{layout.EVIDENCE}/{one}"))
                for one in stamps
            ]
        except GovbusError as err:
            report.add(
                AuditFinding(
                    Check.ARCHIVE,
                    f"archive {prefix}{name}",
                    None,
                    None,
                    "the files in the manifest",
                    err.message,
                )
            )
            continue
        kept.notes.setdefault(int(size), []).append((note, ders))
