"""Proofs of logging: every one that is made verifies, and none of which a single bit was changed."""

import contextlib
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from govbus.errors import NoteError, VerificationError
from govbus.message_log.checkpoint import Checkpoint, sign_checkpoint
from govbus.message_log.cosignature import CosignatureSigner, Ed25519CosignatureSigner
from govbus.message_log.keys import LogKeys
from govbus.message_log.note import Note
from govbus.message_log.policy import Policy
from govbus.message_log.proof import TlogProof
from govbus.signing.merkle import inclusion_path, leaf_hash, root_of

ORIGIN = "bus.example/log/heads"
KEYS = LogKeys(
    Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32), MLDSA44PrivateKey.from_seed_bytes(bytes(32))
)
COSIGNERS = (
    CosignatureSigner("court.example/é", MLDSA44PrivateKey.from_seed_bytes(bytes([2]) * 32)),
    Ed25519CosignatureSigner("archive.example", Ed25519PrivateKey.from_private_bytes(bytes([3]) * 32)),
)
POLICY = Policy.from_text(
    "".join(f"log {verifier.to_vkey()}\n" for verifier in KEYS.public.verifiers(ORIGIN))
    + "".join(f"witness w{number} {signer.verifier.to_vkey()}\n" for number, signer in enumerate(COSIGNERS))
    + "group all all w0 w1\nquorum all\n"
)
LEAVES = [leaf_hash(bytes([number])) for number in range(70)]


def _proof(size, index, extra=b""):
    checkpoint = Checkpoint(ORIGIN, size, root_of(LEAVES[:size]))
    note = Note.from_text(sign_checkpoint(checkpoint, KEYS.signers(ORIGIN), at_s=7))
    lines = [signer.sign(note.text, at_s=8) for signer in COSIGNERS]
    signed = Note(note.text, (*note.signatures, *lines)).to_text()
    return TlogProof(index, tuple(inclusion_path(LEAVES[:size], index)), signed, extra)


@given(
    st.integers(1, len(LEAVES)).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 1))),
    st.binary(),
)
def test_every_proof_verifies(place, extra):
    """A proof of any entry in a tree of any size reads back and verifies, whatever stands beside it."""
    size, index = place
    proof = _proof(size, index, extra)
    read = TlogProof.from_bytes(proof.to_text().encode())

    assert proof == read
    assert size == read.verify(LEAVES[index], POLICY, is_every_log_key_required=True).checkpoint.size


WHOLE = _proof(37, 21).to_text().encode()


@given(st.integers(0, 8 * len(WHOLE) - 1))
def test_one_bit(position):
    """A proof with any one bit changed is refused when all who signed it are asked for."""
    octets = bytearray(WHOLE)
    octets[position // 8] ^= 1 << position % 8

    with pytest.raises(VerificationError):
        TlogProof.from_bytes(bytes(octets)).verify(LEAVES[21], POLICY, is_every_log_key_required=True)


def test_every_bit_before_the_signatures():
    """The same for every single bit of index, path and checkpoint, and of the first line of signatures."""
    for position in range(8 * (WHOLE.index("\u2014".encode()) + 100)):
        octets = bytearray(WHOLE)
        octets[position // 8] ^= 1 << position % 8
        with pytest.raises(VerificationError):
            TlogProof.from_bytes(bytes(octets)).verify(LEAVES[21], POLICY, is_every_log_key_required=True)


@given(st.binary(min_size=1), st.binary(min_size=1))
def test_extra_is_not_authenticated(extra, other):
    """Extra data may be changed by anybody: the proof holds all the same, and says nothing about it."""
    proof = replace(_proof(3, 1, extra), extra=other)

    assert 3 == TlogProof.from_text(proof.to_text()).verify(LEAVES[1], POLICY).checkpoint.size


@given(st.text())
def test_reading_is_strict(text):
    """What is read as a proof is written back to the same text; everything else is refused in one way."""
    for candidate in (text, f"c2sp.org/tlog-proof@v1\n{text}"):
        with contextlib.suppress(NoteError):
            assert candidate == TlogProof.from_text(candidate).to_text()
