"""The demo's traffic: what the agencies send, and what is seen of it on the bus."""

from __future__ import annotations

import asyncio
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from govbus.adapters.base import Adapter
from govbus.adapters.csv_file import CsvFileAdapter
from govbus.adapters.outgoing import DocumentTemplate, OutgoingDocument
from govbus.adapters.spool import Spool
from govbus.cli.demo.bad_documents import BadDocument
from govbus.cli.demo.febrl import AgencyLayout, csv_mapping
from govbus.cli.demo.stage import Stage
from govbus.document import topics
from govbus.document.decision import LogEntry, SourcePosition
from govbus.document.finding import Outcome
from govbus.document.ids import AgencyId
from govbus.document.record import Record
from govbus.document.statement import Statement
from govbus.errors import MetadataError
from govbus.schemas.core import decode_log_entry
from govbus.service.adapter_runner import AdapterRunner, RunnerParts
from govbus.service.agency_profile import AgencyProfile
from govbus.service.processes import clock_ms
from govbus.service.publisher import PublisherParts, SpoolPublisher
from govbus.service.scanning import partitions_of
from govbus.service.sending import document_template
from govbus.service.tracing import receipt_of
from govbus.transport.base import OutRecord, TopicPartition, Transport

PACE_INTERVAL_S = 0.05
PACED_AT_ONCE = 5
"""Five every 50 ms: a hundred documents a second."""


class _Limited:
    """An adapter that stops after so many documents; the next read goes on from there."""

    def __init__(self, adapter: Adapter, documents_max: int) -> None:
        self._adapter = adapter
        self.documents_max = documents_max

    @property
    def name(self) -> str:
        return self._adapter.name

    def read(self, cursor: str | None) -> Iterator[tuple[OutgoingDocument, str]]:
        return islice(self._adapter.read(cursor), self.documents_max)


class Sender:
    """One agency at work: a CSV file, an adapter, a spool, a publisher."""

    def __init__(self, stage: Stage, layout: AgencyLayout, source: Path) -> None:
        agency = AgencyId.from_text(layout.agency)
        self.profile = AgencyProfile.from_file(stage.folder / agency.text / "agency.yaml")
        self.spool: Spool = self.profile.open_spool(next_index=0)
        agreement = stage.directory.agreement(stage.sample.agreement(agency))
        if agreement is None:
            raise MetadataError(f"the demo's directory has no agreement of {agency}")
        self._template: DocumentTemplate = document_template(stage.directory, self.profile.origin, agreement)
        self._adapter = CsvFileAdapter(source, csv_mapping(layout), clock_ms)
        self._publisher = SpoolPublisher(
            PublisherParts(self.spool, self.profile.signers(), stage.transport, clock_ms)
        )
        self._stopping = asyncio.Event()
        self._publishing: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Publish whatever comes into the spool, from now on."""
        self._publishing = asyncio.create_task(self._publisher.run(self._stopping))

    async def stop(self) -> None:
        """Publish what is left, and close."""
        self._stopping.set()
        if self._publishing is not None:
            await self._publishing
        self.spool.close()

    async def send(self, documents: int, on_put: Callable[[int], None]) -> None:
        """Read so many rows into the spool, as fast as it goes."""

        def put(count: int) -> None:
            self._publisher.wake()
            on_put(count)

        runner = AdapterRunner(
            RunnerParts(_Limited(self._adapter, documents), self.spool, self._template, clock_ms, put)
        )
        await runner.run_once(self._stopping)

    async def send_paced(self, documents: int, on_put: Callable[[int], None]) -> None:
        """Read so many rows at a hundred a second."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        for start in range(0, documents, PACED_AT_ONCE):
            await self.send(min(PACED_AT_ONCE, documents - start), on_put)
            due_s += PACE_INTERVAL_S
            await asyncio.sleep(max(0.0, due_s - loop.time()))


class Expected(NamedTuple):
    """What is to become of one record that was sent outside the good stream."""

    kind: str
    outcome: Outcome
    rules: frozenset[str]


async def send_bad(
    transport: Transport, documents: Sequence[BadDocument], on_sent: Callable[[int], None]
) -> dict[SourcePosition, Expected]:
    """Send bad documents, a few at a time, and return where each lies and what is expected of it."""
    names = {record.topic for one in documents for record in (*one.before, one.record)}
    counts = Counter(partition.topic for partition in await partitions_of(transport, sorted(names)))
    publisher = transport.publisher()
    await publisher.start()
    expected: dict[SourcePosition, Expected] = {}
    try:
        for one in documents:
            wanted = [(record, Expected(one.kind, Outcome.ACCEPTED, frozenset())) for record in one.before]
            wanted.append((one.record, Expected(one.kind, one.expected_outcome, one.expected_rules)))
            offsets = await publisher.publish([record for record, _ in wanted])
            for (record, hope), offset in zip(wanted, offsets, strict=True):
                expected[position_of(record, offset, counts)] = hope
            on_sent(len(wanted))
    finally:
        await publisher.stop()
    return expected


def position_of(record: OutRecord, offset: int, counts: Mapping[str, int]) -> SourcePosition:
    """Return where a published record lies."""
    partition = record.partition
    if partition is None:
        partition = zlib.crc32(record.key or b"") % counts[record.topic]
    return SourcePosition(record.topic, partition, offset)


async def resend(transport: Transport, records: Sequence[Record]) -> int:
    """Send records again as they lie on the bus, byte for byte; return how many."""
    publisher = transport.publisher()
    await publisher.start()
    try:
        await publisher.publish(
            [OutRecord(one.topic, one.partition, one.key, one.value, one.headers, None) for one in records]
        )
    finally:
        await publisher.stop()
    return len(records)


@dataclass(slots=True)
class Seen:
    """What a reader outside the bus's own processes has seen."""

    decisions: dict[SourcePosition, LogEntry] = field(default_factory=dict)
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    delivered: int = 0
    receipts: set[bytes] = field(default_factory=set)
    """Ids."""
    latencies_ms: dict[tuple[str, int], int] = field(default_factory=dict)
    """From the spool to this reader, by origin and index."""
    places: dict[bytes, SourcePosition] = field(default_factory=dict)
    """Where the copy of each delivered document stands, by its id."""
    last_delivery_ms: int = 0

    def take(self, record: Record, now_ms: int) -> None:
        """Take one record of the log or of an inbox."""
        if record.topic == topics.MESSAGE_LOG:
            entry = decode_log_entry(record.value or b"")
            self.decisions[entry.source] = entry
            self.outcomes[entry.decision] += 1
        elif receipt_of(record) is not None:
            self.receipts.add(dict(record.headers)["ce_id"])
        else:
            headers = dict(record.headers)
            statement = Statement.from_bytes(headers["gb-stmt"])
            self.places[headers["ce_id"]] = SourcePosition(record.topic, record.partition, record.offset)
            key = (str(statement.origin), statement.index)
            self.latencies_ms[key] = now_ms - statement.time_ms
            self.delivered += 1
            self.last_delivery_ms = now_ms


class Watcher:
    """Reads log and inboxes under read_committed while everything happens."""

    def __init__(self, transport: Transport, inboxes: Sequence[str]) -> None:
        self._transport = transport
        self._names = [topics.MESSAGE_LOG, *inboxes]
        self.seen = Seen()
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to read."""
        partitions = await partitions_of(self._transport, self._names)
        self._task = asyncio.create_task(self._read(partitions))

    async def stop(self) -> None:
        """Read what is there and end."""
        self._stopping.set()
        if self._task is not None:
            await self._task

    def require_reading(self) -> None:
        """Raise what ended the reading, if anything did."""
        if self._task is not None and self._task.done():
            self._task.result()

    async def _read(self, partitions: list[TopicPartition]) -> None:
        subscriber = self._transport.subscriber(assign=partitions)
        await subscriber.start()
        try:
            while True:
                is_last = self._stopping.is_set()
                polled = await subscriber.poll(timeout_s=0.1, records_max=2000)
                now_ms = clock_ms()
                for records in polled.values():
                    for record in records:
                        self.seen.take(record, now_ms)
                if is_last and not polled:
                    return
        finally:
            await subscriber.stop()
