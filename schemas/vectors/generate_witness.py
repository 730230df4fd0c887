"""Writes witness/: requests to a witness with the status that each must get, and what comes out of it in the end.

ML-DSA-44 signatures are randomized, so that every run writes other bytes that verify all the same.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from govbus.message_log.checkpoint import Checkpoint, sign_checkpoint
from govbus.message_log.cosignature import CosignatureSigner, Ed25519CosignatureSigner
from govbus.message_log.keys import LogKeys
from govbus.message_log.note import Note
from govbus.message_log.proof import FILE_SUFFIX, TlogProof
from govbus.message_log.witness import AddCheckpoint, SignSubtree
from govbus.signing.merkle import consistency_proof, inclusion_path, leaf_hash, root_of

FOLDER = Path(__file__).with_name("witness")
ORIGIN, WITNESS_NAME = "bus.example/log/heads", "court.example/witness"
LOG_TIME_S, WITNESS_TIME_S = 1_795_466_700, 1_795_466_701
ENTRIES = [f"entry {number}\n".encode() for number in range(13)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
FORKED = [leaf_hash(b"another entry 0\n"), *LEAVES[1:]]
PROVEN = 6
"""Index of the entry that the proof is about."""


def _keys(name: str) -> LogKeys:
    """Return keys that are no secret."""
    ed25519, ml_dsa_44 = (
        hashlib.sha256(f"govbus vector {name} {kind}".encode()).digest() for kind in ("a", "b")
    )
    return LogKeys(
        Ed25519PrivateKey.from_private_bytes(ed25519), MLDSA44PrivateKey.from_seed_bytes(ml_dsa_44)
    )


LOG, OTHER_LOG = _keys("log"), _keys("other log")


def witness_signers() -> tuple[CosignatureSigner, Ed25519CosignatureSigner]:
    """Return the example witness's keys."""
    keys = _keys("witness")
    return CosignatureSigner(WITNESS_NAME, keys.ml_dsa_44), Ed25519CosignatureSigner(
        WITNESS_NAME, keys.ed25519
    )


def note(size: int, leaves: list[bytes] = LEAVES, keys: LogKeys = LOG, root: bytes | None = None) -> str:
    """Return a signed checkpoint of the example log."""
    checkpoint = Checkpoint(ORIGIN, size, root_of(leaves[:size]) if root is None else root)
    return sign_checkpoint(checkpoint, keys.signers(ORIGIN), at_s=LOG_TIME_S)


def broken(signed: str, index: int) -> str:
    """Return a note with the last byte of one signature changed."""
    parsed = Note.from_text(signed)
    lines = list(parsed.signatures)
    octets = lines[index].signature
    lines[index] = lines[index]._replace(signature=octets[:-1] + bytes([octets[-1] ^ 1]))
    return Note(parsed.text, tuple(lines)).to_text()


def cosigned(signed: str) -> str:
    """Return a note with the witness's cosignatures under it."""
    parsed = Note.from_text(signed)
    lines = [signer.sign(parsed.text, at_s=WITNESS_TIME_S) for signer in witness_signers()]
    return Note(parsed.text, (*parsed.signatures, *lines)).to_text()


def add_checkpoint_requests() -> dict[str, str]:
    """Return request bodies in the order in which a new witness gets them; the status stands at the end of a name."""
    grown = tuple(consistency_proof(LEAVES, 5))
    return {
        "01-unknown-log.404": AddCheckpoint(
            0, (), note(5).replace(ORIGIN, "bus.example/log/other")
        ).to_text(),
        "02-other-key.403": AddCheckpoint(0, (), note(5, keys=OTHER_LOG)).to_text(),
        "03-one-signature-wrong.403": AddCheckpoint(0, (), broken(note(5), 0)).to_text(),
        "04-nothing-cosigned-yet.409": AddCheckpoint(
            3, tuple(consistency_proof(LEAVES[:5], 3)), note(5)
        ).to_text(),
        "05-root-of-empty-tree.422": AddCheckpoint(0, (), note(0, root=LEAVES[0])).to_text(),
        "06-proof-from-nothing.422": AddCheckpoint(0, (LEAVES[0],), note(5)).to_text(),
        "07-first.200": AddCheckpoint(0, (), note(5)).to_text(),
        "08-again.200": AddCheckpoint(5, (), note(5)).to_text(),
        "09-forked-at-same-size.422": AddCheckpoint(5, (), note(5, FORKED)).to_text(),
        "10-old-size-larger.400": AddCheckpoint(6, (), note(5)).to_text(),
        "11-leading-zero.400": AddCheckpoint(5, grown, note(13)).to_text().replace("old 5", "old 05"),
        "12-behind.409": AddCheckpoint(3, tuple(consistency_proof(LEAVES, 3)), note(13)).to_text(),
        "13-proof-cut.422": AddCheckpoint(5, grown[:-1], note(13)).to_text(),
        "14-forked.422": AddCheckpoint(5, tuple(consistency_proof(FORKED, 5)), note(13, FORKED)).to_text(),
        "15-grown.200": AddCheckpoint(5, grown, note(13)).to_text(),
        "16-replayed.409": AddCheckpoint(5, grown, note(13)).to_text(),
    }


def sign_subtree_requests() -> dict[str, str]:
    """Return request bodies that the example witness gets after it cosigned size 13."""
    root, proof, whole = root_of(LEAVES[8:12]), (LEAVES[12], root_of(LEAVES[:8])), cosigned(note(13))
    right = SignSubtree(8, 12, root, proof, whole).to_text()
    return {
        "01-not-a-subtree.400": SignSubtree(9, 12, root, proof, whole).to_text(),
        "02-proof-cut.422": SignSubtree(8, 12, root, proof[:-1], whole).to_text(),
        "03-unknown-log.404": right.replace(ORIGIN, "bus.example/log/other"),
        "04-not-cosigned.403": SignSubtree(8, 12, root, proof, note(13)).to_text(),
        "05-right.200": right,
    }


def main() -> None:
    """Write the files."""
    logs = "".join(f"log {verifier.to_vkey()}\n" for verifier in LOG.public.verifiers(ORIGIN))
    ml_dsa_44, ed25519 = (signer.verifier.to_vkey() for signer in witness_signers())
    court = (
        f"witness court-ml-dsa-44 {ml_dsa_44}\nwitness court-ed25519 {ed25519}\n"
        "group court all court-ml-dsa-44 court-ed25519\n"
    )
    note_text = cosigned(note(13))
    proof = TlogProof(PROVEN, tuple(inclusion_path(LEAVES, PROVEN)), note_text)
    files = {
        "log.policy": logs + "quorum none\n",
        "witness.policy": logs + court + "quorum court\n",
        "checkpoint": note_text,
        f"entry-{PROVEN}{FILE_SUFFIX}": proof.to_text(),
        **{f"add-checkpoint/{name}": body for name, body in add_checkpoint_requests().items()},
        **{f"sign-subtree/{name}": body for name, body in sign_subtree_requests().items()},
    }
    for name, text in files.items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
