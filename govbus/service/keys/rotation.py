"""Keys that are changed over while documents flow: which of several signs a document is decided by its time.

A certificate must be valid when the statement was made, which is when the document entered the spool. So documents
that wait are signed by the key that was right then, and a new key takes over with the documents made after it was
ready. A key is ready once the directory binds it to the agency, and has done so for a while: routers read the
directory by themselves, and one that is a moment behind would refuse a key that it does not know yet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import structlog

from govbus.document.encoding import time_text
from govbus.document.ids import AgencyId
from govbus.errors import DirectoryError, SignerUnavailableError, UntrustedKeyError
from govbus.signing.certificates import CertificateRole, TrustedCertificate
from govbus.signing.signer import Signer

logger = structlog.get_logger(__name__)

SETTLE_MS = 60_000
"""A certificate that is new in the directory is left alone for so long, where an older one is good as well."""

StatusCheck = Callable[[TrustedCertificate, int], object]
"""Raises UntrustedKeyError where a document of a time would be refused for the status of its certificate."""


class KeyDirectory(Protocol):
    """What is asked of a version of the directory here."""

    @property
    def issued_ms(self) -> int:
        """When the governing authority signed it."""
        ...

    def certificate(self, thumbprint: str) -> TrustedCertificate | None:
        """Return the trusted certificate with this ``x5t#S256``, or None where there is none."""
        ...


class _Usable(NamedTuple):
    """A key that is good for a document; the greatest is taken."""

    is_settled: bool
    age_order: int
    place_order: int


class SigningKeys:
    """An agency's keys: of every kind (seal, twin) one or more, of which one signs each document."""

    def __init__(
        self,
        agency: AgencyId,
        kinds: Sequence[Sequence[Signer]],
        *,
        officers: Sequence[Signer] = (),
        directory: Callable[[], KeyDirectory] | None = None,
        check_status: StatusCheck | None = None,
    ) -> None:
        """Take keys.

        Args:
            agency: whose they are.
            kinds: for every kind of seal its keys, of each kind at least one.
            officers: keys of the persons who sign where an officer is asked for; one of them does.
            directory: returns the version in force; None leaves out what only it can say.
            check_status: refuses a certificate that routers would not take a document under; None asks nobody.
        """
        self.agency = agency
        self._seals = tuple(tuple(keys) for keys in kinds)
        self._officers = tuple(officers)
        self._directory = directory
        self._check_status = check_status
        self._bound_since_ms: dict[str, int] = {}
        self._refused: set[str] = set()
        self._chosen: tuple[Signer, ...] = ()

    @property
    def kinds(self) -> tuple[tuple[Signer, ...], ...]:
        """The keys of every kind: seal, twin, officer."""
        return (*self._seals, self._officers) if self._officers else self._seals

    def role_of(self, key: Signer) -> CertificateRole:
        """Return what a key signs as, which its certificate must be for."""
        return CertificateRole.OFFICER if key in self._officers else CertificateRole.SEAL

    @property
    def is_changing_over(self) -> bool:
        """Whether there is a choice, which only the directory can make."""
        return any(len(keys) > 1 for keys in self.kinds)

    def following(
        self, directory: Callable[[], KeyDirectory], check_status: StatusCheck | None = None
    ) -> SigningKeys:
        """Return the same keys, chosen by the directory that a function returns and by a check of their status."""
        return SigningKeys(
            self.agency,
            self._seals,
            officers=self._officers,
            directory=directory,
            check_status=check_status,
        )

    def signers_at(self, time_ms: int) -> Sequence[Signer]:
        """Return, of every kind of seal, the newest key that is ready and good for a statement of this time.

        Raises:
            SignerUnavailableError: if of one kind there is none, with the reason for every key; or if the directory
                has expired.
        """
        directory = self._current()
        chosen = tuple(self._newest(keys, directory, time_ms) for keys in self._seals)
        if chosen != self._chosen:
            logger.info(
                "keys that sign",
                agency=str(self.agency),
                keys=[f"{key.kid} {key.certificate.thumbprint}" for key in chosen],
            )
            self._chosen = chosen
        return self._chosen

    def officer_at(self, time_ms: int) -> Signer | None:
        """Return the newest of the officers' keys that is ready and good for a statement of this time.

        Raises:
            SignerUnavailableError: if there are keys and none is good, with the reason for every key; or if the
                directory has expired.
        """
        if not self._officers:
            return None
        return self._newest(self._officers, self._current(), time_ms)

    def _current(self) -> KeyDirectory | None:
        if self._directory is None:
            return None
        try:
            return self._directory()
        except DirectoryError as err:
            raise SignerUnavailableError(
                f"which key signs cannot be said: {err.message}", remedy=err.remedy
            ) from err

    def _newest(self, keys: Sequence[Signer], directory: KeyDirectory | None, time_ms: int) -> Signer:
        reasons: list[str] = []
        best: tuple[_Usable, Signer] | None = None
        for position, key in enumerate(keys):
            try:
                is_settled = self._check(key, directory, time_ms)
            except UntrustedKeyError as err:
                reasons.append(f"{key.kid}: {err.message}")
                continue
            # While none has settled, as after a version that has just come, the oldest is the likeliest to be known.
            sign = 1 if is_settled else -1
            usable = _Usable(is_settled, sign * key.certificate.not_before_ms, sign * position)
            if best is None or usable > best[0]:
                best = usable, key
        if best is None:
            raise SignerUnavailableError(
                f"no key of {self.agency} is good for documents of {time_text(time_ms)} ({'; '.join(reasons)})",
                remedy="add a key whose certificate was valid then and is in the directory; the documents wait",
            )
        return best[1]

    def _check(self, key: Signer, directory: KeyDirectory | None, time_ms: int) -> bool:
        """Refuse a key that is not good for a moment, else say whether routers know it by now."""
        certificate = key.certificate
        if directory is None:
            TrustedCertificate(certificate, self.agency).require_valid_at(time_ms)
            return True
        trusted = directory.certificate(certificate.thumbprint)
        if trusted is None or trusted.agency != self.agency:
            self._bound_since_ms.pop(certificate.thumbprint, None)
            raise UntrustedKeyError("the directory does not bind its certificate to the agency", rule="SEC-6")
        if trusted.role is not self.role_of(key):
            raise UntrustedKeyError(
                f"in the directory its certificate is of role {trusted.role}", rule="SEC-6"
            )
        trusted.require_valid_at(time_ms)
        self._bound_since_ms.setdefault(certificate.thumbprint, directory.issued_ms)
        self._require_status(trusted, time_ms)
        return time_ms - self._bound_since_ms[certificate.thumbprint] >= SETTLE_MS

    def _require_status(self, trusted: TrustedCertificate, time_ms: int) -> None:
        """Check what is known of revocation; a certificate whose status has just become known settles anew."""
        if self._check_status is None:
            return
        thumbprint = trusted.certificate.thumbprint
        try:
            self._check_status(trusted, time_ms)
        except UntrustedKeyError:
            self._refused.add(thumbprint)
            raise
        if thumbprint in self._refused:
            self._refused.discard(thumbprint)
            self._bound_since_ms[thumbprint] = time_ms
