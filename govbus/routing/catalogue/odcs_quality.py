"""Data quality rules of an Open Data Contract (ODCS 3.1, *Data quality*): four types, each with fields of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from govbus.routing.catalogue.shapes import (
    ANYTHING,
    NUMBER,
    TEXT,
    Check,
    Flaw,
    at,
    list_of,
    one_of,
    record,
)

_DIMENSIONS: Final = (
    "accuracy",
    "completeness",
    "conformity",
    "consistency",
    "coverage",
    "timeliness",
    "uniqueness",
)
_METRICS: Final = ("nullValues", "missingValues", "invalidValues", "duplicateValues", "rowCount")
_RANGE: Final = list_of(NUMBER, count_min=2, count_max=2, is_unique=True)
_OPERATORS: Final[dict[str, Check]] = {
    "mustBe": ANYTHING,
    "mustNotBe": ANYTHING,
    "mustBeGreaterThan": NUMBER,
    "mustBeGreaterOrEqualTo": NUMBER,
    "mustBeLessThan": NUMBER,
    "mustBeLessOrEqualTo": NUMBER,
    "mustBeBetween": _RANGE,
    "mustNotBeBetween": _RANGE,
}
_LIBRARY: Final[dict[str, Check]] = {
    "metric": one_of(*_METRICS),
    "rule": TEXT,
    "arguments": record({}, is_open=True),
}


def _implementation(value: Any, place: str) -> Iterator[Flaw]:
    if not isinstance(value, str | Mapping):
        yield Flaw(place, "expected a text or a mapping")


def quality_form(custom: Check, definitions: Check, stable_id: Check) -> Check:
    """Return the check of a list of quality rules, given those of parts that others have too."""
    shared: dict[str, Check] = {
        "id": stable_id,
        "authoritativeDefinitions": definitions,
        "customProperties": custom,
        "tags": list_of(TEXT),
        "dimension": one_of(*_DIMENSIONS),
        "type": one_of("text", "library", "sql", "custom"),
        **dict.fromkeys(
            (
                "businessImpact",
                "description",
                "method",
                "name",
                "schedule",
                "scheduler",
                "severity",
                "unit",
            ),
            TEXT,
        ),
    }

    def check(value: Any, place: str) -> Iterator[Flaw]:
        if not isinstance(value, Mapping):
            yield Flaw(place, "expected a mapping")
            return
        fields, required, has_operator = _own(value)
        yield from record(shared | fields, required=required)(value, place)
        if has_operator and sum(name in value for name in _OPERATORS) != 1:
            yield Flaw(at(place, "mustBe"), "expected exactly one comparison, such as mustBe")

    return list_of(check)


def _own(value: Mapping[str, Any]) -> tuple[dict[str, Check], tuple[str, ...], bool]:
    """Return the fields that a rule has because of its type, those that it needs, and whether it compares."""
    fields: dict[str, Check] = {}
    required: list[str] = []
    kind = value.get("type")
    is_library = kind == "library" or isinstance(value.get("metric"), str)
    if is_library:
        fields |= _LIBRARY | _OPERATORS
        required.append("metric")
    if kind == "sql":
        fields |= {"query": TEXT} | _OPERATORS
        required.append("query")
    if kind == "custom":
        fields |= {"engine": TEXT, "implementation": _implementation}
        required += ["engine", "implementation"]
    return fields, tuple(required), is_library or kind == "sql"
