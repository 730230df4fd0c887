"""Documents that an officer signs: asked for by package or sender, told of before sending, checked at the other end."""

from __future__ import annotations

import asyncio
import json

import pytest
import yaml

from govbus.adapters.outgoing import DocumentIds, OutgoingDocument
from govbus.cli import main
from govbus.document import topics
from govbus.document.record import SIGNATURE
from govbus.errors import ConfigError
from govbus.routing.directory.build import build_directory
from govbus.service.agency_profile import AgencyProfile
from govbus.service.delivered import DeliveredDocument, read_delivered
from govbus.service.directory.publishing import publish_directory, read_certificates, read_folder
from govbus.service.processes import clock_ms
from govbus.service.router.wiring import run_router
from govbus.service.sample_directory import BUS, CIVIL_REGISTRY, POPULATION_REGISTER, write_sample_directory
from govbus.service.sending import ReceiptWatch, SenderParts, send_document
from govbus.service.sending_setup import SendingSetup
from govbus.service.topics_service import (
    apply_topics,
    default_topics_file,
    directory_topic_specs,
    read_topic_plans,
)
from govbus.settings import RouterSettings
from govbus.signing.certificates import CertificateRole
from govbus.signing.issuing import CertificateAuthority
from govbus.signing.signer import KeySigner
from govbus.signing.verifier import VerifiedSignatures
from govbus.testing.exchange import record_metadata
from govbus.transport.base import TopicPartition
from govbus.transport.memory import MemoryTransport

RECORD = record_metadata(CIVIL_REGISTRY, record_id="CR-1")
DAY_MS = 86_400_000


@pytest.fixture
def sample(tmp_path):
    """The sample directory, with an officer at the civil registry."""
    now_ms = clock_ms()
    made = write_sample_directory(tmp_path / "directory", at_ms=now_ms)
    root = CertificateAuthority(
        (made.folder / "certificates/root.pem").read_bytes(), (made.folder / "keys/root.key.pem").read_bytes()
    )
    issued = root.issue(
        "Jane Officer",
        role=CertificateRole.OFFICER,
        not_before_ms=now_ms - DAY_MS,
        not_after_ms=now_ms + DAY_MS,
    )
    (made.folder / "certificates/officer.pem").write_bytes(issued.certificate_pem)
    (made.folder / "keys/officer.key.pem").write_bytes(issued.key_pem)
    _change(
        made,
        f"agencies/{CIVIL_REGISTRY}.yaml",
        lambda entry: entry["certificates"].append({"file": "certificates/officer.pem", "role": "officer"}),
    )
    return made


def _change(sample, name, change):
    path = sample.folder / name
    entry = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(entry)
    path.write_text(yaml.safe_dump(entry), encoding="utf-8")


@pytest.fixture
def asking(sample):
    """The same, where the package asks for an officer."""
    _change(
        sample, "packages/civil.person.yaml", lambda entry: entry.update(signatures={"officer": "required"})
    )
    return sample


def _profile(sample, folder, *, officer=True):
    """Write and read a profile of the civil registry."""
    keys = {"seal": (sample.key(CIVIL_REGISTRY), sample.certificate(CIVIL_REGISTRY))}
    if officer:
        keys["officer"] = sample.folder / "keys/officer.key.pem", sample.folder / "certificates/officer.pem"
    fields = {
        "agency": CIVIL_REGISTRY.text,
        "spool": "outbox/main.spool",
        "authority": str(sample.authority_certificate),
        **{name: {"key": str(key), "certificate": str(one)} for name, (key, one) in keys.items()},
    }
    path = folder / "agency.yaml"
    path.write_text(yaml.safe_dump(fields))
    return AgencyProfile.from_file(path)


async def _bus(sample):
    transport = MemoryTransport()
    files = read_folder(sample.folder)
    await apply_topics(
        transport, directory_topic_specs(read_topic_plans(default_topics_file()), files.content)
    )
    authority = read_certificates(sample.authority_certificate)
    signer = KeySigner.from_pem(
        sample.authority_key.read_bytes(), sample.authority_certificate.read_bytes(), kid="authority"
    )
    await publish_directory(transport, files, signer, authority=authority, at_ms=clock_ms())
    return transport


async def _send(setup, sample, folder, builder_options):
    """Send one document through a router; return its receipt and what the inbox of the consumer got."""
    stopping = asyncio.Event()
    (folder / "router").mkdir()
    bus = KeySigner.from_pem(sample.key(BUS).read_bytes(), sample.certificate(BUS).read_bytes(), kid="bus")
    router = asyncio.create_task(
        run_router(
            setup.transport,
            RouterSettings(),
            signer=bus,
            authority_file=sample.authority_certificate,
            name="router-1",
            data_folder=folder / "router",
            stopping=stopping,
        )
    )
    watch = ReceiptWatch(setup.transport, CIVIL_REGISTRY, setup.directory)
    now_ms = clock_ms()
    document = OutgoingDocument(DocumentIds().new(now_ms), "CR-1", now_ms, RECORD, {"surname": "Smith"})
    with setup.spool as spool:
        await watch.start()
        template = setup.builder(None, None, **builder_options).template
        parts = SenderParts(spool, setup.signers, setup.transport, template, clock_ms)
        index = await send_document(parts, document)
        receipt = await watch.receipt(setup.profile.origin, index, timeout_s=20)
        await watch.stop()
    stopping.set()
    await asyncio.wait_for(router, 20)
    return receipt, await _inbox(setup.transport)


async def _inbox(transport):
    topic = topics.inbox(POPULATION_REGISTER)
    administrator = transport.administrator()
    await administrator.start()
    count = (await administrator.partition_counts())[topic]
    await administrator.stop()
    subscriber = transport.subscriber(assign=[TopicPartition(topic, number) for number in range(count)])
    await subscriber.start()
    polled = await subscriber.poll(timeout_s=1, records_max=10)
    await subscriber.stop()
    return [record for records in polled.values() for record in records]


async def test_the_officer_signs_where_the_package_asks(asking, tmp_path):
    """Sent, accepted and delivered with two signatures; whoever takes the officer's off is found out."""
    setup = await SendingSetup.prepare(await _bus(asking), _profile(asking, tmp_path), next_index=None)
    receipt, (record,) = await _send(setup, asking, tmp_path, {})
    assert ("accepted", ()) == (receipt.decision.value, receipt.findings)
    assert isinstance(read_delivered(record, setup.directory, VerifiedSignatures()), DeliveredDocument)

    signatures = [header for header in record.headers if header[0] == SIGNATURE]
    rest = tuple(header for header in record.headers if header[0] != SIGNATURE)
    stripped = [
        read_delivered(record._replace(headers=(*rest, kept)), setup.directory, VerifiedSignatures())
        for kept in signatures
    ]
    assert ["SEC-10", "SEC-10"] == [one.rule for one in stripped]


@pytest.mark.parametrize(("asked", "count"), [(False, 1), (True, 2)])
async def test_the_officer_signs_where_the_sender_asks(sample, tmp_path, asked, count):
    """Where nobody else asks for an officer, the sender may, and every receiver takes it."""
    setup = await SendingSetup.prepare(await _bus(sample), _profile(sample, tmp_path), next_index=None)
    receipt, (record,) = await _send(setup, sample, tmp_path, {"is_officer_asked": asked})

    assert "accepted" == receipt.decision.value
    assert count == len([name for name, _ in record.headers if name == SIGNATURE])


async def test_a_signature_that_cannot_be_made_is_told_before_anything_is_taken(asking, tmp_path):
    """Without an officer's key nothing enters the spool, neither from a command nor from an adapter."""
    profile = _profile(asking, tmp_path, officer=False)
    setup = await SendingSetup.prepare(await _bus(asking), profile, next_index=None)
    with setup.spool:
        for make in (setup.builder, setup.template):
            with pytest.raises(ConfigError, match="expected an officer's signature") as caught:
                make(None, None)
            assert "name officer" in caught.value.remedy


async def test_a_certificate_must_be_of_the_role_that_it_signs_in(sample, tmp_path):
    """A seal in the officer's place of the profile is refused before anything is sent."""
    _profile(sample, tmp_path)
    path = tmp_path / "agency.yaml"
    fields = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(fields | {"officer": fields["seal"]}))
    with pytest.raises(ConfigError, match="does not bind .* as officer"):
        await SendingSetup.prepare(await _bus(sample), AgencyProfile.from_file(path), next_index=None)


def test_check_says_what_the_router_would(asking, tmp_path, capsys, monkeypatch):
    """``govbus check document`` knows by the profile whether the officer's signature can be made."""
    monkeypatch.chdir(tmp_path)
    text = tmp_path / "document.json"
    text.write_text(json.dumps({"record": RECORD, "body": {"surname": "Smith"}}))
    command = ["check", "document", str(text), "--directory", str(asking.folder), "--json"]
    outcomes = []
    for officer in (True, False):
        _profile(asking, tmp_path, officer=officer)
        main([*command, "--profile", "agency.yaml"])
        told = json.loads(capsys.readouterr().out)
        outcomes.append(
            (told["outcome"], [one["rule"] for one in told["findings"] if one["severity"] == "R"])
        )

    assert [("accepted", []), ("refused", ["SEC-10"])] == outcomes


@pytest.mark.parametrize(
    ("policy", "outcome"),
    [
        ({}, "accepted"),
        ({"mode": "batch"}, "accepted"),
        ({"mode": "single", "officer": "required"}, "accepted"),
        ({"twin": "required"}, "refused"),
    ],
)
def test_check_signs_in_the_mode_that_is_asked_for(sample, tmp_path, capsys, policy, outcome):
    """A check without a profile goes by what certificates the agency has in the directory."""
    _change(sample, "packages/civil.person.yaml", lambda entry: entry.update(signatures=policy))
    text = tmp_path / "document.json"
    text.write_text(json.dumps({"record": RECORD, "body": {"surname": "Smith"}}))
    content = read_folder(sample.folder).content
    directory = build_directory(content, version=1, issued_ms=0, expires_ms=2**53)
    (agreement,) = [one.id for one in directory.agreements_of(CIVIL_REGISTRY)]
    command = ["check", "document", str(text), "--directory", str(sample.folder), "--agreement", agreement]
    main([*command, "--json"])

    assert outcome == json.loads(capsys.readouterr().out)["outcome"]
