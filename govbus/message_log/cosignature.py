"""Timestamped signatures over checkpoints (C2SP ``tlog-cosignature``): ML-DSA-44 (0x06) and Ed25519 (0x04).

ML-DSA-44 covers the key name, the time, the log's origin, and a range of leaves with its root, but not extension
lines. The log signs its own checkpoints with it too, as C2SP recommends, beside Ed25519. Ed25519 cosignatures cover
the time and the whole note text, but not the key name; public witnesses of today make them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from govbus.errors import NoteError
from govbus.message_log.checkpoint import Checkpoint
from govbus.message_log.note import (
    NoteSignature,
    key_id_of,
    parse_vkey,
    require_key_name,
    verify_signature,
    vkey_text,
)

ED25519_COSIGNATURE = 0x04
"""Signature type of a timestamped Ed25519 cosignature."""
ML_DSA_44_COSIGNATURE = 0x06
"""Signature type of a timestamped ML-DSA-44 cosignature."""

_ED25519_KEY_BYTES = 32
_ML_DSA_44_KEY_BYTES = 1312
_TIME = struct.Struct(">Q")
_TIME_S_MAX = 2**63 - 1
_LABEL = b"subtree/v1\n\0"


def cosigned_message(name: str, checkpoint: Checkpoint, *, at_s: int) -> bytes:
    """Return the ``cosigned_message`` structure for a checkpoint (start 0, end its size).

    Args:
        name: key name of the cosigner.
        checkpoint: what is cosigned.
        at_s: seconds since 1970; 0 states no time.

    Raises:
        NoteError: if name or origin is over 255 bytes, or the time over 2^63-1.
    """
    return cosigned_subtree_message(name, checkpoint.origin, 0, checkpoint.size, checkpoint.root, at_s=at_s)


def cosigned_subtree_message(
    name: str, origin: str, start: int, end: int, root: bytes, *, at_s: int = 0
) -> bytes:
    """Return the ``cosigned_message`` structure for the leaves [start, end) of a log.

    Args:
        name: key name of the cosigner.
        origin: of the log.
        start: index of the first leaf.
        end: index after the last leaf.
        root: root of the subtree, 32 bytes.
        at_s: seconds since 1970; 0 states no time, and must be 0 unless `start` is.

    Raises:
        NoteError: if name or origin is over 255 bytes, or the time over 2^63-1 or stated for a subtree inside.
    """
    cosigner = require_key_name(name).encode("utf-8")
    log = origin.encode("utf-8")
    if not 0 < len(log) <= 255 or not 0 <= at_s <= _TIME_S_MAX or (start and at_s):  # noqa: PLR2004  # opaque<1..2^8-1>
        raise NoteError(f"the origin {origin[:80]!r} or the time {at_s} does not fit a cosignature")
    return b"".join(
        (
            _LABEL,
            bytes([len(cosigner)]),
            cosigner,
            _TIME.pack(at_s),
            bytes([len(log)]),
            log,
            _TIME.pack(start),
            _TIME.pack(end),
            root,
        )
    )


def cosigned_text(text: str, *, at_s: int) -> bytes:
    """Return what an Ed25519 cosignature is over: two header lines and the note text of a checkpoint.

    Raises:
        NoteError: if the time is over 2^63-1.
    """
    if not 0 <= at_s <= _TIME_S_MAX:
        raise NoteError(f"the time {at_s} does not fit a cosignature")
    return f"cosignature/v1\ntime {at_s}\n{text}".encode()


@dataclass(frozen=True, slots=True)
class CosignatureVerifier:
    """Signature type 0x06: 8 bytes of time and an ML-DSA-44 signature over ``cosigned_message``."""

    name: str
    key: MLDSA44PublicKey

    @property
    def key_id(self) -> bytes:
        """First 4 bytes of SHA-256(name || LF || 0x06 || public key)."""
        return key_id_of(self.name, ML_DSA_44_COSIGNATURE, self.key.public_bytes_raw())

    def verify(self, text: str, signature: bytes) -> None:
        """Check a cosignature over a checkpoint's text.

        Raises:
            NoteError: if it does not hold, or the text is no checkpoint.
        """
        at_s, own = _timed(self.name, signature)
        message = cosigned_message(self.name, Checkpoint.from_text(text), at_s=at_s)
        verify_signature(self.name, self.key, own, message)

    def verify_subtree(self, origin: str, start: int, end: int, root: bytes, signature: bytes) -> None:
        """Check a cosignature over the leaves [start, end) of a log with this root of 32 bytes.

        Raises:
            NoteError: if it does not hold, or states a time for a subtree inside the log.
        """
        at_s, own = _timed(self.name, signature)
        message = cosigned_subtree_message(self.name, origin, start, end, root, at_s=at_s)
        verify_signature(self.name, self.key, own, message)

    def to_vkey(self) -> str:
        """Return the verifier key as text."""
        return vkey_text(self.name, ML_DSA_44_COSIGNATURE, self.key.public_bytes_raw())

    @classmethod
    def from_vkey(cls, vkey: str) -> CosignatureVerifier:
        """Read a verifier key.

        Raises:
            NoteError: if it is malformed, its key id is not its key's, or it is of another signature type.
        """
        name, kind, public = parse_vkey(vkey)
        if kind != ML_DSA_44_COSIGNATURE or len(public) != _ML_DSA_44_KEY_BYTES:
            raise NoteError(f"expected an ML-DSA-44 verifier key (type 0x06), found type {kind:#04x}")
        return cls(name, MLDSA44PublicKey.from_public_bytes(public))


@dataclass(frozen=True, slots=True, repr=False)
class CosignatureSigner:
    """Signs checkpoints with ML-DSA-44 (signature type 0x06)."""

    name: str
    key: MLDSA44PrivateKey

    @property
    def verifier(self) -> CosignatureVerifier:
        """The public half."""
        return CosignatureVerifier(self.name, self.key.public_key())

    def sign(self, text: str, *, at_s: int) -> NoteSignature:
        """Return the signature line for a checkpoint's text.

        Raises:
            NoteError: if the text is no checkpoint, or a name or the time does not fit.
        """
        message = cosigned_message(self.name, Checkpoint.from_text(text), at_s=at_s)
        return NoteSignature(self.name, self.verifier.key_id, _TIME.pack(at_s) + self.key.sign(message))

    def sign_subtree(self, origin: str, start: int, end: int, root: bytes) -> NoteSignature:
        """Return the signature line, without a time, for the leaves [start, end) of a log with this root.

        Raises:
            NoteError: if a name does not fit.
        """
        message = cosigned_subtree_message(self.name, origin, start, end, root)
        return NoteSignature(self.name, self.verifier.key_id, _TIME.pack(0) + self.key.sign(message))

    def __repr__(self) -> str:
        return f"CosignatureSigner({self.name!r})"


@dataclass(frozen=True, slots=True)
class Ed25519CosignatureVerifier:
    """Signature type 0x04: 8 bytes of time and an Ed25519 signature over ``cosigned_text``."""

    name: str
    key: Ed25519PublicKey

    @property
    def key_id(self) -> bytes:
        """First 4 bytes of SHA-256(name || LF || 0x04 || public key)."""
        return key_id_of(self.name, ED25519_COSIGNATURE, self.key.public_bytes_raw())

    def verify(self, text: str, signature: bytes) -> None:
        """Check a cosignature over a checkpoint's text, by the strict Ed25519 rules of ``docs/specs/signatures.md``.

        Raises:
            NoteError: if it does not hold, or the text is no checkpoint.
        """
        Checkpoint.from_text(text)
        at_s, own = _timed(self.name, signature)
        verify_signature(self.name, self.key, own, cosigned_text(text, at_s=at_s))

    def to_vkey(self) -> str:
        """Return the verifier key as text."""
        return vkey_text(self.name, ED25519_COSIGNATURE, self.key.public_bytes_raw())

    @classmethod
    def from_vkey(cls, vkey: str) -> Ed25519CosignatureVerifier:
        """Read a verifier key.

        Raises:
            NoteError: if it is malformed, its key id is not its key's, or it is of another signature type.
        """
        name, kind, public = parse_vkey(vkey)
        if kind != ED25519_COSIGNATURE or len(public) != _ED25519_KEY_BYTES:
            raise NoteError(
                f"expected an Ed25519 cosigner's verifier key (type 0x04), found type {kind:#04x}"
            )
        return cls(name, Ed25519PublicKey.from_public_bytes(public))


@dataclass(frozen=True, slots=True, repr=False)
class Ed25519CosignatureSigner:
    """Cosigns checkpoints with Ed25519 (signature type 0x04).

    The signature does not cover the key name, so a cosigner needs a key of its own for every name.
    """

    name: str
    key: Ed25519PrivateKey

    @property
    def verifier(self) -> Ed25519CosignatureVerifier:
        """The public half."""
        return Ed25519CosignatureVerifier(self.name, self.key.public_key())

    def sign(self, text: str, *, at_s: int) -> NoteSignature:
        """Return the signature line for a checkpoint's text.

        Raises:
            NoteError: if the text is no checkpoint, or the name or the time does not fit.
        """
        Checkpoint.from_text(text)
        message = cosigned_text(text, at_s=at_s)
        octets = _TIME.pack(at_s) + self.key.sign(message)
        return NoteSignature(require_key_name(self.name), self.verifier.key_id, octets)

    def __repr__(self) -> str:
        return f"Ed25519CosignatureSigner({self.name!r})"


WitnessVerifier = CosignatureVerifier | Ed25519CosignatureVerifier
"""A public key that cosigns checkpoints."""


def witness_verifier_from_vkey(vkey: str) -> WitnessVerifier:
    """Read a verifier key that states a time with every signature, as a witness's must.

    Raises:
        NoteError: if it is malformed or of another signature type.
    """
    kind = parse_vkey(vkey)[1]
    if kind == ML_DSA_44_COSIGNATURE:
        return CosignatureVerifier.from_vkey(vkey)
    if kind == ED25519_COSIGNATURE:
        return Ed25519CosignatureVerifier.from_vkey(vkey)
    raise NoteError(f"expected a cosigner's verifier key (type 0x04 or 0x06), found type {kind:#04x}")


def cosigned_at_s(signature: bytes) -> int:
    """Return the time that a cosignature states, in seconds since 1970; true only once the signature is verified."""
    return int(_TIME.unpack_from(signature)[0])


def _timed(name: str, signature: bytes) -> tuple[int, bytes]:
    """Return the stated time and the signature proper."""
    if len(signature) <= _TIME.size:
        raise NoteError(f"the cosignature of {name} is too short to hold a time")
    return cosigned_at_s(signature), signature[_TIME.size :]
