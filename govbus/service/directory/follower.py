"""The directory of a running process: always the version in force, also while the broker is away."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from govbus.errors import ConfigError, DirectoryError, TransportConfigError, TransportError
from govbus.routing.directory.model import Directory
from govbus.routing.directory.records import DirectoryReader
from govbus.service.directory.copy import DirectoryMemory
from govbus.service.directory.expiry import ExpiryAlarm
from govbus.service.directory.publishing import read_some, read_to_end, subscribe_directory
from govbus.signing.certificates import Certificate
from govbus.transport.base import Subscriber, Transport

logger = structlog.get_logger(__name__)

RETRY_PAUSE_S = 1.0


class DirectoryFollower:
    """The directory of a running process: the version in force, replaced as soon as a new one is published.

    While the broker cannot be read, the last version stays in force until it expires; a process that starts then
    takes the signed copy that it kept.
    """

    def __init__(
        self,
        transport: Transport,
        authority: Sequence[Certificate],
        *,
        clock_ms: Callable[[], int],
        seen_file: Path | None = None,
    ) -> None:
        """Prepare; nothing is read before `start`.

        Args:
            transport: the broker.
            authority: the governing authority's certificates, got from it and not from the bus.
            clock_ms: milliseconds since 1970.
            seen_file: remembers the last version across restarts, so that a broker that was set back is noticed;
                the signed records are kept beside it.
        """
        self._transport = transport
        self._authority = authority
        self._clock_ms = clock_ms
        self._memory = None if seen_file is None else DirectoryMemory(seen_file)
        self._reader = DirectoryReader(authority)
        self._is_copy = False
        """Whether the reader has the copy, which the topic has not confirmed yet."""
        self._alarm = ExpiryAlarm()
        self._subscriber: Subscriber | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = False

    @property
    def current(self) -> Directory:
        """The version in force.

        Raises:
            DirectoryError: if none was read, or it has expired.
        """
        directory = self._reader.current
        if directory is None:
            raise DirectoryError(
                "no directory has been published",
                remedy="the governing authority publishes one with: govbus directory apply",
            )
        directory.require_current(self._clock_ms())
        return directory

    def at(self, version: int) -> Directory | None:
        """Return the directory as it was at a version, or None where that was not read."""
        return self._reader.at(version)

    async def start(self, *, timeout_s: float = 30.0) -> None:
        """Read the directory and begin to follow it.

        Where the topic cannot be read, the copy on this machine is taken, once its signatures are verified, and the
        topic is tried again in the background.

        Args:
            timeout_s: how long to wait for a first version to appear.

        Raises:
            DirectoryError: if there is none by then, it has expired, or it is older than one seen before.
            TransportConfigError: if the topic is missing, and there is no copy.
            TransportError: if the broker fails, and there is no copy.
        """
        try:
            await self._connect(timeout_s)
        except (TransportError, TransportConfigError) as err:
            await self._disconnect()
            self._take_copy(err)
        directory = self.current
        self._alarm.look(directory, self._clock_ms())
        logger.info(
            "directory read", version=directory.version, bus=directory.bus.text, is_copy=self._is_copy
        )
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Stop following; `current` keeps the last version."""
        if self._task is not None:
            # asyncio.wait_for of Python 3.11 may swallow the cancellation when what it waits for ends just then.
            self._is_stopping = True
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
            self._is_stopping = False
        await self._disconnect()

    async def _connect(self, timeout_s: float) -> None:
        """Read the topic from its beginning, and believe it once it has what this machine has seen."""
        subscriber = self._subscriber = await subscribe_directory(self._transport)
        reader = DirectoryReader(self._authority)
        until_s = time.monotonic() + timeout_s
        await read_to_end(subscriber, reader)
        while reader.current is None and time.monotonic() < until_s:
            await read_some(subscriber, reader)
        if reader.current is None and self._is_copy:
            raise DirectoryError("the bus has no directory any more: the copy on this machine stays in force")
        if self._memory is not None and reader.current is not None:
            self._memory.check(reader)
        self._reader, self._is_copy = reader, False
        if reader.current is not None:
            reader.current.require_current(self._clock_ms())
            self._remember()

    async def _disconnect(self) -> None:
        subscriber, self._subscriber = self._subscriber, None
        if subscriber is not None:
            await subscriber.stop()

    def _take_copy(self, cause: TransportError | TransportConfigError) -> None:
        """Take the copy on this machine where there is one, else raise the cause."""
        reader = None if self._memory is None else self._memory.load(self._authority)
        if reader is None or reader.current is None:
            raise cause
        reader.current.require_current(self._clock_ms())
        self._reader, self._is_copy = reader, True
        logger.warning(
            "directory cannot be read: the copy on this machine is in force",
            version=reader.current.version,
            reason=cause.message,
        )

    async def _follow(self) -> None:
        while not self._is_stopping:
            try:
                await self._step()
            except (TransportError, TransportConfigError) as err:
                logger.warning("directory cannot be followed for the moment", reason=err.message)
                await self._disconnect()
                await asyncio.sleep(RETRY_PAUSE_S)
            except ConfigError as err:
                logger.error("directory", reason=str(err))  # noqa: TRY400  # a state, not a defect of ours
                if self._is_copy:
                    await self._disconnect()
                await asyncio.sleep(RETRY_PAUSE_S)

    async def _step(self) -> None:
        """Wait a moment for something new, and take it in."""
        if self._reader.current is not None:
            self._alarm.look(self._reader.current, self._clock_ms())
        if self._is_copy:
            await self._connect(0)
            logger.info("directory is followed again", version=self.current.version)
        elif self._subscriber is None:
            self._subscriber = await subscribe_directory(self._transport)
        if self._subscriber is not None and await read_some(self._subscriber, self._reader):
            self._remember()
            logger.info("directory replaced", version=self.current.version)

    def _remember(self) -> None:
        if self._memory is None:
            return
        try:
            self._memory.remember(self._reader)
        except OSError as err:
            logger.error("directory cannot be kept on this machine", reason=str(err))  # noqa: TRY400  # as above
