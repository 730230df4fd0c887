"""Compiles an Avro schema into a function that reads exactly one value, safely and fast.

fastavro's reader trusts its input: it takes negative enum and union indexes, integers past their width, and block
counts of zero-size items that keep it busy for days, and a deep recursion crashes the process. A router decodes
bytes of strangers, so it reads with straight-line Python generated from the schema: each check is one comparison,
and the function takes about half of fastavro's time (``docs/adr`` and ``bench`` have the figures).

Implements the binary encoding of the Apache Avro 1.12 specification. Work and memory are bounded by the size of
the input: every count is compared with the bytes that are left before anything is built.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

from fastavro.read import LOGICAL_READERS

from govbus.errors import SchemaError

ITEMS_MAX = 100_000
"""Array items and map entries in one value, all arrays and maps together: bounds memory at 50 MB or so."""
NESTING_MAX = 40
"""Records, unions, arrays and maps inside each other."""
NESTED_ARRAYS_MAX = 8
"""Arrays and maps inside each other; CPython allows twenty nested loops and each takes two."""
STEPS_MAX = 5_000
"""Places of a value in a schema, each mention of a named type counted again."""
UNION_BRANCHES_MAX = 100
"""Of one union: whoever compares two versions of a schema looks at every pair of branches."""
DECIMAL_PRECISION_MAX = 1_000

_SIZE_MIN = {
    "null": 0,
    "boolean": 1,
    "int": 1,
    "long": 1,
    "float": 4,
    "double": 8,
    "bytes": 1,
    "string": 1,
    "enum": 1,
    "array": 1,
    "map": 1,
}

Reader = Callable[[bytes], Any]


class MalformedError(ValueError):
    """Bytes that break the encoding in a way that only this module sees; the text says how."""


def compile_reader(parsed: Any, named: Mapping[str, Any]) -> Reader:
    """Return a function from Avro bytes to the value.

    The function raises `MalformedError`, `IndexError` (the bytes end too early), `KeyError` (enum or union index
    out of range) or `ValueError`, `OverflowError` (text that is not UTF-8, a value outside its logical type);
    `describe` puts them into words.

    Args:
        parsed: the schema as ``fastavro.parse_schema`` returns it.
        named: the named types that the same call collected.

    Raises:
        SchemaError: if the schema is recursive, over the limits above, or has items of zero bytes.
    """
    return _Source(named).compile(parsed)


def describe(err: Exception) -> str:
    """Return what is wrong with the bytes, without repeating any of them."""
    match err:
        case MalformedError():
            return str(err)
        case IndexError() | struct.error():
            return "the bytes end before the schema does"
        case KeyError():
            return "an enum or union index is out of range"
        case UnicodeDecodeError():
            return "a string is not UTF-8"
        case _:
            return "a value is outside its logical type"


def _varint(octets: bytes, at: int) -> tuple[int, int]:
    """Return the zigzag number that began at the byte before `at`, and where it ends."""
    number = octets[at - 1] & 0x7F
    shift = 7
    while True:
        byte = octets[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004  # the continuation bit
            break
        shift += 7
        if shift > 63:  # noqa: PLR2004  # ten bytes carry 64 bits
            raise MalformedError("a number is longer than ten bytes")
    if number >> 64:
        raise MalformedError("a number is wider than 64 bits")
    return number, at


def _length(octets: bytes, at: int) -> tuple[int, int]:
    """Return twice the length that began at the byte before `at`, where it is over 63 or negative."""
    number = octets[at - 1]
    if number > 0x7F:  # noqa: PLR2004  # the continuation bit
        number, at = _varint(octets, at)
    if number & 1:
        raise MalformedError("a length is negative")
    return number, at


def _block(octets: bytes, at: int) -> tuple[int, int, int]:
    """Return count, start and end of the items of a block whose count is over 63 or negative; end 0 is unknown."""
    number = octets[at - 1]
    if number > 0x7F:  # noqa: PLR2004  # the continuation bit
        number, at = _varint(octets, at)
    if not number & 1:
        return number >> 1, at, 0
    at += 1
    size, at = _length(octets, at)
    return (number + 1) >> 1, at, at + (size >> 1)


def _wide(what: str) -> None:
    raise MalformedError(what)


def _decimal_reader(schema: dict[str, Any]) -> Callable[[bytes], Any]:
    """Return a reader of decimals that never converts more digits than the schema allows."""
    precision = schema.get("precision")
    if type(precision) is not int or not 1 <= precision <= DECIMAL_PRECISION_MAX:
        raise SchemaError(f"a decimal needs a precision from 1 to {DECIMAL_PRECISION_MAX}", rule="AVR-3")
    limit = 10**precision
    octets_max = limit.bit_length() // 8 + 1
    convert = LOGICAL_READERS["bytes-decimal"]

    def read(octets: bytes) -> Any:
        if len(octets) > octets_max or abs(int.from_bytes(octets, "big", signed=True)) >= limit:
            raise MalformedError("a decimal has more digits than its precision")
        return convert(octets, schema, None)

    return read


class _Source:
    """Python source under construction: one straight-line function."""

    def __init__(self, named: Mapping[str, Any]) -> None:
        self._named = named
        self._lines: list[str] = []
        self._indent = 1
        self._steps = 0
        self._arrays = 0
        self._sizes: dict[str, int] = {}
        self._open: list[str] = []
        """Named types being written, outermost first."""
        self._scope: dict[str, Any] = {
            "varint": _varint,
            "length": _length,
            "block": _block,
            "wide": _wide,
            "float_": struct.Struct("<f").unpack_from,
            "double_": struct.Struct("<d").unpack_from,
        }

    def compile(self, parsed: Any) -> Reader:
        self._value(parsed, "value", 0)
        source = "\n".join(
            (
                "def read(d):",
                f" p = 0; size = len(d); room = {ITEMS_MAX}",
                *self._lines,
                " if p != size: wide('the bytes go on after the value' if p < size else 'the bytes end early')",
                " return value",
            )
        )
        # Nothing of the schema gets into the source but numbers and repr() of names.
        exec(compile(source, "<avro reader>", "exec"), self._scope)  # noqa: S102
        return self._scope["read"]  # type: ignore[no-any-return]

    def _add(self, *lines: str) -> None:
        self._lines.extend(" " * self._indent + line for line in lines)

    def _constant(self, value: object) -> str:
        name = f"c{len(self._scope)}"
        self._scope[name] = value
        return name

    def _value(self, schema: Any, to: str, depth: int) -> None:
        """Write the lines that read a value of the schema into the variable `to`."""
        self._steps += 1
        if self._steps > STEPS_MAX:
            raise SchemaError(f"a schema may have at most {STEPS_MAX} places for values", rule="AVR-3")
        if depth > NESTING_MAX:
            raise SchemaError(f"a schema may nest at most {NESTING_MAX} levels deep", rule="AVR-3")
        if isinstance(schema, list):
            self._union(schema, to, depth)
            return
        kind = schema["type"] if isinstance(schema, dict) else schema
        if kind in _KINDS:
            _KINDS[kind](self, schema, to, depth)
            if isinstance(schema, dict) and "logicalType" in schema:
                self._logical(kind, schema, to)
        elif kind in self._named:
            self._value(self._named[kind], to, depth)
        else:
            raise SchemaError(f"type {kind!r} is unknown", rule="AVR-3")

    def _logical(self, kind: str, schema: dict[str, Any], to: str) -> None:
        name = schema["logicalType"]
        if name == "decimal" and kind in {"bytes", "fixed"}:
            self._add(f"{to} = {self._constant(_decimal_reader(schema))}({to})")
        elif (convert := LOGICAL_READERS.get(f"{kind}-{name}")) is not None:
            self._add(f"{to} = {self._constant(convert)}({to}, {self._constant(schema)}, None)")

    def _number(self) -> None:
        self._add("n = d[p]; p += 1", "if n > 127: n, p = varint(d, p)")

    def read_null(self, _schema: Any, to: str, _depth: int) -> None:
        self._add(f"{to} = None")

    def read_boolean(self, _schema: Any, to: str, _depth: int) -> None:
        self._add(
            "n = d[p]; p += 1",
            "if n > 1: wide('a boolean is neither 0 nor 1')",
            f"{to} = n == 1",
        )

    def read_int(self, _schema: Any, to: str, _depth: int) -> None:
        self._number()
        self._add("if n > 0xFFFFFFFF: wide('an int is wider than 32 bits')", f"{to} = (n >> 1) ^ -(n & 1)")

    def read_long(self, _schema: Any, to: str, _depth: int) -> None:
        self._number()
        self._add(f"{to} = (n >> 1) ^ -(n & 1)")

    def read_float(self, _schema: Any, to: str, _depth: int) -> None:
        self._add(f"{to} = float_(d, p)[0]; p += 4")

    def read_double(self, _schema: Any, to: str, _depth: int) -> None:
        self._add(f"{to} = double_(d, p)[0]; p += 8")

    def _octets(self, to: str, suffix: str) -> None:
        # A slice past the end is short and copies only what is there; the next read, or the last line, notices.
        self._add(
            "n = d[p]; p += 1",
            "if n & 129: n, p = length(d, p)",
            f"e = p + (n >> 1); {to} = d[p:e]{suffix}; p = e",
        )

    def read_bytes(self, _schema: Any, to: str, _depth: int) -> None:
        self._octets(to, "")

    def read_string(self, _schema: Any, to: str, _depth: int) -> None:
        self._octets(to, ".decode()")

    def read_fixed(self, schema: Any, to: str, _depth: int) -> None:
        size = int(schema["size"])
        self._add(
            f"e = p + {size}",
            "if e > size: wide('the bytes end before the schema does')",
            f"{to} = d[p:e]; p = e",
        )

    def read_enum(self, schema: Any, to: str, _depth: int) -> None:
        symbols = self._constant({2 * index: symbol for index, symbol in enumerate(schema["symbols"])})
        self._number()
        self._add(f"{to} = {symbols}[n]")

    def _union(self, branches: list[Any], to: str, depth: int) -> None:
        if any(isinstance(branch, list) for branch in branches):
            raise SchemaError("a union may not stand directly in a union", rule="AVR-3")
        if len(branches) > UNION_BRANCHES_MAX:
            raise SchemaError(f"a union may have at most {UNION_BRANCHES_MAX} branches", rule="AVR-3")
        self._number()
        for index, branch in enumerate(branches):
            self._add(f"{'elif' if index else 'if'} n == {2 * index}:")
            self._indent += 1
            self._value(branch, to, depth + 1)
            self._indent -= 1
        self._add("else: raise KeyError")

    def read_record(self, schema: Any, to: str, depth: int) -> None:
        name = schema["name"]
        if name in self._open:
            raise SchemaError(f"record {name} contains itself; documents have a bounded depth", rule="AVR-3")
        self._open.append(name)
        values = []
        for field in schema["fields"]:
            variable = f"v{self._steps}"
            self._value(field["type"], variable, depth + 1)
            values.append(f"{field['name']!r}: {variable}")
        self._open.pop()
        self._add(f"{to} = {{{', '.join(values)}}}")

    def read_array(self, schema: Any, to: str, depth: int) -> None:
        self._blocks(schema["items"], to, depth, is_map=False)

    def read_map(self, schema: Any, to: str, depth: int) -> None:
        self._blocks(schema["values"], to, depth, is_map=True)

    def _blocks(self, items: Any, to: str, depth: int, *, is_map: bool) -> None:
        size_min = self._size_min(items) + is_map
        if size_min < 1:
            raise SchemaError("array items of zero bytes would have no bound", rule="AVR-3")
        self._arrays += 1
        if self._arrays > NESTED_ARRAYS_MAX:
            raise SchemaError(f"arrays and maps may nest at most {NESTED_ARRAYS_MAX} deep", rule="AVR-3")
        mark = self._steps
        item, key, stop = f"i{mark}", f"k{mark}", f"s{mark}"
        self._add(f"{to} = {'{}' if is_map else '[]'}", "while True:")
        self._indent += 1
        self._add(
            f"n = d[p]; p += 1; {stop} = 0",
            f"if n & 129: n, p, {stop} = block(d, p)",
            "else: n >>= 1",
            "if not n: break",
            f"if n * {size_min} > size - p: wide('a count is larger than the bytes that are left')",
            "room -= n",
            "if room < 0: wide('an array or map has too many items')",
            "for _ in range(n):",
        )
        self._indent += 1
        if is_map:
            self._octets(key, ".decode()")
            self._add(f"if {key} in {to}: wide('a map key stands twice')")
        self._value(items, item, depth + 1)
        self._add(f"{to}[{key}] = {item}" if is_map else f"{to}.append({item})")
        self._indent -= 1
        self._add(f"if {stop} and p != {stop}: wide('a block is not as long as it says')")
        self._indent -= 1
        self._arrays -= 1

    def _size_min(self, schema: Any, depth: int = 0) -> int:
        """Return the least number of bytes that a value of the schema takes."""
        if depth > NESTING_MAX:
            raise SchemaError(
                f"a schema may nest at most {NESTING_MAX} levels deep, and never itself", rule="AVR-3"
            )
        if isinstance(schema, list):
            return 1 + min((self._size_min(branch, depth + 1) for branch in schema), default=0)
        kind = schema["type"] if isinstance(schema, dict) else schema
        if kind == "record":
            return sum(self._size_min(field["type"], depth + 1) for field in schema["fields"])
        if kind == "fixed":
            return int(schema["size"])
        if kind in self._named:
            if kind not in self._sizes:
                self._sizes[kind] = self._size_min(self._named[kind], depth + 1)
            return self._sizes[kind]
        return _SIZE_MIN.get(kind, 0)


_KINDS: dict[str, Callable[[_Source, Any, str, int], None]] = {
    "null": _Source.read_null,
    "boolean": _Source.read_boolean,
    "int": _Source.read_int,
    "long": _Source.read_long,
    "float": _Source.read_float,
    "double": _Source.read_double,
    "bytes": _Source.read_bytes,
    "string": _Source.read_string,
    "fixed": _Source.read_fixed,
    "enum": _Source.read_enum,
    "record": _Source.read_record,
    "array": _Source.read_array,
    "map": _Source.read_map,
}
