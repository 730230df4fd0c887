"""The revocation material of a running process: every record of the topic, taken in as it comes."""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from govbus import telemetry
from govbus.document import topics
from govbus.errors import (
    LogIntegrityError,
    TransportConfigError,
    TransportError,
    UntrustedKeyError,
)
from govbus.routing.trust.status import NOTHING_KNOWN, RevocationRecords, RevocationState
from govbus.transport.base import Subscriber, TopicPartition, Transport, partition_counts

logger = structlog.get_logger(__name__)

PARTITION = TopicPartition(topics.REVOCATIONS, 0)
POLL_TIMEOUT_S = 0.2
POLL_RECORDS_MAX = 500
RETRY_PAUSE_S = 1.0
MISSING_PAUSE_S = 10.0
"""How soon a topic that does not exist is looked for again."""


class RevocationFollower:
    """Every record of ``govbus.revocations`` so far; while the broker is away, what was read stays.

    A decision names how many records it rests on, so they are counted from the first that was ever published: nothing
    may be taken from the topic.
    """

    def __init__(self, transport: Transport) -> None:
        """Prepare; nothing is read before `start`."""
        self._transport = transport
        self._subscriber: Subscriber | None = None
        self._task: asyncio.Task[None] | None = None
        self._position = 0
        """Offset after the last record taken in."""
        self.records = RevocationRecords()
        """For whoever looks at single ones."""

    @property
    def state(self) -> RevocationState:
        """What a decision of this moment goes by."""
        return self.records.state()

    async def start(self) -> None:
        """Read what there is and begin to follow.

        A bus without the topic has no material; the topic is then looked for again and again.

        Raises:
            LogIntegrityError: if records were taken from the topic.
            TransportError: if the broker fails.
        """
        try:
            await self._connect()
            await self.read_to_end()
        except TransportConfigError as err:
            logger.warning("no revocation material", reason=err.message)
        logger.info("revocation material read", records=self.records.count)
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Stop following; `state` keeps what was read."""
        task, self._task = self._task, None
        if task is not None:
            # asyncio.wait_for of Python 3.11 may swallow the cancellation when what it waits for ends just then.
            self._is_stopping = True
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            self._is_stopping = False
        await self._disconnect()

    async def read_to_end(self) -> None:
        """Take in everything that the topic holds now.

        Raises:
            TransportConfigError: if there is no topic.
            TransportError: if the broker fails.
        """
        subscriber = self._subscriber or await self._connect()
        end = (await subscriber.end_offsets([PARTITION]))[PARTITION]
        while await subscriber.position(PARTITION) < end:
            await self._read_some(subscriber)

    async def _connect(self) -> Subscriber:
        if topics.REVOCATIONS not in await partition_counts(self._transport):
            raise TransportConfigError(
                f"there is no topic {topics.REVOCATIONS}",
                remedy="create the topics with: govbus topics apply",
            )
        subscriber = self._subscriber = self._transport.subscriber(assign=[PARTITION])
        await subscriber.start()
        if (await subscriber.beginning_offsets([PARTITION]))[PARTITION] > 0:
            raise LogIntegrityError(
                f"records were deleted from {topics.REVOCATIONS}",
                remedy="restore the topic from an archive; its retention must be unlimited",
            )
        if self._position:
            await subscriber.seek(PARTITION, self._position)
        return subscriber

    async def _disconnect(self) -> None:
        subscriber, self._subscriber = self._subscriber, None
        if subscriber is not None:
            await subscriber.stop()

    _position = 0
    _is_stopping = False

    async def _read_some(self, subscriber: Subscriber) -> None:
        batches = await subscriber.poll(timeout_s=POLL_TIMEOUT_S, records_max=POLL_RECORDS_MAX)
        for record in batches.get(PARTITION, ()):
            if record.offset < self._position:
                continue
            try:
                await asyncio.to_thread(self.records.take, record)
            except UntrustedKeyError as err:
                telemetry.REVOCATIONS_UNREADABLE.inc()
                logger.warning("revocation record left out", offset=record.offset, reason=err.message)
            self._position = record.offset + 1
        telemetry.REVOCATION_RECORDS.set(self.records.count)

    async def _follow(self) -> None:
        while not self._is_stopping:
            try:
                subscriber = self._subscriber or await self._connect()
                await self._read_some(subscriber)
            except TransportConfigError:
                await asyncio.sleep(MISSING_PAUSE_S)
            except TransportError as err:
                logger.warning("revocation material cannot be followed for the moment", reason=err.message)
                await self._disconnect()
                await asyncio.sleep(RETRY_PAUSE_S)
            except LogIntegrityError as err:
                logger.error("revocation material", reason=str(err))  # noqa: TRY400  # a state, not a defect of ours
                await self._disconnect()
                await asyncio.sleep(MISSING_PAUSE_S)


async def read_revocations(transport: Transport) -> RevocationRecords:
    """Return every record that the topic holds now.

    Raises:
        TransportConfigError: if there is no topic.
        LogIntegrityError: if records were taken from it.
        TransportError: if the broker fails.
    """
    follower = RevocationFollower(transport)
    try:
        await follower.read_to_end()
    finally:
        await follower.stop()
    return follower.records


async def read_state(transport: Transport) -> RevocationState:
    """Return what is known from the whole topic; nothing where a bus has none.

    Raises:
        LogIntegrityError: if records were taken from it.
        TransportError: if the broker fails.
    """
    try:
        return (await read_revocations(transport)).state()
    except TransportConfigError:
        return NOTHING_KNOWN
