"""The NIEM naming and design rules that are cited, against the specification's own list."""

import csv
import json
import re

import pytest

from govbus.routing.rules.catalogue import RULES

pytestmark = pytest.mark.conformance_set("niem/ndr")

NUMBER = re.compile(r"\b\d{1,2}-\d{1,2}\b")


@pytest.fixture(scope="module")
def listed(conformance_data):
    with (conformance_data / "niem/ndr/ndr6-rules.csv").open(newline="", encoding="utf-8") as file:
        return {row["rule"]: row for row in csv.DictReader(file)}


def _cited():
    """Return the numbers of NDR rules in the citation of every rule of ours that names the NDR."""
    return {
        rule.id: NUMBER.findall(rule.citation.partition("NDR")[2])
        for rule in RULES.values()
        if "NDR" in rule.citation
    }


def test_every_cited_rule_can_be_checked(listed, record_property):
    """Each NDR rule that one of ours cites exists, and the specification marks it as automatable."""
    cited = _cited()
    record_property("cases", len({number for numbers in cited.values() for number in numbers}))

    assert {"DRM-4"} <= cited.keys()
    for numbers in cited.values():
        assert numbers
        assert [] == [number for number in numbers if listed[number]["checkability"] != "automatable"]


def test_message_rules_are_cited_where_they_are_checked(listed):
    """A rule of ours on XML messages cites rules of section 12, one on JSON messages of section 13."""
    for rule, section in (("NDR-12", "12"), ("NDR-13", "13")):
        assert {section} == {number.partition("-")[0] for number in _cited().get(rule, [])}


def test_the_list_is_whole(listed, conformance_data, record_property):
    """The list has 206 rules, 176 of them automatable; what it takes from NDR 5.0 is there but for one."""
    older = json.loads((conformance_data / "niem/ndr/ndr5-rules.json").read_text(encoding="utf-8"))
    numbers = {rule["number"] for rule in older}
    origins = {
        number
        for row in listed.values()
        if row["ndr5_origin"].startswith("N5R")
        for number in NUMBER.findall(row["ndr5_origin"])
    }
    record_property("cases", len(listed))

    assert (206, 176) == (len(listed), sum(row["checkability"] == "automatable" for row in listed.values()))
    assert 260 == len(older)
    assert {"8-10"} == origins - numbers
