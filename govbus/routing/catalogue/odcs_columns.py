"""Avro schemas as the properties of an Open Data Contract's schema objects, and back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from govbus.routing.catalogue.shapes import Flaw, at

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9_]+")
_LOGICAL: Final = {
    "date": "date",
    "time-millis": "time",
    "time-micros": "time",
    "timestamp-millis": "timestamp",
    "timestamp-micros": "timestamp",
    "timestamp-nanos": "timestamp",
    "decimal": "number",
    "uuid": "string",
}
_PRIMITIVES: Final[dict[str, tuple[str | None, dict[str, Any]]]] = {
    "null": (None, {}),
    "boolean": ("boolean", {}),
    "int": ("integer", {"format": "i32"}),
    "long": ("integer", {"format": "i64"}),
    "float": ("number", {"format": "f32"}),
    "double": ("number", {"format": "f64"}),
    "bytes": ("string", {}),
    "string": ("string", {}),
}
_AVRO: Final[dict[str, Any]] = {
    "string": "string",
    "date": {"type": "int", "logicalType": "date"},
    "time": {"type": "int", "logicalType": "time-millis"},
    "timestamp": {"type": "long", "logicalType": "timestamp-millis"},
    "number": "double",
    "integer": "long",
    "boolean": "boolean",
}
"""Avro type of a logical type, where the contract says nothing closer."""


def columns_of(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the fields of an Avro record as ODCS properties."""
    return _columns(record, {}, frozenset())


def _columns(
    record: Mapping[str, Any], known: dict[str, Mapping[str, Any]], above: frozenset[str]
) -> list[dict[str, Any]]:
    name = _full_name(record)
    known[name] = record
    return [_column(field, known, above | {name}) for field in record.get("fields", ())]


def _full_name(schema: Mapping[str, Any]) -> str:
    name, namespace = str(schema.get("name", "")), schema.get("namespace")
    return f"{namespace}.{name}" if namespace and "." not in name else name


def _column(
    field: Mapping[str, Any], known: dict[str, Mapping[str, Any]], above: frozenset[str]
) -> dict[str, Any]:
    kind, is_optional = _inner(field["type"])
    column: dict[str, Any] = {
        "name": field["name"],
        **_typed(kind, known, above),
        "required": not is_optional,
    }
    if field.get("doc"):
        column["description"] = field["doc"]
    return column


def _inner(kind: Any) -> tuple[Any, bool]:
    """Return the type inside ``["null", type]``, and whether there is such a union."""
    if isinstance(kind, list) and "null" in kind:
        rest = [one for one in kind if one != "null"]
        return (rest[0] if len(rest) == 1 else rest), True
    return kind, False


def _typed(kind: Any, known: dict[str, Mapping[str, Any]], above: frozenset[str]) -> dict[str, Any]:
    """Return logical and physical type of an Avro type."""
    if isinstance(kind, list):
        return {"physicalType": "union"}
    if isinstance(kind, str):
        if kind in _PRIMITIVES:
            return _plain(kind, kind, _PRIMITIVES[kind][0], _PRIMITIVES[kind][1])
        named = known.get(kind) or next(
            (one for name, one in known.items() if name.endswith(f".{kind}")), None
        )
        if named is None or _full_name(named) in above:
            return {"physicalType": kind}
        return _typed(named, known, above)
    return _complex(kind, known, above)


def _complex(
    kind: Mapping[str, Any], known: dict[str, Mapping[str, Any]], above: frozenset[str]
) -> dict[str, Any]:
    base, logical = kind["type"], kind.get("logicalType")
    if isinstance(base, str) and base in {"enum", "fixed"}:
        known[_full_name(kind)] = kind
    if logical in _LOGICAL:
        detail = f"({kind.get('precision')},{kind.get('scale', 0)})" if logical == "decimal" else ""
        options = {"format": "uuid"} if logical == "uuid" else {}
        return _plain(str(base), f"{base}:{logical}{detail}", _LOGICAL[logical], options)
    match base:
        case "record":
            return {
                "logicalType": "object",
                "physicalType": "record",
                "properties": _columns(kind, known, above),
            }
        case "array":
            items, _ = _inner(kind["items"])
            return {"logicalType": "array", "physicalType": "array", "items": _typed(items, known, above)}
        case "map":
            return {"logicalType": "object", "physicalType": "map"}
        case "enum":
            pattern = "|".join(map(str, kind.get("symbols", ())))
            return _plain("enum", "enum", "string", {"pattern": f"^({pattern})$"})
        case "fixed":
            return _plain("fixed", f"fixed({kind.get('size')})", "string", {})
        case _:
            return _typed(base, known, above)


def _plain(_base: str, physical: str, logical: str | None, options: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"physicalType": physical}
    if logical is not None:
        found = {"logicalType": logical, **found}
    if options:
        found["logicalTypeOptions"] = dict(options)
    return found


class AvroBuilder:
    """Makes an Avro record of ODCS properties; `flaws` has what it could not make anything of."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._names: set[str] = set()
        self.flaws: list[Flaw] = []

    def record(self, schema: Mapping[str, Any], place: str) -> dict[str, Any]:
        """Return the record of a schema object or of a property that is an object.

        Texts that are not there are not made up: registration says which fields lack their documentation (DRM-4).
        """
        found: dict[str, Any] = {
            "type": "record",
            "name": self._name(str(schema.get("name", "Item"))),
            "namespace": self._namespace,
        }
        if schema.get("description") or schema.get("businessName"):
            found["doc"] = schema.get("description") or schema["businessName"]
        columns = schema.get("properties") or []
        if not columns:
            self.flaws.append(Flaw(at(place, "properties"), "expected at least one property"))
        found["fields"] = [
            self._field(column, at(at(place, "properties"), index)) for index, column in enumerate(columns)
        ]
        return found

    def _name(self, text: str) -> str:
        """Return a record name that is an Avro name and not taken."""
        base = "".join(part[:1].upper() + part[1:] for part in _NOT_IN_NAME.split(text) if part) or "Item"
        base = base if _NAME.fullmatch(base) else f"_{base}"
        name = next(one for one in _numbered(base) if one not in self._names)
        self._names.add(name)
        return name

    def _field(self, column: Mapping[str, Any], place: str) -> dict[str, Any]:
        name = column["name"]
        if _NAME.fullmatch(name) is None:
            self.flaws.append(Flaw(at(place, "name"), "expected an Avro name: letters, digits and _ (AVR-3)"))
        field: dict[str, Any] = {"name": name}
        doc = column.get("description") or column.get("businessName")
        if doc:
            field["doc"] = doc
        kind = self._type(column, place)
        return field | (
            {"type": kind} if column.get("required") else {"type": ["null", kind], "default": None}
        )

    def _type(self, column: Mapping[str, Any], place: str) -> Any:
        physical, logical = column.get("physicalType", ""), column.get("logicalType")
        if logical == "object":
            return self.record(column, place)
        if logical == "array":
            return {"type": "array", "items": self._type(column.get("items") or {}, at(place, "items"))}
        if physical in _PRIMITIVES and physical != "null":
            return physical
        if logical in _AVRO:
            return _AVRO[logical]
        self.flaws.append(
            Flaw(at(place, "logicalType"), f"expected one of {', '.join(_AVRO)}, object or array")
        )
        return "string"


def _numbered(base: str) -> Iterator[str]:
    yield base
    number = 2
    while True:
        yield f"{base}{number}"
        number += 1
