"""The authorities of a bus, and whose word revocation material is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from govbus.errors import UntrustedKeyError
from govbus.routing.directory.model import Directory
from govbus.routing.trust.material import Material
from govbus.signing.certificates import Certificate


def issuers_in(directories: Iterable[Directory]) -> Iterator[Certificate]:
    """Yield every authority above a certificate of some directories, each once."""
    seen: set[str] = set()
    for directory in directories:
        for trusted in directory.certificates.values():
            for issuer in trusted.issuers:
                if issuer.thumbprint not in seen:
                    seen.add(issuer.thumbprint)
                    yield issuer


def require_own_word(material: Material, issuers: Iterable[Certificate]) -> Certificate:
    """Return the authority whose word material is.

    Raises:
        UntrustedKeyError: if it is none's (rule SEC-11), for the reason that the most likely authority gives.
    """
    fault: UntrustedKeyError | None = None
    for issuer in issuers:
        try:
            material.verify(issuer)
        except UntrustedKeyError as err:
            if fault is None or material.is_about(issuer):
                fault = err
        else:
            return issuer
    raise fault or UntrustedKeyError(
        "the directory names no authority", rule="SEC-11", field="govbus.revocations"
    )
