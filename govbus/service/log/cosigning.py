"""Collects cosignatures of witnesses on head checkpoints until a quorum has signed (C2SP ``tlog-witness``).

All witnesses are asked about the same head checkpoint at the same time. The newest is taken up once the one before has
its quorum, or no answer about it is awaited. So a witness that is down costs nothing but its own signature, and
catches up with the newest head checkpoint when it is back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import structlog

from govbus import telemetry
from govbus.message_log.note import SIGNATURES_MAX, Note, NoteSignature, NoteVerifier
from govbus.message_log.policy import Policy, WitnessedCheckpoint
from govbus.service.log.outages import Outage
from govbus.service.log.published import QUORUM, Head, PublishedHeads

logger = structlog.get_logger(__name__)

PAUSE_S, PAUSE_S_MAX = 1.0, 60.0
"""After a witness failed: the first pause, and the longest."""

ProofOf = Callable[[int], Awaitable[Sequence[bytes]]]


class Witness(Protocol):
    """What is asked of a witness; `govbus.service.witness.client.WitnessClient` over HTTP."""

    @property
    def verifiers(self) -> Sequence[NoteVerifier]:
        """Its keys, all of which sign."""
        ...

    async def cosign(
        self, note: str, size: int, known_size: int, proof_of: ProofOf
    ) -> tuple[NoteSignature, ...]:
        """Return verified cosignatures on a head checkpoint.

        Args:
            note: signed by the log.
            size: of the checkpoint.
            known_size: that the witness is believed to have cosigned last; 0 if that is not known.
            proof_of: makes the consistency proof from a smaller size.

        Raises:
            GovbusError: if the witness does not answer, or refuses.
        """
        ...


Connect = Callable[[], AbstractAsyncContextManager[Mapping[str, Witness]]]
"""Opens the witnesses by the names under which logs and metrics show them."""


class _Asked:
    """One witness and where it stands."""

    def __init__(self, name: str, witness: Witness, clock_ms: Callable[[], int]) -> None:
        self.name = name
        self.witness = witness
        self.size = 0
        self.text = ""
        """Of the head checkpoint that it cosigned last."""
        self.retry_at_s = 0.0
        self.task: asyncio.Task[None] | None = None
        up = telemetry.WITNESS_UP.labels(name)
        self.outage = Outage(f"witness {name}", up, clock_ms, pause_s=PAUSE_S, pause_s_max=PAUSE_S_MAX)

    def may_be_asked(self, head: Head, now_s: float) -> bool:
        return self.task is None and self.text != head.text and self.retry_at_s <= now_s


class Cosigner:
    """Asks the witnesses of a policy about every new head checkpoint; a `HeadWatcher`."""

    def __init__(
        self,
        policy: Policy,
        connect: Connect,
        log_keys: Callable[[str], Sequence[NoteVerifier]],
        *,
        clock_ms: Callable[[], int],
        interval_s: float = 1.0,
    ) -> None:
        """Prepare.

        Args:
            policy: says what a quorum is.
            connect: opens the witnesses.
            log_keys: returns the log's own keys that a head checkpoint is to be opened under.
            clock_ms: milliseconds since 1970.
            interval_s: between two head checkpoints that are offered, at least.
        """
        self._policy = policy
        self._connect = connect
        self._log_keys = log_keys
        self._clock_ms = clock_ms
        self._interval_s = interval_s
        self._asked: list[_Asked] = []
        self._target: Head | None = None
        self._lines: list[NoteSignature] = []
        """Cosignatures on the target so far."""
        self._is_quorum = False
        self._published_lines = 0
        self._lacking_since_ms: int | None = None

    async def run(self, heads: PublishedHeads) -> None:
        """Work until cancelled; whatever fails is tried again."""
        loop = asyncio.get_running_loop()
        async with self._connect() as witnesses:
            self._asked = [_Asked(name, one, self._clock_ms) for name, one in witnesses.items()]
            self._target = None
            try:
                while True:
                    try:
                        self._choose(heads)
                        self._ask(heads, loop.time())
                        self._measure(heads)
                    except Exception:  # the outside world must never stop the service
                        logger.exception("collecting cosignatures failed")
                    await asyncio.sleep(self._interval_s)
            finally:
                tasks = [one.task for one in self._asked if one.task is not None]
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    def _choose(self, heads: PublishedHeads) -> None:
        """Take up the newest head checkpoint, unless the present one still waits for answers to its quorum."""
        newest, target = heads.newest, self._target
        if newest is None or (target is not None and newest.text == target.text):
            return
        if not self._is_quorum and any(one.task is not None for one in self._asked):
            return
        self._target, self._lines, self._published_lines = newest, [], 0
        kept = heads.evidence(QUORUM).get(heads.origin)
        if kept is not None and Note.from_text(kept.note).text == newest.text:
            own = set(Note.from_text(newest.note).signatures)
            self._lines = [line for line in Note.from_text(kept.note).signatures if line not in own]
            self._published_lines = len(self._lines)
        self._is_quorum = self._opened(newest).is_quorum
        lines = {(line.name, line.key_id) for line in self._lines}
        for one in self._asked:
            if lines >= {(key.name, key.key_id) for key in one.witness.verifiers}:
                one.text = newest.text

    def _ask(self, heads: PublishedHeads, now_s: float) -> None:
        """Ask every witness that can be asked about the target."""
        target = self._target
        if target is None:
            return
        for one in self._asked:
            if one.may_be_asked(target, now_s):
                one.task = asyncio.create_task(self._ask_one(one, target, heads))

    async def _ask_one(self, one: _Asked, head: Head, heads: PublishedHeads) -> None:
        async def proof_of(size: int) -> Sequence[bytes]:
            return await asyncio.to_thread(heads.consistency_proof, size, head.size)

        try:
            lines = await one.witness.cosign(head.note, head.size, one.size, proof_of)
        except Exception as err:  # noqa: BLE001  # a witness may fail in any way, and none may stop the service
            one.retry_at_s = asyncio.get_running_loop().time() + one.outage.fail(err)
        else:
            one.outage.end()
            one.size, one.text = head.size, head.text
            try:
                await self._take(head, lines, heads)
            except Exception:
                logger.exception("a cosignature could not be kept", witness=one.name)
        finally:
            one.task = None

    async def _take(self, head: Head, lines: Sequence[NoteSignature], heads: PublishedHeads) -> None:
        """Add cosignatures to the target; one that comes too late for it is of no more use."""
        if self._target is None or head.text != self._target.text:
            return
        known = {(line.name, line.key_id) for line in self._lines}
        self._lines += [line for line in lines if (line.name, line.key_id) not in known]
        opened = self._opened(head)
        self._is_quorum = opened.is_quorum
        if opened.is_quorum and len(self._lines) > self._published_lines:
            self._published_lines = len(self._lines)
            await heads.keep_cosigned(head, self._note(head))

    def _note(self, head: Head) -> str:
        note = Note.from_text(head.note)
        order = {
            (one.verifier.name, one.verifier.key_id): number
            for number, one in enumerate(self._policy.witnesses)
        }
        lines = sorted(self._lines, key=lambda line: order.get((line.name, line.key_id), len(order)))
        signatures = (*note.signatures, *lines)[:SIGNATURES_MAX]
        return Note(note.text, signatures).to_text()

    def _opened(self, head: Head) -> WitnessedCheckpoint:
        note = self._note(head)
        return self._policy.open(note, log_verifiers=self._log_keys(note))

    def _measure(self, heads: PublishedHeads) -> None:
        newest = heads.newest
        if newest is None:
            return
        is_target = self._target is not None and newest.text == self._target.text
        cosigned = len(self._opened(newest).cosignatures) if is_target else 0
        telemetry.COSIGNATURES_MISSING.set(len(self._policy.witnesses) - cosigned)
        if is_target and self._is_quorum:
            self._lacking_since_ms = None
        elif self._lacking_since_ms is None:
            self._lacking_since_ms = newest.at_ms
        since_ms = self._lacking_since_ms
        age_ms = self._clock_ms() - since_ms if since_ms is not None else 0
        telemetry.QUORUM_AGE_SECONDS.set(max(0, age_ms) / 1000)
