"""What govbus writes into an X.509 certificate: names, key usage, and where to ask whether it was revoked.

Implements the certificate profile of ``docs/specs/signatures.md`` (RFC 5280; the key usages are those of ETSI EN 319
412-2 and 412-3 for signatures and seals).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from govbus.errors import ConfigError
from govbus.signing.certificates import CertificateRole

COMMON_NAME_CHARS_MAX = 64
"""RFC 5280 appendix A.1, ub-common-name."""


@dataclass(frozen=True, slots=True)
class StatusUrls:
    """Where a certificate says that its status can be asked for; empty where the authority is not on a network."""

    crl: str = ""
    ocsp: str = ""
    issuer: str = ""
    """Where the issuing certificate lies, DER (caIssuers)."""


@dataclass(frozen=True, slots=True)
class CertificateContent:
    """What a certificate is to say."""

    subject: x509.Name
    public_key: Any
    not_before_ms: int
    not_after_ms: int
    key_usage: x509.KeyUsage
    path_length: int | None = None
    is_ca: bool = False
    urls: StatusUrls = StatusUrls()
    is_ocsp_responder: bool = False


def name_of(common_name: str, organisation: str = "") -> x509.Name:
    """Return a name of an organisation, where one is given, and a common name.

    Raises:
        ConfigError: if one of them is empty or too long for a certificate.
    """
    attributes = [(NameOID.ORGANIZATION_NAME, organisation)] if organisation else []
    attributes.append((NameOID.COMMON_NAME, common_name))
    try:
        return x509.Name([x509.NameAttribute(oid, text) for oid, text in attributes])
    except ValueError as err:
        raise ConfigError(
            f"a certificate's name must have 1 to {COMMON_NAME_CHARS_MAX} characters, found {len(common_name)}"
            f" and {len(organisation)}"
        ) from err


def authority_usage() -> x509.KeyUsage:
    """Return the key usage of an authority: certificates and revocation lists."""
    return _usage(key_cert_sign=True, crl_sign=True)


def signing_usage(role: CertificateRole) -> x509.KeyUsage:
    """Return the key usage of a role: officers only commit to content, seals may authenticate as well."""
    return _usage(digital_signature=role is CertificateRole.SEAL, content_commitment=True)


def responder_usage() -> x509.KeyUsage:
    """Return the key usage of an OCSP responder."""
    return _usage(digital_signature=True)


def _usage(
    *,
    digital_signature: bool = False,
    content_commitment: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=content_commitment,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def digest_of(key: object) -> hashes.SHA256 | None:
    """Return the hash that goes with an issuer's key; None where the algorithm has its own."""
    return hashes.SHA256() if isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) else None


def time_of(time_ms: int) -> datetime:
    """Return the whole second of X.509 that a moment lies in."""
    return datetime.fromtimestamp(time_ms // 1000, UTC)


def build(content: CertificateContent, issuer_name: x509.Name, issuer_key: Any) -> bytes:
    """Sign a certificate and return its PEM.

    Raises:
        ConfigError: if its validity ends before it begins.
    """
    if content.not_after_ms < content.not_before_ms:
        raise ConfigError("a certificate's validity must not end before it begins")
    builder = (
        x509.CertificateBuilder()
        .subject_name(content.subject)
        .issuer_name(issuer_name)
        .public_key(content.public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(time_of(content.not_before_ms))
        .not_valid_after(time_of(content.not_after_ms))
        .add_extension(
            x509.BasicConstraints(
                ca=content.is_ca, path_length=content.path_length if content.is_ca else None
            ),
            critical=True,
        )
        .add_extension(content.key_usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(content.public_key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
    )
    if content.is_ocsp_responder:
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), critical=False
        ).add_extension(x509.OCSPNoCheck(), critical=False)
    for extension in _status_extensions(content.urls):
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(issuer_key, digest_of(issuer_key)).public_bytes(Encoding.PEM)


def _status_extensions(urls: StatusUrls) -> list[x509.ExtensionType]:
    extensions: list[x509.ExtensionType] = []
    if urls.crl:
        place = x509.DistributionPoint([x509.UniformResourceIdentifier(urls.crl)], None, None, None)
        extensions.append(x509.CRLDistributionPoints([place]))
    access = [
        x509.AccessDescription(method, x509.UniformResourceIdentifier(url))
        for method, url in (
            (AuthorityInformationAccessOID.OCSP, urls.ocsp),
            (AuthorityInformationAccessOID.CA_ISSUERS, urls.issuer),
        )
        if url
    ]
    if access:
        extensions.append(x509.AuthorityInformationAccess(access))
    return extensions
