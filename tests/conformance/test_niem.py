"""NIEM: the messages of others, and which rules of NDR 6.0 are checked, against the specification's own list."""

import ast
import csv
import dataclasses
import json
import re
from pathlib import Path

import pytest

import govbus.routing.niem
from govbus.routing.directory.model import NiemFormat
from govbus.routing.niem.formats import document_breaches, format_breaches

CHECKED = {
    "7-16", "7-17", "7-19", "7-31", "7-38", "7-53",
    "8-1", "8-4", "8-7", "8-8",
    "12-1", "12-2", "12-7", "12-8", "12-12", "12-13", "12-14", "12-15",
    "13-1", "13-2", "13-3", "13-4", "13-5", "13-6", "13-7", "13-8",
}  # fmt: skip
"""Rules of the NDR that findings of ours name; ``docs/niem.md`` says of each how far it is checked."""
MANUAL = {"7-31"}
"""Those that the specification leaves to people: of 7-31 only the form of the name is looked at."""
NOT_CHECKED = {"12-3", "12-4", "12-5", "12-6", "12-9", "12-10", "12-11"}
"""Rules on messages that need more of the model than the schema of a message format shows."""


@pytest.fixture(scope="module")
def crash_driver(conformance_data):
    folder = conformance_data / "niem/ndr-crash-driver"
    message = json.loads((folder / "CrashDriver.json").read_text(encoding="utf-8"))
    message_format = NiemFormat(
        syntax="json",
        place="body.message",
        schemas={"CrashDriver.jschema": (folder / "CrashDriver.jschema").read_bytes()},
        main="CrashDriver.jschema",
        root="exch:CrashDriverInfo",
        context=message["@context"],
    )
    return message_format, message


def _rules(message_format, message):
    value = {"body": {"message": json.dumps(message)}}
    found = document_breaches(value, message_format)
    return [re.search(r"rule ([0-9]+-[0-9]+)", breach.detail)[1] for breach in found]


@pytest.mark.conformance_set("niem/ndr-crash-driver")
def test_crash_driver_format_is_accepted(crash_driver, record_property):
    """The NDR's example of a JSON message format can be registered as it is."""
    record_property("cases", 1)
    assert [] == format_breaches(crash_driver[0])


@pytest.mark.conformance_set("niem/ndr-crash-driver")
def test_crash_driver_message_breaks_one_rule(crash_driver, record_property):
    """The NDR's example is valid, and breaks its rule 13-8: an association and metadata have one @id (measured)."""
    message_format, message = crash_driver
    record_property("cases", 1)

    assert ["13-8"] == _rules(message_format, message)
    message["exch:CrashDriverInfo"]["j:Metadata"]["@id"] = "#JMD02"
    assert [] == _rules(message_format, message)


@pytest.mark.conformance_set("niem/ndr-crash-driver")
@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("13-4", lambda message, info: message.pop("@context")),
        ("13-4", lambda message, info: message["@context"].pop("j")),
        ("13-3", lambda message, info: info.pop("nc:Person")),
        ("13-3", lambda message, info: info["j:Charge"][0].update({"j:ChargeFelonyIndicator": "no"})),
        ("13-5", lambda message, info: info.update({"nc:Unknown": 1})),
        ("13-6", lambda message, info: info["j:Charge"].append(
            {"@id": "#CH01", "j:ChargeDescriptionText": "Another", "j:ChargeFelonyIndicator": False})),
        ("13-8", lambda message, info: info["j:Charge"][0].update({"@id": "#P01"})),
    ],
)  # fmt: skip
def test_crash_driver_message_broken_in_one_place(crash_driver, rule, change):
    """The example, mended, is refused when one thing in it is broken."""
    message_format, message = crash_driver
    message = json.loads(json.dumps(message))
    message["exch:CrashDriverInfo"]["j:Metadata"]["@id"] = "#JMD02"
    change(message, message["exch:CrashDriverInfo"])

    assert {rule} == set(_rules(message_format, message))


@pytest.mark.conformance_set("niem/ndr-crash-driver")
def test_crash_driver_inline_where_its_model_says_so(crash_driver):
    """With the reference code of a property in the schema, rule 13-7 is checked on the same message."""
    message_format, message = crash_driver
    message = json.loads(json.dumps(message))
    message["exch:CrashDriverInfo"]["j:Metadata"]["@id"] = "#JMD02"
    schema = json.loads(message_format.schemas["CrashDriver.jschema"])
    schema["definitions"]["j:ChargeType"]["referenceCode"] = "NONE"
    schemas = {"CrashDriver.jschema": json.dumps(schema).encode()}

    assert {"13-7"} == set(_rules(dataclasses.replace(message_format, schemas=schemas), message))


@pytest.mark.conformance_set("niem/ndr")
def test_rules_that_are_checked(conformance_data, record_property):
    """Every rule that we check is in the list, and automatable but for what is named; so is what we leave out."""
    with (conformance_data / "niem/ndr/ndr6-rules.csv").open(newline="", encoding="utf-8") as file:
        listed = {row["rule"]: row["checkability"] for row in csv.DictReader(file)}
    record_property("cases", len(CHECKED))

    assert MANUAL == {rule for rule in CHECKED if listed[rule] != "automatable"}
    messages = {rule for rule in listed if rule.startswith(("12-", "13-"))}
    assert messages == {rule for rule in CHECKED | NOT_CHECKED if rule.startswith(("12-", "13-"))}
    assert not CHECKED & NOT_CHECKED


def test_rules_that_findings_name():
    """The code of the package and its page name each rule that is checked."""
    folder = Path(govbus.routing.niem.__file__).parent
    texts = [
        node.value
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    page = (Path(__file__).parents[2] / "docs/niem.md").read_text(encoding="utf-8")

    assert CHECKED == {text for text in texts if re.fullmatch(r"(7|8|12|13)-[0-9]+", text)}
    assert set(re.findall(r"^\| ([0-9]+-[0-9]+) \|", page, re.MULTILINE)) == CHECKED | NOT_CHECKED
