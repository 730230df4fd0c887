"""Cosigned subtrees: what is signed, and each status by a request that breaks one thing."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from govbus.errors import NoteError
from govbus.message_log.checkpoint import Checkpoint, sign_checkpoint
from govbus.message_log.cosignature import (
    CosignatureSigner,
    Ed25519CosignatureSigner,
    cosigned_at_s,
    cosigned_message,
    cosigned_subtree_message,
)
from govbus.message_log.keys import LogKeys
from govbus.message_log.note import Note
from govbus.message_log.witness import SignSubtree, Witness, parse_signature_lines
from govbus.signing.merkle import leaf_hash, node_hash, root_of

ORIGIN = "bus.example/log/heads"
LOG = LogKeys(
    Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32), MLDSA44PrivateKey.from_seed_bytes(bytes(32))
)
NAME = "court.example/witness"
ML_DSA_44 = CosignatureSigner(NAME, MLDSA44PrivateKey.from_seed_bytes(bytes([3]) * 32))
ED25519 = Ed25519CosignatureSigner(NAME, Ed25519PrivateKey.from_private_bytes(bytes([3]) * 32))
LEAVES = [leaf_hash(bytes([number])) for number in range(14)]
SIZE, START, END = 14, 8, 13
SUBTREE_ROOT = root_of(LEAVES[START:END])
TEXT = Checkpoint(ORIGIN, SIZE, root_of(LEAVES)).to_text()
WITNESS = Witness(ML_DSA_44, ED25519, lambda origin: LOG.public.verifiers(ORIGIN) if origin == ORIGIN else ())
COSIGNED = Note(TEXT, (ML_DSA_44.sign(TEXT, at_s=7),)).to_text()
PROOF = (LEAVES[12], LEAVES[13], root_of(LEAVES[8:12]), root_of(LEAVES[:8]))
"""From the subtree [8, 13) to the tree of 14 leaves: the node it shares with the tree, then the way up."""


def _body(start=START, end=END, root=SUBTREE_ROOT, proof=PROOF, note=COSIGNED):
    return SignSubtree(start, end, root, tuple(proof), note).to_text().encode()


def test_signs():
    """The answer is one ML-DSA-44 signature without a time over exactly that range of that log."""
    answer = WITNESS.sign_subtree(_body())
    (line,) = parse_signature_lines(answer.body.encode())
    verifier = ML_DSA_44.verifier

    assert (200, NAME, verifier.key_id) == (answer.status, line.name, line.key_id)
    assert 0 == cosigned_at_s(line.signature)
    verifier.verify_subtree(ORIGIN, START, END, SUBTREE_ROOT, line.signature)
    for other in (
        ("other.example", START, END, SUBTREE_ROOT),
        (ORIGIN, 0, END, SUBTREE_ROOT),
        (ORIGIN, START, END + 1, SUBTREE_ROOT),
        (ORIGIN, START, END, bytes(32)),
    ):
        with pytest.raises(NoteError, match="does not hold"):
            verifier.verify_subtree(*other, line.signature)


def test_the_hash_in_the_proof_is_the_one_of_the_tree():
    """The proof above is what the draft describes: its hashes make the root of the whole tree."""
    right = node_hash(PROOF[2], node_hash(PROOF[0], PROOF[1]))

    assert root_of(LEAVES) == node_hash(PROOF[3], right)
    assert SUBTREE_ROOT == node_hash(PROOF[2], PROOF[0])


def test_whole_tree():
    """The whole checkpoint is a subtree too; its signature is a cosignature without a time."""
    answer = WITNESS.sign_subtree(_body(0, SIZE, root_of(LEAVES), ()))
    (line,) = parse_signature_lines(answer.body.encode())

    ML_DSA_44.verifier.verify(TEXT, line.signature)
    assert 0 == cosigned_at_s(line.signature)


BODY = _body().decode()


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        BODY.replace("subtree 8 13", "subtree 8").encode(),
        BODY.replace("subtree 8 13", "Subtree 8 13").encode(),
        BODY.replace("subtree 8 13", "subtree 08 13").encode(),
        BODY.replace("subtree 8 13", "subtree 8 13 ").encode(),
        BODY.replace("\n\n", "\n", 1).encode(),
        BODY.encode() + b"\n",
        _body(proof=[bytes(32)] * 64),
        f"subtree 8 13\n\n{COSIGNED}".encode(),
        _body(8, 8),
        _body(13, 8),
        _body(9, 13),
        _body(8, 15),
        _body(4, 13),
    ],
)
def test_400(octets):
    """A request that breaks the grammar, or names no subtree inside the checkpoint, is answered with 400."""
    assert 400 == WITNESS.sign_subtree(octets).status


@pytest.mark.parametrize(
    "octets",
    [
        _body(root=bytes(32)),
        _body(proof=PROOF[:-1]),
        _body(proof=()),
        _body(proof=(*PROOF, bytes(32))),
        _body(proof=(bytes(32), *PROOF[1:])),
        _body(end=12),
    ],
)
def test_422(octets):
    """A proof that does not lead from the subtree to the checkpoint is answered with 422."""
    assert 422 == WITNESS.sign_subtree(octets).status


def test_404():
    """A checkpoint of an unknown log is answered with 404, although the witness's key signed it."""
    text = TEXT.replace(ORIGIN, "other.example")
    note = Note(text, (ML_DSA_44.sign(text, at_s=7),)).to_text()

    assert 404 == WITNESS.sign_subtree(_body(note=note)).status


def test_403():
    """A checkpoint without the witness's ML-DSA-44 cosignature, or with a wrong one, is answered with 403."""
    right = ML_DSA_44.sign(TEXT, at_s=7)
    wrong = right._replace(signature=right.signature[:-1] + bytes([right.signature[-1] ^ 1]))
    by_log = sign_checkpoint(Checkpoint.from_text(TEXT), LOG.signers(ORIGIN), at_s=7)
    by_ed25519 = Note(TEXT, (ED25519.sign(TEXT, at_s=7),)).to_text()
    for note in (by_log, by_ed25519, Note(TEXT, (wrong,)).to_text(), Note(TEXT, (right, wrong)).to_text()):
        assert 403 == WITNESS.sign_subtree(_body(note=note)).status


def test_message_of_a_checkpoint():
    """A checkpoint is the subtree from 0; only such a one may state a time."""
    checkpoint = Checkpoint.from_text(TEXT)

    assert cosigned_message("w", checkpoint, at_s=5) == cosigned_subtree_message(
        "w", ORIGIN, 0, SIZE, checkpoint.root, at_s=5
    )
    with pytest.raises(NoteError, match="does not fit"):
        cosigned_subtree_message("w", ORIGIN, 8, 13, SUBTREE_ROOT, at_s=5)
