"""XML message formats at registration: only the format's own files, and nothing that could take forever."""

import dataclasses

import pytest

from govbus.routing.niem.xml_message import xml_breaches
from govbus.routing.niem.xml_schema import XmlFormat, compile_xml

from . import samples


def _with(**files):
    schemas = {**samples.XML_FORMAT.schemas, **{name: text.encode() for name, text in files.items()}}
    return compile_xml(dataclasses.replace(samples.XML_FORMAT, schemas=schemas))


def test_what_a_finding_may_name():
    """Names and prefixes are those of the schema documents; attributes that are URIs are found through their types."""
    model = compile_xml(samples.XML_FORMAT)

    assert {f"{{{samples.CASE}}}CaseFiledDate", f"{{{samples.PARTY}}}homeURI", "page"} <= model.names
    assert ("case", "party") == (model.prefixes[samples.CASE], model.prefixes[samples.PARTY])
    assert {
        f"{{{samples.STRUCTURES}}}uri",
        f"{{{samples.PARTY}}}homeURI",
        "page",
        "{http://www.w3.org/XML/1998/namespace}base",
    } == model.uri_attributes


def test_import_without_location():
    """A namespace that is imported without a location, or with one elsewhere, is the one file that has it."""
    without = samples.CASE_XSD.replace(' schemaLocation="model/party.xsd"', "")
    elsewhere = samples.CASE_XSD.replace("model/party.xsd", "https://party.example/party.xsd")

    for text in (without, elsewhere):
        model = _with(**{"case.xsd": text})
        assert isinstance(model, XmlFormat)
        assert [] == list(xml_breaches(samples.XML_MESSAGE.encode(), model, "body.message"))


@pytest.mark.parametrize(
    ("field", "word", "old", "new"),
    [
        ("schemas.case.xsd", "no well-formed XML", "</xs:schema>", ""),
        ("schemas.case.xsd", "document type", "<xs:schema ", "<!DOCTYPE x><xs:schema "),
        (
            "schemas.case.xsd",
            "no file of the format",
            'schemaLocation="model/party.xsd"',
            'schemaLocation="a"',
        ),
        (
            "schemas.case.xsd",
            "no file of the format",
            "<xs:import",
            '<xs:include schemaLocation="/etc/a"/><xs:import',
        ),
        ("schemas.case.xsd", "no XML Schema", 'type="xs:date"', 'type="case:None"'),
        ("schemas.case.xsd", "exponentially", "[A-Z]{2}", "([A-Z]+)+"),
        ("schemas.case.xsd", "power of 3", "[A-Z]{2}", ".*.*.*x"),
        ("root", "no global element", 'name="CaseMessage" type', 'name="Other" type'),
    ],
)
def test_what_is_refused(field, word, old, new):
    """What cannot be read, asks for other files or could take forever is refused, and the file is named."""
    changed = samples.CASE_XSD.replace(old, new)
    assert changed != samples.CASE_XSD
    if 'schemaLocation="a"' in new:
        changed = changed.replace(
            f'<xs:import namespace="{samples.PARTY}"', '<xs:import namespace="urn:other"'
        )

    found = _with(**{"case.xsd": changed})

    assert any(breach.field == field and word in breach.detail for breach in found)
    assert {"NDR-12"} == {breach.rule for breach in found}


def test_main_and_other_files():
    """The main file is one of the format, and every file is a schema document."""
    found = compile_xml(dataclasses.replace(samples.XML_FORMAT, main="none.xsd"))
    assert [("main", "names no file of the format")] == [(one.field, one.detail) for one in found]

    (found,) = _with(**{"note.xsd": "<note/>"})
    assert found.field == "schemas.note.xsd"


def test_files_on_disk_are_not_read(tmp_path):
    """A location that leads to a file on disk is refused, though the file is there."""
    other = tmp_path / "party.xsd"
    other.write_text('<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:other"/>')
    text = samples.CASE_XSD.replace(
        "<xs:import", f'<xs:import namespace="urn:other" schemaLocation="{other.as_uri()}"/><xs:import'
    )

    (found,) = _with(**{"case.xsd": text})
    assert "no file of the format" in found.detail
