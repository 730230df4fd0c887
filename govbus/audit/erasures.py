"""Erasures: an entry that says so must rest on an order by somebody who may, about a decision that stands before it."""

from __future__ import annotations

from collections.abc import Mapping

from govbus.audit.report import AuditFinding, Check
from govbus.document.decision import LogEntry
from govbus.document.record import Record
from govbus.document.statement import Statement, statement_hash
from govbus.errors import RuleError
from govbus.message_log.erasure import verify_erasure
from govbus.routing.directory.model import Directory
from govbus.routing.history import History


def erasure_finding(
    record: Record, entry: LogEntry, directories: Mapping[int, Directory], history: History | None
) -> AuditFinding | None:
    """Return what is wrong with an erasure, or None where it is in order.

    Args:
        record: the entry as it stands in the message log.
        entry: the same, decoded.
        directories: every version by its number.
        history: the past as the entries before tell it; None where only the order itself is looked at.
    """
    expected = "an order to erase by the bus or the document's agency, about a decision before it"
    directory = directories.get(entry.directory_version)
    if directory is None:
        found = f"version {entry.directory_version} of the directory, which is not known"
        return _finding(record, entry, expected, found)
    try:
        verify_erasure(entry, directory, directory.bus)
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
