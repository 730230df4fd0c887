"""Names and definitions in Avro schemas that say they are NIEM."""

import copy
import re

import pytest

from govbus.routing.niem.naming import naming_breaches

SCHEMA = {
    "type": "record",
    "name": "tax.AppealType",
    "doc": "A data type for an appeal.",
    "govbus.niem": {"namespace": "https://tax.example/ns/appeal/1.0/", "version": "1", "language": "en-US"},
    "fields": [
        {"name": "AppealID", "type": "string", "doc": "An identifier."},
        {
            "name": "AppealUrgentIndicator",
            "type": "boolean",
            "doc": "True if it is urgent; false if it can wait.",
        },
        {"name": "LDC_DLONLYText", "govbus.niem.name": "LDC-DLONLYText", "type": "string", "doc": "A list."},
        {
            "name": "AppealStatusCode",
            "doc": "A status.",
            "type": [
                "null",
                {"type": "enum", "name": "StatusCodeType", "doc": "A status.", "symbols": ["A"]},
            ],
        },
        {
            "name": "FormerStatusCode",
            "doc": "A status before.",
            "type": {"type": "array", "items": "StatusCodeType"},
        },
        {
            "name": "AppealPerson",
            "doc": "A person.",
            "type": {
                "type": "record",
                "name": "PersonType",
                "doc": "A data type for a person.",
                "fields": [{"name": "PersonName", "type": "string", "doc": "A name."}],
            },
        },
    ],
}
CLAIM = "govbus.niem"
PERSON = "fields.5.type"


def _rules(definition):
    return [
        (re.match(r"NDR 6\.0 rule ([0-9-]+): ", breach.detail)[1], breach.field)
        for breach in naming_breaches(definition)
    ]


def _changed(place, **changes):
    definition = copy.deepcopy(SCHEMA)
    node = definition
    for step in place.split(".") if place else ():
        node = node[int(step)] if step.isdigit() else node[step]
    for name, value in changes.items():
        if value is None:
            del node[name]
        else:
            node[name.replace("niem_name", "govbus.niem.name")] = value
    return definition


def _claimed(**changes):
    return {
        **SCHEMA,
        CLAIM: {name: one for name, one in {**SCHEMA[CLAIM], **changes}.items() if one is not None},
    }


def test_schema_in_the_form_of_niem():
    """A schema with NIEM names and definitions gives no finding."""
    assert [] == _rules(SCHEMA)


def test_schema_that_does_not_say_so():
    """A schema that says nothing of NIEM is not looked at."""
    definition = {"type": "record", "name": "x", "fields": [{"name": "some_thing", "type": "string"}]}
    assert [] == _rules(definition)


def test_only_what_is_inside_the_claim():
    """A record that says it is NIEM is looked at with everything inside; what stands beside it is not."""
    inner = {"type": "record", "name": "person", "doc": "A person.", CLAIM: SCHEMA[CLAIM], "fields": []}
    fields = [{"name": "owner", "type": inner}, {"name": "some_thing", "type": "string"}]

    assert [("7-19", "fields.0.type.name")] == _rules({"type": "record", "name": "x", "fields": fields})


@pytest.mark.parametrize(
    ("rule", "field", "definition"),
    [
        ("7-16", "fields.0.name", _changed("fields.0", name="Äppeal_ID", niem_name="ÄppealID")),
        ("7-17", "fields.0.name", _changed("fields.0", name="Appeal_id_ID")),
        ("7-19", "fields.0.name", _changed("fields.0", name="appealID")),
        ("7-19", f"{PERSON}.name", _changed(PERSON, name="personType")),
        ("7-31", "fields.0.name", _changed("fields.0", name="AppealNumber")),
        ("7-31", "fields.3.name", _changed("fields.3", name="AppealStatus")),
        ("7-31", "fields.4.name", _changed("fields.4", name="FormerStatus")),
        ("7-38", "fields.0.doc", _changed("fields.0", doc=None)),
        ("7-38", "fields.0.doc", _changed("fields.0", doc=" ")),
        ("7-38", "doc", _changed("", doc=None)),
        ("7-38", "fields.3.type.1.doc", _changed("fields.3.type.1", doc=None)),
        ("7-53", "fields.1.doc", _changed("fields.1", doc="Whether it is urgent.")),
        ("7-53", "fields.1.doc", _changed("fields.1", doc="True if it is urgent.")),
        ("8-1", "govbus.niem.namespace", _claimed(namespace="ns/appeal/1.0/")),
        ("8-1", "govbus.niem.namespace", _claimed(namespace="https://tax.example/ns/1.0/#")),
        ("8-1", "govbus.niem.namespace", _claimed(namespace=None)),
        ("8-4", "govbus.niem.namespace", _claimed(namespace="https://tax.example/ns/appeal/")),
        ("8-4", "govbus.niem.namespace", _claimed(namespace="urn:tax:appeal")),
        ("8-7", "govbus.niem.version", _claimed(version=" ")),
        ("8-7", "govbus.niem.version", _claimed(version=None)),
        ("8-8", "govbus.niem.language", _claimed(language="English please")),
        ("8-8", "govbus.niem.language", _claimed(language=None)),
    ],
)
def test_one_rule_broken(rule, field, definition):
    """One thing changed gives findings of its rule at its place."""
    found = _rules(definition)

    assert (rule, field) in found
    assert {rule} == {one for one, _ in found}


def test_object_property_needs_no_representation_term():
    """A field that holds a record is an object property; rule 7-31 is about data properties."""
    assert [] == _rules(_changed("fields.5", name="AppealPlaintiff"))


@pytest.mark.parametrize(
    "uri", ["urn:nato:stanag:0000:specname:1.5.1", "http://example.com/yourNS/1.1.1-alpha.7/"]
)
def test_namespaces_of_the_specification(uri):
    """The forms that rule 8-4 shows are accepted."""
    assert [] == _rules(_claimed(namespace=uri))


@pytest.mark.parametrize("name", ["LDC-DLONLYText", "LDC.DLONLYText"])
def test_name_that_avro_does_not_allow(name):
    """A NIEM name with a hyphen or a period is no Avro name: the finding gives the one that is (trap 7)."""
    definition = _changed("fields.2", name=name, **{"govbus.niem.name": name})
    (found,) = naming_breaches(definition)

    assert "fields.2.name" == found.field
    assert "name it LDC_DLONLYText, and give the NIEM name as govbus.niem.name" in found.detail


def test_name_that_stands_for_another():
    """The Avro name is the NIEM name with an underscore for each hyphen and period, and no other."""
    (found,) = naming_breaches(_changed("fields.2", name="DLONLYText"))
    assert "expected LDC_DLONLYText" in found.detail


@pytest.mark.parametrize(
    "definition",
    [
        {CLAIM: 1},
        {CLAIM: {"namespace": 1}, "type": "record", "name": 5, "fields": 7},
        {CLAIM: {}, "type": "record", "name": "A", "fields": [{"name": None, "type": {"type": None}}, 5]},
        {CLAIM: None, "type": "record", "name": "A", "govbus.niem.name": 5, "doc": 6, "fields": []},
        {CLAIM: {}, "type": "enum", "name": ["A"]},
    ],
)
def test_whatever_stands_there(definition):
    """A schema that is none gives findings and no failure."""
    assert all(breach.rule == "NDR-7" for breach in naming_breaches(definition))
