"""What `govbus doctor` looks at: each check says how it stands and what to do."""

from __future__ import annotations

import enum
import shutil
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from govbus.document import topics
from govbus.document.encoding import time_text
from govbus.errors import GovbusError, TransportConfigError
from govbus.routing.directory.model import Directory
from govbus.routing.trust.status import RevocationRecords
from govbus.service.directory.publishing import read_directory
from govbus.service.processes import clock_ms
from govbus.service.revocations.following import read_revocations
from govbus.service.revocations.publishing import LATE, UNSERVED, certificate_states
from govbus.service.wiring import bootstrap_servers, transport_of
from govbus.settings import Settings
from govbus.signing.certificates import Certificate
from govbus.transport.base import Administrator, TopicPartition, Transport

PYTHON_MIN = (3, 11)
DISK_FREE_BYTES_MIN = 1 << 30
EXPIRY_WARNING_MS = 30 * 86_400_000
ANSWER_SLOW_S = 1.0


class State(enum.Enum):
    """How a check came out."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


class Check(NamedTuple):
    """One line of the doctor."""

    name: str
    state: State
    found: str
    remedy: str = ""


async def check_up(settings: Settings, authority: Sequence[Certificate]) -> AsyncIterator[Check]:
    """Yield every check in the order in which a cause comes before what it causes.

    Args:
        settings: of this process.
        authority: certificates of the governing authority; without them the directory is not looked at.
    """
    yield _python()
    yield _disk(settings)
    try:
        servers = bootstrap_servers(settings)
        transport = transport_of(settings, client_id="govbus-doctor")
        administrator = transport.administrator()
        started_s = time.monotonic()
        await administrator.start()
    except GovbusError as err:
        yield Check("Kafka", State.BAD, err.message, err.remedy)
        return
    try:
        await administrator.ping()
        took_s = time.monotonic() - started_s
        state = State.GOOD if took_s < ANSWER_SLOW_S else State.WARNING
        yield Check("Kafka", state, f"{servers} answers in {took_s * 1000:.0f} ms")
        async for check in _bus(transport, administrator, authority):
            yield check
    except GovbusError as err:
        yield Check("Kafka", State.BAD, err.message, err.remedy)
    finally:
        await administrator.stop()


def _python() -> Check:
    found = ".".join(str(part) for part in sys.version_info[:3])
    state = State.GOOD if sys.version_info >= PYTHON_MIN else State.BAD
    return Check("Python", state, found, "" if state is State.GOOD else "install Python 3.11 or newer")


def _disk(settings: Settings) -> Check:
    folder = settings.data_folder
    while not folder.exists():
        folder = folder.parent
    free_bytes = shutil.disk_usage(folder).free
    found = f"{free_bytes / 2**30:.1f} GiB free at {folder}"
    if free_bytes < DISK_FREE_BYTES_MIN:
        return Check("disk", State.BAD, found, "free some, or point GOVBUS_DATA_FOLDER elsewhere")
    return Check("disk", State.GOOD, found)


async def _bus(
    transport: Transport, administrator: Administrator, authority: Sequence[Certificate]
) -> AsyncIterator[Check]:
    counts = await administrator.partition_counts()
    needed = [topics.DIRECTORY, topics.MESSAGE_LOG, topics.CHECKPOINTS, topics.QUARANTINE]
    missing = [name for name in needed if name not in counts]
    if missing:
        remedy = "create them with `govbus topics apply FOLDER`"
        yield Check("topics", State.BAD, f"missing: {', '.join(missing)}", remedy)
        return
    outboxes = sorted(name for name in counts if name.startswith(topics.OUT_PREFIX))
    yield Check("topics", State.GOOD, f"the bus's own, and {len(outboxes)} outboxes")
    if authority:
        async for check in _directory(transport, authority, counts):
            yield check
    else:
        remedy = "give --authority CERTIFICATE to have it checked"
        yield Check("directory", State.WARNING, "not looked at", remedy)
    yield await _waiting(transport, counts, outboxes)


async def _directory(
    transport: Transport, authority: Sequence[Certificate], counts: dict[str, int]
) -> AsyncIterator[Check]:
    directory = (await read_directory(transport, authority)).current
    if directory is None:
        remedy = "the governing authority publishes one with `govbus directory apply`"
        yield Check("directory", State.BAD, "none is published under this authority", remedy)
        return
    left_ms = directory.expires_ms - clock_ms()
    state = State.BAD if left_ms <= 0 else State.WARNING if left_ms < EXPIRY_WARNING_MS else State.GOOD
    found = f"version {directory.version} of {directory.bus}, good until {time_text(directory.expires_ms)}"
    remedy = "" if state is State.GOOD else "publish it anew with `govbus directory apply`"
    yield Check("directory", state, found, remedy)
    yield _agencies(directory, counts)
    yield await _certificates(transport, directory)


def _agencies(directory: Directory, counts: dict[str, int]) -> Check:
    lacking = [
        name
        for name, agency in sorted(directory.agencies.items())
        if topics.outbox(agency.id) not in counts or topics.inbox(agency.id) not in counts
    ]
    if lacking:
        remedy = "create their topics with `govbus topics apply FOLDER`"
        return Check("agencies", State.BAD, f"without outbox or inbox: {', '.join(lacking)}", remedy)
    return Check("agencies", State.GOOD, "each has an outbox and an inbox")


async def _certificates(transport: Transport, directory: Directory) -> Check:
    """Say of how many certificates the bus wants to know whether they are revoked, and does not."""
    try:
        records = await read_revocations(transport)
    except TransportConfigError:
        records = RevocationRecords()
    states = [one for one in certificate_states(directory, records, clock_ms()) if one.is_asked_for]
    lacking = Counter(one.state for one in states if one.state in UNSERVED)
    if lacking:
        found = ", ".join(f"{count} {state}" for state, count in sorted(lacking.items()))
        remedy = "run `govbus revocations watch`, and see `govbus revocations list`"
        bad = lacking.keys() - {LATE}
        return Check("certificates", State.BAD if bad else State.WARNING, f"status: {found}", remedy)
    return Check("certificates", State.GOOD, f"the status of {len(states)} is asked for and known")


async def _waiting(transport: Transport, counts: dict[str, int], outboxes: list[str]) -> Check:
    """Compare what the routers have committed with what lies in the outboxes."""
    group = Settings.from_environment().router.group
    sources = [TopicPartition(name, number) for name in outboxes for number in range(counts[name])]
    if not sources:
        return Check("router", State.GOOD, "no outboxes, nothing to route")
    subscriber = transport.subscriber(assign=sources, group=group)
    await subscriber.start()
    try:
        ends = await subscriber.end_offsets(sources)
        begins = await subscriber.beginning_offsets(sources)
        committed = await subscriber.committed(sources)
    finally:
        await subscriber.stop()
    waiting = sum(max(0, ends[one] - (committed[one] or begins[one])) for one in sources)
    if waiting:
        remedy = "start a router with `govbus router`, or look at its log if one runs"
        return Check("router", State.WARNING, f"{waiting} documents wait for a decision", remedy)
    return Check("router", State.GOOD, "every document has its decision")
