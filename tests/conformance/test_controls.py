"""The controls of NIST SP 800-53 that rules cite, against the catalogue's own text."""

import json
import re

import pytest

from govbus.document.decision import LogEntry, SourcePosition
from govbus.document.finding import Finding, Outcome, Severity
from govbus.routing.rules.catalogue import RULES
from govbus.routing.rules.security import audit_record_breaches

pytestmark = pytest.mark.conformance_set("security")

CONTROL = re.compile(r"\b([A-Z]{2})-(\d+)(?:\((\d+)\))?(?: ([a-z])\b)?")
FAMILIES = {"AC", "AU", "CA", "CM", "PT", "SA", "SC", "SI"}
ELSEWHERE = {"cm-4.1", "pt-2", "pt-3", "sa-3.2", "si-12.1"}
"""Cited, but not in the file: the privacy baseline, and two controls on tests that are not kept in it."""


@pytest.fixture(scope="module")
def controls(conformance_data):
    return json.loads((conformance_data / "security/sp800-53r5-high-subset.json").read_text())["controls"]


def _cited():
    """Return id and lettered item of every control that a rule cites."""
    for rule in RULES.values():
        for family, number, enhancement, item in CONTROL.findall(rule.citation):
            if family in FAMILIES:
                yield f"{family.lower()}-{number}" + (f".{enhancement}" if enhancement else ""), item


def _statement(control):
    return next(part for part in control["parts"] if part["name"] == "statement")


def test_every_cited_control_exists(controls, record_property):
    """Every control that a rule cites is one of the catalogue, and has the item that is cited of it."""
    cited = set(_cited())
    record_property("cases", len(cited))
    record_property("left_out", f"not in the file: {', '.join(sorted(ELSEWHERE))}")

    assert {name for name, _ in cited} - controls.keys() == ELSEWHERE
    for name, item in cited:
        if item and name in controls:
            letters = [part["id"].rpartition(".")[2] for part in _statement(controls[name])["parts"]]
            assert item in letters


ENTRY = LogEntry(
    decision=Outcome.REFUSED,
    time_ms=1_795_466_700_000,
    source=SourcePosition("govbus.out.tax.example", 0, 7),
    document_id="1",
    statement=b"statement",
    signatures=(),
    batch=None,
    path=b"",
    record_hash=None,
    directory_version=1,
    findings=(Finding("CE-1", Severity.REFUSE, "ce_id", "missing"),),
    recipients=(),
    receipt_first=None,
)
CONTENTS = {
    "What type of event occurred": {"decision": None},
    "When the event occurred": {"time_ms": 0},
    "Where the event occurred": {"source": SourcePosition("", 0, 7)},
    "Source of the event": {"source": SourcePosition("govbus.out.tax.example", 0, -1)},
    "Outcome of the event": {"findings": ()},
    "Identity of any individuals": {"statement": None},
}
"""What takes each content of AU-3 out of a log entry."""


def test_au_3_has_six_contents(controls):
    """The contents that SEC-7 asks of a log entry are the six of AU-3, in its words and order."""
    words = [part["prose"] for part in _statement(controls["au-3"])["parts"]]

    assert len(CONTENTS) == len(words)
    assert all(text.startswith(content) for content, text in zip(CONTENTS, words, strict=True))


@pytest.mark.parametrize("content", CONTENTS)
def test_an_entry_without_one_of_them_is_no_record(controls, content):
    """The whole entry satisfies SEC-7; without any one content it does not."""
    changed = ENTRY._replace(**CONTENTS[content])

    assert [] == list(audit_record_breaches(ENTRY))
    assert ["SEC-7"] == [breach.rule for breach in audit_record_breaches(changed)]
