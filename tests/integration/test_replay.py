"""A bus is replayed into a second cluster by the auditor's command, and a router there comes to the same decisions."""

import copy
import subprocess
import sys

import pytest

from govbus.document.finding import Outcome
from govbus.service.sample_directory import CIVIL_REGISTRY
from govbus.transport.kafka import KafkaConnection, KafkaTransport

from .bus import START_TIMEOUT_S, Bus

pytestmark = pytest.mark.kafka

ROWS = 30
AGENCY = str(CIVIL_REGISTRY)
WAIT_S = 120


@pytest.fixture
def bus(embedded_kafka_factory, tmp_path):
    """A bus on which thirty documents were accepted."""
    bus = Bus(embedded_kafka_factory(), tmp_path / "bus")
    bus.add_router("router-1")
    bus.add_agency(AGENCY)
    try:
        bus.append(AGENCY, 0, ROWS)
        bus.start()
        bus.wait(lambda: _accepted(bus) == ROWS, WAIT_S, "a decision about every row")
        bus.stop(AGENCY)
        yield bus
    finally:
        bus.kill_all()


def _accepted(bus):
    return sum(entry.decision is Outcome.ACCEPTED for entry in bus.entries())


def _decisions(bus):
    """Return what was decided about which record, by the record's place: nothing of the time it was decided at."""
    return sorted(
        (entry.source, entry.decision, entry.document_id, entry.statement, entry.signatures, entry.recipients)
        for entry in bus.entries()
    )


def _replay(bus, servers):
    arguments = ("audit", "replay", "--authority", str(bus.stage.sample.authority_certificate), "--quiet")
    return subprocess.run(
        [sys.executable, "-m", "govbus", *arguments, "--to", servers],
        env=bus.environment,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )


def test_replay_into_another_cluster(bus, embedded_kafka_factory, tmp_path):
    """Records keep partition and offset, the router there decides the same, and a cluster in use is refused."""
    servers = embedded_kafka_factory("second").start(START_TIMEOUT_S)
    done = _replay(bus, servers)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(bus.entries())} entries replayed, 0 shown, 0 differ" in done.stderr

    there = copy.copy(bus)
    there.folder = tmp_path / "there"
    (there.folder / "logs").mkdir(parents=True)
    there.commands, there.processes = {}, {}
    there.transport = KafkaTransport(KafkaConnection(servers, client_id="test"))
    there.environment = {
        **bus.environment,
        "GOVBUS_KAFKA__BOOTSTRAP_SERVERS": servers,
        "GOVBUS_DATA_FOLDER": str(there.folder),
    }
    there.add_router("router-there")
    try:
        there.start()
        there.wait(lambda: len(there.entries()) >= len(bus.entries()), WAIT_S, "every decision again")
    finally:
        there.kill_all()
    assert _decisions(there) == _decisions(bus)

    again = _replay(bus, servers)
    assert again.returncode == 2
    assert "has records there already" in again.stderr
