"""The log's keys are changed on a real bus under load: witnesses go on, and everything of before and after verifies."""

import json
import subprocess
import zipfile

import pytest

from govbus.document import topics
from govbus.document.finding import Outcome
from govbus.message_log.heads import HEADS_KEY, KEYS_KEY, head_origin
from govbus.message_log.policy import Policy
from govbus.service.log.key_folder import read_log_keys
from govbus.service.sample_directory import BUS, CIVIL_REGISTRY

from .evidence_bus import WITNESSES, EvidenceBus

pytestmark = pytest.mark.kafka

ROWS = 20
AGENCY = str(CIVIL_REGISTRY)
WAIT_S = 120


@pytest.fixture
def bus(embedded_kafka_factory, tmp_path):
    """A bus with a log service, two witnesses and an agency that sends."""
    bus = EvidenceBus(embedded_kafka_factory(), tmp_path / "bus")
    bus.add_router("router-1")
    bus.add_log_service()
    bus.add_register()
    bus.add_agency(AGENCY)
    with bus.tsa:
        try:
            bus.append(AGENCY, 0, ROWS)
            bus.start()
            yield bus
        finally:
            bus.kill_all()


def _accepted(bus):
    return [entry.document_id for entry in bus.entries() if entry.decision is Outcome.ACCEPTED]


def _is_witnessed(bus):
    """Whether the quorum cosigned a head after the last checkpoint of each partition, over all entries."""
    keys, origin = read_log_keys(bus.keys), head_origin(BUS)
    sizes, witnessed, largest = {}, 0, 0
    for record in bus.records(topics.CHECKPOINTS):
        if record.key.isdigit():
            sizes[record.key] = int(record.value.split(b"\n")[1])
        elif record.key == HEADS_KEY:
            opened = bus.policy.open(record.value, origin, log_verifiers=keys.signing(record.value, origin))
            largest = max(largest, opened.checkpoint.size)
            witnessed = max(witnessed, opened.checkpoint.size if opened.is_quorum else 0)
    return witnessed and witnessed == largest and sum(sizes.values()) == len(bus.entries())


def _rotate(bus):
    """Change the keys as docs/keys.md tells the operator."""
    bus.run("log", "rotate", bus.keys)
    lines = bus.run("log", "vkeys", bus.keys, "--bus", BUS)
    assert lines.count("log ") == 4
    (bus.folder / "logs.policy").write_text(lines + "quorum none\n", encoding="utf-8")
    rest = [line for line in bus.policy_file.read_text(encoding="utf-8").splitlines() if line[:4] != "log "]
    policy = lines + "\n".join([*rest, ""])
    bus.policy_file.write_text(policy, encoding="utf-8")
    bus.policy = Policy.from_text(policy)
    for name in WITNESSES:
        bus.restart(f"witness-{name}")
    bus.restart("log")


def test_keys_are_changed_under_load(bus, tmp_path):
    """Audits are clean, and bundles of an old and a new document verify by program and by script."""
    bus.wait(lambda: len(_accepted(bus)) == ROWS and _is_witnessed(bus), WAIT_S, "a cosigned head over all")
    old = _accepted(bus)[0]
    trust = ("--authority", bus.authority, "--log-keys", bus.keys, "--policy", bus.policy_file)
    bus.run("audit", "verify", *trust)
    bus.append(AGENCY, ROWS, ROWS)
    _rotate(bus)
    bus.append(AGENCY, 2 * ROWS, ROWS)
    bus.wait(
        lambda: len(_accepted(bus)) == 3 * ROWS and _is_witnessed(bus),
        WAIT_S,
        "a cosigned head by the new pair",
    )
    new = _accepted(bus)[-1]
    assert sum(record.key == KEYS_KEY for record in bus.records(topics.CHECKPOINTS)) == 1
    bus.run("audit", "verify", *trust)
    bus.stop(AGENCY)
    bus.write_archive()
    bus.verify_archive()
    bus.run("audit", "verify", *trust, "--archive", bus.archive, without_bus=True)
    for name, document in (("old", old), ("new", new)):
        path = tmp_path / f"{name}.zip"
        bus.run("audit", "export", document, *trust, "--output", path)
        folder = tmp_path / name
        with zipfile.ZipFile(path) as packed:
            packed.extractall(folder)
        own = folder / "trust"
        report = json.loads(bus.run("verify", path, "--trust", own, "--json", without_bus=True))
        assert report["verified"], report
        done = subprocess.run(
            ["sh", str(folder / "verify.sh"), str(own)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
