"""Avro single-object encoding inside documents (rule AVR-5).

A steward may carry a message that was Avro already as it is: a field of bytes that its schema marks with
``"govbus.encoding": "avro-single-object"``. Such bytes are ``C3 01``, the CRC-64-AVRO fingerprint of their schema in
little-endian order, and the value (Avro 1.12 specification, *Single-object encoding*).

The fingerprint covers the parsing canonical form: names, types and order. It tells nothing of logical types,
defaults or documentation, and it is no proof of anything, so it is never used to tell document schemas apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar

import fastavro

from govbus.document.finding import Breach
from govbus.errors import SchemaError
from govbus.schemas.codec import AvroCodec
from govbus.schemas.fingerprints import canonical_form, fingerprint_of
from govbus.schemas.walk import join, parts

ENCODING_ATTRIBUTE: Final = "govbus.encoding"
"""Attribute of a record field that says how its bytes are to be read."""
SINGLE_OBJECT: Final = "avro-single-object"
MARKER: Final = b"\xc3\x01"
FINGERPRINT_BYTES: Final = 8
HEADER_BYTES: Final = len(MARKER) + FINGERPRINT_BYTES
ITEMS: Final = "*"
"""Step of a path to every item of an array or every value of a map; no field can have this name."""

Known = TypeVar("Known")
Path = tuple[str, ...]


def unwrap_single_object(
    octets: bytes, by_fingerprint: Callable[[bytes], Known | None]
) -> tuple[Known, bytes]:
    """Return the schema of a single object, and its Avro bytes.

    Args:
        octets: marker, fingerprint and value.
        by_fingerprint: returns what is known under the eight bytes of a fingerprint, or None.

    Raises:
        SchemaError: if the marker is missing or the fingerprint is unknown (rule AVR-5).
    """
    if octets[: len(MARKER)] != MARKER or len(octets) < HEADER_BYTES:
        raise SchemaError(
            "expected the marker C3 01 and a fingerprint of eight bytes", rule="AVR-5", field="value"
        )
    known = by_fingerprint(octets[len(MARKER) : HEADER_BYTES])
    if known is None:
        raise SchemaError("no registered schema has this fingerprint", rule="AVR-5", field="value")
    return known, octets[HEADER_BYTES:]


def wrap_single_object(definition: Any, avro: bytes) -> bytes:
    """Return the single object of a value of the schema; errors as in `canonical_form`."""
    return MARKER + fingerprint_of(canonical_form(definition)) + avro


def annotation_breaches(definition: Any, place: str = "") -> Iterator[Breach]:
    """Yield the breaches of AVR-5 in a schema: a mark of an unknown encoding, or on a field that is not bytes.

    Args:
        definition: the schema as JSON values, whatever they are.
        place: where it stands.
    """
    for part in parts(definition, place):
        if ENCODING_ATTRIBUTE not in part.node:
            continue
        here = join(part.place, ENCODING_ATTRIBUTE)
        if part.kind != "field":
            yield Breach("AVR-5", here, f"{ENCODING_ATTRIBUTE} stands on the field, not inside its type")
        elif part.node[ENCODING_ATTRIBUTE] != SINGLE_OBJECT:
            yield Breach("AVR-5", here, f"expected {SINGLE_OBJECT}, the only encoding that is known")
        elif not _is_bytes(part.node.get("type")):
            yield Breach("AVR-5", here, f"a field of {SINGLE_OBJECT} is bytes, or null and bytes")


def marked_paths(codec: AvroCodec) -> tuple[Path, ...]:
    """Return the ways to every marked field of a schema, through decoded values.

    Raises:
        SchemaError: if a mark stands in one of several record types of a union, because a decoded value does not
            say which of them it is (rule AVR-5).
    """
    named: dict[str, Any] = {}
    parsed = fastavro.parse_schema(codec.definition, named)
    return tuple(_paths(parsed, named, ()))


def octets_at(value: Any, path: Path, place: str = "") -> Iterator[tuple[str, bytes]]:
    """Yield place and bytes of every value at the end of a path; nothing where an optional part is absent."""
    if not path:
        if isinstance(value, bytes):
            yield place, value
        return
    step, rest = path[0], path[1:]
    if step != ITEMS:
        if isinstance(value, Mapping) and step in value:
            yield from octets_at(value[step], rest, join(place, step))
    elif isinstance(value, Mapping):
        # Keys are data of the sender's, so the place counts instead of naming them.
        for index, item in enumerate(value.values()):
            yield from octets_at(item, rest, join(place, index))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from octets_at(item, rest, join(place, index))


def _is_bytes(schema: Any) -> bool:
    branches = schema if isinstance(schema, list) else [schema]
    kinds = [branch.get("type") if isinstance(branch, Mapping) else branch for branch in branches]
    is_plain = not any(isinstance(branch, Mapping) and "logicalType" in branch for branch in branches)
    return is_plain and "bytes" in kinds and all(kind in ("bytes", "null") for kind in kinds)


def _paths(schema: Any, named: Mapping[str, Any], path: Path) -> list[Path]:
    if isinstance(schema, str):
        schema = named.get(schema, schema)
    if isinstance(schema, list):
        found = [inner for branch in schema for inner in _paths(branch, named, path)]
        if found and len([branch for branch in schema if branch != "null"]) > 1:
            raise SchemaError(
                f"{ENCODING_ATTRIBUTE} may not stand inside a union of several types",
                rule="AVR-5",
                field=".".join(found[0]),
            )
        return found
    kind = schema["type"] if isinstance(schema, Mapping) else schema
    if kind == "record":
        return [inner for field in schema["fields"] for inner in _field_paths(field, named, path)]
    if kind in {"array", "map"}:
        return _paths(schema["items" if kind == "array" else "values"], named, (*path, ITEMS))
    return []


def _field_paths(field: Mapping[str, Any], named: Mapping[str, Any], path: Path) -> list[Path]:
    here = (*path, field["name"])
    return [here] if field.get(ENCODING_ATTRIBUTE) == SINGLE_OBJECT else _paths(field["type"], named, here)
