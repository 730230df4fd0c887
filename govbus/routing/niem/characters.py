"""Sets of characters as ranges of code points."""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterable
from typing import Final

Characters = tuple[tuple[int, int], ...]
"""Ranges of code points, first and last, in order and apart."""

LAST: Final = 0x10FFFF
_BASIC_LAST: Final = 0xFFFF
"""Of the basic plane; classes are exact there."""
ANY: Final[Characters] = ((0, LAST),)


def union(sets: Iterable[Characters]) -> Characters:
    """Return the characters that are in any of the sets."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(one for ranges in sets for one in ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return tuple(joined)


def complement(characters: Characters) -> Characters:
    """Return all other characters."""
    gaps: list[tuple[int, int]] = []
    begin = 0
    for first, last in characters:
        if first > begin:
            gaps.append((begin, first - 1))
        begin = last + 1
    return (*gaps, (begin, LAST)) if begin <= LAST else tuple(gaps)


def overlap(sets: Iterable[Characters]) -> bool:
    """Return whether two of the sets share a character."""
    end = -1
    for first, last in sorted(one for ranges in sets for one in ranges):
        if first <= end:
            return True
        end = last
    return False


@functools.lru_cache(maxsize=64)
def category(prefix: str) -> Characters:
    """Return the characters of a Unicode general category such as ``L`` or ``Nd``; all beyond the basic plane."""
    ranges: list[tuple[int, int]] = []
    for code in range(_BASIC_LAST + 1):
        if unicodedata.category(chr(code)).startswith(prefix):
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1] = (ranges[-1][0], code)
            else:
                ranges.append((code, code))
    return (*ranges, (_BASIC_LAST + 1, LAST))


def of(text: str) -> Characters:
    """Return the set of the characters of a text."""
    return union(((ord(one), ord(one)),) for one in text)


_DIGITS: Final = of("0123456789")
_WORD: Final = union([((48, 57), (65, 90), (97, 122)), of("_")])
_SPACE: Final = union([((9, 13),), of(" ")])
_BEYOND_ASCII: Final[Characters] = ((128, LAST),)

CLASSES: Final[dict[str, Characters]] = {
    "d": category("Nd"),
    "D": complement(_DIGITS),
    "w": union([_WORD, _BEYOND_ASCII]),
    "W": complement(_WORD),
    "s": union(
        [_SPACE, of("\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000"), ((0x2000, 0x200A),)]
    ),
    "S": complement(of("\t\n\r ")),
    "i": union([((65, 90), (97, 122)), of("_:"), _BEYOND_ASCII]),
    "c": union([((45, 46), (48, 58), (65, 90), (97, 122)), of("_"), _BEYOND_ASCII]),
    "I": ANY,
    "C": ANY,
}
r"""What an escape such as ``\d`` stands for, at most; beyond ASCII the engines differ, so all of it is in."""
