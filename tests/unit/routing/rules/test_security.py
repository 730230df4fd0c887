"""Security categories, what an agreement lets pass, and the audit record of every decision."""

from types import SimpleNamespace

import pytest

from govbus.document.decision import LogEntry, SourcePosition
from govbus.document.finding import Finding, Outcome, Severity
from govbus.errors import LogIntegrityError
from govbus.routing.directory.model import Impact, SecurityCategory
from govbus.routing.rules import security
from govbus.routing.rules.facts import DocumentFacts, ProvenDocument
from govbus.routing.rules.rule import Profile
from govbus.routing.rules.security import (
    CLASSICAL_UNTIL_MS,
    audit_record_breaches,
    certificate_breaches,
    document_checks,
    require_audit_record,
    template_breaches,
)
from govbus.signing.algorithms import Algorithm
from govbus.signing.certificates import TrustedCertificate
from govbus.signing.issuing import CertificateAuthority
from govbus.signing.signature_policy import NO_POLICY, ProvenSignature
from govbus.signing.signer import KeySigner
from govbus.testing.example_bus import TAX

AT_MS = 1_795_466_700_000
MODERATE = SecurityCategory(Impact.MOD, Impact.MOD, Impact.MOD)


def _agreement(**fields):
    good = {
        "id": "a",
        "impact": MODERATE,
        "classification": "confidential",
        "cui_categories": frozenset({"PRVCY"}),
        "cui_dissemination": frozenset({"FED ONLY"}),
        "is_encryption_allowed": False,
        "signatures": NO_POLICY,
    }
    return SimpleNamespace(**(good | fields))


def _template(sc=("MOD", "MOD", "LOW"), agreement=None, profiles=(), **attributes):
    good = {"dataclassification": "confidential", "accesslevel": "non-public"}
    return SimpleNamespace(
        attributes=good | attributes,
        record={"sc": dict(zip("cia", sc, strict=True))},
        agreement=agreement or _agreement(),
        package=SimpleNamespace(signatures=NO_POLICY),
        profiles=frozenset(profiles),
    )


@pytest.fixture(autouse=True)
def _no_banner(monkeypatch):
    monkeypatch.setattr(security, "cui_marking", lambda _: None)


def _found(facts):
    return [(one.rule, one.field) for one in template_breaches(facts)]


def test_what_keeps_the_agreement_passes():
    """Categories at or below the agreement's, and classifications too, give no finding."""
    assert [] == _found(_template())
    assert [] == _found(_template(("LOW", "LOW", "LOW"), dataclassification="public", accesslevel="public"))
    assert [] == _found(_template(("NA", "LOW", "LOW"), dataclassification="public", accesslevel="public"))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (_template(("NA", "LOW", "LOW")), [("SEC-1", "record.sc.c")]),
        (_template(("HIGH", "MOD", "LOW")), [("SEC-2", "record.sc.c")]),
        (_template(("LOW", "HIGH", "HIGH")), [("SEC-2", "record.sc.i"), ("SEC-2", "record.sc.a")]),
        (_template(dataclassification="restricted"), [("SEC-8", "ce_dataclassification")]),
        (_template(encryption="hpke"), [("SEC-9", "ce_encryption")]),
    ],
)
def test_what_goes_beyond_the_agreement(facts, expected):
    """Each objective is compared by itself, and every breach names its place."""
    assert expected == _found(facts)


def test_encryption_that_is_permitted():
    """The agreement may permit payloads that nobody on the way can read."""
    assert [] == _found(_template(agreement=_agreement(is_encryption_allowed=True), encryption="hpke"))


@pytest.mark.parametrize(
    ("categories", "controls", "expected"),
    [
        (("PRVCY",), ("FED ONLY",), 0),
        (("PRVCY", "SP-TAX"), (), 1),
        (("PRVCY",), ("NOFORN",), 1),
        (("SP-TAX",), ("NOFORN",), 2),
    ],
)
def test_cui_that_the_agreement_names(monkeypatch, categories, controls, expected):
    """Every category and every control of a banner stands in the agreement."""
    banner = SimpleNamespace(categories=categories, controls=controls)
    monkeypatch.setattr(security, "cui_marking", lambda _: banner)

    assert [("SEC-8", "ce_cuibanner")] * expected == _found(_template())


def _signer(algorithm, not_after_ms=AT_MS + 10**9):
    authority = CertificateAuthority.create("Test authority", at_ms=AT_MS - 10**9)
    issued = authority.issue("x", algorithm, not_before_ms=AT_MS - 10**8, not_after_ms=not_after_ms)
    return KeySigner.from_pem(issued.key_pem, issued.certificate_pem, kid="x")


@pytest.mark.parametrize(
    ("algorithm", "not_after_ms", "expected"),
    [
        (Algorithm.ED25519, AT_MS + 10**9, []),
        (Algorithm.ED25519, CLASSICAL_UNTIL_MS + 10**9, [("SEC-4", Severity.WARN)]),
        (Algorithm.ML_DSA_44, CLASSICAL_UNTIL_MS + 10**9, []),
    ],
)
def test_certificates_for_long(algorithm, not_after_ms, expected):
    """A key that a quantum computer breaks earns a warning where it is to be used beyond 2035."""
    certificate = _signer(algorithm, not_after_ms).certificate

    assert expected == [
        (one.rule, one.severity) for one in certificate_breaches(certificate, "certificates.0")
    ]


def test_national_security_systems_want_one_algorithm():
    """In profile nss one of the signatures is by an ML-DSA-87 key; elsewhere nobody asks."""
    small, large = (
        ProvenSignature(TrustedCertificate(_signer(algorithm).certificate, TAX), is_over_batch=False)
        for algorithm in (Algorithm.ED25519, Algorithm.ML_DSA_87)
    )
    template = _template(profiles=[Profile.NSS])

    def found(*signatures):
        facts = DocumentFacts(
            template, ProvenDocument({}, {}, b"", signatures), time_ms=0, at_ms=0, past=None
        )
        return [one.rule for check in document_checks(template) for one in check(facts)]

    assert ["SEC-5"] == found(small)
    assert [] == found(large) == found(small, large)
    assert [] == list(document_checks(_template()))


ENTRY = LogEntry(
    Outcome.REFUSED,
    AT_MS,
    SourcePosition("govbus.out.tax.example", 0, 0),
    None,
    None,
    (),
    None,
    b"",
    bytes(32),
    1,
    (Finding("CE-2", Severity.REFUSE, "ce_id", "twice"),),
    (),
    None,
)


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        (ENTRY, None),
        (ENTRY._replace(decision=None), "decision"),
        (ENTRY._replace(time_ms=0), "time"),
        (ENTRY._replace(source=SourcePosition("", 0, 0)), "source"),
        (ENTRY._replace(record_hash=None), "statement"),
        (ENTRY._replace(findings=()), "findings"),
        (ENTRY._replace(decision=Outcome.ACCEPTED, findings=()), None),
    ],
)
def test_audit_records_are_complete_or_not_written(entry, field):
    """Each of the contents of AU-3 is there, or the router stops before it decides without a record."""
    assert [field] * (field is not None) == [one.field for one in audit_record_breaches(entry)]
    if field is None:
        require_audit_record(entry)
    else:
        with pytest.raises(LogIntegrityError, match="SEC-7"):
            require_audit_record(entry)
