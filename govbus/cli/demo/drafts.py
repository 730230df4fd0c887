"""Drafts of documents, in which one thing can be changed before everything is signed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from govbus.adapters.outgoing import DocumentIds, DocumentTemplate, OutgoingDocument
from govbus.document import topics
from govbus.document.ids import AgencyId, Origin
from govbus.document.record import SALT, SALT_BYTES, SIGNATURE, STATEMENT, frame
from govbus.document.statement import Statement, headers_hash, value_hash
from govbus.signing.jws import STATEMENT_TYP, sign_detached
from govbus.signing.signer import Signer
from govbus.transport.base import OutRecord


@dataclass(frozen=True, slots=True)
class Draft:
    """A document on its way to a record; a fault changes one field of it, and `to_record` signs what is there."""

    origin: Origin
    index: int
    signed: Mapping[str, bytes]
    """Every ``ce_*`` header and ``content-type``."""
    avro: bytes
    schema_id: int
    """Of the Confluent frame."""
    schema_hash: str
    """Of the statement's ``schema`` line."""
    time_ms: int
    signer: Signer
    salt: bytes = field(default_factory=lambda: os.urandom(SALT_BYTES))
    rewrite: Callable[[bytes], bytes] = bytes
    """Changes the statement before it is signed."""
    tamper: Callable[[OutRecord], OutRecord] = lambda record: record
    """Changes the record after it was signed."""

    def to_record(self) -> OutRecord:
        """Return the signed record for the origin's outbox."""
        topic = topics.outbox(self.origin.agency)
        statement = self.rewrite(
            Statement(
                self.origin,
                self.index,
                topic,
                headers_hash(dict(self.signed)),
                self.schema_hash,
                len(self.avro),
                value_hash(self.salt, self.avro),
                self.time_ms,
            ).to_bytes()
        )
        headers = (
            *self.signed.items(),
            (STATEMENT, statement),
            (SALT, self.salt),
            (SIGNATURE, sign_detached(self.signer, statement, typ=STATEMENT_TYP, at_ms=self.time_ms)),
        )
        key = str(self.origin).encode("ascii")
        value = frame(self.schema_id, self.avro)
        return self.tamper(OutRecord(topic, None, key, value, headers, self.time_ms))


@dataclass(frozen=True, slots=True)
class Workbench:
    """What bad documents are made of; everything but what a field says otherwise is in the directory and good."""

    template: DocumentTemplate
    """Constants of a good exchange; the outbox in it does not matter."""
    metadata: Mapping[str, Any]
    """A good ``govbus.core.RecordMetadata``."""
    body: Mapping[str, Any]
    """A good payload of the template's schema."""
    signer: Signer
    """Of the template's agency."""
    foreign_signer: Signer
    """Of another registered agency."""
    unknown_signer: Signer
    """Whose certificate is not in the directory."""
    expired_signer: Signer
    """Of the template's agency, with a certificate that expired before `at_ms`."""
    future_signer: Signer
    """Of the template's agency, with a certificate that is not yet valid at `at_ms`."""
    expired_agreement: str
    """Like the template's, but over."""
    foreign_agreement: str
    """Like the template's, but of another supplier."""
    foreign_agency: AgencyId
    """A registered agency whose outbox topic exists; a replayed document is put there."""
    unknown_agency: AgencyId
    """An agency that is not registered, whose outbox topic exists nevertheless."""
    at_ms: int
    """Time of every document, milliseconds since 1970."""
    outbox_prefix: str = "fault"
    ids: DocumentIds = field(default_factory=DocumentIds)

    def draft(self, number: int) -> Draft:
        """Return a good document: the first of an outbox of its own, which the number names."""
        origin = replace(self.template.origin, outbox=f"{self.outbox_prefix}-{number:03d}")
        template = replace(self.template, origin=origin)
        document_id = self.ids.new(self.at_ms)
        encoded = template.encode(OutgoingDocument(document_id, None, self.at_ms, self.metadata, self.body))
        return Draft(
            origin=origin,
            index=0,
            signed=encoded.signed,
            avro=encoded.avro,
            schema_id=encoded.schema_id,
            schema_hash=encoded.schema_hash,
            time_ms=self.at_ms,
            signer=self.signer,
        )

    def new_id(self) -> bytes:
        """Return an id that no document has yet."""
        return self.ids.new(self.at_ms).encode("ascii")

    def avro(self, **metadata: Any) -> bytes:
        """Return the Avro bytes of the good document with other metadata."""
        return self.template.schema.codec.encode({"record": {**self.metadata, **metadata}, "body": self.body})
