"""What documents of one origin have in common from one to the next, kept as bytes to compare with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from govbus.audit.evidence.batches import OpenBatch
from govbus.audit.evidence.entry_reader import EntryFields
from govbus.audit.evidence.material import Material
from govbus.audit.evidence.result import OriginEdges, SourceEdges
from govbus.audit.evidence.sequence import OriginSequence
from govbus.audit.evidence.signatures import SignatureCheck, Span
from govbus.document.finding import Outcome
from govbus.document.statement import Statement

_MINUTE: Final = len("2026-11-23T20:45")
_TIME_BYTES: Final = len("2026-11-23T20:45:00.123Z\n")
_TEMPLATE: Final = (
    b"govbus/statement/v1\norigin %b\nindex %%d\ntopic %b\nheaders %%b\nschema %b\nlength %%d\n"
    b"value %%b\ntime %b"
)


class Known(NamedTuple):
    """What an entry of an origin looked like, so that the next one can be compared with it byte by byte."""

    head: bytes
    """Up to the offset of the record that it is about."""
    head_bytes: int
    statement: bytes
    """The statement up to the minute of its time, to be filled with index, headers, length and value."""
    middle: bytes
    """From the end of the statement's time to what varies: the path in a batch, or the one signature."""
    middle_bytes: int
    varying_bytes: int
    tail: bytes
    tail_bytes: int
    source: SourceEdges
    edges: OriginEdges
    thumbprint: str | None
    """Certificate of its one signature; None in a batch."""
    batch_thumbprint: str | None
    """Certificate of the one signature over its batch; None where it has one of its own."""
    origin: bytes
    """The statement up to the end of its origin."""


@dataclass(slots=True)
class OriginState:
    """One origin under way."""

    sequence: OriginSequence
    known: Known | None = None
    """None where the next entry takes the long way."""
    batch: OpenBatch | None = None
    """Whose statements come one after the other."""
    after: OriginState | None = None
    """Whose document came after this one's the last time: origins mostly take turns in one order."""


def known_of(
    fields: EntryFields,
    statement: Statement,
    material: Material,
    *,
    span: Span,
    source: SourceEdges,
    edges: OriginEdges,
    signatures: SignatureCheck,
) -> Known | None:
    """Return what an entry looks like in which everything holds; None where no other can be compared with it.

    Args:
        fields: of the entry.
        statement: its statement.
        material: as read.
        span: statement times for which its certificates are good.
        source: the outbox partition that it is about.
        edges: the origin's run of documents.
        signatures: which found its signatures to hold.
    """
    layout, octets = fields.layout, fields.statement
    is_single = fields.batch is None
    if (
        layout is None
        or octets is None
        or material.value is None
        or fields.decision is not Outcome.ACCEPTED
        or (is_single and len(fields.signatures) != 1)
    ):
        return None
    thumbprint = batch_thumbprint = None
    start, end = layout.path_start, layout.path_end
    if not is_single and len(fields.signatures) == 1:
        batch_thumbprint = signatures.batch_thumbprint(fields.batch or b"", fields.signatures[0])
    if is_single:
        signer = signatures.signer_of(fields.signatures[0])
        if signer is None:
            return None
        thumbprint = signer.thumbprint
        start, end = layout.first_signature, layout.first_signature + len(fields.signatures[0])
    minute = octets[-_TIME_BYTES : _MINUTE - _TIME_BYTES]
    if not span.first <= minute + b":00.000Z" <= minute + b":59.999Z" <= span.last:
        return None
    entry = material.entry
    head, middle = entry[: layout.offset_start], entry[layout.statement_end - 1 : start]
    template = _TEMPLATE % (
        statement.origin.text.encode("ascii"),
        statement.topic.encode("ascii"),
        statement.schema.encode("ascii"),
        minute,
    )
    return Known(
        head,
        len(head),
        template,
        middle,
        len(middle),
        end - start,
        entry[end:],
        len(entry) - end,
        source,
        edges,
        thumbprint,
        batch_thumbprint,
        template[: template.index(b"\nindex ") + 1],
    )
