"""Cadence of deliveries, and tests kept apart."""

from types import SimpleNamespace

import pytest

from govbus.document.ids import AgencyId, PackageId
from govbus.routing.directory.model import Agreement, AgreementStatus, Delivery, TrafficMode
from govbus.routing.rules.flow import cadence_breaches, interval_ms, template_breaches

DAY_MS = 86_400_000
HOUR_MS = 3_600_000


def _agreement(mode=TrafficMode.LIVE, delivery=Delivery.INBOX):
    return Agreement(
        id="a",
        package=PackageId("tests.case"),
        supplier=AgencyId("tax.example"),
        consumers=(AgencyId("court.example"),),
        delivery=delivery,
        purpose="tests",
        legal_authority="none",
        valid_from_ms=0,
        valid_to_ms=1,
        status=AgreementStatus.ACTIVE,
        mode=mode,
    )


@pytest.mark.parametrize(
    ("frequency", "expected_ms"),
    [
        ("R/P1D", DAY_MS),
        ("R/PT15M", 900_000),
        ("R5/P1W", 7 * DAY_MS),
        ("R/P1Y2M", (365 + 60) * DAY_MS),
        ("R/P1DT12H", 36 * HOUR_MS),
        ("irregular", None),
        ("R/P0D", None),
        ("daily", None),
    ],
)
def test_intervals(frequency, expected_ms):
    """An ISO 8601 repeating interval has a length; irregular has none, and nor has an interval of nothing."""
    assert expected_ms == interval_ms(frequency)


@pytest.mark.parametrize(
    ("pause_ms", "expected_ms", "word"),
    [
        (0, DAY_MS, None),
        (HOUR_MS - 1, DAY_MS, None),
        (HOUR_MS, DAY_MS, "sooner"),
        (DAY_MS // 2 - 1, DAY_MS, "sooner"),
        (DAY_MS // 2, DAY_MS, None),
        (DAY_MS, DAY_MS, None),
        (DAY_MS * 3 // 2, DAY_MS, None),
        (DAY_MS * 3 // 2 + 1, DAY_MS, "later"),
        (6 * 60_000 - 1, HOUR_MS, None),
        (6 * 60_000, HOUR_MS, "sooner"),
        (HOUR_MS, HOUR_MS, None),
    ],
)
def test_cadence(pause_ms, expected_ms, word):
    """Within the tolerance of half an interval nothing is said, nor between documents of one delivery."""
    found = list(cadence_breaches(pause_ms, _agreement(), expected_ms))

    assert ["DRM-7"] * (word is not None) == [one.rule for one in found]
    assert word is None or word in found[0].detail


@pytest.mark.parametrize(
    ("mode", "header", "is_good"),
    [
        (TrafficMode.LIVE, None, True),
        (TrafficMode.LIVE, "false", True),
        (TrafficMode.LIVE, "true", False),
        (TrafficMode.LIVE, "yes", False),
        (TrafficMode.TEST, "true", True),
        (TrafficMode.TEST, "false", False),
        (TrafficMode.TEST, None, False),
    ],
)
def test_tests_pass_only_under_test_agreements(mode, header, is_good):
    """A test under a live agreement is refused, and so is the real thing under a test agreement."""
    attributes = {} if header is None else {"testmode": header}
    facts = SimpleNamespace(attributes=attributes, agreement=_agreement(mode))

    assert ([] if is_good else ["TST-1"]) == [one.rule for one in template_breaches(facts)]


def test_tests_have_topics_of_their_own():
    """Under a test agreement nothing is delivered where the real thing is."""
    assert ("govbus.in.court.example",) == _agreement().recipients
    assert ("govbus.test.in.court.example",) == _agreement(TrafficMode.TEST).recipients
    assert ("govbus.test.pub.tests.case",) == _agreement(TrafficMode.TEST, Delivery.PUBLISH).recipients
