"""The verifier: the numbered steps that tie a record's bytes to a signature of its origin's agency.

Implements ``docs/specs/signatures.md``, verification. Every step returns None or raises; there is no boolean to
forget. Routers, consumers and auditors all call the same steps.
"""

from __future__ import annotations

from typing import Any

from govbus.document.record import Envelope, Record, key_of, unframe
from govbus.document.statement import Statement, headers_hash, value_hash
from govbus.errors import ProofError, SignatureError, UntrustedKeyError
from govbus.signing.batch import BatchText
from govbus.signing.certificates import TrustedCertificate, TrustStore
from govbus.signing.jws import BATCH_TYP, STATEMENT_TYP, DetachedSignature
from govbus.signing.merkle import PathMemo

VERIFIED_MAX = 1024
"""Batches remembered by one verifier; each takes up to about 20 KiB (260 bytes a document)."""


class VerifiedSignatures:
    """Remembers which signatures over which batch texts hold, so that a batch is checked once.

    What is remembered is a mathematical fact (this signature holds over this text under this certificate), so it
    stays true whatever the directory says later; trust in the certificate is looked up for every document. To be
    used by one thread at a time.
    """

    def __init__(self, verified_max: int = VERIFIED_MAX) -> None:
        self._verified_max = verified_max
        self._batches: dict[bytes, tuple[BatchText, PathMemo]] = {}
        self._thumbprints: dict[tuple[bytes, bytes], str] = {}

    def batch(self, text: bytes) -> tuple[BatchText, PathMemo]:
        """Return the parsed batch text and its known tree nodes; errors as for `BatchText.from_bytes`."""
        known = self._batches.get(text)
        if known is None:
            batch = BatchText.from_bytes(text)
            _make_room(self._batches, self._verified_max)
            known = self._batches[text] = (batch, PathMemo(batch.root, batch.end - batch.start))
        return known

    def thumbprint(self, text: bytes, signature: bytes) -> str | None:
        """Return whose signature over the text was already seen to hold, or None."""
        return self._thumbprints.get((text, signature))

    def remember(self, text: bytes, signature: bytes, thumbprint: str) -> None:
        """Keep the fact that the signature holds."""
        _make_room(self._thumbprints, self._verified_max)
        self._thumbprints[text, signature] = thumbprint


def _make_room(facts: dict[Any, Any], most: int) -> None:
    """Drop the oldest half at the bound: batches arrive in order, so old ones do not come back."""
    if len(facts) >= most:
        for fact in list(facts)[: most // 2]:
            del facts[fact]


class Verifier:
    """Checks records against one trust store."""

    def __init__(self, trust: TrustStore, verified: VerifiedSignatures | None = None) -> None:
        self._trust = trust
        self._verified = verified if verified is not None else VerifiedSignatures()

    def verify_record(
        self,
        record: Record,
        envelope: Envelope,
        statement: Statement,
        *,
        side: str,
        schema_hash: str,
    ) -> None:
        """Check everything that the statement and its signatures say about a record.

        Steps: (1) place and key, (2) headers, (3) value, (4) schema, (5) signatures.

        Args:
            record: as read.
            envelope: read from its headers.
            statement: parsed from the envelope.
            side: ``out`` for an outbox, ``in`` for an inbox or publication topic.
            schema_hash: hex hash of the schema that the reader is going to decode the value with.

        Raises:
            RuleError: naming the first rule that is broken.
        """
        # Step 1.
        if side == "out":
            check_outbox_place(record, statement)
        else:
            check_inbox_key(record, envelope)
        # Step 2.
        check_headers(envelope, statement)
        # Step 3.
        check_value(record, envelope, statement)
        # Step 4.
        check_schema(statement, schema_hash)
        # Step 5.
        self.check_signatures(envelope, statement)

    def check_signatures(self, envelope: Envelope, statement: Statement) -> None:
        """Check that every signature holds and that the origin's agency sealed the statement.

        (1) In batch mode the statement must be the right leaf of the batch. (2) Each signature is over the batch text
        or over the statement, as its ``typ`` says. (3) Its certificate is known, bound to the origin's agency and valid
        at the statement's time. (4) It holds. (5) In batch mode at least one is over the batch text.

        Raises:
            VerificationError: naming the rule (SEC-3, SEC-4, SEC-6).
            MetadataError: if the batch text is malformed.
        """
        # Step 1.
        if envelope.batch is not None:
            self._check_leaf(envelope, envelope.batch, statement)
        elif envelope.path:
            raise _refused("gb-path without gb-batch", "gb-path")
        is_sealed = envelope.batch is None
        for octets in envelope.signatures:
            # Steps 2 to 4.
            if envelope.batch is not None and self._holds_over_batch(octets, envelope.batch, statement):
                is_sealed = True
            else:
                signature = DetachedSignature.from_bytes(octets)
                if signature.typ != STATEMENT_TYP:
                    raise _refused(f"typ must be {STATEMENT_TYP} over a statement")
                trusted = self._trusted(signature.thumbprint, statement)
                signature.verify(trusted.certificate, envelope.statement)
        # Step 5.
        if not is_sealed:
            raise _refused("gb-batch without a signature over it")

    def _holds_over_batch(self, octets: bytes, text: bytes, statement: Statement) -> bool:
        """Check a signature over the batch text; False where it is over the statement instead."""
        known = self._verified.thumbprint(text, octets)
        if known is not None:
            self._trusted(known, statement)
            return True
        signature = DetachedSignature.from_bytes(octets)
        if signature.typ != BATCH_TYP:
            return False
        trusted = self._trusted(signature.thumbprint, statement)
        signature.verify(trusted.certificate, text)
        self._verified.remember(text, octets, signature.thumbprint)
        return True

    def _check_leaf(self, envelope: Envelope, text: bytes, statement: Statement) -> None:
        batch, memo = self._verified.batch(text)
        if batch.origin != str(statement.origin):
            raise _refused("the batch is of another origin", "gb-batch")
        if not batch.start <= statement.index < batch.end:
            raise _refused("the index lies outside the batch", "gb-batch")
        try:
            memo.verify(envelope.statement_hash, statement.index - batch.start, envelope.path)
        except ProofError as err:
            raise _refused(err.message, "gb-path") from err

    def _trusted(self, thumbprint: str, statement: Statement) -> TrustedCertificate:
        trusted = self._trust.certificate(thumbprint)
        if trusted is None:
            raise UntrustedKeyError(
                f"certificate {thumbprint} is not in the directory", rule="SEC-6", field="gb-sig"
            )
        if trusted.agency != statement.origin.agency:
            raise UntrustedKeyError(
                f"certificate {thumbprint} is bound to {trusted.agency}, not to {statement.origin.agency}",
                rule="SEC-6",
                field="gb-sig",
            )
        trusted.require_valid_at(statement.time_ms)
        return trusted


def check_outbox_place(record: Record, statement: Statement) -> None:
    """Check that an outbox record lies where its statement says.

    Raises:
        SignatureError: if the topic is another or the key is not the origin (rule SEC-3).
    """
    if record.topic != statement.topic:
        raise _refused(f"the statement is for topic {statement.topic}, found on {record.topic}", "topic")
    if record.key != str(statement.origin).encode("ascii"):
        raise _refused("the Kafka key on an outbox must be the origin", "key")


def check_inbox_key(record: Record, envelope: Envelope) -> None:
    """Check the key of a record on an inbox or publication topic.

    Raises:
        SignatureError: if the key is not ``ce_subject``, or ``ce_id`` where there is no subject (rule SEC-3).
    """
    if "ce_id" not in envelope.signed or record.key != key_of(envelope.signed):
        raise _refused("the Kafka key must be ce_subject if present, else ce_id", "key")


def check_headers(envelope: Envelope, statement: Statement) -> None:
    """Check the hash over the signed headers.

    Raises:
        SignatureError: if they are not the ones that were signed (rule SEC-3).
    """
    if headers_hash(envelope.signed, envelope.kind) != statement.headers:
        raise _refused("the ce_* headers and content-type are not the ones that were signed", "headers")


def check_value(record: Record, envelope: Envelope, statement: Statement) -> bytes:
    """Check length and hash of the value, and return the Avro bytes.

    Raises:
        MetadataError: if the value is null, too long or not framed.
        SignatureError: if it is not the value that was signed (rule SEC-3).
    """
    _, avro = unframe(record.value)
    if len(avro) != statement.length or value_hash(envelope.salt, avro) != statement.value:
        raise _refused("the value is not the one that was signed", "value")
    return avro


def check_schema(statement: Statement, schema_hash: str) -> None:
    """Check that the reader's schema is the one that was signed.

    Raises:
        SignatureError: if the statement names another (rule AVR-4).
    """
    if statement.schema != schema_hash:
        raise SignatureError(
            "the schema of the value is not the one that the statement names",
            rule="AVR-4",
            field="schema",
        )


def _refused(detail: str, field: str = "gb-sig") -> SignatureError:
    return SignatureError(detail, rule="SEC-3", field=field)
