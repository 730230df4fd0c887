"""A small certificate authority for demos, tests and small deployments; any other CA's certificates serve as well."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa

from govbus.errors import ConfigError
from govbus.signing.algorithms import RSA_BITS_MIN, Algorithm, PrivateKey, algorithm_of
from govbus.signing.certificate_building import (
    CertificateContent,
    StatusUrls,
    authority_usage,
    build,
    digest_of,
    name_of,
    responder_usage,
    signing_usage,
)
from govbus.signing.certificates import CertificateRole
from govbus.signing.status_building import OcspResponder, RevokedCertificate, load_pair, revocation_list

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, repr=False)
class IssuedKey:
    """A private key and its certificate, both PEM."""

    key_pem: bytes
    certificate_pem: bytes


def private_key_new(algorithm: Algorithm) -> PrivateKey:
    """Return a fresh private key."""
    match algorithm:
        case Algorithm.ED25519:
            return ed25519.Ed25519PrivateKey.generate()
        case Algorithm.ES256:
            return ec.generate_private_key(ec.SECP256R1())
        case Algorithm.PS256:
            return rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS_MIN)
        case Algorithm.ML_DSA_44:
            return mldsa.MLDSA44PrivateKey.generate()
        case Algorithm.ML_DSA_65:
            return mldsa.MLDSA65PrivateKey.generate()
        case Algorithm.ML_DSA_87:
            return mldsa.MLDSA87PrivateKey.generate()


def private_key_pem(key: PrivateKey, password: bytes | None = None) -> bytes:
    """Return the PKCS#8 PEM of a private key, encrypted where a password is given."""
    encryption: serialization.KeySerializationEncryption = (
        serialization.BestAvailableEncryption(password)
        if password is not None
        else serialization.NoEncryption()
    )
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def request_pem(key: PrivateKey, subject: str, organisation: str = "") -> bytes:
    """Return a certificate signing request (RFC 2986), PEM."""
    request = x509.CertificateSigningRequestBuilder().subject_name(name_of(subject, organisation))
    return request.sign(key, digest_of(key)).public_bytes(serialization.Encoding.PEM)


@dataclass(frozen=True, slots=True, repr=False)
class CertificateAuthority:
    """Issues certificates and says which of them are revoked."""

    certificate_pem: bytes
    key_pem: bytes
    urls: StatusUrls = field(default_factory=StatusUrls)
    """What certificates issued from now on say about where to ask."""

    @classmethod
    def create(
        cls,
        name: str,
        algorithm: Algorithm = Algorithm.ED25519,
        *,
        at_ms: int,
        days: int = 3650,
        path_length: int = 0,
        urls: StatusUrls = StatusUrls(),  # noqa: B008  # frozen
    ) -> Self:
        """Create a root whose certificate is valid from `at_ms` for so many days.

        Args:
            name: its common name.
            algorithm: of its key.
            at_ms: when its validity begins, milliseconds since 1970.
            days: how long it is valid.
            path_length: how many authorities there may be between it and a signing certificate.
            urls: for the certificates that it issues.
        """
        key = private_key_new(algorithm)
        content = CertificateContent(
            subject=name_of(name),
            public_key=key.public_key(),
            not_before_ms=at_ms,
            not_after_ms=at_ms + days * _DAY_MS,
            key_usage=authority_usage(),
            path_length=path_length,
            is_ca=True,
        )
        return cls(build(content, content.subject, key), private_key_pem(key), urls)

    def intermediate(
        self,
        name: str,
        algorithm: Algorithm = Algorithm.ED25519,
        *,
        not_before_ms: int,
        not_after_ms: int,
        path_length: int = 0,
        urls: StatusUrls = StatusUrls(),  # noqa: B008  # frozen
    ) -> CertificateAuthority:
        """Create an authority under this one; arguments as for `create`, errors as for `issue`."""
        key = private_key_new(algorithm)
        certificate = self._certificate(
            CertificateContent(
                subject=name_of(name),
                public_key=key.public_key(),
                not_before_ms=not_before_ms,
                not_after_ms=not_after_ms,
                key_usage=authority_usage(),
                path_length=path_length,
                is_ca=True,
            )
        )
        return CertificateAuthority(certificate, private_key_pem(key), urls)

    def issue(
        self,
        subject: str,
        algorithm: Algorithm = Algorithm.ED25519,
        *,
        not_before_ms: int,
        not_after_ms: int,
        organisation: str = "",
        role: CertificateRole = CertificateRole.SEAL,
    ) -> IssuedKey:
        """Issue a signing certificate with a fresh key.

        Args:
            subject: common name: of the agency for a seal, of the person for an officer.
            algorithm: of the key.
            not_before_ms: first valid moment, milliseconds since 1970.
            not_after_ms: last valid moment.
            organisation: that the subject is or belongs to.
            role: what it is to sign with it.

        Raises:
            ConfigError: if the authority's own key cannot be read, or a name does not fit a certificate.
        """
        key = private_key_new(algorithm)
        content = _leaf(name_of(subject, organisation), key.public_key(), not_before_ms, not_after_ms, role)
        return IssuedKey(private_key_pem(key), self._certificate(content))

    def issue_for_request(
        self,
        request: bytes,
        *,
        not_before_ms: int,
        not_after_ms: int,
        role: CertificateRole = CertificateRole.SEAL,
        subject: str = "",
        organisation: str = "",
    ) -> bytes:
        """Issue a certificate for the key of a signing request, and return its PEM.

        Only key and name are taken from the request; usage and validity are the authority's to say.

        Args:
            request: PEM or DER.
            not_before_ms: first valid moment, milliseconds since 1970.
            not_after_ms: last valid moment.
            role: what the key is to sign.
            subject: common name to use instead of the request's name.
            organisation: goes with `subject`.

        Raises:
            ConfigError: if it is no request, or whoever wrote it does not have the key.
            AlgorithmError: if the key is outside the pinned list (rule SEC-4).
        """
        parsed = _request(request)
        algorithm_of(parsed.public_key())
        name = name_of(subject, organisation) if subject else parsed.subject
        return self._certificate(_leaf(name, parsed.public_key(), not_before_ms, not_after_ms, role))

    def issue_responder(
        self, algorithm: Algorithm = Algorithm.ES256, *, not_before_ms: int, not_after_ms: int
    ) -> IssuedKey:
        """Issue the key of an OCSP responder, so that this authority's own key need not be on a network."""
        key = private_key_new(algorithm)
        content = CertificateContent(
            subject=name_of("OCSP responder"),
            public_key=key.public_key(),
            not_before_ms=not_before_ms,
            not_after_ms=not_after_ms,
            key_usage=responder_usage(),
            is_ocsp_responder=True,
        )
        return IssuedKey(private_key_pem(key), self._certificate(content))

    def crl(
        self,
        revoked: Iterable[RevokedCertificate] = (),
        *,
        this_update_ms: int,
        next_update_ms: int,
        number: int = 1,
    ) -> bytes:
        """Return a signed revocation list, DER; arguments as for `revocation_list`."""
        issuer, key = self._loaded()
        return revocation_list(
            issuer,
            key,
            revoked,
            number=number,
            this_update_ms=this_update_ms,
            next_update_ms=next_update_ms,
        )

    def ocsp_response(
        self,
        certificate_pem: bytes,
        revoked: RevokedCertificate | None = None,
        *,
        this_update_ms: int,
        next_update_ms: int,
        responder: IssuedKey | None = None,
    ) -> bytes:
        """Return a signed OCSP answer about one certificate, DER: good unless it is revoked.

        Args:
            certificate_pem: that it is about.
            revoked: its revocation.
            this_update_ms: when this was known, milliseconds since 1970.
            next_update_ms: until when it may be relied on.
            responder: signs instead of the authority itself.
        """
        return self.ocsp_responder(responder).response(
            x509.load_pem_x509_certificate(certificate_pem),
            revoked,
            this_update_ms=this_update_ms,
            next_update_ms=next_update_ms,
        )

    def ocsp_responder(self, responder: IssuedKey | None = None) -> OcspResponder:
        """Return what answers OCSP requests, with the authority's own key unless another is given.

        Raises:
            ConfigError: if a key or certificate cannot be read.
        """
        if responder is None:
            issuer, key = self._loaded()
            return OcspResponder(issuer, issuer, key)
        return OcspResponder.from_pem(self.certificate_pem, responder.certificate_pem, responder.key_pem)

    def revoked_of(
        self, certificate_pem: bytes, revoked_ms: int, reason: x509.ReasonFlags | None = None
    ) -> RevokedCertificate:
        """Return the revocation of a certificate from a moment on."""
        serial = x509.load_pem_x509_certificate(certificate_pem).serial_number
        return RevokedCertificate(serial, revoked_ms, reason)

    def _certificate(self, content: CertificateContent) -> bytes:
        issuer, key = self._loaded()
        return build(replace(content, urls=self.urls), issuer.subject, key)

    def _loaded(self) -> tuple[x509.Certificate, Any]:
        return load_pair(self.certificate_pem, self.key_pem)


def _leaf(
    name: x509.Name, public_key: Any, not_before_ms: int, not_after_ms: int, role: CertificateRole
) -> CertificateContent:
    return CertificateContent(
        subject=name,
        public_key=public_key,
        not_before_ms=not_before_ms,
        not_after_ms=not_after_ms,
        key_usage=signing_usage(role),
    )


def _request(octets: bytes) -> x509.CertificateSigningRequest:
    load = x509.load_pem_x509_csr if octets.lstrip().startswith(b"-----BEGIN") else x509.load_der_x509_csr
    try:
        request = load(octets)
        is_signed = request.is_signature_valid
    except Exception as err:  # the parser raises many kinds, all meaning the same here
        raise ConfigError("expected a certificate signing request (PKCS#10, PEM or DER)") from err
    if not is_signed:
        raise ConfigError("the signing request is not signed by the key that it names")
    return request
