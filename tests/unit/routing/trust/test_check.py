"""Whether certificates were good when a document was signed: revocation counts from its date, material grows old."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import PathValidationError

from govbus.document.finding import Severity
from govbus.errors import UntrustedKeyError
from govbus.routing.trust.check import check_status, require_unrevoked
from govbus.routing.trust.policy import RevocationMode, RevocationPolicy
from govbus.routing.trust.status import NOTHING_KNOWN
from govbus.signing.algorithms import Algorithm
from tests.unit.routing.trust.pki import (
    DAY_MS,
    HOUR_MS,
    NOW_MS,
    URLS,
    authority,
    list_of,
    parsed,
    response_of,
    seal,
    signature_of,
    state_of,
    trusted_of,
)

NONE, DECLARED, REQUIRED = (RevocationPolicy(mode, 24) for mode in RevocationMode)
UNTIL_MS = NOW_MS + DAY_MS


class World:
    """One authority, whose certificates say where their status is to be had unless told otherwise."""

    def __init__(self, urls=URLS):
        self.root = authority(urls=urls)
        self.pem = seal(self.root).certificate_pem
        self.signatures = signature_of(trusted_of(self.pem, self.root.certificate_pem))

    def check(self, policy, *materials, time_ms=NOW_MS, at_ms=NOW_MS):
        """Return the warnings about a document of a time, decided on at another."""
        state = state_of(*materials)
        return check_status(self.signatures, policy, state, time_ms=time_ms, at_ms=at_ms)

    def revoked(self, revoked_ms, reason=None):
        """Return a list on which the certificate stands."""
        return list_of(self.root, (self.pem, revoked_ms, reason))


@pytest.fixture
def world():
    return World()


def test_good(world):
    """A certificate that a fresh list does not name is good, without a warning."""
    assert () == world.check(DECLARED, list_of(world.root))
    assert () == world.check(REQUIRED, list_of(world.root))
    assert () == world.check(REQUIRED, response_of(world.root, world.pem))


@pytest.mark.parametrize("policy", [DECLARED, REQUIRED])
def test_revocation_counts_from_its_date(world, policy):
    """What was signed at the date and later is refused, what was signed before stays good."""
    material = world.revoked(NOW_MS)
    assert () == world.check(policy, material, time_ms=NOW_MS - 1)
    with pytest.raises(UntrustedKeyError, match="revoked by its authority at the statement's time") as caught:
        world.check(policy, material, time_ms=NOW_MS)
    assert "SEC-6" == caught.value.rule


@pytest.mark.parametrize("reason", [None, *(set(x509.ReasonFlags) - {x509.ReasonFlags.remove_from_crl})])
def test_no_reason_reaches_back_for_readers(world, reason):
    """Whatever the reason, a document that was signed before, and is in the log, stays good for its readers."""
    state = state_of(world.revoked(NOW_MS, reason))
    require_unrevoked(world.signatures, DECLARED, state, time_ms=NOW_MS - 1)
    with pytest.raises(UntrustedKeyError):
        require_unrevoked(world.signatures, DECLARED, state, time_ms=NOW_MS)


def test_compromise_and_a_time_that_nobody_vouches_for(world):
    """Whoever has a stolen key can write any time: after a compromise nothing new is accepted, however it is dated."""
    stolen = world.revoked(NOW_MS, x509.ReasonFlags.key_compromise)
    with pytest.raises(UntrustedKeyError, match="its time proves nothing") as caught:
        world.check(DECLARED, stolen, time_ms=NOW_MS - DAY_MS, at_ms=NOW_MS)
    assert "SEC-6" == caught.value.rule
    replaced = world.revoked(NOW_MS, x509.ReasonFlags.superseded)
    assert () == world.check(DECLARED, replaced, time_ms=NOW_MS - DAY_MS, at_ms=NOW_MS)


def test_compromise_to_come(world):
    """A decision before the date of a compromise is not touched by it, so that deciding again gives the same."""
    stolen = world.revoked(NOW_MS, x509.ReasonFlags.key_compromise)
    assert () == world.check(DECLARED, stolen, time_ms=NOW_MS - HOUR_MS, at_ms=NOW_MS - 1)


def test_invalidity_date_does_not_reach_back():
    """An invalidity date before the revocation date is noted by the authority and does not count."""
    world = World()
    entry = (
        x509.RevokedCertificateBuilder()
        .serial_number(parsed(world.pem).serial_number)
        .revocation_date(datetime.fromtimestamp(NOW_MS // 1000, UTC))
        .add_extension(
            x509.InvalidityDate(datetime.fromtimestamp(NOW_MS // 1000 - 7 * 86_400, UTC)), critical=False
        )
        .build()
    )
    from tests.unit.routing.trust.pki import key_of, list_builder, signed

    der = signed(list_builder(world.root).add_revoked_certificate(entry), key_of(world.root)).public_bytes(
        Encoding.DER
    )
    assert () == world.check(DECLARED, der, time_ms=NOW_MS - 1)


def test_never_heard_of(world):
    """Where nobody has said anything about a certificate that declares its status, it is refused without a grace."""
    with pytest.raises(UntrustedKeyError, match="nobody has said") as caught:
        world.check(DECLARED)
    assert ("SEC-11", "gb-sig") == (caught.value.rule, caught.value.field)


def test_unknown_to_the_responder(world):
    """A responder that does not know the certificate makes nothing good."""
    with pytest.raises(UntrustedKeyError, match="nobody has said"):
        world.check(DECLARED, response_of(world.root, world.pem, status=ocsp.OCSPCertStatus.UNKNOWN))


def test_grace(world):
    """Until the next update no word; past it a warning; past the grace refusal."""
    material = list_of(world.root)
    assert () == world.check(DECLARED, material, at_ms=UNTIL_MS)
    (warning,) = world.check(DECLARED, material, at_ms=UNTIL_MS + 1)
    assert ("SEC-11", Severity.WARN) == (warning.rule, warning.severity)
    assert world.check(DECLARED, material, at_ms=UNTIL_MS + DAY_MS)
    with pytest.raises(UntrustedKeyError, match="24 hours of grace") as caught:
        world.check(DECLARED, material, at_ms=UNTIL_MS + DAY_MS + 1)
    assert "SEC-11" == caught.value.rule


def test_no_grace(world):
    """A bus may have none."""
    policy = RevocationPolicy(RevocationMode.DECLARED, 0)
    with pytest.raises(UntrustedKeyError, match="0 hours"):
        world.check(policy, list_of(world.root), at_ms=UNTIL_MS + 1)


def test_recovery(world):
    """Fresh material makes everything good again."""
    at_ms = UNTIL_MS + 3 * DAY_MS
    fresh = list_of(world.root, this_update_ms=at_ms, next_update_ms=at_ms + DAY_MS)
    assert () == world.check(DECLARED, list_of(world.root), fresh, at_ms=at_ms)


def test_modes_without_a_declaration():
    """A certificate that does not say where its status is to be had is asked for only where all are."""
    from govbus.signing.certificate_building import StatusUrls

    world = World(StatusUrls())
    assert () == world.check(DECLARED)
    with pytest.raises(UntrustedKeyError, match="nobody has said"):
        world.check(REQUIRED)


def test_undeclared_and_revoked_all_the_same():
    """A revocation that an authority published counts also for certificates that do not say where to ask."""
    from govbus.signing.certificate_building import StatusUrls

    world = World(StatusUrls())
    with pytest.raises(UntrustedKeyError, match="revoked by its authority"):
        world.check(DECLARED, world.revoked(NOW_MS))


def test_mode_none(world):
    """A bus may leave authorities alone: its directory says what is revoked."""
    assert () == world.check(NONE, world.revoked(NOW_MS - DAY_MS))
    require_unrevoked(world.signatures, NONE, state_of(world.revoked(NOW_MS - DAY_MS)), time_ms=NOW_MS)


def test_readers_do_not_ask_how_old(world):
    """Whether material was fresh was the router's to judge; a reader of later days has other material."""
    require_unrevoked(world.signatures, REQUIRED, NOTHING_KNOWN, time_ms=NOW_MS)


@pytest.mark.parametrize("algorithm", [Algorithm.ED25519, Algorithm.ES256, Algorithm.PS256])
@pytest.mark.parametrize(
    ("kind", "case"),
    [
        *(
            (kind, case)
            for kind in ("list", "response")
            for case in ("good", "revoked", "stale", "other key")
        ),
        ("list", "revoked later"),  # pyhanko does not look at the date in a response
    ],
)
def test_agrees_with_pyhanko(algorithm, kind, case):
    """An independent validator, with everything demanded and no grace, comes to the same verdict."""
    root, other = authority(algorithm=algorithm, urls=URLS), authority(algorithm=algorithm, urls=URLS)
    pem = seal(root).certificate_pem
    by = other if case == "other key" else root
    revoked_ms = {"revoked": NOW_MS - HOUR_MS, "revoked later": NOW_MS + HOUR_MS}.get(case)
    times = {"next_update_ms": NOW_MS - HOUR_MS, "this_update_ms": NOW_MS - DAY_MS} if case == "stale" else {}
    if kind == "list":
        der = list_of(by, *([] if revoked_ms is None else [(pem, revoked_ms, None)]), **times)
    else:
        status = ocsp.OCSPCertStatus.GOOD if revoked_ms is None else ocsp.OCSPCertStatus.REVOKED
        der = response_of(by, pem, status=status, revoked_ms=revoked_ms, **times)
    state = state_of(der)
    signatures = signature_of(trusted_of(pem, root.certificate_pem))
    policy = RevocationPolicy(RevocationMode.REQUIRED, 0)
    try:
        check_status(signatures, policy, state, time_ms=NOW_MS, at_ms=NOW_MS)
    except UntrustedKeyError:
        is_good = False
    else:
        is_good = True
    assert is_good is _pyhanko_says(pem, root, **{"crls" if kind == "list" else "ocsps": [der]})


def _pyhanko_says(pem, root, **material):
    load = lambda one: asn1_x509.Certificate.load(parsed(one).public_bytes(Encoding.DER))  # noqa: E731
    context = ValidationContext(
        trust_roots=[load(root.certificate_pem)],
        moment=datetime.fromtimestamp(NOW_MS / 1000, UTC),
        revocation_mode="require",
        time_tolerance=timedelta(0),
        **material,
    )
    validator = CertificateValidator(load(pem), validation_context=context)
    try:
        asyncio.run(validator.async_validate_path())
    except PathValidationError:
        return False
    return True
