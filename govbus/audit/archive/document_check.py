"""Checking what stands beside the entries of a segment: documents and values, each by what its entry says."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from govbus.audit.archive import layout
from govbus.audit.archive.certificates import NamedCertificates
from govbus.audit.archive.documents import ArchivedDocument, DocumentKind, lines_of
from govbus.audit.archive.reader import ArchivedEntry, Segment
from govbus.audit.archive.report import finding
from govbus.audit.archive.values import KeptValue, unpack_value
from govbus.audit.evidence.entry_reader import EntryFields, read_entry
from govbus.audit.report import AuditFinding, Check
from govbus.document.encoding import base64url
from govbus.document.finding import Outcome
from govbus.document.record import FRAME_BYTES
from govbus.document.statement import Statement
from govbus.errors import GovbusError, LogIntegrityError, MetadataError, MissingPartError, RuleError
from govbus.message_log.keys import log_origin
from govbus.routing.decide import record_hash
from govbus.schemas.core import decode_log_entry


@dataclass(slots=True)
class DocumentCheck:
    """All entries of one segment."""

    segment: Segment
    findings: list[AuditFinding] = field(default_factory=list)
    entries: int = 0
    missing: int = 0
    absent: list[tuple[str, str, int]] = field(default_factory=list)
    """Source, origin and index of entries whose value is not there though their record was archived."""
    erased: list[str] = field(default_factory=list)
    """Sources that entries about an erasure name."""
    directory_version: int = 0
    """The highest that an entry names."""
    revocations: int = 0
    """The most that an entry says it rests on."""
    named: NamedCertificates = field(default_factory=NamedCertificates)
    """By signatures of documents that were not accepted: of those, nobody need have the certificates."""
    relied_on: NamedCertificates = field(default_factory=NamedCertificates)
    """By signatures of documents that were accepted."""

    def run(self) -> None:
        """Check every entry."""
        path = layout.segment_path(self.segment.manifest.segment)
        try:
            for one in self.segment:
                self._take(one)
        except (LogIntegrityError, MissingPartError) as err:
            expected = "a frame for every entry among documents and values"
            self.findings.append(finding(Check.ARCHIVE, path, expected, err.message))
        if self.missing != self.segment.manifest.missing:
            self.findings.append(
                finding(
                    Check.ARCHIVE,
                    f"{path}/{layout.MANIFEST}",
                    f"missing {self.missing}, as in the documents",
                    f"missing {self.segment.manifest.missing}",
                )
            )

    def _take(self, one: ArchivedEntry) -> None:
        self.entries += 1
        try:
            entry = read_entry(one.octets)
        except RuleError as err:
            self._find(Check.ENTRY, one, "a log entry", err.message, None)
            return
        self.directory_version = max(self.directory_version, entry.directory_version)
        self.revocations = max(self.revocations, entry.revocations)
        if entry.decision is Outcome.ERASED:
            self.erased.append(str(entry.source))
            return
        (self.relied_on if entry.decision is Outcome.ACCEPTED else self.named).use(entry.signatures)
        try:
            document, kept = one.unpack(), unpack_value(one.value)
            if document.kind is DocumentKind.NONE:
                self.missing += 1
                self._require_nothing(one)
            elif entry.record_hash is None:
                self._check_document(one, entry, document, kept)
            elif kept is not None:
                self._check_record(one, entry.record_hash)
            if kept is None and document.kind is not DocumentKind.NONE:
                origin = log_origin(self.segment.manifest.bus, one.partition)
                self.absent.append((str(entry.source), origin, one.number))
        except GovbusError as err:
            self._find(Check.ARCHIVE, one, "frames that follow docs/specs/archive.md", err.message, None)

    def _require_nothing(self, one: ArchivedEntry) -> None:
        if one.value:
            self._find(Check.ARCHIVE, one, "no value where there is no document", "a value", layout.VALUES)

    def _check_record(self, one: ArchivedEntry, expected: bytes) -> None:
        """A record that nothing signed speaks for is named by its hash, values and all."""
        record = one.record(decode_log_entry(one.octets))
        if record is None or record_hash(record) != expected:
            self._find(Check.RECORD, one, "the record that the entry names by its hash", "another", None)

    def _check_document(
        self, one: ArchivedEntry, entry: EntryFields, document: ArchivedDocument, kept: KeptValue | None
    ) -> None:
        """The signed headers, and the value while it is there, are those of the statement."""
        try:
            statement = None if entry.statement is None else Statement.from_bytes(entry.statement)
        except MetadataError:
            statement = None
        if statement is None:
            self._find(Check.STATEMENT, one, "a statement, or the hash of the record", "neither", None)
            return
        if base64url(hashlib.sha256(lines_of(document)).digest()) != statement.headers:
            expected = "the signed headers that the statement names"
            self._find(Check.HEADERS, one, expected, "others", layout.DOCUMENTS)
        if kept is None:
            return
        avro = memoryview(kept.value or b"")[FRAME_BYTES:]
        digest = hashlib.sha256(b"".join(kept.salts))
        digest.update(avro)
        if len(avro) != statement.length or base64url(digest.digest()) != statement.value:
            expected = "the value and salt that the statement names"
            self._find(Check.VALUE, one, expected, "others", layout.VALUES)

    def _find(self, check: Check, one: ArchivedEntry, expected: str, found: str, name: str | None) -> None:
        path = layout.segment_path(self.segment.manifest.segment)
        self.findings.append(
            finding(
                check,
                path if name is None else f"{path}/{name}",
                expected,
                found,
                entry=one.number,
                origin=log_origin(self.segment.manifest.bus, one.partition),
            )
        )
