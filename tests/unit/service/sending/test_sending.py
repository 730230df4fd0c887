"""Tests of sending single documents and files through a router in this process, on the memory transport."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest
import yaml

from govbus.adapters.csv_mapping import CsvMapping
from govbus.adapters.outgoing import DocumentIds, OutgoingDocument
from govbus.adapters.spool_lock import SpoolPublisherLock
from govbus.document import topics
from govbus.document.ids import AgencyId, Origin
from govbus.errors import (
    ConfigError,
    DirectoryError,
    MissingPartError,
    SchemaError,
    SourceRejectedError,
    TransportError,
)
from govbus.service.agency_profile import AgencyProfile
from govbus.service.directory.publishing import publish_directory, read_certificates, read_folder
from govbus.service.outbox_processes import CsvJob, publish_spool, send_csv
from govbus.service.processes import clock_ms
from govbus.service.router.wiring import run_router
from govbus.service.sample_directory import BUS, CIVIL_REGISTRY, PERSON_TYPE, write_sample_directory
from govbus.service.sending import DocumentText, ReceiptWatch, SenderParts, send_document
from govbus.service.sending_setup import SendingSetup
from govbus.service.spool_start import next_index_on_bus
from govbus.service.topics_service import (
    apply_topics,
    default_topics_file,
    directory_topic_specs,
    read_topic_plans,
)
from govbus.settings import RouterSettings
from govbus.signing.signer import KeySigner
from govbus.testing.exchange import record_metadata
from govbus.transport.base import TopicPartition
from govbus.transport.memory import MemoryTransport

RECORD = record_metadata(CIVIL_REGISTRY, record_id="CR-1")
MAPPING = CsvMapping.model_validate(
    {
        "name": "persons",
        "record": {"constants": RECORD, "fields": {"record_id": "id"}},
        "body": {"fields": {"surname": "surname"}},
    }
)


@pytest.fixture
def sample(tmp_path):
    return write_sample_directory(tmp_path / "directory", at_ms=clock_ms())


@pytest.fixture
def profile(sample, tmp_path):
    fields = {
        "agency": CIVIL_REGISTRY.text,
        "spool": "outbox/main.spool",
        "seal": {
            "key": str(sample.key(CIVIL_REGISTRY)),
            "certificate": str(sample.certificate(CIVIL_REGISTRY)),
        },
        "authority": str(sample.authority_certificate),
    }
    path = tmp_path / "agency.yaml"
    path.write_text(yaml.safe_dump(fields))
    return AgencyProfile.from_file(path)


@pytest.fixture
async def transport(sample):
    made = MemoryTransport()
    files = read_folder(sample.folder)
    await apply_topics(made, directory_topic_specs(read_topic_plans(default_topics_file()), files.content))
    authority = read_certificates(sample.authority_certificate)
    signer = KeySigner.from_pem(
        sample.authority_key.read_bytes(), sample.authority_certificate.read_bytes(), kid="authority"
    )
    await publish_directory(made, files, signer, authority=authority, at_ms=clock_ms())
    return made


@contextlib.asynccontextmanager
async def routing(transport, sample, tmp_path):
    """Run a router beside a test."""
    stopping = asyncio.Event()
    (tmp_path / "router").mkdir(exist_ok=True)
    signer = KeySigner.from_pem(sample.key(BUS).read_bytes(), sample.certificate(BUS).read_bytes(), kid="bus")
    task = asyncio.create_task(
        run_router(
            transport,
            RouterSettings(),
            signer=signer,
            authority_file=sample.authority_certificate,
            name="router-1",
            data_folder=tmp_path / "router",
            stopping=stopping,
        )
    )
    try:
        yield
    finally:
        stopping.set()
        await asyncio.wait_for(task, 20)


def _document(**body):
    now_ms = clock_ms()
    return OutgoingDocument(DocumentIds().new(now_ms), "CR-1", now_ms, RECORD, {"surname": "Smith", **body})


def _sender(setup, spool, **options):
    return SenderParts(spool, setup.signers, setup.transport, setup.template(None, None), clock_ms, **options)


async def _outbox_count(transport):
    source = TopicPartition(topics.outbox(CIVIL_REGISTRY), 0)
    administrator = transport.administrator()
    await administrator.start()
    count = (await administrator.partition_counts())[source.topic]
    await administrator.stop()
    sources = [TopicPartition(source.topic, number) for number in range(count)]
    subscriber = transport.subscriber(assign=sources)
    await subscriber.start()
    ends = await subscriber.end_offsets(sources)
    await subscriber.stop()
    return sum(ends.values())


async def test_document_is_sent_and_answered(transport, sample, profile, tmp_path):
    """A document goes through spool, outbox and router, and its signed receipt comes back."""
    setup = await SendingSetup.prepare(transport, profile, next_index=None)
    watch = ReceiptWatch(transport, CIVIL_REGISTRY, setup.directory)
    with setup.spool as spool:
        async with routing(transport, sample, tmp_path):
            await watch.start()
            for expected in (0, 1):
                index = await send_document(_sender(setup, spool), _document())
                receipt = await watch.receipt(profile.origin, index, timeout_s=20)
                assert (expected, "accepted", ()) == (index, receipt.decision.value, receipt.findings)
            await watch.stop()
    assert 2 == await next_index_on_bus(transport, profile.origin)


async def test_refused_document_is_answered(transport, sample, profile, tmp_path):
    """A document that breaks a rule comes back refused, with the rule."""
    setup = await SendingSetup.prepare(transport, profile, next_index=None)
    template = setup.template(None, PERSON_TYPE)
    broken = type(template)(
        template.origin,
        "example.other.v1",
        template.agreement_id,
        "confidential",
        "phi",
        "non-public",
        template.schema,
    )
    watch = ReceiptWatch(transport, CIVIL_REGISTRY, setup.directory)
    with setup.spool as spool:
        async with routing(transport, sample, tmp_path):
            await watch.start()
            parts = SenderParts(spool, setup.signers, transport, broken, clock_ms)
            index = await send_document(parts, _document())
            receipt = await watch.receipt(profile.origin, index, timeout_s=20)
            await watch.stop()
    assert ("refused", ["DRM-1"]) == (receipt.decision.value, [one.rule for one in receipt.findings])


async def test_no_receipt_in_time(transport, profile):
    """Without a router the error says that the receipt will come, and where."""
    setup = await SendingSetup.prepare(transport, profile, next_index=None)
    watch = ReceiptWatch(transport, CIVIL_REGISTRY, setup.directory)
    with pytest.raises(TransportError, match="not being followed"):
        await watch.receipt(profile.origin, 0, timeout_s=1)
    with setup.spool as spool:
        await watch.start()
        await send_document(_sender(setup, spool), _document())
        with pytest.raises(TransportError, match="no receipt for index 0 .* govbus inbox follow"):
            await watch.receipt(profile.origin, 0, timeout_s=0.3)
        await watch.stop()


async def test_value_that_does_not_fit(transport, profile):
    """The sender is told what is wrong with the value, and nothing is taken."""
    setup = await SendingSetup.prepare(transport, profile, next_index=None)
    with setup.spool as spool:
        with pytest.raises(SchemaError, match="surname"):
            await send_document(_sender(setup, spool), _document(surname=7))
        assert 0 == spool.stats(clock_ms()).next_index


async def test_another_process_publishes(transport, profile):
    """While a publisher holds the spool, sending waits for it; where it does nothing, the document stays safe."""
    setup = await SendingSetup.prepare(transport, profile, next_index=None)
    with setup.spool as spool:
        lock = SpoolPublisherLock(profile.spool)
        lock.acquire()
        with pytest.raises(
            TransportError, match=r"safe in the spool under index 0, not yet sent: .* did not send"
        ):
            await send_document(_sender(setup, spool, publish_timeout_s=0.1), _document())
        asyncio.get_running_loop().call_later(0.2, lock.release)
        assert 1 == await send_document(_sender(setup, spool), _document())
        assert 2 == spool.published_next


async def test_broker_that_takes_nothing(transport, profile, broker):
    """A broker that does not answer leaves the document safe in the spool."""
    setup = await SendingSetup.prepare(transport, profile, next_index=None)
    broker.gate.clear()
    with setup.spool as spool:
        parts = SenderParts(
            spool, setup.signers, broker, setup.template(None, None), clock_ms, publish_timeout_s=0.1
        )
        with pytest.raises(
            TransportError, match="safe in the spool under index 0, not yet sent: the broker did not"
        ):
            await send_document(parts, _document())
        assert 1 == await publish_spool_once(transport, profile, spool)


async def publish_spool_once(transport, profile, spool):
    spool.close()
    return await publish_spool(transport, profile, asyncio.Event(), is_once=True)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (
            ("none", None),
            "is not the supplier of an agreement none; its agreements are: civil.person.civil-registry",
        ),
        ((None, "x.y"), "package civil.person has no documents of type x.y; name one with --type: example"),
    ],
)
async def test_template_choices(transport, profile, arguments, what):
    """An agreement or type that is not there is named with the ones that are."""
    setup = await SendingSetup.prepare(transport, profile, next_index=None)
    with setup.spool, pytest.raises(ConfigError, match=what):
        setup.template(*arguments)


async def test_agency_without_agreement(transport, sample, profile):
    """An agency with nothing to send under is told so."""
    setup = await SendingSetup.prepare(transport, profile, next_index=None)
    with setup.spool:
        other = SendingSetup(
            profile.model_copy(update={"agency": AgencyId("population-register.example")}),
            setup.signers,
            transport,
            setup.directory,
            setup.spool,
        )
        with pytest.raises(ConfigError, match="has 0 active agreements to send under; name one .*: none"):
            other.template(None, None)


async def test_key_of_another_agency(transport, sample, profile):
    """A key that the directory binds to somebody else is refused before anything is sent."""
    wrong = profile.model_copy(update={"agency": AgencyId("health-fund.example")})
    with pytest.raises(
        ConfigError, match="does not bind the certificate of health-fund.example/civil-registry"
    ):
        await SendingSetup.prepare(transport, wrong, next_index=None)


async def test_no_directory(sample, profile, transport):
    """A directory of another authority is none."""
    other = profile.model_copy(update={"authority": sample.certificate(BUS)})
    with pytest.raises(DirectoryError, match="no directory by this governing authority"):
        await SendingSetup.prepare(transport, other, next_index=None)


async def test_inbox_that_is_missing(transport, profile):
    """An agency without an inbox is told who makes it."""
    setup = await SendingSetup.prepare(transport, profile, next_index=None)
    with setup.spool:
        watch = ReceiptWatch(transport, AgencyId("nobody.example"), setup.directory)
        with pytest.raises(MissingPartError, match="no topic govbus.in.nobody.example"):
            await watch.start()


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ([], "expected a JSON object"),
        ({"record": {}}, "expected body as an object"),
        ({"record": 1, "body": {}}, "expected record as an object"),
        ({"record": {}, "body": {}, "x": 1}, "found 'x'"),
        ({"record": {}, "body": {}, "subject": 1}, "expected subject as a text"),
        ({"record": {}, "body": {}, "attributes": {"a": 1}}, "expected attributes as an object of texts"),
    ],
)
def test_bad_document_text(value, what):
    """A JSON document that is not one is refused with its file and field."""
    with pytest.raises(ConfigError, match=f"doc.json: .*{what}"):
        DocumentText.from_value(json.loads(json.dumps(value)), "doc.json")


def _job(profile, path, **changes):
    fields = {
        "agreement_id": None,
        "ce_type": None,
        "next_index": None,
        "follow_interval_s": None,
        "is_publishing": True,
    }
    return CsvJob(profile=profile, mapping=MAPPING, source=path, **{**fields, **changes})


@pytest.fixture
def csv_path(tmp_path):
    path = tmp_path / "persons.csv"
    path.write_text("id,surname\n" + "".join(f"{n},name {n}\n" for n in range(1200)))
    return path


async def test_csv_file_is_sent_once(transport, profile, csv_path):
    """Every row is on the bus at the end; a second run sends only what was added."""
    seen = []
    report = lambda put, stats: seen.append((put, stats.documents))  # noqa: E731  # a recorder
    await send_csv(transport, _job(profile, csv_path), asyncio.Event(), on_progress=report)
    assert (1200, 0) == seen[-1]
    with csv_path.open("a") as file:
        file.write("x,last\n")
    await send_csv(transport, _job(profile, csv_path), asyncio.Event(), on_progress=report)
    assert (1, 0) == seen[-1]
    assert 1201 == await _outbox_count(transport) == await next_index_on_bus(transport, profile.origin)


async def test_csv_file_is_followed(transport, profile, csv_path):
    """A growing file is read until asked to stop; what was read is published first."""
    stopping = asyncio.Event()
    seen = []
    task = asyncio.create_task(
        send_csv(
            transport,
            _job(profile, csv_path, follow_interval_s=0.01),
            stopping,
            on_progress=lambda put, _: seen.append(put),
        )
    )
    async with asyncio.timeout(20):
        while 1200 not in seen:  # noqa: ASYNC110  # the progress is reported, not signalled
            await asyncio.sleep(0.01)
        with csv_path.open("a") as file:
            file.write("x,last\n")
        while 1201 not in seen:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        stopping.set()
        await task
    assert 1201 == await _outbox_count(transport)


async def test_csv_row_that_is_bad(transport, profile, csv_path):
    """Rows before a bad one are on the bus, and the error names it."""
    with csv_path.open("a") as file:
        file.write("1,2,3\n")
    with pytest.raises(SourceRejectedError, match="line 1202: expected 2 cells, found 3"):
        await send_csv(transport, _job(profile, csv_path), asyncio.Event())
    assert 1200 == await _outbox_count(transport)


async def test_csv_without_publishing(transport, profile, csv_path):
    """Reading and publishing can be two processes."""
    await send_csv(transport, _job(profile, csv_path, is_publishing=False), asyncio.Event())
    assert 0 == await _outbox_count(transport)
    stopping = asyncio.Event()
    stopping.set()
    assert 1200 == await publish_spool(transport, profile, stopping)
    assert 1200 == await _outbox_count(transport)


async def test_publisher_that_fails_ends_the_reading(transport, profile, csv_path):
    """A run whose publisher cannot go on ends with the publisher's error."""
    lock = SpoolPublisherLock(profile.spool)
    lock.acquire()
    with pytest.raises(Exception, match="another process publishes"):
        await send_csv(transport, _job(profile, csv_path, follow_interval_s=0.01), asyncio.Event())
    lock.release()


async def test_new_spool_goes_on_above_the_bus(transport, profile, csv_path):
    """An agency that lost its spool goes on where it was."""
    await send_csv(transport, _job(profile, csv_path), asyncio.Event())
    for file in profile.spool.parent.iterdir():
        file.unlink()
    setup = await SendingSetup.prepare(transport, profile, next_index=None)
    with setup.spool as spool:
        assert 1200 == spool.stats(clock_ms()).next_index
        assert 1200 == await send_document(_sender(setup, spool), _document())
    assert 0 == await next_index_on_bus(transport, Origin(CIVIL_REGISTRY, "other"))
