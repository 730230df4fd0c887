"""Entries that are wrong when they are to be registered: no such directory is ever signed, so no document suffers.

Each takes the files of a good directory, changes one thing, and names the rule that has to answer.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from govbus.document.finding import Severity
from govbus.routing.directory.files import DirectoryFiles

Files = dict[str, bytes]
_SUFFIXES: Final = frozenset({".yaml", ".pem", ".avsc", ".xsd", ".json"})


@dataclass(frozen=True, slots=True)
class WrongEntry:
    """One way for an entry to be wrong."""

    kind: str
    description: str
    rule: str
    apply: Callable[[Files], Files]
    severity: Severity = Severity.REFUSE


class RegistrationResult(NamedTuple):
    """What registration said to a wrong entry."""

    entry: WrongEntry
    is_found: bool
    """Whether the rule answered, and as gravely as expected."""
    detail: str
    """What it said; or, where it did not, what was said instead."""


def try_all(folder: Path, *, at_ms: int) -> Iterator[RegistrationResult]:
    """Yield what registration says to every wrong entry.

    Args:
        folder: a good directory.
        at_ms: when it would be registered.
    """
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.suffix in _SUFFIXES and "keys" not in path.relative_to(folder).parts
    }
    before = set(map(str, DirectoryFiles(files, at_ms=at_ms).problems))
    for wrong in WRONG_ENTRIES:
        problems = [
            problem
            for problem in DirectoryFiles(wrong.apply(dict(files)), at_ms=at_ms).problems
            if str(problem) not in before
        ]
        fitting = [str(one) for one in problems if one.rule == wrong.rule and one.severity is wrong.severity]
        told = fitting or [str(one) for one in problems] or ["nothing was found"]
        yield RegistrationResult(wrong, bool(fitting), told[0])


def _yaml(name: str, change: Callable[[dict[str, Any]], Any]) -> Callable[[Files], Files]:
    """Return what changes the value of a YAML file."""

    def apply(files: Files) -> Files:
        value = yaml.safe_load(files[name])
        change(value)
        return {**files, name: yaml.safe_dump(value, sort_keys=False).encode("utf-8")}

    return apply


def _schema(name: str, change: Callable[[dict[str, Any]], Any]) -> Callable[[Files], Files]:
    """Return what changes a payload schema."""

    def apply(files: Files) -> Files:
        definition = json.loads(files[name])
        change(definition)
        return {**files, name: json.dumps(definition).encode("utf-8")}

    return apply


def _second_version(files: Files) -> Files:
    """Add a version of the licence's schema that lost a field and gained one without a default."""
    package, first = "packages/licensing.licence.yaml", "schemas/licensing.licence.v1.avsc"
    second = "schemas/licensing.licence.v2.avsc"
    definition = json.loads(files[first])
    definition["fields"][0] = {"name": "number_of_licence", "doc": "Number of the licence.", "type": "string"}
    value = yaml.safe_load(files[package])
    value["schemas"].append({"file": second, "id": 999, "version": 2})
    return {
        **files,
        package: yaml.safe_dump(value, sort_keys=False).encode("utf-8"),
        second: json.dumps(definition).encode("utf-8"),
    }


def _set(**fields: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda value: value.update(copy.deepcopy(fields))


def _drop(*names: str) -> Callable[[dict[str, Any]], Any]:
    return lambda value: [value.pop(name) for name in names]


def _first_field(change: Mapping[str, Any], *, without: str = "") -> Callable[[dict[str, Any]], Any]:
    def apply(definition: dict[str, Any]) -> None:
        field = {**definition["fields"][0], **change}
        definition["fields"][0] = {name: part for name, part in field.items() if name != without}

    return apply


_BIRTHS: Final = "agreements/births.yaml"
_NOTICE: Final = "packages/procurement.notice.yaml"
_REFUNDS: Final = "assets/tax.example.refunds.yaml"
_LICENCE: Final = "schemas/licensing.licence.v1.avsc"
_LOCAL: Final = {"type": {"type": "long", "logicalType": "local-timestamp-millis"}}

WRONG_ENTRIES: Final = (
    WrongEntry(
        "supplier-unregistered",
        "An agreement with a supplier that nobody registered.",
        "DRM-2",
        _yaml(_BIRTHS, lambda value: value["supplier"].update(agency="nobody.example")),
    ),
    WrongEntry("no-purpose", "An agreement without a purpose.", "DRM-3", _yaml(_BIRTHS, _drop("purpose"))),
    WrongEntry(
        "field-undocumented",
        "A schema with a field that says not what it is.",
        "DRM-4",
        _schema(_LICENCE, _first_field({}, without="doc")),
    ),
    WrongEntry(
        "topic-of-nothing",
        "A package about a topic that no taxonomy has.",
        "DRM-5",
        _yaml(_NOTICE, _set(topics=[{"taxonomy": "government-topics", "topic": "weather"}])),
    ),
    WrongEntry(
        "steward-unregistered",
        "A data asset whose steward nobody registered.",
        "DRM-6",
        _yaml(_REFUNDS, lambda value: value["steward"].update(agency="nobody.example")),
    ),
    WrongEntry(
        "query-point-relative",
        "A query point at no absolute address.",
        "DRM-8",
        _yaml(_NOTICE, _set(query_points=[{"address": "/notices", "languages": []}])),
    ),
    WrongEntry(
        "version-incompatible", "A new version that old readers cannot read.", "AVR-2", _second_version
    ),
    WrongEntry(
        "local-timestamp", "A time that names no moment.", "AVR-3", _schema(_LICENCE, _first_field(_LOCAL))
    ),
    WrongEntry(
        "message-format-broken",
        "A NIEM message format whose schema is none.",
        "NDR-13",
        lambda files: {**files, "niem/traffic-citation.schema.json": b'{"type": 7}'},
    ),
    WrongEntry("no-keywords", "A data asset without keywords.", "DCAT-1", _yaml(_REFUNDS, _set(keywords=[]))),
    WrongEntry(
        "bureau-malformed",
        "A data asset with a bureau code of six digits.",
        "DCAT-2",
        _yaml(_REFUNDS, _set(bureau_codes=["015:450"])),
    ),
    WrongEntry(
        "contact-unreachable",
        "A contact at no address that a mailto: URI can hold.",
        "DCAT-4",
        _yaml(_REFUNDS, _set(contact={"name": "Desk", "email": "desk@localhost"})),
    ),
    WrongEntry(
        "status-unknown",
        "A restriction with a status of no authority list.",
        "DCAT-5",
        _yaml(_REFUNDS, _set(access_restriction={"status": "Rather not"})),
    ),
    WrongEntry(
        "category-unknown",
        "An agreement on a CUI category that the registry does not have.",
        "CUI-1",
        _yaml(_BIRTHS, _set(cui={"categories": ["GOSSIP"], "dissemination": []})),
    ),
    WrongEntry(
        "integrity-not-applicable",
        "An agreement that calls integrity not applicable.",
        "SEC-1",
        _yaml(_BIRTHS, _set(impact={"c": "MOD", "i": "NA", "a": "LOW"})),
    ),
    WrongEntry(
        "external-id-malformed",
        "An agency with a bureau code that is none.",
        "ID-1",
        _yaml("agencies/tax.example.yaml", _set(external_ids={"us-omb": "15:45"})),
    ),
)
"""Every kind of wrong entry."""
