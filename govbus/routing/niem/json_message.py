"""Judges a JSON message by rules 13-1 to 13-8 of NDR 6.0."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from jsonschema.exceptions import ValidationError
from pyld import jsonld
from referencing.exceptions import Unresolvable

from govbus.document.finding import Breach
from govbus.routing.niem import json_validator
from govbus.routing.niem.bounds import BREACHES_MAX, MESSAGE_BYTES_MAX, shortened
from govbus.routing.niem.json_schema import JsonFormat, Property
from govbus.routing.niem.json_text import JsonTextError, parse_json
from govbus.routing.niem.uris import is_absolute_uri

CONTEXT_TERMS_MAX: Final = 500
"""Terms of the context of one message."""
CONTEXTS_MAX: Final = 10
"""Contexts in an array."""
TERM_CHARACTERS_MAX: Final = 500
"""Of what a term stands for."""
_SCHEMA_POINTER: Final = "$schema"
"""Names the JSON Schema to editors; it is no part of the data, and the NDR's own example has it on the message."""
_OWN_KEYS: Final = frozenset({"@context", _SCHEMA_POINTER})
_WORDS: Final = {
    "required": "a property is missing that the schema asks for",
    "type": "the value is not of the type that the schema names",
    "enum": "the value is none of those that the schema lists",
    "const": "the value is not the one that the schema names",
    "pattern": "the text does not have the form that the schema asks for, or is too long to be compared with it",
    "format": "the text does not have the format that the schema names",
    "additionalProperties": "a property stands where the schema has none",
    "unevaluatedProperties": "a property stands where the schema has none",
    "anyOf": "the value fits none of the schema's alternatives",
    "oneOf": "the value does not fit exactly one of the schema's alternatives",
    "uniqueItems": "the array has a value twice",
}
"""What a keyword of JSON Schema asks for; the library's own texts repeat values of the message."""


def json_breaches(message: bytes, model: JsonFormat, place: str) -> Iterator[Breach]:
    """Yield what is wrong with a JSON message; `BREACHES_MAX` at most.

    Args:
        message: the octets.
        model: the format that it should have.
        place: where it stands in the document.
    """
    yield from islice(_breaches(message, model, place), BREACHES_MAX)


def _breach(place: str, rule: str, detail: str) -> Breach:
    return Breach("NDR-13", place, f"NDR 6.0 rule {rule}: {detail}")


def _breaches(message: bytes, model: JsonFormat, place: str) -> Iterator[Breach]:
    if len(message) > MESSAGE_BYTES_MAX:
        yield _breach(place, "13-1", f"is longer than {MESSAGE_BYTES_MAX} bytes")
        return
    try:
        value = parse_json(message)
    except JsonTextError as err:
        yield _breach(place, "13-1", str(err))
        return
    if not isinstance(value, dict):
        yield _breach(place, "13-1", "expected a JSON object")
        return
    yield from islice(_schema_breaches(value, model, place), BREACHES_MAX)
    refusal = _context_refusal(value, model)
    if refusal is not None:
        yield _breach(f"{place}/@context", *refusal)
        return
    terms = _terms(value, model)
    if terms is None:
        yield _breach(place, "13-2", "the JSON-LD processor does not accept it")
        return
    yield from _Message(value, model, place, terms).breaches()


def _schema_breaches(value: Any, model: JsonFormat, place: str) -> Iterator[Breach]:
    """Yield what is not valid against the schema (rule 13-3)."""
    json_validator.begin()
    try:
        for error in model.validator.iter_errors(value):
            path = shortened("/".join(_steps(error.absolute_path, model)))
            yield _breach(f"{place}/{path}" if path else place, "13-3", _reason(error))
    except (json_validator.TooManyStepsError, RecursionError):
        yield _breach(place, "13-3", "it cannot be assessed within the bounds of the schema processor")
    except Unresolvable:
        yield _breach(place, "13-3", "the schema refers to a part that it does not have")


def _steps(path: Any, model: JsonFormat) -> Iterator[str]:
    """Yield the steps of a path; ``*`` where the schema does not have the name."""
    for step in path:
        yield step if step in model.names else str(step) if isinstance(step, int) else "*"


def _reason(error: ValidationError) -> str:
    keyword = str(error.validator)
    reason = _WORDS.get(keyword, f"it is not valid by the keyword {keyword} of the schema")
    if keyword == "required" and isinstance(error.validator_value, list) and isinstance(error.instance, dict):
        missing = [str(name) for name in error.validator_value if name not in error.instance]
        return f"{reason}: {', '.join(missing[:5])}"
    if keyword in {"type", "format"}:
        return f"{reason}: {error.validator_value}"
    return reason


def _context_refusal(value: Mapping[str, Any], model: JsonFormat) -> tuple[str, str] | None:
    """Return why the message's context cannot be used: rule and reason; None where it can."""
    if "@context" not in value:
        return "13-4", "expected a context, embedded or named by an absolute URI"
    given = value["@context"]
    contexts = given if isinstance(given, list) else [given]
    if len(contexts) > CONTEXTS_MAX:
        return "13-2", f"more than {CONTEXTS_MAX} contexts"
    for context in contexts:
        refusal = _uri_refusal(context, model) if isinstance(context, str) else _embedded_refusal(context)
        if refusal is not None:
            return refusal
    return None


def _uri_refusal(uri: str, model: JsonFormat) -> tuple[str, str] | None:
    if not is_absolute_uri(uri):
        return "13-4", "the URL of a remote context is an absolute URI"
    if uri != model.context_uri:
        return (
            "13-4",
            "expected the context_uri of the registered message format; no other context is fetched",
        )
    return None


def _embedded_refusal(context: Any) -> tuple[str, str] | None:
    if not isinstance(context, dict):
        return "13-2", "expected an object or a URI"
    if len(context) > CONTEXT_TERMS_MAX:
        return "13-2", f"a context of more than {CONTEXT_TERMS_MAX} terms is not read"
    if "@import" in context or any("@context" in term for term in context.values() if isinstance(term, dict)):
        return "13-2", "a context inside a context is not read: give one context, on the message itself"
    if any(len(term) > TERM_CHARACTERS_MAX for term in context.values() if isinstance(term, str)):
        return "13-2", f"a term of more than {TERM_CHARACTERS_MAX} characters is not read"
    return None


def _terms(value: Mapping[str, Any], model: JsonFormat) -> Mapping[str, Any] | None:
    """Return what the terms of the context mean, by the JSON-LD processor; None where it refuses the message."""

    def load(uri: str, _options: Any) -> dict[str, Any]:
        if uri != model.context_uri:
            raise jsonld.JsonLdError(
                "not registered", "jsonld.LoadDocumentError", code="loading document failed"
            )
        document = {"@context": dict(model.context)}
        return {
            "contentType": "application/ld+json",
            "contextUrl": None,
            "documentUrl": uri,
            "document": document,
        }

    data = {name: part for name, part in value.items() if name != _SCHEMA_POINTER}
    options = {"documentLoader": load, "processingMode": "json-ld-1.1"}
    try:
        processor = jsonld.JsonLdProcessor()
        initial = processor.process_context(None, None, options)
        active = processor.process_context(initial, value["@context"], options)
        processor.expand(data, options)
    except Exception:  # noqa: BLE001  # whatever a processor makes of a hostile message, it is refused
        return None
    return {**active["mappings"], "@vocab": active.get("@vocab")}


@dataclass(slots=True)
class _Object:
    """A JSON object that has an ``@id``, as the message shows it at one place."""

    content: Mapping[str, Any]
    definition: Property | None
    path: str


@dataclass(slots=True)
class _Message:
    """A JSON message whose context has been read."""

    value: Mapping[str, Any]
    model: JsonFormat
    place: str
    terms: Mapping[str, Any]
    _objects: dict[str, list[_Object]] = field(default_factory=dict)
    """By ``@id``."""

    def breaches(self) -> Iterator[Breach]:
        unmapped = [
            prefix
            for prefix, namespace in sorted(self.model.context.items())
            if self._meaning(prefix) != namespace
        ]
        for prefix in unmapped:
            detail = f"expected the context to map {prefix} to the namespace of the format"
            yield self._at("@context", "13-4", detail)
        if unmapped:
            return  # what the keys mean is not known
        yield from self._root_breaches()
        yield from self._value_breaches()
        for found in self._objects.values():
            yield from self._same(found)

    def _at(self, path: str, rule: str, detail: str) -> Breach:
        return _breach(f"{self.place}/{shortened(path)}" if path else self.place, rule, detail)

    def _meaning(self, key: str) -> str | None:
        """Return what the context maps a term to."""
        mapping = self.terms.get(key)
        return mapping.get("@id") if isinstance(mapping, Mapping) else None

    def _uri(self, key: str) -> str:
        """Return the keyword or URI that a key expands to (JSON-LD 1.1 API, section 5.2.2); empty where to none."""
        if key in jsonld.KEYWORDS:
            return key
        if key in self.terms:
            return self._meaning(key) or ""
        prefix, colon, local = key.partition(":")
        if colon:
            return key if local.startswith("//") else (self._meaning(prefix) or f"{prefix}:") + local
        vocabulary = self.terms.get("@vocab")
        return vocabulary + key if isinstance(vocabulary, str) else ""

    def _root_breaches(self) -> Iterator[Breach]:
        """Yield whether the message object is the value of the message property (section 14.2.2)."""
        if self.model.root is None:
            return
        found = [self._uri(key) for key in self.value if key not in _OWN_KEYS]
        if [uri for uri in found if not uri.startswith("@")] != [self.model.root]:
            yield Breach(
                "NDR-13",
                self.place,
                "NDR 6.0 section 14.2.2: expected the context and one key more, the message property",
            )

    def _value_breaches(self) -> Iterator[Breach]:
        """Yield keys that are not defined (rule 13-5) and contexts that are not read; note objects with an id."""
        pending: list[tuple[Any, str, Property | None]] = [(self.value, "", None)]
        while pending:
            value, path, definition = pending.pop()
            if isinstance(value, list):
                pending += [(one, f"{path}/{number}", definition) for number, one in enumerate(value)]
            elif isinstance(value, dict):
                for key, part in value.items():
                    if path or key not in _OWN_KEYS:
                        shown = key if key in self.model.names or key in jsonld.KEYWORDS else "*"
                        inside = f"{path}/{shown}" if path else shown
                        uri = self._uri(key)
                        yield from self._key_breaches(uri, inside)
                        if uri == "@id" and isinstance(part, str):
                            yield from self._noted(part, _Object(value, definition, path))
                        pending.append((part, inside, self.model.properties.get(uri, definition)))

    def _key_breaches(self, uri: str, path: str) -> Iterator[Breach]:
        if uri == "@context":
            yield self._at(path, "13-2", "a context is read on the message itself only")
        elif not uri.startswith("@") and uri not in self.model.properties:
            yield self._at(path, "13-5", "expected a keyword of JSON-LD, or a property of the model")

    def _noted(self, identifier: str, found: _Object) -> Iterator[Breach]:
        """Note an object by its ``@id``; yield where the model allows it none."""
        self._objects.setdefault(identifier, []).append(found)
        if found.definition is not None and found.definition.is_inline:
            yield self._at(found.path, "13-7", "the model allows no @id on this object")

    def _same(self, objects: list[_Object]) -> Iterator[Breach]:
        """Yield where objects with one ``@id`` cannot be the same object (rules 13-6 and 13-8)."""
        classes: set[frozenset[int]] = set()
        values: dict[str, Any] = {}
        for one in objects:
            own = one.definition.classes if one.definition is not None else frozenset()
            if own and own not in classes:
                if any(own.isdisjoint(other) for other in classes):
                    yield self._at(one.path, "13-8", "objects with the same @id have a class in common")
                    return
                classes.add(own)
            if not self._agrees(one.content, values):
                yield self._at(one.path, "13-6", "objects with the same @id are the same: a value differs")
                return

    def _agrees(self, content: Mapping[str, Any], values: dict[str, Any]) -> bool:
        """Return whether an object gives no other value to a property that can have one only; note its values."""
        for key, value in content.items():
            uri = self._uri(key)
            definition = self.model.properties.get(uri)
            if definition is not None and definition.is_single:
                known = values.setdefault(uri, value)
                if known != value or isinstance(known, bool) != isinstance(value, bool):
                    return False
        return True
