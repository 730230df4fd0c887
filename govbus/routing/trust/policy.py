"""What a bus asks of the status of certificates: the revocation policy of its directory (rule SEC-11)."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

GRACE_HOURS_DEFAULT: Final = 24
GRACE_HOURS_MAX: Final = 720
_HOUR_MS: Final = 3_600_000


class RevocationMode(enum.StrEnum):
    """Of which certificates the status must be known when a document is decided on."""

    NONE = "none"
    """Of none: revocation lists and OCSP responses are not looked at; the directory alone says what is revoked."""
    DECLARED = "declared"
    """Of those that say where it is to be had (CRL distribution point, OCSP)."""
    REQUIRED = "required"
    """Of all."""


@dataclass(frozen=True, slots=True)
class RevocationPolicy:
    """Of which certificates the status must be known, and for how long after its time it still serves."""

    mode: RevocationMode = RevocationMode.DECLARED
    grace_hours: int = GRACE_HOURS_DEFAULT
    """After ``nextUpdate``; documents are then accepted with a warning."""

    @property
    def grace_ms(self) -> int:
        """The grace in milliseconds."""
        return self.grace_hours * _HOUR_MS


DEFAULT_POLICY: Final = RevocationPolicy()
"""Of a bus whose directory says nothing."""
