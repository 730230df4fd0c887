"""Signers: what holds a private key and puts a signature under bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from cryptography.hazmat.primitives import serialization

from govbus.errors import ConfigError
from govbus.signing.algorithms import PrivateKey, algorithm_of, sign
from govbus.signing.certificates import Certificate


class Signer(Protocol):
    """A private key with its certificate; file and hardware signers look the same."""

    @property
    def certificate(self) -> Certificate:
        """The certificate that verifiers find by thumbprint."""
        ...

    @property
    def kid(self) -> str:
        """A name for people, such as ``tax.example/seal/2026``; nothing is ever looked up by it."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the JOSE octets of the signature over the message."""
        ...


@dataclass(frozen=True, slots=True, repr=False)
class KeySigner:
    """A signer whose private key lies in memory."""

    certificate: Certificate
    kid: str
    _key: PrivateKey

    @classmethod
    def from_pem(
        cls, key_pem: bytes, certificate_pem: bytes, *, kid: str, password: bytes | None = None
    ) -> KeySigner:
        """Read a PKCS#8 private key and its certificate.

        Raises:
            ConfigError: if the key cannot be read or is not the certificate's.
            UntrustedKeyError: if the certificate cannot be read.
            AlgorithmError: if the key is outside the pinned list (rule SEC-4).
        """
        try:
            key = serialization.load_pem_private_key(key_pem, password)
        except (ValueError, TypeError) as err:
            raise ConfigError(
                f"the private key of {kid} cannot be read",
                remedy="give an unencrypted PKCS#8 PEM file, or the right password",
            ) from err
        algorithm_of(key)
        certificate = Certificate.from_pem(certificate_pem)
        if _public_octets(key.public_key()) != _public_octets(certificate.public_key):
            raise ConfigError(f"the private key of {kid} is not the key of its certificate")
        return cls(certificate, kid, key)  # type: ignore[arg-type]  # algorithm_of narrowed it

    def sign(self, message: bytes) -> bytes:
        """Return the JOSE octets of the signature over the message."""
        return sign(self._key, message)

    def __repr__(self) -> str:
        return f"KeySigner({self.kid!r}, {self.certificate.algorithm})"


def _public_octets(key: object) -> bytes:
    return key.public_bytes(  # type: ignore[attr-defined, no-any-return]  # every public key has it
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
