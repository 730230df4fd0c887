"""Checkpoints: what a log signs to state its size and root (C2SP ``tlog-checkpoint``).

The note text is three lines: origin, size, base64 of the root. The log's own keys all bear the origin as their name,
because one private key serves every partition of a bus and only the name tells its signatures apart.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

from govbus.errors import NoteError
from govbus.message_log.note import Note, NoteSigner, NoteVerifier, from_base64, require_text, verify_note
from govbus.signing.merkle import HASH_BYTES, SIZE_MAX

_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_LINES_MIN = 3


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of one log."""

    origin: str
    """``<bus id>/log/<partition>``."""
    size: int
    """Entries in the log."""
    root: bytes
    """RFC 6962 root over them, 32 bytes."""
    extensions: tuple[str, ...] = ()
    """Further lines; govbus writes none, and an ML-DSA-44 cosignature does not cover them."""

    @classmethod
    def from_text(cls, text: str) -> Checkpoint:
        """Parse the note text of a checkpoint.

        Raises:
            NoteError: if it breaks the grammar.
        """
        lines = require_text(text).split("\n")
        if lines.pop() or len(lines) < _LINES_MIN or not all(lines):
            raise NoteError("expected a checkpoint: origin, size, root, no empty line, final newline")
        origin, size, root, *extensions = lines
        if _NUMBER.fullmatch(size) is None or int(size) > SIZE_MAX:
            raise NoteError(
                f"checkpoint of {origin[:80]}: the size must be a decimal number, found {size[:20]!r}"
            )
        octets = from_base64(root)
        if len(octets) != HASH_BYTES:
            raise NoteError(f"checkpoint of {origin[:80]}: the root must have {HASH_BYTES} bytes")
        return cls(origin, int(size), octets, tuple(extensions))

    def to_text(self) -> str:
        """Return the note text; the inverse of `from_text`."""
        root = base64.b64encode(self.root).decode("ascii")
        return "\n".join([self.origin, str(self.size), root, *self.extensions, ""])


def sign_checkpoint(checkpoint: Checkpoint, signers: Sequence[NoteSigner], *, at_s: int) -> str:
    """Return the signed note of a checkpoint.

    The log must have made sure that the checkpoint is consistent with every one it signed before.

    Args:
        checkpoint: what to sign.
        signers: the log's keys; each name must be the checkpoint's origin.
        at_s: seconds since 1970.

    Raises:
        NoteError: if there is no signer, one bears another name, or the checkpoint breaks the grammar.
    """
    text = checkpoint.to_text()
    if Checkpoint.from_text(text) != checkpoint:
        raise NoteError("the origin or an extension of the checkpoint is not one line")
    _require_names(checkpoint, [signer.verifier for signer in signers])
    return Note(text, tuple(signer.sign(text, at_s=at_s) for signer in signers)).to_text()


def open_checkpoint(note: str | bytes, verifiers: Sequence[NoteVerifier]) -> Checkpoint:
    """Return the checkpoint in a note that all of the log's keys signed.

    Args:
        note: the signed note.
        verifiers: the log's keys, at least one; each name must be the checkpoint's origin. Signatures of other
            keys, such as witnesses, are ignored.

    Raises:
        NoteError: if the note or the checkpoint is malformed, is of another log, or lacks a signature that holds.
    """
    # Step 1: shape.
    parsed = Note.from_bytes(note) if isinstance(note, bytes) else Note.from_text(note)
    checkpoint = Checkpoint.from_text(parsed.text)
    # Step 2: the right log. An Ed25519 note signature does not cover the key name, so the text must.
    _require_names(checkpoint, verifiers)
    # Step 3: signatures.
    signed = verify_note(parsed, verifiers)
    if len(signed) != len(verifiers):
        raise NoteError(
            f"checkpoint of {checkpoint.origin}: expected signatures of {len(verifiers)} keys, found {len(signed)}"
        )
    return checkpoint


def _require_names(checkpoint: Checkpoint, verifiers: Sequence[NoteVerifier]) -> None:
    if not verifiers:
        raise NoteError(f"checkpoint of {checkpoint.origin}: no key of the log is known")
    for verifier in verifiers:
        if verifier.name != checkpoint.origin:
            raise NoteError(
                f"expected a checkpoint of {verifier.name[:80]}, found one of {checkpoint.origin[:80]}"
            )
