"""Judges an XML message by rules 12-1, 12-2, 12-7, 12-8 and 12-12 to 12-15 of NDR 6.0."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from lxml import etree

from govbus.document.finding import Breach
from govbus.routing.niem.bounds import (
    ATTRIBUTES_MAX,
    BREACHES_MAX,
    DEPTH_MAX,
    ELEMENTS_MAX,
    MESSAGE_BYTES_MAX,
    shortened,
)
from govbus.routing.niem.uris import is_uri_reference
from govbus.routing.niem.xml_schema import LIBXML2, STRUCTURES, XML, XmlFormat, parser

_XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
_TRUE: Final = frozenset({"true", "1"})
_ENCODING: Final = re.compile(rb"""\A<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_ENCODINGS: Final = frozenset({"utf-8", "utf8", "us-ascii"})
_BOM_UTF_8: Final = b"\xef\xbb\xbf"
_UTF_16: Final = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
QUADRATIC_STEPS_MAX: Final = 100_000_000
"""Squares of the lengths of all texts, where the schema has a quadratic pattern; some seconds at worst."""
_STEP: Final = re.compile(r"(?:(?P<prefix>[^:/\[\]]+):)?(?P<name>[^:/\[\]]+)(?:\[(?P<number>[0-9]+)\])?")
"""A step of a path as libxml2 writes it."""
_EXPECTED: Final = re.compile(r"Expected is (?:one of )?\( (?P<names>[^()]*) \)\.\Z")
_EXPECTED_MAX: Final = 5
"""Names of expected elements that a finding repeats."""
_REASONS: Final = {
    "SCHEMAV_ELEMENT_CONTENT": "an element stands where the schema has another, or one is missing",
    "SCHEMAV_CVC_ELT_1": "the schema has no such element",
    "SCHEMAV_CVC_ELT_2": "the schema has this element as abstract: expected one that stands for it",
    "SCHEMAV_CVC_COMPLEX_TYPE_3_2_1": "an attribute stands where the schema has none",
    "SCHEMAV_CVC_COMPLEX_TYPE_3_2_2": "an attribute stands where the schema has none",
    "SCHEMAV_CVC_COMPLEX_TYPE_4": "an attribute is missing that the schema asks for",
    "SCHEMAV_CVC_COMPLEX_TYPE_2_1": "expected an empty element",
    "SCHEMAV_CVC_COMPLEX_TYPE_2_3": "text stands where the schema has elements only",
    "SCHEMAV_CVC_TYPE_3_1_1": "an attribute or element stands where the schema has a simple value only",
    "SCHEMAV_CVC_TYPE_3_1_2": "an element stands where the schema has a simple value only",
    "SCHEMAV_CVC_DATATYPE_VALID_1_2_1": "the value is not of the type that the schema names",
    "SCHEMAV_CVC_ENUMERATION_VALID": "the value is none of those that the schema lists",
    "SCHEMAV_CVC_PATTERN_VALID": "the value does not have the form that the schema asks for",
    "SCHEMAV_INTERNAL": "it cannot be assessed within the bounds of the schema processor",
}
"""What an error of libxml2 means; its own texts repeat values of the message."""


class _RefusedError(Exception):
    """The text is no XML message that can be read: rule and reason."""

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(detail)
        self.rule = rule
        self.detail = detail


def xml_breaches(message: bytes, model: XmlFormat, place: str) -> list[Breach]:
    """Return what is wrong with an XML message; `BREACHES_MAX` at most.

    One at a time, in the whole process: threads share a compiled schema, whose list of errors is one for all of them,
    and libxml2's trees are made and given back within the lock.

    Args:
        message: the octets.
        model: the format that it should have.
        place: where it stands in the document.
    """
    with LIBXML2:
        return _breaches(message, model, place)  # whose trees are gone once it returns


def _breaches(message: bytes, model: XmlFormat, place: str) -> list[Breach]:
    try:
        document = _read(message)
        part = _message_object(document, model)
    except _RefusedError as err:
        return [_breach(place, err.rule, err.detail)]
    return list(islice(_Message(part, model, place).breaches(), BREACHES_MAX))


def _breach(field: str, rule: str, detail: str) -> Breach:
    return Breach("NDR-12", field, f"NDR 6.0 rule {rule}: {detail}")


def _read(message: bytes) -> Any:
    """Return the document element.

    Raises:
        _RefusedError: if the octets are no XML, or hold more than a message may.
    """
    octets = _as_utf_8(message)
    if _has_doctype(octets):
        raise _RefusedError("12-1", "a document type declaration is not accepted")
    if octets.count(b"xmlns") > ATTRIBUTES_MAX:
        raise _RefusedError("12-1", f"declares more than {ATTRIBUTES_MAX} namespaces")
    if octets.count(b"<") > 4 * ELEMENTS_MAX:
        raise _RefusedError("12-1", f"has more than {ELEMENTS_MAX} elements")
    try:
        root = etree.fromstring(octets, parser(encoding="utf-8"))
    except (etree.LxmlError, ValueError) as err:
        line = getattr(err, "lineno", None)
        where = f" (line {line})" if line else ""
        raise _RefusedError("12-1", f"expected a well-formed XML document{where}") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise _RefusedError("12-1", "a document type declaration is not accepted")
    _bound(root)
    return root


def _as_utf_8(message: bytes) -> bytes:
    if len(message) > MESSAGE_BYTES_MAX:
        raise _RefusedError("12-1", f"is longer than {MESSAGE_BYTES_MAX} bytes")
    encoding = _UTF_16.get(message[:2])
    if encoding is not None:
        try:
            return message[2:].decode(encoding).encode("utf-8")
        except UnicodeError:
            raise _RefusedError("12-1", "is no UTF-16, which its first two bytes announce") from None
    octets = message.removeprefix(_BOM_UTF_8)
    declared = _ENCODING.match(octets[:1_000])
    if declared is not None and declared[1].decode("ascii").lower() not in _ENCODINGS:
        raise _RefusedError("12-1", "expected UTF-8, or UTF-16 with a byte order mark")
    return octets


def _has_doctype(octets: bytes) -> bool:
    """Return whether a document type declaration stands before the first element, the only place for one."""
    at = 0
    while True:
        at = octets.find(b"<", at)
        if octets.startswith(b"<!--", at):
            at = octets.find(b"-->", at + 4)
        elif octets.startswith(b"<?", at):
            at = octets.find(b"?>", at + 2)
        else:
            return octets.startswith(b"<!DOCTYPE", at)
        if at < 0:
            return False


def _bound(root: Any) -> None:
    """Check that the tree is no greater than a message may be."""
    depth = count = 0
    for event, element in etree.iterwalk(root, events=("start", "end")):
        if event == "end":
            depth -= 1
            continue
        depth += 1
        count += 1
        if depth > DEPTH_MAX:
            raise _RefusedError("12-1", f"has more than {DEPTH_MAX} elements inside each other")
        if count > ELEMENTS_MAX:
            raise _RefusedError("12-1", f"has more than {ELEMENTS_MAX} elements")
        if len(element.attrib) > ATTRIBUTES_MAX:
            raise _RefusedError("12-1", f"has an element with more than {ATTRIBUTES_MAX} attributes")


def _message_object(document: Any, model: XmlFormat) -> Any:
    """Return the element of the message object: the document element, or an element inside it (rule 12-1)."""
    if model.root is None:
        return document
    found = list(islice(document.iter(model.root), 2))
    if len(found) != 1:
        expected = _shown(model.root, model)
        what = "none" if not found else "more"
        raise _RefusedError("12-1", f"expected one {expected}, the message object; found {what}")
    return found[0]


def _shown(name: str, model: XmlFormat) -> str:
    """Return a name with the prefix of its namespace; ``*`` where the schema does not have it."""
    if name not in model.names:
        return "*"
    qualified = etree.QName(name)
    prefix = model.prefixes.get(qualified.namespace or "")
    return f"{prefix}:{qualified.localname}" if prefix else qualified.localname


@dataclass(frozen=True, slots=True)
class _Message:
    """The message object of one message, and what it is judged by."""

    root: Any
    model: XmlFormat
    place: str

    def breaches(self) -> Iterator[Breach]:
        yield from self._schema_breaches()
        ids = {value for element in self.root.iter() for value in _structures(element, "id")}
        for element in self.root.iter():
            yield from self._identity(element, ids)
            yield from self._uris(element)
            yield from self._augmentations(element)
            if element.get(f"{{{_XSI}}}nil", "").strip() in _TRUE and not any(
                (*_structures(element, "ref"), *_structures(element, "uri"))
            ):
                yield self._at(
                    element, "12-14", "an element that is nil has structures:ref or structures:uri"
                )
            if element is not self.root and element.get(f"{{{XML}}}base") is not None:
                yield self._at(element, "12-15", "xml:base stands on the message object only")

    def _at(self, element: Any, rule: str, detail: str) -> Breach:
        field = f"{self.place}/{shortened(self._path(element))}"
        return _breach(field, rule, f"{detail} (line {element.sourceline})")

    def _path(self, element: Any) -> str:
        """Return the way from the message object to an element: names, and the place among equals."""
        steps: list[str] = []
        while True:
            step = _shown(element.tag, self.model)
            if element is self.root:
                return "/".join([step, *reversed(steps)])
            number = 1 + sum(1 for _ in element.itersiblings(element.tag, preceding=True))
            steps.append(f"{step}[{number}]")
            element = element.getparent()

    def _schema_breaches(self) -> Iterator[Breach]:
        """Yield what is not valid against the schema (rule 12-2)."""
        if self.model.pattern_degree > 1 and self._quadratic_steps() > QUADRATIC_STEPS_MAX:
            yield self._at(
                self.root, "12-2", "the texts are too long to be compared with the schema's patterns"
            )
            return
        schema = self.model.schema
        try:
            if schema.validate(self.root):
                return
        except etree.LxmlError:
            pass
        errors = list(islice(schema.error_log, BREACHES_MAX))
        for error in errors:
            reason = _REASONS.get(error.type_name, "it is not valid against the schema")
            path, message = _told(error, "path"), _told(error, "message")
            yield self._at(self._found(path), "12-2", reason + self._expected(message))
        if not errors:
            yield self._at(self.root, "12-2", "it is not valid against the schema")

    def _quadratic_steps(self) -> int:
        return sum(
            len(text) ** 2
            for element in self.root.iter()
            for text in (element.text or "", element.tail or "", *element.attrib.values())
        )

    def _found(self, path: str | None) -> Any:
        """Return the element at a path as libxml2 writes it; the nearest above it where there is none."""
        element = self.root
        for step in (path or "").split("/")[2:]:
            match = _STEP.fullmatch(step)
            if match is None:
                break
            number = int(match["number"] or 1)
            following = next(
                islice(self._children(element, match["prefix"], match["name"]), number - 1, None), None
            )
            if following is None:
                break
            element = following
        return element

    @staticmethod
    def _children(element: Any, prefix: str | None, name: str) -> Iterator[Any]:
        for child in element:
            if name == "*" or (child.prefix == prefix and etree.QName(child).localname == name):
                yield child

    def _expected(self, message: str) -> str:
        """Return which elements the schema has at that place."""
        found = _EXPECTED.search(message)
        if found is None:
            return ""
        names = [_shown(name.strip(), self.model) for name in found["names"].split(",")]
        known = [name for name in names if name != "*"][:_EXPECTED_MAX]
        return f": expected {' or '.join(known)}" if known else ""

    def _identity(self, element: Any, ids: set[str]) -> Iterator[Breach]:
        references = list(_structures(element, "ref"))
        identifying = [*_structures(element, "id"), *references, *_structures(element, "uri")]
        if len(identifying) > 1:
            yield self._at(
                element,
                "12-7",
                "an element has one of structures:id, structures:ref and structures:uri at most",
            )
        if any(reference not in ids for reference in references):
            yield self._at(
                element, "12-8", "structures:ref names the structures:id of an element in the message"
            )

    def _uris(self, element: Any) -> Iterator[Breach]:
        for name, value in element.attrib.items():
            if (name in self.model.uri_attributes or _is_structures(name, "uri")) and not is_uri_reference(
                value.strip()
            ):
                shown = "structures:uri" if _is_structures(name, "uri") else _shown(name, self.model)
                yield self._at(element, "12-12", f"attribute {shown} is a URI reference (RFC 3986)")

    def _augmentations(self, element: Any) -> Iterator[Breach]:
        seen: set[str] = set()
        for child in element:
            if child.tag.endswith("Augmentation"):
                if child.tag in seen:
                    yield self._at(child, "12-13", "an element has each augmentation element once at most")
                seen.add(child.tag)


def _told(error: Any, what: str) -> str:
    """Return a text of an error; empty where libxml2 cut it inside a character, as it does with long ones."""
    try:
        return getattr(error, what) or ""
    except UnicodeDecodeError:
        return ""


def _structures(element: Any, local: str) -> Iterator[str]:
    """Yield the values of an attribute of the structures namespace; the schema says of which release it is."""
    for name, value in element.attrib.items():
        if _is_structures(name, local):
            yield value.strip()


def _is_structures(name: str, local: str) -> bool:
    namespace, _, own = name.rpartition("}")
    return own == local and STRUCTURES.fullmatch(namespace[1:]) is not None
