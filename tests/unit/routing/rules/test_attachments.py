"""Attachments are found wherever a schema has them, and cost nothing where it has none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from govbus.routing.rules.attachments import ATTACHMENT, attachment_finder
from govbus.schemas.bundled import definition, folder
from govbus.schemas.codec import AvroCodec

_TYPE = definition("core/attachment/v1")
_ONE = {"name": "a.txt", "media_type": "text/plain", "content": b"a"}
_TWO = {"name": "b.txt", "media_type": "text/plain", "content": b"b"}


def _record(*fields: tuple[str, Any], name: str = "Letter") -> dict[str, Any]:
    return {
        "type": "record",
        "name": name,
        "namespace": "tax",
        "fields": [{"name": field, "type": schema} for field, schema in fields],
    }


def _found(schema: Any, value: Any) -> list[str]:
    codec = AvroCodec(schema)
    return [one["name"] for one in attachment_finder(codec)(codec.decode(codec.encode(value)))]


def test_the_shipped_type_has_the_name_that_is_looked_for():
    """Payload schemas copy the shipped type; its example is a value of it."""
    assert f"{_TYPE['namespace']}.{_TYPE['name']}" == ATTACHMENT
    example = json.loads((folder() / "core/attachment/v1.example.json").read_text("utf-8"))
    assert set(example) == set(_ONE)


@pytest.mark.parametrize(
    ("schema", "value", "names"),
    [
        (_record(("scan", _TYPE)), {"scan": _ONE}, ["a.txt"]),
        (_record(("scan", ["null", _TYPE])), {"scan": None}, []),
        (_record(("scan", ["null", _TYPE])), {"scan": _ONE}, ["a.txt"]),
        (_record(("scans", {"type": "array", "items": _TYPE})), {"scans": [_ONE, _TWO]}, ["a.txt", "b.txt"]),
        (_record(("scans", {"type": "map", "values": _TYPE})), {"scans": {"x": _TWO}}, ["b.txt"]),
        (_record(("scan", _TYPE), ("copy", ATTACHMENT)), {"scan": _ONE, "copy": _TWO}, ["a.txt", "b.txt"]),
        (
            _record(("parts", {"type": "array", "items": _record(("scan", ["null", _TYPE]), name="Part")})),
            {"parts": [{"scan": None}, {"scan": _TWO}]},
            ["b.txt"],
        ),
        (
            _record(("first", _record(("scan", _TYPE), name="Part")), ("second", "Part")),
            {"first": {"scan": _ONE}, "second": {"scan": _TWO}},
            ["a.txt", "b.txt"],
        ),
        (
            _record(
                (
                    "either",
                    [_record(("text", "string"), name="Text"), _TYPE, {"type": "array", "items": ATTACHMENT}],
                )
            ),
            {"either": [_TWO]},
            ["b.txt"],
        ),
        (
            _record(("either", [_record(("text", "string"), name="Text"), _TYPE])),
            {"either": {"text": "x"}},
            [],
        ),
        (
            _record(("first", _record(("scan", _TYPE), name="Part")), ("second", ["null", "Part"])),
            {"first": {"scan": _ONE}, "second": {"scan": _TWO}},
            ["a.txt", "b.txt"],
        ),
        (
            _record(("scan", {"type": "map", "values": ["null", _TYPE]})),
            {"scan": {"x": None, "y": _ONE}},
            ["a.txt"],
        ),
    ],
)
def test_finds_attachments_in_every_place(schema: Any, value: Any, names: list[str]):
    """In fields, unions, arrays and maps, nested and by reference; what is not there yields nothing."""
    assert _found(schema, value) == names


def test_other_records_are_no_attachments():
    """A record with the same fields and another name is not one: the name says what is meant."""
    other = {**_TYPE, "namespace": "tax"}
    assert _found(_record(("scan", other)), {"scan": _ONE}) == []


def test_a_schema_without_attachments_is_never_walked():
    """The finder of such a schema does not look at the value at all."""
    codec = AvroCodec(_record(("text", "string")))
    assert list(attachment_finder(codec)(None)) == []
