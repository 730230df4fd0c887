"""What stands on the topics of recipients, senders and operator, named so that it can be compared."""

from __future__ import annotations

import re
from collections.abc import Mapping

from govbus.audit.expectations import document_name
from govbus.audit.receipts import bus_seals, require_bus_signature
from govbus.audit.report import AuditFinding, AuditReport, Check
from govbus.audit.tally import Ledger, Naming, Presence
from govbus.document import topics
from govbus.document.decision import SourcePosition
from govbus.document.record import ROUTE, Record
from govbus.errors import RuleError
from govbus.routing.directory.model import Directory
from govbus.schemas.core import RECEIPT_ID, decode_receipt
from govbus.transport.base import TopicPartition

_RECEIPT_TYPE = b"govbus.receipt.v1"
_FINDING = "gb-finding"
_DECISION = re.compile(rb"(?:^| )decision=(\S+)/([0-9]{1,9})@([0-9]{1,19})(?: |$)")


class Presences:
    """Names the records of recipient topics and checks what each shows by itself."""

    def __init__(
        self,
        naming: Naming,
        ledger: Ledger,
        directories: Mapping[int, Directory],
        decided_until: Mapping[TopicPartition, int],
        beginnings: Mapping[TopicPartition, int],
        report: AuditReport | None,
    ) -> None:
        """Take what is needed to judge a record.

        Args:
            naming: the names of this audit.
            ledger: takes what is seen.
            directories: to know the keys of the bus.
            decided_until: offset of the last outbox record with an entry, by outbox partition; copies of later ones
                are of decisions after the end of this audit.
            beginnings: first offset that the broker still has, by outbox partition; copies of earlier records cannot
                be compared with anything.
            report: takes counts and findings; None in a second reading.
        """
        self._naming = naming
        self._ledger = ledger
        self._decided_until = decided_until
        self._beginnings = beginnings
        self._report = report
        self._bus_seals = bus_seals(directories)

    def take(self, record: Record) -> None:
        """See one record of an inbox, a publication topic or the quarantine."""
        if any(name == "ce_type" and value == _RECEIPT_TYPE for name, value in record.headers):
            self._take_receipt(record)
        else:
            self._take_copy(record)

    def _take_copy(self, record: Record) -> None:
        """See a document: what the router added at the end of the headers comes off, the rest must be as sent."""
        headers = record.headers
        is_held = record.topic == topics.QUARANTINE
        if is_held and headers and headers[-1][0] == _FINDING:
            headers = headers[:-1]
        source = _routed_from(headers[-1][1]) if headers and headers[-1][0] == ROUTE else None
        if source is not None and self._is_later(source):
            return
        if self._report is not None:
            if is_held:
                self._report.quarantined += 1
            else:
                self._report.delivered += 1
        if source is not None:
            if source.offset < self._beginnings.get(TopicPartition(*source[:2]), 0):
                return
            headers = headers[:-1]
        text = str(source) if source is not None else "no decision"
        name = document_name(self._naming, record.topic, text, record._replace(headers=headers), record.key)
        self._ledger.see(
            name, Presence(record.topic, record.partition, record.offset, text, is_receipt=False)
        )

    def _take_receipt(self, record: Record) -> None:
        try:
            receipt = decode_receipt(record.value)
        except RuleError as err:
            self._find(record, f"a receipt (schema id {RECEIPT_ID})", err.message, None)
            return
        if self._is_later(receipt.source):
            return
        if self._report is not None:
            self._report.receipts += 1
            try:
                require_bus_signature(record, receipt.time_ms, self._bus_seals)
            except RuleError as err:
                self._find(record, "a signature by the bus that holds", err.message, receipt.source)
        name = self._naming.receipt(record.topic, record.key, record.value or b"")
        presence = Presence(
            record.topic, record.partition, record.offset, str(receipt.source), is_receipt=True
        )
        self._ledger.see(name, presence)

    def _is_later(self, source: SourcePosition) -> bool:
        """Return whether the decision is after the end of this audit; the next audit will see it."""
        is_later = source.offset > self._decided_until.get(TopicPartition(*source[:2]), -1)
        if is_later and self._report is not None:
            self._report.pending_deliveries += 1
        return is_later

    def _find(self, record: Record, expected: str, found: str, source: SourcePosition | None) -> None:
        if self._report is not None:
            self._report.add(
                AuditFinding(
                    Check.RECEIPT,
                    record.topic,
                    record.partition,
                    record.offset,
                    expected,
                    found,
                    source=source,
                )
            )


def _routed_from(route: bytes) -> SourcePosition | None:
    match = _DECISION.search(route)
    if match is None:
        return None
    topic, partition, offset = match.groups()
    return SourcePosition(topic.decode("utf-8", "replace"), int(partition), int(offset))
