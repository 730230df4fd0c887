"""Says before sending what the router would say: the same code decides about the same bytes.

The document is built and encoded as ``govbus send`` does it, signed with throwaway keys, and given to `decide` with a
copy of the directory that trusts these keys. So everything is judged but what only the bus knows: what was sent
before (rules SEQ-1, CE-4 and DRM-7), and the agency's own keys (SEC-4, SEC-6 and SEC-11).
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

from govbus.adapters.outgoing import DocumentTemplate, EncodedDocument
from govbus.adapters.spool_seal import seal_headers, seals_of
from govbus.adapters.spool_signing import Unsealed
from govbus.document import topics
from govbus.document.finding import Finding, Outcome, ReceiptFinding, Severity
from govbus.document.ids import AgencyId, Origin
from govbus.document.record import SALT, SALT_BYTES, STATEMENT, Record, frame
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
from govbus.signing.certificates import CertificateRole, TrustedCertificate
from govbus.signing.issuing import CertificateAuthority
from govbus.signing.signature_policy import SignaturePolicy
from govbus.signing.signer import FixedSigners, KeySigner

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
    builder: DocumentBuilder,
    directory: Directory,
    text: DocumentText,
    *,
    at_ms: int,
    own: Collection[str] | None = None,
) -> DocumentCheck:
    """Return what the router would say to a document that was sent now.

    Args:
        builder: of the sending origin and the agreement.
        directory: that the builder was made with.
        text: the document as its sender writes it.
        at_ms: when it would be sent and decided on, milliseconds since 1970.
        own: thumbprints of the certificates whose keys would sign; None for all that the directory has.
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
    keys, trusting = _throwaway_keys(directory, origin.agency, at_ms, own)
    record = _record(encoded, origin, keys, template.signatures, at_ms)
    decision = decide(record, trusting, MemoryHistory(), at_ms=at_ms)
    return DocumentCheck(
        decision.outcome, explained(decision.findings), template.agreement_id, is_complete=True
    )


def _unsendable(template: DocumentTemplate, findings: Sequence[Finding]) -> DocumentCheck:
    """Return the check of a document that cannot even be encoded."""
    return DocumentCheck(Outcome.REFUSED, explained(findings), template.agreement_id, is_complete=False)


def _throwaway_keys(
    directory: Directory, agency: AgencyId, at_ms: int, own: Collection[str] | None
) -> tuple[FixedSigners, Directory]:
    """Return a key for each role and algorithm that the agency signs with, and a directory that trusts them.

    Where the agency has no good seal, nothing is trusted, so that the router's own answer (SEC-6) comes out.
    """
    kinds = sorted(
        {
            (trusted.role, trusted.certificate.algorithm)
            for thumbprint, trusted in directory.certificates.items()
            if trusted.agency == agency and _is_good(trusted, at_ms) and (own is None or thumbprint in own)
        }
    )
    is_known = any(role is CertificateRole.SEAL for role, _ in kinds)
    authority = CertificateAuthority.create("Document check", at_ms=at_ms - 2 * _DAY_MS)
    signers: dict[CertificateRole, list[KeySigner]] = {role: [] for role in CertificateRole}
    certificates = dict(directory.certificates)
    for role, algorithm in kinds if is_known else [(CertificateRole.SEAL, Algorithm.ED25519)]:
        issued = authority.issue(
            f"{agency} check", algorithm, not_before_ms=at_ms - _DAY_MS, not_after_ms=at_ms + _DAY_MS
        )
        signer = KeySigner.from_pem(issued.key_pem, issued.certificate_pem, kid=f"{agency}/check")
        signers[role].append(signer)
        if is_known:
            trusted = TrustedCertificate(signer.certificate, agency, None, role)
            certificates[signer.certificate.thumbprint] = trusted
    officer = next(iter(signers[CertificateRole.OFFICER]), None)
    # What authorities say of throwaway certificates is nothing; of the agency's own, only the bus knows it.
    unasked = RevocationPolicy(RevocationMode.NONE)
    trusting = replace(directory, certificates=certificates, revocation=unasked)
    return FixedSigners(signers[CertificateRole.SEAL], officer), trusting


def _is_good(trusted: TrustedCertificate, at_ms: int) -> bool:
    try:
        trusted.require_valid_at(at_ms)
    except UntrustedKeyError:
        return False
    return True


def _record(
    encoded: EncodedDocument, origin: Origin, keys: FixedSigners, policy: SignaturePolicy, at_ms: int
) -> Record:
    """Return the record that the spool would publish, as the first of its outbox.

    A signature that no key can make is left out, and so the router's answer to that (SEC-10) comes out.
    """
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
    is_signed_by_officer = policy.is_officer_required and keys.officer is not None
    able = SignaturePolicy(is_officer_required=is_signed_by_officer, mode=policy.mode)
    waiting = [(at_ms, Unsealed([statement], bytes([able.to_bits()])))]
    seals = seals_of(keys, origin, 0, waiting, at_ms=at_ms, batch_max=1)
    headers = (
        *encoded.signed.items(),
        (STATEMENT, statement),
        (SALT, salt),
        *next(seal_headers(seals, 0)),
    )
    key = str(origin).encode("ascii")
    return Record(topic, 0, 0, at_ms, key, frame(encoded.schema_id, encoded.avro), headers)
