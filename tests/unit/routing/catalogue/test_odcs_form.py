"""The form of an Open Data Contract: a contract with everything in it is good, and each mistake has its place."""

import copy

import pytest

from govbus.routing.catalogue.odcs_form import contract_flaws
from govbus.routing.rules.contracts import BREACHES_MAX, contract_breaches
from govbus.testing.rich_contract import RICH_CONTRACT


def _set(path, value):
    path = path.replace("P/", "schema/0/properties/")
    contract = copy.deepcopy(RICH_CONTRACT)
    inner = contract
    *above, last = [int(step) if step.isdecimal() else step for step in path.split("/")]
    for step in above:
        inner = inner[step]
    inner[last] = value
    return contract


def test_everything_that_the_standard_has_is_taken():
    """A contract with every part of ODCS 3.1 has no flaw."""
    assert [] == contract_flaws(RICH_CONTRACT)


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("kind", "Contract", "kind"),
        ("surplus", 1, "surplus"),
        ("tags", ["a", 1], "tags.1"),
        ("tags", "a", "tags"),
        ("price", [], "price"),
        ("contractCreatedTs", "today", "contractCreatedTs"),
        ("servers/2/type", "mainframe", "servers.2.type"),
        ("servers/0/port", 9092, "servers.0.port"),
        ("servers/1/location", "https://h/x", "servers.1.location"),
        ("servers/1", 7, "servers.1"),
        ("servers/2/id", "a b", "servers.2.id"),
        ("team/members/0/dateIn", "2026-13-01", "team.members.0.dateIn"),
        ("slaProperties/0/value", {}, "slaProperties.0.value"),
        ("P/0/logicalType", "text", "P.0.logicalType"),
        ("P/0/logicalTypeOptions/minLength", -1, "P.0.logicalTypeOptions.minLength"),
        ("P/0/properties", [], "P.0.properties"),
        ("P/4/logicalTypeOptions/multipleOf", 0, "P.4.logicalTypeOptions.multipleOf"),
        ("P/4/logicalTypeOptions/minimum", True, "P.4.logicalTypeOptions.minimum"),
        ("P/6/logicalTypeOptions/required", ["a", "a"], "P.6.logicalTypeOptions.required"),
        ("P/6/logicalTypeOptions/required", [], "P.6.logicalTypeOptions.required"),
        ("P/7/items", 1, "P.7.items"),
        ("P/9/logicalTypeOptions", {"minLength": 1}, "P.9.logicalTypeOptions.minLength"),
        ("P/9/name", None, "P.9.name"),
        ("schema/0/relationships/0/to", "r.a", "schema.0.relationships.0"),
        ("schema/0/relationships/1/to", "a b", "schema.0.relationships.1.to"),
        ("schema/0/quality/0/mustBe", 1, "schema.0.quality.0.mustBe"),
        ("schema/0/quality/0/mustBeBetween", [1, 1.0], "schema.0.quality.0.mustBeBetween"),
        ("schema/0/quality/1/metric", "rowCounts", "schema.0.quality.1.metric"),
        ("schema/0/quality/2/implementation", 5, "schema.0.quality.2.implementation"),
        ("schema/0/quality/3/mustBe", 5, "schema.0.quality.3.mustBe"),
        ("schema/0/quality/4", "x", "schema.0.quality.4"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_at_its_place(path, value, field):
    """One thing changed gives one flaw, at that place."""
    field = field.replace("P.", "schema.0.properties.")
    assert [field] == [flaw.field for flaw in contract_flaws(_set(path, value))]


@pytest.mark.parametrize("value", [None, [], "x", 1.5, True])
def test_what_is_no_contract_at_all(value):
    """A file that holds no mapping is one flaw."""
    (flaw,) = contract_flaws(value)

    assert ("", "expected a mapping") == (flaw.field, flaw.detail[:18])


def test_members_of_a_team_may_stand_in_its_place():
    """Before 3.1 the team was the list of its members; that is still taken, and looked at."""
    assert [] == contract_flaws(_set("team", [{"username": "a"}]))
    assert ["team.0.username"] == [flaw.field for flaw in contract_flaws(_set("team", [{}]))]


def test_findings_of_one_contract_are_bounded():
    """A file of nothing but mistakes does not make a page of findings without end."""
    contract = _set("tags", list(range(1000)))

    assert BREACHES_MAX == len(list(contract_breaches(contract)))
    assert {"ODC-1"} == {breach.rule for breach in contract_breaches(contract)}
