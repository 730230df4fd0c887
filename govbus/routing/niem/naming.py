"""Looks at names and documentation in Avro schemas that say they are NIEM (NDR 6.0, sections 7 and 8).

A payload schema says so in attributes of its own, which Avro keeps and ignores:

- ``govbus.niem`` on a record: ``{"namespace": URI, "version": text, "language": tag}``. The record, and everything
  inside it, is from that namespace.
- ``govbus.niem.name`` on a record, enum, fixed or field: its NIEM name, where Avro cannot have it. NIEM allows ``-``
  and ``.`` in names, Avro does not.

A schema without ``govbus.niem`` says nothing about NIEM, and is not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from govbus.document.finding import Breach
from govbus.routing.niem.uris import is_absolute_uri
from govbus.routing.rules.language_tags import is_well_formed
from govbus.schemas.walk import NAMED_KINDS, Part, join, parts

CLAIM: Final = "govbus.niem"
"""Attribute of a record: the NIEM namespace that it is from."""
NAME: Final = "govbus.niem.name"
"""Attribute of a record, enum, fixed or field: its name in NIEM."""
REPRESENTATION_TERMS: Final = (
    *("Amount", "BinaryObject", "Graphic", "Picture", "Sound", "Video", "Code"),
    *("DateTime", "Date", "Time", "Duration", "ID", "URI", "Indicator", "Measure"),
    *("Numeric", "Value", "Rate", "Percent", "Quantity", "Text", "Name"),
    *("List", "Abstract", "Representation"),
)
"""NDR 6.0, table 7-1."""

_CHARACTERS: Final = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)
_CAMEL: Final = re.compile(r"[A-Za-z0-9]+(?:[_.-][A-Z0-9][A-Za-z0-9]*)*", re.ASCII)
_SPECIAL: Final = re.compile(r"[.-]")
"""What NIEM allows in a name and Avro does not."""
_INDICATOR: Final = re.compile(r"True if \S.*; false (?:otherwise|if)\b", re.DOTALL)
_VERSION_AT_END: Final = re.compile(r"(?:/[^/:?#]*[0-9][^/:?#]*/|:[^/:?#]*[0-9][^/:?#]*)\Z")
"""``/version/`` of a URL, or ``:version`` of a URN; a version has a digit."""
_SCALARS: Final = frozenset({"boolean", "int", "long", "float", "double", "bytes", "string"})


def naming_breaches(definition: Mapping[str, Any]) -> Iterator[Breach]:
    """Yield what is unusual for NIEM in a payload's schema; nothing where it does not say that it is NIEM.

    Args:
        definition: the payload's schema as JSON values.
    """
    claims: list[str] = []
    enums = {part.node.get("name") for part in parts(definition) if part.kind == "enum" and _has_name(part)}
    for part in parts(definition):
        if CLAIM in part.node:
            claims.append(part.place)
            yield from _namespace_breaches(part.node[CLAIM], join(part.place, CLAIM))
        if any(_is_inside(part.place, claim) for claim in claims) and part.kind in {*NAMED_KINDS, "field"}:
            yield from _component_breaches(part, enums)


def _has_name(part: Part) -> bool:
    return isinstance(part.node.get("name"), str)


def _is_inside(place: str, claim: str) -> bool:
    return not claim or place == claim or place.startswith(claim + ".")


def _breach(field: str, rule: str, detail: str) -> Breach:
    return Breach("NDR-7", field, f"NDR 6.0 rule {rule}: {detail}")


def _namespace_breaches(claim: Any, place: str) -> Iterator[Breach]:
    given = claim if isinstance(claim, Mapping) else {}
    uri = given.get("namespace")
    if not isinstance(uri, str) or not is_absolute_uri(uri):
        yield _breach(join(place, "namespace"), "8-1", "a namespace is an absolute URI, without a fragment")
    elif _VERSION_AT_END.search(uri) is None:
        yield _breach(join(place, "namespace"), "8-4", "a namespace ends in /version/, or a URN in :version")
    version = given.get("version")
    if not isinstance(version, str) or not version.strip():
        yield _breach(join(place, "version"), "8-7", "a namespace has a version")
    language = given.get("language")
    if not isinstance(language, str) or not is_well_formed(language):
        yield _breach(join(place, "language"), "8-8", "a namespace has a default language, such as en-US")


def _component_breaches(part: Part, enums: Collection[Any]) -> Iterator[Breach]:
    avro_name = part.node.get("name")
    avro_name = avro_name if isinstance(avro_name, str) else ""
    if part.kind != "field":
        avro_name = avro_name.rpartition(".")[2]  # a dot in the name of a type sets off its namespace in Avro
    niem_name = part.node.get(NAME, avro_name)
    niem_name = niem_name if isinstance(niem_name, str) else ""
    yield from _avro_name_breaches(part.place, avro_name, niem_name)
    yield from _name_breaches(part.place, niem_name)
    doc = part.node.get("doc")
    doc = doc.strip() if isinstance(doc, str) else ""
    if not doc:
        yield _breach(join(part.place, "doc"), "7-38", "a component has a definition")
    if part.kind == "field":
        if _is_data(part.node.get("type"), enums) and not niem_name.endswith(REPRESENTATION_TERMS):
            yield _breach(
                join(part.place, "name"),
                "7-31",
                "the name of a data property ends in a representation term such as Code, Date, ID, Indicator or Text",
            )
        if doc and niem_name.endswith("Indicator") and _INDICATOR.match(doc) is None:
            yield _breach(
                join(part.place, "doc"),
                "7-53",
                'expected "True if ...; false otherwise." or "...; false if ..."',
            )


def _avro_name_breaches(place: str, avro_name: str, niem_name: str) -> Iterator[Breach]:
    """Yield where an Avro name cannot be the NIEM name, or does not stand for it."""
    allowed = _SPECIAL.sub("_", niem_name)
    if _SPECIAL.search(avro_name):
        yield _breach(
            join(place, "name"),
            "7-16",
            f"NIEM allows - and . in a name, Avro does not: name it {allowed}, and give the NIEM name as {NAME}",
        )
    elif avro_name != allowed:
        yield _breach(join(place, "name"), "7-16", f"expected {allowed}, which stands for the name in {NAME}")


def _name_breaches(place: str, name: str) -> Iterator[Breach]:
    field = join(place, "name")
    if _CHARACTERS.fullmatch(name) is None:
        yield _breach(field, "7-16", "a name has letters, digits, underscores, hyphens and periods only")
        return
    if _CAMEL.fullmatch(name) is None:
        yield _breach(field, "7-17", "a name is in camel case: every word begins with an upper-case letter")
    if not name[0].isupper():
        yield _breach(field, "7-19", "a name begins with an upper-case letter")


def _is_data(kind: Any, enums: Collection[Any]) -> bool:
    """Return whether a field has plain values, or arrays of them, and so is a data property."""
    match kind:
        case list():
            branches = [branch for branch in kind if branch != "null"]
            return bool(branches) and all(_is_data(branch, enums) for branch in branches)
        case str():
            return kind in _SCALARS or kind.rpartition(".")[2] in enums
        case {"type": "array", "items": items}:
            return _is_data(items, enums)
        case {"type": "enum"}:
            return True
        case {"type": inner}:
            return _is_data(inner, enums)
        case _:
            return False
