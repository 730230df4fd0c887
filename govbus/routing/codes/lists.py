"""Code lists as values: a list has editions, and a document is judged by the one in force at its time."""

from __future__ import annotations

import functools
import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from govbus.document.encoding import time_ms_from_text
from govbus.errors import MissingPartError

_NOTHING: Mapping[str, Any] = {}
_DATA = Path(__file__).resolve().parent / "data"
DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Edition:
    """One edition of a code list."""

    from_ms: int
    """In force from this moment, milliseconds since 1970; the first edition is also in force before it."""
    source: str
    """Whose list it is, and where it stands."""
    source_date: str
    """Day on which the source says so, such as ``2025-04-29``."""
    codes: Mapping[str, Mapping[str, Any]]
    """What is known of each code, by code: at least its ``name``; every value is a text or a list of texts."""


@dataclass(frozen=True, slots=True)
class CodeList:
    """A code list with all its editions."""

    id: str
    """Such as ``cui-categories``."""
    title: str
    editions: tuple[Edition, ...]
    """In the order in which they came into force; at least one."""

    def at(self, time_ms: int) -> Edition:
        """Return the edition in force at a time."""
        return self.editions[max(0, bisect_right([one.from_ms for one in self.editions], time_ms) - 1)]


@dataclass(frozen=True, slots=True)
class CodeLists:
    """All code lists of one directory version."""

    lists: Mapping[str, CodeList]
    """By id."""
    _changes_ms: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        changes = {edition.from_ms for one in self.lists.values() for edition in one.editions}
        object.__setattr__(self, "_changes_ms", tuple(sorted(changes)))

    @classmethod
    def shipped(cls) -> CodeLists:
        """Return the lists that come with govbus, read once.

        Raises:
            MissingPartError: if the installation lacks them.
        """
        return _shipped()

    def replaced(self, lists: Iterable[CodeList]) -> CodeLists:
        """Return these lists with others in place of those of the same id."""
        return CodeLists({**self.lists, **{one.id: one for one in lists}})

    def epoch(self, time_ms: int) -> int:
        """Return a number that is the same for two times between which no list changed."""
        return bisect_right(self._changes_ms, time_ms)

    def codes(self, list_id: str, time_ms: int) -> Mapping[str, Mapping[str, Any]]:
        """Return the codes of a list that are in force at a time; none where there is no such list."""
        one = self.lists.get(list_id)
        return _NOTHING if one is None else one.at(time_ms).codes


@functools.cache
def _shipped() -> CodeLists:
    lists = [code_list_of(json.loads(path.read_bytes())) for path in sorted(_DATA.glob("*.json"))]
    if not lists:
        raise MissingPartError(
            "the code lists that come with govbus are missing", remedy="install govbus again"
        )
    return CodeLists({one.id: one for one in lists})


def code_list_of(value: Mapping[str, Any]) -> CodeList:
    """Return the code list of a value that is known to have the form of ``docs/specs/code-lists.md``.

    What people or other machines wrote goes through `govbus.routing.codes.files.read_code_list` instead.
    """
    editions = [
        Edition(moment_ms(one["from"]), one["source"], one["source_date"], one["codes"])
        for one in value["editions"]
    ]
    return CodeList(value["list"], value["title"], tuple(editions))


def moment_ms(text: str) -> int:
    """Return the milliseconds since 1970 of a day, which begins at midnight UTC, or of an RFC 3339 time.

    Raises:
        MetadataError: if the text is neither.
    """
    return time_ms_from_text(f"{text}T00:00:00Z" if DAY.fullmatch(text) else text)
