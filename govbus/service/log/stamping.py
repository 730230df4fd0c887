"""Has the newest head checkpoint stamped by time stamping authorities (RFC 3161), each on its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from govbus import telemetry
from govbus.errors import Disposition, GovbusError
from govbus.service.log.outages import Outage
from govbus.service.log.published import TIMESTAMP, Head, PublishedHeads

logger = structlog.get_logger(__name__)

WAIT_S = 0.25
"""Between two looks for a head checkpoint to stamp."""
PAUSE_S = 1.0
"""After an authority failed for the first time."""
PAUSE_S_MAX = 60.0


class Authority(Protocol):
    """What is asked of a time stamping authority; `govbus.service.timestamps.TimestampAuthority` over HTTP."""

    @property
    def name(self) -> str:
        """As configured; shown in records, logs and metrics."""
        ...

    async def stamp(self, text: bytes) -> bytes:
        """Return the DER of a TimeStampResp over a text, verified.

        Raises:
            GovbusError: if the authority does not answer, or its answer does not verify.
        """
        ...


class Stamper:
    """Stamps head checkpoints once an interval, as long as there are new ones; a `HeadWatcher`."""

    def __init__(
        self, authorities: Sequence[Authority], *, clock_ms: Callable[[], int], interval_s: float = 60.0
    ) -> None:
        """Take the authorities, a clock in milliseconds since 1970, and the seconds between two stamps."""
        self._authorities = authorities
        self._clock_ms = clock_ms
        self._interval_s = interval_s

    async def run(self, heads: PublishedHeads) -> None:
        """Work until cancelled; one authority that fails holds up no other."""
        tasks = [asyncio.create_task(self._serve(authority, heads)) for authority in self._authorities]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, authority: Authority, heads: PublishedHeads) -> None:
        up = telemetry.AUTHORITY_UP.labels(authority.name)
        pause_s_max = max(PAUSE_S, min(self._interval_s, PAUSE_S_MAX))
        outage = Outage(
            f"time stamping authority {authority.name}",
            up,
            self._clock_ms,
            pause_s=min(PAUSE_S, self._interval_s),
            pause_s_max=pause_s_max,
        )
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        lacking_since_ms: int | None = None
        while True:
            await asyncio.sleep(min(WAIT_S, self._interval_s))
            head = await self._unstamped(authority, heads)
            if head is None:
                lacking_since_ms = None
            elif lacking_since_ms is None:
                lacking_since_ms = head.at_ms
            age_ms = self._clock_ms() - lacking_since_ms if lacking_since_ms is not None else 0
            telemetry.TIMESTAMP_AGE_SECONDS.labels(authority.name).set(max(0, age_ms) / 1000)
            if head is None or loop.time() < due_s:
                continue
            due_s = loop.time() + await self._stamp(authority, head, heads, outage)

    async def _unstamped(self, authority: Authority, heads: PublishedHeads) -> Head | None:
        """Return the newest head checkpoint, if this authority has not stamped it."""
        newest = heads.newest
        if newest is None:
            return None
        stamped = (await asyncio.to_thread(heads.evidence, TIMESTAMP)).get(authority.name)
        return newest if stamped is None or stamped.note != newest.text else None

    async def _stamp(self, authority: Authority, head: Head, heads: PublishedHeads, outage: Outage) -> float:
        """Have a head checkpoint stamped and published; return the seconds until the next try."""
        try:
            response = await authority.stamp(head.text.encode("utf-8"))
        except Exception as err:  # noqa: BLE001  # an authority may fail in any way, and none may stop the service
            return outage.fail(err)
        outage.end()
        try:
            await heads.publish_timestamp(authority.name, head, response)
        except GovbusError as err:
            if err.disposition is not Disposition.RETRY:
                logger.exception("a timestamp cannot be published", authority=authority.name)
            else:
                logger.warning("timestamp not published yet", authority=authority.name, error=str(err))
            return PAUSE_S
        return self._interval_s
