"""Patterns: those that can take forever are told from those that cannot, before a message meets them."""

import random
import re

import pytest

from govbus.routing.niem.pattern_syntax import Dialect, PatternError
from govbus.routing.niem.patterns import pattern_degree


@pytest.mark.parametrize(
    ("pattern", "degree"),
    [
        (r"^\d{3}:\d{2}$", 0),
        (r"^(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug)$", 0),
        (r"^[A-Z]{2}[0-9]{6}(-[0-9])?$", 0),
        (r"\S", 0),
        (r"\S+", 1),
        (r"^([a-z0-9]+(-[a-z0-9]+)*)$", 1),
        (r"^(\d{1,3}\.){3}\d{1,3}$", 1),
        (r"^(?!\s*$).+", 1),
        (r"^(?=.*[A-Z])(?=.*\d).{8,64}$", 1),
        (r"^[^,\]]*,[^\],]*$", 1),
        (r"^(?:a|b)*(?P<x>c)$", 1),
        (r"^\x41\u0042\t\.[\d\-]*$", 1),
        (r"^a{2,}b{,3}c{x}$", 1),
        (r"[a-z]+@", 2),
        (r"^.*foo.*$", 2),
        (r"^\d+\d+\d+$", 3),
    ],
)
def test_degree(pattern, degree):
    """The degree is that of the slowest text; searching from every character adds one."""
    assert degree == pattern_degree(pattern, Dialect.SEARCH)
    re.compile(pattern)


@pytest.mark.parametrize(
    ("pattern", "word"),
    [
        (r"^(a+)+$", "exponentially"),
        (r"^(a|aa)+$", "exponentially"),
        (r"^(\w+\s?)*$", "exponentially"),
        (r"^(.*?,){11}P", "exponentially"),
        (r"^([^\d]|[a-z])*$", "exponentially"),
        (r"(a*)*b", "can be empty"),
        (r"^(x(a?|b?))*y", "can be empty"),
        (r"^(a?){30}a{30}$", "can be empty"),
        ("^" + "a?" * 30 + "a" * 30, "too many ways"),
        ("^" + "(a|a)" * 50, "too many ways"),
        (r"^(a(?=b*c))*$", "look-around"),
        (r"(a)\1", "group"),
        (r"(?i)a", "group"),
        ("a" * 1_001, "longer"),
        ("(" * 51 + ")" * 51, "inside each other"),
        ("^" + "(a{60}){60}" * 3, "written out"),
        ("a{99999999}", "too often"),
        ("(a", "close"),
        ("a)", "closes"),
        ("[a", "early"),
        ("*a", "nothing"),
        ("[z-a]", "range"),
        (r"\ud8zz", "no character"),
    ],
)
def test_refused(pattern, word):
    """What can take exponentially long, or cannot be judged, is refused with the reason."""
    with pytest.raises(PatternError, match=word):
        pattern_degree(pattern, Dialect.SEARCH)


@pytest.mark.parametrize(
    ("pattern", "degree"),
    [
        (r"\p{L}+(\s\p{L}+)*", 1),
        (r"\P{L}+\p{L}*", 2),
        (r"\p{IsBasicLatin}*", 1),
        (r"[\i-[:]][\c-[:]]*", 1),
        (r"^a$*", 1),
        (r".*[^\s].*", 2),
    ],
)
def test_xml_schema(pattern, degree):
    """Patterns of XML Schema match the whole text and have classes of their own."""
    assert degree == pattern_degree(pattern, Dialect.WHOLE)


def _random_pattern(rng, depth):
    kind = rng.random()
    if depth == 0 or kind < 0.3:
        return rng.choice(["a", "b", "[ab]", "."])
    if kind < 0.5:
        return _random_pattern(rng, depth - 1) + _random_pattern(rng, depth - 1)
    if kind < 0.65:
        return f"(?:{_random_pattern(rng, depth - 1)}|{_random_pattern(rng, depth - 1)})"
    return f"(?:{_random_pattern(rng, depth - 1)})" + rng.choice(
        ["*", "+", "?", "{2}", "{0,3}", "{2,}", "{5,30}"]
    )


def test_patterns_that_are_let_in_end():
    """Random patterns that are let in end on texts that make others run for years: this test ends."""
    rng = random.Random(20261124)
    let_in = 0
    for _ in range(1_500):
        pattern = f"^{_random_pattern(rng, 4)}c$"
        try:
            degree = pattern_degree(pattern, Dialect.SEARCH)
        except PatternError:
            continue
        let_in += 1
        for text in ("a", "ab", "b", "aab"):
            re.search(pattern, (text * 200)[: 200 // max(1, degree)])
    assert let_in > 500
