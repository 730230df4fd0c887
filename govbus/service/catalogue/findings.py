"""What the index finds out about the flow of documents: rules that no single document can break."""

from __future__ import annotations

from typing import Any, NamedTuple

from govbus.document.decision import SourcePosition
from govbus.document.finding import Breach, ReceiptFinding, Severity
from govbus.routing.rules.catalogue import explained, finding_of
from govbus.service.catalogue.database import CatalogueDatabase


class FlowFinding(NamedTuple):
    """A finding about a document that was accepted."""

    supplier: str
    document_id: str
    source: SourcePosition
    """Where the document stands in the outbox."""
    finding: ReceiptFinding

    def to_json(self) -> dict[str, Any]:
        """Return the finding as JSON can hold it."""
        return {
            "supplier": self.supplier,
            "document_id": self.document_id,
            "outbox": str(self.source),
            "rule": self.finding.rule,
            "severity": self.finding.severity.value,
            "field": self.finding.field,
            "detail": self.finding.detail,
            "citation": self.finding.citation,
            "accepted": self.finding.accepted,
        }


def flow_findings(database: CatalogueDatabase) -> list[FlowFinding]:
    """Return record ids that one supplier used for two documents without a relation that says why (rule REC-1).

    The documents were delivered, so this warns; a detail names documents and no content of theirs.
    """
    found = []
    for reuse in database.reuses():
        breach = Breach(
            "REC-1",
            "record.record_id",
            f"document {reuse.earlier_id} of {reuse.supplier} has this record_id already, and no relation replaces or "
            "isVersionOf leads to it",
            Severity.WARN,
        )
        found.append(
            FlowFinding(
                reuse.supplier,
                reuse.later_id,
                SourcePosition(reuse.topic, reuse.partition, reuse.offset),
                explained([finding_of(breach)])[0],
            )
        )
    return found
