"""How the log service does, as its state or the topic tells: sizes, cosignatures, timestamps."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from govbus.document import topics
from govbus.document.encoding import time_text
from govbus.document.ids import AgencyId
from govbus.document.record import Record
from govbus.errors import ConfigError, NoteError
from govbus.message_log.checkpoint import Checkpoint
from govbus.message_log.heads import (
    HEADS_KEY,
    TIMESTAMP_KEY,
    TIMESTAMPED_HEADER,
    TSA_HEADER,
    head_origin,
    partition_of_key,
)
from govbus.message_log.keys import LogPublicKeys, log_origin
from govbus.message_log.note import Note
from govbus.message_log.policy import Policy
from govbus.service.log.published import QUORUM, TIMESTAMP
from govbus.service.log.state import LogState
from govbus.transport.base import TopicPartition, Transport, partition_counts

RECORDS_READ_MAX = 5000
"""Of the end of the checkpoints topic: what is older is not the present state."""
POLL_TIMEOUT_S = 1.0


@dataclass(slots=True)
class Known:
    """The newest head checkpoint of a kind, and when it came."""

    size: int
    at_ms: int


@dataclass(slots=True)
class LogStatus:
    """The present state of a bus's message log."""

    bus: AgencyId
    source: str
    """``state`` or ``topic``."""
    partitions: dict[int, int] = field(default_factory=dict)
    """Entries that the newest checkpoint of each partition covers."""
    head: Known | None = None
    """The newest head checkpoint."""
    cosigned: list[str] = field(default_factory=list)
    """Witnesses of the policy that cosigned the newest head checkpoint."""
    missing: list[str] | None = None
    """Those that did not; None where no policy was given."""
    quorum: Known | None = None
    """The newest head checkpoint that a quorum cosigned."""
    timestamps: dict[str, Known] = field(default_factory=dict)
    """The newest head checkpoint that each authority stamped."""
    waiting: int | None = None
    """Notes that were signed and are not on the topic yet; None where only the topic was looked at."""

    def to_json(self, at_ms: int) -> str:
        """Return the status as a JSON text.

        Args:
            at_ms: now, milliseconds since 1970; ages are counted from it.
        """
        return json.dumps(
            {
                "bus": str(self.bus),
                "source": self.source,
                "partitions": {str(number): size for number, size in sorted(self.partitions.items())},
                "head": _json(self.head, at_ms),
                "cosigned": self.cosigned,
                "missing": self.missing,
                "quorum": _json(self.quorum, at_ms),
                "timestamps": {name: _json(one, at_ms) for name, one in sorted(self.timestamps.items())},
                "waiting": self.waiting,
            },
            indent=2,
        )

    def to_text(self, at_ms: int) -> str:
        """Return the status for people; `at_ms` as for `to_json`."""
        lines = [
            f"message log      {self.bus}, from the {self.source}",
            f"partitions       {len(self.partitions)}, {sum(self.partitions.values()):,} entries signed",
            f"head checkpoint  {_text(self.head, at_ms)}",
        ]
        if self.missing is not None:
            total = len(self.cosigned) + len(self.missing)
            missing = f"; missing: {', '.join(self.missing)}" if self.missing else ""
            lines.append(f"cosignatures     {len(self.cosigned)} of {total}{missing}")
            lines.append(f"quorum           {_text(self.quorum, at_ms)}")
        lines += [f"timestamp        {name}: {_text(one, at_ms)}" for name, one in self.timestamps.items()]
        if self.waiting is not None:
            lines.append(f"to be published  {self.waiting} notes")
        return "\n".join(lines)


def status_of_state(state: LogState, bus: AgencyId, policy: Policy | None) -> LogStatus:
    """Return the status as a log service's own state tells it.

    Args:
        state: of the service, running or not.
        bus: first part of the logs' origins.
        policy: names the witnesses; None leaves cosignatures out.
    """
    origin = head_origin(bus)
    status = LogStatus(bus, "state", waiting=len(state.outgoing()))
    for log, size in state.signed_sizes().items():
        number = partition_of_key(log.removeprefix(log_origin(bus, 0)[:-1]).encode("utf-8"))
        if number is not None:
            status.partitions[number] = size
    head, quorum = state.signed(origin), state.evidence(QUORUM).get(origin)
    if head is not None:
        status.head = Known(head.tree.size, head.at_ms)
    if quorum is not None:
        status.quorum = Known(quorum.size, quorum.at_ms)
    for name, one in state.evidence(TIMESTAMP).items():
        status.timestamps[name] = Known(one.size, one.at_ms)
    if policy is not None:
        is_newest = quorum is not None and head is not None and quorum.size == head.tree.size
        _witness(status, policy, quorum.note if quorum is not None and is_newest else "")
    return status


async def status_of_topic(
    transport: Transport, bus: AgencyId, keys: LogPublicKeys, policy: Policy | None
) -> LogStatus:
    """Return the status as the end of the checkpoints topic tells it; what our keys did not sign is passed over.

    Raises:
        ConfigError: if there is no checkpoints topic.
        TransportError: if the broker does not answer.
    """
    status = LogStatus(bus, "topic")
    newest = ""
    for record in await _last_records(transport):
        if record.key == TIMESTAMP_KEY:
            _take_timestamp(status, record)
            continue
        number = partition_of_key(record.key)
        if number is None and record.key != HEADS_KEY:
            continue
        origin = head_origin(bus) if number is None else log_origin(bus, number)
        try:
            checkpoint = keys.open(record.value or b"", origin)
        except NoteError:
            continue
        if number is not None:
            status.partitions[number] = checkpoint.size
            continue
        note = (record.value or b"").decode("utf-8")
        if status.head is None or checkpoint.size > status.head.size:
            status.head = Known(checkpoint.size, record.timestamp_ms)
        if checkpoint.size == status.head.size:
            newest = note
        if policy is not None and policy.open(note, log_verifiers=keys.signing(note, origin)).is_quorum:
            status.quorum = Known(checkpoint.size, record.timestamp_ms)
    if policy is not None:
        _witness(status, policy, newest)
    return status


async def _last_records(transport: Transport) -> list[Record]:
    counts = await partition_counts(transport)
    if topics.CHECKPOINTS not in counts:
        raise ConfigError(
            f"topic {topics.CHECKPOINTS} is missing", remedy="point --bootstrap-servers at a bus"
        )
    partition = TopicPartition(topics.CHECKPOINTS, 0)
    subscriber = transport.subscriber(assign=[partition])
    await subscriber.start()
    try:
        end = (await subscriber.end_offsets([partition]))[partition]
        beginning = (await subscriber.beginning_offsets([partition]))[partition]
        await subscriber.seek(partition, max(beginning, end - RECORDS_READ_MAX))
        records: list[Record] = []
        while await subscriber.position(partition) < end:
            polled = await subscriber.poll(timeout_s=POLL_TIMEOUT_S, records_max=RECORDS_READ_MAX)
            records += polled.get(partition, [])
    finally:
        await subscriber.stop()
    return records


def _take_timestamp(status: LogStatus, record: Record) -> None:
    headers = dict(record.headers)
    try:
        text = (headers.get(TIMESTAMPED_HEADER) or b"").decode("utf-8", "replace")
        checkpoint = Checkpoint.from_text(text)
    except NoteError:
        return
    name = (headers.get(TSA_HEADER) or b"").decode("ascii", "replace")
    status.timestamps[name] = Known(checkpoint.size, record.timestamp_ms)


def _witness(status: LogStatus, policy: Policy, note: str) -> None:
    """Note which witnesses of the policy stand under a note that was verified before it was kept."""
    lines = {(line.name, line.key_id) for line in Note.from_text(note).signatures} if note else set()
    status.missing = []
    for witness in policy.witnesses:
        is_there = (witness.verifier.name, witness.verifier.key_id) in lines
        (status.cosigned if is_there else status.missing).append(witness.name)


def _json(known: Known | None, at_ms: int) -> dict[str, object] | None:
    if known is None:
        return None
    age_s = round((at_ms - known.at_ms) / 1000, 3)
    return {"size": known.size, "time": time_text(known.at_ms), "age_s": age_s}


def _text(known: Known | None, at_ms: int) -> str:
    if known is None:
        return "none"
    age_s = (at_ms - known.at_ms) // 1000
    return f"{known.size:,} entries, {time_text(known.at_ms)}, {age_s:,} s ago"
