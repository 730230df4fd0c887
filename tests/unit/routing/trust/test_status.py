"""What is known of a certificate: a function of the first so many records and nothing else."""

import pytest
from cryptography import x509
from cryptography.x509 import ocsp

from govbus.errors import UntrustedKeyError
from govbus.routing.trust.status import NOTHING_KNOWN, Known, RevocationRecords
from govbus.signing.certificates import Certificate
from tests.unit.routing.trust.pki import (
    DAY_MS,
    HOUR_MS,
    NOW_MS,
    SPAN,
    URLS,
    authority,
    flipped,
    list_of,
    response_of,
    seal,
    state_of,
    trusted_of,
)

HOLD, OTHER = x509.ReasonFlags.certificate_hold, x509.ReasonFlags.superseded


class World:
    """One authority and one certificate of it."""

    def __init__(self):
        self.root = authority()
        self.pem = seal(self.root).certificate_pem
        self.trusted = trusted_of(self.pem, self.root.certificate_pem)

    def list(self, *entries, at_ms=NOW_MS - HOUR_MS, **options):
        """Return a list of a moment; entries are revocation time and reason of the certificate."""
        revoked = [(self.pem, *entry) for entry in entries]
        return list_of(self.root, *revoked, this_update_ms=at_ms, **options)

    def known(self, *materials):
        """Return what some records say about the certificate."""
        records = RevocationRecords()
        for der in materials:
            records.add(der)
        issuer = Certificate.from_pem(self.root.certificate_pem)
        return records.known_of(Certificate.from_pem(self.pem), issuer, records.count)


@pytest.fixture
def world():
    return World()


def test_nothing_is_known(world):
    """Before the first record nothing is known."""
    status = NOTHING_KNOWN.status_of(world.trusted)
    assert (None, None, None, False) == (
        status.revoked_ms,
        status.declared_until_ms,
        status.all_until_ms,
        status.is_declared,
    )


def test_good_until_the_next_update(world):
    """The latest next update of what holds counts, also where an older list comes after it."""
    late = world.list(next_update_ms=NOW_MS + 2 * DAY_MS)
    early = world.list(at_ms=NOW_MS - DAY_MS, next_update_ms=NOW_MS)
    for materials in ((late, early), (early, late)):
        assert NOW_MS + 2 * DAY_MS == world.known(*materials).next_update_ms


def test_revocation_is_not_taken_back(world):
    """A later list that no longer names the certificate, as authorities drop expired ones, changes nothing."""
    known = world.known(
        world.list((NOW_MS - DAY_MS, OTHER)), world.list(at_ms=NOW_MS, next_update_ms=NOW_MS + 9 * DAY_MS)
    )
    assert NOW_MS - DAY_MS == known.revoked_ms


def test_earliest_date_counts(world):
    """Where an authority moves the date, the earliest one stands."""
    materials = [world.list((NOW_MS - hours * HOUR_MS, OTHER)) for hours in (2, 5, 3)]
    assert NOW_MS - 5 * HOUR_MS == world.known(*materials).revoked_ms


def test_hold_is_taken_back(world):
    """A hold counts until a later word says that the certificate is good; an older word does not take it back."""
    held = world.list((NOW_MS - HOUR_MS, HOLD), at_ms=NOW_MS - HOUR_MS)
    assert NOW_MS - HOUR_MS == world.known(held).on_hold_ms
    assert NOW_MS - HOUR_MS == world.known(held, world.list(at_ms=NOW_MS - DAY_MS)).on_hold_ms
    assert world.known(held, world.list(at_ms=NOW_MS)).on_hold_ms is None


def test_hold_counts_as_revoked(world):
    """While it is on hold, a certificate is treated as revoked."""
    status = state_of(world.list((NOW_MS - HOUR_MS, HOLD))).status_of(world.trusted)
    assert NOW_MS - HOUR_MS == status.revoked_ms


def test_compromise_is_remembered_for_itself(world):
    """The date of a compromise is its own, whatever other revocations say."""
    known = world.known(
        world.list((NOW_MS - DAY_MS, OTHER)), world.list((NOW_MS - HOUR_MS, x509.ReasonFlags.key_compromise))
    )
    assert (NOW_MS - DAY_MS, NOW_MS - HOUR_MS) == (known.revoked_ms, known.compromised_ms)


@pytest.mark.parametrize("fault", ["flipped", "other key", "other name", "noise"])
def test_what_does_not_verify_is_ignored(world, fault):
    """Anybody may write to the topic: a record that is not the authority's word says nothing, and counts."""
    entry = (world.pem, NOW_MS - DAY_MS, OTHER)
    bad = {
        "flipped": flipped(world.list((NOW_MS - DAY_MS, OTHER))),
        "other key": list_of(authority(), entry),
        "other name": list_of(authority("Other"), entry),
        "noise": b"noise",
    }[fault]
    records = RevocationRecords()
    if fault == "noise":
        with pytest.raises(UntrustedKeyError):
            records.add(bad)
    else:
        records.add(bad)
    assert 1 == records.count
    assert Known() == records.known_of(world.trusted.certificate, world.trusted.issuers[0], 1)


def test_unknown_says_nothing(world):
    """A responder that does not know the certificate neither revokes it nor makes it good."""
    assert Known() == world.known(response_of(world.root, world.pem, status=ocsp.OCSPCertStatus.UNKNOWN))


def test_revoked_responder(world):
    """A responder that a list before says was revoked when it answered is not believed; one revoked later is."""
    responder = world.root.issue_responder(**SPAN)
    answer = response_of(world.root, world.pem, by=responder)
    before = list_of(world.root, (responder.certificate_pem, NOW_MS - DAY_MS, OTHER), next_update_ms=NOW_MS)
    # The library stamps the moment of signing into a response, so later is later than now.
    after = list_of(
        world.root, (responder.certificate_pem, NOW_MS + 900 * DAY_MS, OTHER), next_update_ms=NOW_MS
    )
    assert NOW_MS + DAY_MS == world.known(answer).next_update_ms
    assert NOW_MS == world.known(before, answer).next_update_ms
    assert NOW_MS + DAY_MS == world.known(after, answer).next_update_ms


def test_responder_that_a_later_record_revokes(world):
    """What a record says does not depend on later ones, which a decision before them could not know."""
    responder = world.root.issue_responder(**SPAN)
    records = RevocationRecords()
    records.add(response_of(world.root, world.pem, by=responder))
    records.add(
        list_of(world.root, (responder.certificate_pem, NOW_MS - DAY_MS, OTHER), next_update_ms=NOW_MS)
    )
    assert NOW_MS + DAY_MS == records.state(1).status_of(world.trusted).all_until_ms


def test_state_is_the_first_so_many(world):
    """A state says the same whatever comes later, also when it is asked for after that."""
    records = RevocationRecords()
    records.add(world.list())
    first = records.state()
    assert first.status_of(world.trusted).revoked_ms is None
    records.add(world.list((NOW_MS - DAY_MS, OTHER), at_ms=NOW_MS))
    assert NOW_MS - DAY_MS == records.state().status_of(world.trusted).revoked_ms
    assert first.status_of(world.trusted).revoked_ms is None
    assert records.state(1).status_of(world.trusted).revoked_ms is None
    assert (1, 2) == (records.state(1).count, records.state().count)


def test_states_that_are_not_there_yet(world):
    """Nothing can be said about records that have not come."""
    records = RevocationRecords()
    for count in (-1, 1):
        with pytest.raises(ValueError, match="records of 0"):
            records.state(count)


def test_same_again_counts(world):
    """Material that is published twice is two records, and says what it said."""
    records = RevocationRecords()
    for _ in range(2):
        records.add(world.list())
    assert 2 == records.count


def test_whole_way(world):
    """A revoked authority revokes what it issued, and the whole way is known until the first of its updates."""
    root = authority(path_length=1)
    middle = root.intermediate("Middle", **SPAN)
    pem = seal(middle).certificate_pem
    trusted = trusted_of(pem, root.certificate_pem, chain=[middle.certificate_pem])
    own, upper = list_of(middle), list_of(root, next_update_ms=NOW_MS + HOUR_MS)
    assert state_of(own).status_of(trusted).all_until_ms is None
    assert NOW_MS + HOUR_MS == state_of(own, upper).status_of(trusted).all_until_ms
    revoked = list_of(root, (middle.certificate_pem, NOW_MS - DAY_MS, OTHER))
    assert NOW_MS - DAY_MS == state_of(own, revoked).status_of(trusted).revoked_ms


def test_declared():
    """Only certificates that say where their status is to be had are counted as declared."""
    root = authority(urls=URLS)
    trusted = trusted_of(seal(root).certificate_pem, root.certificate_pem)
    status = state_of(list_of(root)).status_of(trusted)
    assert (True, NOW_MS + DAY_MS) == (status.is_declared, status.declared_until_ms)


def test_verdicts_of_another_way_are_not_mixed_up(world):
    """The same certificate under another chain in another version of the directory is looked at again."""
    root = authority(path_length=1)
    first = root.intermediate("Middle", **SPAN)
    crossed = type(first)(root.intermediate("Middle", **SPAN).certificate_pem, first.key_pem)
    pem = seal(first).certificate_pem
    one = trusted_of(pem, root.certificate_pem, chain=[first.certificate_pem])
    two = trusted_of(pem, first.certificate_pem)
    state = state_of(list_of(root, (first.certificate_pem, NOW_MS, OTHER)))
    assert crossed.certificate_pem != first.certificate_pem
    assert NOW_MS == state.status_of(one).revoked_ms
    assert state.status_of(two).revoked_ms is None
    assert NOW_MS == state.status_of(one).revoked_ms
