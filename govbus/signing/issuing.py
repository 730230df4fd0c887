"""A small certificate authority for demos, tests and small deployments; any other CA's certificates serve as well."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa
from cryptography.x509.oid import NameOID

from govbus.errors import ConfigError
from govbus.signing.algorithms import RSA_BITS_MIN, Algorithm, PrivateKey, algorithm_of

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


@dataclass(frozen=True, slots=True, repr=False)
class CertificateAuthority:
    """Issues certificates under one self-signed certificate."""

    certificate_pem: bytes
    key_pem: bytes

    @classmethod
    def create(
        cls, name: str, algorithm: Algorithm = Algorithm.ED25519, *, at_ms: int, days: int = 3650
    ) -> CertificateAuthority:
        """Create an authority whose certificate is valid from `at_ms` for so many days."""
        key = private_key_new(algorithm)
        certificate = _build(
            subject=name,
            public_key=key.public_key(),
            issuer=name,
            issuer_key=key,
            not_before_ms=at_ms,
            not_after_ms=at_ms + days * _DAY_MS,
            is_ca=True,
        )
        return cls(certificate, private_key_pem(key))

    def issue(
        self,
        subject: str,
        algorithm: Algorithm = Algorithm.ED25519,
        *,
        not_before_ms: int,
        not_after_ms: int,
    ) -> IssuedKey:
        """Issue a signing certificate with a fresh key.

        Raises:
            ConfigError: if the authority's own key cannot be read.
        """
        key = private_key_new(algorithm)
        try:
            issuer_key = serialization.load_pem_private_key(self.key_pem, None)
            issuer = x509.load_pem_x509_certificate(self.certificate_pem)
        except (ValueError, TypeError) as err:
            raise ConfigError("the authority's key or certificate cannot be read") from err
        algorithm_of(issuer_key)
        name = issuer.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        certificate = _build(
            subject=subject,
            public_key=key.public_key(),
            issuer=str(name),
            issuer_key=issuer_key,
            not_before_ms=not_before_ms,
            not_after_ms=not_after_ms,
            is_ca=False,
        )
        return IssuedKey(private_key_pem(key), certificate)


def _build(
    *,
    subject: str,
    public_key: object,
    issuer: str,
    issuer_key: object,
    not_before_ms: int,
    not_after_ms: int,
    is_ca: bool,
) -> bytes:
    digest = (
        hashes.SHA256() if isinstance(issuer_key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) else None
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(public_key)  # type: ignore[arg-type]  # made by private_key_new
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.fromtimestamp(not_before_ms // 1000, UTC))
        .not_valid_after(datetime.fromtimestamp(not_after_ms // 1000, UTC))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=0 if is_ca else None), critical=True)
        .add_extension(_usage(is_ca=is_ca), critical=True)
        .sign(issuer_key, digest)  # type: ignore[arg-type]  # algorithm_of checked it
    )
    return certificate.public_bytes(serialization.Encoding.PEM)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*, is_ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_ca,
        content_commitment=not is_ca,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        encipher_only=False,
        decipher_only=False,
    )
