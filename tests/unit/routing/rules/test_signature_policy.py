"""Rule SEC-10 from end to end: a directory that asks for signatures, documents that carry them or not, the decision."""

import pytest

from govbus.document.finding import Outcome, Severity
from govbus.routing.directory.entries import entry_json
from govbus.testing.example_bus import ExampleBus
from govbus.testing.rule_examples import registration_findings, run_example

OFFICER, TWIN = "signatures: {officer: required}", "signatures: {twin: required}"
SINGLE, BATCH = "signatures: {mode: single}", "signatures: {mode: batch}"


def _decision(package="", raw="", agreement=""):
    """Return the decision about a document, with what package and agreement ask for and how it was signed."""
    example = f"package: {{{package}}}\nagreement: {{{agreement}}}\nraw: {{{raw}}}"
    return run_example(example).decisions[-1]


@pytest.mark.parametrize(
    ("package", "raw"),
    [
        ("", ""),
        ("", "signed_by: [twin]"),
        ("", "signed_by: [seal, officer]"),
        ("", "signed_by: [seal, officer, twin]"),
        ("", "mode: batch"),
        ("", "mode: batch, signed_by: [seal, officer, twin]"),
        (OFFICER, "signed_by: [seal, officer]"),
        (OFFICER, "signed_by: [officer, seal]"),
        (OFFICER, "mode: batch, signed_by: [seal, officer]"),
        (TWIN, "signed_by: [seal, twin]"),
        (TWIN, "mode: batch, signed_by: [twin, seal]"),
        (SINGLE, "signed_by: [seal, twin, officer]"),
        (BATCH, "mode: batch, signed_by: [seal, twin, officer]"),
    ],
)
def test_what_is_asked_for_is_accepted(package, raw):
    """A document with every signature that its package asks for is accepted, in any order, with more beside them."""
    decision = _decision(package, raw)

    assert (Outcome.ACCEPTED, ()) == (decision.outcome, decision.findings)


@pytest.mark.parametrize(
    ("package", "raw", "words"),
    [
        (OFFICER, "", "an officer's signature beside the seal"),
        (OFFICER, "mode: batch", "an officer's signature beside the seal"),
        (OFFICER, "signed_by: [seal, twin]", "an officer's signature beside the seal"),
        (TWIN, "", "a second seal by an ML-DSA key"),
        (TWIN, "signed_by: [seal, officer]", "a second seal by an ML-DSA key"),
        (TWIN, "signed_by: [twin]", "a second seal by an ML-DSA key"),
        (TWIN, "mode: batch", "a second seal by an ML-DSA key"),
        (SINGLE, "mode: batch", "over the statement itself, found it over a batch"),
        (
            SINGLE,
            "mode: batch, signed_by: [seal, officer]",
            "over the statement itself, found it over a batch",
        ),
        (BATCH, "", "over a batch, found it over the statement"),
        (BATCH, "signed_by: [seal, officer]", "over a batch, found it over the statement"),
    ],
)
def test_what_is_missing_or_in_the_wrong_mode_is_refused(package, raw, words):
    """A document without one of them, or with its seal over the wrong text, is refused, though it is proven."""
    decision = _decision(package, raw)
    (finding,) = decision.findings

    assert (Outcome.REFUSED, "SEC-10", "gb-sig") == (decision.outcome, finding.rule, finding.field)
    assert words in finding.detail
    assert decision.is_proven


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        ("signed_by: [officer]", "SEC-10"),
        ("signed_by: [seal, seal]", "SEC-10"),
        ("signed_by: [seal, officer, officer]", "SEC-10"),
        ("mode: batch, signed_by: [seal, officer-over-batch]", "SEC-10"),
        ("mode: batch, signed_by: [officer-over-batch]", "SEC-10"),
        ("signed_by: [seal, officer-of-another-agency]", "SEC-6"),
    ],
)
@pytest.mark.parametrize("package", ["", OFFICER])
def test_what_no_package_lets_pass(package, raw, rule):
    """An officer alone, over a batch or of another agency, and a certificate that signs twice: never proven."""
    decision = _decision(package, raw)

    assert [rule] == [one.rule for one in decision.findings]
    assert (Outcome.REFUSED, False) == (decision.outcome, decision.is_proven)


def test_all_that_is_missing_is_told_at_once():
    """The sender learns of the officer, the twin and the mode in one receipt."""
    decision = _decision("signatures: {officer: required, twin: required, mode: batch}")

    assert 3 * ["SEC-10"] == [one.rule for one in decision.findings]


@pytest.mark.parametrize(
    ("package", "agreement", "raw", "outcome"),
    [
        ("", OFFICER, "", Outcome.REFUSED),
        ("", OFFICER, "signed_by: [seal, officer]", Outcome.ACCEPTED),
        (OFFICER, TWIN, "signed_by: [seal, officer]", Outcome.REFUSED),
        (OFFICER, TWIN, "signed_by: [seal, twin]", Outcome.REFUSED),
        (OFFICER, TWIN, "signed_by: [seal, officer, twin]", Outcome.ACCEPTED),
        (OFFICER, "signatures: {officer: optional}", "", Outcome.REFUSED),
        ("", SINGLE, "mode: batch", Outcome.REFUSED),
        (SINGLE, "signatures: {mode: any}", "mode: batch", Outcome.REFUSED),
    ],
)
def test_an_agreement_asks_for_more_and_never_for_less(package, agreement, raw, outcome):
    """What the parties ask for is added to what the package asks for, and takes nothing away."""
    assert outcome is _decision(package, raw, agreement).outcome


def test_package_and_agreement_may_not_exclude_each_other():
    """One that asks for single and one that asks for batch never make a directory."""
    result = run_example(f"package: {{{SINGLE}}}\nagreement: {{{BATCH}}}")

    (finding,) = result.findings
    assert ((), "SEC-10") == (result.decisions, finding.rule)
    assert "signatures.mode" in finding.field


@pytest.mark.parametrize(
    "signatures", [{"seal": "optional"}, {"officer": "yes"}, {"mode": "both"}, {"x": "y"}]
)
def test_the_form_of_a_policy(signatures):
    """The seal is always required, and no other words stand in a policy: each is a finding of the rule."""
    found = registration_findings(ExampleBus.of({"package": {"signatures": signatures}}))

    assert {"SEC-10"} == {one.rule for one in found}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, []),
        ({"officer": "required"}, []),
        ({"twin": "required"}, [Severity.WARN]),
        ({"officer": "required", "twin": "required", "mode": "batch"}, [Severity.WARN]),
    ],
)
@pytest.mark.parametrize("by", ["package", "agreement"])
def test_a_supplier_without_the_certificate_is_a_warning(by, asked, expected):
    """Whoever publishes learns that nobody can send what is asked for; the version is good all the same."""
    found = registration_findings(ExampleBus.of({by: {"signatures": asked}}))

    assert [("SEC-10", severity) for severity in expected] == [(one.rule, one.severity) for one in found]
    assert all("tax.example has no certificate" in one.detail for one in found)


def test_an_entry_without_a_policy_is_published_as_before():
    """The bytes of an entry that asks for nothing name no signatures, so entries of old keep their hashes."""
    bus, asking = ExampleBus.of({}), ExampleBus.of({"package": {"signatures": {"officer": "required"}}})

    assert b"signatures" not in b"".join(map(entry_json, bus.files.content.entries()))
    assert b"signatures" in b"".join(map(entry_json, asking.files.content.entries()))
