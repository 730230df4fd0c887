"""A consumer verifies everything again; each test breaks one thing and signs the rest."""

import dataclasses

import pytest
from cryptography import x509

from govbus.document.decision import SourcePosition
from govbus.document.ids import AgencyId
from govbus.document.record import frame
from govbus.routing.trust.status import RevocationRecords
from govbus.schemas.catalog import SchemaCatalog
from govbus.service.delivered import DeliveredDocument, DeliveredReceipt, Rejection, read_delivered
from govbus.signing.certificates import CertificateRole, TrustedCertificate
from govbus.signing.signature_policy import SignatureMode, SignaturePolicy
from govbus.signing.status_building import RevokedCertificate
from govbus.signing.verifier import VerifiedSignatures
from tests.unit.service.consumer.conftest import AT_MS, DAY_MS

BUS, CIVIL, HEALTH = (AgencyId(text) for text in ("bus.example", "civil.example", "health.example"))


def _read(record, directory):
    return read_delivered(record, directory, VerifiedSignatures())


def test_a_document_that_verifies_is_decoded(bench):
    """The value, the statement and the place come out of a good record."""
    delivered = _read(bench.document(3, "p-1", national_id="4711", offset=9), bench.directory)

    assert isinstance(delivered, DeliveredDocument)
    assert "civil.example-3" == delivered.document_id
    assert ("civil.example/main", 3) == (str(delivered.statement.origin), delivered.statement.index)
    assert {"surname": "x", "national_id": "4711"} == delivered.value["body"]
    assert SourcePosition("govbus.in.register.example", 0, 9) == delivered.position


def _other_header(record):
    headers = tuple((name, b"other" if name == "ce_type" else value) for name, value in record.headers)
    return record._replace(headers=headers)


@pytest.mark.parametrize(
    ("break_", "rule"),
    [
        (lambda record: record._replace(value=record.value[:-1] + b"\x01"), "SEC-3"),
        (lambda record: record._replace(value=record.value + b"\x00"), "SEC-3"),
        (lambda record: record._replace(value=None), "CE-6"),
        (lambda record: record._replace(key=b"other"), "SEC-3"),
        (lambda record: record._replace(key=None), "SEC-3"),
        (lambda record: record._replace(topic="govbus.in.health.example"), "DRM-2"),
        (lambda record: record._replace(headers=record.headers[:-1]), "SEC-3"),
        (lambda record: record._replace(headers=(*record.headers, ("ce_id", b"x"))), "CE-2"),
        (lambda record: record._replace(value=frame(101, record.value[5:])), "AVR-4"),
        (_other_header, "SEC-3"),
    ],
    ids=[
        "value", "longer value", "no value", "key", "no key", "topic", "no signature", "repeated header",
        "frame", "header",
    ],
)  # fmt: skip
def test_a_record_that_was_changed_is_rejected(bench, break_, rule):
    """Whatever is changed after signing, the document is not applied, and the rule is named."""
    delivered = _read(break_(bench.document(0, "p-1")), bench.directory)

    assert isinstance(delivered, Rejection)
    assert rule == delivered.rule
    assert "civil.example-0" == delivered.document_id


def test_the_key_of_another_agency_is_rejected(bench):
    """A signature holds only by a key that the directory binds to the origin's agency."""
    delivered = _read(bench.document(0, "p-1", signer=bench.signers[HEALTH]), bench.directory)

    assert "SEC-6" == delivered.rule


def test_a_source_that_is_not_the_origin_is_rejected(bench):
    """A sender speaks for its own outbox only."""
    delivered = _read(bench.document(0, "p-1", ce_source="https://civil.example/other"), bench.directory)

    assert ("ID-1", "ce_source") == (delivered.rule, delivered.field)


@pytest.mark.parametrize(("agreement", "rule"), [("nowhere", "DRM-1"), ("health-persons", "DRM-2")])
def test_an_agreement_that_does_not_cover_it_is_rejected(bench, agreement, rule):
    """The agreement must be registered and have the sender as supplier."""
    delivered = _read(bench.document(0, "p-1", ce_agreementid=agreement), bench.directory)

    assert (rule, "ce_agreementid") == (delivered.rule, delivered.field)


def test_an_agreement_for_another_schema_is_rejected(bench):
    """The agreement's package must have the document's schema."""
    package = dataclasses.replace(bench.directory.packages["civil.person"], schema_ids=(7,))
    directory = bench.with_directory(packages={"civil.person": package})

    assert "DRM-1" == _read(bench.document(0, "p-1"), directory).rule


def test_an_unknown_schema_is_rejected(bench):
    """A frame id that the directory does not have is AVR-4."""
    directory = bench.with_directory(schemas=SchemaCatalog())

    assert "AVR-4" == _read(bench.document(0, "p-1"), directory).rule


def test_a_value_that_does_not_decode_is_rejected(bench):
    """Signed bytes that the schema does not describe are AVR-1."""
    assert "AVR-1" == _read(bench.document(0, "p-1", avro=b"\xff\xff\xff\xff\x7f"), bench.directory).rule


def test_a_defect_of_ours_is_a_rejection(bench):
    """A document that makes the reader fail does not stop the ones behind it."""
    delivered = _read(bench.document(0, "p-1"), bench.with_directory(agreements=None))

    assert ("INT-1", "could not be judged: AttributeError") == (delivered.rule, delivered.reason)


def test_a_receipt_that_the_bus_signed(bench):
    """A receipt is told apart by its type and verified against the bus's certificate."""
    delivered = _read(bench.receipt(offset=4), bench.directory)

    assert isinstance(delivered, DeliveredReceipt)
    assert ("d-1", 4) == (delivered.receipt.document_id, delivered.position.offset)


def test_a_receipt_of_anybody_else_is_rejected(bench):
    """An agency cannot answer for the bus."""
    assert "SEC-6" == _read(bench.receipt(signer=bench.signers[CIVIL]), bench.directory).rule


def test_a_receipt_with_another_value_is_rejected(bench):
    """The signature covers the receipt's bytes."""
    record = bench.receipt()
    changed = record._replace(value=record.value[:-1] + bytes([record.value[-1] ^ 1]))

    assert "SEC-3" == _read(changed, bench.directory).rule


def test_a_receipt_with_two_signatures_or_none_is_rejected(bench):
    """A receipt has one signature."""
    record = bench.receipt()

    assert "SEC-3" == _read(record._replace(headers=record.headers[:-1]), bench.directory).rule
    assert (
        "SEC-3" == _read(record._replace(headers=record.headers + record.headers[-1:]), bench.directory).rule
    )


def test_a_statement_signature_is_none_over_a_receipt(bench):
    """The type of a signature says what it is over."""
    record = bench.receipt()
    document = bench.document(0, "p-1")
    headers = (*record.headers[:-1], document.headers[-1])

    assert "SEC-3" == _read(record._replace(headers=headers), bench.directory).rule


def test_a_receipt_after_the_certificate_was_revoked_is_rejected(bench):
    """The bus's certificate must be good at the time of the decision."""
    signer = bench.signers[BUS]
    thumbprint = signer.certificate.thumbprint
    revoked = TrustedCertificate(signer.certificate, BUS, revoked_ms=1)
    directory = bench.with_directory(certificates={**bench.directory.certificates, thumbprint: revoked})

    assert "SEC-6" == _read(bench.receipt(), directory).rule


def test_an_officer_of_the_bus_signs_no_receipt(bench):
    """Receipts are the bus's own, by its seal; a person there does not speak for it."""
    signer = bench.signers[BUS]
    officer = TrustedCertificate(signer.certificate, BUS, role=CertificateRole.OFFICER)
    certificates = {**bench.directory.certificates, signer.certificate.thumbprint: officer}

    assert "SEC-6" == _read(bench.receipt(), bench.with_directory(certificates=certificates)).rule


@pytest.mark.parametrize(
    "policy",
    [
        SignaturePolicy(is_officer_required=True),
        SignaturePolicy(is_twin_required=True),
        SignaturePolicy(mode=SignatureMode.BATCH),
    ],
    ids=["officer", "twin", "mode"],
)
@pytest.mark.parametrize("who", ["package", "agreement"])
def test_a_document_without_the_signatures_that_are_asked_for_is_rejected(bench, policy, who):
    """A consumer holds a document to its own directory, whatever the router let pass."""
    directory = bench.directory
    if who == "package":
        asking = {
            name: dataclasses.replace(one, signatures=policy) for name, one in directory.packages.items()
        }
        changed = bench.with_directory(packages=asking)
    else:
        asking = {
            name: dataclasses.replace(one, signatures=policy) for name, one in directory.agreements.items()
        }
        changed = bench.with_directory(agreements=asking)
    rejection = _read(bench.document(0, "p-1"), changed)

    assert ("SEC-10", "gb-sig") == (rejection.rule, rejection.field)


def _revoked(authority, certificate, revoked_ms):
    """Return what is known once the authority has revoked a certificate."""
    serial = x509.load_der_x509_certificate(certificate.der).serial_number
    records = RevocationRecords()
    records.add(
        authority.crl(
            [RevokedCertificate(serial, revoked_ms)], this_update_ms=AT_MS - DAY_MS, next_update_ms=AT_MS - 1
        )
    )
    return records.state()


@pytest.mark.parametrize("agency", [CIVIL, BUS], ids=["document", "receipt"])
def test_what_was_signed_after_a_revocation_is_rejected(bench, authority, agency):
    """Revocation counts from its date for documents and receipts, also where the word is out of date by now."""
    record = bench.document(0, "p-1") if agency == CIVIL else bench.receipt()
    for revoked_ms, is_good in ((AT_MS + 1000, True), (AT_MS, False)):
        state = _revoked(authority, bench.signers[agency].certificate, revoked_ms)
        found = read_delivered(record, bench.directory, VerifiedSignatures(), state)
        assert is_good is not isinstance(found, Rejection)
        assert is_good or "SEC-6" == found.rule
