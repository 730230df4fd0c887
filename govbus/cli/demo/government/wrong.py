"""Makes the records of wrong documents: each the first of an outbox of its own, so that no good stream notices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from govbus.adapters.outgoing import DocumentIds
from govbus.cli.demo.bad_documents import BadDocument, bad_documents
from govbus.cli.demo.drafts import Draft
from govbus.cli.demo.faults import FAULTS
from govbus.cli.demo.government.invention import Inventor
from govbus.cli.demo.government.stage import document_text, required_agreement, workbench
from govbus.cli.demo.government.violations import (
    CADENCE_FIRST,
    CADENCE_SECOND,
    VIOLATIONS,
    Violation,
)
from govbus.cli.demo.stage import Stage
from govbus.document.ids import Origin
from govbus.service.document_builder import DocumentBuilder

CADENCE_OUTBOX = "drill-cadence"


class WrongDocuments:
    """Every wrong document of the demo, made at one time."""

    def __init__(self, stage: Stage, inventor: Inventor, *, at_ms: int) -> None:
        self._stage = stage
        self._inventor = inventor
        self._at_ms = at_ms
        self._ids = DocumentIds()

    def all(self) -> list[BadDocument]:
        """Return the documents that are wrong by themselves, and the first of the two deliveries."""
        sendable = [fault for fault in FAULTS if fault.is_sendable]
        on_the_wire = bad_documents(workbench(self._stage, self._inventor, self._at_ms), len(sendable))
        return [*on_the_wire, *self._by_content(), self.first_delivery()]

    def first_delivery(self) -> BadDocument:
        """Return the good document of an agreement whose next delivery is due a while later."""
        return self._document(CADENCE_FIRST, CADENCE_OUTBOX, 0, self._at_ms)

    def second_delivery(self, at_ms: int) -> BadDocument:
        """Return the next document of that agreement, made at another time."""
        return self._document(CADENCE_SECOND, CADENCE_OUTBOX, 1, at_ms)

    def _by_content(self) -> Iterator[BadDocument]:
        for number, violation in enumerate(VIOLATIONS, 1):
            yield self._document(violation, f"drill-{number:03d}", 0, self._at_ms)

    def _document(self, violation: Violation, outbox: str, index: int, at_ms: int) -> BadDocument:
        draft = self._draft(violation, outbox, index, at_ms)
        return BadDocument(
            violation.kind,
            violation.description,
            draft.to_record(),
            violation.outcome,
            violation.rules,
            (),
        )

    def _draft(self, violation: Violation, outbox: str, index: int, at_ms: int) -> Draft:
        agreement = required_agreement(self._stage.directory, violation.agreement)
        origin = Origin(agreement.supplier, outbox)
        if agreement.records_schedule is None:
            # The builder would ask for one, and what is wrong here is that nobody has.
            births = required_agreement(self._stage.directory, "births")
            agreement = replace(agreement, records_schedule=births.records_schedule)
        # An id from ahead of time would put all later ones there: ids only ever grow.
        ids = DocumentIds() if violation.ahead_ms else self._ids
        builder = DocumentBuilder(self._stage.directory, origin, agreement, ids=ids)
        good = document_text(agreement, self._inventor, 900_000 + index)
        text = good._replace(
            body=violation.body(dict(good.body)), attributes={**good.attributes, **violation.attributes}
        )
        document, template = builder.build(text, at_ms=at_ms + violation.ahead_ms)
        document = document._replace(metadata={**document.metadata, **violation.record})
        encoded = template.encode(document)
        return Draft(
            origin=origin,
            index=index,
            signed={**encoded.signed, **violation.headers},
            avro=encoded.avro,
            schema_id=encoded.schema_id,
            schema_hash=encoded.schema_hash,
            time_ms=at_ms,
            signer=self._stage.signer(agreement.supplier),
        )
