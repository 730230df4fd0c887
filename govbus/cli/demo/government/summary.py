"""What the government scenario says at its end: for people, and the same figures as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from govbus.cli.demo.government.course import EXAMPLES
from govbus.cli.demo.government.outcome import FAMILY_OF, GovernmentOutcome, RuleCount, report_of
from govbus.document.finding import Outcome, Severity
from govbus.routing.rules.catalogue import RULES
from govbus.service.government_exchanges import CIVIL_REGISTRY, TREASURY

_EFFECTS = {Severity.REFUSE: "refused", Severity.QUARANTINE: "held", Severity.WARN: "warned"}


def write_report(path: Path, outcome: GovernmentOutcome) -> None:
    """Write ``government.json``."""
    path.write_text(json.dumps(report_of(outcome), indent=2) + "\n", encoding="utf-8")


def print_summary(console: Console, folder: Path, outcome: GovernmentOutcome, *, is_kept: bool) -> None:
    """Print what was delivered, what was not and why, and what to try next."""
    console.print()
    console.print(_delivered(outcome))
    console.print(
        f"\nOf {outcome.wrong} documents sent to break a rule, {outcome.count(Outcome.REFUSED)} were refused and "
        f"{outcome.count(Outcome.QUARANTINED)} held; warnings let a document pass:"
    )
    console.print(_answered(outcome.rules))
    console.print(
        f"\nOf {len(outcome.registration)} wrong entries for the directory, "
        f"{sum(one.is_found for one in outcome.registration)} were refused before anything was signed:"
    )
    console.print(_registered(outcome))
    state = "[green]verifies[/]" if outcome.audit.is_clean else "[red]does not verify[/]"
    console.print(
        f"\nThe message log {state}: {outcome.audit.entries:,} decisions taken again. "
        f"{len(outcome.seen.receipts):,} receipts. "
        f"Took {outcome.seconds:.0f} s; figures in {folder / 'government.json'}"
    )
    for problem in outcome.problems:
        console.print(f"[red]not as it should be:[/] {problem}")
    _print_next(console, folder, outcome, is_kept=is_kept)


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in {"documents", "copies"} else "left")
    return table


def _delivered(outcome: GovernmentOutcome) -> Table:
    table = _table("delivered", "documents", "copies", "to")
    for package, counts in outcome.kinds.items():
        places = "topic" if counts.topics == 1 else "topics"
        table.add_row(package, f"{counts.documents:,}", f"{counts.deliveries:,}", f"{counts.topics} {places}")
    return table


def _answered(rules: list[RuleCount]) -> Table:
    table = _table("family", "rule", "effect", "documents", "asked by")
    for family, one in _by_family(rules):
        table.add_row(family, one.rule, _EFFECTS[one.severity], str(one.documents), one.citation)
    return table


def _by_family(rules: list[RuleCount]) -> Iterator[tuple[str, RuleCount]]:
    """Yield each rule with its family, named once."""
    last = ""
    for one in rules:
        yield ("" if one.family == last else one.family), one
        last = one.family


def _registered(outcome: GovernmentOutcome) -> Table:
    table = _table("family", "rule", "refused", "asked by")
    last = ""
    for one in outcome.registration:
        family = FAMILY_OF[one.entry.rule]
        what = one.entry.description if one.is_found else f"[red]not refused:[/] {one.entry.description}"
        table.add_row("" if family == last else family, one.entry.rule, what, RULES[one.entry.rule].citation)
        last = family
    return table


def _print_next(console: Console, folder: Path, outcome: GovernmentOutcome, *, is_kept: bool) -> None:
    start = "" if is_kept else " && govbus kafka start"
    authority = folder / "directory" / "certificates" / "authority.pem"
    where = f"--directory {folder / 'directory'} --agreement births"
    console.print(
        "\nTry next, without a broker:\n"
        f"  govbus check document {folder / EXAMPLES['good']} {where}\n"
        f"  govbus check document {folder / EXAMPLES['wrong']} {where}\n"
        "  govbus rules explain CUI-5\n"
        f"and after `. .venv/bin/activate && export GOVBUS_DATA_FOLDER={folder}{start}`:\n"
        f"  govbus trace {outcome.example_id}\n"
        f"  govbus inbox list {TREASURY}\n"
        f"  govbus inbox list {CIVIL_REGISTRY} --receipts\n"
        f"  govbus audit verify --authority {authority} --log-keys {folder / 'log-keys'}\n"
        "and at the end `govbus kafka stop`."
    )
