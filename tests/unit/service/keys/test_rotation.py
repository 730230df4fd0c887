"""Which of several keys signs: validity, the directory, settling, and what is said where none is good."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from structlog.testing import capture_logs

from govbus import telemetry
from govbus.document.ids import AgencyId
from govbus.errors import DirectoryError, SignerUnavailableError, UntrustedKeyError
from govbus.service.keys.expiry import DAY_MS, HOUR_MS, CertificateAlarm
from govbus.service.keys.rotation import SETTLE_MS, SigningKeys
from govbus.signing.algorithms import Algorithm
from govbus.signing.certificates import TrustedCertificate
from govbus.signing.issuing import CertificateAuthority
from govbus.signing.signer import KeySigner

AT_MS = 1_795_466_700_000
TAX, OTHER = AgencyId("tax.example"), AgencyId("other.example")
_AUTHORITY = CertificateAuthority.create("Rotation", at_ms=AT_MS - 500 * DAY_MS)


def key(kid: str, from_days: int, to_days: int, algorithm: Algorithm = Algorithm.ED25519) -> KeySigner:
    issued = _AUTHORITY.issue(
        kid, algorithm, not_before_ms=AT_MS + from_days * DAY_MS, not_after_ms=AT_MS + to_days * DAY_MS
    )
    return KeySigner.from_pem(issued.key_pem, issued.certificate_pem, kid=kid)


OLD, NEW = key("old", -300, 60), key("new", -2, 363)
TWIN = key("twin", -300, 60, Algorithm.ML_DSA_44)


@dataclass
class Version:
    """A version of the directory that binds some keys."""

    issued_ms: int
    bound: dict[str, TrustedCertificate] = field(default_factory=dict)

    def certificate(self, thumbprint: str) -> TrustedCertificate | None:
        return self.bound.get(thumbprint)

    def bind(self, *signers: KeySigner, agency: AgencyId = TAX, revoked_ms: int | None = None) -> Version:
        more = {
            one.certificate.thumbprint: TrustedCertificate(one.certificate, agency, revoked_ms)
            for one in signers
        }
        return replace(self, bound={**self.bound, **more})


LONG_AGO = Version(AT_MS - 100 * DAY_MS)


def kids(keys: SigningKeys, time_ms: int = AT_MS) -> list[str]:
    return [signer.kid for signer in keys.signers_at(time_ms)]


def chosen(version: Version, time_ms: int = AT_MS, *, order=(OLD, NEW)) -> str:
    (kid,) = kids(SigningKeys(TAX, [order], directory=lambda: version), time_ms)
    return kid


@pytest.mark.parametrize("order", [(OLD, NEW), (NEW, OLD)])
def test_the_newest_key_that_the_directory_binds_signs(order):
    """Of two good keys the one valid from later on signs, in whatever order they stand."""
    assert "new" == chosen(LONG_AGO.bind(OLD, NEW), order=order)


def test_a_key_that_the_directory_does_not_bind_waits():
    """Until the directory has the new certificate, or has it for another agency, the old key signs."""
    assert "old" == chosen(LONG_AGO.bind(OLD))
    assert "old" == chosen(LONG_AGO.bind(OLD).bind(NEW, agency=OTHER))


@pytest.mark.parametrize(("since_ms", "kid"), [(0, "old"), (SETTLE_MS - 1, "old"), (SETTLE_MS, "new")])
def test_a_key_that_is_new_in_the_directory_settles_first(since_ms, kid):
    """Routers read the directory by themselves, so a new certificate is used only once it stood there for a while."""
    assert kid == chosen(Version(AT_MS - since_ms).bind(OLD, NEW))


def test_a_later_version_does_not_start_the_settling_anew():
    """A certificate that settled stays so when the directory is published again."""
    versions = [Version(AT_MS - SETTLE_MS).bind(OLD, NEW)]
    keys = SigningKeys(TAX, [[OLD, NEW]], directory=lambda: versions[-1])
    assert ["new"] == kids(keys)
    versions.append(Version(AT_MS).bind(OLD, NEW))
    assert ["new"] == kids(keys, AT_MS + 1)


def test_a_key_without_an_older_one_needs_no_settling():
    """Where the old key is revoked or gone the new one signs at once."""
    assert "new" == chosen(Version(AT_MS).bind(NEW))
    assert "new" == chosen(Version(AT_MS).bind(NEW).bind(OLD, revoked_ms=AT_MS))


def test_documents_that_wait_are_signed_by_the_key_of_their_time():
    """A document made before the new certificate began is the old key's, whenever it is signed."""
    version = LONG_AGO.bind(OLD, NEW)
    assert "old" == chosen(version, NEW.certificate.not_before_ms - 1)
    assert "new" == chosen(version, NEW.certificate.not_before_ms)


def test_revocation_counts_from_its_date():
    """Documents before the date of revocation are still the key's own, those from then on are not."""
    version = LONG_AGO.bind(OLD).bind(NEW, revoked_ms=AT_MS)
    assert ["new", "old"] == [chosen(version, AT_MS - 1), chosen(version, AT_MS)]


def test_a_key_whose_status_is_not_known_yet_waits_and_then_settles():
    """Where the bus asks for the status of certificates, a new key waits for it, and for routers to read it too."""
    known = {OLD.certificate.thumbprint}

    def check(trusted: TrustedCertificate, time_ms: int) -> None:
        if trusted.certificate.thumbprint not in known:
            raise UntrustedKeyError("nobody has said whether it is revoked", rule="SEC-11")

    keys = SigningKeys(TAX, [[OLD, NEW]], directory=lambda: LONG_AGO.bind(OLD, NEW), check_status=check)
    assert ["old"] == kids(keys)
    known.add(NEW.certificate.thumbprint)
    assert (["old"], ["old"], ["new"]) == tuple(
        kids(keys, AT_MS + later_ms) for later_ms in (0, SETTLE_MS - 1, SETTLE_MS)
    )
    known.clear()
    with pytest.raises(SignerUnavailableError, match="nobody has said"):
        keys.signers_at(AT_MS)


def test_every_kind_has_its_own_choice():
    """Seal and twin are chosen apart, and both sign."""
    keys = SigningKeys(TAX, [[OLD, NEW], [TWIN]], directory=lambda: LONG_AGO.bind(OLD, NEW, TWIN))
    assert ["new", "twin"] == kids(keys)
    assert keys.is_changing_over
    assert not SigningKeys(TAX, [[OLD], [TWIN]]).is_changing_over


def test_no_good_key_is_told_with_every_reason():
    """The error is one that passes, and names why each key of the kind is not good."""
    expired = key("expired", -400, -300)
    keys = SigningKeys(TAX, [[OLD, expired]], directory=lambda: LONG_AGO.bind(expired))
    with pytest.raises(
        SignerUnavailableError, match="old: the directory does not bind .*expired: .*had expired"
    ):
        keys.signers_at(AT_MS)


def test_without_a_directory_only_validity_counts():
    """Keys that nobody looks up in a directory are chosen by their own dates."""
    keys = SigningKeys(TAX, [[OLD, NEW]])
    assert (["old"], ["new"]) == (kids(keys, AT_MS - 10 * DAY_MS), kids(keys))


def test_an_expired_directory_is_waited_for():
    """A directory that cannot be used makes documents wait, it does not stop the publisher for good."""

    def expired() -> Version:
        raise DirectoryError("the directory has expired")

    with pytest.raises(SignerUnavailableError, match="the directory has expired"):
        SigningKeys(TAX, [[OLD, NEW]], directory=expired).signers_at(AT_MS)


def test_a_change_over_is_logged_once():
    """The log says which keys sign when that changes, and not with every document."""
    versions = [LONG_AGO.bind(OLD)]
    keys = SigningKeys(TAX, [[OLD, NEW]], directory=lambda: versions[-1])
    with capture_logs() as logs:
        for _ in range(3):
            kids(keys)
        versions.append(LONG_AGO.bind(OLD, NEW))
        for _ in range(3):
            kids(keys)
    assert 2 == len(logs)


@pytest.mark.parametrize(
    ("left_ms", "levels"),
    [(31 * DAY_MS, []), (29 * DAY_MS, ["warning"]), (6 * DAY_MS, ["error"]), (-1, ["error"])],
)
def test_a_certificate_that_is_about_to_expire_is_announced(left_ms, levels):
    """Quiet a month before, a warning from then on, an error in the last week and after; the metric has the days."""
    with capture_logs() as logs:
        CertificateAlarm().look([[OLD]], OLD.certificate.not_after_ms - left_ms)
    assert levels == [entry["log_level"] for entry in logs]
    days = telemetry.METRICS.get_sample_value(
        "govbus_certificate_expires_days", {"kid": "old", "thumbprint": OLD.certificate.thumbprint}
    )
    assert left_ms / DAY_MS == days


def test_a_key_with_a_successor_is_not_announced():
    """Where the next key is beside it already, nobody is told to make one."""
    with capture_logs() as logs:
        CertificateAlarm().look([[OLD, NEW]], OLD.certificate.not_after_ms - DAY_MS)
    assert not logs


def test_it_is_said_once_a_day_and_on_the_last_day_once_an_hour():
    """People are reminded, not flooded."""
    alarm = CertificateAlarm()
    with capture_logs() as logs:
        for hour in range(3 * 24):
            alarm.look([[OLD]], OLD.certificate.not_after_ms - 3 * DAY_MS + hour * HOUR_MS)
    assert 2 + 24 == len(logs)
