"""Publishes for the one log service of a bus: whoever starts last, and nobody else.

Two services with the same keys would sign two histories. What one of them signed and could not publish does no harm,
because no witness and no reader ever sees it; so the broker lets only one publish. Kafka's transactions do that: a
producer that starts with a transactional id ends every earlier one of that id, before the service reads what stands
on the topic. A round is one transaction, so readers see all of it or nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from govbus.document.ids import AgencyId
from govbus.errors import FencedError, LogIntegrityError
from govbus.transport.base import OutRecord, TransactionalPublisher, Transport

_GROUP = "govbus-log"
"""The service has no consumer group; no offsets are committed."""


class FencedPublisher:
    """Publishes all of some records or none, as long as no other log service of the bus has started."""

    def __init__(self, transport: Transport, bus: AgencyId) -> None:
        """Prepare; nothing is connected."""
        self._transport = transport
        self._bus = bus
        self._publisher: TransactionalPublisher | None = None
        self._lock = asyncio.Lock()

    async def start(self) -> None:
        """Connect, and end every earlier publisher of this bus's checkpoints.

        Raises:
            TransportError: if no broker answers.
        """
        publisher = self._transport.transactional_publisher(f"govbus-log-{self._bus}")
        try:
            await publisher.start()
        except BaseException:
            await publisher.stop()
            raise
        self._publisher = publisher

    async def stop(self) -> None:
        """Disconnect; may be called twice, or without a start."""
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            await publisher.stop()

    async def publish(self, records: Sequence[OutRecord]) -> None:
        """Publish records in order, all or nothing; calls may overlap and wait for each other.

        Raises:
            TransportError: if the broker fails; whether the records stand there is unknown, and they must be
                published again unless they are seen on the topic.
            LogIntegrityError: if another log service of this bus has started.
        """
        async with self._lock:
            if self._publisher is None:
                await self.start()
            if self._publisher is None:
                raise AssertionError("started")
            try:
                await self._publisher.transact(records, offsets={}, group=_GROUP)
            except FencedError as err:
                raise LogIntegrityError(
                    f"another log service of {self._bus} has started and publishes now",
                    remedy="let only one run, and never two with the same keys",
                ) from err
            except BaseException:  # a failed transaction leaves the publisher useless
                await self.stop()
                raise
