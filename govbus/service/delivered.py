"""What a consumer makes of a record on an inbox or publication topic: it trusts nobody and verifies again.

The router may be wrong, or not the router at all, so every step that makes a document the sender's own word is taken
here once more, against the consumer's own copy of the directory.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from govbus.document.decision import Receipt, SourcePosition
from govbus.document.ids import DOCUMENT_ID_LENGTH_MAX
from govbus.document.record import FRAME_BYTES, SIGNATURE, Envelope, Record, unframe
from govbus.document.statement import Statement
from govbus.errors import DocumentError, MetadataError, RuleError, SignatureError, UntrustedKeyError
from govbus.routing.directory.model import Directory
from govbus.routing.exchange_place import signature_policy
from govbus.routing.rules.cloudevents import expiry_breaches
from govbus.routing.trust.check import require_unrevoked
from govbus.routing.trust.status import NOTHING_KNOWN, RevocationState
from govbus.schemas.catalog import DocumentSchema
from govbus.schemas.core import decode_receipt
from govbus.service.router.batch import RECEIPT_TYPE
from govbus.signing.certificates import CertificateRole
from govbus.signing.jws import RECEIPT_TYP, DetachedSignature
from govbus.signing.signature_policy import ProvenSignature, SignaturePolicy
from govbus.signing.verifier import VerifiedSignatures, Verifier


class DeliveredDocument(NamedTuple):
    """A document whose every signature, hash and party was checked by this consumer."""

    position: SourcePosition
    """Where it stands on the topic that the consumer reads."""
    document_id: str
    statement: Statement
    statement_hash: bytes
    signed: dict[str, bytes]
    """Every ``ce_*`` header and ``content-type``."""
    schema: DocumentSchema
    value: Any
    """Decoded: ``{"record": RecordMetadata, "body": the package's own}``."""


class DeliveredReceipt(NamedTuple):
    """A receipt that the bus signed."""

    position: SourcePosition
    receipt: Receipt


class Rejection(NamedTuple):
    """A record that the consumer does not apply, and why."""

    position: SourcePosition
    rule: str
    field: str
    reason: str
    document_id: str | None
    """As the record says; not proven."""


Delivered = DeliveredDocument | DeliveredReceipt | Rejection


def read_delivered(
    record: Record,
    directory: Directory,
    verified: VerifiedSignatures,
    revocations: RevocationState = NOTHING_KNOWN,
) -> Delivered:
    """Verify and decode one record; total, because a record that does not verify becomes a `Rejection`.

    Args:
        record: from an inbox or publication topic.
        directory: the consumer's own copy.
        verified: what is known already about signatures over batches.
        revocations: what the consumer knows about the status of certificates.
    """
    position = SourcePosition(record.topic, record.partition, record.offset)
    try:
        if _header(record, "ce_type") == RECEIPT_TYPE.encode("ascii"):
            return DeliveredReceipt(position, _receipt(record, directory, revocations))
        return _document(record, position, directory, verified, revocations)
    except RuleError as err:
        return Rejection(position, err.rule, err.field, err.message, _document_id(record))
    except Exception as err:  # noqa: BLE001  # a defect of ours must not stop all later documents
        return Rejection(
            position, "INT-1", "", f"could not be judged: {type(err).__name__}", _document_id(record)
        )


def _document(
    record: Record,
    position: SourcePosition,
    directory: Directory,
    verified: VerifiedSignatures,
    revocations: RevocationState,
) -> DeliveredDocument:
    """Verify a document.

    Steps: (1) headers and statement are well formed, (2) one registered schema, (3) hashes, certificates and
    signatures hold, (4) the sender speaks for itself, (5) an agreement sends it to this topic, (6) the signatures are
    those that package and agreement ask for, (7) the value decodes.
    """
    # Step 1.
    envelope = Envelope.from_headers(record.headers)
    statement = Statement.from_bytes(envelope.statement)
    # Step 2.
    frame_id, avro = unframe(record.value)
    schema = directory.schemas.by_id(frame_id)
    if schema is None:
        raise DocumentError(f"schema id {frame_id} is not registered", rule="AVR-4", field="value")
    # Step 3.
    signatures = Verifier(directory, verified).verify_record(
        record, envelope, statement, side="in", schema_hash=schema.codec.hash
    )
    require_unrevoked(signatures, directory.revocation, revocations, time_ms=statement.time_ms)
    # Step 4.
    if envelope.attribute("source") != statement.origin.source_uri:
        raise MetadataError(f"expected {statement.origin.source_uri}", rule="ID-1", field="ce_source")
    # Step 5.
    agreement_id = envelope.attribute("agreementid")
    policy = _check_agreement(agreement_id, statement, schema, record.topic, directory)
    # Step 6.
    policy.require(signatures)
    # Step 7.
    value = schema.codec.decode(avro)
    return DeliveredDocument(
        position,
        envelope.attribute("id"),
        statement,
        envelope.statement_hash,
        envelope.signed,
        schema,
        value,
    )


def reject_expired(delivered: Delivered, at_ms: int) -> Delivered:
    """Return a rejection in place of a document that has expired on its way (rule CE-9), and anything else as it is.

    Args:
        delivered: as read.
        at_ms: when it is about to be applied, milliseconds since 1970.
    """
    if not isinstance(delivered, DeliveredDocument) or "ce_expirytime" not in delivered.signed:
        return delivered
    for breach in expiry_breaches(delivered.signed["ce_expirytime"], at_ms):
        return Rejection(delivered.position, breach.rule, breach.field, breach.detail, delivered.document_id)
    return delivered


def _check_agreement(
    agreement_id: str, statement: Statement, schema: DocumentSchema, topic: str, directory: Directory
) -> SignaturePolicy:
    """Check the parties and the package, and return which signatures they ask for.

    The agreement's validity was the router's to judge, at its time.
    """
    agreement = directory.agreement(agreement_id)
    if agreement is None:
        raise MetadataError("this agreement is not registered", rule="DRM-1", field="ce_agreementid")
    package = directory.package(agreement.package.text)
    if package is None or schema.id not in package.schema_ids:
        raise MetadataError(
            f"agreement {agreement.id} is not for this schema", rule="DRM-1", field="ce_agreementid"
        )
    if agreement.supplier != statement.origin.agency:
        raise MetadataError(
            f"{statement.origin.agency} is not the supplier of agreement {agreement.id}",
            rule="DRM-2",
            field="ce_agreementid",
        )
    if topic not in agreement.recipients:
        raise MetadataError(
            f"agreement {agreement.id} does not deliver to this topic", rule="DRM-2", field="topic"
        )
    return signature_policy(package, agreement)


def _receipt(record: Record, directory: Directory, revocations: RevocationState) -> Receipt:
    """Verify a receipt: one signature by the bus over the Avro bytes, valid at the time of the decision."""
    signatures = [value for name, value in record.headers if name == SIGNATURE]
    if len(signatures) != 1:
        raise _refused(f"expected one signature, found {len(signatures)}")
    signature = DetachedSignature.from_bytes(signatures[0])
    if signature.typ != RECEIPT_TYP:
        raise _refused(f"typ must be {RECEIPT_TYP} over a receipt")
    trusted = directory.certificate(signature.thumbprint)
    if trusted is None or trusted.agency != directory.bus or trusted.role is not CertificateRole.SEAL:
        raise UntrustedKeyError(
            f"certificate {signature.thumbprint} is no seal of the bus", rule="SEC-6", field=SIGNATURE
        )
    unframe(record.value)
    signature.verify(trusted.certificate, (record.value or b"")[FRAME_BYTES:])
    receipt = decode_receipt(record.value)
    trusted.require_valid_at(receipt.time_ms)
    own = (ProvenSignature(trusted, is_over_batch=False),)
    require_unrevoked(own, directory.revocation, revocations, time_ms=receipt.time_ms)
    return receipt


def _header(record: Record, name: str) -> bytes | None:
    return next((value for header, value in record.headers if header == name), None)


def _document_id(record: Record) -> str | None:
    octets = _header(record, "ce_id")
    return octets[:DOCUMENT_ID_LENGTH_MAX].decode("utf-8", "replace") if octets else None


def _refused(detail: str) -> SignatureError:
    return SignatureError(detail, rule="SEC-3", field=SIGNATURE)
