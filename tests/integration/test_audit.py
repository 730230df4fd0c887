"""An auditor's commands on a real bus with witnesses and time stamps, and on its archive: levels, ranges, fsck."""

import json

import pytest

from govbus.document import topics
from govbus.document.finding import Outcome
from govbus.service.sample_directory import BUS, CIVIL_REGISTRY

from .evidence_bus import EvidenceBus

pytestmark = pytest.mark.kafka

ROWS = 120
AGENCY = str(CIVIL_REGISTRY)
WAIT_S = 120


@pytest.fixture
def bus(embedded_kafka_factory, tmp_path):
    """A bus on which documents were decided about, cosigned and stamped, and which then came to rest."""
    bus = EvidenceBus(embedded_kafka_factory(), tmp_path / "bus")
    bus.add_router("router-1")
    bus.add_log_service()
    bus.add_agency(AGENCY)
    with bus.tsa:
        try:
            bus.append(AGENCY, 0, ROWS)
            bus.start()
            bus.wait(lambda: _accepted(bus) == ROWS, WAIT_S, "a decision about every row")
            bus.wait(lambda: _is_stamped(bus), WAIT_S, "a stamped head over all entries")
            bus.stop()
            yield bus
        finally:
            bus.kill_all()


def _accepted(bus):
    return sum(entry.decision is Outcome.ACCEPTED for entry in bus.entries())


def _is_stamped(bus):
    _, stamped = bus.stamped_sizes()
    digits = [record for record in bus.records(topics.CHECKPOINTS) if record.key.isdigit()]
    newest = {record.key: int(record.value.split(b"\n")[1]) for record in digits}
    return bool(stamped) and sum(newest.values()) == len(bus.entries()) and max(stamped) >= len(newest)


def test_audit_commands(bus):
    """Bus and archive verify on both levels, in ranges and by fsck, and the report says who vouches for how much."""
    trust = ("--authority", bus.authority, "--log-keys", bus.keys)
    others = ("--policy", bus.policy_file, "--tsa-ca", bus.folder / "tsa" / "ca.pem")
    evidence = ("--level", "evidence", "--processes", "2")

    # The whole bus on both levels: the same trees, every signature, and nothing that only the operator vouches for.
    full = json.loads(bus.run("audit", "verify", *trust, *others, "--json"))
    quick = json.loads(bus.run("audit", "verify", *trust, *others, *evidence, "--json"))
    assert (full["roots"], full["sizes"]) == (quick["roots"], quick["sizes"])
    assert ROWS == full["signatures_verified"] == quick["signatures_verified"]
    for report in (full, quick):
        assert {"cosignature", "quorum", "timestamp"} == {one["material"] for one in report["coverage"]}
        assert 0 == report["operator_only"]

    # A range of one agency, and one of the past, in which nothing lies.
    one = json.loads(bus.run("audit", "verify", *trust, *evidence, "--agency", AGENCY, "--json"))
    none = json.loads(
        bus.run("audit", "verify", *trust, *evidence, "--until", "2000-01-01T00:00:00Z", "--json")
    )
    assert (ROWS, 0) == (one["signatures_verified"], none["signatures_verified"])
    assert full["roots"] == none["roots"]
    assert "evidence" in bus.run("audit", "verify", *trust, *evidence)
    bus.run("audit", "verify", *trust, "--agency", AGENCY, code=2)

    # Trees alone: the bus, and the tiles that the log service keeps.
    logs = ("--log-keys", bus.keys, "--bus", BUS)
    bus.run("audit", "fsck", *logs)

    # The archive without any bus.
    bus.write_archive()
    archive = ("--archive", bus.archive)
    for level in ("evidence", "full"):
        options = (*trust, *others, *archive, "--level", level, "--processes", "2", "--json")
        report = json.loads(bus.run("audit", "verify", *options, without_bus=True))
        assert (full["roots"], ROWS) == (report["roots"], report["signatures_verified"])
        assert 0 == report["operator_only"]
    bus.run("audit", "fsck", *logs, *archive, without_bus=True)
    bus.run("audit", "fsck", *logs, "--tiles", bus.archive / "tiles", without_bus=True)
