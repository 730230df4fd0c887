"""What is to be known about a key: its certificate, how long it is good, and to whom the directory binds it."""

from __future__ import annotations

from typing import Any, NamedTuple

from govbus.document.encoding import time_text
from govbus.document.ids import AgencyId
from govbus.service.keys.rotation import KeyDirectory
from govbus.signing.certificates import Certificate, TrustedCertificate

DAY_MS = 86_400_000


class KeyReport(NamedTuple):
    """One key."""

    kind: str
    """``seal``, ``twin``; empty for a certificate by itself."""
    kid: str
    reference: str
    """Where the private key is; empty for a certificate by itself."""
    certificate: Certificate
    is_opened: bool | None
    """Whether the private key opens and is the certificate's; None where it was not tried."""
    problem: str
    """What is wrong with it; empty where nothing is."""
    binding: TrustedCertificate | None = None
    is_directory_known: bool = False

    def days_left(self, at_ms: int) -> int:
        """Return full days until the certificate expires; negative once it has."""
        return (self.certificate.not_after_ms - at_ms) // DAY_MS

    def to_json(self, at_ms: int) -> dict[str, Any]:
        """Return the report for machines."""
        certificate, binding = self.certificate, self.binding
        return {
            "kind": self.kind or None,
            "kid": self.kid or None,
            "key": self.reference or None,
            "algorithm": str(certificate.algorithm),
            "thumbprint": certificate.thumbprint,
            "subject": certificate.subject,
            "valid_from": time_text(certificate.not_before_ms),
            "valid_to": time_text(certificate.not_after_ms),
            "days_left": self.days_left(at_ms),
            "opens": self.is_opened,
            "bound_to": None if binding is None else str(binding.agency),
            "role": None if binding is None else str(binding.role),
            "revoked": None
            if binding is None or binding.revoked_ms is None
            else time_text(binding.revoked_ms),
            "directory_read": self.is_directory_known,
            "problem": self.problem or None,
        }


def report(
    certificate: Certificate,
    *,
    at_ms: int,
    kind: str = "",
    kid: str = "",
    reference: str = "",
    error: str | None = None,
    directory: KeyDirectory | None = None,
    agency: AgencyId | None = None,
) -> KeyReport:
    """Look at one key.

    Args:
        certificate: of the key.
        at_ms: now, milliseconds since 1970.
        kind: what it is for.
        kid: its name for people.
        reference: where the private key is.
        error: why it could not be opened, empty where it could; None where it was not tried.
        directory: the version in force, where it was read.
        agency: whose key it should be.
    """
    binding = None if directory is None else directory.certificate(certificate.thumbprint)
    problem = error or ""
    if not problem and at_ms > certificate.not_after_ms:
        problem = "the certificate has expired"
    if not problem and at_ms < certificate.not_before_ms:
        problem = "the certificate is not yet valid"
    if not problem and directory is not None:
        problem = _binding_problem(binding, agency, at_ms)
    return KeyReport(
        kind,
        kid,
        reference,
        certificate,
        None if error is None else not error,
        problem,
        binding,
        directory is not None,
    )


def _binding_problem(binding: TrustedCertificate | None, agency: AgencyId | None, at_ms: int) -> str:
    if binding is None:
        return "the directory does not have the certificate"
    if agency is not None and binding.agency != agency:
        return f"the directory binds the certificate to {binding.agency}"
    if binding.revoked_ms is not None and at_ms >= binding.revoked_ms:
        return "the certificate is revoked"
    return ""
