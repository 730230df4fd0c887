"""Logical types: which there are, on what they may stand, and how they are well-formed (rule AVR-3).

The specification tells readers to ignore a logical type that they do not know or that is malformed, and to hand out
the base type. So a decimal with a scale above its precision reads as bytes, silently, and a validator has to look.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from govbus.schemas.reader import DECIMAL_PRECISION_MAX

BASE_TYPES: Final[Mapping[str, frozenset[str]]] = {
    "decimal": frozenset({"bytes", "fixed"}),
    "uuid": frozenset({"string", "fixed"}),
    "date": frozenset({"int"}),
    "time-millis": frozenset({"int"}),
    "time-micros": frozenset({"long"}),
    "timestamp-millis": frozenset({"long"}),
    "timestamp-micros": frozenset({"long"}),
    "timestamp-nanos": frozenset({"long"}),
    "duration": frozenset({"fixed"}),
}
"""The base types of each logical type (Avro 1.12 specification, *Logical Types*)."""
FIXED_SIZES: Final[Mapping[str, int]] = {"uuid": 16, "duration": 12}
"""Bytes of a logical type on fixed, where there is but one size."""
REFUSED: Final[Mapping[str, str]] = {
    "local-timestamp-millis": "timestamp-millis",
    "local-timestamp-micros": "timestamp-micros",
    "local-timestamp-nanos": "timestamp-nanos",
    "big-decimal": "decimal",
}
"""Logical types of the specification that no document may use, and what stands in their place.

A local timestamp names no instant, so records could not be put in order (NIST SP 800-53 AU-8). A big-decimal is
read by two of the official libraries only, and its scale differs from value to value.
"""


def logical_type_problem(node: Mapping[str, Any], base: str) -> str | None:
    """Return what is wrong with the logical type of a definition, or None.

    Args:
        node: a definition with the attribute ``logicalType``.
        base: its ``type``.
    """
    name = node["logicalType"]
    if not isinstance(name, str):
        return "logicalType must be a string"
    if name in REFUSED:
        return f"logical type {name} is refused; use {REFUSED[name]}"
    bases = BASE_TYPES.get(name)
    if bases is None:
        return f"logical type {name[:64]!r} is unknown, so readers would ignore it; expected {_words(BASE_TYPES)}"
    if base not in bases:
        return f"logical type {name} stands on {_words(bases)}, not on {base or 'a nested definition'}"
    if name == "decimal":
        return _decimal_problem(node, base)
    size = FIXED_SIZES.get(name)
    if base == "fixed" and node.get("size") != size:
        return f"logical type {name} on fixed needs size {size}"
    return None


def decimal_digits_max(size_bytes: int) -> int:
    """Return how many decimal digits fit a two's complement number of so many bytes."""
    # 2^(8n-1)-1 is the largest number; one digit less than it has always fits.
    return len(str(2 ** (8 * size_bytes - 1) - 1)) - 1


def _decimal_problem(node: Mapping[str, Any], base: str) -> str | None:
    precision, scale = node.get("precision"), node.get("scale", 0)
    if type(precision) is not int or not 1 <= precision <= DECIMAL_PRECISION_MAX:
        return f"a decimal needs a precision from 1 to {DECIMAL_PRECISION_MAX}"
    if type(scale) is not int or not 0 <= scale <= precision:
        return f"a decimal of precision {precision} needs a scale from 0 to {precision}"
    size = node.get("size")
    if base == "fixed" and type(size) is int and 1 <= size <= DECIMAL_PRECISION_MAX:
        digits = decimal_digits_max(size)
        if precision > digits:
            return f"a decimal on fixed({size}) holds {digits} digits, not {precision}"
    return None


def _words(names: Mapping[str, Any] | frozenset[str]) -> str:
    return " or ".join(sorted(names))
