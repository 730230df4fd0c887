"""The keys that sign a bus's message log: one Ed25519 and one ML-DSA-44 key for all of its partitions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from govbus.document.ids import AgencyId
from govbus.errors import ConfigError
from govbus.message_log.cosignature import (
    ED25519_COSIGNATURE,
    ML_DSA_44_COSIGNATURE,
    CosignatureSigner,
    CosignatureVerifier,
    witness_verifier_from_vkey,
)
from govbus.message_log.note import (
    Ed25519NoteSigner,
    Ed25519NoteVerifier,
    NoteSigner,
    NoteVerifier,
    parse_vkey,
)


def log_origin(bus: AgencyId, partition: int) -> str:
    """Return the origin line of one partition's checkpoints, such as ``bus.example/log/3``."""
    return f"{bus}/log/{partition}"


@dataclass(frozen=True, slots=True, repr=False)
class LogKeys:
    """The private keys of a message log."""

    ed25519: Ed25519PrivateKey
    ml_dsa_44: MLDSA44PrivateKey

    @classmethod
    def from_pem(cls, ed25519_pem: bytes, ml_dsa_44_pem: bytes, *, password: bytes | None = None) -> LogKeys:
        """Read two PKCS#8 private keys.

        Raises:
            ConfigError: if one cannot be read or is of another algorithm.
        """
        ed25519, ml_dsa_44 = (
            _loaded(lambda pem: serialization.load_pem_private_key(pem, password), pem)
            for pem in (ed25519_pem, ml_dsa_44_pem)
        )
        return cls.of(ed25519, ml_dsa_44)

    @classmethod
    def of(cls, ed25519: object, ml_dsa_44: object) -> LogKeys:
        """Take two private keys, wherever they lie.

        Raises:
            ConfigError: if one is of another algorithm.
        """
        if not isinstance(ed25519, Ed25519PrivateKey) or not isinstance(ml_dsa_44, MLDSA44PrivateKey):
            raise _wrong_kind(ed25519, ml_dsa_44)
        return cls(ed25519, ml_dsa_44)

    @classmethod
    def generate(cls) -> LogKeys:
        """Return new keys."""
        return cls(Ed25519PrivateKey.generate(), MLDSA44PrivateKey.generate())

    def to_pem(self) -> tuple[bytes, bytes]:
        """Return both private keys as unencrypted PKCS#8, Ed25519 first."""
        ed25519, ml_dsa_44 = (
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            for key in (self.ed25519, self.ml_dsa_44)
        )
        return ed25519, ml_dsa_44

    def signers(self, origin: str) -> tuple[NoteSigner, ...]:
        """Return both keys under the name of one log."""
        return Ed25519NoteSigner(origin, self.ed25519), CosignatureSigner(origin, self.ml_dsa_44)

    @property
    def public(self) -> LogPublicKeys:
        """The public halves."""
        return LogPublicKeys(self.ed25519.public_key(), self.ml_dsa_44.public_key())

    def __repr__(self) -> str:
        return "LogKeys()"


@dataclass(frozen=True, slots=True)
class LogPublicKeys:
    """The public keys of a message log: what an auditor needs to know beforehand."""

    ed25519: Ed25519PublicKey
    ml_dsa_44: MLDSA44PublicKey

    @classmethod
    def from_pem(cls, ed25519_pem: bytes, ml_dsa_44_pem: bytes) -> LogPublicKeys:
        """Read two SubjectPublicKeyInfo PEM texts.

        Raises:
            ConfigError: if one cannot be read or is of another algorithm.
        """
        ed25519, ml_dsa_44 = (
            _loaded(serialization.load_pem_public_key, pem) for pem in (ed25519_pem, ml_dsa_44_pem)
        )
        if not isinstance(ed25519, Ed25519PublicKey) or not isinstance(ml_dsa_44, MLDSA44PublicKey):
            raise _wrong_kind(ed25519, ml_dsa_44)
        return cls(ed25519, ml_dsa_44)

    def to_pem(self) -> tuple[bytes, bytes]:
        """Return both keys as SubjectPublicKeyInfo PEM, Ed25519 first."""
        ed25519, ml_dsa_44 = (
            key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            for key in (self.ed25519, self.ml_dsa_44)
        )
        return ed25519, ml_dsa_44

    def verifiers(self, origin: str) -> tuple[NoteVerifier, ...]:
        """Return both keys under the name of one log."""
        return Ed25519NoteVerifier(origin, self.ed25519), CosignatureVerifier(origin, self.ml_dsa_44)


def verifier_from_vkey(vkey: str) -> NoteVerifier:
    """Read a verifier key of any signature type that govbus knows: 0x01, 0x04 and 0x06.

    Raises:
        NoteError: if it is malformed or of another signature type.
    """
    if parse_vkey(vkey)[1] in {ED25519_COSIGNATURE, ML_DSA_44_COSIGNATURE}:
        return witness_verifier_from_vkey(vkey)
    return Ed25519NoteVerifier.from_vkey(vkey)


def _loaded(load: Callable[[bytes], object], pem: bytes) -> object:
    try:
        return load(pem)
    except (ValueError, TypeError) as err:
        raise ConfigError(
            "a key of the message log cannot be read", remedy="give a PEM file, or the right password"
        ) from err


def _wrong_kind(ed25519: object, ml_dsa_44: object) -> ConfigError:
    return ConfigError(
        "the keys of the message log must be one Ed25519 and one ML-DSA-44 key, "
        f"found {type(ed25519).__name__} and {type(ml_dsa_44).__name__}"
    )
