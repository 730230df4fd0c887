"""Walks the parts of an Avro schema as it was written, and says of each where it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

NAMED_KINDS: Final = frozenset({"record", "enum", "fixed"})
"""Types that have a name, which other places of the schema may use."""
DEPTH_MAX: Final = 100
"""Definitions inside definitions that are walked; a schema that documents can have is shallower by far."""


class Part(NamedTuple):
    """A definition or a record field."""

    place: str
    """Such as ``fields.3.type.fields.0``; empty for the schema itself."""
    node: Mapping[str, Any]
    kind: str
    """``record``, ``enum``, ``fixed``, ``field`` and so on; empty where ``type`` is no word."""


def join(place: str, *steps: str | int) -> str:
    """Return the place of a part inside the part at `place`."""
    return ".".join([*([place] if place else []), *map(str, steps)])


def parts(definition: Any, place: str = "", depth: int = 0) -> Iterator[Part]:
    """Yield every definition that is a JSON object and every record field, outer before inner.

    Tolerates whatever JSON holds: what is no schema is left out, and so is what lies below `DEPTH_MAX`.

    Args:
        definition: the schema as JSON values.
        place: where it stands, put in front of every place.
        depth: definitions around it.
    """
    if depth > DEPTH_MAX:
        return
    if isinstance(definition, list):
        for index, branch in enumerate(definition):
            yield from parts(branch, join(place, index), depth + 1)
    elif isinstance(definition, Mapping):
        kind = definition.get("type")
        yield Part(place, definition, kind if isinstance(kind, str) else "")
        if kind == "record":
            yield from _fields(definition, place, depth)
        elif kind == "array":
            yield from parts(definition.get("items"), join(place, "items"), depth + 1)
        elif kind == "map":
            yield from parts(definition.get("values"), join(place, "values"), depth + 1)


def _fields(record: Mapping[str, Any], place: str, depth: int) -> Iterator[Part]:
    fields = record.get("fields")
    if not isinstance(fields, list):
        return
    for index, field in enumerate(fields):
        if isinstance(field, Mapping):
            here = join(place, "fields", index)
            yield Part(here, field, "field")
            yield from parts(field.get("type"), join(here, "type"), depth + 1)
