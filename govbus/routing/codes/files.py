"""Code lists as files: read with every mistake located, compared, and continued by a further edition.

The form is the one of ``docs/specs/code-lists.md``, in YAML or JSON; a directory's ``codes/*.yaml`` has the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from govbus.document.encoding import time_text
from govbus.errors import ConfigError, MetadataError
from govbus.routing.codes.lists import DAY, CodeList, Edition, code_list_of, moment_ms
from govbus.routing.yaml_text import YamlTextError, yaml_text

CODES_MAX = 100_000
EDITIONS_MAX = 1_000
CODE_CHARACTERS_MAX = 200
TEXT_CHARACTERS_MAX = 1_000
PROBLEMS_MAX = 50
"""Mistakes reported of one file."""

_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)
_DAY_MS = 86_400_000
_FIELDS = ("list", "title", "editions")
_EDITION_FIELDS = ("from", "source", "source_date", "codes")


class Problem(NamedTuple):
    """One mistake in a code list."""

    field: str
    """Path in the file, such as ``editions.0.codes.PRVCY.name``; empty for the whole file."""
    detail: str
    """What was expected, and what is there instead."""

    def __str__(self) -> str:
        return f"{self.field}: {self.detail}" if self.field else self.detail


class Difference(NamedTuple):
    """What an edition changes in the one before it."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    """Codes whose name or other attribute differs."""

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


def read_code_list(octets: bytes) -> tuple[CodeList | None, list[Problem]]:
    """Return the code list in a file, or None and every mistake in it (at most `PROBLEMS_MAX`)."""
    try:
        value = yaml_text(octets)
    except YamlTextError as err:
        return None, [Problem("", str(err))]
    found = problems_in(value)
    return (None, found) if found else (code_list_of(value), [])


def problems_in(value: Any) -> list[Problem]:
    """Return every mistake in a value that is meant to be a code list, at most `PROBLEMS_MAX`."""
    problems: list[Problem] = []
    for problem in _problems(value):
        problems.append(problem)
        if len(problems) >= PROBLEMS_MAX:
            break
    return problems


def difference(before: Edition, after: Edition) -> Difference:
    """Return what differs between two editions."""
    old, new = before.codes, after.codes
    return Difference(
        tuple(code for code in new if code not in old),
        tuple(code for code in old if code not in new),
        tuple(code for code in new if code in old and dict(old[code]) != dict(new[code])),
    )


def continued(existing: CodeList, update: CodeList) -> CodeList:
    """Return a list with the editions of an update behind its own, of which none is ever removed.

    Raises:
        ConfigError: if the update is of another list, or does not come into force after the last edition.
    """
    if update.id != existing.id:
        raise ConfigError(f"expected an edition of {existing.id}, found one of {update.id}")
    last, first = existing.editions[-1], update.editions[0]
    if first.from_ms <= last.from_ms:
        raise ConfigError(
            f"{update.id}: expected an edition from after {moment_text(last.from_ms)}, "
            f"found {moment_text(first.from_ms)}",
            remedy="documents are judged by the list of their time, so an edition never changes what was",
        )
    return CodeList(existing.id, update.title, (*existing.editions, *update.editions))


def code_list_value(one: CodeList) -> dict[str, Any]:
    """Return the value that a file or a directory entry of the list holds."""
    return {
        "list": one.id,
        "title": one.title,
        "editions": [
            {
                "from": moment_text(edition.from_ms),
                "source": edition.source,
                "source_date": edition.source_date,
                "codes": {code: dict(facts) for code, facts in edition.codes.items()},
            }
            for edition in one.editions
        ],
    }


def code_list_yaml(one: CodeList) -> str:
    """Return the list as compact YAML, every scalar readable as text."""
    return yaml.dump(
        code_list_value(one),
        Dumper=yaml.CSafeDumper,
        sort_keys=False,
        allow_unicode=True,
        width=1_000_000,
        default_flow_style=None,
    )


def moment_text(time_ms: int) -> str:
    """Return a day such as ``2026-01-31`` where the moment is its midnight in UTC, else an RFC 3339 time."""
    text = time_text(time_ms)
    return text if time_ms % _DAY_MS else text[: len("2026-01-31")]


def _problems(value: Any) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield Problem("", "expected list, title and editions")
        return
    yield from _names("", value, _FIELDS)
    if "list" in value and not (isinstance(value["list"], str) and _ID.fullmatch(value["list"])):
        yield Problem("list", "expected an id of a-z, 0-9 and single -, such as cui-categories")
    if "title" in value:
        yield from _text("title", value["title"])
    editions = value.get("editions")
    if not isinstance(editions, list) or not 0 < len(editions) <= EDITIONS_MAX:
        yield Problem("editions", f"expected 1 to {EDITIONS_MAX} editions")
        return
    last_ms: int | None = None
    for index, edition in enumerate(editions):
        place = f"editions.{index}"
        if not isinstance(edition, dict):
            yield Problem(place, "expected from, source, source_date and codes")
            continue
        yield from _edition(place, edition)
        from_ms = _from_ms(edition.get("from"))
        if from_ms is not None and last_ms is not None and from_ms <= last_ms:
            yield Problem(f"{place}.from", f"expected a time after {moment_text(last_ms)}")
        last_ms = from_ms if from_ms is not None else last_ms


def _edition(place: str, edition: dict[Any, Any]) -> Iterator[Problem]:
    yield from _names(place, edition, _EDITION_FIELDS)
    if "from" in edition and _from_ms(edition["from"]) is None:
        yield Problem(f"{place}.from", "expected a day such as 2026-01-31 or an RFC 3339 time")
    if "source" in edition:
        yield from _text(f"{place}.source", edition["source"])
    if "source_date" in edition and not _is_day(edition["source_date"]):
        yield Problem(f"{place}.source_date", "expected a day such as 2026-01-31")
    codes = edition.get("codes")
    if "codes" not in edition:
        return
    if not isinstance(codes, dict) or not 0 < len(codes) <= CODES_MAX:
        yield Problem(f"{place}.codes", f"expected 1 to {CODES_MAX} codes, each with its name")
        return
    for code, facts in codes.items():
        yield from _code(f"{place}.codes", code, facts)


def _code(place: str, code: Any, facts: Any) -> Iterator[Problem]:
    if not _is_text(code, CODE_CHARACTERS_MAX):
        yield Problem(place, f"expected codes that are text of 1 to {CODE_CHARACTERS_MAX} characters")
        return
    place = f"{place}.{_shown(code)}"
    if not isinstance(facts, dict) or "name" not in facts:
        yield Problem(place, "expected at least a name, such as {name: General Privacy}")
        return
    for name, fact in facts.items():
        for one in fact if isinstance(fact, list) and name != "name" else (fact,):
            yield from _text(f"{place}.{_shown(name)}", one)


def _names(place: str, value: dict[Any, Any], names: tuple[str, ...]) -> Iterator[Problem]:
    prefix = f"{place}." if place else ""
    for name in names:
        if name not in value:
            yield Problem(f"{prefix}{name}", "this field is required")
    for name in value:
        if name not in names:
            yield Problem(f"{prefix}{_shown(name)}", f"this field is unknown, expected {', '.join(names)}")


def _shown(name: Any) -> str:
    """Return a name of the author's as a problem can carry it."""
    text = str(name)[:CODE_CHARACTERS_MAX]
    return text if text.isprintable() else ascii(text)


def _text(place: str, value: Any) -> Iterator[Problem]:
    if not _is_text(value, TEXT_CHARACTERS_MAX):
        yield Problem(place, f"expected a text of 1 to {TEXT_CHARACTERS_MAX} characters")


def _is_text(value: Any, length_max: int) -> bool:
    """Return whether a value is a text that can be written: escapes of JSON can make halves of pairs."""
    if not isinstance(value, str) or not 0 < len(value) <= length_max:
        return False
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


def _from_ms(value: Any) -> int | None:
    try:
        return moment_ms(value) if isinstance(value, str) else None
    except MetadataError:
        return None


def _is_day(value: Any) -> bool:
    return isinstance(value, str) and DAY.fullmatch(value) is not None and _from_ms(value) is not None
