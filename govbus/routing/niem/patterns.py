"""Says how long a regular expression can take at worst, before one from a schema meets a message.

Patterns of JSON Schema and of XML Schema are matched by engines that try one way after another. Some patterns, such
as ``(a+)+$``, make them try exponentially many. A pattern is read into its position automaton (Glushkov): one state
for each character of the pattern. Where two ways through a loop read the same text, the engine tries both at every
turn: that is exponential and refused. Where a loop can be left by what also stays in it, and another loop follows,
every turn is tried: each such step adds one to the degree of the polynomial.

Sets of characters are taken a little too great where a class is not exact, so an answer may be too strict, but not
too lax. Source: Weideman et al., "Analyzing Matching Time Behavior of Backtracking Regular Expression Matchers by
Using Ambiguity of NFA", CIAA 2016.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from govbus.routing.niem.characters import Characters, overlap
from govbus.routing.niem.components import components_of
from govbus.routing.niem.pattern_syntax import (
    Alternatives,
    Anchor,
    Dialect,
    LookAround,
    Node,
    One,
    PatternError,
    Repeat,
    Sequence,
    parse_pattern,
)

EXPANDED_MAX: Final = 64
"""A part repeated at most this often is written out; one repeated more often counts as a loop."""
POSITIONS_MAX: Final = 4_000
"""Characters of a pattern, repetitions written out."""
STEPS_MAX: Final = 200_000
"""Pairs of characters that may follow each other."""
WAYS_MAX: Final = 1_000
"""Ways in which one text can be read, loops aside: a pattern such as ``a?a?a?aaa`` doubles them with every step."""


@functools.lru_cache(maxsize=4096)
def pattern_degree(pattern: str, dialect: Dialect) -> int:
    """Return the degree of the polynomial that bounds the steps of a match: 0 or 1 for linear, 2 for quadratic.

    Raises:
        PatternError: if the steps can grow exponentially, or the pattern uses what cannot be judged.
    """
    tree = parse_pattern(pattern, dialect)
    is_anchored = dialect is Dialect.WHOLE or _is_anchored(tree)
    own = _Automaton(tree).degree(is_searched=not is_anchored)
    return max([own, *_conditions(tree, is_anchored=is_anchored)])


def _is_anchored(tree: Node) -> bool:
    """Return whether a match can begin at the start of the text only."""
    match tree:
        case Sequence((Anchor(is_start=True), *_)):
            return True
        case Sequence((Sequence() | Alternatives() as first, *_)):
            return _is_anchored(first)
        case Alternatives(nodes):
            return all(map(_is_anchored, nodes))
        case _:
            return False


def _conditions(tree: Node, *, is_anchored: bool) -> Iterator[int]:
    """Yield the degree of every look-around: it is tried wherever the pattern comes to it."""
    first = _leading(tree) if is_anchored else ()
    pending: list[tuple[Node, bool]] = [(tree, False)]
    while pending:
        node, in_loop = pending.pop()
        match node:
            case LookAround(body):
                degree = _Automaton(body).degree(is_searched=node not in first)
                if in_loop and degree:
                    raise PatternError("has a look-around with a repetition inside a repetition")
                yield degree
                pending.append((body, True))
            case Repeat(body, _, most):
                pending.append((body, in_loop or most is None or most > 1))
            case Sequence(nodes) | Alternatives(nodes):
                pending += [(one, in_loop) for one in nodes]
            case _:
                pass


def _leading(tree: Node) -> tuple[Node, ...]:
    """Return the conditions at the start of an anchored pattern, which are tried once."""
    found: list[Node] = []
    if isinstance(tree, Sequence):
        for node in tree.nodes:
            if not isinstance(node, Anchor | LookAround):
                break
            found.append(node)
    return tuple(found)


class _Part(NamedTuple):
    """Which characters of the pattern a part of it can begin and end with."""

    is_empty: bool
    """Whether it can read nothing."""
    first: tuple[int, ...]
    last: tuple[int, ...]


_NOTHING: Final = _Part(is_empty=True, first=(), last=())


class _Automaton:
    """The position automaton of a pattern; two ways to the same state are two entries."""

    def __init__(self, tree: Node) -> None:
        self._characters: list[Characters] = []
        self._following: list[list[int]] = []
        self._steps = 0
        self._is_conditional = False
        """Whether an anchor or look-around can refuse a match at its end."""
        self._whole = self._build(tree)

    def degree(self, *, is_searched: bool) -> int:
        """Return the degree; a pattern that is searched for is tried at every character of the text."""
        degrees: dict[int, int] = {}
        ways: dict[int, int] = {}
        fails_in_loop = False
        for component in components_of(self._following):
            inside = frozenset(component)
            degree = max(self._exit_degree(one, inside, degrees) for one in component)
            if any(follower in inside for one in component for follower in self._following[one]):
                degree = max(degree, 1)
                fails_in_loop = fails_in_loop or self._is_conditional or not inside <= set(self._whole.last)
            degrees.update(dict.fromkeys(component, degree))
            ways.update(dict.fromkeys(component, max(self._ways(one, inside, ways) for one in component)))
        degree = max((degrees[one] for one in self._whole.first), default=0)
        self._most_ways(self._whole.first, ways)
        return degree + 1 if degree and is_searched and fails_in_loop else degree

    def _exit_degree(self, one: int, inside: frozenset[int], degrees: dict[int, int]) -> int:
        """Return what the states after this one need, and one more where it cannot tell staying from leaving."""
        staying = [self._characters[to] for to in self._following[one] if to in inside]
        if overlap(staying):
            raise PatternError("can be matched in exponentially many ways")
        stays = tuple(sorted(one for ranges in staying for one in ranges))
        return max(
            (
                degrees[to] + (degrees[to] > 0 and overlap([stays, self._characters[to]]))
                for to in self._following[one]
                if to not in inside
            ),
            default=0,
        )

    def _ways(self, one: int, inside: frozenset[int], ways: dict[int, int]) -> int:
        """Return in how many ways a text can be read from a state on, loops aside."""
        return self._most_ways([to for to in self._following[one] if to not in inside], ways)

    def _most_ways(self, states: Iterable[int], ways: dict[int, int]) -> int:
        """Return the greatest sum of ways over states that a character can lead to alike."""
        ranges = sorted((first, last, to) for to in states for first, last in self._characters[to])
        most, total, end = 1, 0, -1
        for first, last, to in ranges:
            total = total + ways[to] if first <= end else ways[to]
            most, end = max(most, total), max(end, last)
        if most > WAYS_MAX:
            raise PatternError("can be matched in too many ways")
        return most

    def _build(self, node: Node) -> _Part:
        match node:
            case One(characters):
                return self._position(characters)
            case Sequence(nodes):
                part = _NOTHING
                for one in nodes:
                    part = self._then(part, self._build(one))
                return part
            case Alternatives(nodes):
                parts = [self._build(one) for one in nodes]
                if sum(part.is_empty for part in parts) > 1:
                    raise PatternError("has two alternatives that can be empty")
                return _Part(
                    any(part.is_empty for part in parts),
                    tuple(one for part in parts for one in part.first),
                    tuple(one for part in parts for one in part.last),
                )
            case Repeat(body, least, most):
                return self._repeat(body, least, most)
            case Anchor(is_start):
                self._is_conditional = self._is_conditional or not is_start
                return _NOTHING
            case LookAround():
                self._is_conditional = True
                return _NOTHING

    def _position(self, characters: Characters) -> _Part:
        if len(self._characters) >= POSITIONS_MAX:
            raise PatternError("is too long with its repetitions written out")
        self._characters.append(characters)
        self._following.append([])
        here = (len(self._characters) - 1,)
        return _Part(is_empty=False, first=here, last=here)

    def _then(self, before: _Part, after: _Part) -> _Part:
        self._link(before.last, after.first)
        return _Part(
            before.is_empty and after.is_empty,
            before.first + after.first if before.is_empty else before.first,
            before.last + after.last if after.is_empty else after.last,
        )

    def _link(self, before: tuple[int, ...], after: tuple[int, ...]) -> None:
        self._steps += len(before) * len(after)
        if self._steps > STEPS_MAX:
            raise PatternError("is too long with its repetitions written out")
        for one in before:
            self._following[one] += after

    def _repeat(self, body: Node, least: int, most: int | None) -> _Part:
        if most == 0:
            return _NOTHING
        if most is not None and 1 < most <= EXPANDED_MAX and _is_plain(body):
            return self._written_out(body, least, most)
        part = self._build(body)
        if part.is_empty and (least, most) != (1, 1):
            raise PatternError("repeats a part that can be empty")
        if most != 1:
            self._link(part.last, part.first)
        return part._replace(is_empty=part.is_empty or least == 0)

    def _written_out(self, body: Node, least: int, most: int) -> _Part:
        """Return the part as its copies: those that must be, then each optional one inside the one before."""
        part = _NOTHING
        ends: tuple[int, ...] = ()
        for number in range(most):
            copy = self._build(body)
            if number >= least:
                ends += part.last
            part = self._then(part, copy)
        return _Part(is_empty=least == 0, first=part.first, last=ends + part.last)


def _is_plain(node: Node) -> bool:
    """Return whether a part reads the same number of characters in one way only."""
    match node:
        case One():
            return True
        case Sequence(nodes):
            return bool(nodes) and all(map(_is_plain, nodes))
        case Repeat(body, least, most):
            return least == most and 0 < least <= EXPANDED_MAX and _is_plain(body)
        case _:
            return False
