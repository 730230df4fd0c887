"""Formats of JSON Schema that an Open Data Contract has: a day, a moment, a URI.

Written out, because the library that knows them takes a second to load, which every command would pay for.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from ipaddress import IPv6Address
from typing import Final

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?"
    r"(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])",
    re.IGNORECASE,
)
_CHARACTER: Final = r"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})"
"""RFC 3986: unreserved, sub-delims and percent-encoded."""
_PATH_CHARACTER: Final = rf"(?:{_CHARACTER}|[:@])"
_URI = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*:"
    rf"(?://(?:(?:{_CHARACTER}|:)*@)?(?:\[(?P<literal>[^\]]*)\]|{_CHARACTER}*)(?::[0-9]*)?(?:/{_PATH_CHARACTER}*)*"
    rf"|/?(?:{_PATH_CHARACTER}+(?:/{_PATH_CHARACTER}*)*)?)"
    rf"(?:\?(?:{_PATH_CHARACTER}|[/?])*)?(?:#(?:{_PATH_CHARACTER}|[/?])*)?"
)
_FUTURE_LITERAL = re.compile(r"v[0-9A-Fa-f]+\.[A-Za-z0-9._~!$&'()*+,;=:-]+", re.IGNORECASE)


def is_day(text: str) -> bool:
    """Return whether a text is a full-date of RFC 3339."""
    if _DAY.fullmatch(text) is None:
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def is_moment(text: str) -> bool:
    """Return whether a text is a date-time of RFC 3339, with an offset; no leap seconds."""
    match = _MOMENT.fullmatch(text)
    return match is not None and is_day(match[1])


def is_uri(text: str) -> bool:
    """Return whether a text is a URI of RFC 3986, section 3."""
    match = _URI.fullmatch(text)
    if match is None:
        return False
    literal = match["literal"]
    if literal is None or _FUTURE_LITERAL.fullmatch(literal):
        return True
    try:
        IPv6Address(literal)
    except ValueError:
        return False
    return "%" not in literal


FORMATS: Final[dict[str, Callable[[str], bool]]] = {"date": is_day, "date-time": is_moment, "uri": is_uri}
"""By name in JSON Schema."""
