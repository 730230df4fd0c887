"""Proofs of logging (C2SP ``tlog-proof@v1``): a text file that shows offline that an entry stands in a witnessed log.

It holds the entry's index, the Merkle path to the root, and the checkpoint with all its signatures. Whoever has the
entry and a policy needs nothing else.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from govbus.errors import NoteError
from govbus.message_log.checkpoint import Checkpoint
from govbus.message_log.lines import (
    HASHES_MAX,
    decode_utf8,
    join_body,
    parse_hashes,
    parse_number,
    split_body,
)
from govbus.message_log.note import NOTE_BYTES_MAX, Note, NoteVerifier, from_base64
from govbus.message_log.policy import Policy, WitnessedCheckpoint
from govbus.signing.merkle import verify_inclusion

FILE_SUFFIX = ".tlog-proof"
EXTRA_BYTES_MAX = 65_536
"""Opaque data beside a proof; an entry of the log is never larger."""
PROOF_BYTES_MAX = NOTE_BYTES_MAX + 2 * EXTRA_BYTES_MAX + 48 * HASHES_MAX

_MAGIC = "c2sp.org/tlog-proof@v1"
_EXTRA = "extra "
_INDEX = "index "


@dataclass(frozen=True, slots=True)
class TlogProof:
    """One proof of logging; nothing in it is verified yet."""

    index: int
    """Of the entry in the log, from 0."""
    path: tuple[bytes, ...]
    """Inclusion proof: hashes of 32 bytes, lowest level first."""
    note: str
    """The checkpoint with its signatures, as the log published it."""
    extra: bytes = b""
    """Opaque data that nothing authenticates; empty if there is none."""

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint, not verified.

        Raises:
            NoteError: if the note is malformed.
        """
        return Checkpoint.from_text(Note.from_text(self.note).text)

    @classmethod
    def from_bytes(cls, octets: bytes) -> TlogProof:
        """Parse a proof as stored.

        Raises:
            NoteError: if it is too large, is not UTF-8, or breaks the grammar.
        """
        return cls.from_text(decode_utf8(octets, bytes_max=PROOF_BYTES_MAX))

    @classmethod
    def from_text(cls, text: str) -> TlogProof:
        """Parse a proof.

        Raises:
            NoteError: if it breaks the grammar.
        """
        head, note = split_body(text)
        magic, *lines = head
        if magic != _MAGIC:
            raise NoteError(f"expected a proof that begins with {_MAGIC}, found {magic[:40]!r}")
        extra = b""
        if lines and lines[0].startswith(_EXTRA):
            extra = from_base64(lines.pop(0).removeprefix(_EXTRA))
            if not 0 < len(extra) <= EXTRA_BYTES_MAX:
                raise NoteError(f"extra data has 1 to {EXTRA_BYTES_MAX} bytes, found {len(extra)}")
        if not lines or not lines[0].startswith(_INDEX):
            raise NoteError("expected a line with the index of the entry")
        index = parse_number(lines[0].removeprefix(_INDEX), "the index")
        proof = cls(index, parse_hashes(lines[1:]), note, extra)
        _ = proof.checkpoint  # a proof of no checkpoint is none
        return proof

    def to_text(self) -> str:
        """Return the proof; the inverse of `from_text`."""
        extra = [_EXTRA + base64.b64encode(self.extra).decode("ascii")] if self.extra else []
        return join_body([_MAGIC, *extra, f"{_INDEX}{self.index}"], self.path, self.note)

    def verify(
        self,
        leaf_hash: bytes,
        policy: Policy,
        origin: str | None = None,
        *,
        log_verifiers: Sequence[NoteVerifier] | None = None,
        is_every_log_key_required: bool = False,
    ) -> WitnessedCheckpoint:
        """Check that an entry stands in a log at the index that the proof states.

        Args:
            leaf_hash: of the entry, 32 bytes; step 1 of the specification is the caller's, who has the entry.
            policy: which logs and witnesses to believe.
            origin: the log it must be; by default any log of the policy.
            log_verifiers: keys of the log, where they are known from elsewhere instead of from the policy.
            is_every_log_key_required: refuse unless all keys of the log signed.

        Returns:
            The checkpoint and who cosigned it when.

        Raises:
            NoteError: if the checkpoint is not valid under the policy.
            ProofError: if the path does not lead from the entry to the checkpoint's root.
        """
        # Steps 2 and 3: the log's signature, the witnesses' cosignatures and the quorum.
        opened = policy.require(
            self.note,
            origin,
            log_verifiers=log_verifiers,
            is_every_log_key_required=is_every_log_key_required,
        )
        # Step 4: the entry is in that tree.
        checkpoint = opened.checkpoint
        verify_inclusion(leaf_hash, self.index, checkpoint.size, self.path, checkpoint.root)
        return opened
