"""Reads the JSON Schema of a message format, from its own files and nothing else.

Besides validating, the schema is the only model of a JSON message that the bus has: which properties there are, which
of them hold one value, of which class an object is. What it does not say is not judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from jsonschema import validators
from jsonschema.exceptions import SchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import UnknownDialect, specification_with

from govbus.document.finding import Breach
from govbus.routing.directory.model import NiemFormat
from govbus.routing.niem.json_text import JsonTextError, parse_json
from govbus.routing.niem.json_validator import bounded
from govbus.routing.niem.pattern_syntax import PATTERN_CHARACTERS_MAX, Dialect, PatternError
from govbus.routing.niem.patterns import pattern_degree
from govbus.routing.niem.uris import is_absolute_uri, is_uri

_BASE: Final = "https://format.invalid/"
"""Names the files of the format to the library, which never fetches; references between files are relative to it."""
SCHEMA_VALUES_MAX: Final = 500_000
"""JSON values of one file."""
PATTERN_DEGREE_MAX: Final = 2
"""Quadratic patterns are let in; `govbus.routing.niem.json_validator` bounds the texts that they meet."""
REFERENCE_CODE: Final = "referenceCode"
"""Annotation of a property or a definition: its reference code, as the NDR's models have it (rule 13-7)."""
_SCALARS: Final = frozenset({"string", "number", "integer", "boolean"})
_DATA: Final = frozenset({"const", "enum", "default", "examples"})
"""Keywords whose values are data and no schemas."""
CLASSES_MAX: Final = 200
"""Definitions that one property leads to."""


@dataclass(frozen=True, slots=True)
class Property:
    """What the schema says of a property."""

    classes: frozenset[int]
    """The definitions that its values are of, and those that these build upon, by identity."""
    is_single: bool
    """Whether it has one plain value at most."""
    is_inline: bool
    """Whether its values must not be referred to: their reference code is ``NONE``."""


@dataclass(frozen=True, slots=True)
class JsonFormat:
    """A message format of JSON messages, ready to judge them."""

    validator: Any
    root: str | None
    """URI of the message property; None where any is accepted."""
    context: Mapping[str, str]
    """Namespace of each prefix of the model."""
    context_uri: str | None
    properties: Mapping[str, Property]
    """By URI."""
    names: frozenset[str]
    """Keys as the schema writes them: what a finding may repeat."""


def compile_json(message_format: NiemFormat) -> JsonFormat | list[Breach]:
    """Return the format of JSON messages that a registered format describes, or what is wrong with it."""
    problems = list(_format_problems(message_format))
    files = dict(_files(message_format, problems))
    if problems:
        return problems
    draft = files[message_format.main]["$schema"]
    for name, schema in files.items():
        problems += [_breach(f"schemas.{name}", detail) for detail in _draft_problems(schema, draft)]
    if problems:
        return problems
    plain = {name: _without_draft(schema) for name, schema in files.items()}
    model = _Model(plain, draft, message_format.context)
    for name, schema in plain.items():
        problems += [_breach(f"schemas.{name}", detail) for detail in model.read(name, schema)]
    root = model.uri(message_format.root) if message_format.root is not None else None
    if root is not None and root not in model.properties:
        detail = "is no property of the schema: expected prefix:Name of one (rule 11-1)"
        problems.append(_breach("root", detail))
    if problems:
        return problems
    kind = validators.validator_for({"$schema": draft})
    return JsonFormat(
        bounded(kind)(
            {"$ref": _BASE + message_format.main},
            registry=model.registry,
            format_checker=kind.FORMAT_CHECKER,
        ),
        root,
        dict(message_format.context),
        message_format.context_uri,
        dict(model.properties),
        frozenset(model.names),
    )


def _breach(field: str, detail: str) -> Breach:
    return Breach("NDR-13", field, detail)


def _format_problems(message_format: NiemFormat) -> Iterator[Breach]:
    if message_format.main not in message_format.schemas:
        yield _breach("main", "names no file of the format")
    if not message_format.context:
        yield _breach("context", "expected the namespace prefixes of the message model (rule 13-4)")
    for prefix, namespace in message_format.context.items():
        if not is_uri(namespace):
            yield _breach(f"context.{prefix}", "expected a URI")
    if message_format.context_uri is not None and not is_absolute_uri(message_format.context_uri):
        yield _breach("context_uri", "expected an absolute URI (rule 13-4)")


def _files(message_format: NiemFormat, problems: list[Breach]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, content in sorted(message_format.schemas.items()):
        field = f"schemas.{name}"
        try:
            schema = parse_json(
                content, values_max=SCHEMA_VALUES_MAX, name_characters_max=PATTERN_CHARACTERS_MAX
            )
        except JsonTextError as err:
            problems.append(_breach(field, str(err)))
            continue
        if not isinstance(schema, dict) or not isinstance(schema.get("$schema"), str):
            problems.append(_breach(field, "is no JSON Schema: expected an object with $schema"))
        else:
            yield name, schema


def _draft_problems(schema: dict[str, Any], draft: str) -> Iterator[str]:
    """Yield what keeps a file from being a schema of the format's draft of JSON Schema."""
    try:
        specification_with(schema["$schema"])
    except UnknownDialect:
        yield "expected $schema to name a draft from 3 to 2020-12 of JSON Schema"
        return
    if schema["$schema"] != draft:
        yield "expected the same $schema as in the main file"
    try:
        validators.validator_for(schema).check_schema(schema)
    except SchemaError as err:
        at = "/".join(map(str, err.absolute_path))
        yield f"is no JSON Schema: {err.message[:200]} (at {at or 'its root'})"


def _without_draft(node: Any) -> Any:
    """Return a schema that does not name its draft; where one does, the library leaves our bounded validator."""
    if isinstance(node, list):
        return [_without_draft(one) for one in node]
    if not isinstance(node, dict):
        return node
    return {
        key: part if key in _DATA else _without_draft(part)
        for key, part in node.items()
        if not (key == "$schema" and isinstance(part, str))
    }


class _Model:
    """The message model, as far as the schema shows it."""

    def __init__(self, files: Mapping[str, Any], draft: str, context: Mapping[str, str]) -> None:
        self._specification = specification_with(draft)
        resources = {name: self._specification.create_resource(schema) for name, schema in files.items()}
        self.registry: Registry[Any] = Registry().with_resources(
            (uri, resource)
            for name, resource in resources.items()
            for uri in {_BASE + name, resource.id() or _BASE + name}
        )
        """Of the format's files, each under its name and its own id; nothing else is ever fetched."""
        self._context = context
        self.properties: dict[str, Property] = {}
        self.names: set[str] = set()

    def uri(self, name: str) -> str:
        """Return the URI of a property by the name that the schema has for it."""
        if name in self._context:
            return self._context[name]
        prefix, colon, local = name.partition(":")
        return self._context[prefix] + local if colon and prefix in self._context else name

    def read(self, name: str, schema: Any) -> Iterator[str]:
        """Take up the properties of a file; yield what is wrong with it."""
        resolver = self.registry.resolver(base_uri=_BASE + name)
        pending: list[tuple[Any, Any]] = [(schema, resolver)]
        while pending:
            node, resolver = pending.pop()
            if isinstance(node, list):
                pending += [(one, resolver) for one in node]
            if not isinstance(node, dict):
                continue
            if isinstance(node.get("$id"), str):
                resolver = resolver.in_subresource(self._specification.create_resource(node))
            yield from self._problems(node, resolver)
            pending += [(part, resolver) for key, part in node.items() if key not in _DATA]

    def _problems(self, node: Mapping[str, Any], resolver: Any) -> Iterator[str]:
        reference = node.get("$ref")
        if isinstance(reference, str):
            try:
                resolver.lookup(reference)
            except Unresolvable:
                yield f"refers to {reference[:200]}, which is in no file of the format"
        yield from _pattern_problems(node)
        properties = node.get("properties")
        if isinstance(properties, dict):
            for key, definition in properties.items():
                self._take(key, definition, resolver)
                prefix, colon, local = key.partition(":")
                if colon and prefix not in self._context and not local.startswith("//"):
                    yield f"has property {key[:100]}, whose prefix the context of the format lacks (rule 13-4)"

    def _take(self, key: str, definition: Any, resolver: Any) -> None:
        self.names.add(key)
        if key.startswith(("@", "$")):
            return
        read = _Definition(resolver)
        read.follow(definition)
        uri = self.uri(key)
        known = self.properties.get(uri, Property(frozenset(), is_single=True, is_inline=False))
        self.properties[uri] = Property(
            known.classes | read.classes,
            known.is_single and read.is_single,
            known.is_inline or read.is_inline,
        )


class _Definition:
    """Where the definition of a property leads to."""

    def __init__(self, resolver: Any) -> None:
        self._start = resolver
        self.classes: set[int] = set()
        self._types: set[str] = set()
        self._is_open = False
        """Whether some part does not say its type."""
        self._code = ""

    @property
    def is_single(self) -> bool:
        """Whether only plain values fit."""
        return bool(self._types) and self._types <= _SCALARS and not self._is_open

    @property
    def is_inline(self) -> bool:
        """Whether the effective reference code is ``NONE``: that of the property, or else of its class."""
        return self._code == "NONE"

    def follow(self, definition: Any) -> None:
        pending: list[tuple[Any, Any]] = [(definition, self._start)]
        while pending and len(self.classes) < CLASSES_MAX:
            node, resolver = pending.pop(0)
            if not isinstance(node, dict):
                continue
            self._code = self._code or str(node.get(REFERENCE_CODE, ""))
            self._note_type(node)
            reference = node.get("$ref")
            if isinstance(reference, str):
                try:
                    found = resolver.lookup(reference)
                except Unresolvable:
                    continue
                if id(found.contents) not in self.classes:
                    self.classes.add(id(found.contents))
                    pending.append((found.contents, found.resolver))
            for keyword in ("allOf", "anyOf", "oneOf"):
                pending += [(one, resolver) for one in node.get(keyword) or ()]
            if isinstance(node.get("items"), dict):
                pending.append((node["items"], resolver))

    def _note_type(self, node: Mapping[str, Any]) -> None:
        kind = node.get("type")
        self._types |= {kind} if isinstance(kind, str) else set(kind or ())
        if kind is None and not node.keys() & {"$ref", "allOf", "anyOf", "oneOf"}:
            self._is_open = True


def _pattern_problems(node: Mapping[str, Any]) -> Iterator[str]:
    patterns = [node["pattern"]] if isinstance(node.get("pattern"), str) else []
    if isinstance(node.get("patternProperties"), dict):
        patterns += node["patternProperties"]
    for pattern in patterns:
        try:
            re.compile(pattern)
            degree = pattern_degree(pattern, Dialect.SEARCH)
        except (PatternError, re.error, OverflowError) as err:
            yield f"the pattern {pattern[:100]!r} {err}"
            continue
        if degree > PATTERN_DEGREE_MAX:
            yield (
                f"the pattern {pattern[:100]!r} can take a time that grows with the length of the text to the power "
                f"of {degree}; expected {PATTERN_DEGREE_MAX} at most: begin it with ^, and repeat less"
            )
