"""``govbus rules``: what the bus checks, which text asks for it, and where in the code it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from govbus.routing.rules.rule import Moment, Profile

if TYPE_CHECKING:
    from rich.console import Console

    from govbus.routing.rules.rule import Rule
    from govbus.service.rule_coverage import CodePlace, RuleCoverage

app = typer.Typer(
    help="The rules that documents and directories are judged by, each with the text that asks for it.",
    no_args_is_help=True,
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_rules(
    family: Annotated[str | None, typer.Option(help="Of one family, such as CUI.")] = None,
    profile: Annotated[Profile | None, typer.Option(help="Switched on by one profile.")] = None,
    moment: Annotated[Moment | None, typer.Option(help="Looked at at one moment.")] = None,
    severity: Annotated[
        str | None, typer.Option(help="R refuses, Q holds for a person, W warns.", metavar="R|Q|W")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the rules."""
    from govbus.service.rule_coverage import coverage

    family_name = _family(family)
    level = _severity(severity)
    chosen = [
        one
        for one in coverage()
        if family_name in {None, one.family}
        and profile in {None, one.rule.profile}
        and (moment is None or moment in one.rule.moments)
        and level in {None, one.rule.severity.value}
    ]
    if as_json:
        _print_json([rule_fields(one.rule, one.family) for one in chosen])
        return
    _print_list(chosen)


@app.command()
def explain(
    rule_id: Annotated[str, typer.Argument(help="Id of a rule, such as CUI-1.")],
    as_json: JsonOption = False,
) -> None:
    """Explain one rule: what must be so, which text says it, what is accepted, an example each way."""
    from rich.console import Console

    from govbus.errors import ConfigError
    from govbus.service.rule_coverage import coverage

    known = {one.rule.id: one for one in coverage()}
    found = known.get(rule_id.upper())
    if found is None:
        raise ConfigError(f"there is no rule {rule_id[:20]!r}", remedy="see: govbus rules list")
    if as_json:
        _print_json(_coverage_fields(found) | {"tests": [str(place) for place in found.tests]})
        return
    _print_rule(Console(soft_wrap=True, highlight=False), found)


@app.command("coverage")
def show_coverage(as_json: JsonOption = False) -> None:
    """Show for every rule which text it cites, which code enforces it, and which tests show it."""
    from govbus.service.rule_coverage import coverage

    found = coverage()
    counts = _counts(found)
    if as_json:
        _print_json({"rules": [_coverage_fields(one) for one in found], "counts": counts})
        return
    _print_coverage(found, counts)


def rule_fields(rule: Rule, family: str) -> dict[str, Any]:
    """Return what a rule says, as JSON values."""
    return {
        "id": rule.id,
        "family": family,
        "severity": rule.severity.value,
        "basis": rule.basis.value,
        "profile": rule.profile.value,
        "moments": [moment.value for moment in rule.moments],
        "citation": rule.citation,
        "explanation": rule.explanation,
        "accepted": rule.accepted,
        "passing": rule.passing,
        "failing": rule.failing,
    }


def _coverage_fields(one: RuleCoverage) -> dict[str, Any]:
    return {
        **rule_fields(one.rule, one.family),
        "code": [_code_fields(place) for place in one.code],
        "tests": [str(place) for place in one.tests],
    }


def _code_fields(place: CodePlace) -> dict[str, Any]:
    return {"module": place.module, "function": place.name, "line": place.line}


def _counts(found: tuple[RuleCoverage, ...]) -> dict[str, dict[str, int]]:
    """Return how many rules there are by family, profile, moment, severity and basis."""
    counts: dict[str, dict[str, int]] = {
        kind: {} for kind in ("family", "profile", "moment", "severity", "basis")
    }
    for rule, family, *_ in found:
        for kind, names in (
            ("family", [family]),
            ("profile", [rule.profile.value]),
            ("moment", [moment.value for moment in rule.moments]),
            ("severity", [rule.severity.value]),
            ("basis", [rule.basis.value]),
        ):
            for name in names:
                counts[kind][name] = counts[kind].get(name, 0) + 1
    return counts


def _family(text: str | None) -> str | None:
    from govbus.errors import ConfigError
    from govbus.routing.rules.catalogue import FAMILIES

    if text is None:
        return None
    for name in FAMILIES:
        if name.lower() == text.lower():
            return name
    raise ConfigError(f"there is no family {text[:20]!r}", remedy=f"the families are {', '.join(FAMILIES)}")


def _severity(text: str | None) -> str | None:
    from govbus.document.finding import Severity
    from govbus.errors import ConfigError

    if text is None:
        return None
    if text.upper() not in {severity.value for severity in Severity}:
        raise ConfigError(f"there is no severity {text[:20]!r}", remedy="give R, Q or W")
    return text.upper()


def _print_json(value: Any) -> None:
    import json

    typer.echo(json.dumps(value, indent=1, ensure_ascii=False))


def _print_list(chosen: list[RuleCoverage]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("id", "severity", "basis", "profile", "moment", "what must be so", box=None, pad_edge=False)
    for rule, *_ in chosen:
        table.add_row(
            rule.id,
            rule.severity.value,
            rule.basis.value,
            rule.profile.value,
            ", ".join(moment.value for moment in rule.moments),
            rule.explanation,
        )
    console = Console(highlight=False)
    console.print(table)
    console.print(f"\n{len(chosen)} rules; govbus rules explain ID says more about one")


_SEVERITIES = {"R": "refuses", "Q": "holds the document for a person", "W": "warns"}
_BASES = {
    "norm": "the cited text says MUST",
    "profile": "govbus's own choice that implements what the cited text asks for",
    "guidance": "the cited text says SHOULD",
}


def _print_rule(console: Console, one: RuleCoverage) -> None:
    rule = one.rule
    lines = [
        ("family", one.family),
        ("citation", rule.citation),
        ("severity", f"{rule.severity.value}: {_SEVERITIES[rule.severity.value]}"),
        ("basis", f"{rule.basis.value}: {_BASES[rule.basis.value]}"),
        ("profile", rule.profile.value),
        ("moments", ", ".join(moment.value for moment in rule.moments)),
        ("accepted", rule.accepted),
        *(("code", f"{place} (line {place.line})") for place in one.code),
    ]
    console.print(f"[bold]{rule.id}[/bold]  {rule.explanation}", highlight=False)
    for name, text in lines:
        console.print(f"  {name:<9} {text}", markup=False)
    for title, example in (("passes", rule.passing), ("fails", rule.failing)):
        console.print(f"\nAn example that {title}:\n", markup=False)
        for line in example.splitlines():
            console.print(f"    {line}", markup=False)


def _print_coverage(found: tuple[RuleCoverage, ...], counts: dict[str, dict[str, int]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("id", "cites", box=None, pad_edge=False)
    table.add_column("enforced by", overflow="fold")
    table.add_column("tests")
    for one in found:
        code = "\n".join(str(place).removeprefix("govbus.") for place in one.code)
        table.add_row(one.rule.id, one.rule.citation, code, f"2 examples, {len(one.tests)} more")
    console = Console(highlight=False)
    console.print(table)
    console.print()
    for kind, numbers in counts.items():
        words = ", ".join(f"{name} {number}" for name, number in numbers.items())
        console.print(f"by {kind}: {words}", markup=False)
    console.print(f"{len(found)} rules in all")
