"""What an authority says about certificates it issued: the part that lists and responses share."""

from __future__ import annotations

import enum
import hashlib
from typing import ClassVar, Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes

from govbus.errors import UntrustedKeyError
from govbus.signing.certificates import Certificate

COMPROMISES: Final = frozenset(
    {x509.ReasonFlags.key_compromise, x509.ReasonFlags.ca_compromise, x509.ReasonFlags.aa_compromise}
)
"""Reasons that say that somebody else may have the key."""
STRONG_HASHES: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


class Saying(enum.Enum):
    """What an authority says of one certificate."""

    GOOD = "good"
    REVOKED = "revoked"
    ON_HOLD = "on hold"
    """Revoked for now: the only revocation that can be taken back (RFC 5280 section 5.3.1)."""
    UNKNOWN = "unknown"
    """The responder does not know the certificate."""


class Status(NamedTuple):
    """What one list or response says about one certificate."""

    saying: Saying
    this_update_ms: int
    next_update_ms: int
    """Until when it may be relied on; its own time where the authority promises nothing."""
    revoked_ms: int = 0
    is_compromised: bool = False


class Material:
    """A revocation list or an OCSP response, read but not yet believed."""

    content_type: ClassVar[str]
    """Media type of its record."""

    def __init__(self, der: bytes) -> None:
        self.der = der
        self.digest = hashlib.sha256(der).hexdigest()
        """Hex SHA-256 of its octets: the key of its record."""
        self._verified: dict[str, str] = {}
        """By the issuer's thumbprint, why it does not hold; empty where it does."""

    def verify(self, issuer: Certificate) -> None:
        """Check that it is the issuer's word.

        Raises:
            UntrustedKeyError: if it is not (rule SEC-11).
        """
        known = self._verified.get(issuer.thumbprint)
        if known is None:
            known = self._verified[issuer.thumbprint] = self._fault(issuer)
        if known:
            raise refused(known)

    def status_of(self, subject: Certificate, issuer: Certificate) -> Status | None:
        """Return what it says about a certificate, None where it is about others; believe it after `verify` alone."""
        raise NotImplementedError

    def is_about(self, issuer: Certificate) -> bool:
        """Return whether it says that it is by this authority, or about its certificates; `verify` says if so."""
        raise NotImplementedError

    def _fault(self, issuer: Certificate) -> str:
        """Return why it is not the issuer's word, empty where it is."""
        try:
            self._require(issuer)
        except UntrustedKeyError as err:
            return err.message
        except InvalidSignature:
            return f"its signature by {issuer.subject} does not hold"
        except Exception as err:  # noqa: BLE001  # the library raises many kinds; none of them makes it good
            return f"it cannot be verified: {type(err).__name__}"
        return ""

    def _require(self, issuer: Certificate) -> None:
        raise NotImplementedError


def revoked_status(
    revoked_ms: int, reason: x509.ReasonFlags | None, this_update_ms: int, next_update_ms: int
) -> Status:
    """Return the status that a revocation with a reason is."""
    if reason is x509.ReasonFlags.remove_from_crl:
        return Status(Saying.GOOD, this_update_ms, next_update_ms)
    saying = Saying.ON_HOLD if reason is x509.ReasonFlags.certificate_hold else Saying.REVOKED
    return Status(saying, this_update_ms, next_update_ms, revoked_ms, reason in COMPROMISES)


def refused(detail: str) -> UntrustedKeyError:
    """Return the error about material that is not believed."""
    return UntrustedKeyError(detail, rule="SEC-11", field="govbus.revocations")
