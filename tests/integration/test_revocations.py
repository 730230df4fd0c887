"""Revocation from one end to the other: an authority over HTTP, the watch, the router, readers, and the audit."""

import asyncio

import pytest
from aiohttp import web
from cryptography import x509
from structlog.testing import capture_logs

from govbus import telemetry
from govbus.audit.verify import verify
from govbus.document import topics
from govbus.document.finding import Outcome, Severity
from govbus.document.ids import AgencyId
from govbus.message_log.keys import LogKeys
from govbus.schemas.core import decode_log_entry
from govbus.service.delivered import DeliveredDocument, Rejection, read_delivered
from govbus.service.log.service import LogService
from govbus.service.log.state import LogState
from govbus.service.processes import clock_ms
from govbus.service.revocations.following import RevocationFollower, read_revocations
from govbus.service.revocations.publishing import certificate_states
from govbus.service.revocations.sources import StatusClient
from govbus.service.revocations.watching import RevocationWatch
from govbus.service.router.router_service import RouterService
from govbus.service.router.session import SessionParts
from govbus.service.router.state import RouterState
from govbus.service.scanning import scan
from govbus.settings import RouterSettings
from govbus.signing.certificate_building import StatusUrls
from govbus.signing.issuing import CertificateAuthority
from govbus.signing.jws import STATEMENT_TYP, sign_detached
from govbus.signing.signer import KeySigner
from govbus.signing.verifier import VerifiedSignatures
from govbus.testing import example_keys
from govbus.testing.example_bus import BUS, COURT, TAX, ExampleBus
from govbus.testing.example_documents import make_record
from govbus.transport.base import OutRecord, TopicSpec
from govbus.transport.kafka import KafkaConnection, KafkaTransport
from govbus.transport.memory import MemoryTransport

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
ROUTE_TIMEOUT_S = 60
START_MS = clock_ms() - 10 * DAY_MS
"""A broker takes no records from the future, and the test moves its clock by days."""
SPAN = {"not_before_ms": START_MS - 30 * DAY_MS, "not_after_ms": START_MS + 300 * DAY_MS}


class Pki:
    """A root, an authority under it, and what they say over HTTP."""

    def __init__(self):
        self.now_ms = START_MS
        self.revoked = []
        self.is_down = False
        self.is_listing = True
        self._runner = None

    async def start(self):
        app = web.Application()
        app.router.add_get("/root.crl", self._root_list)
        app.router.add_get("/agencies.crl", self._list)
        app.router.add_post("/ocsp", self._answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self.root = CertificateAuthority.create(
            "Root", at_ms=START_MS - 60 * DAY_MS, path_length=1, urls=StatusUrls(crl=f"{url}/root.crl")
        )
        self.agencies = self.root.intermediate(
            "Agencies", urls=StatusUrls(crl=f"{url}/agencies.crl", ocsp=f"{url}/ocsp"), **SPAN
        )
        self.seal = self.agencies.issue("tax.example", **SPAN)
        self.signer = KeySigner.from_pem(self.seal.key_pem, self.seal.certificate_pem, kid="tax")

    async def stop(self):
        await self._runner.cleanup()

    async def _root_list(self, _):
        times = {"this_update_ms": START_MS - DAY_MS, "next_update_ms": START_MS + 200 * DAY_MS}
        return web.Response(body=self.root.crl(**times))

    async def _list(self, _):
        if self.is_down or not self.is_listing:
            raise web.HTTPServiceUnavailable
        return web.Response(body=self.agencies.crl(self.revoked, **self.times()))

    async def _answer(self, _):
        if self.is_down:
            raise web.HTTPServiceUnavailable
        return web.Response(body=self.agencies.ocsp_response(self.seal.certificate_pem, **self.times()))

    def times(self):
        return {"this_update_ms": self.now_ms, "next_update_ms": self.now_ms + DAY_MS}

    def directory(self):
        """Return the example's bus, whose sender has this authority's seal."""
        files = {
            "certificates/authority.pem": self.root.certificate_pem.decode(),
            "certificates/agencies.pem": self.agencies.certificate_pem.decode(),
            "certificates/seal.pem": self.seal.certificate_pem.decode(),
        }
        line = {"file": "certificates/seal.pem", "chain": ["certificates/agencies.pem"]}
        return ExampleBus.of(
            {
                "bus": {"anchors": ["certificates/root.pem", "certificates/authority.pem"]},
                "agency": {"certificates": [line]},
                "files": files,
            }
        ).directory()


class World:
    """A bus whose clock a test moves."""

    def __init__(self, transport, pki, folder):
        self.transport, self.pki, self.folder = transport, pki, folder
        self.directory = pki.directory()
        self.follower = RevocationFollower(transport)
        self.publisher = transport.publisher()
        self.client = StatusClient(timeout_s=5)
        self.watch = self.new_watch()
        self.log_keys = LogKeys.generate()
        self.decided = 0

    def new_watch(self):
        return RevocationWatch(
            self.transport,
            directory=lambda: self.directory,
            follower=self.follower,
            client=self.client,
            clock_ms=self.clock_ms,
        )

    def clock_ms(self):
        return self.pki.now_ms

    async def start(self):
        administrator = self.transport.administrator()
        await administrator.start()
        names = [topics.MESSAGE_LOG, topics.CHECKPOINTS, topics.QUARANTINE, topics.REVOCATIONS]
        names += [topics.outbox(TAX), *(topics.inbox(AgencyId(str(one))) for one in (TAX, COURT, BUS))]
        await administrator.create_topics([TopicSpec(name, 1, 1, {}) for name in names])
        await administrator.stop()
        await self.publisher.start()
        await self.follower.start()
        self.start_router()

    def start_router(self):
        self.state = RouterState(self.folder / "history.db", documents_max=1000)
        self.stopping = asyncio.Event()
        parts = SessionParts(
            transport=self.transport,
            state=self.state,
            signer=example_keys.signer(BUS.text),
            name="router-1",
            settings=RouterSettings(session_timeout_s=6),
            directory=lambda: self.directory,
            clock_ms=self.clock_ms,
            log_partitions=1,
            revocations=lambda: self.follower.state,
        )
        self.routing = asyncio.create_task(RouterService(parts).run(self.stopping))

    async def stop_router(self):
        self.stopping.set()
        await self.routing
        self.state.close()

    async def restart_router(self):
        """Stop everything that follows, and begin again from the topics."""
        await self.stop_router()
        await self.follower.stop()
        self.follower = RevocationFollower(self.transport)
        await self.follower.start()
        self.watch = self.new_watch()
        self.start_router()

    async def stop(self):
        await self.stop_router()
        await self.follower.stop()
        await self.publisher.stop()

    async def look(self):
        """Have the watch look at its sources, and wait until what it publishes has arrived."""
        published = await self.watch.look(self.publisher)
        count = self.follower.records.count
        async with asyncio.timeout(20):
            while self.follower.records.count < count + published:  # noqa: ASYNC110  # over a broker
                await asyncio.sleep(0.02)
        return published

    def document(self, index, time_ms=None):
        """Return the record of a document that is signed at a time."""
        schema = self.directory.schemas.schemas[0]
        record = make_record({}, schema, index=index, offset=index, at_ms=time_ms or self.clock_ms())
        statement = dict(record.headers)["gb-stmt"]
        signature = sign_detached(self.pki.signer, statement, typ=STATEMENT_TYP, at_ms=self.clock_ms())
        return record._replace(
            headers=tuple((name, signature if name == "gb-sig" else value) for name, value in record.headers)
        )

    async def send(self, record):
        """Publish a document and return the log entry about it."""
        out = OutRecord(record.topic, 0, record.key, record.value, record.headers, record.timestamp_ms)
        await self.publisher.publish([out])
        self.decided += 1
        async with asyncio.timeout(ROUTE_TIMEOUT_S):
            while len(entries := await self.entries()) < self.decided:
                assert not self.routing.done(), self.routing.exception()
                await asyncio.sleep(0.05)
        return entries[-1]

    async def entries(self):
        return [decode_log_entry(one.value) async for one in scan(self.transport, [topics.MESSAGE_LOG])]

    async def audit(self):
        """Checkpoint the log and audit everything."""
        state = LogState(self.folder / "signed.db")
        service = LogService(
            self.transport,
            bus=BUS,
            keys=self.log_keys,
            state=state,
            tiles=self.folder / "tiles",
            clock_ms=self.clock_ms,
            interval_s=0.05,
        )
        stopping = asyncio.Event()
        running = asyncio.create_task(service.run(stopping))
        async with asyncio.timeout(20):
            while service.sizes.get(0, 0) < self.decided:  # noqa: ASYNC110  # as above
                await asyncio.sleep(0.05)
        stopping.set()
        await running
        state.close()
        return await verify(
            self.transport, bus=BUS, keys=self.log_keys.public, directories={1: self.directory}
        )


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
async def world(request, tmp_path):
    """A bus on a broker of its own, and an authority."""
    if request.param == "memory":
        transport = MemoryTransport()
    else:
        servers = request.getfixturevalue("embedded_kafka_factory")().start(90)
        transport = KafkaTransport(KafkaConnection(servers, client_id="test"))
    pki = Pki()
    await pki.start()
    made = World(transport, pki, tmp_path)
    await made.start()
    yield made
    await made.stop()
    await pki.stop()


def rules(entry):
    return [(one.rule, one.severity) for one in entry.findings]


def source_up(world):
    (name,) = (name for name in world.watch.sources if "agencies.crl" in name)
    return telemetry.REVOCATION_SOURCE_UP.labels(source=name)._value.get()


async def test_revoked_down_and_back(world):
    """Fresh material accepts; a source that is down warns, then refuses, then recovers; revocation has a date.

    The audit takes every decision again by the records that its entry names, and finds nothing.
    """
    pki = world.pki
    # Fresh: the root's list for the authority, the authority's for the seal.
    assert 2 == await world.look()
    first = await world.send(world.document(0))
    assert (Outcome.ACCEPTED, [], 2) == (first.decision, rules(first), first.revocations)

    # The source is down, and its last word out of date: loud, accepted.
    pki.is_down = True
    pki.now_ms += DAY_MS + HOUR_MS
    with capture_logs() as logs:
        assert 0 == await world.look()
    assert any("is down" in one["event"] and one["log_level"] == "error" for one in logs)
    assert 0 == source_up(world)
    warned = await world.send(world.document(1))
    assert (Outcome.ACCEPTED, [("SEC-11", Severity.WARN)]) == (warned.decision, rules(warned))

    # Beyond the grace: refused.
    pki.now_ms += DAY_MS
    late = world.document(2)
    refused = await world.send(late)
    assert (Outcome.REFUSED, [("SEC-11", Severity.REFUSE)]) == (refused.decision, rules(refused))

    # The list stays away, but a responder answers: good again, and the same document goes through.
    pki.is_down, pki.is_listing = False, False
    assert 1 == await world.look()
    assert 1 == source_up(world)
    again = await world.send(late)
    assert (Outcome.ACCEPTED, [], 3) == (again.decision, rules(again), again.revocations)

    # Revoked, because it was replaced: what is signed from then on is refused, what was signed before is good.
    pki.is_listing = True
    pki.now_ms += 2 * HOUR_MS
    before_ms, revoked_ms = pki.now_ms - HOUR_MS, pki.now_ms
    pki.revoked = [pki.agencies.revoked_of(pki.seal.certificate_pem, revoked_ms, x509.ReasonFlags.superseded)]
    assert 1 == await world.look()
    pki.now_ms += 1000
    after = await world.send(world.document(3))
    assert (Outcome.REFUSED, [("SEC-6", Severity.REFUSE)]) == (after.decision, rules(after))
    earlier = await world.send(world.document(3, before_ms))
    assert (Outcome.ACCEPTED, [], 4) == (earlier.decision, rules(earlier), earlier.revocations)

    # A router that is started again goes on from the right count.
    await world.restart_router()
    resumed = await world.send(world.document(4, before_ms))
    assert (Outcome.ACCEPTED, 4) == (resumed.decision, resumed.revocations)

    # Readers with the newest material still take everything that was delivered.
    state, verified = world.follower.state, VerifiedSignatures()
    inbox = [one async for one in scan(world.transport, [topics.inbox(COURT)])]
    delivered = [read_delivered(one, world.directory, verified, state) for one in inbox]
    assert [DeliveredDocument] * 5 == [type(one) for one in delivered]

    # All of it verifies.
    report = await world.audit()
    assert report.is_clean, report.to_text()
    assert world.decided == report.entries


async def test_revoked_while_on_the_way(world):
    """A reader who knows more than the router did rejects what was signed after the date."""
    await world.look()
    record = world.document(0)
    assert Outcome.ACCEPTED is (await world.send(record)).decision
    world.pki.revoked = [
        world.pki.agencies.revoked_of(world.pki.seal.certificate_pem, world.pki.now_ms - HOUR_MS)
    ]
    world.watch = world.new_watch()
    assert 1 == await world.look()
    (inbox,) = [one async for one in scan(world.transport, [topics.inbox(COURT)])]
    rejection = read_delivered(inbox, world.directory, VerifiedSignatures(), world.follower.state)
    assert isinstance(rejection, Rejection)
    assert "SEC-6" == rejection.rule
    assert (await world.audit()).is_clean  # the decision was right by what was known


async def test_audit_finds_foreign_material_and_invented_counts(world):
    """A record that no authority of the bus answers for is named; so is an entry that rests on records not there."""
    await world.look()
    await world.send(world.document(0))
    stranger = CertificateAuthority.create("Root", at_ms=START_MS - DAY_MS)
    foreign = stranger.crl(**world.pki.times())
    for value in (foreign, b"noise"):
        await world.publisher.publish([OutRecord(topics.REVOCATIONS, 0, b"key", value, (), None)])
    report = await world.audit()
    assert [("revocation", 2), ("revocation", 3)] == [
        (one.check.value, one.offset) for one in report.findings
    ]
    records = await read_revocations(world.transport)
    assert 4 == records.count
    (state,) = (
        one
        for one in certificate_states(world.directory, records, world.clock_ms())
        if "tax" in one.subject and one.is_declared
    )
    assert "good" == state.state
