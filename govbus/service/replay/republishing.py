"""Publishing the documents of a bus again, in their original order, to another cluster.

What is copied is what the bus was given: directory, revocation material, and every outbox record with its key, value,
headers, partition and time. A router there decides afresh; decisions of the old bus are compared, not copied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Final, Self

from govbus.document import topics
from govbus.document.record import Record
from govbus.errors import ConfigError
from govbus.routing.directory.model import Delivery, Directory, TrafficMode
from govbus.service.replay.sources import ReplaySource
from govbus.service.topics_service import (
    TopicNeeds,
    apply_topics,
    default_topics_file,
    read_topic_plans,
    topic_specs,
)
from govbus.transport.base import OutRecord, TopicPartition, TopicSpec, Transport, partition_counts

BATCH_RECORDS: Final = 500


@dataclass(slots=True)
class Republished:
    """What was sent to the other cluster."""

    context: int = 0
    """Records of directory and revocation material."""
    documents: int = 0
    topics_created: list[str] = field(default_factory=list)


def needs_of(directory: Directory) -> TopicNeeds:
    """Return the agencies and packages of a directory that have topics of their own."""
    tests = [one for one in directory.agreements.values() if one.mode is TrafficMode.TEST]
    published = {one.id for one in directory.packages.values() if one.delivery is Delivery.PUBLISH}
    return TopicNeeds(
        agencies=[one.id for one in directory.agencies.values()],
        packages=sorted(published, key=lambda package: package.text),
        test_agencies=sorted(
            {agency for one in tests if one.package not in published for agency in one.consumers},
            key=lambda agency: agency.text,
        ),
        test_packages=sorted(
            {one.package for one in tests if one.package in published}, key=lambda package: package.text
        ),
    )


async def prepare(
    transport: Transport, directory: Directory, partitions: Mapping[str, int], *, replication_factor: int = 1
) -> list[str]:
    """Create the topics that the other cluster lacks, and make sure that nothing was published there.

    Args:
        transport: of the other cluster.
        directory: the newest version.
        partitions: of the outboxes, as the records that come are spread.
        replication_factor: copies of every partition.

    Returns:
        Names of the topics that were created.

    Raises:
        ConfigError: if an outbox there has too few partitions, or records already.
        TransportError: if the broker fails.
    """
    specs = [
        one._replace(partitions=max(one.partitions, partitions.get(one.name, 1)))
        for one in topic_specs(
            read_topic_plans(default_topics_file()), needs_of(directory), replication_factor
        )
    ]
    named = {one.name for one in specs}
    specs += [  # outboxes of agencies that an older version of the directory had
        TopicSpec(name, count, replication_factor, {"retention.ms": "-1"})
        for name, count in sorted(partitions.items())
        if name not in named
    ]
    counts = await partition_counts(transport)
    created = await apply_topics(transport, [one for one in specs if one.name not in counts])
    for name, wanted in partitions.items():
        if counts.get(name, wanted) < wanted:
            raise ConfigError(
                f"topic {name} has {counts[name]} partitions there, the records come in {wanted}",
                remedy="name a cluster without that topic",
            )
    await _require_empty(transport, [topics.DIRECTORY, topics.REVOCATIONS, *partitions])
    return created


async def _require_empty(transport: Transport, names: Iterable[str]) -> None:
    counts = await partition_counts(transport)
    wanted = [TopicPartition(name, number) for name in names for number in range(counts.get(name, 0))]
    subscriber = transport.subscriber(assign=wanted)
    await subscriber.start()
    try:
        ends = await subscriber.end_offsets(wanted)
    finally:
        await subscriber.stop()
    for partition, end in ends.items():
        if end > 0:
            raise ConfigError(
                f"topic {partition.topic} has records there already",
                remedy="a replay goes into an empty cluster, so that indexes and order stay what they were",
            )


class Republisher:
    """An open way into the other cluster: what was there before the documents is published at its start."""

    def __init__(self, transport: Transport, source: ReplaySource, directory: Directory) -> None:
        """Take where to publish, what to replay, and the newest version of the directory."""
        self._transport = transport
        self._source = source
        self._directory = directory
        self._publisher = transport.publisher()
        self._waiting: list[OutRecord] = []
        self.done = Republished()

    async def __aenter__(self) -> Self:
        """Prepare the cluster, and publish directory and revocation material.

        Raises:
            ConfigError: if the cluster is not empty.
            TransportError: if the broker fails.
        """
        partitions = await self._source.outbox_partitions()
        self.done.topics_created = await prepare(self._transport, self._directory, partitions)
        await self._publisher.start()
        for record in (*self._source.directory_records, *self._source.revocation_records):
            await self.publish(record)
        await self._flush()
        self.done = replace(self.done, documents=0, context=self.done.documents)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                await self._flush()
        finally:
            await self._publisher.stop()

    async def publish(self, record: Record | None) -> None:
        """Publish a record as it was: partition, key, value, headers and time; None is nothing to publish.

        Raises:
            TransportError: if the broker fails.
        """
        if record is None:
            return
        self._waiting.append(
            OutRecord(
                record.topic,
                record.partition,
                record.key,
                record.value,
                record.headers,
                record.timestamp_ms,
            )
        )
        if len(self._waiting) >= BATCH_RECORDS:
            await self._flush()

    async def _flush(self) -> None:
        if self._waiting:
            await self._publisher.publish(self._waiting)
            self.done.documents += len(self._waiting)
            self._waiting = []
