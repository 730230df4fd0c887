"""The metadata elements of 36 CFR 1236.54: each has its place in a document, and its rule."""

import json

import pytest

from govbus.routing.rules.catalogue import RULES
from govbus.schemas.bundled import definition
from govbus.testing.rule_examples import run_example

pytestmark = pytest.mark.conformance_set("records/36cfr1236_54.json")

ELEMENTS = {
    "Identifier: Record ID": ("record_id", "record: {record_id: ''}", "REC-1"),
    "Identifier: Records Schedule Item #": (
        "records_schedule.authority",
        "record: {records_schedule: null}",
        "REC-2",
    ),
    "Relation: Has Part": (
        "relations.rel=hasPart",
        "record: {relations: [{rel: hasPart, id: TA-2026-000017}]}",
        "REC-5",
    ),
    "Relation: Is Part Of": (
        "relations.rel=isPartOf",
        "record: {relations: [{rel: isPartOf, id: A}, {rel: isPartOf, id: A}]}",
        "REC-5",
    ),
    "Access Restriction Status": (
        "access_restriction.status",
        "record: {access_restriction: {status: ''}}",
        "REC-3",
    ),
    "Specific Access Restriction": (
        "access_restriction.specific",
        "record: {access_restriction: {status: Restricted - Fully, specific: []}}",
        "REC-3",
    ),
    "Use Restriction Status": ("use_restriction.status", "record: {use_restriction: {status: ''}}", "REC-3"),
    "Specific Use Restriction": (
        "use_restriction.specific",
        "record: {use_restriction: {status: Restricted - Partly, specific: []}}",
        "REC-3",
    ),
    "Rights: Rights Holder": ("rights_holder", "record: {rights_holder: ''}", "REC-4"),
    "Title": ("title", "record: {title: ''}", "REC-4"),
    "Description": ("description", "record: {description: ''}", "REC-4"),
    "Creator": ("creator.name", "record: {creator: {name: ''}}", "REC-4"),
    "Date: Creation Date": ("ce_time", "headers: {ce_time: null}", "CE-1"),
    "Message Digest Algorithm": (
        "digests.alg",
        "record: {digests: [{attachment: a.txt, alg: md5, hex: 900150983cd24fb0d6963f7d28e17f72}]}",
        "REC-6",
    ),
    "Message Digest (checksum)": (
        "digests.hex",
        "record: {digests: [{attachment: a.txt, alg: sha-256, hex: 00}]}",
        "REC-6",
    ),
}
"""Place of each element, a document in which it is wrong, and the rule that says so."""
LEFT_OUT = {"Identifier: File Name", "Source Type", "Source Dimensions"}
"""A document is no file, and nothing that was digitised; attachments carry their own names."""


@pytest.fixture(scope="module")
def elements(conformance_data):
    return json.loads((conformance_data / "records/36cfr1236_54.json").read_text(encoding="utf-8"))


def test_every_element_has_its_place(elements, record_property):
    """Every element of the regulation is listed here, and its field is one of the record metadata."""
    record_property("cases", len(elements))
    record_property("left_out", f"{', '.join(sorted(LEFT_OUT))}: of files and of what was digitised")

    assert {one["label"] for one in elements} == ELEMENTS.keys() | LEFT_OUT
    fields = set(_fields(definition("core/record_metadata/v1"), ""))
    assert {place for place, *_ in ELEMENTS.values()} - fields == {"ce_time"}


def _fields(schema, place):
    """Yield the path of every field, and of every symbol of an enum after ``=``."""
    match schema:
        case list(branches):
            for branch in branches:
                yield from _fields(branch, place)
        case {"type": "record", "fields": list(fields)}:
            for field in fields:
                inner = f"{place}.{field['name']}" if place else field["name"]
                yield inner
                yield from _fields(field["type"], inner)
        case {"type": "array", "items": inner}:
            yield from _fields(inner, place)
        case {"type": "enum", "symbols": symbols}:
            yield from (f"{place}={symbol}" for symbol in symbols)
        case "Restriction":
            yield from (f"{place}.{name}" for name in ("status", "specific"))


@pytest.mark.parametrize("label", ELEMENTS)
def test_an_element_that_is_wrong_is_found(elements, label):
    """A document in which the element is missing or wrong earns a finding of its rule, which cites the section."""
    _, example, rule = ELEMENTS[label]
    (section,) = {one["section"] for one in elements if one["label"] == label}

    assert run_example(example).of_rule(rule)
    assert rule == "CE-1" or section.removeprefix("36 CFR 1236.54") in RULES[rule].citation
