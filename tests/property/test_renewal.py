"""Renewal chains: evidence holds exactly as long as every link was made in time, and no link can be taken out."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from govbus.document.ids import AgencyId
from govbus.errors import TimestampError
from govbus.message_log.renewal import Digests, Renewal, RenewalChain, RenewalStatement, verified_span
from govbus.testing.tsa import YEAR_MS, FakeTsa, root

BUS = AgencyId.from_text("bus.example")
EVIDENCE = "segments/00000001/evidence/7.1.tsr"
TEXT = b"head checkpoint"
ROOT = root()
DAY_MS = 86_400_000
AUTHORITIES = [FakeTsa.make(issuer=ROOT, not_after_ms=(10 + year) * YEAR_MS) for year in range(6)]
"""Each ends a year after the one before."""
ANCHORS = [ROOT.certificate]


def end_ms(number):
    return (10 + number) * YEAR_MS + 999


def evidence():
    """The first timestamp, by the authority that ends first."""
    der = AUTHORITIES[0].response(TEXT, 9 * YEAR_MS)
    return der, verified_span(der, TEXT, ANCHORS).ends_ms


def chain_of(der, gaps, *, items=None):
    """Renewals, each made so many milliseconds before the end of the authority that it renews."""
    renewals, listed, previous = [], {EVIDENCE: Digests.of(der)}, None
    for number, gap in enumerate(gaps, start=1):
        statement = RenewalStatement(
            BUS, number, previous, listed if items is None else items(number, listed)
        )
        octets = statement.to_bytes()
        path = f"renewals/{number:08}/tsa.tsr"
        response = AUTHORITIES[number].response(octets, end_ms(number - 1) - gap, imprint_hash="sha512")
        renewals.append(Renewal(octets, {path: response}))
        listed, previous = {path: Digests.of(response)}, Digests.of(octets)
    return renewals


in_time = st.integers(0, 200 * DAY_MS)
links = st.lists(in_time, min_size=1, max_size=5)


@settings(max_examples=25, deadline=None)
@given(links)
def test_a_chain_made_in_time_holds_to_its_end(gaps):
    """Evidence is good until the certificate under the last renewal ends, and not a millisecond longer."""
    der, ends = evidence()
    chain = RenewalChain(chain_of(der, gaps), ANCHORS, bus=BUS)
    digests = Digests.of(der)

    assert end_ms(len(gaps)) == chain.held_until_ms(EVIDENCE, digests, ends)
    chain.require_held(EVIDENCE, digests, ends, at_ms=end_ms(len(gaps)))
    with pytest.raises(TimestampError, match="only: no renewal was made"):
        chain.require_held(EVIDENCE, digests, ends, at_ms=end_ms(len(gaps)) + 1)
    assert all(end_ms(len(gaps)) == chain.carried_until_ms(number + 1) for number in range(len(gaps)))


@settings(max_examples=25, deadline=None)
@given(links, st.data())
def test_a_late_link_ends_the_chain(gaps, data):
    """One renewal made after the certificate before it had ended carries nothing on, nor does any after it."""
    late = data.draw(st.integers(0, len(gaps) - 1))
    der, ends = evidence()
    by_ms = data.draw(st.integers(1, 100 * DAY_MS))
    chain = RenewalChain(
        chain_of(der, [-by_ms if number == late else gap for number, gap in enumerate(gaps)]),
        ANCHORS,
        bus=BUS,
    )

    assert end_ms(late) == chain.held_until_ms(EVIDENCE, Digests.of(der), ends)


@settings(max_examples=25, deadline=None)
@given(st.lists(in_time, min_size=2, max_size=5), st.data())
def test_a_missing_link_is_noticed(gaps, data):
    """Any renewal but the last can be taken out by nobody without a trace."""
    der, _ = evidence()
    renewals = chain_of(der, gaps)
    renewals.pop(data.draw(st.integers(0, len(gaps) - 2)))

    with pytest.raises(TimestampError, match="found another"):
        RenewalChain(renewals, ANCHORS, bus=BUS)


@settings(max_examples=25, deadline=None)
@given(links, st.data())
def test_a_missing_last_link_ends_the_evidence(gaps, data):
    """Without the last renewals, evidence ends with what is left of the chain."""
    der, ends = evidence()
    kept = data.draw(st.integers(0, len(gaps) - 1))
    chain = RenewalChain(chain_of(der, gaps)[:kept], ANCHORS, bus=BUS)

    assert end_ms(kept) == chain.held_until_ms(EVIDENCE, Digests.of(der), ends)


@settings(max_examples=25, deadline=None)
@given(links, st.data())
def test_an_item_left_out_is_not_carried_on(gaps, data):
    """A statement that lists something else renews nothing of what it leaves out."""
    left_out = data.draw(st.integers(1, len(gaps)))
    der, ends = evidence()
    other = {"segments/00000009/manifest": Digests.of(b"other")}
    chain = RenewalChain(
        chain_of(der, gaps, items=lambda number, listed: other if number == left_out else listed),
        ANCHORS,
        bus=BUS,
    )

    assert end_ms(left_out - 1) == chain.held_until_ms(EVIDENCE, Digests.of(der), ends)


@settings(max_examples=25, deadline=None)
@given(links, st.data())
def test_an_item_removed_afterwards_breaks_the_timestamp(gaps, data):
    """A statement that was changed after it was stamped is under no timestamp that verifies."""
    changed = data.draw(st.integers(0, len(gaps) - 1))
    der, _ = evidence()
    extra = {"segments/00000009/manifest": Digests.of(b"other")}
    renewals = chain_of(der, gaps, items=lambda _, listed: listed | extra)
    statement = RenewalStatement.from_bytes(renewals[changed].statement)
    items = {path: one for path, one in statement.items.items() if path not in extra}
    shorter = RenewalStatement(BUS, statement.number, statement.previous, items)
    renewals[changed] = renewals[changed]._replace(statement=shorter.to_bytes())

    with pytest.raises(TimestampError, match="another text"):
        RenewalChain(renewals, ANCHORS, bus=BUS)


paths = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,8}(/[a-z0-9][a-z0-9_-]{0,8}){0,3}", fullmatch=True)


@given(
    st.dictionaries(paths, st.binary(max_size=4), min_size=1, max_size=20),
    st.integers(1, 999_999_999),
    st.none() | st.binary(max_size=4),
)
def test_a_statement_comes_back(files, number, previous):
    """Reading is the inverse of writing, and there is one spelling only."""
    statement = RenewalStatement(
        BUS,
        number,
        None if previous is None else Digests.of(previous),
        {path: Digests.of(octets) for path, octets in files.items()},
    )
    octets = statement.to_bytes()

    assert statement == RenewalStatement.from_bytes(octets)
    for other in (octets[:-1], octets + b"\n", octets.replace(b"\n", b"\r\n"), octets.replace(b" ", b"  ")):
        with pytest.raises(TimestampError):
            RenewalStatement.from_bytes(other)
