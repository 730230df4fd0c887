"""Taking records away from the broker: the beginning of a partition moves past them.

A single record cannot be taken out of a partition whose keys are shared, so everything before it goes too. That is
done only where nothing is lost by it: what is in an outbox must be in the archive, and what is in an inbox must have
been read by everybody who reads there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from govbus.document import topics
from govbus.document.decision import SourcePosition
from govbus.service.erasure.places import Place, State
from govbus.transport.base import TopicPartition, Transport

OFFSET_NONE: Final = -1


async def remove_records(
    transport: Transport,
    places: Iterable[SourcePosition],
    *,
    archived: Mapping[tuple[str, int], int],
    readers: Mapping[str, int],
) -> list[Place]:
    """Delete records, where that may be, and say of each place how it stands.

    Args:
        transport: the broker.
        places: of the records.
        archived: last offset that is in the archive, by topic and partition, of outboxes.
        readers: how many agencies read a publication topic; one where it is not said.

    Raises:
        TransportError: if the broker fails.
    """
    administrator = transport.administrator()
    await administrator.start()
    try:
        committed = await administrator.committed_offsets()
        before: dict[TopicPartition, int] = {}
        result: list[Place] = []
        for place in sorted(places):
            reason = _reason_to_wait(place, committed, archived, readers)
            if reason:
                result.append(Place(str(place), State.PENDING, reason))
                continue
            partition = TopicPartition(place.topic, place.partition)
            before[partition] = max(before.get(partition, 0), place.offset + 1)
            result.append(Place(str(place), State.ERASED))
        await administrator.delete_records(before)
    finally:
        await administrator.stop()
    return result


def _reason_to_wait(
    place: SourcePosition,
    committed: Mapping[str, Mapping[TopicPartition, int]],
    archived: Mapping[tuple[str, int], int],
    expected: Mapping[str, int],
) -> str:
    """Return what must happen first; empty where nothing must."""
    partition = TopicPartition(place.topic, place.partition)
    readers = {name: offsets[partition] for name, offsets in committed.items() if partition in offsets}
    if place.topic.startswith(topics.OUT_PREFIX):
        last = archived.get((place.topic, place.partition), OFFSET_NONE)
        if last < place.offset:
            return f"the archive holds this outbox until offset {last} only: run `govbus archive write` first"
    elif place.topic == topics.QUARANTINE:
        return ""  # the same record lies in the outbox and in the archive; nobody consumes the quarantine
    elif not readers:
        return "nobody has read this partition yet"
    elif len(readers) < expected.get(place.topic, 1):
        return f"read by {len(readers)} consumer groups so far, {expected[place.topic]} agencies may read it"
    behind = sorted(name for name, offset in readers.items() if offset <= place.offset)
    if behind:
        return f"not read yet by {', '.join(behind)[:200]}"
    return ""
