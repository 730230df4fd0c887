"""How far an audit reads, fixed in an order that makes a bus in motion look still.

Checkpoints first, because every one of them covers entries that were there before; then the log; then outboxes and
recipients, where everything that the log's entries speak of is there by then. What comes later is not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from govbus.document import topics
from govbus.errors import ConfigError
from govbus.transport.base import IsolationLevel, TopicPartition, Transport, partition_counts

RECIPIENT_PREFIXES = (
    topics.IN_PREFIX,
    topics.PUB_PREFIX,
    topics.TEST_IN_PREFIX,
    topics.TEST_PUB_PREFIX,
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """First and end offsets of every partition that an audit reads."""

    checkpoints: dict[TopicPartition, int]
    """End offsets."""
    message_log: dict[TopicPartition, int]
    outboxes: dict[TopicPartition, int]
    recipients: dict[TopicPartition, int]
    """Inboxes, publication topics and the quarantine."""
    revocations: dict[TopicPartition, int]
    """Revocation material; a bus may have none."""
    beginnings: dict[TopicPartition, int]
    """First offsets that the broker still has, of all of them."""

    def sources_of(self, log_partition: int) -> dict[TopicPartition, int]:
        """Return the outbox partitions whose decisions stand in a log partition, with their ends."""
        count = len(self.message_log)
        return {
            source: end
            for source, end in self.outboxes.items()
            if topics.message_log_partition(source.partition, count) == log_partition
        }

    @classmethod
    async def take(cls, transport: Transport) -> Snapshot:
        """Ask the broker.

        Raises:
            ConfigError: if there is no message log.
            TransportError: if the broker does not answer.
        """
        counts = await partition_counts(transport)
        for topic in (topics.MESSAGE_LOG, topics.CHECKPOINTS):
            if topic not in counts:
                raise ConfigError(f"topic {topic} is missing", remedy="point --bootstrap-servers at a bus")
        groups = [
            _of(counts, lambda topic: topic == topics.CHECKPOINTS),
            _of(counts, lambda topic: topic == topics.MESSAGE_LOG),
            _of(counts, lambda topic: topic.startswith(topics.OUT_PREFIX)),
            _of(
                counts,
                lambda topic: topic.startswith(RECIPIENT_PREFIXES) or topic == topics.QUARANTINE,
            ),
            _of(counts, lambda topic: topic == topics.REVOCATIONS),
        ]
        everything = [partition for group in groups for partition in group]
        subscriber = transport.subscriber(assign=everything)
        await subscriber.start()
        try:
            checkpoints, message_log, outboxes, revocations = [
                await subscriber.end_offsets(group) if group else {} for group in (*groups[:3], groups[4])
            ]
            # A transaction that is being committed may be visible on one topic before the other: wait for it there.
            recipients = (
                await subscriber.end_offsets(groups[3], IsolationLevel.READ_UNCOMMITTED) if groups[3] else {}
            )
            beginnings = await subscriber.beginning_offsets(everything)
        finally:
            await subscriber.stop()
        return cls(checkpoints, message_log, outboxes, recipients, revocations, beginnings)


def _of(counts: Mapping[str, int], is_wanted: Callable[[str], bool]) -> list[TopicPartition]:
    return [
        TopicPartition(topic, partition)
        for topic, count in sorted(counts.items())
        if is_wanted(topic)
        for partition in range(count)
    ]
