"""The revocation material that decisions rest on: read in the order of the topic, each record an authority's word."""

from __future__ import annotations

from collections.abc import Mapping

from govbus.audit.report import AuditFinding, Check
from govbus.document.record import Record
from govbus.errors import UntrustedKeyError
from govbus.routing.directory.model import Directory
from govbus.routing.trust.authorities import issuers_in, require_own_word
from govbus.routing.trust.status import RevocationRecords


class RevocationAudit:
    """Takes the records of ``govbus.revocations`` in, and reports those that no authority of the bus answers for.

    Anybody may write to the topic, so such a record does no harm: every decider leaves it out. It counts all the same,
    because entries name how many records they rest on.
    """

    def __init__(self, directories: Mapping[int, Directory]) -> None:
        """Take every version of the directory, whose anchors and certificates between say who the authorities are."""
        self._issuers = tuple(issuers_in(directories.values()))
        self.records = RevocationRecords()
        """For deciding again."""

    def take(self, record: Record) -> AuditFinding | None:
        """Take in the next record, and return what is wrong with it."""
        try:
            material = self.records.take(record)
            key = material.digest.encode("ascii")
            if record.key != key:
                return _finding(record, f"key {material.digest}", "another key")
            require_own_word(material, self._issuers)
        except UntrustedKeyError as err:
            return _finding(record, "revocation material by an authority of the bus", err.message)
        return None


def _finding(record: Record, expected: str, found: str) -> AuditFinding:
    return AuditFinding(Check.REVOCATION, record.topic, record.partition, record.offset, expected, found)
