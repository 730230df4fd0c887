"""Checking one segment of an archive by itself, in a process of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from govbus.audit.archive import layout
from govbus.audit.archive.certificates import thumbprint_of
from govbus.audit.archive.checkpoint_records import SignedCheckpoint, read_checkpoint
from govbus.audit.archive.document_check import DocumentCheck
from govbus.audit.archive.evidence import parse_proof
from govbus.audit.archive.manifest import EvidenceLine, Manifest
from govbus.audit.archive.reader import Archive, Segment
from govbus.audit.archive.report import finding
from govbus.audit.archive.tree_check import TreeCheck
from govbus.audit.report import AuditFinding, Check
from govbus.document.record import Record
from govbus.errors import GovbusError, LogIntegrityError, MissingPartError, NoteError
from govbus.message_log.heads import HEADS_KEY, head_origin
from govbus.message_log.keys import LogPublicKeys
from govbus.message_log.tiles import parse_path
from govbus.signing.merkle import verify_consistency


@dataclass(slots=True)
class SegmentResult:
    """What one segment came to; it goes from process to process."""

    number: int
    findings: list[AuditFinding] = field(default_factory=list)
    entries: int = 0
    files: int = 0
    octets: int = 0
    checkpoints: int = 0
    missing: int = 0
    absent: list[tuple[str, str, int]] = field(default_factory=list)
    erased: list[str] = field(default_factory=list)
    directory_version: int = 0
    revocations: int = 0
    named: set[str] = field(default_factory=set)
    """Certificates that signatures of documents name which were not accepted."""
    relied_on: set[str] = field(default_factory=set)
    """Those of documents that were."""
    certificates: set[str] = field(default_factory=set)
    """Those in the evidence, by the thumbprints of their names."""
    elsewhere: list[tuple[str, int, bytes, int]] = field(default_factory=list)
    """Origin, size, root and offset of checkpoints whose size lies outside the segment."""


def check_segment(
    folder: Path,
    number: int,
    ed25519_pem: bytes,
    ml_dsa_44_pem: bytes,
    handovers: Sequence[str] = (),
    base: Path | None = None,
) -> SegmentResult:
    """Check everything of a segment that can be checked without the others.

    Args:
        folder: the archive.
        number: of the segment.
        ed25519_pem: the log's public keys.
        ml_dsa_44_pem: likewise.
        handovers: signed hand-overs between them and earlier ones, in order.
        base: an archive that has the segments and tiles before, where this one does not.
    """
    keys = LogPublicKeys.from_pem(ed25519_pem, ml_dsa_44_pem).with_handovers(handovers)
    result = SegmentResult(number)
    archive = Archive(folder, base)
    try:
        segment = archive.segment(number)
        before = archive.segment(number - 1) if number > 1 else None
    except (LogIntegrityError, MissingPartError) as err:
        path = f"{layout.segment_path(number)}/{layout.MANIFEST}"
        result.findings.append(finding(Check.ARCHIVE, path, "a manifest, and the one before", err.message))
        return result
    _Check(archive, segment, before, keys, result).run()
    return result


class _Check:
    def __init__(
        self,
        archive: Archive,
        segment: Segment,
        before: Segment | None,
        keys: LogPublicKeys,
        result: SegmentResult,
    ) -> None:
        self._archive = archive
        self._segment = segment
        self._manifest = segment.manifest
        self._before = before
        self._keys = keys
        self._result = result
        self._path = layout.segment_path(segment.manifest.segment)
        self._stated: dict[str, dict[int, bytes]] = {origin: {} for origin in segment.manifest.ranges()}

    def run(self) -> None:
        self._check_chain()
        self._check_files()
        self._check_records()
        self._check_trees()
        documents = DocumentCheck(self._segment)
        documents.run()
        result = self._result
        result.findings += documents.findings
        result.entries, result.missing = documents.entries, documents.missing
        result.absent, result.erased = documents.absent, documents.erased
        result.directory_version, result.revocations = documents.directory_version, documents.revocations
        result.named, result.relied_on = documents.named.thumbprints, documents.relied_on.thumbprints
        self._check_evidence()

    def _check_chain(self) -> None:
        manifest, before = self._manifest, self._before
        expected = _starts_of(before.manifest if before is not None else None, manifest)
        found = _starts(manifest)
        if found != expected:
            self._find(layout.MANIFEST, f"ranges that start at {expected}", str(found))
        if before is not None and manifest.bus != before.manifest.bus:
            self._find(layout.MANIFEST, f"bus {before.manifest.bus}, as before", str(manifest.bus))
        digest = before.digest if before is not None else None
        if manifest.previous != digest:
            named = f"{self._path}/{layout.MANIFEST}"
            place = before.folder.name if before is not None else self._segment.folder.name
            self._result.findings.append(
                finding(
                    Check.ARCHIVE,
                    f"{layout.SEGMENTS}/{place}/{layout.MANIFEST}",
                    f"sha256 {manifest.previous or 'none'}, which {named} names",
                    digest or "no manifest before",
                )
            )

    def _check_files(self) -> None:
        prefixes = {layout.tiles_path(origin): origin for origin in self._manifest.ranges()}
        for path, digest in self._manifest.files.items():
            self._result.files += 1
            if not _is_in_place(path, self._path, prefixes):
                self._result.findings.append(
                    finding(Check.ARCHIVE, f"{self._path}/{layout.MANIFEST}", "files in their places", path)
                )
                continue
            try:
                with self._archive.path(path).open("rb") as file:
                    found = hashlib.file_digest(file, "sha256").hexdigest()
                    self._result.octets += file.tell()
            except OSError:
                found = "none: the file is not there"
            if found != digest:
                self._result.findings.append(finding(Check.ARCHIVE, path, f"sha256 {digest}", found))

    def _check_records(self) -> None:
        """Read the record files; every checkpoint must be signed and is compared with its tree later."""
        for name in (layout.DIRECTORY, layout.REVOCATIONS):
            for _ in self._records(name):
                pass
        texts: list[bytes] = []
        sizes = {number: log.start for number, log in self._manifest.logs.items()}
        for record in self._records(layout.CHECKPOINTS):
            signed = self._checkpoint(record)
            if signed is None:
                continue
            checkpoint, partition = signed.checkpoint, signed.partition
            self._state(signed, record)
            if partition is not None and checkpoint.size > sizes.get(partition, checkpoint.size):
                sizes[partition] = checkpoint.size
                texts.append(signed.text.encode("utf-8"))
        origin = head_origin(self._manifest.bus)
        try:
            heads = list(self._archive.entries(origin, *self._manifest.heads[:2]))
        except (LogIntegrityError, MissingPartError):
            return  # said when the tree is checked
        if heads != texts:
            self._find(
                layout.CHECKPOINTS,
                "the entries of the log of checkpoints, in their order",
                f"{len(texts)} checkpoints for {len(heads)} entries, or others",
                Check.HEADS,
            )

    def _records(self, name: str) -> Iterator[Record]:
        """Yield the records of a file, one in memory at a time: a segment may have hundreds of thousands."""
        last, end = self._manifest.record_range(name)
        start = last
        try:
            for record in self._segment.records(name):
                last = record.offset + 1
                yield record
        except (LogIntegrityError, MissingPartError) as err:
            self._find(name, "records as docs/specs/archive.md says", err.message)
            return
        if last != end:
            self._find(layout.MANIFEST, f"{name} {start} {last}, as in the file", f"{name} {start} {end}")

    def _checkpoint(self, record: Record) -> SignedCheckpoint | None:
        try:
            return read_checkpoint(record, self._manifest.bus, self._keys)
        except NoteError as err:
            expected = "a checkpoint signed by the log's keys"
            path = f"{self._path}/{layout.CHECKPOINTS}"
            self._result.findings.append(
                finding(Check.CHECKPOINT, path, expected, err.message, offset=record.offset)
            )
            return None

    def _state(self, signed: SignedCheckpoint, record: Record) -> None:
        self._result.checkpoints += 1
        origin, size, root = signed.checkpoint.origin, signed.checkpoint.size, signed.checkpoint.root
        log = self._manifest.ranges().get(origin)
        if log is None or not log.start < size <= log.end:
            self._result.elsewhere.append((origin, size, root, record.offset))
        elif self._stated[origin].setdefault(size, root) != root:
            path = f"{self._path}/{layout.CHECKPOINTS}"
            expected = f"one root for {size} entries"
            found = "two, both signed: the log shows two histories"
            self._result.findings.append(
                finding(Check.FORK, path, expected, found, offset=record.offset, origin=origin)
            )

    def _check_trees(self) -> None:
        before = self._before.manifest.ranges() if self._before is not None else {}
        for origin in self._manifest.ranges():
            tree = TreeCheck(self._archive, self._manifest, origin, self._stated[origin])
            tree.run(before.get(origin))
            self._result.findings += tree.findings

    def _check_evidence(self) -> None:
        try:
            positions = self._segment.positions()
            if any(offset < 0 for offset in positions.values()):
                self._find(layout.POSITIONS, "offsets", "negative ones")
        except (LogIntegrityError, MissingPartError) as err:
            self._find(layout.POSITIONS, "positions as docs/specs/archive.md says", err.message)
        folder = f"{self._path}/{layout.EVIDENCE}"
        names = [path.removeprefix(folder + "/") for path in self._manifest.files if path.startswith(folder)]
        lines = [
            self._evidence_line(name.removesuffix(".note"), names) for name in names if name.endswith(".note")
        ]
        best = max(
            (line for line in lines if line is not None),
            key=lambda line: (line.timestamps, line.cosignatures, -line.size),
            default=None,
        )
        if best != self._manifest.evidence:
            self._find(layout.MANIFEST, f"evidence {best}, as in the files", str(self._manifest.evidence))
        for name in names:
            if name.startswith(layout.CERTIFICATES + "/"):
                self._check_certificate(name)
        for name, pem in zip(layout.LOG_KEY_FILES, self._keys.to_pem(), strict=True):
            if self._evidence(name) != pem:
                self._find(f"{layout.EVIDENCE}/{name}", "the log's public key that was given", "another")

    def _evidence_line(self, size_text: str, names: list[str]) -> EvidenceLine | None:
        """Check a head checkpoint and that it grew from the log of checkpoints that the segment ends with."""
        place = f"{layout.EVIDENCE}/{size_text}.note"
        heads = self._manifest.heads
        try:
            record = Record("", 0, 0, 0, HEADS_KEY, self._evidence(f"{size_text}.note"), ())
            signed = read_checkpoint(record, self._manifest.bus, self._keys)
            if signed is None or str(signed.checkpoint.size) != size_text:
                raise LogIntegrityError("another size than its name says")
            checkpoint = signed.checkpoint
            proof = parse_proof(self._evidence(f"{size_text}.proof"))
            if heads.end:
                verify_consistency(heads.end, checkpoint.size, heads.root, checkpoint.root, proof)
        except GovbusError as err:
            self._find(place, "a signed head checkpoint that covers the segment", err.message, Check.HEADS)
            return None
        timestamps = sum(name.startswith(f"{size_text}.") and name.endswith(".tsr") for name in names)
        return EvidenceLine(checkpoint.size, signed.cosignatures, timestamps)

    def _check_certificate(self, name: str) -> None:
        thumbprint = name.removeprefix(layout.CERTIFICATES + "/").removesuffix(".der")
        self._result.certificates.add(thumbprint)
        if thumbprint_of(self._evidence(name)) != thumbprint:
            expected = "the certificate of this thumbprint"
            self._find(f"{layout.EVIDENCE}/{name}", expected, "another", Check.CERTIFICATE)

    def _evidence(self, name: str) -> bytes:
        try:
            return self._segment.read(f"{layout.EVIDENCE}/{name}")
        except MissingPartError:
            return b""

    def _find(self, name: str, expected: str, found: str, check: Check = Check.ARCHIVE) -> None:
        self._result.findings.append(finding(check, f"{self._path}/{name}", expected, found))


def _starts(manifest: Manifest) -> dict[str, int]:
    trees = {origin: log.start for origin, log in manifest.ranges().items()}
    return trees | {name: manifest.record_range(name).start for name in layout.RECORD_FILES}


def _starts_of(before: Manifest | None, manifest: Manifest) -> dict[str, int]:
    """Return where everything must start; logs may come to the bus, never go."""
    starts = dict.fromkeys([*manifest.ranges(), *layout.RECORD_FILES], 0)
    if before is not None:
        starts |= {origin: log.end for origin, log in before.ranges().items()}
        starts |= {name: before.record_range(name).end for name in layout.RECORD_FILES}
    return starts


def _is_in_place(path: str, segment: str, prefixes: dict[str, str]) -> bool:
    """Return whether a segment may hold a file at a path."""
    if path.startswith(segment + "/"):
        return True
    prefix, _, rest = path.partition("/tile/")
    if prefix not in prefixes:
        return False
    try:
        parse_path(f"tile/{rest}")
    except LogIntegrityError:
        return False
    return True
