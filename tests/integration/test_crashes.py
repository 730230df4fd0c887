"""Processes and broker are killed at random under load; afterwards nothing is lost and nothing doubled."""

import os
import random
import signal
import sys
import threading
import time
from collections import Counter

import pytest

from govbus.document.statement import Statement
from govbus.service.registry_service import PopulationRegister
from govbus.service.sample_directory import CIVIL_REGISTRY, HEALTH_FUND, POPULATION_REGISTER

from .bus import Bus, accepted_by_origin, covered_by_origin

pytestmark = [pytest.mark.kafka, pytest.mark.crash]

KILLS = 26
AGENCIES = (str(CIVIL_REGISTRY), str(HEALTH_FUND))
ROWS_A_STEP, STEP_S = 12, 0.1
DRAIN_TIMEOUT_S = 120


class Load(threading.Thread):
    """Agencies' files grow until told to stop."""

    def __init__(self, bus):
        super().__init__(daemon=True)
        self.bus = bus
        self.rows = 0
        self.stopping = threading.Event()

    def run(self):
        while not self.stopping.wait(STEP_S):
            for agency in AGENCIES:
                self.bus.append(agency, self.rows, ROWS_A_STEP)
            self.rows += ROWS_A_STEP


def test_kills_under_load(embedded_kafka_factory, tmp_path, record_property):
    """Each spooled document has one decision, one delivery, one effect and one receipt, and the log verifies."""
    seed = int(os.environ.get("GOVBUS_TEST_SEED", random.SystemRandom().randrange(10**6)))
    record_property("GOVBUS_TEST_SEED", seed)
    sys.stderr.write(f"GOVBUS_TEST_SEED={seed}\n")
    chance = random.Random(seed)
    bus = Bus(embedded_kafka_factory(), tmp_path / "bus")
    bus.add_router("router-1")
    bus.add_router("router-2")
    bus.add_log_service()
    bus.add_register()
    for agency in AGENCIES:
        bus.add_agency(agency)
    load = Load(bus)
    try:
        bus.start()
        load.start()
        time.sleep(6)
        _campaign(bus, chance)
        load.stopping.set()
        load.join()
        bus.wait(lambda: _applied(bus) >= 2 * load.rows, DRAIN_TIMEOUT_S, f"{2 * load.rows} documents")
        codes = bus.stop(*AGENCIES, "router-1", "router-2", "register")
        time.sleep(2)  # the last checkpoint
        codes |= bus.stop("log")
    finally:
        load.stopping.set()
        bus.kill_all()
    assert dict.fromkeys(codes, 0) == codes
    _check(bus, load.rows)


def _campaign(bus, chance):
    """At least 25 kills in random order, a broker kill, and a router frozen past its session timeout."""
    victims = ["router-1", "router-2", "log", "register", *AGENCIES]
    steps = ["kill"] * KILLS + ["broker", "freeze"]
    chance.shuffle(steps)
    for step in steps:
        time.sleep(chance.uniform(0.2, 2.5))
        if step == "kill":
            bus.restart(chance.choice(victims))
        elif step == "broker":
            bus.kafka.kill()
            time.sleep(1)
            assert bus.servers == bus.kafka.start(90)
        else:
            frozen = chance.choice(["router-1", "router-2"])
            bus.signal(frozen, signal.SIGSTOP)
            time.sleep(5)
            bus.signal(frozen, signal.SIGCONT)
        bus.require_running()


def _applied(bus):
    register = PopulationRegister(bus.stage.register_file)
    try:
        return register.stats().applied
    finally:
        register.close()


def _check(bus, rows):
    accepted = accepted_by_origin(bus.entries())
    documents, _ = bus.inbox(POPULATION_REGISTER)
    delivered = Counter()
    for record in documents:
        statement = Statement.from_bytes(dict(record.headers)["gb-stmt"])
        delivered[str(statement.origin), statement.index] += 1
    for agency in AGENCIES:
        origin = f"{agency}/main"
        once = Counter(range(rows))
        assert once == accepted[origin]
        assert once == Counter({index: n for (name, index), n in delivered.items() if name == origin})
        covered = covered_by_origin(bus.inbox(agency)[1])[origin]
        assert dict.fromkeys(range(rows), 1) == {index: len(ids) for index, ids in covered.items()}
    register = PopulationRegister(bus.stage.register_file)
    try:
        stats = register.stats()
    finally:
        register.close()
    assert (2 * rows, 2 * rows, rows, 0) == (stats.applied, stats.records, stats.entities, stats.rejected)
    report = bus.audit()
    assert [] == [finding.to_text() for finding in report.findings]
    assert (0, 0) == (report.pending, report.entries_after_checkpoint)
    assert report.entries >= 2 * rows
