"""Signatures of documents, each checked once, with everything about a certificate looked up once."""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Sequence
from typing import NamedTuple

from govbus.audit.evidence.material import Trust, TrustAt
from govbus.document.encoding import time_text
from govbus.document.header_kind import HeaderKind
from govbus.document.record import Envelope
from govbus.document.statement import Statement, statement_hash
from govbus.errors import RuleError, SignatureError, VerificationError
from govbus.signing.algorithms import verifier_of
from govbus.signing.batch import BatchText
from govbus.signing.certificates import Certificate
from govbus.signing.jws import BATCH_TYP, STATEMENT_TYP, DetachedSignature, signing_input
from govbus.signing.signature_policy import ProvenSignature
from govbus.signing.verifier import VerifiedSignatures, Verifier


class Span(NamedTuple):
    """From when to when the certificates of some signatures are good, as RFC 3339 texts: they sort like times."""

    first: bytes
    last: bytes


class Signer(NamedTuple):
    """Who made a signature."""

    thumbprint: str
    verify: Callable[[bytes, bytes], None]
    """Takes signature and message; raises `RuleError` where it does not hold."""


_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_FROM_URL_SAFE = bytes.maketrans(b"-_+/", b"+/@@")
"""What base64url does not have becomes what base64 does not have."""
_NO_HEADERS = HeaderKind(())


class UnknownDirectoryError(VerificationError):
    """An entry rests on a directory version or on revocation material that nobody knows."""


class SignatureCheck:
    """Checks signatures under the certificates that counted at each decision."""

    def __init__(self, trust: Trust) -> None:
        """Take whose certificates count."""
        self._trust = trust
        self._verified = VerifiedSignatures()
        self._versions: dict[tuple[int, int], TrustAt] = {}
        self._verifiers: dict[tuple[int, int], Verifier] = {}
        self._spans: dict[tuple[tuple[int, int], str], Span] = {}
        """By version and certificate."""
        self._signers: dict[bytes, Signer] = {}
        """By the header of the signature."""
        self._certificates: dict[str, Certificate] = {}
        self._batches: dict[bytes, BatchText] = {}

    def batch(self, text: bytes) -> BatchText:
        """Return a batch that a document was found to stand in; errors as for `BatchText.from_bytes`."""
        batch = self._batches.get(text)
        if batch is None:
            if len(self._batches) >= BATCHES_MAX:
                self._batches.clear()
            batch = self._batches[text] = BatchText.from_bytes(text)
        return batch

    def check(
        self,
        signatures: tuple[bytes, ...],
        octets: bytes,
        batch: bytes | None,
        path: bytes,
        statement: Statement,
        *,
        version: tuple[int, int],
    ) -> Span:
        """Check every signature of a document and its place in its batch, as routers and consumers do.

        Args:
            signatures: as received.
            octets: the statement.
            batch: the text of its batch; None where it has a signature of its own.
            path: inclusion path in the batch.
            statement: the statement, parsed.
            version: of the directory, and number of revocation records.

        Returns:
            Statement times for which the same signatures would hold too.

        Raises:
            VerificationError: naming what does not hold (`UntrustedKeyError` for certificates).
            MetadataError: if the batch text is malformed.
        """
        if not signatures:
            raise SignatureError("the document has no signature", rule="SEC-3", field="gb-sig")
        envelope = Envelope({}, octets, statement_hash(octets), b"", signatures, batch, path, _NO_HEADERS)
        counted = self.trusted(version)
        proven = self._verifiers[version].check_signatures(envelope, statement)
        counted.require_unrevoked(proven, time_ms=statement.time_ms)
        if len(proven) == 1:
            certificate = proven[0].trusted.certificate
            self._certificates[certificate.thumbprint] = certificate
            known = self._spans.get((version, certificate.thumbprint))
            if known is None:
                known = self._spans[version, certificate.thumbprint] = _span(counted, proven)
            return known
        return _span(counted, proven)

    def signer_of(self, signature: bytes) -> Signer | None:
        """Return who made a signature over a statement that was found to hold; None where that is not remembered."""
        protected, _, _ = signature.partition(b"..")
        known = self._signers.get(protected)
        if known is None:
            try:
                parsed = DetachedSignature.from_bytes(signature)
            except RuleError:
                return None
            certificate = self._certificates.get(parsed.thumbprint)
            if (
                parsed.typ != STATEMENT_TYP
                or certificate is None
                or certificate.algorithm is not parsed.algorithm
            ):
                return None
            if len(self._signers) >= SIGNERS_MAX:
                self._signers.clear()
            known = self._signers[protected] = Signer(parsed.thumbprint, verifier_of(certificate.public_key))
        return known

    def holds(self, signature: bytes, statement: bytes, thumbprint: str) -> bool:
        """Return whether one signature over a statement holds, by a certificate that was used a moment ago.

        Args:
            signature: as received.
            statement: as received.
            thumbprint: of the certificate; False where the signature names another.
        """
        protected, _, text = signature.partition(b"..")
        signer = self._signers.get(protected) or self.signer_of(signature)
        if signer is None or signer.thumbprint != thumbprint:
            return False
        try:
            octets = a2b_base64(text.translate(_FROM_URL_SAFE) + b"=" * (-len(text) % 4), strict_mode=True)
            if b2a_base64(octets, newline=False).translate(_URL_SAFE).rstrip(b"=") != text:
                return False
            signer.verify(octets, signing_input(protected, statement))
        except (RuleError, ValueError):
            return False
        return True

    def batch_thumbprint(self, text: bytes, signature: bytes) -> str | None:
        """Return whose signature over a batch was found to hold; None where that is not remembered."""
        return self._verified.thumbprint(text, signature)

    def holds_over_batch(self, signature: bytes, text: bytes, thumbprint: str) -> bool:
        """Return whether one signature over a batch holds, by a certificate that was used a moment ago."""
        certificate = self._certificates.get(thumbprint)
        if certificate is None:
            return False
        try:
            parsed = DetachedSignature.from_bytes(signature)
            if parsed.typ != BATCH_TYP or parsed.thumbprint != thumbprint:
                return False
            parsed.verify(certificate, text)
        except RuleError:
            return False
        self._verified.remember(text, signature, thumbprint)
        return True

    def trusted(self, version: tuple[int, int]) -> TrustAt:
        """Return whose certificates counted.

        Args:
            version: of the directory, and number of revocation records.

        Raises:
            UnknownDirectoryError: if nobody knows them.
        """
        counted = self._versions.get(version)
        if counted is None:
            counted = self._trust.at(*version)
            if counted is None:
                raise UnknownDirectoryError(
                    f"version {version[0]} with {version[1]} records of revocation material",
                    rule="SEC-6",
                    field="directory_version",
                )
            if len(self._versions) >= VERSIONS_MAX:
                self._versions.clear()
                self._verifiers.clear()
                self._spans.clear()
            self._versions[version] = counted
            self._verifiers[version] = Verifier(counted, self._verified)
        return counted


VERSIONS_MAX = 64
"""Versions at hand at one time; entries name them in rising order."""
BATCHES_MAX = 1024
"""Batch texts remembered; each origin is in one at a time."""
SIGNERS_MAX = 1024
"""Headers of signatures remembered; a signer's changes once a second."""


def _span(counted: TrustAt, proven: Sequence[ProvenSignature]) -> Span:
    spans = [counted.span_ms(one.trusted) for one in proven]
    return Span(_text(max(span[0] for span in spans)), _text(min(span[1] for span in spans)))


def _text(time_ms: int) -> bytes:
    return time_text(max(0, time_ms)).encode("ascii")
