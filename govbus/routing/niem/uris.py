"""The grammar of URIs (RFC 3986, appendix A), as far as NDR 6.0 asks for it."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

_SCHEME: Final = r"[A-Za-z][A-Za-z0-9+.-]*"
_PLAIN: Final = r"A-Za-z0-9._~!$&'()*+,;=\-"
_PERCENT: Final = r"%[0-9A-Fa-f]{2}"
_PCHAR: Final = rf"(?:[{_PLAIN}:@]|{_PERCENT})"
_AUTHORITY: Final = (
    rf"(?:(?:[{_PLAIN}:]|{_PERCENT})*@)?(?:\[(?P<literal>[^\[\]]*)\]|(?:[{_PLAIN}]|{_PERCENT})*)(?::[0-9]*)?"
)
_SEGMENTS: Final = rf"(?:/{_PCHAR}*)*"
_QUERY: Final = rf"(?:\?(?:{_PCHAR}|[/?])*)?"
_FRAGMENT: Final = rf"(?:#(?:{_PCHAR}|[/?])*)?"
_ABSOLUTE: Final = re.compile(
    rf"{_SCHEME}:(?://{_AUTHORITY}{_SEGMENTS}|/(?:{_PCHAR}+{_SEGMENTS})?|{_PCHAR}+{_SEGMENTS}|){_QUERY}",
    re.ASCII,
)
_RELATIVE: Final = re.compile(
    rf"(?://{_AUTHORITY}{_SEGMENTS}|/(?:{_PCHAR}+{_SEGMENTS})?"
    rf"|(?:[{_PLAIN}@]|{_PERCENT})+{_SEGMENTS}|){_QUERY}{_FRAGMENT}",
    re.ASCII,
)
_WITH_FRAGMENT: Final = re.compile(rf"{_ABSOLUTE.pattern}{_FRAGMENT}", re.ASCII)
_FUTURE: Final = re.compile(rf"[vV][0-9A-Fa-f]+\.[{_PLAIN}:]+", re.ASCII)
"""An ``IPvFuture``."""


def is_absolute_uri(text: str) -> bool:
    """Return whether a text is an ``absolute-URI``: with a scheme, and without a fragment."""
    return _matches(_ABSOLUTE, text)


def is_uri(text: str) -> bool:
    """Return whether a text is a ``URI``: with a scheme, and a fragment or none."""
    return _matches(_WITH_FRAGMENT, text)


def is_uri_reference(text: str) -> bool:
    """Return whether a text is a ``URI-reference``: a URI, or one relative to another."""
    return is_uri(text) or _matches(_RELATIVE, text)


def _matches(grammar: re.Pattern[str], text: str) -> bool:
    found = grammar.fullmatch(text)
    return found is not None and (found["literal"] is None or _is_ip_literal(found["literal"]))


def _is_ip_literal(text: str) -> bool:
    if _FUTURE.fullmatch(text) is not None:
        return True
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return "%" not in text
