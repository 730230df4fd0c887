"""An honest bus of three rounds, and what outsiders keep of it."""

import pytest

from govbus.testing.example_bus import TAX

from .bus import LAND, Bus, Stage


@pytest.fixture(scope="session")
def stage():
    """Keys and directory of everybody."""
    return Stage()


@pytest.fixture
def bus(stage):
    """Three rounds: 33 documents of three origins, one of them refused; all of it witnessed and stamped."""
    bus = Bus(stage)
    bus.publish_revocation(stage.crl())
    for number in range(3):
        bus.send(TAX, 4)
        bus.send(LAND, 3)
        if number == 1:
            bus.send(TAX, 1, change=lambda _, signed: signed.update(ce_type=b"other.v1"))
        bus.send(TAX, 4, outbox="other", partition=1)
        bus.close_round()
    return bus
