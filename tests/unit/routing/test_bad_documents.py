"""Bad documents break exactly one thing, and the router names it."""

import dataclasses
import tracemalloc

import pytest

from govbus.adapters.outgoing import DocumentTemplate
from govbus.cli.demo.bad_documents import bad_documents
from govbus.cli.demo.drafts import Draft, Workbench
from govbus.cli.demo.faults import FAULTS
from govbus.document.finding import Outcome
from govbus.document.header_kind import KIND_BYTES_MAX
from govbus.document.ids import AgencyId, Origin, PackageId
from govbus.document.record import Record
from govbus.routing.decide import decide, prior_of
from govbus.routing.directory.model import (
    Agency,
    Agreement,
    AgreementStatus,
    Contact,
    Delivery,
    Directory,
    Package,
)
from govbus.routing.history import MemoryHistory
from govbus.routing.rules.catalogue import RULES
from govbus.schemas.bundled import definition
from govbus.schemas.catalog import DocumentSchema, SchemaCatalog
from govbus.schemas.codec import AvroCodec
from govbus.schemas.compose import compose_document_schema
from govbus.signing.certificates import TrustedCertificate
from govbus.signing.issuing import CertificateAuthority
from govbus.signing.signer import KeySigner
from govbus.testing.exchange import data_assets, record_metadata, taxonomies

AT_MS = 1_795_466_700_000
DAY_MS = 86_400_000
PERSONS = PackageId("civil.person")
TYPE = "example.civil.person.v1"
CIVIL, HEALTH, BUS = (
    AgencyId(text) for text in ("civil-registry.example", "health-fund.example", "bus.example")
)
GHOST = AgencyId("ghost.example")
STEP_RULES = {
    *("CE-1", "CE-2", "CE-4", "CE-5", "CE-6", "DRM-1", "DRM-2", "AVR-1", "AVR-4"),
    *("SEC-3", "SEC-4", "SEC-6", "SEQ-1", "ID-1", "LIM-1", "LIM-2"),
}


@pytest.fixture(scope="module")
def schema():
    definition_ = compose_document_schema(PERSONS, 1, definition("domains/civil/person/v1"))
    return DocumentSchema(
        100, "https://bus.example/schemas/civil.person/1", "civil.person", 1, AvroCodec(definition_)
    )


@pytest.fixture(scope="module")
def signers():
    authority = CertificateAuthority.create("Test authority", at_ms=AT_MS - 100 * DAY_MS)

    def signer(name, days_from, days_to):
        issued = authority.issue(
            name, not_before_ms=AT_MS + days_from * DAY_MS, not_after_ms=AT_MS + days_to * DAY_MS
        )
        return KeySigner.from_pem(issued.key_pem, issued.certificate_pem, kid=name)

    return {
        "good": signer("civil", -1, 9),
        "expired": signer("civil old", -9, -1),
        "future": signer("civil new", 1, 9),
        "foreign": signer("health", -1, 9),
        "unknown": signer("civil", -1, 9),
    }


@pytest.fixture(scope="module")
def workbench(schema, signers):
    template = DocumentTemplate(
        Origin(CIVIL, "main"), TYPE, "civil-persons", "confidential", "sensitive-pii", "non-public", schema
    )
    return Workbench(
        template=template,
        metadata=record_metadata(CIVIL, record_id="CR-000001"),
        body={"surname": "Doe", "national_id": "5304218"},
        signer=signers["good"],
        foreign_signer=signers["foreign"],
        unknown_signer=signers["unknown"],
        expired_signer=signers["expired"],
        future_signer=signers["future"],
        expired_agreement="civil-persons-of-old",
        foreign_agreement="health-persons",
        foreign_agency=HEALTH,
        unknown_agency=GHOST,
        at_ms=AT_MS,
    )


def _agreement(id_, supplier, days_from=-9, days_to=9):
    return Agreement(
        id=id_,
        package=PERSONS,
        supplier=supplier,
        consumers=(HEALTH if supplier == CIVIL else CIVIL,),
        delivery=Delivery.INBOX,
        purpose="tests",
        legal_authority="none",
        valid_from_ms=AT_MS + days_from * DAY_MS,
        valid_to_ms=AT_MS + days_to * DAY_MS,
        status=AgreementStatus.ACTIVE,
    )


@pytest.fixture(scope="module")
def directory(schema, signers):
    package = Package(
        id=PERSONS,
        name="Persons",
        description="Persons.",
        steward=CIVIL,
        steward_contact=Contact("x", "x@civil.example"),
        data_asset="persons",
        types=(TYPE,),
        schema_ids=(schema.id,),
        classification="confidential",
        data_category="sensitive-pii",
        access_level="non-public",
        frequency="irregular",
        delivery=Delivery.INBOX,
    )
    agreements = (
        _agreement("civil-persons", CIVIL),
        _agreement("civil-persons-of-old", CIVIL, -9, -1),
        _agreement("health-persons", HEALTH),
    )
    bound = {"good": CIVIL, "expired": CIVIL, "future": CIVIL, "foreign": HEALTH}
    return Directory(
        version=1,
        bus=BUS,
        name="Test bus",
        authority="Test authority",
        issued_ms=AT_MS,
        expires_ms=AT_MS + DAY_MS,
        agencies={agency.text: Agency(agency, agency.text) for agency in (CIVIL, HEALTH, BUS)},
        certificates={
            signers[name].certificate.thumbprint: TrustedCertificate(signers[name].certificate, agency)
            for name, agency in bound.items()
        },
        packages={PERSONS.text: package},
        agreements={agreement.id: agreement for agreement in agreements},
        schemas=SchemaCatalog([schema]),
        taxonomies=taxonomies(),
        assets=data_assets(CIVIL, HEALTH),
    )


class _Router:
    """Decides and remembers, as the router does."""

    def __init__(self, directory):
        self._directory = directory
        self._history = MemoryHistory()
        self._offset = 0

    def decide(self, sent, *, at_ms=AT_MS):
        record = Record(sent.topic, 0, self._offset, sent.timestamp_ms, sent.key, sent.value, sent.headers)
        self._offset += 1
        decision = decide(record, self._directory, self._history, at_ms=at_ms)
        prior = prior_of(decision, time_ms=at_ms, receipt_first=0)
        if prior is not None:
            self._history.remember(decision.statement.origin, prior)
        return decision


@pytest.fixture
def router(directory):
    return _Router(directory)


def _names(faults):
    return [fault.kind for fault in faults]


@pytest.mark.parametrize("fault", FAULTS, ids=_names(FAULTS))
def test_each_kind_ends_as_expected(router, workbench, fault):
    """One finding, by one of the rules that may answer; the router never says that it is at a loss."""
    (bad,) = bad_documents(workbench, 1, [fault])
    for good in bad.before:
        assert Outcome.ACCEPTED is router.decide(good).outcome
    decision = router.decide(bad.record)

    assert bad.expected_outcome is decision.outcome
    assert 1 == len(decision.findings)
    assert decision.findings[0].rule in bad.expected_rules, decision.findings
    assert () == decision.recipients


def test_without_the_fault_it_is_accepted(router, workbench):
    """The draft that every fault is put into is good: the one thing is all that is wrong."""
    decision = router.decide(workbench.draft(1).to_record())

    assert (Outcome.ACCEPTED, ()) == (decision.outcome, decision.findings)


@pytest.mark.parametrize("fault", FAULTS, ids=_names(FAULTS))
def test_one_thing_is_changed(workbench, fault):
    """A fault changes one field of the draft; what is signed differs in one attribute, what is sent in one part."""
    good = workbench.draft(1)
    bad = fault.apply(good, workbench)
    changed = {
        name
        for name in (field.name for field in dataclasses.fields(Draft))
        if getattr(good, name) != getattr(bad, name)
    }
    attributes = {
        name
        for name in good.signed.keys() | bad.signed.keys()
        if good.signed.get(name) != bad.signed.get(name)
    }
    # An unknown sender is unknown by its origin, which the source repeats.
    assert changed == {"origin", "signed"} if fault.kind == "agency-unknown" else len(changed) == 1
    assert len(attributes) == ("signed" in changed)
    if "tamper" in changed:
        before, after = good.to_record(), bad.to_record()
        parts = [name for name in before._fields if getattr(before, name) != getattr(after, name)]
        assert 1 == len(parts)


def test_there_are_kinds_enough():
    """Every rule that the steps of a decision raise by themselves has a kind; the others have their examples."""
    named = set().union(*(fault.rules for fault in FAULTS))

    assert STEP_RULES == named <= set(RULES)
    assert len(FAULTS) == len({fault.kind for fault in FAULTS}) >= 17


def test_kinds_come_again_and_again_each_on_an_outbox_of_its_own(router, workbench):
    """A hundred bad documents share no outbox, so each is judged alone."""
    documents = list(bad_documents(workbench, 100))
    keys = [document.record.key for document in documents if b"/fault-" in document.record.key]

    assert 100 == len(documents)
    assert 95 < len(keys) == len(set(keys))
    for document in documents:
        for good in document.before:
            router.decide(good)
        decision = router.decide(document.record)
        assert document.expected_outcome is decision.outcome
        assert decision.findings[0].rule in document.expected_rules


def test_what_usual_clients_cannot_send_is_left_out(workbench):
    """The kinds for a real broker have header names that can be encoded."""
    for document in bad_documents(workbench, len(FAULTS)):
        for name, _ in document.record.headers:
            name.encode("utf-8")


def test_an_expired_agreement_was_good_in_its_time(router, workbench):
    """The same document, made and decided on while the agreement was in force, is accepted."""
    fault = next(fault for fault in FAULTS if fault.kind == "agreement-expired")
    then_ms = AT_MS - 2 * DAY_MS
    early = dataclasses.replace(workbench, at_ms=then_ms, signer=workbench.expired_signer)
    (bad,) = bad_documents(early, 1, [fault])

    assert Outcome.ACCEPTED is router.decide(bad.record, at_ms=then_ms).outcome


@pytest.mark.parametrize(("kind", "days"), [("certificate-expired", -2), ("certificate-not-yet-valid", 2)])
def test_a_certificate_is_good_in_its_time(router, workbench, kind, days):
    """The same document, said at a time at which the certificate is valid, is accepted."""
    fault = next(fault for fault in FAULTS if fault.kind == kind)
    then_ms = AT_MS + days * DAY_MS
    (bad,) = bad_documents(dataclasses.replace(workbench, at_ms=then_ms), 1, [fault])

    assert Outcome.ACCEPTED is router.decide(bad.record, at_ms=then_ms).outcome


def test_an_unknown_sender_is_good_once_registered(directory, workbench, signers):
    """With the agency, its key and its agreement in the directory, the same document is accepted."""
    fault = next(fault for fault in FAULTS if fault.kind == "agency-unknown")
    (bad,) = bad_documents(workbench, 1, [fault])
    certificate = signers["good"].certificate
    registered = dataclasses.replace(
        directory,
        agencies={**directory.agencies, GHOST.text: Agency(GHOST, "Ghost")},
        certificates={certificate.thumbprint: TrustedCertificate(certificate, GHOST)},
        agreements={"civil-persons": _agreement("civil-persons", GHOST)},
    )

    assert Outcome.ACCEPTED is _Router(registered).decide(bad.record).outcome


def test_a_gap_closes_when_the_missing_ones_are_there(directory, workbench):
    """The held document, sent again once its index is the next, is accepted."""
    fault = next(fault for fault in FAULTS if fault.kind == "index-gap")
    (bad,) = bad_documents(workbench, 1, [fault])

    class _Later(MemoryHistory):
        def next_index(self, origin):
            return 1000

    record = Record(bad.record.topic, 0, 0, AT_MS, *bad.record[2:5])
    assert Outcome.ACCEPTED is decide(record, directory, _Later(), at_ms=AT_MS).outcome


@pytest.mark.parametrize("kind", ["avro-array-endless", "avro-text-endless"])
def test_endless_values_take_no_memory(router, workbench, kind):
    """Counts far beyond the data are refused before anything of that size is made."""
    fault = next(fault for fault in FAULTS if fault.kind == kind)
    (bad,) = bad_documents(workbench, 1, [fault])
    router.decide(workbench.draft(999).to_record())
    tracemalloc.start()
    decision = router.decide(bad.record)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert "AVR-1" == decision.findings[0].rule
    assert peak_bytes < 1_000_000


def test_nothing_is_kept_about_headers_that_no_other_document_has(directory, workbench):
    """Place and verdict are kept for documents of one kind; a kind too long to be remembered leaves nothing behind."""
    fresh = dataclasses.replace(directory)
    router = _Router(fresh)
    draft = workbench.draft(1)
    long = dataclasses.replace(draft, signed={**draft.signed, "ce_long": b"x" * KIND_BYTES_MAX})

    assert Outcome.ACCEPTED is router.decide(long.to_record()).outcome
    assert (0, 0) == (len(fresh.places), len(fresh.verdicts))
    assert Outcome.ACCEPTED is _Router(fresh).decide(draft.to_record()).outcome
    assert (1, 1) == (len(fresh.places), len(fresh.verdicts))
