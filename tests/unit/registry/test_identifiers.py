"""Normal forms of national ids."""

import pytest

from govbus.registry.identifiers import national_id
from govbus.registry.record import Identifier


@pytest.mark.parametrize(
    "text",
    ["AB12345", " ab 123-45 ", "ab.12/345", "\uff21\uff2212345", "ab\u00a012345", "ab\u2010123\u201145"],
    ids=["plain", "spaces", "separators", "full width", "no-break space", "hyphens"],
)
def test_one_normal_form(text):
    """However an agency writes an id, its normal form is the same."""
    assert Identifier("national-id", "AB12345") == national_id(text)


@pytest.mark.parametrize(
    "text", [None, "", "  ", "123", "0000000", "999-99-99", "12345?", "1" * 30 + "2" * 40]
)
def test_texts_that_identify_nobody(text):
    """Missing, short, endless and repeated-sign texts are no identifiers."""
    assert national_id(text) is None


def test_leading_zeros_count():
    """An id with a leading zero is another one than without."""
    assert national_id("0123456") != national_id("123456")
