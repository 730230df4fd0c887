"""What an authority issued and revoked: one line a fact, only ever appended."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from cryptography import x509

from govbus.document.encoding import time_ms_from_text, time_text
from govbus.errors import ConfigError, GovbusError
from govbus.signing.status_building import RevokedCertificate

_REASONS = {reason.value: reason for reason in x509.ReasonFlags}
REASONS = tuple(
    reason.value
    for reason in x509.ReasonFlags
    if reason not in {x509.ReasonFlags.remove_from_crl, x509.ReasonFlags.certificate_hold}
)
"""Reasons of RFC 5280 section 5.3.1 for a revocation that is final."""


def reason_of(text: str) -> x509.ReasonFlags:
    """Return a reason by its name in RFC 5280, one of `REASONS`."""
    return _REASONS[text]


@dataclass(slots=True)
class Register:
    """The facts, by serial number; a `govbus.signing.status_building.CertificateRegister`."""

    path: Path
    issued: dict[int, str] = field(default_factory=dict)
    """Subject of every certificate."""
    revocations: dict[int, RevokedCertificate] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a register; one that does not exist is empty.

        Raises:
            ConfigError: naming the line that cannot be read.
        """
        register = cls(path)
        try:
            lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        except (OSError, UnicodeDecodeError) as err:
            raise ConfigError(f"{path} cannot be read: {err}") from err
        for number, line in enumerate(lines, 1):
            try:
                register._take(json.loads(line))
            except (ValueError, KeyError, TypeError, GovbusError) as err:
                raise ConfigError(f"{path}, line {number}: expected a fact about a certificate") from err
        return register

    def is_issued(self, serial: int) -> bool:
        """Say whether a certificate with this serial number was issued."""
        return serial in self.issued

    def revoked(self, serial: int) -> RevokedCertificate | None:
        """Return the revocation of a certificate, None where it was not revoked."""
        return self.revocations.get(serial)

    def add_issued(self, certificate: x509.Certificate) -> None:
        """Keep that a certificate was issued; called before it is given out.

        Raises:
            ConfigError: if the register cannot be written.
        """
        self._append(
            {"issued": f"{certificate.serial_number:x}", "subject": certificate.subject.rfc4514_string()}
        )

    def add_revoked(self, one: RevokedCertificate) -> None:
        """Keep that a certificate is revoked.

        Raises:
            ConfigError: if it was not issued here, or is revoked already.
        """
        if one.serial not in self.issued:
            raise ConfigError(f"certificate {one.serial:x} was not issued by this authority")
        if one.serial in self.revocations:
            raise ConfigError(
                f"certificate {one.serial:x} is revoked since {time_text(self.revocations[one.serial].revoked_ms)}"
            )
        reason = (one.reason or x509.ReasonFlags.unspecified).value
        self._append({"revoked": f"{one.serial:x}", "since": time_text(one.revoked_ms), "reason": reason})

    def _take(self, fact: dict[str, Any]) -> None:
        if "issued" in fact:
            self.issued[int(fact["issued"], 16)] = str(fact["subject"])
        else:
            serial = int(fact["revoked"], 16)
            self.revocations[serial] = RevokedCertificate(
                serial, time_ms_from_text(fact["since"]), _REASONS[fact["reason"]]
            )

    def _append(self, fact: dict[str, str]) -> None:
        line = json.dumps(fact, ensure_ascii=False) + "\n"
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            with os.fdopen(descriptor, "wb") as file:
                file.write(line.encode("utf-8"))
                file.flush()
                os.fsync(descriptor)
        except OSError as err:
            raise ConfigError(f"{self.path} cannot be written: {err.strerror}") from err
        self._take(fact)
