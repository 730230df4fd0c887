"""The audit of revocation material, and of decisions by the records that entries name."""

import pytest
from cryptography import x509

from govbus.audit.history import ReplayHistory
from govbus.audit.judge import Judge, demanded_entry
from govbus.audit.report import Check
from govbus.audit.revocations import RevocationAudit
from govbus.document import topics
from govbus.document.decision import LogEntry, SourcePosition
from govbus.document.finding import Outcome
from govbus.document.record import Record
from govbus.routing.decide import decide
from govbus.routing.history import MemoryHistory
from govbus.routing.trust.reading import read_material
from govbus.signing.issuing import CertificateAuthority
from govbus.signing.verifier import VerifiedSignatures
from govbus.testing import example_keys
from govbus.testing.example_bus import BASE_AT_MS, TAX, ExampleBus
from govbus.testing.example_documents import make_record

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
TIMES = {"this_update_ms": BASE_AT_MS - HOUR_MS, "next_update_ms": BASE_AT_MS + DAY_MS}


class Evidence:
    """A bus that wants the status of all certificates, its revocation records, one document and the entry about it."""

    def __init__(self):
        self.directory = ExampleBus.of({"bus": {"revocation": {"mode": "required"}}}).directory()
        self.record = make_record({}, self.directory.schemas.schemas[0], index=0, offset=0, at_ms=BASE_AT_MS)
        self.audit = RevocationAudit({1: self.directory})
        authority = example_keys.authority()
        revoked = authority.revoked_of(example_keys.issued(TAX.text).certificate_pem, BASE_AT_MS)
        self.take(authority.crl(**TIMES))
        self.take(authority.crl([revoked], number=2, **TIMES))

    def take(self, value, key=None):
        right = key if key is not None else read_material(value).digest.encode()
        number = self.audit.records.count
        return self.audit.take(Record(topics.REVOCATIONS, 0, number, 0, right, value, ()))

    def entry(self, revocations, at_ms=BASE_AT_MS):
        """Return the entry that a router writes by so many records."""
        decision = decide(
            self.record,
            self.directory,
            MemoryHistory(),
            at_ms=at_ms,
            revocations=self.audit.records.state(revocations),
        )
        stands = LogEntry(
            Outcome.ACCEPTED,
            at_ms,
            SourcePosition(self.record.topic, 0, 0),
            None,
            None,
            (),
            None,
            b"",
            None,
            1,
            (),
            (),
            0,
            None,
            revocations,
        )
        return demanded_entry(decision, self.record, stands, is_in_run=False)

    def findings(self, entry):
        history = ReplayHistory()
        judge = Judge({1: self.directory}, history, VerifiedSignatures(), self.audit.records)
        stands = Record(topics.MESSAGE_LOG, 0, 5, 0, b"", b"", ())
        found = judge.judge(stands, entry, self.record, is_in_run=False).findings
        history.close()
        return found


@pytest.fixture(scope="module")
def evidence():
    return Evidence()


@pytest.mark.parametrize(
    ("revocations", "outcome"), [(0, Outcome.REFUSED), (1, Outcome.ACCEPTED), (2, Outcome.REFUSED)]
)
def test_decided_again_by_the_records_named(evidence, revocations, outcome):
    """Each entry is judged by what its router knew, whatever came later."""
    entry = evidence.entry(revocations)
    assert outcome is entry.decision
    assert [] == evidence.findings(entry)


@pytest.mark.parametrize("revocations", [0, 2])
def test_another_number_of_records(evidence, revocations):
    """An entry that names other records than those it was decided by is found."""
    (entry,) = (evidence.entry(1)._replace(revocations=revocations),)
    found = evidence.findings(entry)
    assert {Check.DECISION} == {one.check for one in found}
    assert any(one.expected.startswith("decision refused") for one in found)


@pytest.mark.parametrize("revocations", [-1, 3, 2**40])
def test_records_that_are_not_there(evidence, revocations):
    """An entry cannot rest on records that the topic does not have."""
    (found,) = evidence.findings(evidence.entry(1)._replace(revocations=revocations))
    assert (Check.REVOCATION, "govbus.log", 5) == (found.check, found.topic, found.offset)


def test_operator_who_does_not_want_to_know(evidence):
    """A router that keeps to old records to go on accepting can do so only until their time and the grace are over."""
    late_ms = BASE_AT_MS + 2 * DAY_MS + 1
    assert Outcome.REFUSED is evidence.entry(1, late_ms).decision
    accepted = evidence.entry(1)._replace(time_ms=late_ms)
    assert any(one.expected == "decision refused" for one in evidence.findings(accepted))


def test_material_of_the_authority_is_no_finding():
    """What an authority of the directory signed is good, and counts."""
    made = Evidence()
    authority = example_keys.authority()
    assert made.take(authority.crl(**TIMES, number=3)) is None
    assert made.take(authority.ocsp_response(example_keys.issued(TAX.text).certificate_pem, **TIMES)) is None
    assert 4 == made.audit.records.count


@pytest.mark.parametrize("fault", ["noise", "stranger", "same name", "flipped", "key"])
def test_material_that_nobody_answers_for(fault):
    """Each record that is no authority's own word is named with its place, and counts."""
    made = Evidence()
    good = example_keys.authority().crl(number=9, **TIMES)
    name = x509.load_der_x509_crl(good).issuer.rfc4514_string().removeprefix("CN=")
    value = {
        "noise": b"noise",
        "stranger": CertificateAuthority.create("Stranger", at_ms=BASE_AT_MS).crl(**TIMES),
        "same name": CertificateAuthority.create(name, at_ms=BASE_AT_MS).crl(**TIMES),
        "flipped": good[:-1] + bytes([good[-1] ^ 1]),
        "key": good,
    }[fault]
    found = made.take(value, b"another" if fault in {"noise", "key"} else None)
    assert (Check.REVOCATION, topics.REVOCATIONS, 0, 2) == (
        found.check,
        found.topic,
        found.partition,
        found.offset,
    )
    assert 3 == made.audit.records.count
