"""Asks a witness for cosignatures over HTTP; no answer is believed before its signatures are verified."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus

import aiohttp
import structlog

from govbus.errors import NoteError, WitnessConflictError, WitnessError
from govbus.message_log.cosignature import CosignatureVerifier, WitnessVerifier, cosigned_at_s
from govbus.message_log.note import NOTE_BYTES_MAX, Note, NoteSignature
from govbus.message_log.policy import Policy
from govbus.message_log.witness import AddCheckpoint, SignSubtree, parse_signature_lines, parse_size

logger = structlog.get_logger(__name__)

TIMEOUT_S = 10.0
"""For one request as a whole: a witness verifies two signatures and writes one row."""
CONFLICTS_MAX = 2
"""How often one checkpoint is offered again from the size that the witness names."""

ProofOf = Callable[[int], Awaitable[Sequence[bytes]]]
"""Makes the consistency proof from a smaller size to the checkpoint that is offered."""


class WitnessClient:
    """One witness, by its submission prefix and the keys under which a policy knows it."""

    def __init__(
        self,
        url: str,
        session: aiohttp.ClientSession,
        verifiers: Sequence[WitnessVerifier],
        *,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """Keep what is needed to ask.

        Args:
            url: submission prefix, with or without a slash at its end.
            session: of the caller, who closes it; it keeps connections alive.
            verifiers: keys of the witness, at least one; signatures by others are ignored.
            timeout_s: for one request as a whole.
        """
        self.url = url.rstrip("/")
        self.verifiers = tuple(verifiers)
        self._session = session
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)

    async def add_checkpoint(
        self, old_size: int, proof: Sequence[bytes], note: str
    ) -> tuple[NoteSignature, ...]:
        """Ask for cosignatures on a checkpoint.

        Args:
            old_size: size of the checkpoint that the witness cosigned last; 0 for none, or to be told.
            proof: consistency proof from there, hashes of 32 bytes; empty if `old_size` is 0.
            note: the checkpoint, signed by its log; other cosignatures in it are harmless.

        Returns:
            The signature lines of keys that are known, each verified, at least one.

        Raises:
            WitnessConflictError: if the witness cosigned another size last.
            WitnessError: if it cannot be reached, refuses, or its answer does not hold.
        """
        body = AddCheckpoint(old_size, tuple(proof), note).to_text()
        status, octets = await self._post("add-checkpoint", body)
        if status == HTTPStatus.CONFLICT:
            raise self._conflict(old_size, octets)
        lines = self._signature_lines(status, octets)
        text = Note.from_text(note).text
        return self._verified(lines, lambda verifier, line: _verify_timed(verifier, text, line))

    async def cosign(
        self, note: str, size: int, known_size: int, proof_of: ProofOf
    ) -> tuple[NoteSignature, ...]:
        """Ask for cosignatures on a checkpoint, from wherever the witness stands.

        Args:
            note: the checkpoint, signed by its log.
            size: of that checkpoint.
            known_size: where the witness is believed to stand; 0 if that is not known.
            proof_of: makes the proof from any smaller size.

        Returns:
            As `add_checkpoint`.

        Raises:
            WitnessConflictError: if the witness stands at a larger size than the checkpoint has, which an honest log
                must look into: the witness has seen a tree that this log does not know. Also if others feed the
                witness faster than this client.
            WitnessError: as `add_checkpoint`.
        """
        for attempt in range(CONFLICTS_MAX + 1):
            proof = await proof_of(known_size) if 0 < known_size < size else ()
            try:
                return await self.add_checkpoint(known_size, proof, note)
            except WitnessConflictError as err:
                self._tell_if_it_went_back(known_size, err.size)
                if err.size > size or err.size == known_size or attempt == CONFLICTS_MAX:
                    raise
                known_size = err.size
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _tell_if_it_went_back(self, known_size: int, size: int) -> None:
        if size < known_size:
            logger.error(
                "a witness stands at a smaller size than it was known to: was its memory put back?",
                url=self.url,
                size=size,
                known_size=known_size,
            )

    async def sign_subtree(
        self, start: int, end: int, root: bytes, proof: Sequence[bytes], note: str
    ) -> tuple[NoteSignature, ...]:
        """Ask for cosignatures on the leaves [start, end) of a checkpoint that the witness cosigned.

        Args:
            start: index of the first leaf.
            end: index after the last leaf.
            root: of the subtree, 32 bytes.
            proof: subtree consistency proof to the checkpoint.
            note: the checkpoint with the witness's ML-DSA-44 cosignature.

        Returns:
            The signature lines of ML-DSA-44 keys that are known, each verified, at least one.

        Raises:
            WitnessError: if the witness cannot be reached, refuses, or its answer does not hold.
        """
        body = SignSubtree(start, end, root, tuple(proof), note).to_text()
        status, octets = await self._post("sign-subtree", body)
        origin = Note.from_text(note).text.partition("\n")[0]

        def verify(verifier: WitnessVerifier, line: NoteSignature) -> None:
            if not isinstance(verifier, CosignatureVerifier):
                raise NoteError(f"{verifier.name}: only ML-DSA-44 signs subtrees")
            verifier.verify_subtree(origin, start, end, root, line.signature)
            if cosigned_at_s(line.signature) != 0:
                raise NoteError(f"the signature of {verifier.name} over a subtree states a time")

        return self._verified(self._signature_lines(status, octets), verify)

    async def _post(self, path: str, body: str) -> tuple[int, bytes]:
        try:
            async with self._session.post(
                f"{self.url}/{path}",
                data=body.encode("utf-8"),
                headers={"Content-Type": "text/plain"},
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                return response.status, await _read(response)
        except (aiohttp.ClientError, TimeoutError, OSError) as err:
            raise WitnessError(
                f"the witness at {self.url} cannot be reached: {str(err) or type(err).__name__}"
            ) from err

    def _conflict(self, old_size: int, octets: bytes) -> WitnessError:
        try:
            size = parse_size(octets)
        except NoteError as err:
            return WitnessError(f"the witness at {self.url} names no size in its conflict: {err.message}")
        return WitnessConflictError(
            f"the witness at {self.url} stands at size {size}, not {old_size}", size=size
        )

    def _signature_lines(self, status: int, octets: bytes) -> tuple[NoteSignature, ...]:
        if status != HTTPStatus.OK:
            reason = "".join(filter(str.isprintable, octets[:200].decode("utf-8", "replace")))
            raise WitnessError(f"the witness at {self.url} refused with status {status}: {reason}")
        try:
            return parse_signature_lines(octets)
        except NoteError as err:
            raise WitnessError(
                f"the witness at {self.url} answered no signature lines: {err.message}"
            ) from err

    def _verified(
        self, lines: Sequence[NoteSignature], verify: Callable[[WitnessVerifier, NoteSignature], None]
    ) -> tuple[NoteSignature, ...]:
        known = {(verifier.name, verifier.key_id): verifier for verifier in self.verifiers}
        found = [line for line in lines if (line.name, line.key_id) in known]
        try:
            for line in found:
                verify(known[line.name, line.key_id], line)
        except NoteError as err:
            raise WitnessError(
                f"the answer of the witness at {self.url} does not hold: {err.message}"
            ) from err
        if not found:
            raise WitnessError(f"the witness at {self.url} answered with no signature by a known key")
        return tuple(found)


def witness_clients(
    policy: Policy, session: aiohttp.ClientSession, *, timeout_s: float = TIMEOUT_S
) -> tuple[WitnessClient, ...]:
    """Return a client for every URL among the witnesses of a policy, in its order, with all keys listed there."""
    keys: dict[str, list[WitnessVerifier]] = {}
    for witness in policy.witnesses:
        if witness.url:
            keys.setdefault(witness.url.rstrip("/"), []).append(witness.verifier)
    return tuple(WitnessClient(url, session, found, timeout_s=timeout_s) for url, found in keys.items())


def _verify_timed(verifier: WitnessVerifier, text: str, line: NoteSignature) -> None:
    """Check a cosignature that must state a time, as every answer to add-checkpoint does."""
    verifier.verify(text, line.signature)
    if cosigned_at_s(line.signature) == 0:
        raise NoteError(f"the cosignature of {verifier.name} states no time")


async def _read(response: aiohttp.ClientResponse) -> bytes:
    octets = bytearray()
    async for chunk in response.content.iter_chunked(65_536):
        octets += chunk
        if len(octets) > NOTE_BYTES_MAX:
            raise aiohttp.ClientPayloadError(f"an answer of over {NOTE_BYTES_MAX} bytes")
    return bytes(octets)
