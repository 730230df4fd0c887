"""How the log service does, told by its state and by the topic alike, and by metrics."""

import contextlib
import json
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from govbus import telemetry
from govbus.errors import ConfigError
from govbus.message_log.keys import LogKeys
from govbus.message_log.policy import Policy
from govbus.service.log import cosigning, stamping
from govbus.service.log.cosigning import Cosigner
from govbus.service.log.locking import StateLock
from govbus.service.log.published import QUORUM, TIMESTAMP
from govbus.service.log.stamping import Stamper
from govbus.service.log.status import status_of_state, status_of_topic
from govbus.service.log.wiring import log_service_of, read_policy
from govbus.settings import LogSettings

from .conftest import BUS, HEADS
from .fakes import FakeAuthority, FakeWitness, connecting, policy_of


@pytest.fixture
async def parties(bench, monkeypatch):
    """A message log with two witnesses, of which one must cosign, and one authority; it has run."""
    monkeypatch.setattr(cosigning, "PAUSE_S", 0.01)
    monkeypatch.setattr(cosigning, "PAUSE_S_MAX", 0.01)
    monkeypatch.setattr(stamping, "PAUSE_S", 0.01)
    witnesses = [FakeWitness(name, MLDSA44PrivateKey.generate()) for name in ("court", "press")]
    bench.policy = policy_of(witnesses, 1)
    keys = bench.keys.public.verifiers(HEADS)
    bench.authority = FakeAuthority("tsa1")
    bench.watchers = (
        Cosigner(
            bench.policy, connecting(witnesses), lambda _: keys, clock_ms=bench.clock_ms, interval_s=0.01
        ),
        Stamper([bench.authority], clock_ms=bench.clock_ms, interval_s=0.01),
    )
    witnesses[1].is_down = True
    await bench.append(0, b"a", b"b")
    await bench.append(1, b"c")
    await bench.run_until(_is_vouched_for)
    bench.witnesses = witnesses
    return bench


def _is_vouched_for(service):
    newest = service.published.newest
    kinds = [service.published.evidence(kind) for kind in (QUORUM, TIMESTAMP)]
    return (
        newest is not None
        and {0: 2, 1: 1} == service.sizes
        and newest.size == service._heads.size
        and all(any(one.size == newest.size for one in kind.values()) for kind in kinds)
        and not service._state.outgoing()
    )


async def _statuses(bench, policy):
    with contextlib.closing(bench.open_state()) as state:
        yield status_of_state(state, BUS, policy)
    yield await status_of_topic(bench.transport, BUS, bench.keys.public, policy)


async def test_state_and_topic_tell_the_same(parties):
    """Sizes, who cosigned and who did not, and who stamped: from either source."""
    async for status in _statuses(parties, parties.policy):
        told = json.loads(status.to_json(parties.now_ms))
        assert {"0": 2, "1": 1} == told["partitions"]
        sizes = {told["head"]["size"], told["quorum"]["size"], told["timestamps"]["tsa1"]["size"]}
        assert 1 == len(sizes)
        assert (["court"], ["press"]) == (told["cosigned"], told["missing"])
        assert told["head"]["age_s"] >= 0
        text = status.to_text(parties.now_ms)
        assert "1 of 2; missing: press" in text
        assert "tsa1" in text


async def test_without_a_policy_nothing_is_said_of_witnesses(parties):
    """Who witnesses is not guessed."""
    async for status in _statuses(parties, None):
        assert status.missing is None
        assert "cosignatures" not in status.to_text(parties.now_ms)


async def test_nothing_signed_yet(bench):
    """An empty log has a status too."""
    async for status in _statuses(bench, None):
        assert json.loads(status.to_json(bench.now_ms))["head"] is None
        assert "none" in status.to_text(bench.now_ms)


async def test_metrics_tell_who_is_away(parties):
    """Missing cosignatures, who answers, and the size of the head tree are metrics."""
    assert 1 == telemetry.WITNESS_UP.labels("court")._value.get()
    assert 0 == telemetry.WITNESS_UP.labels("press")._value.get()
    assert 1 == telemetry.AUTHORITY_UP.labels("tsa1")._value.get()
    heads, _ = await parties.verify_topic()
    assert heads.tree.size == telemetry.HEAD_SIZE._value.get()


def test_one_process_a_folder(tmp_path):
    """A second process that would sign from the same folder is refused; afterwards it may."""
    script = (
        "import sys; from pathlib import Path; from govbus.service.log.locking import StateLock\n"
        "with StateLock(Path(sys.argv[1])): pass\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with StateLock(tmp_path), pytest.raises(ConfigError, match="cannot be locked"), StateLock(tmp_path):
        pass
    with StateLock(tmp_path):
        held = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert "stop the other log service" in held.stderr
    assert 0 == subprocess.run(command, check=False, timeout=60).returncode


def test_policy_without_addresses_is_refused(bench, tmp_path):
    """Witnesses that cannot be asked are an error of configuration, not silence."""
    witness = FakeWitness("court", MLDSA44PrivateKey.generate())
    with pytest.raises(ConfigError, match="no witness with a URL"):
        log_service_of(
            LogSettings(),
            bench.transport,
            bus=BUS,
            keys=bench.keys,
            state=None,
            folder=tmp_path,
            policy=policy_of([witness], 1),
            clock_ms=bench.clock_ms,
        )


@pytest.mark.parametrize("is_ours", [True, False])
def test_policy_of_another_log_is_refused(bench, tmp_path, is_ours):
    """A policy that lists logs must list this one, by the keys that sign here."""
    witness = FakeWitness("court", MLDSA44PrivateKey.generate())
    keys = bench.keys if is_ours else LogKeys.generate()
    lines = [f"log {key.to_vkey()}" for key in keys.public.verifiers(HEADS)]
    lines += [f"witness court {witness.signer.verifier.to_vkey()} http://127.0.0.1:9", "quorum court", ""]
    options = {"bus": BUS, "keys": bench.keys, "state": None, "folder": tmp_path, "clock_ms": bench.clock_ms}
    policy = Policy.from_text("\n".join(lines))
    if is_ours:
        assert log_service_of(
            LogSettings(), bench.transport, policy=policy, **options
        ).published.is_quorum_awaited
    else:
        with pytest.raises(ConfigError, match="the keys that sign here"):
            log_service_of(LogSettings(), bench.transport, policy=policy, **options)


def test_policy_that_is_not_there(tmp_path):
    """A policy file that cannot be read is named."""
    with pytest.raises(ConfigError, match="missing.policy cannot be read"):
        read_policy(tmp_path / "missing.policy")


def test_witness_with_two_keys_has_one_name():
    """A witness whose keys form a group is shown by the group's name."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from govbus.message_log.cosignature import CosignatureSigner, Ed25519CosignatureSigner
    from govbus.service.log.wiring import _names

    lines = []
    for name in ("court", "press"):
        keys = (
            CosignatureSigner(f"{name}.example", MLDSA44PrivateKey.generate()),
            Ed25519CosignatureSigner(f"{name}.example", Ed25519PrivateKey.generate()),
        )
        lines += [
            f"witness {name}-{number} {key.verifier.to_vkey()} http://{name}.example"
            for number, key in enumerate(keys)
        ]
    lines += ["group court all court-0 court-1", "group both all court press-0", "quorum both", ""]
    names = _names(Policy.from_text("\n".join(lines)))
    assert {"http://court.example": "court", "http://press.example": "press-0"} == names
