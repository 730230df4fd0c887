"""From the certificate of a timestamp authority to an anchor, judged at the token's own time (RFC 5280, RFC 3161).

The span of validity counts at the time that the token states, never at the time of the check: a token outlives its
certificate, and renewal carries it on. Revocation is not asked for: a token that was made before its authority was
revoked for cessation stays good, and what a stolen key signs later is what a second authority and the log's own
order are for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from govbus.errors import TimestampError

CHAIN_CERTIFICATES_MAX = 8
"""Certificates from the authority's own to the one below the anchor."""

_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_UNDERSTOOD = {
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.CERTIFICATE_POLICIES,
}
"""Critical extensions that are honoured here; policies, because any policy is acceptable (RFC 5280 section 6.1.1)."""

E = TypeVar("E", bound=x509.ExtensionType)


def trusted_chain(
    certificate: x509.Certificate,
    others: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    *,
    at_ms: int,
) -> tuple[x509.Certificate, ...]:
    """Return the chain of a timestamp authority at one moment.

    Args:
        certificate: the authority's own.
        others: certificates that may stand between, trusted for nothing.
        anchors: certificates that the caller trusts: roots, or the authority's own.
        at_ms: milliseconds since 1970; what counts is the token's time.

    Returns:
        The authority's certificate first, the anchor last; one certificate if the authority is an anchor itself.

    Raises:
        TimestampError: if the certificate is none of a timestamp authority, was not valid then, or no chain leads
            from it to an anchor.
    """
    # Step 1: the certificate itself.
    _require_timestamping(certificate)
    _require_usable(certificate, at_ms)
    # Step 2: breadth first, each certificate once, so that a hostile set costs its square and no more.
    refused: list[str] = []
    seen = {certificate}
    chains: deque[tuple[x509.Certificate, ...]] = deque([(certificate,)])
    while chains:
        chain = chains.popleft()
        if chain[-1] in anchors:
            return chain
        for issuer in (*anchors, *others):
            if issuer in seen or not _is_issuer(issuer, chain[-1]):
                continue
            seen.add(issuer)
            try:
                _require_authority(issuer, below=len(chain) - 1, at_ms=at_ms)
            except TimestampError as err:
                refused.append(err.message)
                continue
            chains.append((*chain, issuer))
    reasons = f": {'; '.join(refused)}" if refused else ""
    raise TimestampError(
        f"no chain leads from {_name(certificate)} to an authority that is trusted{reasons}",
        remedy="give the root certificate of the timestamp authority, if it is to be trusted",
    )


def chain_ends_ms(chain: Sequence[x509.Certificate]) -> int:
    """Return the last moment, in milliseconds since 1970, at which every certificate below the anchor is valid.

    The anchor itself counts only where it is all of the chain: trust in it is the caller's to end.
    """
    return min(_not_after_ms(certificate) for certificate in chain[:-1] or chain)


def _require_timestamping(certificate: x509.Certificate) -> None:
    """RFC 3161 section 2.3: extended key usage, critical, and timeStamping alone."""
    usage = _extension(certificate, x509.ExtendedKeyUsage)
    if usage is None or list(usage.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise TimestampError(f"{_name(certificate)} is not for time stamping alone (extended key usage)")
    if not usage.critical:
        raise TimestampError(f"{_name(certificate)} has an extended key usage that is not critical")
    key_usage = _extension(certificate, x509.KeyUsage)
    if key_usage is not None and not (
        key_usage.value.digital_signature or key_usage.value.content_commitment
    ):
        raise TimestampError(f"{_name(certificate)} is not for signatures (key usage)")


def _require_authority(certificate: x509.Certificate, *, below: int, at_ms: int) -> None:
    """RFC 5280 section 6.1.4 for a certificate that issued another; `below` counts the authorities under it."""
    if below + 1 >= CHAIN_CERTIFICATES_MAX:
        raise TimestampError(f"a chain may have {CHAIN_CERTIFICATES_MAX} certificates")
    constraints = _extension(certificate, x509.BasicConstraints)
    if constraints is None or not constraints.value.ca:
        raise TimestampError(f"{_name(certificate)} is no certificate authority")
    if constraints.value.path_length is not None and below > constraints.value.path_length:
        raise TimestampError(f"{_name(certificate)} allows no authority below it (path length)")
    key_usage = _extension(certificate, x509.KeyUsage)
    if key_usage is not None and not key_usage.value.key_cert_sign:
        raise TimestampError(f"{_name(certificate)} is not for certificates (key usage)")
    usage = _extension(certificate, x509.ExtendedKeyUsage)
    allowed = {ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    if usage is not None and not allowed & set(usage.value):
        raise TimestampError(f"{_name(certificate)} may not issue for time stamping (extended key usage)")
    _require_usable(certificate, at_ms)


def _require_usable(certificate: x509.Certificate, at_ms: int) -> None:
    if at_ms < int(certificate.not_valid_before_utc.timestamp()) * 1000:
        raise TimestampError(f"{_name(certificate)} was not yet valid at the timestamp's time")
    if at_ms > _not_after_ms(certificate):
        raise TimestampError(f"{_name(certificate)} had expired at the timestamp's time")
    for extension in certificate.extensions:
        if extension.critical and extension.oid not in _UNDERSTOOD:
            raise TimestampError(
                f"{_name(certificate)} has the critical extension {extension.oid.dotted_string}, which is unknown here"
            )


def _is_issuer(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Return whether name and signature of a certificate lead to an issuer, under a hash that still counts."""
    if issuer.subject != certificate.issuer:
        return False
    try:
        # None is an algorithm with its own hash: Ed25519, ML-DSA.
        algorithm = certificate.signature_hash_algorithm
        if algorithm is not None and not isinstance(algorithm, _HASHES):
            return False
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _extension(certificate: x509.Certificate, kind: type[E]) -> x509.Extension[E] | None:
    try:
        return certificate.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None


def _not_after_ms(certificate: x509.Certificate) -> int:
    return int(certificate.not_valid_after_utc.timestamp()) * 1000 + 999


def _name(certificate: x509.Certificate) -> str:
    return f"certificate {certificate.subject.rfc4514_string()[:120]}"
