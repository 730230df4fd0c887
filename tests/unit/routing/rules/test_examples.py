"""Every rule of the design's table is there, and its examples say what it does by doing it."""

import pytest

from govbus.document.finding import Outcome
from govbus.routing.rules.catalogue import RULES
from govbus.routing.rules.rule import Moment
from govbus.testing.example_bus import BASE_BODY, BASE_RECORD
from govbus.testing.example_yaml import example_fields
from govbus.testing.rule_examples import run_example

TABLE = {
    "CE-1": ("R", "norm"),
    "CE-2": ("R", "norm"),
    "CE-3": ("R", "norm"),
    "CE-4": ("R", "norm"),
    "CE-5": ("R", "norm"),
    "CE-6": ("R", "norm profile"),
    "CE-7": ("R", "norm"),
    "CE-8": ("W", "guidance"),
    "CE-9": ("WR", "guidance"),
    "DRM-1": ("R", "profile"),
    "DRM-2": ("R", "profile"),
    "DRM-3": ("R", "profile"),
    "DRM-4": ("R", "profile"),
    "DRM-5": ("Q", "profile"),
    "DRM-6": ("Q", "profile"),
    "DRM-7": ("W", "profile"),
    "DRM-8": ("R", "profile"),
    "AVR-1": ("R", "norm"),
    "AVR-2": ("R", "profile"),
    "AVR-3": ("R", "norm profile"),
    "AVR-4": ("R", "profile"),
    "AVR-5": ("R", "norm"),
    "NDR-12": ("R", "norm"),
    "NDR-13": ("R", "norm"),
    "NDR-7": ("W", "guidance"),
    "DCAT-1": ("R", "norm"),
    "DCAT-2": ("R", "norm"),
    "DCAT-3": ("R", "norm"),
    "DCAT-4": ("R", "norm"),
    "DCAT-5": ("R", "norm"),
    "REC-1": ("R", "norm profile"),
    "REC-2": ("QW", "norm profile"),
    "REC-3": ("R", "norm profile"),
    "REC-4": ("R", "norm profile"),
    "REC-5": ("W", "norm profile"),
    "REC-6": ("R", "norm"),
    "CUI-1": ("R", "norm"),
    "CUI-2": ("R", "norm"),
    "CUI-3": ("R", "norm"),
    "CUI-4": ("W", "guidance"),
    "CUI-5": ("R", "profile"),
    "CUI-6": ("R", "profile"),
    "CUI-7": ("R", "norm"),
    "SEC-1": ("R", "norm"),
    "SEC-2": ("R", "norm"),
    "SEC-3": ("R", "norm profile"),
    "SEC-4": ("R", "norm"),
    "SEC-5": ("R", "norm"),
    "SEC-6": ("R", "norm"),
    "SEC-7": ("R", "norm profile"),
    "SEC-8": ("R", "norm"),
    "SEC-9": ("R", "norm"),
    "SEC-10": ("R", "profile"),
    "SEC-11": ("R", "profile"),
    "PRV-1": ("R", "norm profile"),
    "PRV-2": ("RQ", "profile"),
    "ID-1": ("R", "norm profile"),
    "ID-2": ("W", "profile"),
    "SEQ-1": ("R", "profile"),
    "LNG-1": ("W", "norm"),
    "DED-1": ("Q", "profile"),
    "ODC-1": ("R", "norm"),
}
"""Severities and bases of the design's rule table; SEQ-1 is weighed by the finding (a gap holds, a repeat refuses)."""
PERSONAL = [
    BASE_RECORD["title"],
    BASE_RECORD["description"],
    BASE_RECORD["creator"]["name"],
    BASE_BODY["case_id"],
]
EVERY = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)


@pytest.mark.parametrize("rule_id", TABLE)
def test_every_rule_of_the_table_exists(rule_id):
    """Each id of the table is a rule, with a severity and a basis that the table gives it."""
    severities, bases = TABLE[rule_id]
    rule = RULES[rule_id]

    assert rule.severity.value in severities
    assert rule.basis.value in bases.split()


@EVERY
def test_every_rule_explains_itself(rule):
    """No rule is without citation, moments, explanation, what is accepted, and an example each way."""
    assert all((rule.citation, rule.moments, rule.passing, rule.failing))
    assert all(text.endswith(".") for text in (rule.explanation, rule.accepted))
    assert rule.passing != rule.failing


def test_nothing_is_wrong_with_the_base():
    """The base that every example changes registers without a word, and its document is accepted without a finding."""
    result = run_example("{}")

    assert ((), Outcome.ACCEPTED) == (result.findings, result.outcome)


@EVERY
def test_the_passing_example_passes(rule):
    """It gives no finding of the rule, and its document is accepted."""
    result = run_example(rule.passing)

    assert () == result.of_rule(rule.id)
    assert result.outcome is Outcome.ACCEPTED or "scenario" in example_fields(rule.passing), result.findings


@EVERY
def test_the_failing_example_fails(rule):
    """It gives a finding of the rule, at a moment that the rule names, and of no other rule."""
    result = run_example(rule.failing)

    assert result.of_rule(rule.id)
    assert {rule.id} == {finding.rule for finding in result.findings}, result.findings
    assert Moment.REGISTRATION in rule.moments or not result.registration
    assert {Moment.DOCUMENT, Moment.FLOW} & set(rule.moments) or result.registration


@EVERY
def test_documents_before_it_are_good(rule):
    """What was sent before an example's document was accepted: its own is what is wrong."""
    for example in (rule.passing, rule.failing):
        earlier = run_example(example).decisions[:-1]
        assert [Outcome.ACCEPTED] * len(earlier) == [decision.outcome for decision in earlier]


@EVERY
def test_findings_repeat_nothing_of_the_payload(rule):
    """No finding has a value of the body, or a title, description or name of the record."""
    body = example_fields(rule.failing).get("body") or {}
    values = [*PERSONAL, *(text for text in _texts(body) if len(text) > 3)]
    said = " ".join(finding.detail for finding in run_example(rule.failing).findings)

    assert [] == [value for value in values if value in said]


def _texts(value):
    if isinstance(value, dict):
        return [text for part in value.values() for text in _texts(part)]
    if isinstance(value, list):
        return [text for part in value for text in _texts(part)]
    return [str(value)]
