"""`decide()` is total and deterministic: no record makes it raise, and the same record gives the same decision."""

from hypothesis import given, settings
from hypothesis import strategies as st

from govbus.document.finding import Outcome
from govbus.document.ids import AgencyId
from govbus.document.record import Record
from govbus.routing.decide import REQUIRED_ATTRIBUTES, decide, record_hash
from govbus.routing.directory.model import Directory
from govbus.routing.history import MemoryHistory
from govbus.routing.rules.catalogue import RULES
from govbus.schemas.catalog import SchemaCatalog

DIRECTORY = Directory(
    version=1,
    bus=AgencyId("bus.example"),
    name="Test bus",
    authority="Test authority",
    issued_ms=0,
    expires_ms=2**50,
    agencies={},
    certificates={},
    packages={},
    agreements={},
    schemas=SchemaCatalog(),
)
NAMES = st.one_of(
    st.sampled_from(
        ["gb-stmt", "gb-salt", "gb-sig", "gb-batch", "gb-path", "content-type", *REQUIRED_ATTRIBUTES]
    ),
    st.text(max_size=12),
    st.just("ce_\udcff"),
)
STATEMENTS = st.sampled_from(
    [
        b"govbus/statement/v1\norigin tax.example/main\nindex 0\ntopic govbus.out.tax.example\n"
        b"headers " + b"A" * 43 + b"\nschema " + b"0" * 64 + b"\nlength 3\nvalue " + b"A" * 43 + b"\n"
        b"time 2026-11-23T20:45:00.123Z\n",
        b"",
    ]
)
VALUES = st.one_of(st.binary(max_size=40), st.just(bytes(16)), STATEMENTS, st.none())
RECORDS = st.builds(
    Record,
    topic=st.sampled_from(["govbus.out.tax.example", "govbus.out.", "govbus.in.tax.example", "x"]),
    partition=st.just(0),
    offset=st.integers(0, 2**40),
    timestamp_ms=st.just(0),
    key=st.one_of(st.none(), st.just(b"tax.example/main"), st.binary(max_size=8)),
    value=st.one_of(st.none(), st.binary(max_size=64)),
    headers=st.lists(st.tuples(NAMES, VALUES), max_size=24).map(tuple),
)


@settings(max_examples=400, deadline=None)
@given(record=RECORDS, at_ms=st.integers(0, 2**45))
def test_decide_is_total_and_deterministic(record, at_ms):
    """Whatever stands on an outbox is refused or held with a rule of ours, twice the same, and has a name."""
    first = decide(record, DIRECTORY, MemoryHistory(), at_ms=at_ms)
    second = decide(record, DIRECTORY, MemoryHistory(), at_ms=at_ms)

    assert first.outcome in {Outcome.REFUSED, Outcome.QUARANTINED}
    assert (first.outcome, first.findings, first.recipients) == (
        second.outcome,
        second.findings,
        second.recipients,
    )
    assert first.findings[0].rule in RULES.keys() - {"INT-1"}
    assert record_hash(record) == record_hash(record)


@settings(max_examples=100, deadline=None)
@given(one=RECORDS, other=RECORDS)
def test_record_hash_names_one_record(one, other):
    """Records that differ in key, value or headers have different names."""
    is_same = (one.key, one.value, one.headers) == (other.key, other.value, other.headers)

    assert is_same is (record_hash(one) == record_hash(other))
