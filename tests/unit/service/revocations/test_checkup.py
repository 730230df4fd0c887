"""What the doctor says about the status of certificates."""

import pytest

from govbus.service.checkup import State, _certificates
from govbus.service.processes import clock_ms
from govbus.transport.memory import MemoryTransport
from tests.unit.service.revocations.conftest import DAY_MS, HOUR_MS
from tests.unit.service.revocations.test_following import publish


@pytest.mark.parametrize(
    ("left_ms", "state", "found"),
    [
        (HOUR_MS, State.GOOD, "the status of 2 is asked for and known"),
        (-HOUR_MS, State.WARNING, "status: 2 late"),
        (-2 * DAY_MS, State.BAD, "status: 2 stale"),
    ],
)
async def test_status_of_certificates(transport, site, left_ms, state, found):
    """Late is a warning, what routers refuse by is bad."""
    now_ms = clock_ms()
    await publish(
        transport, site.authority.crl(this_update_ms=now_ms - 9 * DAY_MS, next_update_ms=now_ms + left_ms)
    )
    check = await _certificates(transport, site.directory())
    assert (state, found) == (check.state, check.found)


async def test_nothing_is_known(site):
    """A bus without the topic knows nothing; one that asks for nothing need not."""
    check = await _certificates(MemoryTransport(), site.directory())
    assert (State.BAD, "status: 2 unknown") == (check.state, check.found)
    quiet = await _certificates(MemoryTransport(), site.directory(revocation={"mode": "none"}))
    assert State.GOOD is quiet.state
