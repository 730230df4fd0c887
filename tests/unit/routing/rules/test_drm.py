"""The FEA DRM: what packages, agreements and documents must name, and that it is there."""

import pytest

from govbus.document.finding import Outcome
from govbus.testing.rule_examples import run_example

PACKAGE, AGREEMENT = "packages/tax.assessment.yaml", "agreements/tax-assessments.yaml"


def found(text, rule):
    """Returns what a rule finds in an example: severity and field of each finding."""
    return [(one.severity.value, one.field) for one in run_example(text).of_rule(rule)]


@pytest.mark.parametrize("field", ["name", "description", "classification", "frequency", "steward", "types"])
def test_what_a_package_must_say(field):
    """A package without an attribute of an exchange package is refused, and the field is named."""
    assert [("R", f"{PACKAGE}: {field}")] == found(f"package: {{{field}: null}}", "DRM-3")


@pytest.mark.parametrize(
    "field",
    [
        "name",
        "description",
        "supplier",
        "consumers",
        "purpose",
        "legal_authority",
        "valid_from",
        "valid_to",
        "review_due",
        "classification",
        "impact",
        "data_categories",
    ],
)
def test_what_an_agreement_must_say(field):
    """An agreement without something that CA-3 demands is refused, and the field is named."""
    assert [("R", f"{AGREEMENT}: {field}")] == found(f"agreement: {{{field}: null}}", "DRM-3")


@pytest.mark.parametrize("party", ["supplier", "steward"])
def test_parties_have_contacts(party):
    """A party whom nobody can ask is refused."""
    key, place = ("agreement", AGREEMENT) if party == "supplier" else ("package", PACKAGE)
    text = f"{key}: {{{party}: {{contact: {{email: null}}}}}}"
    assert [("R", f"{place}: {party}.contact.email")] == found(text, "DRM-3")


def test_empty_lists_are_missing_too():
    """No consumers and no categories of data are as good as none written down."""
    text = "agreement: {consumers: [], data_categories: []}"
    assert [("R", f"{AGREEMENT}: consumers"), ("R", f"{AGREEMENT}: data_categories")] == found(text, "DRM-3")


def test_consumers_fit_a_log_entry():
    """An agreement whose consumers' inboxes an entry of the message log cannot name is refused."""
    party = "{{agency: {name}-{number}.example, contact: {{name: Somebody, email: a@b.example}}}}"
    parties = ", ".join(party.format(name="a" * 80, number=number) for number in range(200))
    assert ("R", f"{AGREEMENT}: consumers") in found(f"agreement: {{consumers: [{parties}]}}", "DRM-3")


@pytest.mark.parametrize("objective", ["i", "a"])
def test_not_applicable_is_for_confidentiality_alone(objective):
    """FIPS 199 knows NOT APPLICABLE for confidentiality alone, so an agreement does too."""
    assert [("R", f"{AGREEMENT}: impact.{objective}")] == found(
        f"agreement: {{impact: {{{objective}: NA}}}}", "SEC-1"
    )
    assert () == run_example("agreement: {impact: {c: NA}}").registration


def test_a_package_describes_and_a_document_is_the_instance():
    """The package of the FEA DRM is a description: many documents name one, through the agreement."""
    first = "before: [{}]\nrecord: {record_id: TA-2026-000018}"
    result = run_example(first)

    assert [Outcome.ACCEPTED] * 2 == [one.outcome for one in result.decisions]
    assert 1 == len({one.agreement for one in result.decisions})
    assert 2 == len({one.document_id for one in result.decisions})


def test_reviews_that_are_overdue():
    """An overdue review is a warning; documents still flow until the agreement ends."""
    result = run_example("agreement: {review_due: 2026-01-01}")

    assert [("W", f"{AGREEMENT}: review_due")] == [
        (one.severity.value, one.field) for one in result.registration
    ]
    assert Outcome.ACCEPTED is result.outcome


def test_agreements_that_have_ended():
    """An agreement that is called active after its end is warned of, and its documents are refused."""
    result = run_example("agreement: {valid_to: 2026-06-30}")

    assert [("W", f"{AGREEMENT}: valid_to"), ("R", "ce_agreementid")] == [
        (one.severity.value, one.field) for one in result.of_rule("DRM-1")
    ]
    assert [] == found("agreement: {valid_to: 2026-06-30, status: suspended}", "DRM-1")[:-1]


def test_documents_without_topic():
    """A document without topic is held for a person."""
    result = run_example("record: {topics: []}")

    assert Outcome.QUARANTINED is result.outcome
    assert ["record.topics"] == [one.field for one in result.of_rule("DRM-5")]


@pytest.mark.parametrize("topic", ["{taxonomy: other, topic: taxes}", "{taxonomy: example-topics, topic: x}"])
def test_topics_that_are_not_registered(topic):
    """A topic or taxonomy that nobody registered holds the document, and refuses a directory that names it."""
    both = f"[{{taxonomy: example-topics, topic: taxes}}, {topic}]"

    assert [("Q", "record.topics.1")] == found(f"record: {{topics: {both}}}", "DRM-5")
    for key in ("asset", "package"):
        result = run_example(f"{key}: {{topics: {both}}}")
        assert (None, ["DRM-5"]) == (result.outcome, [one.rule for one in result.registration])


def test_assets_that_are_not_registered():
    """A document from an unknown data asset is held; a package that names one is refused."""
    assert [("Q", "record.data_asset")] == found("record: {data_asset: tax.example/attic}", "DRM-6")
    assert [("R", f"{PACKAGE}: data_asset")] == found("package: {data_asset: tax.example/attic}", "DRM-6")


@pytest.mark.parametrize("change", ["id: moj.example/assessments", "steward: {agency: moj.example}"])
def test_assets_of_strangers(change):
    """The holder and the steward of a data asset are agencies of the directory."""
    text = f"asset: {{{change}}}\npackage: {{data_asset: moj.example/assessments}}"
    if "steward" in change:
        text = f"asset: {{{change}}}"
    assert [
        ("R", f"assets/assessments.yaml: {change.split(':')[0]}{'.agency' if 'steward' in change else ''}")
    ] == (found(text, "DRM-6"))


@pytest.mark.parametrize("address", ["/query", "tax.example", "https:", "https://tax.example/a b"])
def test_query_points(address):
    """The address of a query point is an absolute URI."""
    text = f"package: {{query_points: [{{address: '{address}', languages: [HTTP GET]}}]}}"
    assert [("R", f"{PACKAGE}: query_points.0.address")] == found(text, "DRM-8")


def test_agreements_that_let_nothing_pass():
    """An agreement that would refuse whatever its package describes is warned of."""
    result = run_example("agreement: {classification: public, data_categories: [non-pii]}")

    assert [
        ("SEC-8", "W", f"{AGREEMENT}: classification"),
        ("PRV-1", "W", f"{AGREEMENT}: data_categories"),
    ] == [(one.rule, one.severity.value, one.field) for one in result.registration]


def test_cui_codes_of_agreements():
    """Categories and dissemination controls that may pass are codes of the lists in force."""
    text = "agreement: {cui: {categories: [PRVCY, SP-TAX, SP-NONE], dissemination: [FED ONLY, WHOEVER]}}"
    assert [("R", f"{AGREEMENT}: cui.categories.2"), ("R", f"{AGREEMENT}: cui.dissemination.1")] == found(
        text, "CUI-1"
    )
