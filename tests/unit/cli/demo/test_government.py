"""The government scenario without a broker: what is good is accepted, what is wrong is answered by its own rule."""

from collections import Counter
from dataclasses import replace

import pytest

from govbus.cli.demo.government import registration
from govbus.cli.demo.government.invention import Inventor
from govbus.cli.demo.government.outcome import (
    FAMILIES_SHOWN,
    FAMILY_OF,
    judge_good,
    judge_wrong,
    missing_families,
    rule_counts,
)
from govbus.cli.demo.government.registration import WRONG_ENTRIES, try_all
from govbus.cli.demo.government.stage import EXCHANGES, add_drill, document_text, required_agreement
from govbus.cli.demo.government.violations import CADENCE_PAUSE_MS, CADENCE_SECOND, VIOLATIONS
from govbus.cli.demo.government.wrong import WrongDocuments
from govbus.cli.demo.stage import Stage
from govbus.cli.demo.traffic import Expected
from govbus.document.decision import LogEntry, SourcePosition
from govbus.document.finding import Finding, Outcome, Severity
from govbus.document.ids import Origin
from govbus.document.record import Record
from govbus.errors import MissingPartError
from govbus.routing.decide import decide, prior_of
from govbus.routing.directory.build import build_directory
from govbus.routing.history import MemoryHistory
from govbus.service.directory.publishing import read_folder
from govbus.service.document_builder import DocumentBuilder
from govbus.service.document_check import check_document
from govbus.service.government_directory import write_government_directory
from govbus.service.processes import clock_ms


@pytest.fixture(scope="module")
def at_ms():
    return clock_ms()


@pytest.fixture(scope="module")
def stage(tmp_path_factory, at_ms):
    folder = tmp_path_factory.mktemp("government")
    sample = write_government_directory(folder / "directory", at_ms=at_ms)
    add_drill(sample, at_ms)
    content = read_folder(sample.folder, at_ms=at_ms).content
    directory = build_directory(content, version=1, issued_ms=at_ms, expires_ms=at_ms + 86_400_000)
    return Stage(folder, "", None, sample, directory, None)


class Bus:
    """Decides about records as a router does, one after another."""

    def __init__(self, directory):
        self.directory = directory
        self.history = MemoryHistory()
        self.offset = 0

    def decide(self, sent, at_ms):
        self.offset += 1
        record = Record(sent.topic, 0, self.offset, at_ms, sent.key, sent.value, sent.headers)
        decision = decide(record, self.directory, self.history, at_ms=at_ms)
        prior = prior_of(decision, time_ms=at_ms, receipt_first=0)
        if prior is not None:
            self.history.remember(decision.statement.origin, prior)
        return decision


def test_every_wrong_document_is_answered_by_its_rules(stage, at_ms):
    """Each is refused, held or warned of by exactly the rules that it breaks; good ones before it are accepted."""
    wrong = WrongDocuments(stage, Inventor(7, at_ms=at_ms), at_ms=at_ms)
    bus = Bus(stage.directory)
    later_ms = at_ms + CADENCE_PAUSE_MS
    problems = []
    for one, now_ms in [*((one, at_ms) for one in wrong.all()), (wrong.second_delivery(later_ms), later_ms)]:
        before = [bus.decide(record, now_ms) for record in one.before]
        decision = bus.decide(one.record, now_ms)
        rules = {finding.rule for finding in decision.findings}
        if (decision.outcome, rules) != (one.expected_outcome, one.expected_rules) or any(
            first.findings for first in before
        ):
            problems.append((one.kind, decision.outcome, rules))

    assert [] == problems


def test_second_delivery_needs_the_pause(stage, at_ms):
    """The same delivery without its pause belongs to the first, and is not warned of."""
    wrong = WrongDocuments(stage, Inventor(7, at_ms=at_ms), at_ms=at_ms)
    bus = Bus(stage.directory)
    bus.decide(wrong.first_delivery().record, at_ms)

    assert () == bus.decide(wrong.second_delivery(at_ms + 500).record, at_ms + 500).findings


def test_every_family_is_broken():
    """The violations, with those on the wire, name at least one rule of every family."""
    named = {rule for violation in VIOLATIONS for rule in violation.rules} | CADENCE_SECOND.rules
    wire = {"Avro", "Limits"}

    assert set(FAMILIES_SHOWN) <= {FAMILY_OF[rule] for rule in named} | wire
    assert len({violation.kind for violation in VIOLATIONS}) == len(VIOLATIONS)


@pytest.mark.parametrize("agreement_id", EXCHANGES)
def test_good_documents_are_good(stage, at_ms, agreement_id):
    """Invented documents of every kind are accepted without a finding, and no two are alike."""
    agreement = required_agreement(stage.directory, agreement_id)
    builder = DocumentBuilder(stage.directory, Origin(agreement.supplier, "main"), agreement)
    inventor = Inventor(1, at_ms=at_ms)
    texts = [document_text(agreement, inventor, number) for number in range(1, 21)]
    checks = [check_document(builder, stage.directory, text, at_ms=at_ms) for text in texts]

    assert {(Outcome.ACCEPTED, ())} == {(one.outcome, one.findings) for one in checks}
    assert 20 == len({repr(text.body) for text in texts})


def test_same_seed_same_documents(stage, at_ms):
    """Documents follow from the seed and the day alone."""
    agreement = required_agreement(stage.directory, "traffic-fines")
    one, same, other = (document_text(agreement, Inventor(seed, at_ms=at_ms), 1) for seed in (3, 3, 4))

    assert one == same
    assert one != other


@pytest.mark.parametrize("number", range(20))
def test_identifiers_have_right_check_digits(at_ms, number):
    """LEI, IBAN and creditor reference leave remainder 1 (ISO 7064, MOD 97-10)."""
    inventor = Inventor(number, at_ms=at_ms)
    iban, reference = inventor.iban(), inventor.creditor_reference("TF-000001")
    for text in (inventor.lei(), iban[4:] + iban[:4], reference[4:] + reference[:4]):
        assert 1 == int("".join(str(int(character, 36)) for character in text)) % 97


def test_every_wrong_entry_is_refused(stage, at_ms):
    """Registration names the expected rule for every wrong entry."""
    results = list(try_all(stage.sample.folder, at_ms=at_ms))

    assert [] == [(one.entry.kind, one.detail) for one in results if not one.is_found]
    assert len(WRONG_ENTRIES) == len(results)


def test_wrong_entry_that_nobody_notices(stage, at_ms, monkeypatch):
    """An entry that is good after all is told apart, so that the run fails."""
    harmless = replace(WRONG_ENTRIES[0], apply=dict)
    monkeypatch.setattr(registration, "WRONG_ENTRIES", (harmless,))

    assert [(False, "nothing was found")] == [
        (one.is_found, one.detail) for one in try_all(stage.sample.folder, at_ms=at_ms)
    ]


def entry(outcome, *rules):
    findings = tuple(Finding(rule, Severity.REFUSE, "field", "detail") for rule in rules)
    return LogEntry(
        outcome, 1, SourcePosition("t", 0, 0), None, None, (), None, b"", bytes(32), 1, findings, (), None
    )


PLACES = [SourcePosition("t", 0, offset) for offset in range(4)]


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (entry(Outcome.REFUSED, "CE-3"), []),
        (
            entry(Outcome.REFUSED, "CE-3", "ID-2"),
            ["late: expected refused by CE-3, found refused by CE-3, ID-2"],
        ),
        (entry(Outcome.QUARANTINED, "CE-3"), ["late: expected refused by CE-3, found quarantined by CE-3"]),
        (entry(Outcome.ACCEPTED), ["late: expected refused by CE-3, found accepted by no rule"]),
        (None, ["late: no decision"]),
    ],
)
def test_judging_wrong_documents(found, told):
    """A wrong document that was answered otherwise than expected is a problem of the run."""
    decisions = {} if found is None else {PLACES[0]: found}
    expected = {PLACES[0]: Expected("late", Outcome.REFUSED, frozenset({"CE-3"}))}

    assert told == judge_wrong(decisions, expected)


def test_judging_good_documents():
    """A good document that was refused, or warned of, is a problem of the run; a wrong one is none here."""
    decisions = {
        PLACES[0]: entry(Outcome.ACCEPTED),
        PLACES[1]: entry(Outcome.REFUSED, "CE-3"),
        PLACES[2]: entry(Outcome.ACCEPTED, "ID-2"),
        PLACES[3]: entry(Outcome.REFUSED, "CE-7"),
    }
    problems = judge_good(decisions, {PLACES[3]: Expected("x", Outcome.REFUSED, frozenset({"CE-7"}))})

    assert [
        "a good document at t/0@1: refused by CE-3",
        "a good document at t/0@2: accepted by ID-2",
    ] == problems


def test_families_that_are_missing():
    """Families of which no document broke a rule are named; each rule counts once a document."""
    counts = rule_counts(
        {PLACES[0]: entry(Outcome.REFUSED, "CE-3", "CE-3"), PLACES[1]: entry(Outcome.REFUSED, "CE-3")}
    )

    assert [("CE-3", 2, "CloudEvents")] == [(one.rule, one.documents, one.family) for one in counts]
    assert [name for name in FAMILIES_SHOWN if name != "CloudEvents"] == missing_families(counts)


def test_stage_without_an_agreement(stage):
    """An agreement that the demo's directory lacks is named."""
    with pytest.raises(MissingPartError, match="no agreement weddings"):
        required_agreement(stage.directory, "weddings")


def test_every_kind_is_sent():
    """Good documents flow under every agreement of the sample, so every package has some."""
    assert 11 == len(Counter(EXCHANGES))
