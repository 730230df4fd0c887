"""A log that grows or forks, and a witness of it."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from govbus.message_log.checkpoint import Checkpoint, sign_checkpoint
from govbus.message_log.keys import LogKeys
from govbus.message_log.policy import Policy
from govbus.service.witness.keys import make_witness, open_memory
from govbus.signing.merkle import consistency_proof, leaf_hash, root_of


class ExampleLog:
    """A log whose checkpoints and proofs of any size can be had."""

    origin = "bus.example/log/heads"

    def __init__(self, entries=None):
        self.keys = LogKeys(
            Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32),
            MLDSA44PrivateKey.from_seed_bytes(bytes(32)),
        )
        self.leaves = [leaf_hash(entry) for entry in entries or (bytes([number]) for number in range(40))]

    @property
    def policy(self):
        lines = [f"log {verifier.to_vkey()}\n" for verifier in self.keys.public.verifiers(self.origin)]
        return Policy.from_text("".join(lines) + "quorum none\n")

    def root(self, size):
        return root_of(self.leaves[:size])

    def note(self, size):
        checkpoint = Checkpoint(self.origin, size, self.root(size))
        return sign_checkpoint(checkpoint, self.keys.signers(self.origin), at_s=1_800_000_000)

    def proof(self, old_size, size):
        return consistency_proof(self.leaves[:size], old_size) if 0 < old_size < size else []


@pytest.fixture
def log():
    return ExampleLog()


@pytest.fixture
def forked_log():
    """The same log with another first entry."""
    return ExampleLog([b"other", *(bytes([number]) for number in range(1, 40))])


@pytest.fixture
def keys(tmp_path):
    return make_witness(tmp_path / "witness", "court.example/witness")


@pytest.fixture
def store(tmp_path, keys):
    memory = open_memory(tmp_path / "witness", keys.vkeys)
    yield memory
    memory.close()
