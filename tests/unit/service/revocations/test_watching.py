"""The watch: publishes what is new, asks in time, and goes on by itself."""

import asyncio

import pytest
from structlog.testing import capture_logs

from govbus import telemetry
from govbus.document import topics
from govbus.service.revocations.watching import RETRY_S, RETRY_S_MAX
from govbus.service.scanning import scan
from tests.unit.service.revocations.conftest import DAY_MS, HOUR_MS


def gauge(metric, watching):
    (name,) = watching.watch.sources
    return metric.labels(source=name)._value.get()


async def test_publishes_what_is_new(watching, site):
    """Material is published once, under its hash and with its type."""
    assert 1 == await watching.look()
    (record,) = [one async for one in scan(watching.transport, [topics.REVOCATIONS])]
    (material,) = [site.list()]
    assert material == record.value
    assert watching.follower.records.has(record.key.decode())
    assert (("content-type", b"application/pkix-crl"),) == record.headers


async def test_the_same_again_is_not_published(watching, site):
    """What the topic has is left out, also by a watch that starts afresh and by one that has not read it yet."""
    await watching.look()
    watching.watch = watching.new_watch()
    assert 0 == await watching.look()
    site.now_ms += 2 * HOUR_MS  # a new list
    assert 1 == await watching.watch.look(watching.publisher)
    for turn in watching.watch._turns.values():
        turn.due_ms = 0
    assert 0 == await watching.watch.look(watching.publisher)  # the follower has not read it


async def test_asks_again_before_the_update_is_due(watching, site):
    """Within the interval nothing is asked; after it, long before the next update, it is."""
    await watching.look()
    await watching.look()
    assert ["list"] == site.asked
    site.now_ms += HOUR_MS
    await watching.look()
    assert ["list", "list"] == site.asked


async def test_short_lived_material_is_asked_for_before_it_ends(watching, site):
    """A list that is good for ten minutes is asked for again between five and eight."""
    site.list_answer = site.authority.crl(this_update_ms=site.now_ms, next_update_ms=site.now_ms + 600_000)
    await watching.look()
    site.now_ms += 299_000
    await watching.look()
    assert ["list"] == site.asked
    site.now_ms += 181_000
    await watching.look()
    assert ["list", "list"] == site.asked


async def test_source_is_down_and_back(watching, site):
    """A source that fails is an error each time, is asked again ever later, and is good once it answers."""
    site.list_answer = site.ocsp_answer = 503
    with capture_logs() as logs:
        for _ in range(8):
            assert 0 == await watching.look()
            site.now_ms += 1000 * RETRY_S_MAX
    assert [1, 2, 3, 4, 5, 6, 7, 8] == [one["failures"] for one in logs if one["log_level"] == "error"]
    assert 0 == gauge(telemetry.REVOCATION_SOURCE_UP, watching)
    site.list_answer = None
    assert 1 == await watching.look()
    assert 1 == gauge(telemetry.REVOCATION_SOURCE_UP, watching)


async def test_failing_source_is_not_asked_all_the_time(watching, site):
    """Between two tries there is a pause."""
    site.list_answer = site.ocsp_answer = 503
    await watching.look()
    asked = len(site.asked)
    await watching.look()
    assert asked == len(site.asked)
    site.now_ms += 1000 * RETRY_S
    await watching.look()
    assert asked < len(site.asked)


async def test_metrics_tell_the_age(watching, site):
    """Age and time that is left are told by what is on the topic, whether or not a source was asked."""
    await watching.look()
    site.list_answer = site.ocsp_answer = 503
    site.now_ms += DAY_MS + HOUR_MS
    await watching.look()
    assert 90_000 == gauge(telemetry.REVOCATION_AGE_SECONDS, watching)
    assert -3_600 == gauge(telemetry.REVOCATION_NEXT_UPDATE_SECONDS, watching)


async def test_new_certificate_is_asked_for_at_once(watching, site):
    """A directory that names another source has it asked at the next look."""
    await watching.look()
    site.certify(has_list=False)
    watching.directory = site.directory()
    assert 2 == await watching.look()


async def test_runs_until_stopped(watching, site):
    """The watch runs on and ends when it is asked to."""
    stopping = asyncio.Event()
    running = asyncio.create_task(watching.watch.run(stopping))
    async with asyncio.timeout(10):
        while not site.asked:  # noqa: ASYNC110  # over HTTP
            await asyncio.sleep(0.01)
    stopping.set()
    await running
    await watching.follower.read_to_end()
    assert 1 == watching.follower.records.count


@pytest.mark.parametrize("mode", ["none", "declared"])
async def test_policy_does_not_matter_to_the_watch(watching, site, mode):
    """Material is gathered whatever the policy asks, so that it is there when the policy changes."""
    watching.directory = site.directory(revocation={"mode": mode})
    assert 1 == await watching.look()
