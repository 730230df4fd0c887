"""Cosignatures on head checkpoints: a quorum is collected, and nobody who is away stops anything."""

import asyncio

import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from govbus.document import topics
from govbus.message_log.heads import HEADS_KEY
from govbus.service.log import cosigning
from govbus.service.log.cosigning import Cosigner
from govbus.service.log.published import QUORUM

from .conftest import HEADS, text_of
from .fakes import FakeWitness, connecting, policy_of


@pytest.fixture(scope="module")
def witness_keys():
    """Keys of three witnesses."""
    return [MLDSA44PrivateKey.generate() for _ in range(3)]


@pytest.fixture
def witnesses(witness_keys):
    """Three witnesses that have seen nothing."""
    return [
        FakeWitness(name, key) for name, key in zip(("court", "press", "union"), witness_keys, strict=True)
    ]


@pytest.fixture
def witnessed(bench, witnesses, monkeypatch):
    """A message log whose head checkpoints two of three witnesses must cosign."""
    monkeypatch.setattr(cosigning, "PAUSE_S", 0.02)
    monkeypatch.setattr(cosigning, "PAUSE_S_MAX", 0.05)
    bench.policy = policy_of(witnesses, 2)
    bench.watchers = (_cosigner(bench, witnesses),)
    return bench


def _cosigner(bench, witnesses):
    keys = bench.keys.public.verifiers(HEADS)
    return Cosigner(
        bench.policy, connecting(witnesses), lambda _: keys, clock_ms=bench.clock_ms, interval_s=0.01
    )


async def _opened(bench):
    """Return what the policy says about every head note on the topic, in order."""
    keys = bench.keys.public.verifiers(HEADS)
    return [
        bench.policy.open(record.value, log_verifiers=keys)
        for record in await bench.records(topics.CHECKPOINTS)
        if record.key == HEADS_KEY
    ]


def _has_names(bench, size, *names):
    """Return a condition: the newest head checkpoint, of this size, has these cosignatures on the topic."""

    def holds(service):
        newest = service.published.newest
        kept = service.published.evidence(QUORUM).get(HEADS)
        if newest is None or kept is None or text_of(kept.note).to_text() != newest.text:
            return False
        if newest.size != size or service._state.outgoing():
            return False
        opened = bench.policy.open(kept.note, log_verifiers=bench.keys.public.verifiers(HEADS))
        return {one.name for one in opened.cosignatures} == set(names)

    return holds


async def test_quorum_is_published(witnessed, witnesses):
    """The head checkpoint stands on the topic again, with the cosignatures of all who answered."""
    await witnessed.append(0, b"a")
    await witnessed.run_until(_has_names(witnessed, 1, "court", "press", "union"))

    opened = await _opened(witnessed)
    assert not opened[0].is_quorum
    assert opened[-1].is_quorum
    assert ("court", "press", "union") == tuple(one.name for one in opened[-1].cosignatures)
    assert {opened[0].checkpoint} == {one.checkpoint for one in opened}
    assert [[(0, 1)]] * 3 == [one.asked for one in witnesses]


async def test_witness_that_is_down_stops_nothing_and_catches_up(witnessed, witnesses):
    """With one witness away the quorum is reached by the others; back, it signs the newest head checkpoint."""
    witnesses[2].is_down = True
    await witnessed.append(0, b"a")
    await witnessed.run_until(_has_names(witnessed, 1, "court", "press"))
    await witnessed.append(0, b"b")
    await witnessed.run_until(_has_names(witnessed, 2, "court", "press"))
    assert [] == witnesses[2].asked

    witnesses[2].is_down = False
    await witnessed.run_until(_has_names(witnessed, 2, "court", "press", "union"))

    assert [(0, 2)] == witnesses[2].asked
    last = (await _opened(witnessed))[-1]
    assert (2, 3) == (last.checkpoint.size, len(last.cosignatures))


async def test_without_quorum_signing_goes_on(witnessed, witnesses):
    """With two of three away nothing is published as witnessed, and every checkpoint still is signed."""
    for one in witnesses[:2]:
        one.is_down = True
    for number in range(3):
        await witnessed.append(0, b"%d" % number)
        await witnessed.run_to_the_end()
    assert not any(one.is_quorum for one in await _opened(witnessed))
    heads, _ = await witnessed.verify_topic()
    assert 3 == heads.tree.size

    for one in witnesses:
        one.is_down = False
    await witnessed.run_until(_has_names(witnessed, 3, "court", "press", "union"))
    assert (await _opened(witnessed))[-1].checkpoint.size == 3


async def test_quorum_does_not_wait_for_the_slow(witnessed, witnesses):
    """The quorum is published while a third witness has not answered; its cosignature is added when it comes."""
    witnesses[1].gate = asyncio.Event()
    await witnessed.append(0, b"a")

    def opens_the_gate(service):
        if _has_names(witnessed, 1, "court", "union")(service):
            witnesses[1].gate.set()
        return _has_names(witnessed, 1, "court", "press", "union")(service)

    await witnessed.run_until(opens_the_gate)
    quorums = [one for one in await _opened(witnessed) if one.is_quorum]
    assert [2, 3] == [len(one.cosignatures) for one in quorums]


async def test_cosignatures_survive_a_restart(witnessed, witnesses):
    """A service that starts again knows the quorum that it had, and asks nobody for it anew."""
    await witnessed.append(0, b"a")
    await witnessed.run_until(_has_names(witnessed, 1, "court", "press", "union"))
    before = await witnessed.records(topics.CHECKPOINTS)
    cosigner = _cosigner(witnessed, witnesses)
    witnessed.watchers = (cosigner,)

    await witnessed.run_until(lambda _: cosigner._target is not None)

    assert cosigner._is_quorum
    assert before == await witnessed.records(topics.CHECKPOINTS)
    assert [[(0, 1)]] * 3 == [one.asked for one in witnesses]


async def test_witness_further_on_than_the_log_is_no_obstacle(witnessed, witnesses):
    """A witness that has seen a larger tree refuses loudly; the others make the quorum."""
    witnesses[0].size, witnesses[0].root = 99, bytes(32)
    await witnessed.append(0, b"a")
    await witnessed.run_until(_has_names(witnessed, 1, "press", "union"))

    assert [] == witnesses[0].asked


async def test_served_head_checkpoint_is_the_witnessed_one(witnessed, witnesses):
    """Readers over HTTP get a head checkpoint with its quorum, and keep it while there is no newer one."""
    await witnessed.append(0, b"a")
    options = {"state": witnessed.open_state()}
    try:
        await _run_witnessed(witnessed, _has_names(witnessed, 1, "court", "press", "union"), **options)
        for one in witnesses:
            one.is_down = True
        await witnessed.append(0, b"b")
        await _run_witnessed(
            witnessed, lambda service: getattr(service.published.newest, "size", 0) == 2, **options
        )
    finally:
        options["state"].close()

    served = (witnessed.folder / "tiles" / HEADS / "checkpoint").read_text("utf-8")
    opened = witnessed.policy.open(served, log_verifiers=witnessed.keys.public.verifiers(HEADS))
    assert (1, True) == (opened.checkpoint.size, opened.is_quorum)


async def _run_witnessed(bench, condition, state):
    service_of = bench.service

    def service(state):
        made = service_of(state)
        made.published.is_quorum_awaited = True
        return made

    bench.service = service
    try:
        await bench.run_until(condition, state)
    finally:
        bench.service = service_of
