"""Says before sending what the router would say: the same code decides about the same bytes.

The document is built and encoded as ``govbus send`` does it, signed with throwaway keys, and given to `decide` with a
copy of the directory that trusts these keys. So everything is judged but what only the bus knows: what was sent
before (rules SEQ-1, CE-4 and DRM-7), and the agency's own keys (SEC-4, SEC-6 and SEC-11).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from govbus.adapters.outgoing import DocumentTemplate, EncodedDocument
from govbus.document import topics
from govbus.document.finding import Finding, Outcome, ReceiptFinding, Severity
from govbus.document.ids import AgencyId, Origin
from govbus.document.record import SALT, SALT_BYTES, SIGNATURE, STATEMENT, Record, frame
from govbus.document.statement import Statement, value_hash
from govbus.errors import MetadataError, SchemaError, UntrustedKeyError
from govbus.routing.decide import decide
from govbus.routing.directory.model import Directory
from govbus.routing.history import MemoryHistory
from govbus.routing.rules.catalogue import explained, finding_of
from govbus.routing.trust.policy import RevocationMode, RevocationPolicy
from govbus.service.document_builder import DocumentBuilder, IncompleteDocumentError
from govbus.service.sending import DocumentText
from govbus.signing.algorithms import Algorithm
from govbus.signing.certificates import Certificate, TrustedCertificate
from govbus.signing.issuing import CertificateAuthority
from govbus.signing.jws import STATEMENT_TYP, sign_detached
from govbus.signing.signer import KeySigner

_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class DocumentCheck:
    """What the router would make of a document."""

    outcome: Outcome
    findings: tuple[ReceiptFinding, ...]
    agreement: str
    """Id of the agreement that the document would be sent under."""
    is_complete: bool
    """Whether it could be sent at all: nothing that only its sender knows is missing, and it fits its schema."""


def check_document(
    builder: DocumentBuilder, directory: Directory, text: DocumentText, *, at_ms: int
) -> DocumentCheck:
    """Return what the router would say to a document that was sent now.

    Args:
        builder: of the sending origin and the agreement.
        directory: that the builder was made with.
        text: the document as its sender writes it.
        at_ms: when it would be sent and decided on, milliseconds since 1970.
    """
    template = builder.template
    try:
        document, template = builder.build(text, at_ms=at_ms)
        encoded = template.encode(document)
    except IncompleteDocumentError as err:
        return _unsendable(template, [finding_of(one) for one in err.missing])
    except (SchemaError, MetadataError) as err:
        return _unsendable(template, [Finding(err.rule, Severity.REFUSE, err.field, err.message)])
    origin = template.origin
    signers, trusting = _throwaway_keys(directory, origin.agency, at_ms)
    record = _record(encoded, origin, signers, at_ms)
    decision = decide(record, trusting, MemoryHistory(), at_ms=at_ms)
    return DocumentCheck(
        decision.outcome, explained(decision.findings), template.agreement_id, is_complete=True
    )


def _unsendable(template: DocumentTemplate, findings: Sequence[Finding]) -> DocumentCheck:
    """Return the check of a document that cannot even be encoded."""
    return DocumentCheck(Outcome.REFUSED, explained(findings), template.agreement_id, is_complete=False)


def _throwaway_keys(directory: Directory, agency: AgencyId, at_ms: int) -> tuple[list[KeySigner], Directory]:
    """Return a key for each algorithm that the agency has a good certificate for, and a directory that trusts them.

    Where the agency has no good certificate, nothing is trusted, so that the router's own answer (SEC-6) comes out.
    """
    algorithms = sorted(
        {
            trusted.certificate.algorithm
            for trusted in directory.certificates.values()
            if trusted.agency == agency and _is_good(trusted, at_ms)
        }
    )
    authority = CertificateAuthority.create("Document check", at_ms=at_ms - 2 * _DAY_MS)
    signers: list[KeySigner] = []
    certificates = dict(directory.certificates)
    for algorithm in algorithms or [Algorithm.ED25519]:
        issued = authority.issue(
            f"{agency} check", algorithm, not_before_ms=at_ms - _DAY_MS, not_after_ms=at_ms + _DAY_MS
        )
        signers.append(KeySigner.from_pem(issued.key_pem, issued.certificate_pem, kid=f"{agency}/check"))
        if algorithms:
            certificate = Certificate.from_pem(issued.certificate_pem)
            certificates[certificate.thumbprint] = TrustedCertificate(certificate, agency, None)
    # What authorities say of throwaway certificates is nothing; of the agency's own, only the bus knows it.
    unasked = RevocationPolicy(RevocationMode.NONE)
    return signers, replace(directory, certificates=certificates, revocation=unasked)


def _is_good(trusted: TrustedCertificate, at_ms: int) -> bool:
    try:
        trusted.require_valid_at(at_ms)
    except UntrustedKeyError:
        return False
    return True


def _record(encoded: EncodedDocument, origin: Origin, signers: Sequence[KeySigner], at_ms: int) -> Record:
    """Return the record that the spool would publish, as the first of its outbox."""
    topic, salt = topics.outbox(origin.agency), os.urandom(SALT_BYTES)
    statement = Statement(
        origin,
        0,
        topic,
        encoded.headers_hash,
        encoded.schema_hash,
        len(encoded.avro),
        value_hash(salt, encoded.avro),
        at_ms,
    ).to_bytes()
    signatures = [sign_detached(signer, statement, typ=STATEMENT_TYP, at_ms=at_ms) for signer in signers]
    headers = (
        *encoded.signed.items(),
        (STATEMENT, statement),
        (SALT, salt),
        *((SIGNATURE, signature) for signature in signatures),
    )
    key = str(origin).encode("ascii")
    return Record(topic, 0, 0, at_ms, key, frame(encoded.schema_id, encoded.avro), headers)
