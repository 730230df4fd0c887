"""Reads JSON strictly (RFC 8259): one meaning for every reader, and no more than a message may hold."""

from __future__ import annotations

import json
import math
from typing import Any, Final

from govbus.routing.niem.bounds import DEPTH_MAX, NAME_CHARACTERS_MAX, VALUES_MAX

NUMBER_CHARACTERS_MAX: Final = 100
"""Digits of a number; what is longer means one thing to one reader and another to the next."""

_HALF: Final = "has half of a surrogate pair, which is no character"


class JsonTextError(ValueError):
    """The octets are no JSON that can be read; the message says what was expected, without values."""


def parse_json(
    octets: bytes, *, values_max: int = VALUES_MAX, name_characters_max: int = NAME_CHARACTERS_MAX
) -> Any:
    """Return the value of a JSON text.

    Raises:
        JsonTextError: if it is no JSON in UTF-8, repeats a name in an object, has a number that a double cannot
            hold, or is deeper or larger than a message may be.
    """
    try:
        text = octets.decode("utf-8")
    except UnicodeError:
        raise JsonTextError("expected UTF-8") from None
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_fraction,
            parse_constant=_constant,
        )
    except JsonTextError:
        raise
    except RecursionError:
        raise JsonTextError(f"has more than {DEPTH_MAX} objects and arrays inside each other") from None
    except json.JSONDecodeError as err:
        raise JsonTextError(f"is no JSON (line {err.lineno})") from None
    _bound(value, values_max, name_characters_max)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise JsonTextError("an object has a name twice")
    return made


def _integer(text: str) -> int:
    _require_short(text)
    return int(text)


def _fraction(text: str) -> float:
    _require_short(text)
    number = float(text)
    if not math.isfinite(number):
        raise JsonTextError("has a number that is out of range")
    return number


def _require_short(text: str) -> None:
    if len(text) > NUMBER_CHARACTERS_MAX:
        raise JsonTextError(f"has a number of more than {NUMBER_CHARACTERS_MAX} characters")


def _constant(_text: str) -> Any:
    raise JsonTextError("has NaN or an infinity, which are no JSON")


def _bound(value: Any, values_max: int, name_characters_max: int) -> None:
    """Check depth, number of values and that every text is Unicode; without recursion."""
    level, count = [value], 0
    for _ in range(DEPTH_MAX + 1):
        count += len(level)
        if count > values_max:
            raise JsonTextError(f"has more than {values_max} values")
        below: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                below += one.values()
                if not all(map(_is_unicode, one)):
                    raise JsonTextError(_HALF)
                if max(map(len, one), default=0) > name_characters_max:
                    raise JsonTextError(f"has a name of more than {name_characters_max} characters")
            elif isinstance(one, list):
                below += one
            elif isinstance(one, str) and not _is_unicode(one):
                raise JsonTextError(_HALF)
        if not below:
            return
        level = below
    raise JsonTextError(f"has more than {DEPTH_MAX} objects and arrays inside each other")


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
