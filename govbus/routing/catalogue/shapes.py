"""Checks of plain values, put together to the form of a whole file; every mistake is told with its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from govbus.routing.catalogue.formats import FORMATS

FOUND_CHARACTERS_MAX: Final = 60


class Flaw(NamedTuple):
    """One thing that is wrong."""

    field: str
    """Path such as ``schema.0.properties.2.name``; empty for the whole."""
    detail: str
    """What was expected, and what is there instead."""


Check = Callable[[Any, str], Iterator[Flaw]]
"""Yields what is wrong with a value at a place."""


def at(place: str, part: str | int) -> str:
    """Return the place of a part."""
    return f"{place}.{part}" if place else str(part)


def shown(value: Any) -> str:
    """Return a value as an error names it: short texts and numbers as they are, else the kind of value."""
    plain = isinstance(value, str | int | float)
    return repr(str(value)[:FOUND_CHARACTERS_MAX]) if plain else type(value).__name__


def _kind(is_kind: Callable[[Any], bool], words: str) -> Check:
    def check(value: Any, place: str) -> Iterator[Flaw]:
        if not is_kind(value):
            yield Flaw(place, f"expected {words}, found {shown(value)}")

    return check


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_integer(value: Any) -> bool:
    """Return whether JSON Schema calls the value an integer: ``1.0`` is one too."""
    return _is_number(value) and (isinstance(value, int) or value.is_integer())


TEXT: Final = _kind(lambda value: isinstance(value, str), "a text")
BOOLEAN: Final = _kind(lambda value: isinstance(value, bool), "true or false")
NUMBER: Final = _kind(_is_number, "a number")
INTEGER: Final = _kind(_is_integer, "a whole number")
SCALAR: Final = _kind(lambda value: not isinstance(value, Mapping | list), "a single value")
ANYTHING: Final = _kind(lambda _value: True, "")


def one_of(*words: str) -> Check:
    """Return the check of a text that is one of some."""
    return _kind(lambda value: isinstance(value, str) and value in words, f"one of {', '.join(words)}")


def matching(pattern: str, words: str) -> Check:
    """Return the check of a text that a pattern matches from its first to its last character."""
    compiled = re.compile(pattern)
    return _kind(lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None, f"{words}")


def formatted(name: str) -> Check:
    """Return the check of a text of a format of JSON Schema, such as ``date`` or ``uri``."""
    is_format = FORMATS[name]
    return _kind(lambda value: isinstance(value, str) and is_format(value), f"a text of format {name}")


def within(check: Check, *, at_least: float | None = None, above: float | None = None) -> Check:
    """Return the check of a number that has a lower bound too."""

    def bounded(value: Any, place: str) -> Iterator[Flaw]:
        found = list(check(value, place))
        yield from found
        if not found and at_least is not None and value < at_least:
            yield Flaw(place, f"expected at least {at_least:g}, found {value}")
        if not found and above is not None and value <= above:
            yield Flaw(place, f"expected more than {above:g}, found {value}")

    return bounded


def list_of(
    check: Check, *, count_min: int = 0, count_max: int | None = None, is_unique: bool = False
) -> Check:
    """Return the check of a list: of every element, and of how many there are."""

    def checked_list(value: Any, place: str) -> Iterator[Flaw]:
        if not isinstance(value, list):
            yield Flaw(place, f"expected a list, found {shown(value)}")
            return
        if len(value) < count_min or (count_max is not None and len(value) > count_max):
            yield Flaw(place, f"expected {count_min} or more elements, found {len(value)}")
        if is_unique and any(one in value[:index] for index, one in enumerate(value)):
            yield Flaw(place, "expected every element once")
        for index, one in enumerate(value):
            yield from check(one, at(place, index))

    return checked_list


def record(fields: Mapping[str, Check], *, required: tuple[str, ...] = (), is_open: bool = False) -> Check:
    """Return the check of a mapping.

    Args:
        fields: check by name.
        required: names that must stand there.
        is_open: whether other names may stand there.
    """

    def check(value: Any, place: str) -> Iterator[Flaw]:
        if not isinstance(value, Mapping):
            yield Flaw(place, f"expected a mapping, found {shown(value)}")
            return
        for name in required:
            if name not in value:
                yield Flaw(at(place, name), "this field is required")
        for name, part in value.items():
            if name in fields:
                yield from fields[name](part, at(place, name))
            elif not is_open:
                yield Flaw(at(place, str(name)[:FOUND_CHARACTERS_MAX]), "this field is unknown")

    return check


def checked(first: Check, second: Check) -> Check:
    """Return the check that two checks are together."""

    def both(value: Any, place: str) -> Iterator[Flaw]:
        yield from first(value, place)
        yield from second(value, place)

    return both
