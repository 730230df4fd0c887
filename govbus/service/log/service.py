"""The log service: reads the message log, keeps its trees and tiles, and signs a checkpoint of each that grew.

Checkpoints of partitions become entries of the head tree. All that is signed at once is stored durably before any of
it is published, so that a crash at any point leaves either nothing or notes that are published again, in the same
order. Whatever contradicts an earlier checkpoint stops the service: it never repairs.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from govbus import telemetry
from govbus.document import topics
from govbus.document.ids import AgencyId
from govbus.document.record import Record
from govbus.errors import ConfigError, Disposition, GovbusError, LogIntegrityError
from govbus.message_log.heads import KEYS_KEY, head_origin
from govbus.message_log.key_handover import LogSize
from govbus.message_log.keys import LogKeys, log_origin
from govbus.service.log.fencing import FencedPublisher
from govbus.service.log.heads import HeadLog
from govbus.service.log.partition import LogPartition
from govbus.service.log.published import HeadWatcher, PublishedHeads
from govbus.service.log.restoring import TILES, resume_heads, resume_partition
from govbus.service.log.rounds import RoundMaker
from govbus.service.log.signing_keys import SigningKeys
from govbus.service.log.state import Evidence, LogState
from govbus.service.log.tiles import LogTiles
from govbus.service.log.topic import CheckpointsReader
from govbus.signing.merkle import leaf_hash
from govbus.transport.base import Subscriber, TopicPartition, Transport, partition_counts

logger = structlog.get_logger(__name__)

POLL_TIMEOUT_S = 0.1
POLL_RECORDS_MAX = 5000
RETRY_PAUSE_S = 0.5


class LogService:
    """One process that signs for all partitions of one bus's message log."""

    def __init__(
        self,
        transport: Transport,
        *,
        bus: AgencyId,
        keys: LogKeys | SigningKeys,
        state: LogState,
        tiles: Path,
        clock_ms: Callable[[], int],
        interval_s: float = 1.0,
        watchers: Sequence[HeadWatcher] = (),
    ) -> None:
        """Prepare; nothing is read before `run`.

        Args:
            transport: the broker.
            bus: first part of every log's origin.
            keys: sign the checkpoints; a plain pair is never changed.
            state: what was signed before.
            tiles: folder of tiles; each log has its own below, named by its origin.
            clock_ms: milliseconds since 1970; the time in ML-DSA-44 signatures.
            interval_s: between two checkpoints of one log.
            watchers: run beside the service and look after published head checkpoints.
        """
        self._transport = transport
        self._bus = bus
        self._keys = keys if isinstance(keys, SigningKeys) else SigningKeys(keys)
        self._state = state
        self._clock_ms = clock_ms
        self._tiles_folder = tiles
        self._interval_s = interval_s
        self._watchers = watchers
        self._logs: dict[int, LogPartition] = {}
        self._tiles: dict[str, LogTiles] = {}
        """By origin, the head log's included."""
        self._heads = HeadLog(head_origin(bus))
        self._rounds = RoundMaker(self._keys, state, clock_ms)
        self._published = PublishedHeads(
            self._heads.origin, state=state, tiles=tiles / self._heads.origin, clock_ms=clock_ms
        )
        self._ends: dict[TopicPartition, int] = {}
        """Of both topics, at the start."""

    @property
    def sizes(self) -> dict[int, int]:
        """Entries read so far, by partition."""
        return {partition: log.tree.size for partition, log in self._logs.items()}

    @property
    def published(self) -> PublishedHeads:
        """The newest head checkpoint on the topic."""
        return self._published

    async def run(self, stopping: asyncio.Event) -> None:
        """Sign until `stopping` is set; the last thing is a checkpoint of what grew since the one before.

        Raises:
            LogIntegrityError: if the log contradicts what was signed; a person has to look.
            ConfigError: if the topics are missing, or the disk fails.
            GovbusError: if the broker does not answer at the start, or something asks to halt; later broker
                trouble is waited out.
        """
        logs, checkpoints = await self._partitions()
        publisher = FencedPublisher(self._transport, self._bus)
        subscriber = self._transport.subscriber(assign=[*logs, checkpoints])
        watching: list[asyncio.Task[None]] = []
        try:
            await publisher.start()
            await subscriber.start()
            reader = await self._resume(subscriber, logs, checkpoints)
            heads = self._published.bound_to(publisher)
            watching = [asyncio.create_task(_outlive(watcher, heads)) for watcher in self._watchers]
            await self._serve(subscriber, publisher, reader, stopping)
            await self._sign_last(publisher)
        except (OSError, sqlite3.Error) as err:
            raise ConfigError(
                f"state or tiles of the log service cannot be written or read: {err}",
                remedy="make room or mend the disk and start again; it goes on from what is stored",
            ) from err
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
            await subscriber.stop()
            await publisher.stop()
        logger.info("log service stopped", entries=sum(self.sizes.values()), heads=self._heads.size)

    async def _partitions(self) -> tuple[list[TopicPartition], TopicPartition]:
        counts = await partition_counts(self._transport)
        for topic in (topics.MESSAGE_LOG, topics.CHECKPOINTS):
            if topic not in counts:
                raise ConfigError(f"topic {topic} is missing", remedy="create it with `govbus topics apply`")
        if counts[topics.CHECKPOINTS] != 1:
            raise ConfigError(
                f"topic {topics.CHECKPOINTS} must have 1 partition, found {counts[topics.CHECKPOINTS]}: "
                "the order of its records is the order of the head tree"
            )
        logs = [TopicPartition(topics.MESSAGE_LOG, number) for number in range(counts[topics.MESSAGE_LOG])]
        return logs, TopicPartition(topics.CHECKPOINTS, 0)

    async def _resume(
        self, subscriber: Subscriber, logs: list[TopicPartition], checkpoints: TopicPartition
    ) -> CheckpointsReader:
        """Go back to the last signed tree of every log; entries wait until all checkpoints are known."""
        for note in await asyncio.to_thread(self._state.handovers):
            await asyncio.to_thread(self._keys.adopt, note)
        self._ends = await subscriber.end_offsets([*logs, checkpoints])
        beginnings = await subscriber.beginning_offsets([*logs, checkpoints])
        for partition in logs:
            origin = log_origin(self._bus, partition.partition)
            log, tiles = await asyncio.to_thread(
                resume_partition, self._state, self._tiles_folder / origin, origin
            )
            if beginnings[partition] > log.start_offset:
                raise LogIntegrityError(
                    f"{origin}: entries before offset {beginnings[partition]} are gone, needed from {log.start_offset}"
                )
            self._logs[partition.partition], self._tiles[origin] = log, tiles
            await subscriber.seek(partition, log.start_offset)
            subscriber.pause(partition)
        reader = await self._resume_heads(subscriber, checkpoints, beginnings[checkpoints])
        for partition in logs:
            subscriber.resume(partition)
        logger.info(
            "log service started",
            partitions=len(logs),
            entries=sum(self.sizes.values()),
            heads=self._heads.size,
        )
        return reader

    async def _resume_heads(
        self, subscriber: Subscriber, partition: TopicPartition, beginning: int
    ) -> CheckpointsReader:
        """Read what stands on the checkpoints topic and compare it with what was signed."""
        origin = self._heads.origin
        resumed = await asyncio.to_thread(resume_heads, self._state, self._tiles_folder / origin, origin)
        self._heads, self._tiles[origin] = resumed.log, resumed.tiles
        reader = CheckpointsReader(self._bus, self._keys, self._state, self._heads, resumed.tiles, self._logs)
        reader.is_rebuilding = resumed.is_rebuilt
        await subscriber.seek(partition, reader.start_offset(partition, beginning, self._ends[partition]))
        while await subscriber.position(partition) < self._ends[partition]:
            await self._read(subscriber, reader)
        reader.require_seen_again()
        await asyncio.to_thread(reader.finish_restore, resumed.remembered)
        if self._heads.size == self._heads.signed_size:
            await asyncio.to_thread(self._flush_heads)
        return reader

    async def _serve(
        self,
        subscriber: Subscriber,
        publisher: FencedPublisher,
        reader: CheckpointsReader,
        stopping: asyncio.Event,
    ) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while not stopping.is_set():
            try:
                await self._read(subscriber, reader)
                await self._restore(subscriber)
                await self._publish(publisher)
                if loop.time() >= due_s:
                    due_s = loop.time() + self._interval_s
                    await self._sign()
                    await self._publish(publisher)
            except GovbusError as err:
                if err.disposition is not Disposition.RETRY:
                    raise
                logger.warning("tried again soon", error=str(err))
                await asyncio.sleep(RETRY_PAUSE_S)

    async def _read(self, subscriber: Subscriber, reader: CheckpointsReader) -> None:
        """Take what has come: entries into the trees, checkpoints as promises to keep."""
        polled = await subscriber.poll(
            timeout_s=min(POLL_TIMEOUT_S, self._interval_s), records_max=POLL_RECORDS_MAX
        )
        for partition, records in polled.items():
            if partition.topic == topics.CHECKPOINTS:
                await asyncio.to_thread(reader.take, partition, records)
        for partition, records in polled.items():
            if partition.topic == topics.MESSAGE_LOG:
                await asyncio.to_thread(self._extend, partition.partition, records)

    def _extend(self, number: int, records: Sequence[Record]) -> None:
        log = self._logs[number]
        self._tiles[log.origin].extend(*log.extend(records))

    async def _restore(self, subscriber: Subscriber) -> None:
        for number, log in self._logs.items():
            partition = TopicPartition(topics.MESSAGE_LOG, number)
            if not log.is_restored and await subscriber.position(partition) >= self._ends[partition]:
                log.finish_restore()

    async def _sign(self) -> None:
        """Sign and store a checkpoint of every log that grew, once everything before it is published."""
        if await asyncio.to_thread(self._state.outgoing):
            return
        await asyncio.to_thread(self._sign_now)
        if self._keys.pending is not None:
            await asyncio.to_thread(self._hand_over)

    def _sign_now(self) -> None:
        grown = [
            log
            for log in self._logs.values()
            if log.may_sign and log.tree.size > self._heads.heads.sizes.get(log.origin, 0)
        ]
        if not grown and self._heads.size == self._heads.signed_size:
            return
        # Step 1: tiles of the partitions, so that a signed tree is always on disk.
        for log in grown:
            self._tiles[log.origin].flush()
        # Step 2: sign, and store all of it at once.
        entries = self._rounds.sign(grown, self._heads)
        self._published.mark_stale()
        # Step 3: tiles of the head tree, which a crash before here makes again from what was stored.
        texts = [entry.text.encode("utf-8") for entry in entries]
        self._tiles[self._heads.origin].extend(texts, [leaf_hash(text) for text in texts])
        self._flush_heads()
        telemetry.HEAD_SIZE.set(self._heads.size)

    def _hand_over(self) -> None:
        """Change the keys, once everything that was read is signed: the old pair has then signed for the last time."""
        signed = self._heads.heads.sizes
        logs = self._logs.values()
        if self._heads.size != self._heads.signed_size or not all(
            log.is_restored and log.tree.size == signed.get(log.origin, 0) for log in logs
        ):
            return
        partitions = {number: LogSize(log.tree.size, log.tree.root()) for number, log in self._logs.items()}
        heads = LogSize(self._heads.size, self._heads.heads.tree.root())
        number, note = self._keys.make(self._bus, partitions, heads, at_ms=self._clock_ms())
        self._state.keep_handover(number, KEYS_KEY.decode("ascii"), note)
        self._keys.adopt(note)
        logger.info("the log's keys were handed over", number=number, entries=sum(self.sizes.values()))

    def _flush_heads(self) -> None:
        """Write the head tree's tiles, and forget the entries that are now in them and on the topic."""
        tiles = self._tiles[self._heads.origin]
        tiles.flush()
        self._state.keep_evidence(TILES, self._heads.origin, Evidence(tiles.size, "", 0))
        self._state.forget_entries(min(tiles.size, self._heads.size_seen))

    async def _publish(self, publisher: FencedPublisher) -> None:
        """Publish what is stored, in order; only then do the web's readers and the watchers get it."""
        outgoing = await asyncio.to_thread(self._state.outgoing)
        if outgoing:
            await self._published.publish_notes(publisher, [(one.key, one.note) for one in outgoing])
            await asyncio.to_thread(self._state.mark_published, [one.number for one in outgoing])
        await asyncio.to_thread(self._published.refresh, self._tiles)
        if self._published.newest is not None:
            age_ms = self._clock_ms() - self._published.newest.at_ms
            telemetry.CHECKPOINT_AGE_SECONDS.set(max(0, age_ms) / 1000)

    async def _sign_last(self, publisher: FencedPublisher) -> None:
        """Sign what grew since the last time; a note that the broker does not take now comes at the next start."""
        try:
            await self._publish(publisher)
            await self._sign()
            await self._publish(publisher)
        except GovbusError as err:
            if err.disposition is not Disposition.RETRY:
                raise
            logger.warning("last checkpoint not published", error=str(err))


async def _outlive(watcher: HeadWatcher, heads: PublishedHeads) -> None:
    """Run a watcher again and again: what it looks after must never stop the service."""
    while True:
        try:
            await watcher.run(heads)
        except Exception:
            logger.exception("a watcher of head checkpoints failed and starts again")
        await asyncio.sleep(RETRY_PAUSE_S)
