"""Signers: what holds a private key and puts a signature under bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from govbus.errors import ConfigError, SignatureError
from govbus.signing.algorithms import PrivateKey, algorithm_of, sign, verify
from govbus.signing.certificates import Certificate

_PAIR_CHECK: Final = b"govbus/pair-check/v1\n"
"""Signed once whenever a signer is opened; no statement, batch or note begins like this."""


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


class SignerChoice(Protocol):
    """Several keys, of which some sign what was made at a moment: how keys are changed over while documents flow."""

    def signers_at(self, time_ms: int) -> Sequence[Signer]:
        """Return who seals a statement with this time, in milliseconds since 1970: the seal, and its twin.

        Raises:
            SignerUnavailableError: if no key is good for it.
        """
        ...

    def officer_at(self, time_ms: int) -> Signer | None:
        """Return the officer who signs a statement with this time where one is asked for; None where nobody does.

        Raises:
            SignerUnavailableError: if there are officers and none of their keys is good for it.
        """
        ...


Signers = Sequence[Signer] | SignerChoice
"""Who signs: always the same, or whoever is right for the time of what is signed."""


def signers_at(signers: Signers, time_ms: int) -> Sequence[Signer]:
    """Return who signs a statement with this time; errors as for `SignerChoice.signers_at`."""
    return signers if isinstance(signers, Sequence) else signers.signers_at(time_ms)


def officer_at(signers: Signers, time_ms: int) -> Signer | None:
    """Return the officer who signs a statement with this time; errors as for `SignerChoice.officer_at`."""
    return None if isinstance(signers, Sequence) else signers.officer_at(time_ms)


@dataclass(frozen=True, slots=True)
class FixedSigners:
    """Keys that always sign: the seal with its twin, and the officer where one is asked for."""

    seals: Sequence[Signer]
    officer: Signer | None = None

    def signers_at(self, time_ms: int) -> Sequence[Signer]:
        """Return the seals, whatever the time."""
        del time_ms
        return self.seals

    def officer_at(self, time_ms: int) -> Signer | None:
        """Return the officer, whatever the time."""
        del time_ms
        return self.officer


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
        key = load_private_key(key_pem, name=f"the private key of {kid}", password=password)
        return cls.of_pair(key, Certificate.from_pem(certificate_pem), kid=kid)

    @classmethod
    def of_pair(cls, key: PrivateKey, certificate: Certificate, *, kid: str) -> Self:
        """Put a private key and its certificate together, once a signature has shown that they are a pair.

        Raises:
            ConfigError: if the key is not the certificate's.
            AlgorithmError: if the key is outside the pinned list (rule SEC-4).
        """
        signature = sign(key, _PAIR_CHECK)
        try:
            verify(certificate.public_key, signature, _PAIR_CHECK)
        except SignatureError as err:
            raise ConfigError(f"the private key of {kid} is not the key of its certificate") from err
        return cls(certificate, kid, key)

    def sign(self, message: bytes) -> bytes:
        """Return the JOSE octets of the signature over the message."""
        return sign(self._key, message)

    def __repr__(self) -> str:
        return f"KeySigner({self.kid!r}, {self.certificate.algorithm})"


def load_private_key(key_pem: bytes, *, name: str, password: bytes | None = None) -> PrivateKey:
    """Read a PKCS#8 private key.

    Args:
        key_pem: PEM, encrypted or not.
        name: of the key or file, for errors.
        password: where it is encrypted.

    Raises:
        ConfigError: if it cannot be read.
        AlgorithmError: if it is outside the pinned list (rule SEC-4).
    """
    try:
        key = serialization.load_pem_private_key(key_pem, password)
    except (ValueError, TypeError, UnsupportedAlgorithm) as err:
        raise ConfigError(
            f"{name} cannot be read", remedy="give an unencrypted PKCS#8 PEM file, or the right password"
        ) from err
    algorithm_of(key)
    return key  # type: ignore[return-value]  # algorithm_of narrowed it
