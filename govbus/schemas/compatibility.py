"""Whether a new version of a schema keeps what readers and writers of the old ones rely on (rule AVR-2).

Two judges look at every pair of a reader's and a writer's schema, and each can refuse. The official library's checker
speaks for the specification; it names no place inside unions, and it looks neither at logical types nor at bytes
that are no text. Ours walks the pair as schema resolution does, says where, and looks at those two as well.
"""

from __future__ import annotations

import enum
import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import avro.schema
import fastavro
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType

from govbus.document.finding import Breach
from govbus.errors import SchemaError
from govbus.schemas.canonical import canonical_json
from govbus.schemas.codec import AvroCodec
from govbus.schemas.walk import NAMED_KINDS, join

BREACHES_MAX: Final = 50
"""Breaches reported of one new version; its author mends these and sees the rest next time."""
SYMBOLS_NAMED_MAX: Final = 5
RESOLVED_MAX: Final = 512
"""Schemas remembered, some 100 kB each: a directory of a hundred packages has a few hundred."""
PAIRS_MAX: Final = 4_096
"""Verdicts remembered."""


class Compatibility(enum.StrEnum):
    """What must hold between versions of one subject, as schema registries name it."""

    NONE = "NONE"
    BACKWARD = "BACKWARD"
    """The new schema reads what the last one wrote."""
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    """The new schema reads what any earlier one wrote."""
    FORWARD = "FORWARD"
    """The last schema reads what the new one writes."""
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    """Every earlier schema reads what the new one writes."""
    FULL = "FULL"
    """Both, against the last."""
    FULL_TRANSITIVE = "FULL_TRANSITIVE"
    """Both, against all: the only one under which a log can be replayed under any version."""

    @property
    def is_transitive(self) -> bool:
        """Whether every earlier version counts, not only the last."""
        return self.value.endswith("_TRANSITIVE")

    @property
    def is_backward(self) -> bool:
        """Whether the new schema must read what earlier ones wrote."""
        return self.value.startswith(("BACKWARD", "FULL"))

    @property
    def is_forward(self) -> bool:
        """Whether earlier schemas must read what the new one writes."""
        return self.value.startswith(("FORWARD", "FULL"))


class Incompatibility(enum.StrEnum):
    """Kinds of incompatibility; the first six as the official checkers name them."""

    NAME = "NAME_MISMATCH"
    FIXED_SIZE = "FIXED_SIZE_MISMATCH"
    ENUM_SYMBOLS = "MISSING_ENUM_SYMBOLS"
    NO_DEFAULT = "READER_FIELD_MISSING_DEFAULT_VALUE"
    TYPE = "TYPE_MISMATCH"
    UNION_BRANCH = "MISSING_UNION_BRANCH"
    LOGICAL_TYPE = "LOGICAL_TYPE_MISMATCH"
    """The same bytes would be read as another value, such as a decimal of another scale."""
    TEXT = "BYTES_READ_AS_STRING"
    """The specification lets a string be read from bytes, but bytes that are no UTF-8 cannot be."""


class Difference(NamedTuple):
    """Why a reader's schema cannot read what a writer's schema wrote."""

    kind: Incompatibility
    place: str
    """In the reader's schema."""
    text: str


def compatibility_breaches(
    new: Any,
    earlier: Sequence[Any],
    mode: Compatibility,
    place: str = "",
    *,
    labels: Sequence[str] | None = None,
) -> list[Breach]:
    """Return the breaches of AVR-2 in a new version of a schema.

    Args:
        new: the schema as JSON values, without breaches of AVR-3 of its own.
        earlier: the versions before it, oldest first.
        mode: what must hold between them.
        place: where the new schema stands, put in front of every place.
        labels: what breaches call the earlier versions; ``version 1`` and so on where nothing is given.

    Returns:
        At most `BREACHES_MAX`. Where an earlier schema cannot read what the new one writes, the detail names the
        place in the earlier schema.
    """
    names = [f"version {number}" for number in range(1, len(earlier) + 1)] if labels is None else labels
    pairs = list(zip(earlier, names, strict=True))
    found: list[Breach] = []
    if mode is Compatibility.NONE or not pairs:
        return found
    own = _canonical(new)
    for definition, label in pairs if mode.is_transitive else pairs[-1:]:
        old = _canonical(definition)
        if mode.is_backward:
            what = f"the new schema cannot read what {label} wrote"
            found += [_breach(one, place, what) for one in _compared(own, old)]
        if mode.is_forward:
            for one in _compared(old, own):
                at = f", at {one.place} of {label}" if one.place else ""
                what = f"{label} cannot read what the new schema writes{at}"
                found.append(_breach(one._replace(place=""), place, what))
    return found[:BREACHES_MAX]


def differences(*, reader: Any, writer: Any) -> list[Difference]:
    """Return why a reader's schema cannot read what a writer's wrote; empty where it can.

    Args:
        reader: a schema as JSON values.
        writer: likewise.

    Returns:
        What our walk found; where it found nothing and the official checker did, what that says.
    """
    return list(_compared(_canonical(reader), _canonical(writer)))


def _canonical(definition: Any) -> bytes:
    """Return the schema's canonical JSON; empty where it has none, which is no schema either."""
    try:
        return canonical_json(definition)
    except SchemaError:
        return b""


def _compared(reader: bytes, writer: bytes) -> tuple[Difference, ...]:
    try:
        return _differences(_resolved(reader), _resolved(writer))
    except (SchemaError, ValueError) as err:
        text = err.message if isinstance(err, SchemaError) else "not an Avro schema"
        return (Difference(Incompatibility.TYPE, "", text),)


def _breach(difference: Difference, place: str, what: str) -> Breach:
    here = join(place, difference.place) if difference.place else place
    return Breach("AVR-2", here, f"{difference.kind}: {difference.text} ({what})")


@dataclass(frozen=True, eq=False)
class _Resolved:
    """A schema with every name in full; two of them are the same only if they are one object."""

    schema: Any
    named: Mapping[str, Any]

    @functools.cached_property
    def official(self) -> Any:
        """The schema as the official library has it."""
        return avro.schema.parse(json.dumps(_structure(self.schema)))


@functools.lru_cache(maxsize=RESOLVED_MAX)
def _resolved(canonical: bytes) -> _Resolved:
    """Return a schema, resolved; versions of a directory share most of them.

    Raises:
        SchemaError: if it is no Avro schema, or breaks the bounds of the reader: recursion would not end here.
    """
    AvroCodec(json.loads(canonical))
    named: dict[str, Any] = {}
    return _Resolved(fastavro.parse_schema(json.loads(canonical), named), named)


@functools.lru_cache(maxsize=PAIRS_MAX)
def _differences(reader: _Resolved, writer: _Resolved) -> tuple[Difference, ...]:
    found = tuple(_Walk(reader.named, writer.named).values(reader.schema, writer.schema, ""))
    return found or tuple(_official_differences(reader, writer))


class _Walk:
    """Walks a reader's and a writer's schema side by side, as schema resolution does."""

    def __init__(self, reader_named: Mapping[str, Any], writer_named: Mapping[str, Any]) -> None:
        self._reader_named = reader_named
        self._writer_named = writer_named
        self._seen: set[tuple[str, str]] = set()
        """Pairs of named types that were compared: what they found is told once."""

    def values(self, reader: Any, writer: Any, place: str) -> Iterator[Difference]:
        """Yield why a value of the writer's type cannot be read as one of the reader's."""
        reader, writer = self._named(reader, self._reader_named), self._named(writer, self._writer_named)
        if isinstance(writer, list):
            yield from self._from_union(reader, writer, place)
        elif isinstance(reader, list):
            yield from self._into_union(reader, writer, place)
        else:
            yield from self._definitions(reader, writer, place)

    def _named(self, schema: Any, named: Mapping[str, Any]) -> Any:
        """Return a union, or a definition as an object."""
        if isinstance(schema, list):
            return schema
        if isinstance(schema, str):
            return named.get(schema, {"type": schema})
        return schema

    def _from_union(self, reader: Any, writer: list[Any], place: str) -> Iterator[Difference]:
        for branch in writer:
            yield from self.values(reader, branch, place)

    def _into_union(self, reader: list[Any], writer: Any, place: str) -> Iterator[Difference]:
        """Compare with the branch that a reader takes: one of the same type, else the first that can be promoted."""
        branches = [self._named(branch, self._reader_named) for branch in reader]
        for index, branch in enumerate(branches):
            if branch["type"] == writer["type"] and self._has_name_of(branch, writer):
                yield from self._definitions(branch, writer, join(place, index))
                return
        for index, branch in enumerate(branches):
            if writer["type"] in _PROMOTED.get(branch["type"], ()):
                yield from self._definitions(branch, writer, join(place, index))
                return
        text = f"the union has no branch for {_title(writer)}"
        yield Difference(Incompatibility.UNION_BRANCH, place, text)

    def _has_name_of(self, reader: Mapping[str, Any], writer: Mapping[str, Any]) -> bool:
        """Return whether two definitions are of one name: the last part of it, or by an alias of the reader's."""
        if reader["type"] not in NAMED_KINDS:
            return True
        own, other = str(reader["name"]), str(writer["name"])
        namespace = own.rpartition(".")[0]
        aliases = [
            alias if "." in alias or not namespace else f"{namespace}.{alias}"
            for alias in reader.get("aliases", ())
        ]
        return own.rpartition(".")[2] == other.rpartition(".")[2] or other in aliases

    def _definitions(
        self, reader: Mapping[str, Any], writer: Mapping[str, Any], place: str
    ) -> Iterator[Difference]:
        kind, written = reader["type"], writer["type"]
        if kind != written:
            if written not in _PROMOTED.get(kind, ()):
                yield Difference(
                    Incompatibility.TYPE, place, f"{_title(writer)} cannot be read as {_title(reader)}"
                )
                return
            if (kind, written) == ("string", "bytes"):
                yield Difference(
                    Incompatibility.TEXT, place, "bytes that are no UTF-8 cannot be read as string"
                )
        elif not self._has_name_of(reader, writer):
            text = f"{_title(writer)} cannot be read as {_title(reader)}, which has another name and no alias"
            yield Difference(Incompatibility.NAME, place, text)
            return
        yield from _logical_difference(reader, writer, place)
        if kind == written:
            yield from self._insides(reader, writer, place)

    def _insides(
        self, reader: Mapping[str, Any], writer: Mapping[str, Any], place: str
    ) -> Iterator[Difference]:
        match reader["type"]:
            case "fixed" if reader["size"] != writer["size"]:
                text = f"{writer['size']} bytes cannot be read as {reader['size']}"
                yield Difference(Incompatibility.FIXED_SIZE, join(place, "size"), text)
            case "enum":
                yield from _symbol_difference(reader, writer, place)
            case "array":
                yield from self.values(reader["items"], writer["items"], join(place, "items"))
            case "map":
                yield from self.values(reader["values"], writer["values"], join(place, "values"))
            case "record":
                pair = (reader["name"], writer["name"])
                if pair not in self._seen:
                    self._seen.add(pair)
                    yield from self._fields(reader, writer, join(place, "fields"))
            case _:
                pass

    def _fields(
        self, reader: Mapping[str, Any], writer: Mapping[str, Any], place: str
    ) -> Iterator[Difference]:
        written = {field["name"]: field for field in writer["fields"]}
        for index, field in enumerate(reader["fields"]):
            here = join(place, index)
            names = [field["name"], *field.get("aliases", ())]
            source = next((written[name] for name in names if name in written), None)
            if source is not None:
                yield from self.values(field["type"], source["type"], join(here, "type"))
            elif "default" not in field:
                text = f"field {field['name']} is not written and has no default"
                yield Difference(Incompatibility.NO_DEFAULT, here, text)


_PROMOTED: Final[Mapping[str, tuple[str, ...]]] = {
    "long": ("int",),
    "float": ("int", "long"),
    "double": ("int", "long", "float"),
    "string": ("bytes",),
    "bytes": ("string",),
}
"""Types that are read as another (Avro 1.12 specification, *Schema Resolution*), by the type that reads."""


def _logical_difference(
    reader: Mapping[str, Any], writer: Mapping[str, Any], place: str
) -> Iterator[Difference]:
    own, other = _logical_title(reader), _logical_title(writer)
    if own != other:
        text = f"{other or writer['type']} would be read as {own or reader['type']}"
        yield Difference(Incompatibility.LOGICAL_TYPE, place, text)


def _logical_title(node: Mapping[str, Any]) -> str:
    """Return a logical type as text, with all that makes the value: ``decimal(9,2)``."""
    name = node.get("logicalType")
    if name == "decimal":
        return f"decimal({node.get('precision')},{node.get('scale', 0)})"
    return name if isinstance(name, str) else ""


def _symbol_difference(
    reader: Mapping[str, Any], writer: Mapping[str, Any], place: str
) -> Iterator[Difference]:
    known = frozenset(reader["symbols"])
    lacking = [symbol for symbol in writer["symbols"] if symbol not in known]
    if lacking and reader.get("default") not in reader["symbols"]:
        more = " and others" if len(lacking) > SYMBOLS_NAMED_MAX else ""
        text = f"symbols {', '.join(lacking[:SYMBOLS_NAMED_MAX])}{more} are unknown and there is no default"
        yield Difference(Incompatibility.ENUM_SYMBOLS, join(place, "symbols"), text)


def _title(node: Mapping[str, Any]) -> str:
    name = node.get("name")
    return f"{node['type']} {name}" if name else str(node["type"])


def _official_differences(reader: _Resolved, writer: _Resolved) -> Iterator[Difference]:
    try:
        kinds = _official_kinds(reader, writer)
    except SchemaError as err:
        yield Difference(Incompatibility.TYPE, "", err.message)
        return
    if kinds:
        yield Difference(Incompatibility.TYPE, "", f"the official checker says {', '.join(kinds)}")


def _official_kinds(reader: _Resolved, writer: _Resolved) -> list[str]:
    """Return the kinds of incompatibility that the official checker finds.

    Raises:
        SchemaError: if it cannot compare the schemas.
    """
    checker: Any = ReaderWriterCompatibilityChecker
    try:
        result = checker().get_compatibility(reader.official, writer.official)
    except Exception as err:  # the library raises TypeError and others besides its own kinds
        raise SchemaError("the official checker cannot compare the schemas", rule="AVR-2") from err
    if result.compatibility is SchemaCompatibilityType.compatible:
        return []
    return sorted({kind.value for kind in result.incompatibilities}) or ["incompatible"]


def _structure(schema: Any) -> Any:
    """Return what the official checker looks at: it warns of logical types that it does not know, in vain here."""
    if isinstance(schema, list):
        return [_structure(branch) for branch in schema]
    if not isinstance(schema, Mapping):
        return schema
    kept = {key: schema[key] for key in _STRUCTURAL if key in schema}
    for key in ("items", "values"):
        if key in kept:
            kept[key] = _structure(kept[key])
    if "fields" in kept:
        kept["fields"] = [
            {key: field[key] for key in ("name", "default", "aliases") if key in field}
            | {"type": _structure(field["type"])}
            for field in kept["fields"]
        ]
    if "aliases" in kept:
        namespace = str(schema["name"]).rpartition(".")[0]
        kept["aliases"] = [
            alias if "." in alias or not namespace else f"{namespace}.{alias}" for alias in kept["aliases"]
        ]
    return kept


_STRUCTURAL: Final = ("type", "name", "aliases", "symbols", "default", "size", "items", "values", "fields")
