"""Reads the XML Schema documents of a message format, from its own files and nothing else.

Every ``schemaLocation`` is resolved here, to a file of the format, before the library sees it; a namespace that is
imported without a usable location is the one file that has it. So neither the file system nor a network is asked.
"""

from __future__ import annotations

import posixpath
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lxml import etree

from govbus.document.finding import Breach
from govbus.routing.directory.model import NiemFormat
from govbus.routing.niem.pattern_syntax import Dialect, PatternError
from govbus.routing.niem.patterns import pattern_degree

XSD: Final = "http://www.w3.org/2001/XMLSchema"
XML: Final = "http://www.w3.org/XML/1998/namespace"
_URI_TYPE: Final = f"{{{XSD}}}anyURI"
_LINKS: Final = (f"{{{XSD}}}import", f"{{{XSD}}}include", f"{{{XSD}}}redefine")
_SCHEME: Final = "niem-format:///"
"""Names a file of the format to the library."""
STRUCTURES: Final = re.compile(
    r"(?:https://docs\.oasis-open\.org/niemopen/ns/model|http://release\.niem\.gov/niem)/structures/[0-9.]+/#?"
)
"""Namespaces of ``structures:id``, ``structures:ref`` and ``structures:uri``: of NIEM 6, and of earlier releases."""
PATTERN_DEGREE_MAX: Final = 2
"""Quadratic patterns are let in; `govbus.routing.niem.xml_message` bounds the texts that they meet."""


LIBXML2: Final = threading.Lock()
"""Held by whoever reads, validates or compiles: a compiled schema has one list of errors for all threads."""


@dataclass(frozen=True, slots=True)
class XmlFormat:
    """A message format of XML messages, ready to judge them."""

    schema: Any
    """The compiled `lxml.etree.XMLSchema`."""
    root: str | None
    """Of the message object, as ``{namespace}LocalName``; None where any is accepted."""
    names: frozenset[str]
    """Of declared elements and attributes, as ``{namespace}LocalName``: what a finding may repeat."""
    prefixes: Mapping[str, str]
    """Prefix of each namespace, as the schema documents have it."""
    uri_attributes: frozenset[str]
    """Names of attributes whose type is ``xs:anyURI`` or derived from it (rule 12-12)."""
    pattern_degree: int
    """The greatest of the schema's patterns."""


def parser(**options: Any) -> etree.XMLParser:
    """Return a parser that loads nothing, expands nothing and bounds depth and length."""
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        huge_tree=False,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        remove_comments=True,
        remove_pis=True,
        **options,
    )


def compile_xml(message_format: NiemFormat) -> XmlFormat | list[Breach]:
    """Return the format of XML messages that a registered format describes, or what is wrong with it."""
    with LIBXML2:
        return _compiled(message_format)


def _compiled(message_format: NiemFormat) -> XmlFormat | list[Breach]:
    problems: list[Breach] = []
    documents = dict(_documents(message_format, problems))
    if not problems:
        _resolve(documents, problems)
    declarations = _Declarations(documents)
    degree = _pattern_degree(documents, problems)
    problems += _root_problems(message_format, declarations)
    schema = None if problems else _compile(message_format.main, documents, problems)
    if problems:
        return problems
    return XmlFormat(
        schema,
        message_format.root,
        frozenset(declarations.names),
        declarations.prefixes,
        frozenset(declarations.uri_attributes()),
        degree,
    )


def _breach(field: str, detail: str) -> Breach:
    return Breach("NDR-12", field, detail)


def _documents(message_format: NiemFormat, problems: list[Breach]) -> Iterator[tuple[str, Any]]:
    """Yield the root of every file that is a schema document."""
    for name, content in sorted(message_format.schemas.items()):
        field = f"schemas.{name}"
        try:
            root = etree.fromstring(content, parser())
        except etree.LxmlError as err:
            problems.append(_breach(field, f"is no well-formed XML: {err}"))
            continue
        if root.getroottree().docinfo.internalDTD is not None:
            problems.append(_breach(field, "has a document type declaration"))
        elif root.tag != f"{{{XSD}}}schema":
            problems.append(_breach(field, "is no XML Schema document: expected xs:schema at its root"))
        else:
            yield name, root
    if message_format.main not in message_format.schemas:
        problems.append(_breach("main", "names no file of the format"))


def _resolve(documents: Mapping[str, Any], problems: list[Breach]) -> None:
    """Point every import and include to a file of the format."""
    by_namespace: dict[str | None, list[str]] = {}
    for name, root in documents.items():
        by_namespace.setdefault(root.get("targetNamespace"), []).append(name)
    for name, root in documents.items():
        for link in root.iter(*_LINKS):
            target = _target(name, link, documents, by_namespace)
            if target is not None:
                link.set("schemaLocation", _SCHEME + target)
            elif link.get("schemaLocation") or link.tag != _LINKS[0]:
                what = link.get("schemaLocation") or "nothing"
                problems.append(
                    _breach(f"schemas.{name}", f"refers to {what}, which is no file of the format")
                )


def _target(
    name: str, link: Any, documents: Mapping[str, Any], by_namespace: Mapping[str | None, list[str]]
) -> str | None:
    location = link.get("schemaLocation")
    if location:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(name), location))
        if path in documents:
            return path
    if link.tag == _LINKS[0]:
        having = by_namespace.get(link.get("namespace"), [])
        if len(having) == 1:
            return having[0]
    return None


class _Files(etree.Resolver):  # type: ignore[misc]  # lxml has no types
    """Hands the library the format's own files; anything else is an empty document, which it refuses."""

    def __init__(self, documents: Mapping[str, Any]) -> None:
        self._octets = {_SCHEME + name: etree.tostring(root) for name, root in documents.items()}

    def resolve(self, system_url: str | None, public_id: str | None, context: Any) -> Any:
        del public_id
        return self.resolve_string(self._octets.get(system_url or "", b""), context, base_url=system_url)


def _compile(main: str, documents: Mapping[str, Any], problems: list[Breach]) -> Any:
    reader = parser()
    reader.resolvers.add(_Files(documents))
    root = etree.fromstring(etree.tostring(documents[main]), reader, base_url=_SCHEME + main)
    try:
        return etree.XMLSchema(root.getroottree())
    except etree.LxmlError as err:
        problems.append(_breach(f"schemas.{main}", f"is no XML Schema: {err}"))
        return None


def _root_problems(message_format: NiemFormat, declarations: _Declarations) -> Iterator[Breach]:
    root = message_format.root
    if root is not None and root not in declarations.global_elements:
        yield _breach(
            "root", "is no global element of the format: expected {namespace}LocalName of one (rule 11-1)"
        )


def _pattern_degree(documents: Mapping[str, Any], problems: list[Breach]) -> int:
    greatest = 0
    for name, root in documents.items():
        for facet in root.iter(f"{{{XSD}}}pattern"):
            try:
                degree = pattern_degree(facet.get("value", ""), Dialect.WHOLE)
            except PatternError as err:
                problems.append(_breach(f"schemas.{name}", f"line {facet.sourceline}: the pattern {err}"))
                continue
            greatest = max(greatest, degree)
            if degree > PATTERN_DEGREE_MAX:
                problems.append(
                    _breach(
                        f"schemas.{name}",
                        f"line {facet.sourceline}: the pattern can take a time that grows with the length of the "
                        f"text to the power of {degree}; expected {PATTERN_DEGREE_MAX} at most",
                    )
                )
    return greatest


class _Declarations:
    """What the schema documents declare."""

    def __init__(self, documents: Mapping[str, Any]) -> None:
        self.names: set[str] = set()
        self.global_elements: set[str] = set()
        self.prefixes: dict[str, str] = {XML: "xml"}
        self._bases: dict[str, str] = {}
        """What each simple type is restricted from."""
        self._attributes: list[tuple[str, str]] = []
        """Name and type of every attribute that is declared."""
        for root in documents.values():
            self._read(root)

    def uri_attributes(self) -> Iterator[str]:
        """Yield the attributes that are URIs wherever they are declared."""
        others = {name for name, kind in self._attributes if not self._is_uri(kind)}
        yield from {name for name, kind in self._attributes} - others
        yield f"{{{XML}}}base"

    def _is_uri(self, kind: str) -> bool:
        seen: set[str] = set()
        while kind != _URI_TYPE and kind in self._bases and kind not in seen:
            seen.add(kind)
            kind = self._bases[kind]
        return kind == _URI_TYPE

    def _read(self, root: Any) -> None:
        target = root.get("targetNamespace", "")
        for prefix, namespace in root.nsmap.items():
            if prefix:
                self.prefixes.setdefault(namespace, prefix)
        for node in root.iter(f"{{{XSD}}}element", f"{{{XSD}}}attribute", f"{{{XSD}}}simpleType"):
            if node.get("name") is None:
                continue
            match etree.QName(node).localname:
                case "simpleType":
                    self._bases[_name(target, node.get("name"))] = _base(node)
                case kind:
                    self._declare(root, node, target, kind)

    def _declare(self, root: Any, node: Any, target: str, kind: str) -> None:
        is_global = node.getparent() is root
        form = node.get("form") or root.get(f"{kind}FormDefault")
        name = _name(target if is_global or form == "qualified" else "", node.get("name"))
        self.names.add(name)
        if kind == "attribute":
            inline = node.find(f"{{{XSD}}}simpleType")
            self._attributes.append((name, _qname(node, "type") if inline is None else _base(inline)))
        elif is_global and node.get("abstract") not in {"true", "1"}:
            self.global_elements.add(name)


def _name(namespace: str, local: str) -> str:
    return f"{{{namespace}}}{local}" if namespace else local


def _base(simple_type: Any) -> str:
    """Return the type that a simple type restricts; empty where it is a list or a union."""
    restriction = simple_type.find(f"{{{XSD}}}restriction")
    return "" if restriction is None else _qname(restriction, "base")


def _qname(node: Any, attribute: str) -> str:
    prefix, _, local = node.get(attribute, "").strip().rpartition(":")
    return _name(node.nsmap.get(prefix or None) or "", local)
