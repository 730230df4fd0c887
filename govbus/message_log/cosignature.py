"""ML-DSA-44 signatures over checkpoints (C2SP ``tlog-cosignature``, signature type 0x06).

They are timestamped and cover the key name, the log's origin, size and root, but not extension lines. The log signs
its own checkpoints with them too, as C2SP recommends, beside Ed25519.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

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

ML_DSA_44_COSIGNATURE = 0x06
"""Signature type of a timestamped ML-DSA-44 cosignature."""

_PUBLIC_KEY_BYTES = 1312
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
    cosigner = require_key_name(name).encode("utf-8")
    origin = checkpoint.origin.encode("utf-8")
    if len(origin) > 255 or not 0 <= at_s <= _TIME_S_MAX:  # noqa: PLR2004  # opaque<1..2^8-1>
        raise NoteError(
            f"the origin {checkpoint.origin[:80]!r} or the time {at_s} does not fit a cosignature"
        )
    return b"".join(
        (
            _LABEL,
            bytes([len(cosigner)]),
            cosigner,
            _TIME.pack(at_s),
            bytes([len(origin)]),
            origin,
            _TIME.pack(0),
            _TIME.pack(checkpoint.size),
            checkpoint.root,
        )
    )


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
        if len(signature) <= _TIME.size:
            raise NoteError(f"the cosignature of {self.name} is too short to hold a time")
        message = cosigned_message(self.name, Checkpoint.from_text(text), at_s=cosigned_at_s(signature))
        verify_signature(self.name, self.key, signature[_TIME.size :], message)

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
        if kind != ML_DSA_44_COSIGNATURE or len(public) != _PUBLIC_KEY_BYTES:
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

    def __repr__(self) -> str:
        return f"CosignatureSigner({self.name!r})"


def cosigned_at_s(signature: bytes) -> int:
    """Return the time that a cosignature states, in seconds since 1970; true only once the signature is verified."""
    return int(_TIME.unpack_from(signature)[0])
