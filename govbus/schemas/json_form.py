"""Values of an Avro schema as people write them in JSON, and back.

JSON has no days, moments, exact numbers or octets, and Avro's own JSON encoding shows them as counts and escapes. Here
a day is ``2026-01-31``, a moment an RFC 3339 time, a time of day ``14:35:00``, a decimal a text such as ``"12.50"``,
octets are ``{"base64": "…"}``, and a union's value stands without the name of its branch. Numbers, as Avro counts
them, are taken too.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from govbus.errors import SchemaError
from govbus.schemas.walk import NAMED_KINDS

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_RANGES: Final = {"int": 31, "long": 63}
"""Bits of a number without its sign."""
_MICROSECONDS: Final = {"timestamp-millis": 1_000, "timestamp-micros": 1}
_OF_DAY: Final = {"time-millis": 1_000, "time-micros": 1}


def from_json(definition: Any, value: Any, place: str = "") -> Any:
    """Return the Avro value that a JSON value stands for, ready for `AvroCodec.encode`.

    Args:
        definition: the schema, one that `AvroCodec` takes.
        value: as parsed from JSON; values that Avro readers return (``date``, ``Decimal``, octets) pass too.
        place: where the value stands, such as ``body``; put in front of every place in an error.

    Raises:
        SchemaError: if the value does not fit; its field is the place and its message what was expected there. It
            never repeats the value (rule AVR-1).
    """
    return _Reader().read(definition, value, place, "")


def to_json(value: Any) -> Any:
    """Return the JSON value of a decoded Avro value."""
    match value:
        case dict():
            return {name: to_json(part) for name, part in value.items()}
        case list() | tuple():
            return [to_json(part) for part in value]
        case bytes():
            return {"base64": base64.b64encode(value).decode("ascii")}
        case datetime():
            return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case date() | time():
            return value.isoformat()
        case Decimal():
            return format(value, "f")
        case uuid.UUID():
            return str(value)
        case _:
            return value


def _fail(place: str, expected: str) -> SchemaError:
    return SchemaError(f"{place or 'the value'}: expected {expected}", rule="AVR-1", field=place or "value")


def _join(place: str, part: str | int) -> str:
    return f"{place}.{part}" if place else str(part)


class _Reader:
    """Reads one value; named types are known from where the schema defines them."""

    def __init__(self) -> None:
        self._named: dict[str, Any] = {}
        self._namespaces: dict[str, str] = {}
        """Namespace that holds inside a named type."""

    def read(self, schema: Any, value: Any, place: str, namespace: str) -> Any:
        if isinstance(schema, list):
            return self._union(schema, value, place, namespace)
        if isinstance(schema, str):
            full = schema if "." in schema or not namespace else f"{namespace}.{schema}"
            if full in self._named:
                return self._kind(self._named[full], value, place, self._namespaces[full])
            return _primitive({"type": schema}, value, place)
        return self._kind(schema, value, place, self._define(schema, namespace))

    def _define(self, schema: Mapping[str, Any], namespace: str) -> str:
        """Note a named type and everything inside it; return the namespace that holds inside."""
        kind = schema["type"]
        if kind in ("array", "map"):
            self._look_into(schema["items" if kind == "array" else "values"], namespace)
        if not isinstance(kind, str) or kind not in NAMED_KINDS:
            return namespace
        name, own = schema["name"], schema.get("namespace", namespace)
        full = name if "." in name or not own else f"{own}.{name}"
        inside = full.rpartition(".")[0]
        if full not in self._named:
            self._named[full], self._namespaces[full] = schema, inside
            for field in schema.get("fields", ()):
                self._look_into(field["type"], inside)
        return inside

    def _look_into(self, schema: Any, namespace: str) -> None:
        for part in schema if isinstance(schema, list) else (schema,):
            if isinstance(part, Mapping):
                self._define(part, namespace)

    def _kind(self, schema: Mapping[str, Any], value: Any, place: str, namespace: str) -> Any:
        match schema["type"]:
            case "record":
                return self._record(schema, value, place, namespace)
            case "array":
                if not isinstance(value, list | tuple):
                    raise _fail(place, "a list")
                items = schema["items"]
                return [
                    self.read(items, one, _join(place, number), namespace) for number, one in enumerate(value)
                ]
            case "map":
                if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
                    raise _fail(place, "an object")
                values = schema["values"]
                return {
                    name: self.read(values, one, _join(place, name), namespace) for name, one in value.items()
                }
            case "enum":
                if value not in schema["symbols"]:
                    raise _fail(place, f"one of {', '.join(schema['symbols'])}")
                return value
            case _:
                return _primitive(schema, value, place)

    def _record(self, schema: Mapping[str, Any], value: Any, place: str, namespace: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise _fail(place, f"an object with the fields of {schema['name']}")
        fields = {field["name"]: field for field in schema["fields"]}
        unknown = sorted(map(str, value.keys() - fields.keys()))
        if unknown:
            raise _fail(
                _join(place, unknown[0][:100]), f"no such field; {schema['name']} has {_words(fields)}"
            )
        missing = [name for name, field in fields.items() if name not in value and "default" not in field]
        if missing:
            raise _fail(
                _join(place, missing[0]), f"a value: {fields[missing[0]].get('doc', 'it is required')}"
            )
        return {
            name: self.read(fields[name]["type"], part, _join(place, name), namespace)
            for name, part in value.items()
        }

    def _union(self, branches: list[Any], value: Any, place: str, namespace: str) -> Any:
        if value is None:
            if "null" in branches:
                return None
            raise _fail(place, "a value")
        rest = [branch for branch in branches if branch != "null"]
        for branch in rest[:-1]:
            try:
                return self.read(branch, value, place, namespace)
            except SchemaError:
                continue  # the last branch says what was expected
        return self.read(rest[-1], value, place, namespace)


def _words(names: Iterable[str]) -> str:
    return ", ".join(names)


def _primitive(schema: Mapping[str, Any], value: Any, place: str) -> Any:
    kind, logical = schema["type"], schema.get("logicalType")
    if logical == "decimal":
        return _decimal(schema, value, place)
    if logical is not None and isinstance(value, str | date | time | datetime | uuid.UUID):
        return _logical(str(logical), value, place)
    match kind:
        case "null" if value is None:
            return None
        case "boolean" if isinstance(value, bool):
            return value
        case "int" | "long" if isinstance(value, int) and not isinstance(value, bool):
            if not -(1 << _RANGES[kind]) <= value < 1 << _RANGES[kind]:
                raise _fail(place, f"a whole number of at most {_RANGES[kind] + 1} bits")
            return value
        case "float" | "double" if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        case "string" if isinstance(value, str):
            return value
        case "bytes" | "fixed":
            return _octets(schema, value, place)
        case _:
            raise _fail(place, _EXPECTED.get(str(logical or kind), f"a {kind}"))


_EXPECTED: Final = {
    "null": "null",
    "boolean": "true or false",
    "int": "a whole number",
    "long": "a whole number",
    "float": "a number",
    "double": "a number",
    "string": "a text",
    "date": "a day such as 2026-01-31",
    "time-millis": "a time of day such as 14:35:00",
    "time-micros": "a time of day such as 14:35:00",
    "timestamp-millis": "an RFC 3339 time such as 2026-01-31T14:35:00Z",
    "timestamp-micros": "an RFC 3339 time such as 2026-01-31T14:35:00Z",
    "timestamp-nanos": "a number of nanoseconds since 1970",
    "uuid": "a UUID",
}


def _octets(schema: Mapping[str, Any], value: Any, place: str) -> bytes:
    octets = value
    if isinstance(value, Mapping) and list(value) == ["base64"] and isinstance(value["base64"], str):
        try:
            octets = base64.b64decode(value["base64"], validate=True)
        except (binascii.Error, ValueError) as err:
            raise _fail(place, 'octets as {"base64": "…"} (RFC 4648, section 4)') from err
    if not isinstance(octets, bytes):
        raise _fail(place, 'octets as {"base64": "…"}')
    if schema["type"] == "fixed" and len(octets) != schema["size"]:
        raise _fail(place, f"{schema['size']} octets")
    return octets


def _decimal(schema: Mapping[str, Any], value: Any, place: str) -> Decimal:
    precision, scale = schema["precision"], schema.get("scale", 0)
    expected = f'a decimal such as "12.50", with at most {precision - scale} digits and {scale} decimals'
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise _fail(place, expected + ", as a text, because JSON numbers are not exact")
    try:
        number = Decimal(value)
    except InvalidOperation as err:
        raise _fail(place, expected) from err
    if not number.is_finite() or (number.adjusted() >= precision - scale and number):
        raise _fail(place, expected)
    exponent = number.normalize().as_tuple().exponent
    if not isinstance(exponent, int) or -exponent > scale:
        raise _fail(place, expected)
    return number


def _logical(logical: str, value: Any, place: str) -> Any:
    """Return the count that a text or a value of Python's stands for."""
    try:
        if logical == "date":
            day = date.fromisoformat(value) if isinstance(value, str) else value
            return day.toordinal() - _EPOCH_DAY
        if logical in _MICROSECONDS:
            return _moment(value) // timedelta(microseconds=_MICROSECONDS[logical])
        if logical in _OF_DAY:
            at = time.fromisoformat(value) if isinstance(value, str) else value
            if at.tzinfo is None:
                whole = timedelta(
                    hours=at.hour, minutes=at.minute, seconds=at.second, microseconds=at.microsecond
                )
                return whole // timedelta(microseconds=_OF_DAY[logical])
        if logical == "uuid":
            return str(uuid.UUID(str(value)))
    except (ValueError, AttributeError, OverflowError):
        pass
    raise _fail(place, _EXPECTED.get(logical, f"a {logical}"))


def _moment(value: Any) -> timedelta:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if moment.tzinfo is None:
        raise ValueError("a time without an offset names no moment")
    return moment - _EPOCH
