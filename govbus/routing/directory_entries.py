"""The parts of a directory as they are signed and published: one JSON object each, complete in itself.

Certificates and schemas stand inside the entry, so that whoever holds the entries of a version needs nothing else
to verify documents of that time (``docs/specs/directory.md``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    ValidationError,
)

from govbus.document.encoding import time_ms_from_text, time_text
from govbus.document.ids import AgencyId, PackageId
from govbus.errors import MetadataError
from govbus.routing.directory import AgreementStatus, Delivery
from govbus.schemas.canonical import canonical_json

FOUND_CHARACTERS_MAX = 60
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DAY_LAST_MS = 86_400_000 - 1


def _start(value: Any) -> Any:
    """Return milliseconds of an RFC 3339 time, or of the start of a day."""
    return _moment(value, 0)


def _end(value: Any) -> Any:
    """Return milliseconds of an RFC 3339 time, or of the last moment of a day."""
    return _moment(value, _DAY_LAST_MS)


def _moment(value: Any, day_offset_ms: int) -> Any:
    if not isinstance(value, str):
        raise ValueError("expected a day such as 2026-01-31 or an RFC 3339 time")  # noqa: TRY004  # pydantic's seam
    try:
        if _DAY.fullmatch(value):
            return time_ms_from_text(f"{value}T00:00:00Z") + day_offset_ms
        return time_ms_from_text(value)
    except MetadataError as err:
        raise ValueError("expected a day such as 2026-01-31 or an RFC 3339 time") from err


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


def _text(length_max: int) -> StringConstraints:
    return StringConstraints(min_length=1, max_length=length_max, strip_whitespace=True)


AgencyText = Annotated[str, AfterValidator(_agency_id)]
LabelText = Annotated[str, AfterValidator(_label)]
Title = Annotated[str, _text(255)]
Prose = Annotated[str, _text(10_000)]
StartMoment = Annotated[int, BeforeValidator(_start), PlainSerializer(time_text, return_type=str)]
EndMoment = Annotated[int, BeforeValidator(_end), PlainSerializer(time_text, return_type=str)]


def matches(pattern: str, words: str) -> AfterValidator:
    """Return a validator of texts that the pattern matches; the words say what is expected."""
    compiled = re.compile(pattern, re.ASCII)

    def check(text: str) -> str:
        if compiled.fullmatch(text) is None:
            raise ValueError(f"expected {words}")
        return text

    return AfterValidator(check)


DocumentType = Annotated[
    str,
    _text(200),
    matches(
        r"[a-z0-9-]+(\.[A-Za-z0-9_-]+)*\.v[1-9][0-9]*",
        "a reverse domain name that ends in the major version, such as example.civil.person.v1",
    ),
]
Frequency = Annotated[
    str,
    _text(60),
    matches(
        r"irregular|R[0-9]*/P(?=.)([0-9]+[YMWD])*(T([0-9]+[HMS])+)?",
        "an ISO 8601 repeating interval such as R/P1D, or irregular",
    ),
]
Email = Annotated[str, _text(254), matches(r"[^@\s]+@[^@\s]+", "an e-mail address")]


class Model(BaseModel):
    """Base of everything that is read from a directory: unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ContactPart(Model):
    """Whom to ask."""

    name: Title
    email: Email


class PartyPart(Model):
    """An agency in a role, and whom to ask there."""

    agency: AgencyText
    contact: ContactPart


class CertificatePart(Model):
    """A certificate bound to an agency."""

    pem: Annotated[str, StringConstraints(max_length=40_000)]
    revoked: StartMoment | None = None
    """Signatures from this moment on are refused."""


class SchemaPart(Model):
    """One version of a package's document schema."""

    id: Annotated[int, Field(ge=100, le=2**31 - 1)]
    version: Annotated[int, Field(ge=1, le=9999)]
    definition: dict[str, Any]
    """The whole document schema: shared metadata and payload."""


class BusEntry(Model):
    """The bus itself."""

    id: AgencyText
    name: Title
    authority: Title
    anchors: Annotated[
        tuple[Annotated[str, StringConstraints(max_length=40_000)], ...], Field(min_length=1, max_length=50)
    ]
    """PEM certificates of the authorities whose certificates agencies may use."""


class AgencyFields(Model):
    """An agency, without its certificates."""

    id: AgencyText
    name: Title
    external_ids: dict[LabelText, Title] = {}


class AgencyEntry(AgencyFields):
    """A participating organisation."""

    certificates: Annotated[tuple[CertificatePart, ...], Field(max_length=200)] = ()


class PackageFields(Model):
    """An exchange package, without its schemas (FEA DRM 2.0, section 6.5)."""

    id: LabelText
    name: Title
    description: Prose
    steward: PartyPart
    data_asset: Title
    types: Annotated[tuple[DocumentType, ...], Field(min_length=1, max_length=50)]
    classification: Literal["public", "internal", "confidential", "restricted"]
    data_category: Literal["non-pii", "non-sensitive-pii", "sensitive-pii", "phi"]
    access_level: Literal["public", "restricted public", "non-public"]
    frequency: Frequency
    delivery: Delivery


class PackageEntry(PackageFields):
    """An exchange package."""

    schemas: Annotated[tuple[SchemaPart, ...], Field(min_length=1, max_length=50)]


class AgreementEntry(Model):
    """An exchange agreement."""

    id: LabelText
    package: LabelText
    supplier: PartyPart
    consumers: Annotated[tuple[PartyPart, ...], Field(min_length=1, max_length=500)]
    purpose: Prose
    legal_authority: Prose
    valid_from: StartMoment
    valid_to: EndMoment
    status: AgreementStatus


Entry = BusEntry | AgencyEntry | PackageEntry | AgreementEntry
KINDS: dict[str, type[Entry]] = {
    "bus": BusEntry,
    "agency": AgencyEntry,
    "package": PackageEntry,
    "agreement": AgreementEntry,
}
_KIND_OF: dict[type[Any], str] = {model: kind for kind, model in KINDS.items()}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a directory, and where."""

    place: str
    """File or entry."""
    field: str
    """Path in it, such as ``certificates.0.file``; empty for the whole."""
    detail: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.place, self.field, self.detail) if part)


def place_of(entry: Entry) -> str:
    """Return ``<kind>/<id>``, unique in a directory."""
    return f"{_KIND_OF[type(entry)]}/{entry.id}"


def entry_json(entry: Entry) -> bytes:
    """Return the bytes of an entry as published: RFC 8785 JSON without fields that are null."""
    return canonical_json(entry.model_dump(mode="json", exclude_none=True))


def entry_from_json(kind: str, octets: bytes) -> Entry:
    """Read a published entry.

    Raises:
        ValueError: if it is no entry of that kind; the text says what is wrong.
    """
    model = KINDS.get(kind)
    if model is None:
        raise ValueError(f"expected one of {', '.join(KINDS)}, found {kind[:FOUND_CHARACTERS_MAX]!r}")
    try:
        return model.model_validate(json.loads(octets))
    except ValidationError as err:
        raise ValueError("; ".join(str(problem) for problem in problems_of(err, ""))) from err
    except RecursionError as err:
        raise ValueError("nested too deep") from err


def problems_of(err: ValidationError, place: str) -> list[Problem]:
    """Return what a model found wrong: field, what was expected, what was found."""
    details = err.errors(include_url=False)
    places = [detail["loc"] for detail in details]
    return [
        Problem(
            place, ".".join(map(str, detail["loc"])), _words(detail["type"], detail["msg"], detail["input"])
        )
        for detail in details
        if not (detail["type"] == "too_short" and _has_part(places, detail["loc"]))
    ]


def _has_part(places: list[tuple[int | str, ...]], whole: tuple[int | str, ...]) -> bool:
    """Return whether something inside `whole` is wrong; then its length says nothing new."""
    return any(len(place) > len(whole) and place[: len(whole)] == whole for place in places)


def _words(kind: str, message: str, found: Any) -> str:
    match kind:
        case "missing":
            return "this field is required"
        case "extra_forbidden":
            return "this field is unknown"
        case "too_short":
            return "expected at least one"
        case _:
            text = message.removeprefix("Value error, ").replace("Input should", "should")
            text = text[:1].lower() + text[1:]
            shown = found if isinstance(found, str | int | float) else type(found).__name__
            return text if "found" in text else f"{text}, found {str(shown)[:FOUND_CHARACTERS_MAX]!r}"


@dataclass(frozen=True, slots=True)
class DirectoryContent:
    """Everything that a version of the directory says, not yet checked against each other."""

    bus: BusEntry
    agencies: tuple[AgencyEntry, ...] = ()
    packages: tuple[PackageEntry, ...] = ()
    agreements: tuple[AgreementEntry, ...] = ()

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> DirectoryContent:
        """Sort entries into their kinds.

        Raises:
            ValueError: if there is not exactly one bus entry.
        """
        kinds: dict[type[Any], list[Any]] = {model: [] for model in KINDS.values()}
        for entry in entries:
            kinds[type(entry)].append(entry)
        if len(kinds[BusEntry]) != 1:
            raise ValueError(f"expected one bus entry, found {len(kinds[BusEntry])}")
        return cls(
            kinds[BusEntry][0],
            tuple(kinds[AgencyEntry]),
            tuple(kinds[PackageEntry]),
            tuple(kinds[AgreementEntry]),
        )

    def entries(self) -> tuple[Entry, ...]:
        """Return every entry, the bus first."""
        return (self.bus, *self.agencies, *self.packages, *self.agreements)
