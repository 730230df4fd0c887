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
TIME_REST: Final = len(":00.123Z\n")
"""Octets of the statement's end that follow the minute."""
_TIME_BYTES: Final = len("2026-11-23T20:45:00.123Z\n")
_TEMPLATE: Final = (
    b"govbus/statement/v1\norigin %b\nindex %%d\ntopic %b\nheaders %%b\nschema %b\nlength %%d\n"
    b"value %%b\ntime %b"
)


_TWO_OCTETS: Final = 1 << 14
"""Numbers that an Avro long of two octets holds."""
_HALF: Final = _TWO_OCTETS >> 1
"""Offsets that they hold, which are not negative."""
_ONE_OCTET: Final = 0x80
_LOW: Final = [bytes([2 * low & 0x7F | 0x80, low >> 6]) for low in range(_HALF)]
"""The two octets of an offset that has no more; below 64 one is enough."""
_LOW_OF_MORE: Final = [bytes([2 * low & 0x7F | 0x80, low >> 6 | 0x80]) for low in range(_HALF)]
"""The first two octets of an offset that has more of them."""
OFFSET_LOW: Final = _HALF - 1
"""Bits of an offset that stand in its first two octets."""
OFFSET_HIGH: Final = OFFSET_LOW.bit_length()
"""How far the others are shifted."""


@dataclass(slots=True, eq=False)
class Course:
    """Octets at known places that the next entry of an origin has, once offset, lengths and digits are as many.

    It never makes anything hold that would not hold without it: all octets are compared but those of the document id,
    of the end of the time, and of the path or signature, which are looked at as for any other entry.
    """

    offset_high: int
    """The offset without the bits of its first two octets."""
    offset_low: list[bytes]
    """The first two octets of the offset, by those bits."""
    low_at: int
    """Where they stand."""
    high: bytes
    """What follows up to the document id: the rest of the offset, and the length of the id."""
    high_at: int
    id_at: int
    statement_at: int
    """Where the length of the statement stands, behind the id."""
    statement: bytes
    """That length and the statement, to be filled as `Known.statement`."""
    statement_bytes: int
    """Once it is filled."""
    text_at: int
    """Where the statement itself begins."""
    time_at: int
    """Where the end of the statement's time stands."""
    time_end: int
    varying_at: int
    """Where the path or signature stands."""
    varying_end: int


def course_of(known: Known, place: EntryPlace) -> Course | None:
    """Return where everything stands in the next entry, or None if its offset may be short.

    Args:
        known: what entries of the origin look like, which the entry before was found to have.
        place: where the parts of that entry stand.
    """
    offset = known.source.last + 1
    if offset < _ONE_OCTET >> 1:
        return None
    high = offset >> OFFSET_HIGH
    octets = bytearray()
    while high:
        octets.append(high & 0x7F | (0x80 if high > 0x7F else 0))  # noqa: PLR2004  # seven bits an octet
        high >>= 7
    low_bytes = 2
    id_start = known.head_bytes + low_bytes + len(octets) + 2
    entry, text_at = place.entry, place.statement_start
    length = place.statement_end - text_at
    after_id = id_start + place.id_bytes
    if after_id + 3 != text_at or entry[id_start - 1] != 2 * place.id_bytes:
        return None  # the offset before had another number of octets
    prefix = entry[after_id:text_at]
    varying_at = place.statement_end - 1 + known.middle_bytes
    return Course(
        offset >> OFFSET_HIGH,
        _LOW_OF_MORE if octets else _LOW,
        known.head_bytes,
        bytes(octets) + entry[id_start - 2 : id_start],
        known.head_bytes + low_bytes,
        id_start,
        after_id,
        prefix.replace(b"%", b"%%") + known.statement,
        len(prefix) + length - TIME_REST,
        text_at,
        place.statement_end - TIME_REST,
        place.statement_end,
        varying_at,
        varying_at + known.varying_bytes,
    )


class EntryPlace(NamedTuple):
    """Where the parts of an entry stand that is like the one before it."""

    entry: bytes
    id_bytes: int
    statement_start: int
    statement_end: int


@dataclass(slots=True, eq=False)
class Known:
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
    course: Course | None = None
    """Where everything stands in the next entry, if it has the places of the one before."""


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
