"""Message formats and places: found, read once, and never passed over in silence."""

import dataclasses
import json
import subprocess
import sys

import pytest

from govbus.document.finding import Breach
from govbus.routing.niem import formats
from govbus.routing.niem.formats import document_breaches, format_breaches
from govbus.routing.niem.places import Found, messages_in, place_breaches

from . import samples

FORMAT = samples.XML_FORMAT
ATTACHMENT = {
    "type": "record",
    "name": "Attachment",
    "namespace": "govbus.core",
    "fields": [
        {"name": name, "type": kind}
        for name, kind in (("name", "string"), ("media_type", "string"), ("content", "bytes"))
    ],
}


def _attached(media_type, content=b"x"):
    return {"name": "a", "media_type": media_type, "content": content}


def _found(body, **changes):
    return list(messages_in({"record": {}, "body": body}, dataclasses.replace(FORMAT, **changes)))


@pytest.mark.parametrize(
    ("body", "places"),
    [
        ({"message": b"x"}, ["body.message"]),
        ({"message": "x"}, ["body.message"]),
        ({"message": None}, []),
        ({"message": [b"x", "y"]}, ["body.message.0", "body.message.1"]),
        ({"message": {"a": b"x"}}, ["body.message.*"]),
        ({"message": _attached("a/b")}, ["body.message.content"]),
        ({"message": [_attached("a/b"), None]}, ["body.message.0.content"]),
    ],
)
def test_messages_are_found(body, places):
    """A message is bytes, a string or an attachment, alone or several; null is none."""
    assert places == [one.place for one in _found(body) if isinstance(one, Found)]
    assert [] == [one for one in _found(body) if isinstance(one, Breach)]


def test_messages_in_records_and_lists():
    """A place leads through records and through every element of arrays."""
    body = {"cases": [{"message": b"1"}, {"message": b"2"}]}
    assert [("body.cases.0.message", b"1"), ("body.cases.1.message", b"2")] == _found(
        body, place="body.cases.message"
    )


def test_attachments_of_a_media_type():
    """Where the format names a media type, other attachments are no messages; case and parameters do not tell."""
    body = {"message": [_attached("application/pdf"), _attached("Application/NIEM+xml; charset=utf-8")]}

    (found,) = _found(body, media_type="application/niem+xml")
    assert "body.message.1.content" == found.place


@pytest.mark.parametrize("body", [{}, {"message": 5}, {"message": [1.5]}, {"message": {"a": True}}])
def test_anything_else_is_a_breach(body):
    """A document that has no such field, or something else in it, is not let pass unlooked at."""
    (found,) = _found(body)
    assert ("NDR-12", "body.message") == (found.rule, found.field)


def _schema(kind):
    return {"type": "record", "name": "M", "fields": [{"name": "message", "type": kind}]}


@pytest.mark.parametrize(
    "kind",
    [
        "bytes",
        ["null", "string"],
        {"type": "array", "items": "bytes"},
        {"type": "map", "values": ["null", "string"]},
        {"type": "bytes", "logicalType": "x"},
        ATTACHMENT,
        ["null", {"type": "array", "items": ATTACHMENT}],
    ],
)
def test_place_that_can_hold_a_message(kind):
    """A field of bytes, string or attachment, or of several of them, can hold a message."""
    assert [] == list(place_breaches(FORMAT, _schema(kind)))


@pytest.mark.parametrize(
    "kind", ["int", ["null", "boolean"], _schema("bytes"), {"type": "array", "items": "long"}]
)
def test_place_that_cannot(kind):
    """Any other field cannot, and neither can a field that is not there."""
    (found,) = place_breaches(FORMAT, {**_schema(kind), "name": "N"})
    assert ("NDR-12", "place") == (found.rule, found.field)

    (found,) = place_breaches(dataclasses.replace(FORMAT, place="body.none"), _schema("bytes"))
    assert "place" == found.field


def test_place_through_named_types():
    """A named type that was defined before is followed by its name."""
    inner = {**_schema("bytes"), "name": "Inner"}
    fields = [{"name": "first", "type": inner}, {"name": "second", "type": ["null", "Inner"]}]
    outer = {"type": "record", "name": "Outer", "fields": fields}

    assert [] == list(place_breaches(dataclasses.replace(FORMAT, place="body.second.message"), outer))


def test_formats_are_read_once(monkeypatch):
    """A format is read once for its content, however often the directory changes around it."""
    formats._ready.clear()
    made = []
    compiled = formats._compiled
    monkeypatch.setattr(formats, "_compiled", lambda one: made.append(one) or compiled(one))

    for _ in range(3):
        assert [] == format_breaches(dataclasses.replace(samples.XML_FORMAT))
        assert [] == format_breaches(dataclasses.replace(samples.JSON_FORMAT))
    assert 2 == len(made)
    format_breaches(dataclasses.replace(samples.XML_FORMAT, root=None))
    assert 3 == len(made)


def test_few_formats_are_kept(monkeypatch):
    """The formats that are kept are bounded; the one used longest ago goes first."""
    formats._ready.clear()
    monkeypatch.setattr(formats, "FORMATS_MAX", 2)
    monkeypatch.setattr(formats, "_compiled", lambda one: (Breach("NDR-12", "main", one.main),))

    for main in ("a", "b", "a", "c"):
        format_breaches(dataclasses.replace(FORMAT, main=main))
    assert ["a", "c"] == [ready[0].detail for ready in formats._ready.values()]
    formats._ready.clear()


def test_documents_of_both_syntaxes():
    """Each format judges its own messages."""
    value = {"body": {"message": samples.XML_MESSAGE, "json": json.dumps(samples.JSON_MESSAGE).encode()}}

    assert [] == list(document_breaches(value, samples.XML_FORMAT))
    assert [] == list(document_breaches(value, dataclasses.replace(samples.JSON_FORMAT, place="body.json")))
    assert "NDR-13" == next(document_breaches(value, samples.JSON_FORMAT)).rule


@pytest.mark.parametrize("message_format", [samples.XML_FORMAT, samples.JSON_FORMAT])
def test_broken_format_lets_nothing_pass(message_format):
    """Where a registered format cannot be used, its messages are refused and not passed over."""
    broken = dataclasses.replace(message_format, main="none")

    (found,) = document_breaches({"body": {"message": b"x"}}, broken)
    assert "cannot be used" in found.detail
    assert format_breaches(broken)


def test_libraries_are_loaded_late():
    """A bus without NIEM payloads does not load the libraries that read XML and JSON-LD."""
    program = (
        "import sys, govbus.routing.rules.niem; sys.exit(any(one in sys.modules for one in ('lxml', 'pyld')))"
    )
    assert 0 == subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode
