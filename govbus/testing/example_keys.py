"""The keys of the example bus: made afresh in every process, and shared by all its examples."""

from __future__ import annotations

import functools
from typing import Final

from govbus.signing.algorithms import Algorithm
from govbus.signing.issuing import CertificateAuthority, IssuedKey
from govbus.signing.signer import KeySigner

YEAR_MS: Final = 31_536_000_000
VALID_FROM_MS: Final = 1_735_689_600_000
"""2025-01-01: from here on the example's certificates and agreements are good."""
VALID_TO_MS: Final = 1_924_905_600_000
"""2030-12-31: to here."""
_OWN: Final = (VALID_FROM_MS, VALID_TO_MS)
VALIDITIES: Final[dict[str, tuple[int, int]]] = {
    "expired-certificate": (VALID_FROM_MS, VALID_FROM_MS + YEAR_MS),
    "future-certificate": (VALID_TO_MS - YEAR_MS, VALID_TO_MS),
}
"""Signers of the example's sender whose certificate is not valid when its documents are made."""


@functools.cache
def authority() -> CertificateAuthority:
    """Return the anchor of the example bus."""
    return CertificateAuthority.create("Example root", at_ms=VALID_FROM_MS, days=3650)


def issued(name: str, algorithm: Algorithm = Algorithm.ED25519) -> IssuedKey:
    """Return the key and certificate that go by a name, made when they are first asked for."""
    return _issued(name, algorithm)


@functools.cache
def _issued(name: str, algorithm: Algorithm) -> IssuedKey:
    from_ms, to_ms = VALIDITIES.get(name, _OWN)
    return authority().issue(name, algorithm, not_before_ms=from_ms, not_after_ms=to_ms)


@functools.cache
def foreign() -> IssuedKey:
    """Return a key whose certificate is from an authority that is no anchor of the bus."""
    other = CertificateAuthority.create("Another root", at_ms=VALID_FROM_MS, days=3650)
    return other.issue("foreign", not_before_ms=VALID_FROM_MS, not_after_ms=VALID_TO_MS)


@functools.cache
def signer(name: str, algorithm: Algorithm = Algorithm.ED25519) -> KeySigner:
    """Return the signer that goes by a name."""
    key = issued(name, algorithm)
    return KeySigner.from_pem(key.key_pem, key.certificate_pem, kid=name)
