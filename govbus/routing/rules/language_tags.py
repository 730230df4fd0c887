"""Language tags of BCP 47: whether one is well-formed (RFC 5646), and which ISO 639-1 language it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

TAG_CHARACTERS_MAX: Final = 255

_TAG = re.compile(
    r"(?P<language>[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{4}|[a-z]{5,8})"
    r"(?:-[a-z]{4})?"  # script
    r"(?:-(?:[a-z]{2}|[0-9]{3}))?"  # region
    r"(?P<variants>(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*)"
    r"(?P<extensions>(?:-[0-9a-wyz](?:-[a-z0-9]{2,8})+)*)"
    r"(?:-x(?:-[a-z0-9]{1,8})+)?",
    re.ASCII,
)
_PRIVATE = re.compile(r"x(?:-[a-z0-9]{1,8})+", re.ASCII)
_SINGLETON = re.compile(r"-([0-9a-wyz])(?=-)", re.ASCII)
_IRREGULAR: Final = {
    "en-gb-oed": "en",
    "i-ami": None,
    "i-bnn": None,
    "i-default": None,
    "i-enochian": None,
    "i-hak": "zh",
    "i-klingon": None,
    "i-lux": "lb",
    "i-mingo": None,
    "i-navajo": "nv",
    "i-pwn": None,
    "i-tao": None,
    "i-tay": None,
    "i-tsu": None,
    "sgn-be-fr": None,
    "sgn-be-nl": None,
    "sgn-ch-de": None,
}
"""Grandfathered tags outside the grammar (RFC 5646 section 2.1), with their 2-letter language where there is one."""
_PREFERRED: Final = {
    "iw": "he",
    "in": "id",
    "ji": "yi",
    "jw": "jv",
    "mo": "ro",
    "no-bok": "nb",
    "no-nyn": "nn",
}
"""Deprecated languages with the one that the IANA registry prefers."""


def is_well_formed(tag: str) -> bool:
    """Return whether a tag is well-formed: RFC 5646 section 2.1, and neither variant nor extension stands twice.

    Capitals and small letters are the same. Time is linear in the length of the tag, which is bounded.
    """
    if len(tag) > TAG_CHARACTERS_MAX:
        return False
    text = tag.lower()
    match = _TAG.fullmatch(text)
    if match is None:
        return text in _IRREGULAR or _PRIVATE.fullmatch(text) is not None
    variants = match["variants"].split("-")[1:]
    singletons = _SINGLETON.findall(match["extensions"])
    return len(set(variants)) == len(variants) and len(set(singletons)) == len(singletons)


def language_iso639_1(tag: str, codes: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Return the 2-letter language of a tag, as DCAT-US 3.0 wants it, or None where it has none.

    Args:
        tag: such as ``en-US``.
        codes: of list ``iso639-1-languages``.
    """
    text = tag.lower()
    if not is_well_formed(text):
        return None
    found = _IRREGULAR[text] if text in _IRREGULAR else _PREFERRED.get(text, text.partition("-")[0])
    found = _PREFERRED.get(found or "", found)
    return found if found in codes else None
