"""The sending processes: a CSV file through the spool to the bus, or a spool by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path

from govbus.adapters.csv_file import CsvFileAdapter
from govbus.adapters.csv_mapping import CsvMapping
from govbus.adapters.spool import Spool, SpoolStats
from govbus.service.adapter_runner import AdapterRunner, RunnerParts
from govbus.service.agency_profile import AgencyProfile
from govbus.service.keys.following import following_keys
from govbus.service.keys.rotation import SigningKeys
from govbus.service.processes import clock_ms
from govbus.service.publisher import PublisherParts, SpoolPublisher
from govbus.service.sending_setup import SendingSetup
from govbus.service.spool_start import open_spool
from govbus.transport.base import Transport

PROGRESS_INTERVAL_S = 0.25
EMPTY_INTERVAL_S = 0.02


@dataclass(frozen=True, slots=True)
class CsvJob:
    """What to send."""

    profile: AgencyProfile
    mapping: CsvMapping
    source: Path
    agreement_id: str | None
    ce_type: str | None
    next_index: int | None
    follow_interval_s: float | None
    """Pause between two looks at a file that grows; None reads it once."""
    is_publishing: bool


async def send_csv(
    transport: Transport,
    job: CsvJob,
    stopping: asyncio.Event,
    *,
    on_progress: Callable[[int, SpoolStats], None] = lambda *_: None,
) -> None:
    """Put the rows of a CSV file into the spool and, where asked, publish the spool.

    Reading once ends when everything is published, or when `stopping` is set and the publisher's drain is over.

    Args:
        transport: the broker.
        job: what to send.
        stopping: asks to stop.
        on_progress: told now and then how many documents were put, and how the spool stands.

    Raises:
        GovbusError: if something asks to halt; what was read before is in the spool.
    """
    setup = await SendingSetup.prepare(transport, job.profile, next_index=job.next_index)
    with setup.spool:
        async with following_keys(setup.signers, job.profile, transport) as keys:
            await _send_rows(setup, keys, job, stopping, on_progress)


async def _send_rows(
    setup: SendingSetup,
    keys: SigningKeys,
    job: CsvJob,
    stopping: asyncio.Event,
    on_progress: Callable[[int, SpoolStats], None],
) -> None:
    spool = setup.spool
    template = setup.template(job.agreement_id, job.ce_type)
    publisher = SpoolPublisher(
        PublisherParts(
            spool,
            keys,
            setup.transport,
            clock_ms,
            batch_documents_max=job.profile.batch_documents_max,
        )
    )
    put = 0

    def on_put(documents: int) -> None:
        nonlocal put
        put += documents
        publisher.wake()

    is_growing = job.follow_interval_s is not None
    adapter = CsvFileAdapter(job.source, job.mapping, clock_ms, is_growing=is_growing)
    runner = AdapterRunner(RunnerParts(adapter, spool, template, clock_ms, on_put))
    reporting = asyncio.create_task(_report(lambda: on_progress(put, spool.stats(clock_ms()))))
    try:
        if job.is_publishing:
            await _read_and_publish(_read(runner, job, stopping), publisher, spool, stopping)
        else:
            await _read(runner, job, stopping)
    finally:
        reporting.cancel()
        await asyncio.gather(reporting, return_exceptions=True)
        on_progress(put, spool.stats(clock_ms()))


async def _report(report: Callable[[], None]) -> None:
    while True:
        report()
        await asyncio.sleep(PROGRESS_INTERVAL_S)


async def _read(runner: AdapterRunner, job: CsvJob, stopping: asyncio.Event) -> None:
    if job.follow_interval_s is None:
        await runner.run_once(stopping)
    else:
        await runner.run(stopping, interval_s=job.follow_interval_s)


async def _read_and_publish(
    read: Coroutine[None, None, None], publisher: SpoolPublisher, spool: Spool, stopping: asyncio.Event
) -> None:
    """Publish while reading; after the last row until the spool is empty, or after an error for the drain's bound."""
    ending = asyncio.Event()
    reading, publishing = asyncio.create_task(read), asyncio.create_task(publisher.run(ending))
    try:
        await asyncio.wait({reading, publishing}, return_when=asyncio.FIRST_COMPLETED)
        if reading.done() and reading.exception() is None:
            while spool.stats(clock_ms()).documents and not (publishing.done() or stopping.is_set()):
                await asyncio.wait({publishing}, timeout=EMPTY_INTERVAL_S)
        if not reading.done():  # the publisher failed
            reading.cancel()
        ending.set()
        for result in await asyncio.gather(reading, publishing, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
    finally:
        reading.cancel()
        publishing.cancel()
        await asyncio.gather(reading, publishing, return_exceptions=True)


async def publish_spool(
    transport: Transport,
    profile: AgencyProfile,
    stopping: asyncio.Event,
    *,
    next_index: int | None = None,
    is_once: bool = False,
) -> int:
    """Publish a spool until `stopping` is set, or what is in it once; return how many documents were published.

    Raises:
        GovbusError: if something asks to halt, or once, at the first trouble with the broker.
    """
    opened = await asyncio.to_thread(profile.signing_keys)
    with await open_spool(profile, transport, next_index=next_index) as spool:
        async with following_keys(opened, profile, transport) as keys:
            publisher = SpoolPublisher(
                PublisherParts(
                    spool, keys, transport, clock_ms, batch_documents_max=profile.batch_documents_max
                )
            )
            if is_once:
                await publisher.drain()
            else:
                await publisher.run(stopping)
            return publisher.published
