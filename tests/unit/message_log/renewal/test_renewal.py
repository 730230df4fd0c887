"""Renewal statements and chains: each thing that alone must refuse."""

import pytest

from govbus.document.ids import AgencyId
from govbus.errors import TimestampError
from govbus.message_log.renewal import Digests, Renewal, RenewalChain, RenewalStatement
from govbus.testing.tsa import LAST_MS, YEAR_MS, FakeTsa

BUS = AgencyId.from_text("bus.example")
PATH = "segments/00000001/manifest"
ITEMS = {PATH: Digests.of(b"manifest")}


@pytest.fixture(scope="module")
def tsa():
    return FakeTsa.make()


def first(tsa, **options):
    octets = RenewalStatement(BUS, 1, None, ITEMS).to_bytes()
    return Renewal(octets, {"renewals/00000001/a.tsr": tsa.response(octets, YEAR_MS, **options)})


def second(tsa, before, items, *, at_ms=2 * YEAR_MS):
    octets = RenewalStatement(BUS, 2, Digests.of(before.statement), items).to_bytes()
    return Renewal(octets, {"renewals/00000002/a.tsr": tsa.response(octets, at_ms)})


def test_no_renewal_is_a_chain_that_proves_nothing():
    """A file under no timestamp and no renewal is proven by nothing; one of its own is good until it ends."""
    chain = RenewalChain([], [], bus=BUS)

    assert 5 == chain.held_until_ms(PATH, ITEMS[PATH], 5)
    assert not chain.is_listed(PATH)
    with pytest.raises(TimestampError, match="no timestamp and no renewal"):
        chain.held_until_ms(PATH, ITEMS[PATH], None)


def test_a_first_renewal_is_a_first_timestamp(tsa):
    """A file without a timestamp of its own is proven from its first renewal on."""
    chain = RenewalChain([first(tsa)], tsa.anchors, bus=BUS)

    assert chain.is_listed(PATH)
    assert LAST_MS + 999 == chain.held_until_ms(PATH, ITEMS[PATH], None)


def test_other_bytes_are_refused(tsa):
    """A file that changed after its renewal is named."""
    chain = RenewalChain([first(tsa)], tsa.anchors, bus=BUS)

    with pytest.raises(TimestampError, match=f"over other bytes of {PATH}"):
        chain.held_until_ms(PATH, Digests.of(b"changed"), None)


@pytest.mark.parametrize("which", ["sha256", "sha512"])
def test_one_hash_that_differs_is_enough(tsa, which):
    """When one of the two hashes falls, the other still tells files apart."""
    forged = ITEMS[PATH]._replace(**{which: Digests.of(b"changed")._asdict()[which]})
    chain = RenewalChain([first(tsa)], tsa.anchors, bus=BUS)

    with pytest.raises(TimestampError, match="over other bytes"):
        chain.held_until_ms(PATH, forged, None)


def test_a_response_other_than_the_one_renewed_is_refused(tsa):
    """The response of an earlier renewal cannot be exchanged for another good one."""
    one = first(tsa)
    other = first(tsa, nonce=3)
    path = "renewals/00000001/a.tsr"
    chain = [other, second(tsa, one, {path: Digests.of(one.responses[path])})]

    with pytest.raises(TimestampError, match=f"over other bytes of {path}"):
        RenewalChain(chain, tsa.anchors, bus=BUS)


def test_a_renewal_of_another_bus_is_refused(tsa):
    """The bus stands in the statement."""
    with pytest.raises(TimestampError, match="found another"):
        RenewalChain([first(tsa)], tsa.anchors, bus=AgencyId.from_text("other.example"))


def test_a_renewal_after_another_statement_is_refused(tsa):
    """Each statement names the one before by both hashes."""
    one = first(tsa)
    octets = RenewalStatement(BUS, 2, Digests.of(b"another"), ITEMS).to_bytes()
    two = Renewal(octets, {"renewals/00000002/a.tsr": tsa.response(octets, 2 * YEAR_MS)})

    with pytest.raises(TimestampError, match="renewal 2: expected"):
        RenewalChain([one, two], tsa.anchors, bus=BUS)


def test_a_renewal_stamped_before_the_one_it_follows_is_refused(tsa):
    """It holds the hash of the one before, so it cannot be older."""
    one = first(tsa)

    with pytest.raises(TimestampError, match="stamped before"):
        RenewalChain([one, second(tsa, one, ITEMS, at_ms=YEAR_MS - 1)], tsa.anchors, bus=BUS)


def test_one_trusted_authority_of_two_is_enough(tsa):
    """An auditor may trust one of them; without any, the reasons are told."""
    stranger = FakeTsa.make()
    one = first(tsa)
    both = one._replace(
        responses=one.responses | {"renewals/00000001/b.tsr": stranger.response(one.statement, 5)}
    )

    assert list(one.responses) == list(RenewalChain([both], tsa.anchors, bus=BUS).spans[0])
    with pytest.raises(TimestampError, match=r"b\.tsr: no chain leads"):
        RenewalChain([both], FakeTsa.make().anchors, bus=BUS)


@pytest.mark.parametrize("count", [0, 9])
def test_a_renewal_has_one_to_eight_timestamps(tsa, count):
    """None is no renewal, and there is a bound."""
    one = first(tsa)
    (der,) = one.responses.values()
    many = one._replace(responses={f"renewals/00000001/{number}.tsr": der for number in range(count)})

    with pytest.raises(TimestampError, match="1 to 8 timestamps"):
        RenewalChain([many], tsa.anchors, bus=BUS)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("govbus/renewal/v1", "govbus/renewal/v2"),
        ("bus bus.example", "bus BUS"),
        ("number 1", "number 0"),
        ("number 1", "number 01"),
        ("previous none", "previous " + "0" * 64),
        ("previous none\n\n", "previous none\n"),
        ("segments/", "../segments/"),
        ("segments/", "/segments/"),
        ("segments/", "segments//"),
        (" segments/", "  segments/"),
    ],
)
def test_another_spelling_is_refused(old, new):
    """The grammar is strict, so that what was stamped says one thing."""
    text = RenewalStatement(BUS, 1, None, ITEMS).to_bytes().decode()
    assert old in text

    with pytest.raises(TimestampError, match=r"docs/specs/renewal\.md"):
        RenewalStatement.from_bytes(text.replace(old, new, 1).encode())


def test_items_out_of_order_or_twice_are_refused():
    """Sorted by path, each once."""
    items = {name: Digests.of(name.encode()) for name in ("a", "b")}
    head, line_a, line_b = RenewalStatement(BUS, 1, None, items).to_bytes().decode().rsplit("\n", 3)[:3]
    assert line_a.endswith(" a")

    for lines in ([line_b, line_a], [line_a, line_a, line_b], []):
        with pytest.raises(TimestampError):
            RenewalStatement.from_bytes("\n".join([head, *lines, ""]).encode())
