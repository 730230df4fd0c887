"""Code lists: the shipped ones are complete and read once, and a document is judged by the edition of its time."""

from __future__ import annotations

import pytest

from govbus.routing.codes import CodeList, CodeLists, Edition
from govbus.routing.codes.files import code_list_value, problems_in
from govbus.routing.codes.lists import moment_ms

_JANUARY, _JUNE = moment_ms("2026-01-01"), moment_ms("2026-06-01")
_LIST = CodeList(
    "colours",
    "Colours",
    (
        Edition(_JANUARY, "somebody", "2025-12-01", {"R": {"name": "Red"}}),
        Edition(_JUNE, "somebody", "2026-05-01", {"G": {"name": "Green"}}),
    ),
)
_SHIPPED = {
    "cui-categories": 114,
    "cui-country-groups": 61,
    "cui-dissemination": 10,
    "cui-supplemental": 5,
    "data-regulations": 24,
    "genc-countries": 280,
    "iso639-1-languages": 183,
    "iso6523-icd": 235,
    "nara-access-restrictions": 65,
    "nara-use-restrictions": 11,
    "omb-bureaus": 368,
    "omb-programs": 1554,
}


@pytest.mark.parametrize(
    ("time_ms", "code"),
    [(0, "R"), (_JANUARY, "R"), (_JUNE - 1, "R"), (_JUNE, "G"), (_JUNE + 10**12, "G")],
)
def test_codes_in_force_at_a_time(time_ms: int, code: str):
    """The first edition holds before its day too; each later one from its first millisecond on."""
    assert list(CodeLists({"colours": _LIST}).codes("colours", time_ms)) == [code]


def test_a_list_that_is_not_there_has_no_codes():
    """A rule that asks for an unknown list finds no code in it, and so accepts none."""
    assert CodeLists({}).codes("colours", _JUNE) == {}


def test_epoch_changes_when_any_list_does():
    """Two times have one epoch exactly where no list changed between them: verdicts are remembered by it."""
    lists = CodeLists({"colours": _LIST})
    assert lists.epoch(_JANUARY) == lists.epoch(_JUNE - 1) != lists.epoch(_JUNE)


def test_replaced_puts_a_directory_list_in_place_of_the_shipped_one():
    """A directory's list wins as a whole; the others stay."""
    own = CodeList("cui-supplemental", "Own", (_LIST.editions[0],))
    lists = CodeLists.shipped().replaced([own])
    assert list(lists.codes("cui-supplemental", _JUNE)) == ["R"]
    assert len(lists.codes("cui-categories", _JUNE)) == 114


@pytest.mark.parametrize(("list_id", "count"), _SHIPPED.items())
def test_shipped_lists_have_so_many_codes(list_id: str, count: int):
    """Every list that a rule needs is shipped, in the form that the specification asks for."""
    one = CodeLists.shipped().lists[list_id]
    assert (one.id, len(one.editions[-1].codes)) == (list_id, count)
    assert problems_in(code_list_value(one)) == []


def test_no_other_list_is_shipped():
    """A list that no test counts would be one that nobody compares with its source."""
    assert set(CodeLists.shipped().lists) == set(_SHIPPED)


def test_shipped_lists_are_read_once():
    """Every directory shares one copy, because versions follow each other and the lists are large."""
    assert CodeLists.shipped() is CodeLists.shipped()
