"""Signed notes: text with signature lines under it (C2SP ``signed-note``), and Ed25519 keys for them.

A note is text that ends in a newline, an empty line, and signature lines ``— <key name> base64(key id || signature)``.
Signatures of unknown keys are ignored, those of known keys must hold: that lets keys rotate and witnesses cosign.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from govbus.errors import NoteError, SignatureError
from govbus.signing.algorithms import verify

SIGNATURES_MAX = 64
"""C2SP asks verifiers to take at least 16; a policy's 48 witnesses and the log's own keys must fit."""
NOTE_BYTES_MAX = 262_144
"""Room for that many post-quantum signatures."""
KEY_NAME_LENGTH_MAX = 255
"""Bytes of a key name; the length field of an ML-DSA-44 cosignature holds no more."""

ED25519 = 0x01
"""Signature type of a plain Ed25519 signature over the note text."""

_KEY_ID_BYTES = 4
_ED25519_KEY_BYTES = 32
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_DASH = "\u2014 "


class NoteSignature(NamedTuple):
    """One signature line; nothing in it is verified yet."""

    name: str
    key_id: bytes
    """4 bytes that tell keys of one name apart; not a cryptographic binding."""
    signature: bytes

    def to_text(self) -> str:
        """Return the line without its newline."""
        octets = base64.b64encode(self.key_id + self.signature).decode("ascii")
        return f"{_DASH}{self.name} {octets}"

    @classmethod
    def from_text(cls, line: str) -> NoteSignature:
        """Parse one signature line.

        Raises:
            NoteError: if the line breaks the grammar.
        """
        name, space, text = line.removeprefix(_DASH).partition(" ")
        if not line.startswith(_DASH) or not space:
            raise NoteError("expected a signature line: em dash, key name, base64")
        octets = from_base64(text)
        if len(octets) <= _KEY_ID_BYTES:
            raise NoteError("a signature line is too short to hold a key id and a signature")
        return cls(require_key_name(name), octets[:_KEY_ID_BYTES], octets[_KEY_ID_BYTES:])


@dataclass(frozen=True, slots=True)
class Note:
    """A note: its text, final newline included, and its signature lines."""

    text: str
    signatures: tuple[NoteSignature, ...]

    @classmethod
    def from_bytes(cls, octets: bytes) -> Note:
        """Parse a note as stored.

        Raises:
            NoteError: if the octets are over 256 KiB, are not UTF-8, or break the grammar.
        """
        if len(octets) > NOTE_BYTES_MAX:
            raise NoteError(f"a note may have {NOTE_BYTES_MAX} bytes, found {len(octets)}")
        try:
            return cls.from_text(octets.decode("utf-8"))
        except UnicodeDecodeError as err:
            raise NoteError("a note must be UTF-8") from err

    @classmethod
    def from_text(cls, note: str) -> Note:
        """Parse a note.

        Raises:
            NoteError: if it breaks the grammar, is over 262,144 characters, or has more than 64 signatures.
        """
        if len(note) > NOTE_BYTES_MAX:
            raise NoteError(f"a note may have {NOTE_BYTES_MAX} bytes, found {len(note)} characters")
        body, separator, lines = note.rpartition("\n\n")
        if not separator or not lines.endswith("\n"):
            raise NoteError("expected text, an empty line, and signature lines that end in a newline")
        signatures = lines[:-1].split("\n")
        if len(signatures) > SIGNATURES_MAX:
            raise NoteError(f"a note may have {SIGNATURES_MAX} signatures, found {len(signatures)}")
        text = require_text(body + "\n")
        require_text(lines)
        return cls(text, tuple(NoteSignature.from_text(line) for line in signatures))

    def to_text(self) -> str:
        """Return the note; the inverse of `from_text`."""
        return self.text + "\n" + "".join(signature.to_text() + "\n" for signature in self.signatures)


class NoteSigner(Protocol):
    """A key that signs notes under one name."""

    @property
    def verifier(self) -> NoteVerifier:
        """The public half."""
        ...

    def sign(self, text: str, *, at_s: int) -> NoteSignature:
        """Return the signature line for a note text.

        Args:
            text: note text, final newline included.
            at_s: seconds since 1970; only timestamped signature types use it.

        Raises:
            NoteError: if this kind of key cannot sign such a text.
        """
        ...


class NoteVerifier(Protocol):
    """A public key that is trusted to sign notes under one name."""

    @property
    def name(self) -> str:
        """The key name."""
        ...

    @property
    def key_id(self) -> bytes:
        """4 bytes."""
        ...

    def verify(self, text: str, signature: bytes) -> None:
        """Check a signature over a note text.

        Raises:
            NoteError: if it does not hold.
        """
        ...

    def to_vkey(self) -> str:
        """Return the verifier key as text: ``<name>+<hex key id>+<base64 of type and public key>``."""
        ...


@dataclass(frozen=True, slots=True)
class Ed25519NoteVerifier:
    """Signature type 0x01: Ed25519 over the note text."""

    name: str
    key: Ed25519PublicKey

    @property
    def key_id(self) -> bytes:
        """First 4 bytes of SHA-256(name || LF || 0x01 || public key)."""
        return key_id_of(self.name, ED25519, self.key.public_bytes_raw())

    def verify(self, text: str, signature: bytes) -> None:
        """Check a signature over the text, by the strict Ed25519 rules of ``docs/specs/signatures.md``.

        Raises:
            NoteError: if it does not hold.
        """
        verify_signature(self.name, self.key, signature, text.encode("utf-8"))

    def to_vkey(self) -> str:
        """Return the verifier key as text."""
        return vkey_text(self.name, ED25519, self.key.public_bytes_raw())

    @classmethod
    def from_vkey(cls, vkey: str) -> Ed25519NoteVerifier:
        """Read a verifier key.

        Raises:
            NoteError: if it is malformed, its key id is not its key's, or it is of another signature type.
        """
        name, kind, public = parse_vkey(vkey)
        if kind != ED25519 or len(public) != _ED25519_KEY_BYTES:
            raise NoteError(f"expected an Ed25519 verifier key (type 0x01), found type {kind:#04x}")
        return cls(name, Ed25519PublicKey.from_public_bytes(public))


@dataclass(frozen=True, slots=True, repr=False)
class Ed25519NoteSigner:
    """Signs note texts with Ed25519 (signature type 0x01)."""

    name: str
    key: Ed25519PrivateKey

    @property
    def verifier(self) -> Ed25519NoteVerifier:
        """The public half."""
        return Ed25519NoteVerifier(self.name, self.key.public_key())

    def sign(self, text: str, *, at_s: int) -> NoteSignature:  # noqa: ARG002  # this type states no time
        """Return the signature line for a note text.

        Raises:
            NoteError: if the text or the key's name breaks the rules for notes.
        """
        octets = require_text(text).encode("utf-8")
        return NoteSignature(require_key_name(self.name), self.verifier.key_id, self.key.sign(octets))

    def __repr__(self) -> str:
        return f"Ed25519NoteSigner({self.name!r})"


def verify_note(note: Note, verifiers: Iterable[NoteVerifier]) -> list[NoteVerifier]:
    """Check every signature by a known key.

    Args:
        note: as parsed.
        verifiers: the known keys.

    Returns:
        The verifiers that signed, in the order given; at least one.

    Raises:
        NoteError: if a signature of a known key does not hold, or none is of a known key.
    """
    known = list(verifiers)
    signed: list[NoteVerifier] = []
    for verifier in known:
        lines = [
            line for line in note.signatures if (line.name, line.key_id) == (verifier.name, verifier.key_id)
        ]
        for line in lines:
            verifier.verify(note.text, line.signature)
        if lines:
            signed.append(verifier)
    if not signed:
        names = ", ".join(verifier.to_vkey()[:80] for verifier in known) or "none"
        raise NoteError(f"the note is not signed by a known key; known are: {names}")
    return signed


def key_id_of(name: str, kind: int, public: bytes) -> bytes:
    """Return the first 4 bytes of SHA-256(name || LF || signature type || public key)."""
    return hashlib.sha256(name.encode("utf-8") + b"\n" + bytes([kind]) + public).digest()[:_KEY_ID_BYTES]


def vkey_text(name: str, kind: int, public: bytes) -> str:
    """Return a verifier key: ``<name>+<hex key id>+<base64 of type and public key>``."""
    material = base64.b64encode(bytes([kind]) + public).decode("ascii")
    return f"{name}+{key_id_of(name, kind, public).hex()}+{material}"


def parse_vkey(vkey: str) -> tuple[str, int, bytes]:
    """Return name, signature type and public key of a verifier key.

    Raises:
        NoteError: if it is malformed, or its key id is not the recommended one for its key.
    """
    name, _, rest = vkey.partition("+")
    id_text, plus, material_text = rest.partition("+")
    if not plus:
        raise NoteError("expected a verifier key: <name>+<8 hex digits>+<base64>")
    material = from_base64(material_text)
    if not material:
        raise NoteError("the verifier key has no key material")
    require_key_name(name)
    if id_text != key_id_of(name, material[0], material[1:]).hex():
        raise NoteError(f"the key id of the verifier key for {name} is not the one of its key")
    return name, material[0], material[1:]


def verify_signature(name: str, key: Ed25519PublicKey | object, signature: bytes, message: bytes) -> None:
    """Check a signature by one of the pinned algorithms.

    Raises:
        NoteError: if it does not hold.
    """
    try:
        verify(key, signature, message)  # type: ignore[arg-type]  # verify refuses every other kind of key
    except SignatureError as err:
        raise NoteError(f"the signature of {name} does not hold over the note") from err


def require_key_name(name: str) -> str:
    """Return a key name that is allowed.

    Raises:
        NoteError: if it is empty, over 255 bytes, or holds a space or a plus.
    """
    if (
        not 0 < len(require_text(name).encode("utf-8")) <= KEY_NAME_LENGTH_MAX
        or "+" in name
        or any(character.isspace() for character in name)
    ):
        raise NoteError(
            f"a key name has 1 to {KEY_NAME_LENGTH_MAX} bytes without space or plus, found {name[:80]!r}"
        )
    return name


def require_text(text: str) -> str:
    """Return a text without control characters other than newline, and fit for UTF-8.

    Raises:
        NoteError: if it is not.
    """
    if _CONTROL.search(text):
        raise NoteError("a note may not hold control characters other than newline")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as err:
        raise NoteError("a note must be UTF-8") from err
    return text


def from_base64(text: str) -> bytes:
    """Return the octets of standard base64 (RFC 4648 section 4) with padding and zero spare bits.

    Raises:
        NoteError: if the text is anything else.
    """
    try:
        octets = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as err:
        raise NoteError("expected standard base64 with padding") from err
    if base64.b64encode(octets).decode("ascii") != text:
        raise NoteError("expected standard base64 with padding and zero spare bits")
    return octets
