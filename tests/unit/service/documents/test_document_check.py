"""The check before sending: the same verdict as the router's, for the same reasons."""

import asyncio
import json
from dataclasses import replace

import pytest
import yaml

from govbus.adapters.outgoing import OutgoingDocument
from govbus.cli import main
from govbus.document.finding import Outcome
from govbus.document.ids import AgencyId
from govbus.routing.directory.model import AgreementStatus
from govbus.routing.rules.rule import Profile
from govbus.service.agency_profile import AgencyProfile
from govbus.service.directory.publishing import publish_directory, read_certificates, read_folder
from govbus.service.government_agreements import AGREEMENTS
from govbus.service.government_directory import BUS
from govbus.service.government_exchanges import PROCUREMENT
from govbus.service.processes import clock_ms
from govbus.service.router.wiring import run_router
from govbus.service.sending import ReceiptWatch, SenderParts, send_document
from govbus.service.sending_setup import SendingSetup
from govbus.service.topics_service import (
    apply_topics,
    default_topics_file,
    directory_topic_specs,
    read_topic_plans,
)
from govbus.settings import RouterSettings
from govbus.signing.signer import KeySigner
from govbus.transport.memory import MemoryTransport

LOW = {"c": "LOW", "i": "LOW", "a": "LOW"}
CASES = {
    "accepted": ("procurement-awards", {}),
    "accepted, public": ("procurement-notices", {}),
    "two warnings": (
        "procurement-awards",
        {"record": {"language": "en_US"}, "subject": "two words", "attributes": {"correlationid": "1"}},
    ),
    "held": ("procurement-awards", {"record": {"topics": [{"taxonomy": "no-such", "topic": "none"}]}}),
    "held, a number of a person": (
        "procurement-notices",
        {"body": {"description": "Ask the person with number 078-05-1120."}},
    ),
    "refused twice": (
        "procurement-awards",
        {"attributes": {"datacategory": "phi"}, "record": {"sc": {"c": "HIGH", "i": "LOW", "a": "LOW"}}},
    ),
    "refused, marked": ("procurement-awards", {"attributes": {"cuibanner": "CUI//SP-PROCURE"}}),
    "refused, test": ("procurement-awards", {"attributes": {"testmode": "true"}}),
    "refused, digest": (
        "procurement-awards",
        {"record": {"digests": [{"attachment": "no.txt", "alg": "sha-256", "hex": "00" * 32}]}},
    ),
    "refused, bureau": ("procurement-awards", {"record": {"bureau_code": ["018:001"]}}),
}
EXPECTED = {
    "accepted": set(),
    "accepted, public": set(),
    "two warnings": {"LNG-1", "CE-8"},
    "held": {"DRM-5"},
    "held, a number of a person": {"PRV-2"},
    "refused twice": {"PRV-1", "SEC-2"},
    "refused, marked": {"SEC-8"},
    "refused, test": {"TST-1"},
    "refused, digest": {"REC-6"},
    "refused, bureau": {"DCAT-2"},
}


@pytest.mark.parametrize("agreement_id", [agreement["id"] for agreement in AGREEMENTS])
def test_examples_would_be_accepted(government, agreement_id):
    """The example of every kind of document would be accepted; a marked one is asked when its marking ends."""
    result = government.check(agreement_id)

    assert Outcome.ACCEPTED is result.outcome
    assert {"CUI-4"} if agreement_id == "tax-refunds" else set() == {one.rule for one in result.findings}
    assert (agreement_id, True) == (result.agreement, result.is_complete)


@pytest.mark.parametrize("case", CASES)
def test_findings(government, case):
    """Each document breaks the rules that it was made to break, and no other refuses or holds it."""
    agreement_id, changes = CASES[case]
    result = government.check(agreement_id, **changes)
    word = case.split(",")[0].split(" ")[0]

    assert EXPECTED[case] <= {one.rule for one in result.findings}
    assert {"accepted": "accepted", "two": "accepted", "held": "quarantined", "refused": "refused"}[
        word
    ] == result.outcome.value
    assert all(one.citation and one.accepted for one in result.findings)


@pytest.fixture
def profile(government, tmp_path):
    sample = government.sample
    path = tmp_path / "agency.yaml"
    seal = {"key": str(sample.key(PROCUREMENT)), "certificate": str(sample.certificate(PROCUREMENT))}
    authority = str(sample.authority_certificate)
    path.write_text(yaml.safe_dump({"agency": PROCUREMENT.text, "seal": seal, "authority": authority}))
    return AgencyProfile.from_file(path)


async def publish(transport, sample):
    """Create the topics of a directory folder and publish it."""
    files = read_folder(sample.folder)
    plans = read_topic_plans(default_topics_file())
    await apply_topics(transport, directory_topic_specs(plans, files.content))
    signer = KeySigner.from_pem(
        sample.authority_key.read_bytes(), sample.authority_certificate.read_bytes(), kid="authority"
    )
    authority = read_certificates(sample.authority_certificate)
    await publish_directory(transport, files, signer, authority=authority, at_ms=clock_ms())


@pytest.fixture
async def transport(government):
    made = MemoryTransport()
    await publish(made, government.sample)
    return made


async def test_same_verdict_as_the_router(government, transport, profile, tmp_path):
    """For every document, outcome and findings are those of the receipt that a running router answers with."""
    sample = government.sample
    setup = await SendingSetup.prepare(transport, profile, next_index=0)
    stopping = asyncio.Event()
    bus_key = KeySigner.from_pem(
        sample.key(BUS).read_bytes(), sample.certificate(BUS).read_bytes(), kid="bus"
    )
    (tmp_path / "router").mkdir()
    router = asyncio.create_task(
        run_router(
            transport,
            RouterSettings(),
            signer=bus_key,
            authority_file=sample.authority_certificate,
            name="router-1",
            data_folder=tmp_path / "router",
            stopping=stopping,
        )
    )
    watch = ReceiptWatch(transport, PROCUREMENT, setup.directory)
    answers = {}
    with setup.spool as spool:
        await watch.start()
        for case, (agreement_id, changes) in CASES.items():
            text = government.text(agreement_id, **changes)
            document, template = setup.builder(agreement_id, None).build(text, at_ms=clock_ms())
            assert isinstance(document, OutgoingDocument)
            parts = SenderParts(spool, setup.signers, transport, template, clock_ms)
            index = await send_document(parts, document)
            answers[case] = await watch.receipt(profile.origin, index, timeout_s=20)
        await watch.stop()
    stopping.set()
    await asyncio.wait_for(router, 20)

    for case, (agreement_id, changes) in CASES.items():
        result = government.check(agreement_id, setup.directory, **changes)
        assert (answers[case].decision, answers[case].findings) == (result.outcome, result.findings), case


def test_incomplete(government):
    """What is missing is reported as findings, with the rule that asks for each."""
    result = government.check("births", record={"description": None, "record_id": None})

    assert (Outcome.REFUSED, False) == (result.outcome, result.is_complete)
    assert [("REC-1", "record.record_id"), ("REC-4", "record.description")] == [
        (one.rule, one.field) for one in result.findings
    ]


def test_value_that_does_not_fit(government):
    """A value that is none of the schema is a finding of AVR-1 at its place."""
    result = government.check("births", body={"registered_on": 7.5})

    assert [("AVR-1", "body.registered_on")] == [(one.rule, one.field) for one in result.findings]
    assert not result.is_complete


def test_agreement_out_of_force(government):
    """A suspended agreement, one that ended and one of somebody else are refused as the router refuses them."""
    directory = government.directory
    agreement = directory.agreement("births")
    for changed in (
        replace(agreement, status=AgreementStatus.SUSPENDED),
        replace(agreement, valid_to_ms=government.at_ms - 1),
    ):
        found = replace(directory, agreements={**directory.agreements, "births": changed})
        assert ["DRM-1"] == [one.rule for one in government.check("births", found).findings]


def test_agency_without_a_good_certificate(government):
    """An agency that has no certificate in force learns that the router would not know its key."""
    supplier = AgencyId("civil-registry.example")
    directory = government.directory
    others = {name: one for name, one in directory.certificates.items() if one.agency != supplier}
    revoked = {
        name: replace(one, revoked_ms=1) if one.agency == supplier else one
        for name, one in directory.certificates.items()
    }
    for certificates in (others, revoked):
        result = government.check("births", replace(directory, certificates=certificates))
        assert ["SEC-6"] == [one.rule for one in result.findings]


def test_profile_nss(government):
    """Where ML-DSA-87 is asked for, an agency whose certificates are all classical learns it here."""
    directory = replace(government.directory, profiles=government.directory.profiles | {Profile.NSS})

    assert ["SEC-5"] == [one.rule for one in government.check("births", directory).findings]


def test_trust_in_throwaway_keys_ends_with_the_check(government):
    """The directory that was checked with trusts nothing new."""
    before = dict(government.directory.certificates)
    government.check("births")

    assert before == government.directory.certificates


@pytest.fixture
def file(government, tmp_path):
    def write(agreement_id="births", **changes):
        text = government.text(agreement_id, **changes)
        path = tmp_path / "document.json"
        path.write_text(json.dumps({"record": text.record, "body": text.body, "attributes": text.attributes}))
        return str(path)

    return write


def test_command(government, file, capsys, monkeypatch, tmp_path):
    """The command says what the check found; its exit codes are 0 accepted, 2 not accepted, 1 cannot be checked."""
    monkeypatch.chdir(tmp_path)
    folder = ("--directory", str(government.sample.folder))
    accepted = main(["check", "document", file(), *folder, "--agreement", "births"])
    said = capsys.readouterr().out
    refused = main(
        [
            "check",
            "document",
            file(attributes={"testmode": "true"}),
            *folder,
            "--agreement",
            "births",
            "--json",
        ]
    )
    told = json.loads(capsys.readouterr().out)
    incomplete = main(
        ["check", "document", file(record={"description": None}), *folder, "--agreement", "births"]
    )
    lacking = capsys.readouterr().out
    unclear = main(["check", "document", file(), *folder])
    asked = capsys.readouterr().err

    assert (0, 2, 2, 1) == (accepted, refused, incomplete, unclear)
    assert "would be accepted under agreement births" in said
    assert ("refused", "births", True) == (told["outcome"], told["agreement"], told["complete"])
    assert [("TST-1", "R", "ce_testmode")] == [
        (one["rule"], one["severity"], one["field"]) for one in told["findings"]
    ]
    assert "cannot be sent as it is" in lacking
    assert "REC-4 (refuse) record.description" in lacking
    assert "name it with --agreement: births, business-registrations" in asked


def test_command_with_profile(government, file, profile, tmp_path, capsys, monkeypatch):
    """With a profile the agency is its own, and an agreement of another supplier cannot be checked."""
    monkeypatch.chdir(tmp_path)
    folder = ("--directory", str(government.sample.folder), "--profile", "agency.yaml")
    own = main(
        ["check", "document", file("procurement-awards"), *folder, "--agreement", "procurement-awards"]
    )
    foreign = main(["check", "document", file(), *folder, "--agreement", "births"])

    assert (0, 1) == (own, foreign)
    assert "procurement.example is not the supplier of an agreement births" in capsys.readouterr().err


def test_command_asks_the_running_bus(government, file, profile, tmp_path, capsys, monkeypatch):
    """Without a folder the directory is that of the bus; where there is none, checking offline is named."""
    monkeypatch.chdir(tmp_path)
    bus = MemoryTransport()
    monkeypatch.setattr("govbus.service.wiring.transport_of", lambda *_, **__: bus)
    asyncio.run(publish(bus, government.sample))
    command = ["check", "document", file("procurement-awards"), "--agreement", "procurement-awards"]
    known = main(command)
    path = tmp_path / "agency.yaml"
    fields = yaml.safe_load(path.read_text()) | {"authority": str(government.sample.certificate(BUS))}
    path.write_text(yaml.safe_dump(fields))
    foreign = main(command)

    assert (0, 1) == (known, foreign)
    assert "check offline with --directory FOLDER" in capsys.readouterr().err
