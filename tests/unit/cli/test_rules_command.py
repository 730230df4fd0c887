"""``govbus rules``: every rule can be listed, explained, and found in the code."""

import json

import pytest
from typer.testing import CliRunner

from govbus.cli import rules as command
from govbus.errors import ConfigError
from govbus.routing.rules.catalogue import FAMILIES, RULES
from govbus.service.rule_coverage import PACKAGE, code_places, coverage


def run(*arguments):
    result = CliRunner().invoke(command.app, list(arguments), catch_exceptions=False)
    assert 0 == result.exit_code
    return result.output


def ids(output):
    return [rule["id"] for rule in json.loads(output)]


def test_list_has_every_rule():
    """Without filters, every rule is listed once, in both forms."""
    table = run("list")

    assert list(RULES) == ids(run("list", "--json"))
    assert all(any(line.startswith(f"{rule} ") for line in table.splitlines()) for rule in RULES)


@pytest.mark.parametrize("family", FAMILIES)
def test_list_of_a_family(family):
    """A family is chosen by its name, in whatever case it is written."""
    assert [rule.id for rule in FAMILIES[family].RULES] == ids(
        run("list", "--family", family.lower(), "--json")
    )


def test_filters_hold_together():
    """Several filters leave what fits all of them."""
    chosen = ids(run("list", "--profile", "core", "--moment", "flow", "--severity", "w", "--json"))

    assert "DRM-7" in chosen
    for rule in map(RULES.__getitem__, chosen):
        assert ("core", "W") == (rule.profile.value, rule.severity.value)
        assert "flow" in {moment.value for moment in rule.moments}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["list", "--family", "nonsense"], "no family"),
        (["list", "--severity", "X"], "no severity"),
        (["explain", "CE-999"], "no rule"),
    ],
)
def test_what_is_not_there_is_said(arguments, words):
    """A family, severity or rule that does not exist is answered with what to do, not with an empty list."""
    with pytest.raises(ConfigError, match=words) as caught:
        run(*arguments)
    assert caught.value.remedy


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_explain(rule):
    """A rule is explained by what it cites, what is accepted, where it is enforced, and an example each way."""
    output = run("explain", rule.id.lower())

    for text in (rule.id, rule.explanation, rule.citation, rule.accepted):
        assert text in output
    for line in (*rule.passing.splitlines(), *rule.failing.splitlines()):
        assert f"    {line}\n" in output
    assert "code " in output
    assert rule.basis.value in output


def test_explain_as_json():
    """The same as JSON has the places in the code as fields."""
    fields = json.loads(run("explain", "SEC-2", "--json"))

    assert "SEC-2" == fields["id"]
    assert ["norm", "core", ["flow"]] == [fields[name] for name in ("basis", "profile", "moments")]
    assert "govbus.routing.rules.security" in {place["module"] for place in fields["code"]}


def test_every_rule_is_enforced_by_code():
    """Each rule is named by code outside its own definition, and the place that is given names it."""
    without = [one.rule.id for one in coverage() if not one.code]

    assert [] == without
    for rule, places in code_places().items():
        for place in places:
            path = PACKAGE.parent.joinpath(*place.module.split(".")).with_suffix(".py")
            path = path if path.exists() else path.with_suffix("") / "__init__.py"
            assert f'"{rule}"' in path.read_text(encoding="utf-8").splitlines()[place.line - 1]


def test_coverage():
    """Coverage has every rule with its text and its code, and counts that add up."""
    table, found = run("coverage"), json.loads(run("coverage", "--json"))

    assert list(RULES) == [rule["id"] for rule in found["rules"]]
    for kind in ("family", "profile", "severity", "basis"):
        assert len(RULES) == sum(found["counts"][kind].values())
    assert all(rule["citation"] and rule["code"] for rule in found["rules"])
    assert f"{len(RULES)} rules in all" in table
    assert any(place.startswith("tests/") for rule in found["rules"] for place in rule["tests"])
