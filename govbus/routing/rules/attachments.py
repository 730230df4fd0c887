"""Finds the attachments in a payload: values of ``govbus.core.Attachment``, wherever the schema has them.

Where they can be is worked out from the schema once; a document of a schema without attachments costs nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from govbus.schemas.codec import AvroCodec

ATTACHMENT: Final = "govbus.core.Attachment"
"""Full name of the shipped record type ``core/attachment/v1``."""

Finder = Callable[[Any], Iterator[Mapping[str, Any]]]
"""Yields the attachments in a decoded value."""
_Found = Finder | None
"""None where a type holds no attachments."""


@functools.lru_cache(maxsize=512)
def attachment_finder(codec: AvroCodec) -> Finder:
    """Return what yields every attachment in a value of the codec's schema: name, media_type, content."""
    return _Compiler().type(codec.definition, "") or _nothing


def _nothing(_value: Any) -> Iterator[Mapping[str, Any]]:
    yield from ()


class _Compiler:
    """Compiles a schema that a codec has accepted, so that it is well formed and never contains itself."""

    def __init__(self) -> None:
        self._named: dict[str, _Found] = {}
        """By full name; types are defined before they are used."""
        self._fields: dict[str, frozenset[str]] = {}

    def type(self, schema: Any, namespace: str) -> _Found:
        if isinstance(schema, list):
            return self._union(schema, namespace)
        if isinstance(schema, str):
            return self._named.get(_full_name(schema, namespace))
        match schema["type"]:
            case "record" | "error":
                return self._record(schema, namespace)
            case "array":
                return _each(self.type(schema["items"], namespace), list)
            case "map":
                return _each(self.type(schema["values"], namespace), dict)
            case "enum" | "fixed":
                return None
            case inner:
                return self.type(inner, namespace)

    def _record(self, schema: Mapping[str, Any], namespace: str) -> _Found:
        name = _full_name(schema["name"], schema.get("namespace", namespace))
        inside = name.rpartition(".")[0]
        parts = {field["name"]: self.type(field["type"], inside) for field in schema["fields"]}
        finders = [(field, find) for field, find in parts.items() if find is not None]
        self._fields[name] = frozenset(parts)
        self._named[name] = _itself if name == ATTACHMENT else _fields(finders) if finders else None
        return self._named[name]

    def _union(self, branches: list[Any], namespace: str) -> _Found:
        """Tell the branches apart by what their decoded values look like: a list, or a mapping with these names."""
        lists: _Found = None
        maps: _Found = None
        records: dict[frozenset[str], Finder] = {}
        for branch in branches:
            find = self.type(branch, namespace)
            if find is None:
                continue
            kind = branch.get("type") if isinstance(branch, dict) else None
            if kind == "array":
                lists = find
            elif kind == "map":
                maps = find
            else:
                records[self._fields[self._name_of(branch, namespace)]] = find
        if not (lists or maps or records):
            return None

        def find_branch(value: Any) -> Iterator[Mapping[str, Any]]:
            if isinstance(value, list):
                found = lists
            elif isinstance(value, dict):
                found = records.get(frozenset(value), maps)
            else:
                found = None
            return found(value) if found is not None else iter(())

        return find_branch

    def _name_of(self, branch: Any, namespace: str) -> str:
        if isinstance(branch, str):
            return _full_name(branch, namespace)
        if isinstance(branch["type"], str) and branch["type"] not in {"record", "error"}:
            return _full_name(branch["type"], namespace)
        return _full_name(branch["name"], branch.get("namespace", namespace))


def _itself(value: Any) -> Iterator[Mapping[str, Any]]:
    yield value


def _fields(finders: list[tuple[str, Finder]]) -> Finder:
    def find(value: Any) -> Iterator[Mapping[str, Any]]:
        for name, inner in finders:
            yield from inner(value[name])

    return find


def _each(inner: _Found, kind: type[list[Any] | dict[Any, Any]]) -> _Found:
    if inner is None:
        return None

    def find(value: Any) -> Iterator[Mapping[str, Any]]:
        for part in value if kind is list else value.values():
            yield from inner(part)

    return find


def _full_name(name: str, namespace: str) -> str:
    return name if "." in name or not namespace else f"{namespace}.{name}"
