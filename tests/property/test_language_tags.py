"""Language tags under random input: what the grammar makes is well-formed, and nothing crashes or hangs."""

from __future__ import annotations

import string
import time

from hypothesis import given
from hypothesis import strategies as st

from govbus.routing.codes import CodeLists
from govbus.routing.rules.language_tags import TAG_CHARACTERS_MAX, is_well_formed, language_iso639_1

_LETTERS, _WORDS = string.ascii_letters, string.ascii_letters + string.digits
_LANGUAGES = CodeLists.shipped().codes("iso639-1-languages", 0)


def _text(alphabet: str, size_min: int, size_max: int) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=size_min, max_size=size_max)


@st.composite
def _tags(draw: st.DrawFn) -> str:
    """Make a tag subtag by subtag as RFC 5646 section 2.1 allows."""
    subtags = [draw(st.one_of(_text(_LETTERS, 2, 3), _text(_LETTERS, 5, 8)))]
    subtags += draw(st.lists(_text(_LETTERS, 4, 4), max_size=1))
    subtags += draw(st.lists(st.one_of(_text(_LETTERS, 2, 2), _text(string.digits, 3, 3)), max_size=1))
    subtags += draw(st.lists(_text(_WORDS, 5, 8), max_size=3, unique_by=str.lower))
    for singleton in draw(st.lists(st.sampled_from("0123456789abtuvwyz"), max_size=2, unique=True)):
        subtags += [singleton, *draw(st.lists(_text(_WORDS, 2, 8), min_size=1, max_size=2))]
    private = draw(st.lists(_text(_WORDS, 1, 8), max_size=2))
    return "-".join([*subtags, *(["x", *private] if private else [])])


@given(_tags())
def test_what_the_grammar_makes_is_well_formed(tag: str):
    """Every tag made by the grammar is well-formed, in any case of letters."""
    assert is_well_formed(tag)
    assert is_well_formed(tag.swapcase())


@given(_tags(), st.integers(0, 200), st.sampled_from(["_", " ", "--", "é", "\n"]))
def test_a_foreign_character_breaks_it(tag: str, at: int, foreign: str):
    """A tag with one character that no subtag has is not well-formed."""
    at %= len(tag) + 1
    assert not is_well_formed(tag[:at] + foreign + tag[at:])


@given(st.one_of(st.text(max_size=60), st.text(_WORDS + "-", max_size=300)))
def test_any_text_has_an_answer(text: str):
    """No text crashes either function, and only well-formed tags have a language."""
    if language_iso639_1(text, _LANGUAGES) is not None:
        assert is_well_formed(text)


@given(st.text(_WORDS + "-", min_size=1, max_size=6))
def test_repetitions_are_answered_in_linear_time(piece: str):
    """A piece repeated to the longest tag there may be takes milliseconds, beyond it nothing."""
    began = time.perf_counter()
    is_well_formed((piece * TAG_CHARACTERS_MAX)[:TAG_CHARACTERS_MAX])
    is_well_formed(piece * 1_000_000)
    assert time.perf_counter() - began < 1.0
