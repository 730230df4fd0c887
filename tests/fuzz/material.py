"""What hostile input is made of: choices read from bytes, values that hurt, and values changed in a few places.

A fuzzer gives bytes; most of ours wants a signed document or a schema. So the bytes are read as a series of choices,
and a few changed bytes are a few other choices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from govbus.schemas.bundled import definition

T = TypeVar("T")

CHANGES_MAX: Final = 4
"""Places of one value that are changed together."""
ITEMS_MAX: Final = 4
"""Items of one array or map in a value made up."""
_DEPTH_MAX: Final = 30

HOSTILE_TEXTS: Final = (
    "",
    " ",
    "\x00",
    "\x1b[2J",
    "\u202eexe.fdp",
    "\ufdd0",
    "\U0010ffff",
    "e\u0301" * 40,
    "\u0661\u0668:\u0660\u0661",
    "\u2028",
    "a" * 5_000,
    "-" * 300,
    "a." * 200,
    "../../etc/passwd",
    "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
    "{{7*7}}${7*7}%s%n",
    "1" * 5_000,
    "-1",
    "0",
    "1e999",
    "NaN",
    "null",
    "true",
    "R/P1D",
    "R/P" + "9" * 50 + "Y",
    "R999/P",
    "irregular",
    "2026-11-23T20:45:00Z",
    "2026-11-23",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "2026-02-30T25:61:61Z",
    "CUI//SP-TAX/PRVCY//REL TO USA, GBR",
    "CUI" + "/" * 2_000,
    "SECRET//NOFORN",
    "en-US",
    "x-" + "a-" * 200,
    "018:001",
    "015:45",
    "078-05-1120",
    "4111 1111 1111 1111",
    "Unrestricted",
    "Restricted - Fully",
    "https://[::1",
    "https://bus.example/schemas/tax.assessment/1",
    "tax.example",
    "tax.example/assessments",
    "urn:oasis:names:tc:ebcore:partyid-type:iso6523:0088",
    "0088:7300010000001",
    "someone@tax.example",
    "[[REDACTED-EX B6]]",
)
"""Texts that standards, parsers or terminals read in a way of their own."""
HOSTILE_VALUES: Final[tuple[Any, ...]] = (
    None,
    True,
    0,
    -1,
    2**31,
    2**63,
    -(2**63) - 1,
    10**400,
    0.5,
    1e308,
    float("inf"),
    float("nan"),
    [],
    {},
    [[]],
    {"": {}},
    "\ud800",
    "record",
    "null",
    ["null", "string"],
    *HOSTILE_TEXTS[:12],
)
"""Values of JSON, or what a careless reader of JSON lets pass for one."""


class Choices:
    """Reads a series of choices from bytes; once they are used up, every choice is the first one."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._at = 0

    @property
    def is_used_up(self) -> bool:
        """Whether no byte is left."""
        return self._at >= len(self._octets)

    def octets(self, most: int) -> bytes:
        """Return the next bytes, at most so many."""
        taken = self._octets[self._at : self._at + most]
        self._at += len(taken)
        return taken

    def rest(self) -> bytes:
        """Return all bytes that are left."""
        return self.octets(len(self._octets))

    def number(self, below: int) -> int:
        """Return a number from 0 to below a bound; 0 where there is none."""
        if below <= 1:
            return 0
        size = 1 if below <= 2**8 else 4
        return int.from_bytes(self.octets(size), "big") % below

    def pick(self, several: Sequence[T]) -> T:
        """Return one of several."""
        return several[self.number(len(several))]

    def text(self) -> str:
        """Return a text: one that hurts, or made of the bytes that follow."""
        if self.number(3):
            return self.pick(HOSTILE_TEXTS)
        return self.octets(self.number(64)).decode("utf-8", "replace")

    def value(self) -> Any:
        """Return a value as JSON has them."""
        if self.number(3):
            return self.pick(HOSTILE_VALUES)
        return [self.text, lambda: self.number(2**31), lambda: {self.text(): self.text()}][self.number(3)]()


def changed(value: Any, choices: Choices) -> Any:
    """Return a value of JSON with a few places changed; the value itself stays as it is."""
    for _ in range(1 + choices.number(CHANGES_MAX)):
        value = _changed_once(value, choices, 0)
    return value


def _changed_once(value: Any, choices: Choices, depth: int) -> Any:
    """Go down a few steps and change what is there."""
    if isinstance(value, Mapping) and value and choices.number(8):
        return _changed_mapping(value, choices, depth)
    if isinstance(value, list) and value and choices.number(6):
        index = choices.number(len(value))
        return [*value[:index], _changed_once(value[index], choices, depth + 1), *value[index + 1 :]]
    return _replaced(value, choices)


def _changed_mapping(value: Mapping[str, Any], choices: Choices, depth: int) -> dict[str, Any]:
    name = choices.pick(list(value))
    match choices.number(8):
        case 0:
            return {key: one for key, one in value.items() if key != name}
        case 1:
            return {**value, choices.text(): choices.value()}
        case 2:
            return {**value, choices.pick(list(value)): value[name]}
        case 3:
            return {(choices.text() if key == name else key): one for key, one in value.items()}
        case _:
            return {**value, name: _changed_once(value[name], choices, depth + 1)}


def _replaced(value: Any, choices: Choices) -> Any:
    match choices.number(8):
        case 0:
            return [value]
        case 1:
            return [value, value]
        case 2:
            return {"type": value}
        case 3:
            return nested(value, choices.number(64))
        case 4 if isinstance(value, str):
            return value + choices.text()
        case _:
            return choices.value()


def nested(value: Any, depth: int) -> Any:
    """Return a value inside so many lists."""
    for _ in range(depth):
        value = [value]
    return value


def edited(octets: bytes, choices: Choices) -> bytes:
    """Return bytes with a few of them replaced, left out or put in."""
    for _ in range(1 + choices.number(CHANGES_MAX)):
        at = choices.number(len(octets) + 1)
        put_in = choices.octets(choices.number(12))
        octets = octets[:at] + put_in + octets[at + choices.pick((0, 1, len(put_in), 8)) :]
    return octets


def value_of(schema: Any, choices: Choices, named: dict[str, Any] | None = None, depth: int = 0) -> Any:
    """Return a value of an Avro schema, as the codec takes it, with texts that hurt."""
    named = {} if named is None else named
    if isinstance(schema, list):
        index = choices.number(len(schema)) if depth < _DEPTH_MAX else 0
        return value_of(schema[index], choices, named, depth + 1)
    kind = schema["type"] if isinstance(schema, Mapping) else schema
    if isinstance(schema, Mapping) and "name" in schema:
        named[schema["name"]] = schema
    if kind in named and kind not in _MADE:
        return value_of(named[kind], choices, named, depth + 1)
    match kind:
        case "record":
            return {
                field["name"]: value_of(field["type"], choices, named, depth + 1)
                for field in schema["fields"]
            }
        case "array":
            count = choices.number(ITEMS_MAX)
            return [value_of(schema["items"], choices, named, depth + 1) for _ in range(count)]
        case "map":
            count = choices.number(ITEMS_MAX)
            return {
                choices.text(): value_of(schema["values"], choices, named, depth + 1) for _ in range(count)
            }
        case "enum":
            return choices.pick(schema["symbols"])
        case "fixed":
            return choices.octets(schema["size"]).ljust(schema["size"], b"\x00")
        case _:
            return _MADE[kind](choices)


_MADE: Final[Mapping[str, Callable[[Choices], Any]]] = {
    "record": lambda _: None,
    "null": lambda _: None,
    "boolean": lambda choices: bool(choices.number(2)),
    "int": lambda choices: choices.pick((0, 1, -1, 2**31 - 1, -(2**31), choices.number(2**20))),
    "long": lambda choices: choices.pick((0, 1, -1, 2**63 - 1, -(2**63), choices.number(2**31))),
    "float": lambda choices: choices.pick((0.0, -1.5, float("inf"), float("nan"))),
    "double": lambda choices: choices.pick((0.0, 1e308, float("-inf"), float("nan"))),
    "bytes": lambda choices: choices.octets(choices.number(64)),
    "string": Choices.text,
}

BUNDLED: Final = (
    "core/log_entry/v1",
    "core/receipt/v1",
    "core/record_metadata/v1",
    "domains/civil/person/v1",
)


def bundled_definitions() -> list[Any]:
    """Return shipped schemas: every kind of type that ours use."""
    return [definition(name) for name in BUNDLED]
