"""Personal data: what is declared covers what is marked, and numbers of persons are not overlooked."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from govbus.document.finding import Severity
from govbus.document.ids import PackageId
from govbus.routing.rules import privacy
from govbus.routing.rules.facts import DocumentFacts, ProvenDocument
from govbus.routing.rules.privacy import document_checks, pii_marks, template_breaches
from govbus.schemas.catalog import DocumentSchema
from govbus.schemas.codec import AvroCodec
from govbus.schemas.compose import compose_document_schema

PARTY = {
    "type": "record",
    "name": "Party",
    "doc": "A party.",
    "fields": [
        {"name": "name", "doc": "Name.", "type": "string", "govbus.pii": "non-sensitive-pii"},
        {"name": "diagnosis", "doc": "Diagnosis.", "type": ["null", "string"], "govbus.pii": "phi"},
    ],
}
BODY = {
    "type": "record",
    "name": "Case",
    "namespace": "tests",
    "doc": "A case.",
    "fields": [
        {"name": "number", "doc": "Number.", "type": "string"},
        {"name": "parties", "doc": "Parties.", "type": {"type": "array", "items": PARTY}},
        {"name": "judge", "doc": "Judge.", "type": "Party"},
    ],
}


def _schema(body):
    codec = AvroCodec(compose_document_schema(PackageId("tests.case"), 1, body))
    return DocumentSchema(100, "https://bus.example/schemas/tests.case/1", "tests.case", 1, codec)


MARKED, BARE = _schema(BODY), _schema({**BODY, "fields": BODY["fields"][:1]})


def _template(category, schema=BARE, allowed=("non-pii", "non-sensitive-pii", "sensitive-pii", "phi")):
    agreement = SimpleNamespace(id="a", data_categories=frozenset(allowed))
    return SimpleNamespace(attributes={"datacategory": category}, agreement=agreement, schema=schema)


def test_marks_are_found_wherever_they_stand():
    """Marks inside unions, arrays and records are found once, where the type is defined."""
    assert (
        ("body.parties.name", "non-sensitive-pii"),
        ("body.parties.diagnosis", "phi"),
    ) == pii_marks(MARKED)
    assert () == pii_marks(BARE)


@pytest.mark.parametrize(
    ("category", "fields"),
    [
        ("non-pii", ["body.parties.name", "body.parties.diagnosis"]),
        ("non-sensitive-pii", ["body.parties.diagnosis"]),
        ("sensitive-pii", ["body.parties.diagnosis"]),
        ("phi", []),
    ],
)
def test_what_is_declared_covers_what_is_marked(category, fields):
    """A document that declares less than its schema is marked with is refused, and the fields are named."""
    found = list(template_breaches(_template(category, MARKED)))

    assert [("PRV-2", "ce_datacategory")] * bool(fields) == [one[:2] for one in found]
    assert all(field in found[0].detail for field in fields)


def test_the_agreement_bounds_the_category():
    """A category that authority and purpose do not cover is refused."""
    assert ["PRV-1"] == [one.rule for one in template_breaches(_template("phi", allowed=("non-pii",)))]
    assert [] == list(template_breaches(_template("non-pii", allowed=("non-pii",))))


def _number_breaches(text, category="non-pii"):
    template = _template(category)
    value = {"record": {"title": "x"}, "body": {"number": text, "more": [{"text": "fine"}]}}
    proven = ProvenDocument({}, value, b"\x10" + text.encode() + b"\x00", ())
    facts = DocumentFacts(template, proven, time_ms=0, at_ms=0, past=None)
    return [one for check in document_checks(template) for one in check(facts)]


@pytest.mark.parametrize(
    "text",
    [
        "078-05-1120",
        "about 078-05-1120, see there",
        "912-78-1234",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111111111111111",
        "378282246310005",
    ],
)
def test_numbers_of_persons_hold_a_document_that_declares_none(text):
    """Social security, taxpayer and card numbers are noticed, named by place, and never repeated."""
    (found,) = _number_breaches(text)

    assert ("PRV-2", "body.number", Severity.QUARANTINE) == (found.rule, found.field, found.severity)
    assert not any(part in found.detail for part in text.split())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-23",
        "000-12-3456",
        "666-12-3456",
        "123-00-4567",
        "123-45-0000",
        "1078-05-11200",
        "4111 1111 1111 1112",
        "0000000000000000",
        "123456789012",
        "019ac0de-8b2a-7000-8000-000000000001",
    ],
)
def test_other_numbers_do_not(text):
    """Days, ids, and numbers whose form or check digit is wrong hold nothing up."""
    assert [] == _number_breaches(text)


def test_a_document_that_declares_personal_data_is_not_searched():
    """Where a category is declared, numbers of persons are what one expects."""
    assert [] == _number_breaches("078-05-1120", "sensitive-pii")


@given(st.from_regex(privacy._NUMBERS, fullmatch=True), st.binary(max_size=20), st.binary(max_size=20))
def test_the_quick_look_overlooks_nothing(number, before, after):
    """Wherever the exact pattern finds something, the quick one does too."""
    octets = before + number + after
    if privacy._NUMBERS.search(octets) is not None:
        assert privacy._MAYBE_NUMBERS.search(octets) is not None
