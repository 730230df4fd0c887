"""Keys are changed over while documents flow: nothing is lost, nothing is refused, and what was signed stays good."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
import yaml

from govbus.adapters.outgoing import DocumentIds, OutgoingDocument
from govbus.document import topics
from govbus.document.decision import Outcome
from govbus.document.ids import AgencyId
from govbus.document.record import STATEMENT, Envelope
from govbus.document.statement import Statement
from govbus.errors import SignerUnavailableError
from govbus.schemas.core import decode_log_entry
from govbus.service.agency_profile import AgencyProfile
from govbus.service.directory.publishing import (
    publish_directory,
    read_certificates,
    read_directory,
    read_folder,
)
from govbus.service.keys import rotation
from govbus.service.keys.rotation import SigningKeys
from govbus.service.outbox_processes import publish_spool
from govbus.service.processes import clock_ms
from govbus.service.publisher import PublisherParts, SpoolPublisher
from govbus.service.router.wiring import run_router
from govbus.service.sample_directory import BUS, CIVIL_REGISTRY, POPULATION_REGISTER, write_sample_directory
from govbus.service.sending import document_template, supplied_agreement
from govbus.service.topics_service import (
    apply_topics,
    default_topics_file,
    directory_topic_specs,
    read_topic_plans,
)
from govbus.settings import RouterSettings
from govbus.signing.certificates import TrustedCertificate
from govbus.signing.issuing import CertificateAuthority
from govbus.signing.jws import DetachedSignature
from govbus.signing.signer import KeySigner
from govbus.signing.verifier import Verifier
from govbus.testing.exchange import record_metadata
from govbus.transport.base import TopicPartition
from govbus.transport.memory import MemoryTransport

AT_MS = 1_795_466_700_123
DAY_MS = 86_400_000
TAX = AgencyId("tax.example")


@dataclass
class Version:
    """A directory that a test changes."""

    issued_ms: int
    bound: dict[str, TrustedCertificate] = field(default_factory=dict)

    def certificate(self, thumbprint: str) -> TrustedCertificate | None:
        return self.bound.get(thumbprint)

    def bind(self, signer: KeySigner) -> None:
        self.bound[signer.certificate.thumbprint] = TrustedCertificate(signer.certificate, TAX)


def thumbprint_of(record) -> str:
    signature = Envelope.from_headers(record.headers).signatures[0]
    return DetachedSignature.from_bytes(signature).thumbprint


def two_keys(authority: CertificateAuthority) -> list[KeySigner]:
    spans = ((AT_MS - DAY_MS, AT_MS + 600), (AT_MS - 1000, AT_MS + DAY_MS))
    issued = [authority.issue("tax.example", not_before_ms=a, not_after_ms=b) for a, b in spans]
    return [
        KeySigner.from_pem(one.key_pem, one.certificate_pem, kid=f"tax.example/{number}")
        for number, one in enumerate(issued)
    ]


async def test_a_spool_changes_its_key_under_load(spool, broker, encoded, until, monkeypatch):
    """While documents are put and published the directory gets the next key; later the old one expires.

    Every document arrives once and in order, under a key that was good at its time and bound to the agency.
    """
    monkeypatch.setattr(rotation, "SETTLE_MS", 100)
    old, new = two_keys(CertificateAuthority.create("Change", at_ms=AT_MS - 2 * DAY_MS))
    directory = Version(AT_MS - DAY_MS)
    directory.bind(old)
    now_ms = AT_MS
    keys = SigningKeys(TAX, [[old, new]], directory=lambda: directory)
    publisher = SpoolPublisher(
        PublisherParts(
            spool, keys, broker, lambda: now_ms,
            batch_documents_max=16, chunk_documents_max=50, idle_pause_s=0.002, drain_timeout_s=5.0,
        )
    )  # fmt: skip
    stopping = asyncio.Event()
    task = asyncio.create_task(publisher.run(stopping))
    for step in range(60):
        now_ms = AT_MS + 20 * step
        await asyncio.to_thread(spool.put, encoded(20), at_ms=now_ms)
        publisher.wake()
        if step == 20:
            directory.issued_ms = now_ms
            directory.bind(new)
    await until(lambda: len(broker.arrived) == 1200)
    stopping.set()
    await asyncio.wait_for(task, 10)

    statements = [Statement.from_bytes(dict(one.headers)[STATEMENT]) for one in broker.arrived]
    assert list(range(1200)) == [one.index for one in statements]
    verifier = Verifier(directory)
    for record, statement in zip(broker.arrived, statements, strict=True):
        verifier.check_signatures(Envelope.from_headers(record.headers), statement)
    used = [thumbprint_of(one) for one in broker.arrived]
    change = used.index(new.certificate.thumbprint)
    assert {old.certificate.thumbprint} == set(used[:change])
    assert {new.certificate.thumbprint} == set(used[change:])
    assert statements[change].time_ms >= AT_MS + 20 * 20 + 100


async def test_documents_wait_where_no_key_is_good_and_go_once_one_is(spool, broker, encoded, until):
    """What was signed before goes out, the rest waits in the spool, and goes by itself once a key is bound."""
    old, new = two_keys(CertificateAuthority.create("Change", at_ms=AT_MS - 2 * DAY_MS))
    directory = Version(AT_MS - DAY_MS)
    directory.bind(old)
    spool.put(encoded(10), at_ms=AT_MS)
    spool.put(encoded(5), at_ms=AT_MS + 1000)
    keys = SigningKeys(TAX, [[old, new]], directory=lambda: directory)
    publisher = SpoolPublisher(
        PublisherParts(spool, keys, broker, lambda: AT_MS + 2000, idle_pause_s=0.002, drain_timeout_s=5.0)
    )
    stopping = asyncio.Event()
    task = asyncio.create_task(publisher.run(stopping))
    await until(lambda: spool.stats(AT_MS).documents == 5)
    assert 10 == len(broker.arrived)
    directory.bind(new)
    await until(lambda: len(broker.arrived) == 15)
    stopping.set()
    await asyncio.wait_for(task, 10)
    assert [new.certificate.thumbprint] * 5 == [thumbprint_of(one) for one in broker.arrived[10:]]


class Unplugged:
    """A choice of keys whose token is away until it is put back."""

    def __init__(self, signer: KeySigner) -> None:
        self._signer = signer
        self.is_away = False

    def signers_at(self, time_ms: int) -> list[KeySigner]:
        if self.is_away:
            raise SignerUnavailableError("the token is away")
        return [self._signer]


async def test_what_is_signed_goes_out_while_the_token_is_away(spool, broker, encoded, until):
    """Signed documents do not wait for the token; the others do, and go once it is back."""
    old, _ = two_keys(CertificateAuthority.create("Change", at_ms=AT_MS - 2 * DAY_MS))
    keys = Unplugged(old)
    spool.put(encoded(10), at_ms=AT_MS)
    spool.seal(keys, at_ms=AT_MS)
    spool.put(encoded(5), at_ms=AT_MS)
    keys.is_away = True
    publisher = SpoolPublisher(
        PublisherParts(spool, keys, broker, lambda: AT_MS, idle_pause_s=0.002, drain_timeout_s=5.0)
    )
    stopping = asyncio.Event()
    task = asyncio.create_task(publisher.run(stopping))
    await until(lambda: spool.stats(AT_MS).documents == 5)
    keys.is_away = False
    await until(lambda: len(broker.arrived) == 15)
    stopping.set()
    await asyncio.wait_for(task, 10)
    assert list(range(15)) == [
        Statement.from_bytes(dict(one.headers)[STATEMENT]).index for one in broker.arrived
    ]


class Bus:
    """A bus with one agency that has two seals, of which the directory knows the first."""

    def __init__(self, folder) -> None:
        self.sample = write_sample_directory(folder / "directory", at_ms=clock_ms())
        self.transport = MemoryTransport()
        self.authority = read_certificates(self.sample.authority_certificate)
        self.folder = folder
        root = CertificateAuthority(
            (self.sample.folder / "certificates/root.pem").read_bytes(),
            (self.sample.folder / "keys/root.key.pem").read_bytes(),
        )
        now_ms = clock_ms()
        self.next = root.issue("next", not_before_ms=now_ms - 5000, not_after_ms=now_ms + 100 * DAY_MS)
        (folder / "next.key.pem").write_bytes(self.next.key_pem)
        (folder / "next.pem").write_bytes(self.next.certificate_pem)
        key, certificate = self.sample.key(CIVIL_REGISTRY), self.sample.certificate(CIVIL_REGISTRY)
        fields = {
            "agency": CIVIL_REGISTRY.text,
            "seal": [
                {"key": str(key), "certificate": str(certificate)},
                {"key": "file:next.key.pem", "certificate": "next.pem"},
            ],
            "authority": str(self.sample.authority_certificate),
        }
        (folder / "agency.yaml").write_text(yaml.safe_dump(fields))
        self.profile = AgencyProfile.from_file(folder / "agency.yaml")

    async def publish(self) -> None:
        sample = self.sample
        signer = KeySigner.from_pem(
            sample.authority_key.read_bytes(), sample.authority_certificate.read_bytes(), kid="authority"
        )
        files = read_folder(sample.folder)
        await publish_directory(self.transport, files, signer, authority=self.authority, at_ms=clock_ms())

    async def register_next(self) -> None:
        """Add the next certificate to the agency's entry, and publish the directory."""
        path = self.sample.folder / f"agencies/{CIVIL_REGISTRY}.yaml"
        fields = yaml.safe_load(path.read_text())
        fields["certificates"].append({"file": "certificates/next.pem"})
        (self.sample.folder / "certificates/next.pem").write_bytes(self.next.certificate_pem)
        path.write_text(yaml.safe_dump(fields))
        await self.publish()

    async def create_topics(self) -> None:
        plans = read_topic_plans(default_topics_file())
        await apply_topics(
            self.transport, directory_topic_specs(plans, read_folder(self.sample.folder).content)
        )

    async def read(self, topic: str):
        administrator = self.transport.administrator()
        await administrator.start()
        count = (await administrator.partition_counts())[topic]
        await administrator.stop()
        sources = [TopicPartition(topic, number) for number in range(count)]
        subscriber = self.transport.subscriber(assign=sources)
        await subscriber.start()
        for source in sources:
            await subscriber.seek(source, 0)
        records = []
        while polled := await subscriber.poll(timeout_s=0.05, records_max=10_000):
            records += [record for some in polled.values() for record in some]
            if not any(polled.values()):
                break
        await subscriber.stop()
        return records

    def bus_signer(self) -> KeySigner:
        key, certificate = self.sample.key(BUS), self.sample.certificate(BUS)
        return KeySigner.from_pem(key.read_bytes(), certificate.read_bytes(), kid="bus")

    async def route(self, stopping: asyncio.Event, signer=None) -> None:
        (self.folder / "router").mkdir()
        await run_router(
            self.transport,
            RouterSettings(),
            signer=signer or self.bus_signer(),
            authority_file=self.sample.authority_certificate,
            name="router-1",
            data_folder=self.folder / "router",
            stopping=stopping,
        )


@pytest.fixture
async def bus(tmp_path) -> Bus:
    made = Bus(tmp_path)
    await made.create_topics()
    await made.publish()
    return made


class Away:
    """The bus's key on a token that is away for its first signatures."""

    def __init__(self, signer: KeySigner, failures: int) -> None:
        self.certificate, self.kid = signer.certificate, signer.kid
        self._signer = signer
        self.failures = failures

    def sign(self, message: bytes) -> bytes:
        if self.failures:
            self.failures -= 1
            raise SignerUnavailableError("the token is away")
        return self._signer.sign(message)


async def test_a_router_whose_token_is_away_goes_on_once_it_is_back(bus, monkeypatch):
    """Nothing is decided without a receipt: the transaction is undone, and done once when the token is back."""
    from govbus.service.router import router_service

    monkeypatch.setattr(router_service, "RETRY_PAUSE_S", 0.01)
    signer = Away(bus.bus_signer(), failures=3)
    with bus.profile.open_spool(next_index=0) as spool:
        spool.put(await documents(bus, 5), at_ms=clock_ms())
        stopping, ending = asyncio.Event(), asyncio.Event()
        ending.set()
        assert 5 == await publish_spool(bus.transport, bus.profile, ending)
    task = asyncio.create_task(bus.route(stopping, signer))
    async with asyncio.timeout(20):
        entries = await bus.read(topics.MESSAGE_LOG)
        while len(entries) < 5:
            await asyncio.sleep(0.05)
            entries = await bus.read(topics.MESSAGE_LOG)
    stopping.set()
    await task
    assert 0 == signer.failures
    assert [Outcome.ACCEPTED] * 5 == [decode_log_entry(one.value).decision for one in entries]
    assert 5 == len(await bus.read(topics.inbox(POPULATION_REGISTER)))


async def documents(bus: Bus, count: int):
    """Return documents of the agency, ready for its spool."""
    directory = (await read_directory(bus.transport, bus.authority)).current
    assert directory is not None
    agreement = supplied_agreement(directory, CIVIL_REGISTRY, None)
    template = document_template(directory, bus.profile.origin, agreement)
    ids, now_ms = DocumentIds(), clock_ms()
    record = record_metadata(CIVIL_REGISTRY, record_id="CR-1")
    return [
        template.encode(OutgoingDocument(ids.new(now_ms), "CR-1", now_ms, record, {"surname": "Smith"}))
        for _ in range(count)
    ]


async def test_a_running_publisher_follows_the_directory_to_the_next_key(bus, monkeypatch):
    """The authority registers the next seal while publisher and router run.

    Without a restart the publisher goes over to it, the router accepts every document, and all signatures hold under
    the last version of the directory.
    """
    monkeypatch.setattr(rotation, "SETTLE_MS", 1000)
    count = 0
    stopping = asyncio.Event()
    tasks = [asyncio.create_task(bus.route(stopping))]
    with bus.profile.open_spool(next_index=0) as spool:
        ending = asyncio.Event()
        publishing = asyncio.create_task(publish_spool(bus.transport, bus.profile, ending))
        async with asyncio.timeout(30):
            thumbprints: set[str] = set()
            for round_number in range(1000):
                await asyncio.to_thread(spool.put, await documents(bus, 3), at_ms=clock_ms())
                count += 3
                await asyncio.sleep(0.01)
                if round_number == 20:
                    await bus.register_next()
                if round_number % 20 == 19:
                    thumbprints = {
                        thumbprint_of(one) for one in await bus.read(topics.outbox(CIVIL_REGISTRY))
                    }
                if len(thumbprints) == 2:
                    break
            ending.set()
            assert count == await publishing
            entries = await bus.read(topics.MESSAGE_LOG)
            while len(entries) < count:
                await asyncio.sleep(0.05)
                entries = await bus.read(topics.MESSAGE_LOG)
    stopping.set()
    await asyncio.gather(*tasks)

    assert [Outcome.ACCEPTED] * count == [decode_log_entry(one.value).decision for one in entries]
    records = await bus.read(topics.outbox(CIVIL_REGISTRY))
    last = (await read_directory(bus.transport, bus.authority)).current
    assert last is not None
    verifier = Verifier(last)
    for record in records:
        envelope = Envelope.from_headers(record.headers)
        verifier.check_signatures(envelope, Statement.from_bytes(envelope.statement))
    assert 2 == len({thumbprint_of(one) for one in records})
