"""What an authority says about certificates it issued: revocation lists (RFC 5280) and OCSP answers (RFC 6960)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509 import ocsp

from govbus.errors import ConfigError
from govbus.signing.algorithms import algorithm_of
from govbus.signing.certificate_building import digest_of, time_of

OCSP_REQUEST_BYTES_MAX = 65_536
_HASHES: dict[str, hashes.HashAlgorithm] = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256()}  # noqa: S303  # names an issuer, protects nothing (RFC 5019)


class RevokedCertificate(NamedTuple):
    """A certificate that is not to be trusted from a moment on."""

    serial: int
    revoked_ms: int
    reason: x509.ReasonFlags | None = None


class CertificateRegister(Protocol):
    """What an authority knows of the certificates it issued."""

    def is_issued(self, serial: int) -> bool:
        """Say whether a certificate with this serial number was issued."""
        ...

    def revoked(self, serial: int) -> RevokedCertificate | None:
        """Return the revocation of a certificate, None where it was not revoked."""
        ...


def load_certificate(certificate_pem: bytes) -> x509.Certificate:
    """Read a certificate.

    Raises:
        ConfigError: if it cannot be read.
    """
    try:
        return x509.load_pem_x509_certificate(certificate_pem)
    except (ValueError, TypeError) as err:
        raise ConfigError("expected a PEM certificate") from err


def load_pair(certificate_pem: bytes, key_pem: bytes) -> tuple[x509.Certificate, Any]:
    """Read an authority's certificate and private key.

    Raises:
        ConfigError: if one cannot be read.
        AlgorithmError: if the key is outside the pinned list (rule SEC-4).
    """
    try:
        key = load_pem_private_key(key_pem, None)
        certificate = x509.load_pem_x509_certificate(certificate_pem)
    except (ValueError, TypeError) as err:
        raise ConfigError("the authority's key or certificate cannot be read") from err
    algorithm_of(key)
    return certificate, key


def revocation_list(
    issuer: x509.Certificate,
    issuer_key: Any,
    revoked: Iterable[RevokedCertificate],
    *,
    number: int,
    this_update_ms: int,
    next_update_ms: int,
) -> bytes:
    """Return a signed CRL, DER.

    Args:
        issuer: the authority's certificate.
        issuer_key: its private key.
        revoked: all certificates that are revoked.
        number: grows with every list (RFC 5280 section 5.2.3).
        this_update_ms: when it is made, milliseconds since 1970.
        next_update_ms: when the next one is there at the latest.
    """
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(time_of(this_update_ms))
        .next_update(time_of(next_update_ms))
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
    )
    for one in revoked:
        entry = (
            x509.RevokedCertificateBuilder()
            .serial_number(one.serial)
            .revocation_date(time_of(one.revoked_ms))
        )
        if one.reason not in {None, x509.ReasonFlags.unspecified}:  # RFC 5280 section 5.3.1 wants it left out
            entry = entry.add_extension(x509.CRLReason(one.reason), critical=False)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(issuer_key, digest_of(issuer_key)).public_bytes(Encoding.DER)


@dataclass(frozen=True, slots=True, repr=False)
class OcspResponder:
    """Answers for one authority, with the authority's own key or one that it gave to a responder."""

    issuer: x509.Certificate
    responder: x509.Certificate
    key: Any

    @classmethod
    def from_pem(cls, issuer_pem: bytes, responder_pem: bytes, key_pem: bytes) -> Self:
        """Read a responder; errors as for `load_pair`."""
        responder, key = load_pair(responder_pem, key_pem)
        return cls(load_certificate(issuer_pem), responder, key)

    def response(
        self,
        certificate: x509.Certificate,
        revoked: RevokedCertificate | None = None,
        *,
        this_update_ms: int,
        next_update_ms: int,
    ) -> bytes:
        """Return a signed answer about one certificate, good unless it is revoked, DER."""
        status, *when = _status(revoked)
        builder = ocsp.OCSPResponseBuilder().add_response(
            certificate,
            self.issuer,
            hashes.SHA256(),
            status,
            time_of(this_update_ms),
            time_of(next_update_ms),
            *when,
        )
        return self._signed(builder)

    def answer(
        self, request_der: bytes, register: CertificateRegister, *, this_update_ms: int, next_update_ms: int
    ) -> bytes:
        """Return the answer to a request, DER; one that cannot be answered says why (RFC 6960 section 2.3)."""
        try:
            if len(request_der) > OCSP_REQUEST_BYTES_MAX:
                raise ValueError("too long")  # noqa: TRY301  # every malformed request has the same answer
            request = ocsp.load_der_ocsp_request(request_der)
            serial, name_hash = request.serial_number, request.issuer_name_hash
            key_hash, nonce = request.issuer_key_hash, _nonce(request)
            algorithm = _HASHES.get(request.hash_algorithm.name)
        except Exception:  # noqa: BLE001  # the parser raises many kinds, all meaning the same here
            return _unsuccessful(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
        if algorithm is None or (name_hash, key_hash) != self._issuer_hashes(algorithm):
            return _unsuccessful(ocsp.OCSPResponseStatus.UNAUTHORIZED)
        status, *when = _status(register.revoked(serial))
        if not register.is_issued(serial):
            status, when = ocsp.OCSPCertStatus.UNKNOWN, [None, None]
        builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
            name_hash,
            key_hash,
            serial,
            algorithm,
            status,
            time_of(this_update_ms),
            time_of(next_update_ms),
            *when,
        )
        if nonce is not None:
            builder = builder.add_extension(nonce, critical=False)
        return self._signed(builder)

    def _issuer_hashes(self, algorithm: hashes.HashAlgorithm) -> tuple[bytes, bytes]:
        # Asking for oneself is how the library lets us hash the key; the name in it would be that of whoever is above.
        own = ocsp.OCSPRequestBuilder().add_certificate(self.issuer, self.issuer, algorithm).build()
        name = hashes.Hash(algorithm)
        name.update(self.issuer.subject.public_bytes())
        return name.finalize(), own.issuer_key_hash

    def _signed(self, builder: ocsp.OCSPResponseBuilder) -> bytes:
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, self.responder)
        if self.responder != self.issuer:
            builder = builder.certificates([self.responder])
        return builder.sign(self.key, digest_of(self.key)).public_bytes(Encoding.DER)


def _status(revoked: RevokedCertificate | None) -> tuple[Any, Any, Any]:
    if revoked is None:
        return ocsp.OCSPCertStatus.GOOD, None, None
    return ocsp.OCSPCertStatus.REVOKED, time_of(revoked.revoked_ms), revoked.reason


def _nonce(request: ocsp.OCSPRequest) -> x509.OCSPNonce | None:
    try:
        return request.extensions.get_extension_for_class(x509.OCSPNonce).value
    except x509.ExtensionNotFound:
        return None


def _unsuccessful(status: ocsp.OCSPResponseStatus) -> bytes:
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)
