"""Administration of the in-process broker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from govbus.errors import TransportConfigError
from govbus.transport.base import TopicPartition, TopicSpec

if TYPE_CHECKING:
    from govbus.transport.memory import _Broker


class MemoryAdministrator:
    """A `govbus.transport.base.Administrator`."""

    def __init__(self, broker: _Broker) -> None:
        self._broker = broker

    async def start(self) -> None:
        """Connect."""

    async def stop(self) -> None:
        """Disconnect."""

    async def ping(self) -> None:
        """Return at once."""

    async def partition_counts(self) -> dict[str, int]:
        """Return the number of partitions of every topic."""
        return dict(self._broker.counts)

    async def create_topics(self, topics: Sequence[TopicSpec]) -> list[str]:
        """Create the topics that are missing and return their names; groups that want them get them at once."""
        counts = self._broker.counts
        for spec in topics:
            if counts.get(spec.name, spec.partitions) != spec.partitions:
                raise TransportConfigError(
                    f"topic {spec.name} has {counts[spec.name]} partitions, expected {spec.partitions}"
                )
        missing = [spec for spec in topics if spec.name not in counts]
        for spec in missing:
            counts[spec.name] = spec.partitions
            for number in range(spec.partitions):
                self._broker.logs[TopicPartition(spec.name, number)] = []
        for group in self._broker.groups.values():
            if any(member.wanted.match(spec.name) for member in group.members for spec in missing):
                await group.rebalance(self._broker)
        return [spec.name for spec in missing]

    async def delete_records(self, before: Mapping[TopicPartition, int]) -> None:
        """Delete what stands before an offset, for each partition."""
        for partition, offset in before.items():
            self._broker.delete(partition, offset)

    async def committed_offsets(self) -> dict[str, dict[TopicPartition, int]]:
        """Return the next offsets of every group that has committed any."""
        return {name: dict(group.offsets) for name, group in self._broker.groups.items() if group.offsets}
