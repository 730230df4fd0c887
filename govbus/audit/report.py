"""What an audit found: located findings, counts, and both as text or JSON."""

from __future__ import annotations

import enum
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from govbus.document.decision import SourcePosition
from govbus.document.encoding import time_text

FINDINGS_KEPT_MAX = 1000
"""Findings kept in full; those beyond are counted."""


class Check(enum.StrEnum):
    """What was checked when a finding came up."""

    CHECKPOINT = "checkpoint"
    """A checkpoint is well-formed, signed by the log's keys, and of the partition that it stands for."""
    TREE = "tree"
    """The entries give the root of every checkpoint, and none is missing at the end."""
    FORK = "fork"
    """No two checkpoints state different roots for one size."""
    ENTRY = "entry"
    """A log entry reads, and stands under the right key in the right partition."""
    DECIDED = "decided"
    """Every outbox record has exactly one entry, in the order of the outbox."""
    DECISION = "decision"
    """Deciding again about the same record gives the same entry."""
    DELIVERY = "delivery"
    """Every accepted document stands exactly once, unchanged, in each recipient topic, and nothing else does."""
    QUARANTINE = "quarantine"
    """Every held record stands exactly once, as received, in the quarantine, and nothing else does."""
    RECEIPT = "receipt"
    """Every decision is covered by a receipt that the bus signed, and no receipt says anything else."""
    DIRECTORY = "directory"
    """The directory version that an entry names is known."""
    RETENTION = "retention"
    """The broker still has what the audit needs."""
    STATEMENT = "statement"
    """The statement of an entry follows its grammar and is about the place that the entry names."""
    HEADERS = "headers"
    """The signed headers are the ones that the statement names."""
    VALUE = "value"
    """The value has the length and the hash that the statement names, or was lawfully erased."""
    SIGNATURE = "signature"
    """Every signature over a statement or a batch of statements holds."""
    BATCH = "batch"
    """The statement stands in its batch, and the batches of an origin follow one another without gap or overlap."""
    CERTIFICATE = "certificate"
    """Each signature's certificate is the agency's own, and was valid and unrevoked at the statement's time."""
    REVOCATION = "revocation"
    """Every record of revocation material is an authority's own word, and entries rest on records that are there."""
    SEQUENCE = "sequence"
    """The documents of an origin are numbered densely: none is missing, inserted, or out of order."""
    RECORD = "record"
    """A record that no signature speaks for is the one that the entry names by its hash."""
    HEADS = "heads"
    """The log of the partitions' checkpoints gives the root of every head checkpoint."""
    COSIGNATURE = "cosignature"
    """The witnesses that the auditor trusts cosigned, as many as the policy asks for."""
    TIMESTAMP = "timestamp"
    """Timestamps over head checkpoints hold, by authorities that the auditor trusts."""
    TILE = "tile"
    """Every tile and entry bundle is what the entries give."""
    ARCHIVE = "archive"
    """The files of an archive are the ones in its manifests, and the manifests are one chain."""
    ERASURE = "erasure"
    """Content was erased only by an order that somebody who may gave, and the log has the decision about it before."""


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """One difference, with the place to look at. It never repeats payload or personal data."""

    check: Check
    topic: str
    partition: int | None
    """None where a record is missing from a topic and no partition can be named."""
    offset: int | None
    expected: str
    found: str
    origin: str | None = None
    index: int | None = None
    source: SourcePosition | None = None
    """The outbox record that it is about, where it is about one."""
    entry: int | None = None
    """Number of the entry in its log partition, from 0, where it is about one and that is known."""

    def to_text(self) -> str:
        """Return one line for people."""
        place = self.topic
        if self.partition is not None:
            place += f"/{self.partition}"
        if self.offset is not None:
            place += f"@{self.offset}"
        elif self.entry is not None:
            place += f" entry {self.entry}"
        about = ""
        if self.origin is not None:
            about = f" ({self.origin}" + (f" index {self.index})" if self.index is not None else ")")
        elif self.source is not None and self.source.topic != self.topic:
            about = f" ({self.source})"
        return f"{self.check}: {place}{about}: expected {self.expected}, found {self.found}"

    def to_json(self) -> dict[str, Any]:
        """Return the finding as JSON values."""
        return {
            "check": self.check.value,
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "entry": self.entry,
            "origin": self.origin,
            "index": self.index,
            "source": str(self.source) if self.source is not None else None,
            "expected": self.expected,
            "found": self.found,
        }


@dataclass(frozen=True, slots=True)
class Covered:
    """One piece of material, and the entries that cannot be changed any more without contradicting it."""

    material: str
    """``cosignature``, ``quorum``, ``timestamp``, ``known checkpoint`` or ``receipts``."""
    by: str
    """Name of the witness or authority, or where the auditor has it from."""
    time_ms: int | None
    """When it was made, by its own word, milliseconds since 1970."""
    sizes: dict[int, int]
    """Entries that it vouches for, by log partition."""

    def to_text(self) -> str:
        """Return one line for people."""
        at = f" at {time_text(self.time_ms)}" if self.time_ms is not None else ""
        sizes = ", ".join(f"{partition}: {size:,}" for partition, size in sorted(self.sizes.items()))
        return f"{self.material} by {self.by}{at}: {sum(self.sizes.values()):,} entries (partition {sizes})"

    def to_json(self) -> dict[str, Any]:
        """Return the same as JSON values."""
        return {
            "material": self.material,
            "by": self.by,
            "time": time_text(self.time_ms) if self.time_ms is not None else None,
            "entries": sum(self.sizes.values()),
            "sizes": {str(partition): size for partition, size in sorted(self.sizes.items())},
        }


@dataclass(slots=True)
class AuditReport:
    """Everything that one audit established."""

    findings: list[AuditFinding] = field(default_factory=list)
    """The first ones of every check, in the order in which they came up."""
    findings_total: int = 0
    by_check: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    """Log entries by decision."""
    rules: Counter[str] = field(default_factory=Counter)
    """Findings in the log's entries by rule."""
    entries: int = 0
    entries_after_checkpoint: int = 0
    """Entries that no checkpoint covers yet."""
    checkpoints: int = 0
    signatures_verified: int = 0
    """Documents whose signatures held."""
    delivered: int = 0
    """Records of documents in recipient topics."""
    quarantined: int = 0
    receipts: int = 0
    pending: int = 0
    """Outbox records after the last entry about their partition: not decided yet."""
    pending_deliveries: int = 0
    """Records in recipient topics whose decisions are after the end of this audit."""
    roots: dict[int, str] = field(default_factory=dict)
    """Root of every log partition as recomputed, in hex."""
    sizes: dict[int, int] = field(default_factory=dict)
    heads: int = 0
    """Entries of the head tree: checkpoints of partitions, each once."""
    head_root: str = ""
    """Root of the head tree as recomputed, in hex."""
    heads_witnessed: int = 0
    """Entries of the head tree that a quorum of the auditor's witnesses vouches for."""
    timestamps: int = 0
    """Timestamps over head checkpoints that hold."""
    notes: list[str] = field(default_factory=list)
    """What could not be checked, and why."""
    established: str = "every decision, delivery, receipt and checkpoint is as the evidence says"
    """What a report without findings says."""
    coverage: list[Covered] = field(default_factory=list)
    """Material outside the operator's control, and how far it vouches for the log."""

    @property
    def is_clean(self) -> bool:
        """Whether nothing differs."""
        return self.findings_total == 0

    @property
    def operator_only(self) -> int:
        """Entries that nothing vouches for but the operator's own signatures."""
        return sum(
            size - min(size, max((one.sizes.get(partition, 0) for one in self.coverage), default=0))
            for partition, size in self.sizes.items()
        )

    def add(self, finding: AuditFinding) -> None:
        """Take a finding in."""
        self.findings_total += 1
        self.by_check[finding.check.value] += 1
        if self.by_check[finding.check.value] <= FINDINGS_KEPT_MAX // len(Check):
            self.findings.append(finding)

    def extend(self, findings: Iterable[AuditFinding]) -> None:
        """Take findings in."""
        for finding in findings:
            self.add(finding)

    def to_json(self) -> str:
        """Return the report as a JSON text."""
        return json.dumps(
            {
                "log_verified": self.is_clean,
                "log_entries": self.entries,
                "log_entries_after_checkpoint": self.entries_after_checkpoint,
                "checkpoints": self.checkpoints,
                "outcomes": dict(sorted(self.outcomes.items())),
                "rules": dict(sorted(self.rules.items())),
                "signatures_verified": self.signatures_verified,
                "delivered": self.delivered,
                "quarantined": self.quarantined,
                "receipts": self.receipts,
                "pending": self.pending,
                "pending_deliveries": self.pending_deliveries,
                "roots": {str(partition): root for partition, root in sorted(self.roots.items())},
                "sizes": {str(partition): size for partition, size in sorted(self.sizes.items())},
                "heads": self.heads,
                "head_root": self.head_root,
                "heads_witnessed": self.heads_witnessed,
                "timestamps": self.timestamps,
                "coverage": [one.to_json() for one in self.coverage],
                "operator_only": self.operator_only,
                "notes": self.notes,
                "findings_total": self.findings_total,
                "findings": [finding.to_json() for finding in self.findings],
            },
            indent=2,
        )

    def to_text(self) -> str:
        """Return the report for people."""
        outcomes = (
            ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(self.outcomes.items())) or "none"
        )
        lines = [
            f"log entries      {self.entries:,} ({outcomes})",
            f"checkpoints      {self.checkpoints:,}; {self.entries_after_checkpoint:,} entries after the last one",
            f"head tree        {self.heads:,} entries, {self.heads_witnessed:,} witnessed; "
            f"{self.timestamps:,} timestamps",
            f"signatures       {self.signatures_verified:,} documents verified",
            f"delivered        {self.delivered:,} records, {self.receipts:,} receipts",
            f"quarantined      {self.quarantined:,} records",
            f"not decided yet  {self.pending:,}",
        ]
        lines += [f"covered          {one.to_text()}" for one in self.coverage]
        lines.append(
            f"not covered      {self.operator_only:,} entries by anything but the operator's own signatures"
        )
        lines += [f"note             {note}" for note in self.notes]
        if self.is_clean:
            lines.append(f"The log verifies: {self.established}.")
        else:
            lines += ["", f"{self.findings_total:,} findings:"]
            lines += [finding.to_text() for finding in self.findings]
            hidden = self.findings_total - len(self.findings)
            if hidden:
                lines.append(f"and {hidden:,} more")
        return "\n".join(lines)
