"""What a schema must be before it may be registered: documented (rule DRM-4) and legal (rule AVR-3).

Avro libraries let much pass that would hurt later: they ignore logical types that are malformed or stand in the wrong
place, accept defaults that no reader can use, and differ on names. So nothing here relies on one of them but the
bounds of our own reader, which are asked last.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from govbus.document.finding import Breach
from govbus.errors import SchemaError
from govbus.schemas.codec import AvroCodec
from govbus.schemas.defaults import default_problem
from govbus.schemas.logical_types import logical_type_problem
from govbus.schemas.reader import NESTING_MAX, UNION_BRANCHES_MAX
from govbus.schemas.single_object import annotation_breaches, marked_paths
from govbus.schemas.walk import NAMED_KINDS, join, parts

BREACHES_MAX: Final = 50
"""Breaches reported of one schema; its author mends these and sees the rest next time."""
NAME_CHARACTERS_MAX: Final = 200
"""Of a name without its namespace."""
FULL_NAME_CHARACTERS_MAX: Final = 500
PRIMITIVES: Final = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
RESERVED_NAMES: Final = PRIMITIVES | NAMED_KINDS | {"array", "map", "union", "error", "request"}
"""Words that may not name a type, because a reference to it would mean something else."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_ORDERS = frozenset({"ascending", "descending", "ignore"})
_DOCUMENTED = NAMED_KINDS | {"field"}


def documentation_breaches(definition: Any, place: str = "") -> list[Breach]:
    """Return the breaches of DRM-4: every record, enum, fixed and field says in ``doc`` what it is.

    Args:
        definition: the schema as JSON values, whatever they are.
        place: where it stands, such as ``schemas.0.definition``; put in front of every place, such as
            ``schemas.0.definition.fields.3.type.fields.0``.

    Returns:
        At most `BREACHES_MAX`.
    """
    found: list[Breach] = []
    for part in parts(definition, place):
        doc = part.node.get("doc")
        if part.kind in _DOCUMENTED and not (isinstance(doc, str) and doc.strip()):
            detail = f'{_title(part.kind, part.node)} needs a "doc" that says what it is'
            found.append(Breach("DRM-4", part.place, detail))
            if len(found) >= BREACHES_MAX:
                break
    return found


def schema_breaches(definition: Any, place: str = "") -> list[Breach]:
    """Return the breaches of AVR-3: names, types, logical types, defaults and the bounds of the reader.

    Also those of AVR-5 that a schema can have: ``govbus.encoding`` on what is not bytes.

    Args:
        definition: the schema as JSON values, whatever they are.
        place: as in `documentation_breaches`.

    Returns:
        At most `BREACHES_MAX`.
    """
    checker = _Checker()
    checker.check_type(definition, place, namespace="", depth=0)
    found = [*checker.breaches, *annotation_breaches(definition, place)]
    if not found:
        try:
            marked_paths(AvroCodec(definition))
        except SchemaError as err:
            found.append(Breach(err.rule, place, err.message))
    return found[:BREACHES_MAX]


class _Checker:
    """Visits a schema in the order in which a parser would, so that names are known from where they are defined.

    Each visit returns the definition with all names in full, for the defaults that come after it.
    """

    def __init__(self) -> None:
        self.breaches: list[Breach] = []
        self._named: dict[str, dict[str, Any]] = {}
        """Types by full name, from their first mention on."""
        self._open: set[str] = set()
        """Records being visited: one that is mentioned now contains itself."""

    def _breach(self, place: str, detail: str) -> None:
        if len(self.breaches) < BREACHES_MAX:
            self.breaches.append(Breach("AVR-3", place, detail))

    def check_type(self, schema: Any, place: str, *, namespace: str, depth: int) -> Any:
        """Check the schema of a value."""
        if depth > NESTING_MAX:
            self._breach(place, f"a schema may nest at most {NESTING_MAX} levels deep")
        elif isinstance(schema, str):
            return self._reference(schema, place, namespace)
        elif isinstance(schema, list):
            return self._union(schema, place, namespace, depth)
        elif isinstance(schema, Mapping):
            return self._definition(schema, place, namespace, depth)
        else:
            self._breach(place, "expected a type: a name, a definition or a union")
        return None

    def _reference(self, name: str, place: str, namespace: str) -> str | None:
        if name in PRIMITIVES:
            return name
        full = name if "." in name or not namespace else f"{namespace}.{name}"
        if full in self._open:
            self._breach(place, f"record {full} contains itself; documents have a bounded depth")
        elif full in self._named:
            return full
        else:
            self._breach(place, f"type {full[:NAME_CHARACTERS_MAX]!r} is not defined before this place")
        return None

    def _union(self, branches: list[Any], place: str, namespace: str, depth: int) -> list[Any]:
        if not branches:
            self._breach(place, "a union needs at least one branch")
        if len(branches) > UNION_BRANCHES_MAX:
            self._breach(place, f"a union may have at most {UNION_BRANCHES_MAX} branches")
        checked, seen = [], set()
        for index, branch in enumerate(branches[:UNION_BRANCHES_MAX]):
            here = join(place, index)
            if isinstance(branch, list):
                self._breach(here, "a union may not stand directly in a union")
                continue
            result = self.check_type(branch, here, namespace=namespace, depth=depth + 1)
            checked.append(result)
            kind = _branch_kind(result)
            if kind in seen:
                self._breach(here, f"the union has a branch of type {kind} already")
            seen |= {kind} - {None}
        return checked

    def _definition(self, node: Mapping[str, Any], place: str, namespace: str, depth: int) -> Any:
        kind = node.get("type")
        checked: Any = None
        if "logicalType" in node:
            problem = logical_type_problem(node, kind if isinstance(kind, str) else "")
            if problem is not None:
                self._breach(place, problem)
        match kind:
            case "record" | "enum" | "fixed":
                checked = self._named_type(node, kind, place, namespace, depth)
            case "array" | "map":
                part = "items" if kind == "array" else "values"
                inner = self.check_type(
                    node.get(part), join(place, part), namespace=namespace, depth=depth + 1
                )
                checked = {"type": kind, part: inner}
            case str() if kind in PRIMITIVES:
                checked = node
            case _:
                # Libraries differ on ``{"type": "some.Name"}`` and refuse a definition or a union in this place.
                self._breach(join(place, "type"), _KIND_EXPECTED)
        return checked

    def _named_type(self, node: Mapping[str, Any], kind: str, place: str, namespace: str, depth: int) -> Any:
        full, inner_namespace = self._full_name(node, place, namespace)
        checked: dict[str, Any] = {"type": kind, "name": full}
        if full in self._named:
            self._breach(join(place, "name"), f"type {full} is defined twice")
        elif full:
            self._named[full] = checked
        self._check_aliases(node, place, is_type=True)
        if kind == "record":
            self._open.add(full)
            checked["fields"] = self._fields(
                node.get("fields"), join(place, "fields"), inner_namespace, depth
            )
            self._open.discard(full)
        elif kind == "enum":
            checked["symbols"] = node.get("symbols")
            self._check_enum(node, place)
        else:
            checked |= {key: node[key] for key in ("size", "logicalType", "precision") if key in node}
            if type(node.get("size")) is not int or node["size"] < 1:
                self._breach(join(place, "size"), "a fixed needs a size of at least 1 byte")
        return checked

    def _full_name(self, node: Mapping[str, Any], place: str, namespace: str) -> tuple[str, str]:
        """Return the full name of a definition, and the namespace of what stands inside; empty where illegal."""
        name, own = node.get("name"), node.get("namespace")
        if not isinstance(name, str) or not _is_dotted(name) or len(name) > FULL_NAME_CHARACTERS_MAX:
            self._breach(join(place, "name"), _NAME_EXPECTED)
            return "", namespace
        if own is not None and not (own == "" or (isinstance(own, str) and _is_dotted(own))):
            self._breach(join(place, "namespace"), f"expected names joined by dots; {_NAME_EXPECTED}")
            own = None
        if "." in name:
            inner, simple = name.rsplit(".", 1)
        else:
            inner, simple = (namespace if own is None else own), name
        full = f"{inner}.{simple}" if inner else simple
        if simple in RESERVED_NAMES:
            self._breach(join(place, "name"), f"{simple} is a word of Avro and may not name a type")
        if len(full) > FULL_NAME_CHARACTERS_MAX:
            self._breach(
                join(place, "name"), f"a full name has at most {FULL_NAME_CHARACTERS_MAX} characters"
            )
        return full, inner

    def _check_aliases(self, node: Mapping[str, Any], place: str, *, is_type: bool) -> list[str]:
        """Check the aliases of a type or field and return the legal ones."""
        aliases = node.get("aliases", [])
        here = join(place, "aliases")
        if not isinstance(aliases, list):
            self._breach(here, "expected an array of names")
            return []
        legal: list[str] = []
        for index, alias in enumerate(aliases):
            if not isinstance(alias, str) or not (_is_dotted(alias) if is_type else _is_name(alias)):
                self._breach(join(here, index), _NAME_EXPECTED)
            elif alias in legal or alias == node.get("name"):
                self._breach(join(here, index), f"{alias} stands twice")
            else:
                legal.append(alias)
        return legal

    def _check_enum(self, node: Mapping[str, Any], place: str) -> None:
        symbols, here = node.get("symbols"), join(place, "symbols")
        if not isinstance(symbols, list) or not symbols:
            self._breach(here, "an enum needs an array of at least one symbol")
            return
        seen: set[str] = set()
        for index, symbol in enumerate(symbols):
            if not isinstance(symbol, str) or not _is_name(symbol):
                self._breach(join(here, index), _NAME_EXPECTED)
            elif symbol in seen:
                self._breach(join(here, index), f"symbol {symbol} stands twice")
            else:
                seen.add(symbol)
        if "default" in node and node["default"] not in symbols:
            self._breach(join(place, "default"), "expected a symbol of the enum")

    def _fields(self, fields: Any, place: str, namespace: str, depth: int) -> list[Any]:
        if not isinstance(fields, list):
            self._breach(place, "a record needs an array of fields")
            return []
        checked: list[Any] = []
        seen: set[str] = set()
        for index, field in enumerate(fields):
            here = join(place, index)
            if isinstance(field, Mapping):
                names = self._field_names(field, here)
                if twice := seen.intersection(names):
                    self._breach(here, f"field name or alias {min(twice)} stands twice")
                seen.update(names)
                checked.append(self._field(field, here, namespace, depth))
            else:
                self._breach(here, "expected a field: an object with name and type")
        return checked

    def _field_names(self, field: Mapping[str, Any], place: str) -> list[str]:
        name = field.get("name")
        aliases = self._check_aliases(field, place, is_type=False)
        if isinstance(name, str) and _is_name(name):
            return [name, *aliases]
        self._breach(join(place, "name"), _NAME_EXPECTED)
        return aliases

    def _field(self, field: Mapping[str, Any], place: str, namespace: str, depth: int) -> dict[str, Any]:
        checked = {"name": field.get("name"), "type": None}
        if "type" not in field:
            self._breach(join(place, "type"), "a field needs a type")
            return checked
        before = len(self.breaches)
        checked["type"] = self.check_type(
            field["type"], join(place, "type"), namespace=namespace, depth=depth + 1
        )
        if "logicalType" in field:
            detail = "logicalType beside a field's type is ignored; it belongs inside the type"
            self._breach(join(place, "logicalType"), detail)
        order = field.get("order", "ascending")
        if not isinstance(order, str) or order not in _ORDERS:
            self._breach(join(place, "order"), "expected ascending, descending or ignore")
        if "default" in field:
            checked["default"] = field["default"]
            if len(self.breaches) == before:
                problem = default_problem(field["default"], checked["type"], self._named.get)
                if problem is not None:
                    self._breach(join(place, "default"), problem)
        return checked


_KIND_EXPECTED: Final = (
    "expected a primitive type, record, enum, fixed, array or map; a defined type is named alone"
)
_NAME_EXPECTED: Final = (
    "a name has letters, digits and _, does not begin with a digit, "
    f"and has at most {NAME_CHARACTERS_MAX} characters"
)


def _is_name(text: str) -> bool:
    return len(text) <= NAME_CHARACTERS_MAX and _NAME.fullmatch(text) is not None


def _is_dotted(text: str) -> bool:
    return len(text) <= FULL_NAME_CHARACTERS_MAX and all(_is_name(part) for part in text.split("."))


def _branch_kind(checked: Any) -> str | None:
    """Return what tells a branch from the others of its union: its type, by full name where it has one."""
    if isinstance(checked, Mapping):
        name = checked.get("name") or checked.get("type")
        return name if isinstance(name, str) else None
    return checked if isinstance(checked, str) else None


def _title(kind: str, node: Mapping[str, Any]) -> str:
    name = node.get("name")
    return f"{kind} {name}" if isinstance(name, str) and _is_dotted(name) else kind
