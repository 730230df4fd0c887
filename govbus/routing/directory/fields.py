"""What stands in a field of a directory entry: texts, moments, ids, and the rule that asks for the field."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Final, NamedTuple, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core.core_schema import CoreSchema, no_info_after_validator_function

from govbus.document.encoding import time_ms_from_text, time_text
from govbus.document.ids import AgencyId, PackageId
from govbus.errors import MetadataError
from govbus.routing.patterns import ABSOLUTE_URI, REDACTED

ASSET_ID_LENGTH_MAX: Final = 120
MOMENT_WORDS: Final = "expected a day such as 2026-01-31 or an RFC 3339 time"

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DAY_LAST_MS = 86_400_000 - 1
_T = TypeVar("_T", bound=str)


class Model(BaseModel):
    """Base of everything that is read from a directory: unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Cites(NamedTuple):
    """Marks a field of a model: whatever is wrong there is a finding of this rule."""

    rule: str


def _start(value: Any) -> Any:
    """Return milliseconds of an RFC 3339 time, or of the start of a day."""
    return _moment(value, 0)


def _end(value: Any) -> Any:
    """Return milliseconds of an RFC 3339 time, or of the last moment of a day."""
    return _moment(value, _DAY_LAST_MS)


def _moment(value: Any, day_offset_ms: int) -> Any:
    if not isinstance(value, str):
        raise ValueError(MOMENT_WORDS)  # noqa: TRY004  # pydantic's seam
    try:
        if _DAY.fullmatch(value):
            return time_ms_from_text(f"{value}T00:00:00Z") + day_offset_ms
        return time_ms_from_text(value)
    except MetadataError as err:
        raise ValueError(MOMENT_WORDS) from err


def _agency_id(text: str) -> str:
    try:
        return AgencyId.from_text(text).text
    except MetadataError as err:
        raise ValueError(err.message) from err


def _label(text: str) -> str:
    try:
        return PackageId.from_text(text).text
    except MetadataError as err:
        raise ValueError(err.message.replace("package id", "id")) from err


def _asset_id(text: str) -> str:
    agency, slash, name = text.partition("/")
    if not slash or len(text) > ASSET_ID_LENGTH_MAX:
        raise ValueError(
            f"expected <agency id>/<name> of at most {ASSET_ID_LENGTH_MAX} characters, such as tax.example/assessments"
        )
    return f"{_agency_id(agency)}/{_label(name)}"


def _unique(values: tuple[_T, ...]) -> tuple[_T, ...]:
    if len(set(values)) != len(values):
        raise ValueError("expected every value once")
    return values


def text(length_max: int) -> StringConstraints:
    """Return the constraint of a text that is not empty and not longer."""
    return StringConstraints(min_length=1, max_length=length_max, strip_whitespace=True)


@dataclass(frozen=True, slots=True)
class Matches:
    """Marks a text that a pattern matches as a whole."""

    pattern: str
    """A regular expression that Python and ECMAScript read alike, because editors get it too."""
    words: str
    """What is expected, in words for people."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return handler(schema) | {"pattern": f"^(?:{self.pattern})$"}

    def _check(self, value: str) -> str:
        if re.fullmatch(self.pattern, value, re.ASCII) is None:
            raise ValueError(f"expected {self.words}")
        return value


def repeated(values: Iterable[str]) -> list[int]:
    """Return the places of values that stood earlier already."""
    seen: set[str] = set()
    places = []
    for index, value in enumerate(values):
        if value in seen:
            places.append(index)
        seen.add(value)
    return places


_MOMENT_SCHEMA = WithJsonSchema({"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}([Tt ].*)?$"})
_LABEL_SCHEMA = WithJsonSchema(
    {"type": "string", "maxLength": 100, "pattern": r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"}
)

AgencyText = Annotated[str, AfterValidator(_agency_id), _LABEL_SCHEMA]
LabelText = Annotated[str, AfterValidator(_label), _LABEL_SCHEMA]
AssetText = Annotated[
    str,
    AfterValidator(_asset_id),
    WithJsonSchema(
        {"type": "string", "maxLength": ASSET_ID_LENGTH_MAX, "pattern": r"^[a-z0-9.-]+/[a-z0-9.-]+$"}
    ),
]
Title = Annotated[str, text(255)]
Prose = Annotated[str, text(10_000)]
StartMoment = Annotated[
    int, BeforeValidator(_start), PlainSerializer(time_text, return_type=str), _MOMENT_SCHEMA
]
"""Milliseconds since 1970; a day means its beginning, in UTC."""
EndMoment = Annotated[int, BeforeValidator(_end), PlainSerializer(time_text, return_type=str), _MOMENT_SCHEMA]
"""Milliseconds since 1970; a day means its last moment, in UTC."""
UNIQUE = AfterValidator(_unique)
Names = Annotated[tuple[Title, ...], UNIQUE]
"""A set of names."""

DocumentType = Annotated[
    str,
    text(200),
    Matches(
        r"[a-z0-9-]+(\.[A-Za-z0-9_-]+)*\.v[1-9][0-9]*",
        "a reverse domain name that ends in the major version, such as example.civil.person.v1",
    ),
]
_FREQUENCY = r"irregular|R[0-9]*/P(?=.)([0-9]+[YMWD])*(T([0-9]+[HMS])+)?"
_MOMENT = r"\d{4}(-\d{2}){0,2}(T[0-9:.]+(Z|[+-]\d\d:\d\d))?"
Frequency = Annotated[
    str, text(60), Matches(_FREQUENCY, "an ISO 8601 repeating interval such as R/P1D, or irregular")
]
Email = Annotated[str, text(254), Matches(r"[^@\s]+@[^@\s]+", "an e-mail address")]
Uri = Annotated[
    str, text(2_000), Matches(ABSOLUTE_URI, "an absolute URI such as https://tax.example/privacy")
]
AssetUri = Annotated[
    str,
    text(2_000),
    Matches(f"{ABSOLUTE_URI}|{REDACTED}", "an absolute URI such as https://tax.example/privacy"),
]
"""An absolute URI, or a redaction string as DCAT-US 1.1 permits."""
AssetFrequency = Annotated[
    str,
    text(255),
    Matches(f"{_FREQUENCY}|{REDACTED}", "an ISO 8601 repeating interval such as R/P1D, or irregular"),
]
AssetTimeSpan = Annotated[
    str,
    text(255),
    Matches(
        f"{_MOMENT}/({_MOMENT}|P[0-9A-Z.]+)|{REDACTED}",
        "the first and the last day, such as 2020-01-01/2025-12-31",
    ),
]
LanguageTag = Annotated[
    str,
    text(40),
    Matches(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*", "a BCP 47 language tag such as en or pt-BR"),
]
Country = Annotated[str, Matches(r"[A-Z]{3}", "a GENC code of 3 capital letters, such as USA")]
FileName = Annotated[
    str,
    StringConstraints(max_length=200),
    Matches(r"(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9_./-]*", "a file name relative to the folder"),
]
