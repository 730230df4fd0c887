"""What stands in a DCAT-US catalogue, and what is left out rather than written wrong."""

import pytest

from govbus.routing.catalogue.addresses import uri
from govbus.routing.catalogue.dcat_us_1_1 import dcat_us_1_1, periodicity
from govbus.routing.catalogue.dcat_us_3_0 import dcat_us_3_0
from govbus.routing.catalogue.periods import interval_of, period_of
from govbus.testing.example_bus import ExampleBus
from govbus.testing.rich_example import RICH_EXAMPLE

RICH = ExampleBus.of(RICH_EXAMPLE).directory()
FIRST = {one["identifier"]: one for one in dcat_us_1_1(RICH, broker="kafka:9092")["dataset"]}
THIRD = {one["identifier"]["notation"]: one for one in dcat_us_3_0(RICH)["dataset"]}


def test_assets_that_are_not_public_are_listed_too():
    """1.1 lists them with access level and rights; a restricted one has no address on the bus."""
    assert {"non-public", "public", "restricted public"} == {one["accessLevel"] for one in FIRST.values()}
    assert "On order of a court." == FIRST["tax.example/sealed"]["rights"]
    assert "distribution" not in FIRST["tax.example/sealed"]
    assert ["https://tax.example/api/assessments"] == [
        one["accessURL"] for one in FIRST["tax.example/assessments"]["distribution"]
    ]


def test_a_public_package_has_its_topic_as_a_distribution():
    """Query points come first, then the publication topic with its schema, at the broker that was named."""
    *_, topic = FIRST["tax.example/rates"]["distribution"]

    assert "kafka://kafka:9092/govbus.pub.tax.rates" == topic["accessURL"]
    assert "https://bus.example/schemas/tax.rates/1" == topic["describedBy"]


def test_restrictions_stand_on_every_distribution():
    """3.0: arrays of restrictions, one for each specific one, and the CUI marking; also where nothing is offered."""
    for asset in THIRD.values():
        assert all(one["accessRestriction"] for one in asset["distribution"])
    limits = THIRD["tax.example/assessments"]["distribution"][0]
    assert ["FOIA (b)(6) Personal Information", "FOIA (b)(3) Statute"] == [
        one["specificRestriction"] for one in limits["accessRestriction"]
    ]
    assert "CUI//SP-TAX" == limits["cuiRestriction"]["cuiBannerMarking"]
    assert ["Undetermined"] == [one["restrictionStatus"] for one in limits["useRestriction"]]


def test_a_status_that_nobody_stated_says_where_it_is_from():
    """An asset without a restriction gets the status of its access level, with a note that it is derived."""
    (sealed,) = THIRD["tax.example/sealed"]["distribution"]
    (restriction,) = sealed["accessRestriction"]

    assert "Restricted - Partly" == restriction["restrictionStatus"]
    assert "restricted public" in restriction["restrictionNote"]


def test_exchanges_under_agreements_have_no_address():
    """A package that is not open is described without an address: nobody reads its topics without an agreement."""
    exchange = next(
        one
        for one in THIRD["tax.example/assessments"]["distribution"]
        if one.get("@id") == "https://bus.example/packages/tax.assessment"
    )

    assert not {"accessURL", "downloadURL"} & exchange.keys()


def test_languages_are_iso_639_1_codes():
    """Regions go, doubles go, and a language without a 2-letter code (Klingon) cannot be named in 3.0."""
    assert ["en-US", "es", "tlh", "EN"] == FIRST["tax.example/rates"]["language"]
    assert ["en", "es"] == THIRD["tax.example/rates"]["language"]


@pytest.mark.parametrize(
    ("frequency", "first"),
    [
        ("R/P1D", "R/P1D"),
        ("R12/P1M", "R/P1M"),
        ("irregular", "irregular"),
        ("R/P1D1Y", None),
        ("R/P", None),
        (None, None),
    ],
)
def test_periodicity(frequency, first):
    """A count is dropped, for DCAT-US has none; what is no ISO 8601 duration is left out."""
    assert first == periodicity(frequency)


@pytest.mark.parametrize(
    ("interval", "first", "third"),
    [
        ("2020-01-01/2025-12-31", "2020-01-01/2025-12-31", ("2020-01-01", "2025-12-31")),
        ("2020/2025-12", "2020/2025-12", ("2020", "2025-12")),
        ("2020-01-01/2025-12-31T10:00:00Z", "2020-01-01/2025-12-31", ("2020-01-01", "2025-12-31T10:00:00Z")),
        ("2020-01-01T10:00Z/2025-12-31", "2020-01-01/2025-12-31", ("2020-01-01", "2025-12-31")),
        ("2020-01-31/P1M", "2020-01-31/P1M", ("2020-01-31", "2020-02-29")),
        ("2020-01-31/P1Y2W1D", "2020-01-31/P1Y2W1D", ("2020-01-31", "2021-02-15")),
        ("2020-01-31/PT5H", "2020-01-31/PT5H", ("2020-01-31", None)),
        ("2020/P1Y", "2020/P1Y", ("2020", None)),
        ("9999-12-01/P1Y", "9999-12-01/P1Y", ("9999-12-01", None)),
        ("2020-01-01/P1.5Y", None, ("2020-01-01", None)),
        ("2020-13-01/2025-12-31", None, (None, "2025-12-31")),
        ("2020-13-01/2025-99", None, None),
        ("2020-01-01T99:99/2020-01-02", "2020-01-01/2020-01-02", ("2020-01-01", "2020-01-02")),
    ],
)  # fmt: skip
def test_periods(interval, first, third):
    """An interval is written as each version takes it; a part that is no date is left out."""
    assert first == interval_of(interval)
    period = period_of(interval)
    assert third == (None if period is None else (period.get("startDate"), period.get("endDate")))


def test_addresses_are_uris():
    """Characters outside RFC 3986 are percent-encoded in UTF-8; the rest stays."""
    assert "https://x.example/%C3%BC?a=b%20c#d" == uri("https://x.example/ü?a=b c#d")
    assert "https://tax.example/rates/%C3%BCbersicht" == FIRST["tax.example/rates"]["landingPage"]
