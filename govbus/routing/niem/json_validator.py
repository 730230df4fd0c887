"""Validators of JSON Schema whose time is bounded, whatever the schema and the message."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any, Final

from jsonschema import validators
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator

from govbus.routing.niem.bounds import NAME_CHARACTERS_MAX
from govbus.routing.niem.pattern_syntax import Dialect
from govbus.routing.niem.patterns import pattern_degree

REFERENCES_MAX: Final = 200_000
"""References of the schema that are followed for one message; NIEM schemas follow a few for every value."""
FORMAT_CHARACTERS_MAX: Final = 2_000
"""Of a text that is compared with a format such as ``uri``."""
QUADRATIC_CHARACTERS_MAX: Final = NAME_CHARACTERS_MAX
"""Of a text that is compared with a pattern whose time grows with the square of its length."""

_followed: ContextVar[int] = ContextVar("followed", default=0)


class TooManyStepsError(Exception):
    """The schema makes too much of the message."""


def bounded(kind: type[Validator]) -> type[Validator]:
    """Return a validator class for the same draft, in which the keywords that can take long are bounded."""
    keywords = dict(kind.VALIDATORS)
    own = {
        "uniqueItems": _unique_items,
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "format": _limited(keywords["format"]),
        **{
            name: _counted(keywords[name])
            for name in ("$ref", "$dynamicRef", "$recursiveRef")
            if name in keywords
        },
    }
    return validators.extend(kind, own)  # type: ignore[no-untyped-call,no-any-return]  # has no types


def begin() -> None:
    """Count the references that are followed from here on."""
    _followed.set(0)


def _counted(keyword: Any) -> Any:
    def follow(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        followed = _followed.get() + 1
        if followed > REFERENCES_MAX:
            raise TooManyStepsError
        _followed.set(followed)
        yield from keyword(validator, value, instance, schema)

    return follow


def _limited(keyword: Any) -> Any:
    def compare(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        if isinstance(instance, str) and len(instance) > FORMAT_CHARACTERS_MAX:
            yield ValidationError("too long")
        else:
            yield from keyword(validator, value, instance, schema)

    return compare


def _unique_items(validator: Any, value: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    """Compare in linear time; the library's own comparison of objects takes quadratic time."""
    if value and validator.is_type(instance, "array") and len(set(map(_frozen, instance))) < len(instance):
        yield ValidationError("not unique")


def _frozen(value: Any) -> Any:
    """Return a value that is equal and has the same hash exactly where JSON Schema calls two values equal."""
    match value:
        case bool():
            return ("boolean", value)
        case dict():
            return frozenset((name, _frozen(part)) for name, part in value.items())
        case list():
            return ("array", *map(_frozen, value))
        case _:
            return value


def _pattern(validator: Any, value: str, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if validator.is_type(instance, "string") and not _is_matched(value, instance):
        yield ValidationError("no match")


def _pattern_properties(
    validator: Any, value: Mapping[str, Any], instance: Any, _schema: Any
) -> Iterator[ValidationError]:
    if validator.is_type(instance, "object"):
        for pattern, subschema in value.items():
            for name, part in instance.items():
                if _is_matched(pattern, name):
                    yield from validator.descend(part, subschema, path=name, schema_path=pattern)


def _is_matched(pattern: str, text: str) -> bool:
    """Return whether a pattern is found in a text; a text that is too long for the pattern does not match."""
    if len(text) > QUADRATIC_CHARACTERS_MAX and pattern_degree(pattern, Dialect.SEARCH) > 1:
        return False
    return re.search(pattern, text) is not None
