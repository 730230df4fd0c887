"""An authority over HTTP that does as it is told, and a bus in memory whose directory has a certificate of it."""

import random

import pytest
from aiohttp import web

from govbus.document import topics
from govbus.service.revocations.following import RevocationFollower
from govbus.service.revocations.sources import StatusClient
from govbus.service.revocations.watching import RevocationWatch
from govbus.signing.certificate_building import StatusUrls
from govbus.signing.issuing import CertificateAuthority
from govbus.testing.example_bus import BASE_AT_MS, ExampleBus
from govbus.transport.base import TopicSpec
from govbus.transport.memory import MemoryTransport

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
SPAN = {"not_before_ms": BASE_AT_MS - 30 * DAY_MS, "not_after_ms": BASE_AT_MS + 300 * DAY_MS}


class Site:
    """An authority whose answers a test sets: a status, octets, or what is right."""

    def __init__(self):
        self.now_ms = BASE_AT_MS
        self.asked = []
        self.list_answer = self.ocsp_answer = None

    async def start(self, *, has_list=True, has_responder=True):
        application = web.Application()
        application.router.add_get("/list.crl", self._list)
        application.router.add_post("/ocsp", self._ocsp)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self.certify(has_list=has_list, has_responder=has_responder)

    def certify(self, *, has_list=True, has_responder=True, url=None):
        url = url or self.url
        urls = StatusUrls(
            crl=f"{url}/list.crl" if has_list else "", ocsp=f"{url}/ocsp" if has_responder else ""
        )
        self.authority = CertificateAuthority.create("Site", at_ms=BASE_AT_MS - 60 * DAY_MS, urls=urls)
        self.seals = [self.authority.issue(f"seal {number}", **SPAN) for number in range(2)]

    async def stop(self):
        await self._runner.cleanup()

    def times(self):
        return {"this_update_ms": self.now_ms, "next_update_ms": self.now_ms + DAY_MS}

    def list(self):
        return self.authority.crl(**self.times())

    async def _list(self, _):
        self.asked.append("list")
        return self._reply(self.list_answer, self.list())

    async def _ocsp(self, request):
        self.asked.append("ocsp")
        serial = await request.read()
        pem = next(one.certificate_pem for one in self.seals if self._serial(one.certificate_pem) in serial)
        return self._reply(self.ocsp_answer, self.authority.ocsp_response(pem, **self.times()))

    @staticmethod
    def _serial(pem):
        from cryptography import x509

        number = x509.load_pem_x509_certificate(pem).serial_number
        return number.to_bytes((number.bit_length() + 7) // 8, "big")

    @staticmethod
    def _reply(answer, right):
        if isinstance(answer, int):
            return web.Response(status=answer)
        return web.Response(body=right if answer is None else answer)

    def directory(self, **bus):
        """Return the example's bus, whose sender has the seals of this authority."""
        files = {
            f"certificates/seal-{number}.pem": one.certificate_pem.decode()
            for number, one in enumerate(self.seals)
        }
        return ExampleBus.of(
            {
                "bus": {"anchors": ["certificates/root.pem", "certificates/site.pem"], **bus},
                "agency": {"certificates": [{"file": name} for name in files]},
                "files": {**files, "certificates/site.pem": self.authority.certificate_pem.decode()},
            }
        ).directory()


@pytest.fixture
async def site():
    made = Site()
    await made.start()
    yield made
    await made.stop()


async def create_topic(transport):
    administrator = transport.administrator()
    await administrator.start()
    await administrator.create_topics([TopicSpec(topics.REVOCATIONS, 1, 1, {})])
    await administrator.stop()


@pytest.fixture
async def transport():
    """A broker in memory with the topic."""
    made = MemoryTransport()
    await create_topic(made)
    return made


class Watching:
    """A watch and everything around it; the clock is the site's."""

    def __init__(self, transport, site):
        self.transport, self.site = transport, site
        self.follower = RevocationFollower(transport)
        self.publisher = transport.publisher()
        self.directory = site.directory()
        self.watch = self.new_watch()

    def new_watch(self, **options):
        return RevocationWatch(
            self.transport,
            directory=lambda: self.directory,
            follower=self.follower,
            client=StatusClient(timeout_s=5),
            clock_ms=lambda: self.site.now_ms,
            spread=random.Random(5),  # the same in every run
            **options,
        )

    async def look(self):
        """Look, and take in what was published."""
        published = await self.watch.look(self.publisher)
        await self.follower.read_to_end()
        return published


@pytest.fixture
async def watching(transport, site):
    made = Watching(transport, site)
    await made.publisher.start()
    yield made
    await made.follower.stop()
    await made.publisher.stop()
