"""Publishing revocation material, and what is known of every certificate of a directory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from govbus.document import topics
from govbus.document.record import CONTENT_TYPE
from govbus.errors import ConfigError
from govbus.routing.directory.model import Directory
from govbus.routing.trust.authorities import issuers_in, require_own_word
from govbus.routing.trust.material import Material
from govbus.routing.trust.policy import RevocationMode
from govbus.routing.trust.reading import read_material
from govbus.routing.trust.status import RevocationRecords, is_declared
from govbus.service.revocations.sources import pairs_of
from govbus.signing.certificates import Certificate
from govbus.transport.base import OutRecord, Publisher

LATE: Final = "late"
UNSERVED: Final = frozenset({LATE, "stale", "unknown"})
"""States that do not serve to decide by, or not for long."""


def record_of(material: Material) -> OutRecord:
    """Return the record that publishes material."""
    headers = ((CONTENT_TYPE, material.content_type.encode("ascii")),)
    return OutRecord(topics.REVOCATIONS, 0, material.digest.encode("ascii"), material.der, headers, None)


async def publish_by_hand(
    publisher: Publisher, records: RevocationRecords, directory: Directory, der: bytes
) -> tuple[Certificate, bool]:
    """Publish a revocation list or an OCSP response that somebody brought.

    Args:
        publisher: started.
        records: everything that the topic holds.
        directory: in force.
        der: the material.

    Returns:
        The authority whose word it is, and whether it was new.

    Raises:
        UntrustedKeyError: if it cannot be read, or no authority of the directory answers for it (rule SEC-11).
        TransportError: if the broker fails.
    """
    material = read_material(der)
    issuer = require_own_word(material, issuers_in([directory]))
    if records.has(material.digest):
        return issuer, False
    await publisher.publish([record_of(material)])
    return issuer, True


@dataclass(frozen=True, slots=True)
class CertificateState:
    """What is known of one certificate."""

    subject: str
    thumbprint: str
    issuer: str
    is_declared: bool
    """Whether it says where its status is to be had."""
    is_asked_for: bool
    """Whether the bus's policy wants its status to be known."""
    state: str
    """``good``, ``late`` (within the grace), ``stale`` (beyond it), ``unknown``, ``on hold`` or ``revoked``."""
    revoked_ms: int | None
    next_update_ms: int | None

    def to_fields(self) -> dict[str, Any]:
        """Return it for machines."""
        return asdict(self)


def certificate_states(
    directory: Directory, records: RevocationRecords, at_ms: int
) -> Iterator[CertificateState]:
    """Yield what is known of every certificate of a directory and of those above it."""
    policy = directory.revocation
    for subject, issuer in pairs_of(directory).values():
        known = records.known_of(subject, issuer, records.count)
        declared = is_declared(subject)
        if known.revoked_ms is not None:
            state = "revoked"
        elif known.on_hold_ms is not None:
            state = "on hold"
        elif known.next_update_ms is None:
            state = "unknown"
        elif at_ms <= known.next_update_ms:
            state = "good"
        else:
            state = LATE if at_ms <= known.next_update_ms + policy.grace_ms else "stale"
        yield CertificateState(
            subject.subject,
            subject.thumbprint,
            issuer.subject,
            declared,
            policy.mode is RevocationMode.REQUIRED or (declared and policy.mode is RevocationMode.DECLARED),
            state,
            known.revoked_ms if known.revoked_ms is not None else known.on_hold_ms,
            known.next_update_ms,
        )


def pem_or_der(octets: bytes) -> bytes:
    """Return the DER of a revocation list that may be PEM, anything else as it is.

    Raises:
        ConfigError: if it begins as PEM and is none.
    """
    if not octets.lstrip().startswith(b"-----BEGIN"):
        return octets
    try:
        return x509.load_pem_x509_crl(octets).public_bytes(Encoding.DER)
    except ValueError as err:
        raise ConfigError("expected a revocation list, PEM or DER, or an OCSP response, DER") from err
