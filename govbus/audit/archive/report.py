"""What verifying an archive came to."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from govbus.audit.report import AuditFinding, Check

if TYPE_CHECKING:
    from govbus.audit.archive.outside import Cover

FINDINGS_KEPT_MAX = 1000
"""Findings kept in full; those beyond are counted."""


def finding(
    check: Check,
    path: str,
    expected: str,
    found: str,
    *,
    offset: int | None = None,
    entry: int | None = None,
    origin: str | None = None,
) -> AuditFinding:
    """Return a finding about a file of an archive.

    Args:
        check: what was checked.
        path: of the file, from the archive's root.
        expected: what should be there.
        found: what is.
        offset: of a record in it, as on its topic.
        entry: index of a log entry.
        origin: of the log that it is about.
    """
    return AuditFinding(check, path, None, offset, expected, found, entry=entry, origin=origin)


@dataclass(slots=True)
class ArchiveReport:
    """Everything that one verification established."""

    first: int = 0
    """Number of the first segment that was verified."""
    last: int = 0
    entries: int = 0
    files: int = 0
    octets: int = 0
    """Bytes of those files."""
    checkpoints: int = 0
    """Signed checkpoints, of partitions and of all."""
    directories: int = 0
    """Versions of the directory, each signed by the governing authority."""
    missing: int = 0
    """Entries whose outbox record the broker no longer had when it was archived."""
    erased: int = 0
    """Values that are gone, as an entry about their erasure says."""
    digest: str = ""
    """Hex SHA-256 of the last manifest: who keeps it can tell later whether anything before was changed."""
    findings: list[AuditFinding] = field(default_factory=list)
    findings_total: int = 0
    by_check: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    """What could not be checked, and why."""
    covers: list[Cover] = field(default_factory=list)
    """Who but the operator vouches for each segment; empty where nobody asked."""

    @property
    def is_clean(self) -> bool:
        """Whether nothing differs."""
        return self.findings_total == 0

    def extend(self, findings: Iterable[AuditFinding]) -> None:
        """Take findings in."""
        for one in findings:
            self.findings_total += 1
            self.by_check[one.check.value] += 1
            if self.by_check[one.check.value] <= FINDINGS_KEPT_MAX // len(Check):
                self.findings.append(one)

    def to_json(self) -> str:
        """Return the report as a JSON text."""
        return json.dumps(
            {
                "archive_verified": self.is_clean,
                "segments": [self.first, self.last],
                "entries": self.entries,
                "files": self.files,
                "bytes": self.octets,
                "checkpoints": self.checkpoints,
                "directories": self.directories,
                "records_missing": self.missing,
                "values_erased": self.erased,
                "manifest": self.digest,
                "notes": self.notes,
                "covered": [one.to_json() for one in self.covers],
                "findings_total": self.findings_total,
                "findings": [one.to_json() for one in self.findings],
            },
            indent=2,
        )

    def to_text(self) -> str:
        """Return the report for people."""
        lines = [
            f"segments         {self.first} to {self.last}",
            f"log entries      {self.entries:,}",
            f"files            {self.files:,}, {self.octets:,} bytes",
            f"checkpoints      {self.checkpoints:,} signed by the log",
            f"directory        {self.directories:,} versions signed by the governing authority",
            f"values erased    {self.erased:,}",
            f"records missing  {self.missing:,}",
            f"last manifest    {self.digest}",
        ]
        lines += [f"note             {note}" for note in self.notes]
        lines += [f"vouched for      {one.to_text()}" for one in self.covers]
        if self.is_clean:
            lines.append("The archive is whole: every file, tree, chain and value is as the log's keys say.")
            return "\n".join(lines)
        lines += ["", f"{self.findings_total:,} findings:", *(one.to_text() for one in self.findings)]
        if self.findings_total > len(self.findings):
            lines.append(f"and {self.findings_total - len(self.findings):,} more")
        return "\n".join(lines)
