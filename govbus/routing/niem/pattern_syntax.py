"""Reads regular expressions of JSON Schema and of XML Schema into a tree."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from govbus.routing.niem.characters import ANY, CLASSES, Characters, category, complement, of, union

PATTERN_CHARACTERS_MAX: Final = 1_000
GROUPS_MAX: Final = 50
"""Groups inside groups."""
_CONTROLS: Final = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "a": "\a", "0": "\0"}
_HEXADECIMAL: Final = {"x": 2, "u": 4, "U": 8}
"""Digits of an escape by number."""


class PatternError(ValueError):
    """A pattern could take too long, or uses what cannot be judged."""


class Dialect(enum.Enum):
    """Where a pattern stands."""

    SEARCH = "JSON Schema"
    """It is looked for anywhere in a text."""
    WHOLE = "XML Schema"
    """It matches the whole text."""


@dataclass(frozen=True, slots=True)
class One:
    """Any one of some characters."""

    characters: Characters


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after the other."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Alternatives:
    """One of several."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """Several times the same."""

    body: Node
    least: int
    most: int | None
    """None for without end."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A condition on the place, which reads nothing."""

    is_start: bool
    """Whether it holds at the start of the text only."""


@dataclass(frozen=True, slots=True)
class LookAround:
    """A condition on the text before or after, which reads nothing."""

    body: Node


Node = One | Sequence | Alternatives | Repeat | Anchor | LookAround


def parse_pattern(pattern: str, dialect: Dialect) -> Node:
    """Return the tree of a pattern.

    Raises:
        PatternError: if it is too long, or uses what cannot be judged, such as a reference to a group.
    """
    if len(pattern) > PATTERN_CHARACTERS_MAX:
        raise PatternError(f"is longer than {PATTERN_CHARACTERS_MAX} characters")
    return _Parser(pattern, dialect).parse()


class _Parser:
    """Reads from left to right; the depth of groups is bounded, so recursion is."""

    def __init__(self, pattern: str, dialect: Dialect) -> None:
        self._pattern = pattern
        self._at = 0
        self._depth = 0
        self._is_whole = dialect is Dialect.WHOLE

    def parse(self) -> Node:
        tree = self._alternatives()
        if self._at < len(self._pattern):
            raise PatternError("closes a group that it does not open")
        return tree

    def _peek(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _next(self) -> str:
        if self._at >= len(self._pattern):
            raise PatternError("ends too early")
        self._at += 1
        return self._pattern[self._at - 1]

    def _skip(self, text: str) -> bool:
        if self._pattern.startswith(text, self._at):
            self._at += len(text)
            return True
        return False

    def _alternatives(self) -> Node:
        found = [self._sequence()]
        while self._skip("|"):
            found.append(self._sequence())
        return found[0] if len(found) == 1 else Alternatives(tuple(found))

    def _sequence(self) -> Node:
        nodes: list[Node] = []
        while self._peek() not in {"", "|", ")"}:
            nodes.append(self._repeated(self._atom()))
        return Sequence(tuple(nodes))

    def _repeated(self, node: Node) -> Node:
        while (bounds := self._bounds()) is not None:
            if self._peek() in {"?", "+"} and not self._is_whole:
                self._at += 1  # lazy or possessive: as many ways, in another order
            node = Repeat(node, *bounds)
        return node

    def _bounds(self) -> tuple[int, int | None] | None:
        """Return how often the atom before is repeated; None where no quantifier follows."""
        match self._peek():
            case "*":
                self._at += 1
                return 0, None
            case "+":
                self._at += 1
                return 1, None
            case "?":
                self._at += 1
                return 0, 1
            case "{":
                return self._counted()
            case _:
                return None

    def _counted(self) -> tuple[int, int | None] | None:
        end = self._pattern.find("}", self._at)
        least, comma, most = self._pattern[self._at + 1 : end].partition(",") if end >= 0 else ("", "", "")
        if not (least.isdecimal() or (comma and not least)) or not (most.isdecimal() or not most):
            return None  # a brace that stands for itself
        if max(len(least), len(most)) > len(str(PATTERN_CHARACTERS_MAX)) + 2:
            raise PatternError("repeats a part too often")
        self._at = end + 1
        low = int(least or 0)
        return (low, low) if not comma else (low, int(most) if most else None)

    def _atom(self) -> Node:
        match self._next():
            case "(":
                return self._group()
            case "[":
                return One(self._class())
            case ".":
                return One(complement(of("\n\r" if self._is_whole else "\n")))
            case "^" if not self._is_whole:
                return Anchor(is_start=True)
            case "$" if not self._is_whole:
                return Anchor(is_start=False)
            case "\\":
                return self._escape()
            case "*" | "+" | "?":
                raise PatternError("repeats nothing")
            case other:
                return One(of(other))

    def _group(self) -> Node:
        self._depth += 1
        if self._depth > GROUPS_MAX:
            raise PatternError(f"has more than {GROUPS_MAX} groups inside each other")
        is_condition = self._open_group()
        body = self._alternatives()
        if not self._skip(")"):
            raise PatternError("does not close a group")
        self._depth -= 1
        return LookAround(body) if is_condition else body

    def _open_group(self) -> bool:
        """Read what follows the parenthesis; return whether the group is a look-around."""
        if self._is_whole or not self._skip("?"):
            return False
        if any(self._skip(opening) for opening in ("=", "!", "<=", "<!")):
            return True
        if self._skip(":"):
            return False
        if self._skip("P<") or self._skip("<"):
            end = self._pattern.find(">", self._at)
            if end > 0:
                self._at = end + 1
                return False
        raise PatternError("uses a kind of group that cannot be judged")

    def _escape(self) -> Node:
        following = self._next()
        if not self._is_whole and following in "bBAZ":
            return Anchor(is_start=following == "A")
        if following in "123456789":
            raise PatternError("refers to a group")
        return One(self._escaped(following))

    def _escaped(self, following: str) -> Characters:
        if following in CLASSES:
            return CLASSES[following]
        if following in "pP":
            return self._property(is_negated=following == "P")
        if following in _CONTROLS:
            return of(_CONTROLS[following])
        if following in _HEXADECIMAL:
            digits = "".join(self._next() for _ in range(_HEXADECIMAL[following]))
            try:
                return of(chr(int(digits, 16)))
            except (ValueError, OverflowError):
                raise PatternError("has an escape that is no character") from None
        return of(following)

    def _property(self, *, is_negated: bool) -> Characters:
        name = ""
        if self._skip("{"):
            while (one := self._next()) != "}":
                name += one
        if not name or name.startswith("Is"):
            return ANY
        found = category(name)
        return union([complement(found), ((0x10000, 0x10FFFF),)]) if is_negated else found

    def _class(self) -> Characters:
        """Read a class up to its bracket; what is taken away from it stays in."""
        is_negated = self._skip("^")
        sets: list[Characters] = []
        is_exact = True
        while (one := self._next()) != "]" or not (sets or self._is_whole):
            if one == "-" and self._peek() == "[" and self._is_whole:
                self._at += 1
                self._class()
                is_exact = False
                continue
            low = self._escaped(self._next()) if one == "\\" else of(one)
            sets.append(self._range(low))
            is_exact = is_exact and not (one == "\\" and sets[-1] in _BROAD)
        found = union(sets)
        if not is_negated:
            return found
        return complement(found) if is_exact else ANY

    def _range(self, low: Characters) -> Characters:
        """Return the range that begins with a character, or the character itself."""
        following = self._pattern[self._at : self._at + 2]
        if not following.startswith("-") or following in {"-]", "-["} or low[0][0] != low[-1][1]:
            return low
        self._at += 1
        last = self._next()
        high = self._escaped(self._next()) if last == "\\" else of(last)
        if high[0][0] != high[-1][1] or high[0][0] < low[0][0]:
            raise PatternError("has a range from a later to an earlier character")
        return ((low[0][0], high[0][0]),)


_BROAD: Final = frozenset(CLASSES.values())
"""Sets that hold more than the engines match: what is not in them is not the complement."""
