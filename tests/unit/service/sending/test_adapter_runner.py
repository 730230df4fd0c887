"""Tests of running an adapter: chunks, cursors, full spools, and sources that fail."""

from __future__ import annotations

import asyncio

import pytest

from govbus.adapters.outgoing import DocumentIds, OutgoingDocument
from govbus.adapters.spool import Spool, SpoolLimits
from govbus.errors import SourceRejectedError, SourceUnavailableError
from govbus.service.adapter_runner import AdapterRunner, RunnerParts

AT_MS = 1_795_466_700_123


class CountingAdapter:
    """Yields so many documents; the cursor is the number of those before it."""

    name = "counting"

    def __init__(self, count):
        self.count = count
        self.fails_at = {}
        self.bodies = {}
        self.ids = DocumentIds()

    def read(self, cursor):
        for number in range(int(cursor or 0), self.count):
            if number in self.fails_at:
                raise self.fails_at[number]
            body = self.bodies.get(number, {"text": str(number)})
            yield (
                OutgoingDocument(self.ids.new(AT_MS), None, AT_MS, {"record_id": str(number)}, body),
                str(number + 1),
            )


@pytest.fixture
def stopping():
    return asyncio.Event()


@pytest.fixture
def parts(spool, template):
    return RunnerParts(CountingAdapter(25), spool, template, lambda: AT_MS, chunk_documents_max=10)


async def test_run_once_puts_everything(parts, spool, stopping):
    """Documents and cursor move chunk by chunk; the next run goes on from there."""
    chunks = []
    object.__setattr__(parts, "on_put", chunks.append)
    runner = AdapterRunner(parts)
    assert 25 == await runner.run_once(stopping)
    assert [10, 10, 5] == chunks
    assert (25, "25") == (spool.stats(AT_MS).next_index, spool.cursor("counting"))
    assert 0 == await runner.run_once(stopping)
    parts.adapter.count = 31
    assert 6 == await runner.run_once(stopping)
    assert (31, "31") == (spool.stats(AT_MS).next_index, spool.cursor("counting"))


@pytest.mark.parametrize("error", [SourceRejectedError("row 13"), SourceUnavailableError("away")])
async def test_source_that_fails(parts, spool, stopping, error):
    """What was read before an error is in the spool, and the error says what happened."""
    parts.adapter.fails_at[13] = error
    with pytest.raises(type(error)):
        await AdapterRunner(parts).run_once(stopping)
    assert (13, "13") == (spool.stats(AT_MS).next_index, spool.cursor("counting"))
    parts.adapter.fails_at.clear()
    assert 12 == await AdapterRunner(parts).run_once(stopping)


async def test_document_that_does_not_fit_its_schema(parts, spool, stopping):
    """A document that cannot be encoded stops the adapter after the ones before it."""
    parts.adapter.bodies[7] = {"text": 7}
    with pytest.raises(
        SourceRejectedError, match="counting: a document cannot be encoded: the value does not fit"
    ):
        await AdapterRunner(parts).run_once(stopping)
    assert (7, "7") == (spool.stats(AT_MS).next_index, spool.cursor("counting"))


async def test_full_spool_is_waited_for(spool_path, origin, template, signer, stopping, until):
    """A full spool holds the adapter back, without loss, until there is room."""
    with Spool.open(spool_path, origin, SpoolLimits(documents_max=12), next_index=0) as spool:
        parts = RunnerParts(
            CountingAdapter(25), spool, template, lambda: AT_MS, chunk_documents_max=10, full_pause_s=0.005
        )
        task = asyncio.create_task(AdapterRunner(parts).run_once(stopping))
        await asyncio.sleep(0.1)
        assert not task.done()
        assert (10, "10") == (spool.stats(AT_MS).next_index, spool.cursor("counting"))
        for upto in (9, 19):
            await until(lambda: spool.seal([signer], at_ms=AT_MS))
            spool.mark_published(upto)
        assert 25 == await asyncio.wait_for(task, 5)


async def test_stopped_while_the_spool_is_full(spool_path, origin, template, stopping):
    """Asked to stop while it waits for room the runner ends, and nothing of the chunk was taken."""
    with Spool.open(spool_path, origin, SpoolLimits(documents_max=12), next_index=0) as spool:
        parts = RunnerParts(CountingAdapter(25), spool, template, lambda: AT_MS, chunk_documents_max=10)
        task = asyncio.create_task(AdapterRunner(parts).run_once(stopping))
        await asyncio.sleep(0.05)
        stopping.set()
        assert 10 == await asyncio.wait_for(task, 5)
        assert "10" == spool.cursor("counting")


async def test_runs_again_and_again(parts, spool, stopping, until):
    """A continuous run finds what is added, waits for a source that is away, and stops when asked."""
    task = asyncio.create_task(AdapterRunner(parts).run(stopping, interval_s=0.005))
    for count, fails in ((25, {}), (40, {33: SourceUnavailableError("away")}), (41, {})):
        parts.adapter.count, parts.adapter.fails_at = count, fails
        expected = 33 if fails else count
        await until(lambda expected=expected: spool.stats(AT_MS).next_index >= expected)
    stopping.set()
    await asyncio.wait_for(task, 5)
    assert 41 == spool.stats(AT_MS).next_index


async def test_continuous_run_ends_at_a_rejection(parts, stopping):
    """What needs a person ends a continuous run."""
    parts.adapter.fails_at[3] = SourceRejectedError("row 3")
    with pytest.raises(SourceRejectedError):
        await asyncio.wait_for(AdapterRunner(parts).run(stopping, interval_s=0.005), 5)
