"""What is looked up in certificates, parsed once: names, serial numbers, and where their status is to be had."""

from __future__ import annotations

import functools
from datetime import datetime
from typing import NamedTuple

from cryptography import x509

from govbus.signing.certificates import Certificate


def parsed_of(certificate: Certificate) -> x509.Certificate:
    """Return a certificate in the form of the library, parsed once."""
    return parsed_der(certificate.der)


@functools.lru_cache(maxsize=4096)
def parsed_der(der: bytes) -> x509.Certificate:
    """Return a certificate that is known to parse."""
    return x509.load_der_x509_certificate(der)


class Facts(NamedTuple):
    """What is looked up in a certificate for every record about it."""

    name: bytes
    """Of its subject, DER."""
    issuer_name: bytes
    serial: int
    is_authority: bool
    places: frozenset[str]
    """Where its list is to be had."""


def facts_of(certificate: Certificate) -> Facts:
    """Return what is looked up in a certificate, read once."""
    return _facts(certificate.der)


@functools.lru_cache(maxsize=4096)
def _facts(der: bytes) -> Facts:
    parsed = parsed_der(der)
    return Facts(
        parsed.subject.public_bytes(),
        parsed.issuer.public_bytes(),
        parsed.serial_number,
        _is_authority(parsed),
        frozenset(list_places(parsed)),
    )


def list_places(certificate: x509.Certificate) -> list[str]:
    """Return where a certificate says that its revocation list is to be had, URIs."""
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return []
    return [uri for point in points if point.crl_issuer is None for uri in uris(point.full_name)]


def responder_places(certificate: x509.Certificate) -> list[str]:
    """Return where a certificate says that its status can be asked for by OCSP, URIs."""
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return []
    return uris([one.access_location for one in access if one.access_method == x509.OID_OCSP])


def uris(names: list[x509.GeneralName] | None) -> list[str]:
    """Return the URIs among names."""
    return [name.value for name in names or () if isinstance(name, x509.UniformResourceIdentifier)]


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def moment_ms(moment: datetime) -> int:
    """Return a moment of X.509, which has whole seconds, as milliseconds since 1970."""
    return int(moment.timestamp()) * 1000


def key_usage_of(certificate: x509.Certificate) -> x509.KeyUsage | None:
    """Return what a certificate's key is for, None where it does not say."""
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None
