"""Identifiers are parsed once, strictly."""

import pytest

from govbus.document import topics
from govbus.document.ids import AgencyId, Origin, PackageId
from govbus.errors import MetadataError


@pytest.mark.parametrize("text", ["tax.example", "a", "x-1.y2", "a" * 100])
def test_agency_id_accepts(text):
    """Dotted lower-case labels are agency ids."""
    assert text == str(AgencyId.from_text(text))


@pytest.mark.parametrize(
    "text", ["", "Tax.example", ".a", "a.", "a..b", "-a", "a-", "a_b", "ä", "a b", "a\n", "a" * 101]
)
def test_agency_id_refuses(text):
    """Anything else is refused with the field's grammar in the message."""
    with pytest.raises(MetadataError, match="agency id"):
        AgencyId.from_text(text)


def test_origin_round_trip():
    """An origin is agency and outbox, and names its CloudEvents source."""
    origin = Origin.from_text("tax.example/main")

    assert "tax.example/main" == str(origin)
    assert "https://tax.example/main" == origin.source_uri


@pytest.mark.parametrize("text", ["tax.example", "tax.example/", "/main", "tax.example/Main", "a/b/c"])
def test_origin_refuses(text):
    """An origin needs exactly one agency and one outbox label."""
    with pytest.raises(MetadataError):
        Origin.from_text(text)


def test_topic_names_round_trip():
    """Topic names are built and parsed in one place."""
    agency = AgencyId.from_text("tax.example")

    assert agency == topics.agency_of_outbox(topics.outbox(agency))
    assert "govbus.in.tax.example" == topics.inbox(agency)
    assert "govbus.pub.civil.person" == topics.publication(PackageId.from_text("civil.person"))


def test_agency_of_outbox_refuses_another_topic():
    """A topic that is no outbox has no agency."""
    with pytest.raises(MetadataError, match="outbox"):
        topics.agency_of_outbox("govbus.in.tax.example")


def test_log_partition_follows_the_outbox_partition():
    """All decisions about one outbox partition stand in one log partition."""
    assert [0, 1, 2, 3, 0, 1] == [topics.message_log_partition(n, 4) for n in range(6)]
