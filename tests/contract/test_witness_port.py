"""What the log service relies on in a witness: the one in memory of its tests, and a real one over HTTP."""

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from govbus.errors import WitnessConflictError, WitnessError
from govbus.message_log.checkpoint import Checkpoint, sign_checkpoint
from govbus.message_log.cosignature import cosigned_at_s
from govbus.message_log.keys import LogKeys
from govbus.message_log.note import Note
from govbus.message_log.policy import Policy
from govbus.service.witness.client import WitnessClient
from govbus.service.witness.keys import make_witness, open_memory
from govbus.service.witness.server import HttpPlace, running_witness
from govbus.signing.merkle import consistency_proof, leaf_hash, root_of
from tests.unit.service.log.fakes import FakeWitness

ORIGIN = "bus.example/log/heads"
AT_S = 1_795_466_700


class Log:
    """A log whose checkpoints and proofs of any size can be had."""

    def __init__(self, first=b"0"):
        self.keys = LogKeys.generate()
        self.leaves = [leaf_hash(entry) for entry in (first, *(b"%d" % number for number in range(1, 20)))]

    def note(self, size):
        checkpoint = Checkpoint(ORIGIN, size, root_of(self.leaves[:size]))
        return sign_checkpoint(checkpoint, self.keys.signers(ORIGIN), at_s=AT_S)

    def proof_to(self, size):
        async def proof_of(old_size):
            return consistency_proof(self.leaves[:size], old_size)

        return proof_of

    async def cosign(self, witness, size, known_size):
        return await witness.cosign(self.note(size), size, known_size, self.proof_to(size))


@pytest.fixture
def log():
    """A log that the witness knows."""
    return Log()


@pytest.fixture(params=["memory", "http"])
async def witness(request, log, tmp_path):
    """A witness that has cosigned nothing."""
    if request.param == "memory":
        yield FakeWitness("court", MLDSA44PrivateKey.generate())
        return
    keys = make_witness(tmp_path / "witness", "court.example/witness")
    lines = [f"log {verifier.to_vkey()}\n" for verifier in log.keys.public.verifiers(ORIGIN)]
    policy = Policy.from_text("".join(lines) + "quorum none\n")
    store = open_memory(tmp_path / "witness", keys.vkeys)
    try:
        async with (
            running_witness(
                keys, store, policy, HttpPlace("127.0.0.1", 0), clock_ms=lambda: AT_S * 1000
            ) as url,
            aiohttp.ClientSession() as session,
        ):
            yield WitnessClient(url, session, [keys.ml_dsa_44.verifier, keys.ed25519.verifier], timeout_s=10)
    finally:
        store.close()


async def test_cosignatures_hold(witness, log):
    """Every key of the witness signs the checkpoint, with a time."""
    lines = await log.cosign(witness, 5, 0)

    text = Note.from_text(log.note(5)).text
    assert {(key.name, key.key_id) for key in witness.verifiers} == {(one.name, one.key_id) for one in lines}
    for key in witness.verifiers:
        (line,) = [one for one in lines if one.key_id == key.key_id]
        key.verify(text, line.signature)
        assert cosigned_at_s(line.signature) == AT_S


@pytest.mark.parametrize("known_size", [5, 0, 3])
async def test_any_belief_about_where_it_stands_will_do(witness, log, known_size):
    """Whatever size the log believes the witness to have, it gets its cosignature with a proof from the true one."""
    await log.cosign(witness, 5, 0)
    assert await log.cosign(witness, 12, known_size)


async def test_same_checkpoint_again(witness, log):
    """A checkpoint that was cosigned is cosigned again, so that a lost answer costs nothing."""
    await log.cosign(witness, 5, 0)
    assert await log.cosign(witness, 5, 5)
    assert await log.cosign(witness, 5, 0)


async def test_smaller_checkpoint_is_refused(witness, log):
    """A witness does not go back, and says where it stands."""
    await log.cosign(witness, 12, 0)
    with pytest.raises(WitnessConflictError) as caught:
        await log.cosign(witness, 5, 0)
    assert 12 == caught.value.size


async def test_forked_checkpoint_is_refused(witness, log):
    """A tree that did not grow from the one cosigned before gets no cosignature."""
    await log.cosign(witness, 5, 0)
    forked = Log(first=b"another")
    forked.keys = log.keys
    with pytest.raises(WitnessError):
        await forked.cosign(witness, 12, 5)
    assert await log.cosign(witness, 12, 5)
