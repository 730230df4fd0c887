"""Timestamps over head checkpoints: one an interval for each authority, whatever the other does."""

from govbus.document import topics
from govbus.message_log.heads import TIMESTAMP_KEY, TIMESTAMP_TYPE, TIMESTAMPED_HEADER, TSA_HEADER
from govbus.service.log import stamping
from govbus.service.log.published import TIMESTAMP
from govbus.service.log.stamping import Stamper

from .fakes import FakeAuthority


def _bench(bench, monkeypatch, authorities, interval_s=0.02):
    monkeypatch.setattr(stamping, "PAUSE_S", 0.02)
    bench.watchers = (Stamper(authorities, clock_ms=bench.clock_ms, interval_s=interval_s),)
    return bench


def _is_stamped(size, *names):
    """Return a condition: these authorities have stamped the head checkpoint of this size, the newest one."""

    def holds(service):
        newest = service.published.newest
        if newest is None or newest.size != size:
            return False
        stamped = service.published.evidence(TIMESTAMP)
        return {name for name, one in stamped.items() if one.note == newest.text} == set(names)

    return holds


async def _timestamps(bench):
    return [one for one in await bench.records(topics.CHECKPOINTS) if one.key == TIMESTAMP_KEY]


async def test_each_authority_stamps_the_newest_head_checkpoint(bench, monkeypatch):
    """The responses stand on the topic after the head checkpoint, with its text and who made them."""
    authorities = [FakeAuthority("one"), FakeAuthority("two")]
    _bench(bench, monkeypatch, authorities)
    await bench.append(0, b"a")
    service = await bench.run_until(_is_stamped(1, "one", "two"))

    text = service.published.newest.text.encode()
    for record, name in zip(
        sorted(await _timestamps(bench), key=lambda one: one.value), ("one", "two"), strict=True
    ):
        headers = dict(record.headers)
        assert f"stamped by {name}: ".encode() + text == record.value
        assert {
            "content-type": TIMESTAMP_TYPE,
            TIMESTAMPED_HEADER: text,
            TSA_HEADER: name.encode(),
        } == headers


async def test_nothing_new_is_not_stamped_again(bench, monkeypatch):
    """A head checkpoint is stamped once by each authority, restarts included."""
    authority = FakeAuthority("one")
    _bench(bench, monkeypatch, [authority])
    await bench.append(0, b"a")
    await bench.run_until(_is_stamped(1, "one"))
    await bench.run_until(_is_stamped(1, "one"))
    await bench.append(0, b"b")
    await bench.run_until(_is_stamped(2, "one"))

    assert 2 == len(authority.stamped) == len(await _timestamps(bench))


async def test_authority_that_is_down_stops_nothing_and_catches_up(bench, monkeypatch):
    """While one authority is away the other stamps; back, it stamps the newest head checkpoint."""
    one, two = FakeAuthority("one"), FakeAuthority("two")
    two.is_down = True
    _bench(bench, monkeypatch, [one, two])
    await bench.append(0, b"a")
    await bench.run_until(_is_stamped(1, "one"))
    await bench.append(0, b"b")
    await bench.run_until(_is_stamped(2, "one"))

    two.is_down = False
    service = await bench.run_until(_is_stamped(2, "one", "two"))

    assert [service.published.newest.text.encode()] == two.stamped


async def test_no_more_often_than_the_interval(bench, monkeypatch):
    """Within the interval a newer head checkpoint waits."""
    authority = FakeAuthority("one")
    _bench(bench, monkeypatch, [authority], interval_s=3600)
    monkeypatch.setattr(stamping, "WAIT_S", 0.005)
    await bench.append(0, b"a")
    told = []

    def grows(service):
        newest = service.published.newest
        told.append(newest.size if newest is not None else 0)
        return _is_stamped(1, "one")(service)

    await bench.run_until(grows)
    assert 1 == len(authority.stamped)
