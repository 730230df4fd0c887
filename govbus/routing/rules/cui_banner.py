"""The banner marking of controlled unclassified information, parsed in numbered steps that raise.

Grammar of 32 CFR 2002.20(b) and the CUI registry's marking notes::

    banner  = control [ "//" categories ] [ "//" controls ]
    control = "CUI" / "CONTROLLED"
    categories = specified *( "/" specified ) *( "/" basic ) / basic *( "/" basic )
    controls   = limited *( "/" limited )
    limited    = name of a list / ( "REL TO " / "DISPLAY ONLY " ) "USA" 1*( ", " country or group )

Specified categories carry ``SP-``; each group is in alphabetical order. What stands behind the first ``//`` of a
banner with two segments is told by the code lists alone, so an unknown word is refused, never guessed.
Time and memory are linear in the length of the text, which is bounded.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from govbus.errors import MetadataError
from govbus.routing.codes import CodeLists

BANNER_CHARACTERS_MAX: Final = 2_000
"""A REL TO list of every country there is has about 1,400."""
FIELD: Final = "ce_cuibanner"
SPECIFIED: Final = "SP-"
HOME: Final = "USA"
"""First in every list of countries."""

Codes = Mapping[str, Mapping[str, Any]]
"""The codes of a code list in force."""

_CONTROL_WORDS = ("CUI", "CONTROLLED")
_SEGMENTS_MAX = 3
_CHARACTERS = re.compile(r"[A-Za-z0-9 ,/&._-]+", re.ASCII)
_WORDS = re.compile(r"[A-Za-z]+", re.ASCII)
_CLASSIFIED_WORDS = frozenset(
    {"CONFIDENTIAL", "SECRET", "RESTRICTED", "C", "S", "TS", "R", "CTS", "RD", "FRD"}
)
"""Of the classification levels of EO 13526 and NATO, and of the Atomic Energy Act; no code of ours is one."""


@dataclass(frozen=True, slots=True)
class Banner:
    """A banner that follows the grammar and the lists."""

    control: str
    """``CUI`` or ``CONTROLLED``."""
    categories: tuple[str, ...] = ()
    """As written: Specified ones with ``SP-``, such as ``SP-TAX``."""
    controls: tuple[str, ...] = ()
    """Names of the limited dissemination controls, such as ``FED ONLY`` or ``REL TO``."""
    countries: Mapping[str, tuple[str, ...]] | None = None
    """By control (``REL TO``, ``DISPLAY ONLY``), the codes listed behind it, ``USA`` first; None where none are."""

    def listed(self, control: str) -> tuple[str, ...]:
        """Return the countries and groups behind a control, none where it lists none."""
        return (self.countries or {}).get(control, ())

    def __str__(self) -> str:
        written = [
            f"{control} {', '.join(self.listed(control))}" if self.listed(control) else control
            for control in self.controls
        ]
        return "//".join(
            part for part in (self.control, "/".join(self.categories), "/".join(written)) if part
        )


def banner_of(text: str, codes: CodeLists, at_ms: int) -> Banner:
    """Parse a banner by the code lists in force at a time.

    Raises:
        MetadataError: if it breaks a rule; `rule` is CUI-1 (grammar, codes) or CUI-2 (contradictions, countries).
    """
    countries = {**codes.codes("genc-countries", at_ms), **codes.codes("cui-country-groups", at_ms)}
    return parse_banner(
        text, codes.codes("cui-categories", at_ms), codes.codes("cui-dissemination", at_ms), countries
    )


def parse_banner(text: str, categories: Codes, controls: Codes, countries: Codes) -> Banner:
    """Parse a banner by given lists.

    Args:
        text: such as ``CUI//SP-TAX/PRVCY//FED ONLY``.
        categories: of ``cui-categories``.
        controls: of ``cui-dissemination``.
        countries: of ``genc-countries``, and of ``cui-country-groups``, whose entries have ``members``.

    Raises:
        MetadataError: if it breaks a rule; `rule` is CUI-1 (grammar, codes) or CUI-2 (contradictions, countries).
    """
    # Step 1: a text of the characters that codes are made of.
    if len(text) > BANNER_CHARACTERS_MAX:
        raise _error(f"is {len(text)} characters long, at most {BANNER_CHARACTERS_MAX} are allowed")
    if _CHARACTERS.fullmatch(text) is None:
        raise _error("expected capital letters, digits and the separators //, / and ,")
    # Step 2: one to three segments, of which the first is the control marking.
    control, *segments = text.split("//")
    if control not in _CONTROL_WORDS:
        raise _error("expected CUI or CONTROLLED in front")
    if len(segments) >= _SEGMENTS_MAX:
        raise _error("expected at most categories and dissemination controls behind the control marking")
    if not all(segments):
        raise _error("// needs something behind it")
    # Step 3: which segment is which; of two segments the second is told by the lists.
    if len(segments) == 1 and _control_name(segments[0].split("/")[0], controls) is not None:
        segments.insert(0, "")
    # Step 4: categories are known, in order and not repeated.
    marked = tuple(segments[0].split("/")) if segments and segments[0] else ()
    for number, code in enumerate(marked, 1):
        _check_category(number, code, categories)
    _check_order("categories", marked, key=lambda code: (not code.startswith(SPECIFIED), code))
    # Step 5: dissemination controls are known, in order and not repeated.
    written = tuple(segments[1].split("/")) if len(segments) > 1 else ()
    names = tuple(_known_control(number, one, controls) for number, one in enumerate(written, 1))
    _check_order("dissemination controls", names, key=str.casefold)
    # Step 6: lists of countries (CUI-2).
    listed = {
        name: _country_list(name, one[len(name) :], countries)
        for name, one in zip(names, written, strict=True)
        if controls[name].get("list") == "countries"
    }
    # Step 7: no control excludes another, and each has the category that it needs (CUI-2).
    _check_together(names, marked, controls)
    return Banner(control, marked, names, listed or None)


def classified_word(text: str) -> str | None:
    """Return the word of a banner that marks classified information, None where it has none (rule CUI-6)."""
    for word in _WORDS.findall(text[:BANNER_CHARACTERS_MAX].upper()):
        if word in _CLASSIFIED_WORDS:
            return str(word)
    return None


def superseding(banner: Banner, controls: Codes) -> str | None:
    """Return the control that makes the others of the banner idle, such as ``DL ONLY`` beside ``NOFORN``."""
    if len(banner.controls) > 1:
        for name in banner.controls:
            if controls[name].get("supersedes") == "others":
                return name
    return None


def nations(codes: Iterable[str], countries: Codes) -> frozenset[str]:
    """Return the countries that a list of countries and groups covers; a group without known members covers none."""
    covered: set[str] = set()
    for code in codes:
        covered.update(countries.get(code, {}).get("members", (code,)))
    return frozenset(covered)


def _check_category(number: int, code: str, categories: Codes) -> None:
    is_specified = code.startswith(SPECIFIED)
    entry = categories.get(code.removeprefix(SPECIFIED))
    if entry is None:
        raise _error(f"category {number} is not in the list in force")
    kind, kinds = "specified" if is_specified else "basic", entry.get("kinds", ())
    if kind not in kinds:
        known = code.removeprefix(SPECIFIED)
        raise _error(
            f"category {known} is {' and '.join(kinds) or 'neither basic nor specified'}, not {kind}"
        )


def _known_control(number: int, written: str, controls: Codes) -> str:
    name = _control_name(written, controls)
    if name is None:
        raise _error(f"dissemination control {number} is not in the list in force")
    return name


def _control_name(written: str, controls: Codes) -> str | None:
    """Return the control that a part of a banner is, with or without a list of countries behind it."""
    if written in controls:
        return written
    for name, entry in controls.items():
        if entry.get("list") == "countries" and written.startswith(f"{name} "):
            return name
    return None


def _country_list(name: str, text: str, countries: Codes) -> tuple[str, ...]:
    """Return the codes behind a control: USA, then countries, then groups, each in alphabetical order."""
    codes = tuple(text.removeprefix(" ").split(", ")) if text else ()
    if len(codes) <= 1:
        raise _error(f"{name} needs a list: USA, and at least one more behind it", "CUI-2")
    if codes[0] != HOME:
        raise _error(f"{name}: expected USA first", "CUI-2")
    for number, code in enumerate(codes, 1):
        if code not in countries:
            raise _error(f"{name}: code {number} is no country or group in the list in force", "CUI-2")
    rest = codes[1:]
    if HOME in rest or len(set(rest)) != len(rest):
        raise _error(f"{name}: a code stands twice", "CUI-2")
    if list(rest) != sorted(rest, key=lambda code: ("members" in countries[code], code)):
        raise _error(
            f"{name}: expected USA, then countries, then groups, each in alphabetical order", "CUI-2"
        )
    return codes


def _check_order(what: str, codes: Sequence[str], key: Any) -> None:
    for before, after in itertools.pairwise(codes):
        if key(before) == key(after):
            raise _error(f"{what}: {after} stands twice")
        if key(before) > key(after):
            order = "Specified before Basic, " if what == "categories" else ""
            raise _error(f"{what}: expected {order}in alphabetical order, found {before} before {after}")


def _check_together(names: Sequence[str], marked: Sequence[str], controls: Codes) -> None:
    present = set(names)
    unmarked = {code.removeprefix(SPECIFIED) for code in marked}
    for name in names:
        entry = controls[name]
        excluded = sorted(present.intersection(entry.get("contradicts", ())))
        if excluded:
            raise _error(f"{name} contradicts {excluded[0]}", "CUI-2")
        if "requires" in entry and entry["requires"] not in unmarked:
            raise _error(f"{name} needs category {entry['requires']}", "CUI-2")


def _error(detail: str, rule: str = "CUI-1") -> MetadataError:
    return MetadataError(detail, rule=rule, field=FIELD)
