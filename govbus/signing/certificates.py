"""X.509 certificates of agencies: found by thumbprint, valid in a span of time, issued by an anchor (rule SEC-6)."""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass, field
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from govbus.document.encoding import base64url
from govbus.document.ids import AgencyId
from govbus.errors import UntrustedKeyError
from govbus.signing.algorithms import Algorithm, PublicKey, algorithm_of


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate whose key is of a pinned algorithm."""

    der: bytes
    thumbprint: str
    """base64url SHA-256 of the DER octets: the ``x5t#S256`` of a signature."""
    algorithm: Algorithm
    public_key: PublicKey
    subject: str
    not_before_ms: int
    not_after_ms: int
    """Last valid moment, milliseconds since 1970."""

    @classmethod
    def from_der(cls, der: bytes) -> Certificate:
        """Read a DER certificate.

        Raises:
            UntrustedKeyError: if the octets are not a certificate.
            AlgorithmError: if its key is outside the pinned list (rule SEC-4).
        """
        try:
            parsed = x509.load_der_x509_certificate(der)
            public_key = parsed.public_key()
            subject = parsed.subject.rfc4514_string()
            not_before, not_after = parsed.not_valid_before_utc, parsed.not_valid_after_utc
        except Exception as err:  # the parser raises many kinds, all meaning the same here
            raise UntrustedKeyError("expected an X.509 certificate", rule="SEC-6") from err
        algorithm = algorithm_of(public_key)
        return cls(
            der=der,
            thumbprint=base64url(hashlib.sha256(der).digest()),
            algorithm=algorithm,
            public_key=public_key,  # type: ignore[arg-type]  # algorithm_of narrowed it
            subject=subject,
            not_before_ms=int(not_before.timestamp()) * 1000,
            not_after_ms=int(not_after.timestamp()) * 1000 + 999,
        )

    @classmethod
    def from_pem(cls, pem: str | bytes) -> Certificate:
        """Read the first certificate of a PEM text; errors as for `from_der`."""
        octets = pem.encode("ascii", "replace") if isinstance(pem, str) else pem
        try:
            parsed = x509.load_pem_x509_certificate(octets)
        except Exception as err:
            raise UntrustedKeyError("expected a PEM certificate", rule="SEC-6") from err
        return cls.from_der(parsed.public_bytes(Encoding.DER))

    def verify_issued_by(self, anchor: Certificate) -> None:
        """Check that the anchor issued this certificate.

        Raises:
            UntrustedKeyError: if names or signature do not lead to the anchor, or the anchor is no CA (rule SEC-6).
        """
        issuer = x509.load_der_x509_certificate(anchor.der)
        try:
            x509.load_der_x509_certificate(self.der).verify_directly_issued_by(issuer)
            constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
        except (InvalidSignature, ValueError, TypeError, x509.ExtensionNotFound) as err:
            raise UntrustedKeyError(
                f"certificate {self.subject} was not issued by {anchor.subject}", rule="SEC-6"
            ) from err
        if not constraints.ca:
            raise UntrustedKeyError(f"certificate {anchor.subject} is no CA", rule="SEC-6")


class CertificateRole(enum.StrEnum):
    """What an agency signs with a certificate."""

    SEAL = "seal"
    """The agency itself, by machine; one by one or in batches."""
    OFFICER = "officer"
    """A person who answers for a document; always one by one."""


@dataclass(frozen=True, slots=True)
class TrustedCertificate:
    """A certificate that the directory binds to an agency."""

    certificate: Certificate
    agency: AgencyId
    revoked_ms: int | None = None
    """Signatures of this moment and later are refused; earlier ones stay good."""
    role: CertificateRole = CertificateRole.SEAL
    issuers: tuple[Certificate, ...] = ()
    """The certificates above it, nearest first; the last is an anchor of the bus, which is trusted as it stands."""
    _valid_from_ms: int = field(init=False, repr=False, compare=False)
    _valid_to_ms: int = field(init=False, repr=False, compare=False)
    """Last moment at which neither it nor one above it had expired, nor it was revoked by the directory."""

    def __post_init__(self) -> None:
        # RFC 5280 section 6.1.3 (a)(2); an anchor's own span is not looked at.
        way = (self.certificate, *self.issuers[:-1])
        ends = [one.not_after_ms for one in way]
        if self.revoked_ms is not None:
            ends.append(self.revoked_ms - 1)
        object.__setattr__(self, "_valid_from_ms", max(one.not_before_ms for one in way))
        object.__setattr__(self, "_valid_to_ms", min(ends))

    def is_valid_at(self, time_ms: int) -> bool:
        """Return whether `require_valid_at` finds nothing; two comparisons, because it is asked for every document."""
        return self._valid_from_ms <= time_ms <= self._valid_to_ms

    def require_valid_at(self, time_ms: int) -> None:
        """Check the spans of validity, and revocation by the directory, at one moment.

        Raises:
            UntrustedKeyError: if the certificate or one above it was not yet valid, expired or revoked then (rule
                SEC-6).
        """
        if self.is_valid_at(time_ms):
            return
        certificate = self.certificate
        if time_ms < certificate.not_before_ms:
            raise _untrusted(
                f"certificate {certificate.thumbprint} was not yet valid at the statement's time"
            )
        if time_ms > certificate.not_after_ms:
            raise _untrusted(f"certificate {certificate.thumbprint} had expired at the statement's time")
        if self.revoked_ms is not None and time_ms >= self.revoked_ms:
            raise _untrusted(f"certificate {certificate.thumbprint} was revoked at the statement's time")
        issuer = next(
            one for one in self.issuers[:-1] if not one.not_before_ms <= time_ms <= one.not_after_ms
        )
        raise _untrusted(
            f"certificate {issuer.thumbprint}, which issued {certificate.thumbprint},"
            " was not valid at the statement's time"
        )


class TrustStore(Protocol):
    """Where a verifier finds certificates: the directory."""

    def certificate(self, thumbprint: str) -> TrustedCertificate | None:
        """Return the trusted certificate with this ``x5t#S256``, or None where the directory has none."""
        ...


def _untrusted(detail: str) -> UntrustedKeyError:
    return UntrustedKeyError(detail, rule="SEC-6", field="gb-sig")
