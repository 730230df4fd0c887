"""Witnesses and time stamping authorities that a test switches on and off."""

import asyncio
import contextlib

from govbus.errors import ProofError, TransportError, WitnessConflictError, WitnessError
from govbus.message_log.cosignature import CosignatureSigner
from govbus.message_log.note import Note
from govbus.message_log.policy import Policy
from govbus.signing.merkle import verify_consistency

from .conftest import AT_MS, text_of


class FakeWitness:
    """Keeps what a witness keeps, and answers as `WitnessClient.cosign` does."""

    def __init__(self, name, key):
        self.name = name
        self.signer = CosignatureSigner(f"{name}.example/w", key)
        self.verifiers = (self.signer.verifier,)
        self.size, self.root = 0, b""
        self.is_down = False
        self.gate = None
        """An event that an answer waits for."""
        self.asked = []
        """Size before and after, of each request that was answered."""

    async def cosign(self, note, size, known_size, proof_of):
        if self.is_down:
            raise WitnessError(f"{self.name} is down")
        if self.gate is not None:
            await self.gate.wait()
        checkpoint = text_of(note)
        if self.size > size:
            raise WitnessConflictError("the witness stands further on", size=self.size)
        proof = await proof_of(self.size) if 0 < self.size < size else ()
        try:
            if self.size:
                verify_consistency(self.size, size, self.root, checkpoint.root, proof)
        except ProofError as err:
            raise WitnessError(f"{self.name} refuses: {err.message}") from err
        self.asked.append((self.size, size))
        self.size, self.root = size, checkpoint.root
        return (self.signer.sign(Note.from_text(note).text, at_s=AT_MS // 1000),)


class FakeAuthority:
    """Answers with something that only says what it is over."""

    def __init__(self, name):
        self.name = name
        self.is_down = False
        self.stamped = []

    async def stamp(self, text):
        if self.is_down:
            raise TransportError(f"{self.name} is down")
        self.stamped.append(text)
        return b"stamped by " + self.name.encode() + b": " + text


def connecting(witnesses):
    """Return what opens witnesses."""

    @contextlib.asynccontextmanager
    async def connect():
        await asyncio.sleep(0)
        yield {one.name: one for one in witnesses}

    return connect


def policy_of(witnesses, threshold):
    """Return a policy that asks for so many of the witnesses."""
    lines = [f"witness {one.name} {one.signer.verifier.to_vkey()}" for one in witnesses]
    names = " ".join(one.name for one in witnesses)
    return Policy.from_text("\n".join([*lines, f"group all {threshold} {names}", "quorum all", ""]))
