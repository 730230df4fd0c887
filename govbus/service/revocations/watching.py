"""The watch: gets the status of every certificate of the directory before it is out of date, and publishes it."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from govbus import telemetry
from govbus.routing.directory.model import Directory
from govbus.routing.trust.material import Material
from govbus.service.revocations.following import RevocationFollower
from govbus.service.revocations.publishing import record_of
from govbus.service.revocations.sources import Fetched, Source, StatusClient, sources_of
from govbus.transport.base import Publisher, Transport

logger = structlog.get_logger(__name__)

INTERVAL_S: Final = 3600.0
"""The longest between two looks at a source: a revocation is to be known soon, not at the next update."""
INTERVAL_S_MIN: Final = 10.0
RETRY_S: Final = 10.0
RETRY_S_MAX: Final = 300.0
TICK_S: Final = 1.0
FETCHES_MAX: Final = 8
"""Sources asked at the same time."""
EARLIEST: Final = 0.5
LATEST: Final = 0.8
"""Between which parts of the time that is left the next look lies: spread, so that not all ask at once."""


@dataclass(slots=True)
class _Turn:
    """When a source is asked next."""

    due_ms: float = 0.0
    failures: int = 0


class RevocationWatch:
    """Asks every source of the directory in time; goes on as it was before when a source or the broker is back."""

    def __init__(
        self,
        transport: Transport,
        *,
        directory: Callable[[], Directory],
        follower: RevocationFollower,
        client: StatusClient,
        clock_ms: Callable[[], int],
        interval_s: float = INTERVAL_S,
        spread: random.Random | None = None,
    ) -> None:
        """Prepare; nothing is asked before `run`.

        Args:
            transport: the broker.
            directory: returns the version in force.
            follower: started; knows what is published already.
            client: gets material.
            clock_ms: milliseconds since 1970.
            interval_s: the longest between two looks at one source.
            spread: random numbers that keep many watches from asking at one moment.
        """
        self._transport = transport
        self._directory = directory
        self._follower = follower
        self._client = client
        self._clock_ms = clock_ms
        self._interval_s = interval_s
        self._spread = spread if spread is not None else random.Random()  # noqa: S311  # spreads load, protects nothing
        self._turns: dict[str, _Turn] = {}
        self._published: set[str] = set()
        """Digests of what was published here and may not have come back yet."""

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources that are watched."""
        return tuple(self._turns)

    async def run(self, stopping: asyncio.Event) -> None:
        """Watch until `stopping` is set.

        Raises:
            TransportError: if the broker fails; to be started again.
            DirectoryError: if no directory is in force.
        """
        publisher = self._transport.publisher()
        await publisher.start()
        try:
            while not stopping.is_set():
                await self.look(publisher)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), min(TICK_S, self._interval_s))
        finally:
            await publisher.stop()

    async def look(self, publisher: Publisher) -> int:
        """Ask the sources whose turn it is, and return how much new material was published.

        Raises:
            TransportError: if the broker fails; a source that fails is asked again later.
        """
        sources = sources_of(self._directory())
        self._turns = {name: self._turns.get(name, _Turn()) for name in sources}
        now_ms = self._clock_ms()
        due = [source for name, source in sources.items() if self._turns[name].due_ms <= now_ms]
        limit = asyncio.Semaphore(FETCHES_MAX)
        found = await asyncio.gather(*(self._fetch(source, limit) for source in due))
        materials = {one.digest: one for fetched in found for one in fetched.materials}
        published = await self._publish(publisher, list(materials.values()))
        self._report(sources)
        return published

    async def _fetch(self, source: Source, limit: asyncio.Semaphore) -> Fetched:
        """Get a source's material and give it its next turn."""
        turn = self._turns[source.name]
        async with limit:
            fetched = await self._client.fetch(source)
        telemetry.REVOCATION_SOURCE_UP.labels(source=source.name).set(0 if fetched.fault else 1)
        if fetched.fault:
            turn.failures += 1
            pause_s = min(RETRY_S * 2 ** min(turn.failures - 1, 10), RETRY_S_MAX, self._interval_s)
            pause_s *= self._spread.uniform(EARLIEST, 1)
            logger.error(
                "source of revocation material is down",
                source=source.name,
                failures=turn.failures,
                reason=fetched.fault,
            )
        else:
            if turn.failures:
                logger.info("source of revocation material is up again", source=source.name)
            turn.failures = 0
            pause_s = self._pause_s(source, fetched)
        turn.due_ms = self._clock_ms() + 1000 * pause_s
        return fetched

    def _pause_s(self, source: Source, fetched: Fetched) -> float:
        """Return the time to the next look: before the update is due, and not longer than the interval."""
        ends_ms = [
            status.next_update_ms
            for material in fetched.materials
            for subject in source.subjects
            if (status := material.status_of(subject, source.issuer)) is not None
        ]
        left_s = (min(ends_ms, default=0) - self._clock_ms()) / 1000
        pause_s = max(0.0, left_s) * self._spread.uniform(EARLIEST, LATEST)
        return min(max(pause_s, INTERVAL_S_MIN), self._interval_s)

    async def _publish(self, publisher: Publisher, materials: list[Material]) -> int:
        """Publish what is not on the topic yet."""
        records = self._follower.records
        new = [one for one in materials if not records.has(one.digest) and one.digest not in self._published]
        if not new:
            return 0
        await publisher.publish([record_of(one) for one in new])
        for one in new:
            self._published.add(one.digest)
            telemetry.REVOCATIONS_PUBLISHED.labels(kind=one.content_type).inc()
            logger.info("revocation material published", kind=one.content_type, sha256=one.digest)
        return len(new)

    def _report(self, sources: dict[str, Source]) -> None:
        """Tell how old the material of each source is, by what everybody can read."""
        records, now_ms = self._follower.records, self._clock_ms()
        self._published = {digest for digest in self._published if not records.has(digest)}
        for name, source in sources.items():
            known = [records.known_of(one, source.issuer, records.count) for one in source.subjects]
            ends_ms = [one.next_update_ms for one in known if one.next_update_ms is not None]
            if ends_ms:
                age_s = (now_ms - min(one.said_ms for one in known)) / 1000
                telemetry.REVOCATION_AGE_SECONDS.labels(source=name).set(age_s)
                telemetry.REVOCATION_NEXT_UPDATE_SECONDS.labels(source=name).set(
                    (min(ends_ms) - now_ms) / 1000
                )
