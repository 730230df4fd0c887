"""The verifier: the numbered steps that tie a record's bytes to a signature of its origin's agency.

Implements ``docs/specs/signatures.md``, verification. Every step returns None or raises; there is no boolean to
forget. Routers, consumers and auditors all call the same steps.
"""

from __future__ import annotations

from typing import Any, Final

from govbus.document.record import Envelope, Record, key_of, unframe
from govbus.document.statement import Statement, headers_hash, value_hash
from govbus.errors import ProofError, SignatureError, UntrustedKeyError
from govbus.signing.batch import BatchText
from govbus.signing.certificates import CertificateRole, TrustedCertificate, TrustStore
from govbus.signing.jws import BATCH_TYP, STATEMENT_TYP, DetachedSignature
from govbus.signing.merkle import PathMemo
from govbus.signing.signature_policy import ProvenSignature, require_distinct_roles

VERIFIED_MAX = 1024
"""Batches remembered by one verifier; each takes up to about 20 KiB (260 bytes a document)."""


_SEAL: Final = CertificateRole.SEAL
_SIGNATURE_SETS_MAX: Final = 4
"""Remembered for one batch; senders sign a batch once."""

ProvenSignatures = tuple[ProvenSignature, ...]
"""All signatures of one document."""


class VerifiedBatch:
    """A batch text, the nodes of its tree that are proven, and whose signatures over it were seen to hold."""

    __slots__ = ("memo", "proven", "text")

    def __init__(self, text: BatchText) -> None:
        self.text = text
        self.memo = PathMemo(text.root, text.end - text.start)
        self.proven: dict[tuple[bytes, ...], ProvenSignatures] = {}
        """All signatures of a document, as they stand in its headers, to whose they are; all over the text."""

    def proven_again(
        self, signatures: tuple[bytes, ...], trust: TrustStore, time_ms: int
    ) -> ProvenSignatures | None:
        """Return whose signatures these are, where that was found for another document of the batch and still holds.

        That the certificates are of the agency need not be asked again: all documents of a batch are of one origin.

        Args:
            signatures: of the document.
            trust: where certificates are found; each must be there, the same as it was.
            time_ms: the statement's time, at which each must be valid.
        """
        proven = self.proven.get(signatures)
        if proven is None:
            return None
        for one in proven:
            trusted = one[0]
            if trust.certificate(trusted.certificate.thumbprint) is not trusted:
                return None
            if not trusted.is_valid_at(time_ms):
                return None
        return proven


class VerifiedSignatures:
    """Remembers which signatures over which batch texts hold, so that a batch is checked once.

    What is remembered is a mathematical fact (this signature holds over this text under this certificate), so it
    stays true whatever the directory says later; trust in the certificate is looked up for every document. To be
    used by one thread at a time.
    """

    def __init__(self, verified_max: int = VERIFIED_MAX) -> None:
        self._verified_max = verified_max
        self._batches: dict[bytes, VerifiedBatch] = {}
        self._thumbprints: dict[tuple[bytes, bytes], str] = {}
        self._shared: dict[tuple[tuple[str, bool], ...], ProvenSignatures] = {}

    def batch(self, text: bytes) -> VerifiedBatch:
        """Return what is known of a batch; errors as for `BatchText.from_bytes`."""
        known = self._batches.get(text)
        if known is None:
            batch = VerifiedBatch(BatchText.from_bytes(text))
            _make_room(self._batches, self._verified_max)
            known = self._batches[text] = batch
        return known

    def thumbprint(self, text: bytes, signature: bytes) -> str | None:
        """Return whose signature over the text was already seen to hold, or None."""
        return self._thumbprints.get((text, signature))

    def remember(self, text: bytes, signature: bytes, thumbprint: str) -> None:
        """Keep the fact that the signature holds."""
        _make_room(self._thumbprints, self._verified_max)
        self._thumbprints[text, signature] = thumbprint

    def shared(self, proven: ProvenSignatures) -> ProvenSignatures:
        """Return the same signatures as one tuple for all documents that they are of.

        So what was found out about the tuple for one document (status of certificates, policy) is known for the next.
        """
        key = tuple([(one.thumbprint, one.is_over_batch) for one in proven])
        known = self._shared.get(key)
        if known is None or any(old[0] is not new[0] for old, new in zip(known, proven, strict=True)):
            _make_room(self._shared, self._verified_max)
            known = self._shared[key] = proven
        return known


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
    ) -> ProvenSignatures:
        """Check everything that the statement and its signatures say about a record, and return the signatures.

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
        return self.check_signatures(envelope, statement)

    def check_signatures(self, envelope: Envelope, statement: Statement) -> ProvenSignatures:
        """Check that every signature holds and that the origin's agency sealed the statement.

        (1) In batch mode the statement must be the right leaf of the batch. (2) Each signature is over the batch text
        or over the statement, as its ``typ`` says. (3) Its certificate is known, bound to the origin's agency and valid
        at the statement's time. (4) It holds. (5) In batch mode at least one is over the batch text. (6) One is the
        agency's seal, an officer's is over the statement, and no two are by one certificate.

        Returns:
            The signatures, for the policy of package and agreement, which is not known here (`SignaturePolicy`).

        Raises:
            VerificationError: naming the rule (SEC-3, SEC-4, SEC-6, SEC-10).
            MetadataError: if the batch text is malformed.
        """
        # Step 1.
        batch = None
        if envelope.batch is not None:
            batch = self._check_leaf(envelope, envelope.batch, statement)
            again = batch.proven_again(envelope.signatures, self._trust, statement.time_ms)
            if again is not None:
                return again
        elif envelope.path:
            raise _refused("gb-path without gb-batch", "gb-path")
        # Steps 2 to 4.
        proven = tuple([self._proven(octets, envelope, statement) for octets in envelope.signatures])
        # Step 5.
        if batch is not None and not any(one.is_over_batch for one in proven):
            raise _refused("gb-batch without a signature over it")
        # Step 6.
        if len(proven) != 1 or proven[0].trusted.role is not _SEAL:
            require_distinct_roles(proven)
        proven = self._verified.shared(proven)
        if batch is not None and all(one.is_over_batch for one in proven):
            _make_room(batch.proven, _SIGNATURE_SETS_MAX)
            batch.proven[envelope.signatures] = proven
        return proven

    def _proven(self, octets: bytes, envelope: Envelope, statement: Statement) -> ProvenSignature:
        """Check one signature, over the batch text or over the statement."""
        batch = envelope.batch
        if batch is not None:
            known = self._verified.thumbprint(batch, octets)
            if known is not None:
                return ProvenSignature(self._trusted(known, statement), is_over_batch=True)
        signature = DetachedSignature.from_bytes(octets)
        is_over_batch = batch is not None and signature.typ == BATCH_TYP
        if not is_over_batch and signature.typ != STATEMENT_TYP:
            raise _refused(f"typ must be {STATEMENT_TYP} over a statement")
        trusted = self._trusted(signature.thumbprint, statement)
        if batch is not None and is_over_batch:
            signature.verify(trusted.certificate, batch)
            self._verified.remember(batch, octets, signature.thumbprint)
        else:
            signature.verify(trusted.certificate, envelope.statement)
        return ProvenSignature(trusted, is_over_batch)

    def _check_leaf(self, envelope: Envelope, text: bytes, statement: Statement) -> VerifiedBatch:
        known = self._verified.batch(text)
        batch = known.text
        if batch.origin != statement.origin.text:
            raise _refused("the batch is of another origin", "gb-batch")
        if not batch.start <= statement.index < batch.end:
            raise _refused("the index lies outside the batch", "gb-batch")
        try:
            known.memo.verify(envelope.statement_hash, statement.index - batch.start, envelope.path)
        except ProofError as err:
            raise _refused(err.message, "gb-path") from err
        return known

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
