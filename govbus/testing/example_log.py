"""A message log made up as one wants it, without a broker: real documents, signatures, batches and entries.

For tests and measurements of what reads logs: many origins take turns, each with documents of a given size, in
batches or signed one by one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from govbus.audit.evidence.material import Material
from govbus.document import topics
from govbus.document.decision import LogEntry, SourcePosition
from govbus.document.encoding import base64url, time_text
from govbus.document.finding import Outcome
from govbus.document.ids import AgencyId, Origin
from govbus.document.record import frame
from govbus.document.statement import Statement, headers_hash, value_hash
from govbus.schemas.core import encode_log_entry
from govbus.signing.batch import seal_batch
from govbus.signing.jws import STATEMENT_TYP, sign_detached
from govbus.signing.signer import Signer

SCHEMA_ID = 100
TICK_MS = 20
"""Between two documents of one origin."""


class MadeDocument(NamedTuple):
    """One document before it is decided about."""

    signed: dict[str, bytes]
    statement: bytes
    salt: bytes
    value: bytes
    """Framed."""
    signatures: tuple[bytes, ...]
    batch: bytes | None
    path: bytes

    @property
    def headers(self) -> tuple[tuple[str, bytes], ...]:
        """The headers of its record."""
        rest: list[tuple[str, bytes]] = [("gb-stmt", self.statement), ("gb-salt", self.salt)]
        rest += [("gb-sig", one) for one in self.signatures]
        if self.batch is not None:
            rest += [("gb-batch", self.batch), ("gb-path", self.path)]
        return (*self.signed.items(), *rest)


@dataclass
class DocumentMaker:
    """Makes the documents of one origin, in index order."""

    origin: Origin
    signers: Sequence[Signer]
    at_ms: int
    body: bytes
    """Stands for the Avro bytes; the first four octets are replaced by the index."""
    next: int = 0
    shared: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.shared = {
            "content-type": b"application/avro",
            "ce_specversion": b"1.0",
            "ce_source": self.origin.source_uri.encode(),
            "ce_type": b"example.tax.notice.v1",
            "ce_dataschema": b"https://bus.example/schemas/tax.notice/1",
            "ce_agreementid": b"tax-moj",
            "ce_dataclassification": b"internal",
            "ce_datacategory": b"non-pii",
            "ce_accesslevel": b"non-public",
            **self.shared,
        }

    def documents(self, count: int, *, in_batch: bool = True) -> list[MadeDocument]:
        """Make and sign the next documents: as one batch, or each alone."""
        start, self.next = self.next, self.next + count
        drafts = [self._draft(index) for index in range(start, start + count)]
        statements = [draft[1] for draft in drafts]
        signed_ms = self.at_ms + start * TICK_MS
        if not in_batch:
            return [
                MadeDocument(
                    *draft,
                    tuple(
                        sign_detached(signer, draft[1], typ=STATEMENT_TYP, at_ms=signed_ms)
                        for signer in self.signers
                    ),
                    None,
                    b"",
                )
                for draft in drafts
            ]
        sealed = seal_batch(self.signers, self.origin, start, statements, at_ms=signed_ms)
        return [
            MadeDocument(*draft, sealed.signatures, sealed.text, path)
            for draft, path in zip(drafts, sealed.paths, strict=True)
        ]

    def _draft(self, index: int) -> tuple[dict[str, bytes], bytes, bytes, bytes]:
        time = time_text(self.at_ms + index * TICK_MS)
        name = f"019ab2f1-{index >> 16:04x}-7{index & 0xFFF:03x}-8a1d-{index:012x}"
        signed = {**self.shared, "ce_id": name.encode(), "ce_time": time.encode()}
        avro = index.to_bytes(4, "big") + self.body[4:]
        salt = hashlib.sha256(name.encode()).digest()[:16]
        statement = Statement(
            self.origin,
            index,
            topics.outbox(self.origin.agency),
            headers_hash(signed),
            "9f" * 32,
            len(avro),
            value_hash(salt, avro),
            self.at_ms + index * TICK_MS,
        ).to_bytes()
        return signed, statement, salt, frame(SCHEMA_ID, avro)


def header_lines(signed: dict[str, bytes]) -> bytes:
    """Return the lines that the statement's ``headers`` hash is over."""
    return b"".join(f"{name}:{base64url(signed[name])}\n".encode() for name in sorted(signed))


def accepted_entry(
    made: MadeDocument,
    source: SourcePosition,
    *,
    time_ms: int,
    receipt_first: int,
    directory_version: int = 1,
) -> LogEntry:
    """Return the entry about an accepted document."""
    return LogEntry(
        decision=Outcome.ACCEPTED,
        time_ms=time_ms,
        source=source,
        document_id=made.signed["ce_id"].decode(),
        statement=made.statement,
        signatures=made.signatures,
        batch=made.batch,
        path=made.path,
        record_hash=None,
        directory_version=directory_version,
        findings=(),
        recipients=("govbus.in.moj.example",),
        receipt_first=receipt_first,
        agreement="tax-moj",
    )


def material(made: MadeDocument, entry: LogEntry) -> Material:
    """Return what an audit reads about an accepted document."""
    return Material(encode_log_entry(entry), header_lines(made.signed), made.salt, made.value, None, None)


def interleaved(
    makers: Sequence[DocumentMaker], documents: int, *, batch: int, run: int = 64
) -> Iterator[Material]:
    """Yield the materials of one log partition in which origins take turns, document by document.

    Args:
        makers: one for each origin.
        documents: of each of them.
        batch: documents of one batch; 1 signs each alone.
        run: documents of one receipt, and of one origin in one transaction of the router.
    """
    offsets = {maker.origin.text: 0 for maker in makers}
    for start in range(0, documents, batch if batch > 1 else run):
        count = min(batch if batch > 1 else run, documents - start)
        columns = [maker.documents(count, in_batch=batch > 1) for maker in makers]
        for place in range(count):
            first = (start + place) // run * run
            for maker, column in zip(makers, columns, strict=True):
                topic = topics.outbox(maker.origin.agency)
                offset = offsets[maker.origin.text]
                offsets[maker.origin.text] = offset + 1
                source = SourcePosition(topic, 0, offset)
                time_ms = maker.at_ms + first * TICK_MS + 50
                yield material(
                    column[place], accepted_entry(column[place], source, time_ms=time_ms, receipt_first=first)
                )


def example_origins(count: int) -> list[Origin]:
    """Return origins of as many agencies."""
    return [Origin(AgencyId(f"agency-{number}.example"), "main") for number in range(count)]
