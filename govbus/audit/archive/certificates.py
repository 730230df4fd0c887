"""Which certificates a segment needs: those that its signatures name, and their issuers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from govbus.document.encoding import base64url
from govbus.errors import GovbusError
from govbus.signing.jws import DetachedSignature

HEADERS_REMEMBERED_MAX = 10_000
_PEM = "-----BEGIN CERTIFICATE-----"
_LEVELS_MAX = 10
"""A certificate, eight between it and an anchor, and the anchor."""


@dataclass(frozen=True, slots=True)
class _Known:
    der: bytes
    subject: bytes
    issuer: bytes


class NamedCertificates:
    """The certificates that signatures name, by thumbprint."""

    def __init__(self) -> None:
        self.thumbprints: set[str] = set()
        self._seen: set[bytes] = set()
        """Protected headers of signatures: those of one key and second are alike."""

    def use(self, signatures: Iterable[bytes]) -> None:
        """Take note of the certificates that signatures name."""
        for signature in signatures:
            protected = signature.partition(b".")[0]
            if protected not in self._seen:
                if len(self._seen) >= HEADERS_REMEMBERED_MAX:
                    self._seen.clear()
                self._seen.add(protected)
                thumbprint = _thumbprint(signature)
                if thumbprint is not None:
                    self.thumbprints.add(thumbprint)


class CertificatePool:
    """Every certificate that any version of the directory has named, by thumbprint."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._used = NamedCertificates()

    def take_directory(self, values: Iterable[bytes | None]) -> None:
        """Take the certificates in records of the directory, whoever wrote them."""
        for value in values:
            for pem in _pems(value):
                for certificate in _loaded(pem):
                    der = certificate.public_bytes(Encoding.DER)
                    self._known[thumbprint_of(der)] = _Known(
                        der, certificate.subject.public_bytes(), certificate.issuer.public_bytes()
                    )

    def use(self, signatures: Iterable[bytes]) -> None:
        """Take note of the certificates that signatures name."""
        self._used.use(signatures)

    def take_used(self) -> dict[str, bytes]:
        """Return the certificates used since the last call and their issuers, DER by thumbprint."""
        used, self._used = self._used.thumbprints, NamedCertificates()
        return {one: self._known[one].der for one in sorted(self.needed(used))}

    def needed(self, thumbprints: Iterable[str]) -> set[str]:
        """Return which certificates lead from some to their anchors, those themselves included.

        Args:
            thumbprints: those that the directory has never named are left out: nobody here has them.
        """
        chosen = {one for one in thumbprints if one in self._known}
        level = chosen
        for _ in range(_LEVELS_MAX):
            issuers = {self._known[one].issuer for one in level}
            level = {one for one, known in self._known.items() if known.subject in issuers} - chosen
            if not level:
                break
            chosen |= level
        return chosen


def thumbprint_of(der: bytes) -> str:
    """Return the base64url SHA-256 of a certificate: the ``x5t#S256`` of its signatures."""
    return base64url(hashlib.sha256(der).digest())


def _thumbprint(signature: bytes) -> str | None:
    try:
        return DetachedSignature.from_bytes(signature).thumbprint
    except GovbusError:
        return None


def _loaded(pem: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem.encode("ascii"))
    except ValueError:
        return []


def _pems(value: bytes | None) -> Iterator[str]:
    """Yield every text in a JSON value that holds certificates."""
    if value is None or _PEM.encode() not in value:
        return
    try:
        waiting: list[Any] = [json.loads(value)]
    except (ValueError, RecursionError):
        return
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
        elif isinstance(one, str) and _PEM in one:
            yield one
