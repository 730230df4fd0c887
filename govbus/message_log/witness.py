"""What a witness answers (C2SP ``tlog-witness``): requests, responses, and the decision about each, as pure functions.

A witness remembers the latest checkpoint that it cosigned of every log, and cosigns another one only if that one is
shown to have grown from it. The caller keeps the memory: it must look up the latest checkpoint, decide and store the
new one in one transaction, durably, before the answer leaves the process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from govbus.errors import NoteError, ProofError
from govbus.message_log.checkpoint import Checkpoint
from govbus.message_log.cosignature import CosignatureSigner, Ed25519CosignatureSigner
from govbus.message_log.lines import (
    HASHES_MAX,
    decode_utf8,
    hash_text,
    join_body,
    parse_hash,
    parse_hashes,
    parse_number,
    split_body,
)
from govbus.message_log.note import NOTE_BYTES_MAX, Note, NoteSignature, NoteVerifier, verify_note
from govbus.signing.merkle import EMPTY_ROOT, require_subtree, verify_consistency, verify_subtree_consistency

REQUEST_BYTES_MAX = NOTE_BYTES_MAX + 48 * (HASHES_MAX + 3)

SUCCESS = 200
BAD_REQUEST = 400
FORBIDDEN = 403
NOT_FOUND = 404
CONFLICT = 409
UNPROCESSABLE = 422

SIZE_CONTENT_TYPE = "text/x.tlog.size"
"""Of the answer 409, whose body is the size of the latest checkpoint that was cosigned."""
TEXT_CONTENT_TYPE = "text/plain"

_OLD = "old "
_SUBTREE = "subtree "


class Answer(NamedTuple):
    """A response over HTTP."""

    status: int
    body: str
    """Signature lines, the known size, or what was wrong in words."""

    @property
    def content_type(self) -> str:
        """Media type of the body."""
        return SIZE_CONTENT_TYPE if self.status == CONFLICT else TEXT_CONTENT_TYPE


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """The request to cosign a checkpoint; nothing in it is verified yet."""

    old_size: int
    """Size of the checkpoint that the witness cosigned last, 0 for none."""
    proof: tuple[bytes, ...]
    """Consistency proof from there (RFC 6962 section 2.1.2)."""
    note: str
    """The signed checkpoint."""

    @classmethod
    def from_bytes(cls, octets: bytes) -> AddCheckpoint:
        """Parse a request body.

        Raises:
            NoteError: if it is too large, is not UTF-8, or breaks the grammar outside the checkpoint.
        """
        (old, *hashes), note = split_body(decode_utf8(octets, bytes_max=REQUEST_BYTES_MAX))
        if not old.startswith(_OLD):
            raise NoteError("expected a first line with the old size")
        return cls(parse_number(old.removeprefix(_OLD), "the old size"), parse_hashes(hashes), note)

    def to_text(self) -> str:
        """Return the request body."""
        return join_body([f"{_OLD}{self.old_size}"], self.proof, self.note)


@dataclass(frozen=True, slots=True)
class SignSubtree:
    """The request to cosign a subtree of a checkpoint that the witness cosigned."""

    start: int
    end: int
    """Index after the last leaf."""
    root: bytes
    """Of the subtree, 32 bytes."""
    proof: tuple[bytes, ...]
    """Subtree consistency proof (draft-ietf-plants-merkle-tree-certs section 4.4)."""
    note: str
    """The checkpoint with the witness's own cosignature."""

    @classmethod
    def from_bytes(cls, octets: bytes) -> SignSubtree:
        """Parse a request body.

        Raises:
            NoteError: if it is too large, is not UTF-8, or breaks the grammar outside the checkpoint.
        """
        (subtree, *hashes), note = split_body(decode_utf8(octets, bytes_max=REQUEST_BYTES_MAX))
        start, space, end = subtree.removeprefix(_SUBTREE).partition(" ")
        if not subtree.startswith(_SUBTREE) or not space or not hashes:
            raise NoteError(
                "expected a first line with the range of the subtree, and a second one with its hash"
            )
        return cls(
            parse_number(start, "the start"),
            parse_number(end, "the end"),
            parse_hash(hashes[0]),
            parse_hashes(hashes[1:]),
            note,
        )

    def to_text(self) -> str:
        """Return the request body."""
        head = [f"{_SUBTREE}{self.start} {self.end}", hash_text(self.root)]
        return join_body(head, self.proof, self.note)


@dataclass(frozen=True, slots=True)
class Latest:
    """The latest checkpoint of one log that a witness cosigned."""

    size: int
    root: bytes
    time_s: int
    """When, seconds since 1970."""
    note: str
    """The checkpoint with the signatures of the log that held and the witness's own: what monitors get."""


@dataclass(frozen=True, slots=True)
class Received:
    """A request whose checkpoint is signed by its log."""

    old_size: int
    proof: tuple[bytes, ...]
    checkpoint: Checkpoint
    note: Note
    """The text, and only the signatures of the log that were verified."""


class Decision(NamedTuple):
    """What to answer, and what to remember before that."""

    answer: Answer
    latest: Latest | None
    """The new latest checkpoint of the log; None leaves the old one."""
    is_fork: bool = False
    """Whether the log signed two trees of one size: proof that it has two histories."""


@dataclass(frozen=True, slots=True)
class Witness:
    """The keys of a witness and of the logs that it serves."""

    ml_dsa_44: CosignatureSigner
    ed25519: Ed25519CosignatureSigner
    log_verifiers: Callable[[str], Sequence[NoteVerifier]]
    """Returns the trusted keys of a log by its origin, none for an unknown one."""
    is_every_log_key_required: bool = False
    """Ask for signatures by all of a log's keys, where C2SP is content with one."""

    def receive(self, octets: bytes) -> Received | Answer:
        """Check what can be checked without the memory: grammar, log, signature, order of sizes.

        Returns:
            What was received; or 400, 404, 403 or 400, in this order.
        """
        # Step 1: shape.
        try:
            request = AddCheckpoint.from_bytes(octets)
            note = Note.from_text(request.note)
            checkpoint = Checkpoint.from_text(note.text)
        except NoteError as err:
            return _refused(BAD_REQUEST, err.message)
        # Step 2: a known log.
        verifiers = self.log_verifiers(checkpoint.origin)
        if not verifiers:
            return _refused(NOT_FOUND, "the log is unknown here")
        # Step 3: signed by it.
        try:
            signed = verify_note(note, verifiers)
        except NoteError:
            return _refused(
                FORBIDDEN, "the checkpoint is not signed by a trusted key, or a signature does not hold"
            )
        if self.is_every_log_key_required and len(signed) != len(verifiers):
            return _refused(
                FORBIDDEN, f"the checkpoint must be signed by all {len(verifiers)} keys of the log"
            )
        # Step 4: a log never shrinks.
        if request.old_size > checkpoint.size:
            return _refused(BAD_REQUEST, "the old size is larger than the checkpoint's")
        lines = {(line.name, line.key_id): line for line in note.signatures}  # one a key is enough
        kept = tuple(lines[verifier.name, verifier.key_id] for verifier in signed)
        return Received(request.old_size, request.proof, checkpoint, Note(note.text, kept))

    def decide(self, received: Received, latest: Latest | None, *, at_s: int) -> Decision:
        """Compare a checkpoint with the latest one of its log, and cosign it if it grew from that.

        Args:
            received: what `receive` returned.
            latest: the latest checkpoint of this log, None if none was ever cosigned.
            at_s: seconds since 1970, positive. A clock that went back does not make time go back.

        Returns:
            409, 422 or 200, in this order.
        """
        if at_s <= 0:
            raise ValueError(f"a witness states the time, found {at_s}")
        # Step 5: the client knows where the witness stands.
        known_size = latest.size if latest is not None else 0
        if received.old_size != known_size:
            return Decision(Answer(CONFLICT, f"{known_size}\n"), None)
        # Steps 6 to 8: the tree grew from there.
        try:
            _require_grown(received, latest)
        except ProofError as err:
            return Decision(_refused(UNPROCESSABLE, err.message), None, _is_fork(received, latest))
        # Step 9: cosign.
        note = received.note
        time_s = max(at_s, latest.time_s) if latest is not None else at_s
        lines = (self.ml_dsa_44.sign(note.text, at_s=time_s), self.ed25519.sign(note.text, at_s=time_s))
        cosigned = Note(note.text, (*note.signatures, *lines)).to_text()
        checkpoint = received.checkpoint
        return Decision(
            Answer(SUCCESS, _lines(lines)), Latest(checkpoint.size, checkpoint.root, time_s, cosigned)
        )

    def sign_subtree(self, octets: bytes) -> Answer:
        """Cosign a subtree of a checkpoint that this witness cosigned; needs no memory.

        Only ML-DSA-44 can sign subtrees, and only for checkpoints that bear the cosignature of that same key: an
        Ed25519 key that fell must not be worth more than itself.

        Returns:
            400, 422, 404, 403 or 200, in this order.
        """
        # Step 1: shape, and a subtree inside the checkpoint.
        try:
            request = SignSubtree.from_bytes(octets)
            note = Note.from_text(request.note)
            checkpoint = Checkpoint.from_text(note.text)
            require_subtree(request.start, request.end)
        except (NoteError, ProofError) as err:
            return _refused(BAD_REQUEST, err.message)
        if request.end > checkpoint.size:
            return _refused(BAD_REQUEST, "the subtree ends after the checkpoint")
        # Step 2: it is part of the tree.
        try:
            verify_subtree_consistency(
                request.start, request.end, checkpoint.size, request.root, checkpoint.root, request.proof
            )
        except ProofError as err:
            return _refused(UNPROCESSABLE, err.message)
        # Step 3: a known log.
        if not self.log_verifiers(checkpoint.origin):
            return _refused(NOT_FOUND, "the log is unknown here")
        # Step 4: this witness saw the tree.
        try:
            verify_note(note, [self.ml_dsa_44.verifier])
        except NoteError:
            return _refused(
                FORBIDDEN, "the checkpoint bears no ML-DSA-44 cosignature of this witness that holds"
            )
        line = self.ml_dsa_44.sign_subtree(checkpoint.origin, request.start, request.end, request.root)
        return Answer(SUCCESS, _lines([line]))


def parse_signature_lines(octets: bytes) -> tuple[NoteSignature, ...]:
    """Return the signature lines of the answer 200; nothing in them is verified.

    Raises:
        NoteError: if there is none, or they break the grammar.
    """
    text = decode_utf8(octets, bytes_max=NOTE_BYTES_MAX)
    if "\n\n" in text:
        raise NoteError("expected signature lines, found an empty one")
    return Note.from_text(f"answer\n\n{text}").signatures


def parse_size(octets: bytes) -> int:
    """Return the size in the answer 409.

    Raises:
        NoteError: if it is anything but a number and a newline.
    """
    text = decode_utf8(octets, bytes_max=32)
    if not text.endswith("\n"):
        raise NoteError("expected a size and a newline")
    return parse_number(text[:-1], "the size")


def _require_grown(received: Received, latest: Latest | None) -> None:
    checkpoint = received.checkpoint
    # Step 6: the empty tree has one root.
    if checkpoint.size == 0 and checkpoint.root != EMPTY_ROOT:
        raise ProofError("the root of an empty tree must be the hash of nothing")
    # Step 7: everything grew from nothing, without a proof.
    if latest is None or latest.size == 0:
        if received.proof:
            raise ProofError("a proof from an empty tree must be empty")
        return
    # Step 8: the same tree, or one that the proof leads to.
    verify_consistency(latest.size, checkpoint.size, latest.root, checkpoint.root, received.proof)


def _is_fork(received: Received, latest: Latest | None) -> bool:
    size, root = (latest.size, latest.root) if latest is not None else (0, EMPTY_ROOT)
    return received.checkpoint.size == size and received.checkpoint.root != root


def _lines(lines: Sequence[NoteSignature]) -> str:
    return "".join(line.to_text() + "\n" for line in lines)


def _refused(status: int, reason: str) -> Answer:
    return Answer(status, reason + "\n")
