"""Code lists as files: every mistake is located, a further edition only ever adds, and writing loses nothing."""

from __future__ import annotations

import pytest

from govbus.errors import ConfigError
from govbus.routing.codes import CodeList, CodeLists
from govbus.routing.codes.files import (
    PROBLEMS_MAX,
    code_list_yaml,
    continued,
    difference,
    moment_text,
    problems_in,
    read_code_list,
)
from govbus.routing.codes.lists import moment_ms

_GOOD = """
list: colours
title: Colours
editions:
  - from: 2026-01-01
    source: Somebody
    source_date: 2025-12-01
    codes: {R: {name: Red}, NO: {name: Norwegian blue, shades: [a, b]}, 0012: {name: Leading zeros}}
"""
_LATER = _GOOD.replace("2026-01-01", "2026-06-01").replace("Red", "Scarlet").replace("NO:", "G:")


def _read(text: str) -> CodeList:
    found, problems = read_code_list(text.encode())
    assert found is not None, problems
    return found


def test_reads_every_code_as_text():
    """YAML would make ``NO`` false and ``0012`` ten; codes are text."""
    assert list(_read(_GOOD).editions[0].codes) == ["R", "NO", "0012"]


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("list: colours", "list: My Colours", "list"),
        ("title: Colours", "titel: Colours", "title"),
        ("title: Colours", "title: ''", "title"),
        ("from: 2026-01-01", "from: January", "editions.0.from"),
        ("from: 2026-01-01", "from: 2026-13-01", "editions.0.from"),
        ("source: Somebody", "source: []", "editions.0.source"),
        ("source_date: 2025-12-01", "source_date: 2025-12-01T00:00:00Z", "editions.0.source_date"),
        ("source_date: 2025-12-01", "day: 2025-12-01", "editions.0.source_date"),
        ("{name: Red}", "Red", "editions.0.codes.R"),
        ("{name: Red}", "{title: Red}", "editions.0.codes.R"),
        ("{name: Red}", "{name: {en: Red}}", "editions.0.codes.R.name"),
        ("{name: Red}", "{name: [Red]}", "editions.0.codes.R.name"),
        ("shades: [a, b]", "shades: [a, {b: c}]", "editions.0.codes.NO.shades"),
        ("R: {name: Red}", "R: {name: Red}, R: {name: Red}", ""),
        ("editions:", "editions: [", ""),
    ],
)
def test_one_mistake_is_located(old: str, new: str, field: str):
    """Whoever wrote the file reads which field is wrong and what was expected there."""
    assert old in _GOOD
    found, problems = read_code_list(_GOOD.replace(old, new, 1).encode())
    assert found is None
    assert field in [problem.field for problem in problems]


def test_editions_must_follow_each_other():
    """An edition that begins with or before the one above it is refused."""
    second = _GOOD.split("editions:\n")[1]
    _, problems = read_code_list((_GOOD + second).encode())
    assert [str(problem) for problem in problems] == ["editions.1.from: expected a time after 2026-01-01"]


def test_a_list_without_editions_or_codes_is_refused():
    """An empty list would refuse every document, so it is taken for a mistake."""
    for value in ({}, [], {"list": "a", "title": "A", "editions": []}, None):
        assert problems_in(value)


def test_mistakes_are_bounded():
    """A file of nothing but mistakes is answered with the first of them."""
    codes = {f"C{number}": {} for number in range(1000)}
    value = {"list": "a", "title": "A", "editions": [{"from": "2026-01-01", "source": "S", "codes": codes}]}
    assert len(problems_in(value)) == PROBLEMS_MAX


def test_difference_names_what_was_added_removed_and_changed():
    """What an update does can be read before it is published."""
    found = difference(_read(_GOOD).editions[0], _read(_LATER).editions[0])
    assert found == (("G",), ("NO",), ("R",))
    assert not difference(_read(_GOOD).editions[0], _read(_GOOD).editions[0])


def test_continued_keeps_every_earlier_edition():
    """A further edition stands behind the others: documents of the past are judged as they were."""
    whole = continued(_read(_GOOD), _read(_LATER))
    assert whole.editions == (*_read(_GOOD).editions, *_read(_LATER).editions)


@pytest.mark.parametrize("later", [_GOOD, _GOOD.replace("2026-01-01", "2025-01-01")])
def test_an_edition_of_the_past_is_refused(later: str):
    """An edition cannot come into force with or before one that is there already."""
    with pytest.raises(ConfigError, match="expected an edition from after 2026-01-01"):
        continued(_read(_GOOD), _read(later))


def test_an_edition_of_another_list_is_refused():
    """The id says which list is continued."""
    with pytest.raises(ConfigError, match="expected an edition of colours, found one of shapes"):
        continued(_read(_GOOD), _read(_LATER.replace("colours", "shapes")))


@pytest.mark.parametrize("list_id", sorted(CodeLists.shipped().lists))
def test_shipped_lists_survive_writing_and_reading(list_id: str):
    """A shipped list can be written into a directory folder and read again without any difference."""
    one = CodeLists.shipped().lists[list_id]
    assert read_code_list(code_list_yaml(one).encode()) == (one, [])


@pytest.mark.parametrize("text", ["2026-01-31", "2026-01-31T12:00:00.000Z"])
def test_moments_are_days_or_times(text: str):
    """A day is its midnight in UTC."""
    assert moment_text(moment_ms(text)) == text
