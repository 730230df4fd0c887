"""Defaults of fields: whether they are values of the field's type, and as what an encoder takes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

from govbus.schemas.reader import DECIMAL_PRECISION_MAX, NESTING_MAX

_INT_MIN, _INT_MAX = -(2**31), 2**31 - 1
_LONG_MIN, _LONG_MAX = -(2**63), 2**63 - 1
_FLOAT_MAX = (2 - 2**-23) * 2**127
_CODE_POINT_MAX = 255

_NAMED = "__named_schemas"
"""Where fastavro keeps the named types of a parsed schema."""

Lookup = Callable[[str], Mapping[str, Any] | None]
"""Returns the definition that a full name stands for, or None."""


def default_problem(default: Any, schema: Any, lookup: Lookup, depth: int = 0) -> str | None:
    """Return what is wrong with a default, or None; the text does not repeat it.

    The default of a union is one of its first branch: readers older than Avro 1.12 take no other.

    Args:
        default: the JSON value.
        schema: the type with every name in full; what is wrong with that is for others to say.
        lookup: of named types.
        depth: values around this one.
    """
    if depth > NESTING_MAX:
        return f"a default may nest at most {NESTING_MAX} levels deep"
    if isinstance(schema, list):
        if not schema:
            return None
        problem = default_problem(default, schema[0], lookup, depth + 1)
        return None if problem is None else f"{problem} (a union's default is one of its first branch)"
    node = schema if isinstance(schema, Mapping) else {"type": schema}
    kind = node.get("type")
    if not isinstance(kind, str):
        return (
            default_problem(default, kind, lookup, depth + 1) if isinstance(kind, (Mapping, list)) else None
        )
    scalar = _SCALARS.get(kind)
    if scalar is not None:
        is_valid, what = scalar
        return _logical_problem(default, node) if is_valid(default) else f"expected {what}"
    composite = _COMPOSITES.get(kind)
    if composite is not None:
        return composite(default, node, lookup, depth)
    named = lookup(kind)
    return None if named is None else default_problem(default, named, lookup, depth + 1)


def _logical_problem(default: Any, node: Mapping[str, Any]) -> str | None:
    if node.get("logicalType") == "uuid" and isinstance(default, str):
        try:
            is_uuid = str(UUID(default)) == default.lower()
        except ValueError:
            is_uuid = False
        return None if is_uuid else "expected a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057"
    if node.get("logicalType") == "decimal" and isinstance(default, str):
        precision = node.get("precision")
        number = int.from_bytes(default.encode("latin-1"), "big", signed=True)
        if type(precision) is int and 0 < precision <= DECIMAL_PRECISION_MAX and abs(number) >= 10**precision:
            return f"expected at most {precision} digits"
    return None


def _is_octets(default: Any) -> bool:
    return isinstance(default, str) and all(ord(character) <= _CODE_POINT_MAX for character in default)


def _is_number(default: Any) -> bool:
    return isinstance(default, (int, float)) and not isinstance(default, bool)


_SCALARS: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "null": (lambda default: default is None, "null"),
    "boolean": (lambda default: isinstance(default, bool), "true or false"),
    "int": (
        lambda default: type(default) is int and _INT_MIN <= default <= _INT_MAX,
        "a whole number of 32 bits",
    ),
    "long": (
        lambda default: type(default) is int and _LONG_MIN <= default <= _LONG_MAX,
        "a whole number of 64 bits",
    ),
    "float": (
        lambda default: _is_number(default) and abs(default) <= _FLOAT_MAX,
        "a number of single precision",
    ),
    "double": (lambda default: _is_number(default) and abs(default) < 2**1024, "a number"),
    "string": (lambda default: isinstance(default, str), "a string"),
    "bytes": (_is_octets, "a string of code points up to 255"),
}


def _fixed(default: Any, node: Mapping[str, Any], _lookup: Lookup, _depth: int) -> str | None:
    size = node.get("size")
    if _is_octets(default) and len(default) == size:
        return _logical_problem(default, node)
    return f"expected a string of {size} code points up to 255"


def _enum(default: Any, node: Mapping[str, Any], _lookup: Lookup, _depth: int) -> str | None:
    symbols = node.get("symbols")
    return None if isinstance(symbols, list) and default in symbols else "expected a symbol of the enum"


def _array(default: Any, node: Mapping[str, Any], lookup: Lookup, depth: int) -> str | None:
    if not isinstance(default, list):
        return "expected an array"
    return _first(default_problem(item, node.get("items"), lookup, depth + 1) for item in default)


def _map(default: Any, node: Mapping[str, Any], lookup: Lookup, depth: int) -> str | None:
    if not isinstance(default, Mapping):
        return "expected an object"
    return _first(default_problem(item, node.get("values"), lookup, depth + 1) for item in default.values())


def _record(default: Any, node: Mapping[str, Any], lookup: Lookup, depth: int) -> str | None:
    if not isinstance(default, Mapping):
        return "expected an object"
    fields = node.get("fields")
    by_name = {
        field["name"]: field
        for field in (fields if isinstance(fields, list) else ())
        if isinstance(field, Mapping) and isinstance(field.get("name"), str)
    }
    if default.keys() - by_name.keys():
        return "expected no field that the record lacks"
    for name, field in by_name.items():
        if name in default:
            problem = default_problem(default[name], field.get("type"), lookup, depth + 1)
            if problem is not None:
                return f"field {name}: {problem}"
        elif "default" not in field:
            return f"expected a value of field {name}"
    return None


def _first(problems: Any) -> str | None:
    return next((problem for problem in problems if problem is not None), None)


_COMPOSITES: Final[Mapping[str, Callable[[Any, Mapping[str, Any], Lookup, int], str | None]]] = {
    "fixed": _fixed,
    "enum": _enum,
    "array": _array,
    "map": _map,
    "record": _record,
}


def with_python_defaults(parsed: Any, named: Mapping[str, Any]) -> Any:
    """Return a parsed schema whose defaults are what an encoder takes.

    A default of bytes or fixed is written as text whose code points are the octets (Avro specification, *Complex
    Types*); fastavro would hand that text to the encoder as it stands.

    Args:
        parsed: as ``fastavro.parse_schema`` returns it.
        named: the named types that the same call collected.
    """
    match parsed:
        case list():
            return [with_python_defaults(branch, named) for branch in parsed]
        case {"fields": list(fields)}:
            made = {**parsed, "fields": [_field_with_python_default(field, named) for field in fields]}
            if _NAMED in parsed:
                types = parsed[_NAMED].items()
                made[_NAMED] = {name: with_python_defaults(type_, named) for name, type_ in types}
            return made
        case {"items": items}:
            return {**parsed, "items": with_python_defaults(items, named)}
        case {"values": values}:
            return {**parsed, "values": with_python_defaults(values, named)}
        case _:
            return parsed


def _field_with_python_default(field: Mapping[str, Any], named: Mapping[str, Any]) -> dict[str, Any]:
    made = {**field, "type": with_python_defaults(field["type"], named)}
    if "default" in field:
        made["default"] = _python_value(field["type"], field["default"], named)
    return made


def _python_value(schema: Any, default: Any, named: Mapping[str, Any]) -> Any:
    """Return a default, which is JSON, as a value of its type; of a union, of its first branch."""
    if isinstance(schema, list):
        return _python_value(schema[0], default, named)
    if isinstance(schema, str) and schema in named:
        return _python_value(named[schema], default, named)
    kind = schema["type"] if isinstance(schema, dict) else schema
    match kind, default:
        case "bytes" | "fixed", str():
            return default.encode("latin-1")
        case "record", dict():
            types = {field["name"]: field["type"] for field in schema["fields"]}
            return {name: _python_value(types[name], part, named) for name, part in default.items()}
        case "array", list():
            return [_python_value(schema["items"], part, named) for part in default]
        case "map", dict():
            return {key: _python_value(schema["values"], part, named) for key, part in default.items()}
        case _:
            return default
