"""Proofs of logging: the grammar, and each of the steps of verification by a proof that breaks it."""

import base64
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from govbus.errors import NoteError, ProofError
from govbus.message_log.checkpoint import Checkpoint, sign_checkpoint
from govbus.message_log.cosignature import CosignatureSigner
from govbus.message_log.keys import LogKeys
from govbus.message_log.note import Note
from govbus.message_log.policy import Policy
from govbus.message_log.proof import EXTRA_BYTES_MAX, PROOF_BYTES_MAX, TlogProof
from govbus.signing.merkle import inclusion_path, leaf_hash, root_of

ORIGIN = "bus.example/log/heads"
KEYS = LogKeys(
    Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32), MLDSA44PrivateKey.from_seed_bytes(bytes(32))
)
WITNESS = CosignatureSigner("court.example/witness", MLDSA44PrivateKey.from_seed_bytes(bytes([2]) * 32))
LEAVES = [leaf_hash(bytes([number])) for number in range(11)]
INDEX = 6
CHECKPOINT = Checkpoint(ORIGIN, len(LEAVES), root_of(LEAVES))
SIGNED = Note.from_text(sign_checkpoint(CHECKPOINT, KEYS.signers(ORIGIN), at_s=7))
NOTE = Note(SIGNED.text, (*SIGNED.signatures, WITNESS.sign(SIGNED.text, at_s=8))).to_text()
PROOF = TlogProof(INDEX, tuple(inclusion_path(LEAVES, INDEX)), NOTE)
LOGS = "".join(f"log {verifier.to_vkey()}\n" for verifier in KEYS.public.verifiers(ORIGIN))
POLICY = Policy.from_text(f"{LOGS}witness court {WITNESS.verifier.to_vkey()}\nquorum court\n")


@pytest.mark.parametrize("extra", [b"", b"\0", bytes(EXTRA_BYTES_MAX)])
def test_round_trip(extra):
    """A proof reads back as it was written, with and without extra data."""
    proof = replace(PROOF, extra=extra)

    assert proof == TlogProof.from_text(proof.to_text())
    assert proof == TlogProof.from_bytes(proof.to_text().encode())
    assert CHECKPOINT == proof.checkpoint


def test_lines():
    """The lines stand in the order of the specification."""
    path = [base64.b64encode(octets).decode() for octets in PROOF.path]
    head = ["c2sp.org/tlog-proof@v1", "extra YQ==", "index 6", *path, "", ""]

    assert "\n".join(head) + NOTE == replace(PROOF, extra=b"a").to_text()


def test_one_leaf():
    """The only entry of a log has an empty path."""
    note = sign_checkpoint(Checkpoint(ORIGIN, 1, LEAVES[0]), KEYS.signers(ORIGIN), at_s=7)
    proof = TlogProof.from_text(f"c2sp.org/tlog-proof@v1\nindex 0\n\n{note}")

    assert TlogProof(0, (), note) == proof
    assert proof.verify(LEAVES[0], Policy.from_text(LOGS + "quorum none\n")).is_quorum


HASH = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        NOTE,
        f"c2sp.org/tlog-proof@v2\nindex 6\n\n{NOTE}",
        f"\nc2sp.org/tlog-proof@v1\nindex 6\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nextra YQ==\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nextra \nindex 6\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nextra YQ\nindex 6\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nextra YR==\nindex 6\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nextra YQ==\nextra YQ==\nindex 6\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex 6\nextra YQ==\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nextra {base64.b64encode(bytes(EXTRA_BYTES_MAX + 1)).decode()}\nindex 6\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex 06\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex -1\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex  6\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex 6 \n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex {2**63}\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex 6\nindex 6\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\r\nindex 6\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex 6\n{HASH[:-4]}\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex 6\n {HASH}\n\n{NOTE}",
        "c2sp.org/tlog-proof@v1\nindex 6\n" + 64 * f"{HASH}\n" + f"\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex 6\n\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex 6\n\n{NOTE}\n",
        f"c2sp.org/tlog-proof@v1\nindex 6\n\n{NOTE[:-1]}",
        f"c2sp.org/tlog-proof@v1\nindex 6\n\n{SIGNED.text}",
        "c2sp.org/tlog-proof@v1\nindex 6\n\nno checkpoint\n\n\u2014 name YWFhYWE=\n",
    ],
)
def test_malformed(text):
    """A text that breaks the grammar in one place is no proof."""
    with pytest.raises(NoteError):
        TlogProof.from_text(text)


@pytest.mark.parametrize("octets", [b"\xff", bytes(PROOF_BYTES_MAX + 1)])
def test_octets_that_are_no_text(octets):
    """What is not UTF-8, or larger than any proof, is refused."""
    with pytest.raises(NoteError):
        TlogProof.from_bytes(octets)


def test_verifies():
    """A whole proof tells the checkpoint and who cosigned it when."""
    opened = PROOF.verify(LEAVES[INDEX], POLICY, ORIGIN, is_every_log_key_required=True)

    assert CHECKPOINT == opened.checkpoint
    assert (("court", 8),) == opened.cosignatures


def test_step_1_other_entry():
    """The hash of another entry does not verify."""
    with pytest.raises(ProofError):
        PROOF.verify(LEAVES[INDEX + 1], POLICY)


def test_step_2_other_log():
    """A checkpoint of a log that is not the expected one, or not in the policy, is refused."""
    with pytest.raises(NoteError, match="expected a checkpoint of other"):
        PROOF.verify(LEAVES[INDEX], POLICY, "other.example/log")
    with pytest.raises(NoteError, match="no key of the log"):
        PROOF.verify(LEAVES[INDEX], Policy.from_text("quorum none\n"))


def test_step_2_not_signed_by_the_log():
    """A checkpoint that only the witness signed is refused; with one of two log keys it depends on what is asked."""
    note = Note.from_text(NOTE)
    by_witness, by_one_key = (
        replace(PROOF, note=Note(note.text, lines).to_text())
        for lines in (note.signatures[2:], note.signatures[1:])
    )
    with pytest.raises(NoteError, match="not signed by a known key"):
        by_witness.verify(LEAVES[INDEX], POLICY)
    assert by_one_key.verify(LEAVES[INDEX], POLICY).is_quorum
    with pytest.raises(NoteError, match="signatures of 2 keys"):
        by_one_key.verify(LEAVES[INDEX], POLICY, is_every_log_key_required=True)


def test_step_3_no_quorum():
    """A checkpoint without the cosignature that the policy asks for is refused."""
    with pytest.raises(NoteError, match="no cosignature of court"):
        replace(PROOF, note=SIGNED.to_text()).verify(LEAVES[INDEX], POLICY)


def test_step_4_other_place():
    """Another index, a shorter or a longer path do not lead to the root."""
    for proof in (
        replace(PROOF, index=INDEX + 1),
        replace(PROOF, index=len(LEAVES)),
        replace(PROOF, path=PROOF.path[:-1]),
        replace(PROOF, path=(*PROOF.path, bytes(32))),
    ):
        with pytest.raises(ProofError):
            proof.verify(LEAVES[INDEX], POLICY)
