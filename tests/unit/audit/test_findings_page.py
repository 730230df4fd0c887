"""The page about findings has a section for every check that an audit makes, and none for others."""

import re
from pathlib import Path

import pytest

from govbus.audit.report import Check

PAGE = (Path(__file__).parents[3] / "docs" / "auditing" / "findings.md").read_text("utf-8")
SECTIONS = dict(
    zip(
        re.findall(r"^## (.+)$", PAGE, re.MULTILINE),
        re.split(r"^## .+$", PAGE, flags=re.MULTILINE)[1:],
        strict=True,
    )
)


def test_every_check_has_a_section():
    """The headings of the page are the names of the checks."""
    assert {check.value for check in Check} == set(SECTIONS)


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_says_what_to_do(name):
    """Every section says what the finding means, and then what to do."""
    meaning, _, action = SECTIONS[name].partition("\nDo: ")

    assert len(meaning.strip()) > 40
    assert len(action.strip()) > 40
