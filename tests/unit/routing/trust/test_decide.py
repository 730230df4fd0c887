"""What `decide()` makes of revocation: warnings, refusals, and indexes that a thief cannot use up."""

import pytest

from govbus.document.finding import Outcome
from govbus.routing.decide import decide, prior_of
from govbus.routing.history import MemoryHistory
from govbus.routing.trust.status import RevocationRecords
from govbus.testing import example_keys
from govbus.testing.example_bus import BASE_AT_MS, ORIGIN, TAX, ExampleBus
from govbus.testing.example_documents import make_record

HOUR_MS, DAY_MS = 3_600_000, 86_400_000


class Router:
    """A router of the example's bus."""

    def __init__(self):
        self.directory = ExampleBus.of({"bus": {"revocation": {"mode": "required"}}}).directory()
        self.history = MemoryHistory()
        self.records = RevocationRecords()

    def says(self, *names, until_ms=BASE_AT_MS + DAY_MS):
        """Have the authority say who is revoked, from the base time on."""
        authority = example_keys.authority()
        revoked = [
            authority.revoked_of(example_keys.issued(name).certificate_pem, BASE_AT_MS) for name in names
        ]
        number = self.records.count + 1
        self.records.add(
            authority.crl(
                revoked, number=number, this_update_ms=BASE_AT_MS - HOUR_MS, next_update_ms=until_ms
            )
        )

    def decide(self, index, offset, *, at_ms=BASE_AT_MS, made_ms=BASE_AT_MS, **example):
        schema = self.directory.schemas.schemas[0]
        record = make_record(example, schema, index=index, offset=offset, at_ms=made_ms)
        decision = decide(record, self.directory, self.history, at_ms=at_ms, revocations=self.records.state())
        prior = prior_of(decision, time_ms=at_ms, receipt_first=index)
        if prior is not None:
            self.history.remember(ORIGIN, prior)
        return decision


@pytest.fixture
def router():
    return Router()


def rules(decision):
    return [f"{one.rule} {one.severity.value}" for one in decision.findings]


def test_warning_stands_before_other_findings(router):
    """A status that is out of date warns, the document passes, and other rules are judged all the same."""
    router.says(until_ms=BASE_AT_MS - 1)
    decision = router.decide(0, 0, record={"sc": {"c": "NA"}})
    assert Outcome.REFUSED is decision.outcome
    assert ["SEC-11 W", "SEC-1 R"] == rules(decision)
    passed = router.decide(1, 1)
    assert (Outcome.ACCEPTED, ["SEC-11 W"], True) == (passed.outcome, rules(passed), passed.is_proven)


def test_refused_for_age_and_sent_again(router):
    """The same bytes pass once the authority is heard of again."""
    first = router.decide(0, 0)
    assert (Outcome.REFUSED, ["SEC-11 R"]) == (first.outcome, rules(first))
    router.says()
    assert Outcome.ACCEPTED is router.decide(0, 0).outcome


def test_revoked_key_uses_up_no_index(router):
    """What a revoked key signed proves nothing, so the agency can give the same index to a document of its own."""
    router.says(TAX.text)
    stolen = router.decide(0, 0)
    assert (Outcome.REFUSED, ["SEC-6 R"], False) == (stolen.outcome, rules(stolen), stolen.is_proven)
    own = router.decide(0, 1, made_ms=BASE_AT_MS - HOUR_MS, body={"reason": "another document"})
    assert Outcome.ACCEPTED is own.outcome


def test_earlier_documents_stay_good(router):
    """What was signed before the revocation passes after it."""
    router.says(TAX.text)
    assert Outcome.ACCEPTED is router.decide(0, 0, made_ms=BASE_AT_MS - 1000).outcome
