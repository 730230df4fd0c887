"""Looking at topics, creating them, and deleting records from their beginning."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.errors import KafkaError, OffsetOutOfRangeError, TopicAlreadyExistsError, for_code
from aiokafka.structs import TopicPartition as KafkaPartition

from govbus.errors import TransportConfigError, TransportError
from govbus.transport.base import TopicPartition, TopicSpec
from govbus.transport.kafka.errors import map_exceptions


class KafkaAdministrator:
    """A `govbus.transport.base.Administrator`."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = dict(settings)
        self._admin: AIOKafkaAdminClient | None = None

    async def start(self) -> None:
        """Connect."""
        admin = AIOKafkaAdminClient(**self._settings)
        with map_exceptions("connect an administrator"):
            try:
                await admin.start()
            except BaseException:
                with contextlib.suppress(KafkaError):
                    await admin.close()
                raise
        self._admin = admin

    async def stop(self) -> None:
        """Disconnect."""
        admin, self._admin = self._admin, None
        if admin is not None:
            with contextlib.suppress(KafkaError):
                await admin.close()

    @property
    def _started(self) -> AIOKafkaAdminClient:
        if self._admin is None:
            raise TransportError("kafka: the administrator is not started")
        return self._admin

    async def ping(self) -> None:
        """Return once the broker answers."""
        with map_exceptions("ask for the topics"):
            await self._started.list_topics()

    async def partition_counts(self) -> dict[str, int]:
        """Return the number of partitions of every topic."""
        with map_exceptions("ask for the topics"):
            described = await self._started.describe_topics()
        return {topic["topic"]: len(topic["partitions"]) for topic in described}

    async def create_topics(self, topics: Sequence[TopicSpec]) -> list[str]:
        """Create the topics that are missing and return their names."""
        existing = await self.partition_counts()
        for spec in topics:
            count = existing.get(spec.name, spec.partitions)
            if count != spec.partitions:
                raise TransportConfigError(
                    f"topic {spec.name} has {count} partitions, expected {spec.partitions}",
                    remedy="change topics.yaml, or the topic where nothing depends on its partitions yet",
                )
        missing = [spec for spec in topics if spec.name not in existing]
        if missing:
            with map_exceptions("create topics"):
                response = await self._started.create_topics(
                    [
                        NewTopic(
                            name=spec.name,
                            num_partitions=spec.partitions,
                            replication_factor=spec.replication_factor,
                            topic_configs=dict(spec.settings),
                        )
                        for spec in missing
                    ]
                )
                for name, code, *_ in response.topic_errors:
                    error = for_code(code)
                    if code and error is not TopicAlreadyExistsError:
                        raise TransportConfigError(f"topic {name} cannot be created: {error.__name__}")
        return [spec.name for spec in missing]

    async def delete_records(self, before: Mapping[TopicPartition, int]) -> None:
        """Delete what stands before an offset, for each partition."""
        wanted = {
            KafkaPartition(*partition): RecordsToDelete(before_offset=offset)
            for partition, offset in before.items()
        }
        if not wanted:
            return
        with map_exceptions("delete records"):
            try:
                await self._started.delete_records(wanted)
            except OffsetOutOfRangeError as err:
                names = ", ".join(f"{one.topic}/{one.partition}" for one in sorted(before))
                raise TransportConfigError(f"one of {names} has no such offset") from err

    async def committed_offsets(self) -> dict[str, dict[TopicPartition, int]]:
        """Return the next offsets of every consumer group that has committed any."""
        with map_exceptions("ask for the offsets of groups"):
            groups = sorted({str(name) for name, *_ in await self._started.list_consumer_groups()})
            found = {name: await self._started.list_consumer_group_offsets(name) for name in groups}
        return {
            name: {
                TopicPartition(partition.topic, partition.partition): about.offset
                for partition, about in offsets.items()
                if about.offset >= 0
            }
            for name, offsets in found.items()
            if offsets
        }
