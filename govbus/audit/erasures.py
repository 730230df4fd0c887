"""Erasures: an entry that says so must rest on an order by somebody who may, about a decision that stands before it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from govbus.audit.report import FINDINGS_KEPT_MAX, AuditFinding, AuditReport, Check
from govbus.document.decision import LogEntry, SourcePosition
from govbus.document.record import Record
from govbus.document.statement import Statement, statement_hash
from govbus.errors import MetadataError, RuleError
from govbus.message_log.erasure import ErasureOrder, verify_erasure
from govbus.routing.directory.model import Directory
from govbus.routing.history import History
from govbus.routing.trust.check import require_unrevoked
from govbus.routing.trust.status import RevocationRecords
from govbus.signing.jws import DetachedSignature
from govbus.signing.signature_policy import ProvenSignature
from govbus.transport.base import TopicPartition


def require_lawful(entry: LogEntry, directory: Directory, revocations: RevocationRecords) -> ErasureOrder:
    """Return the order behind an erasure, once somebody gave it who may, by certificates that were not revoked then.

    Args:
        entry: of the message log.
        directory: the version that it names.
        revocations: as far as they are known; at least as many as it says it rests on.

    Raises:
        RuleError: as `verify_erasure`; also if a certificate was revoked by its authority, or the entry rests on more
            revocation material than there is.
    """
    order = verify_erasure(entry, directory, directory.bus)
    if not 0 <= entry.revocations <= revocations.count:
        raise MetadataError(
            f"erasure: rests on {entry.revocations} records of revocation material, there are {revocations.count}",
            rule="SEC-3",
            field="erasure",
        )
    named = [directory.certificate(DetachedSignature.from_bytes(one).thumbprint) for one in entry.signatures]
    proven = tuple(ProvenSignature(one, is_over_batch=False) for one in named if one is not None)
    state = revocations.state(entry.revocations)
    require_unrevoked(proven, directory.revocation, state, time_ms=order.time_ms)
    return order


def erasure_finding(
    record: Record,
    entry: LogEntry,
    directories: Mapping[int, Directory],
    history: History | None,
    revocations: RevocationRecords,
) -> AuditFinding | None:
    """Return what is wrong with an erasure, or None where it is in order.

    Args:
        record: the entry as it stands in the message log.
        entry: the same, decoded.
        directories: every version by its number.
        history: the past as the entries before tell it; None where only the order itself is looked at.
        revocations: every record of revocation material.
    """
    expected = "an order to erase by the bus or the document's agency, about a decision before it"
    directory = directories.get(entry.directory_version)
    if directory is None:
        found = f"version {entry.directory_version} of the directory, which is not known"
        return _finding(record, entry, expected, found)
    try:
        require_lawful(entry, directory, revocations)
        is_known = history is None or _is_decided(entry, history)
    except RuleError as err:
        return _finding(record, entry, expected, err.message)
    return (
        None if is_known else _finding(record, entry, expected, "no decision about that document before it")
    )


def _is_decided(entry: LogEntry, history: History) -> bool:
    """Return whether the document was decided about; what used up no index leaves no past to compare with."""
    if entry.statement is None or entry.record_hash is not None:
        return True
    statement = Statement.from_bytes(entry.statement)
    prior = history.at_index(statement.origin, statement.index)
    return prior is not None and prior.statement_hash == statement_hash(entry.statement)


def _finding(record: Record, entry: LogEntry, expected: str, found: str) -> AuditFinding:
    return AuditFinding(
        Check.ERASURE, record.topic, record.partition, record.offset, expected, found, source=entry.source
    )


class DeletedRecords:
    """Outbox records that the broker no longer has, until it is known whether erasures explain that.

    A record that is erased takes those before it in its partition along (ADR 14). So where a partition begins right
    behind a record that was erased by a lawful order, what is gone is said as a note; anywhere else it is a finding.
    """

    def __init__(self) -> None:
        """Start with nothing gone."""
        self._gone: dict[TopicPartition, list[AuditFinding]] = {}
        self._counts: Counter[TopicPartition] = Counter()
        self._erased: dict[TopicPartition, int] = {}
        self._uncounted = 0

    def take_uncounted(self, count: int) -> None:
        """Take in that more are gone, of which nobody kept where."""
        self._uncounted += count

    def take(self, finding: AuditFinding) -> None:
        """Take in that the record of an entry is gone."""
        if finding.source is not None:
            source = TopicPartition(*finding.source[:2])
            self._counts[source] += 1
            if len(self._gone.setdefault(source, [])) < FINDINGS_KEPT_MAX:
                self._gone[source].append(finding)

    def explain(self, source: SourcePosition) -> None:
        """Take in that a record was erased by an order that holds."""
        partition = TopicPartition(*source[:2])
        self._erased[partition] = max(self._erased.get(partition, -1), source.offset)

    def finish(self, report: AuditReport, beginnings: Mapping[TopicPartition, int]) -> None:
        """Report what nothing explains, and note what erasures do."""
        for source, count in sorted(self._counts.items()):
            if beginnings.get(source, 0) == self._erased.get(source, -1) + 1:
                report.notes.append(
                    f"{source.topic}/{source.partition}: {count:,} records left the broker with one that was erased; "
                    "to check them, verify the archive"
                )
                continue
            report.extend(self._gone[source])
            hidden = count - len(self._gone[source]) + self._uncounted
            self._uncounted = 0  # they count as missed as soon as anything is
            report.findings_total += hidden
            report.by_check[Check.RETENTION.value] += hidden
