"""The demo: real agencies' work on one real broker, in two scenarios."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console


class Scenario(enum.StrEnum):
    """What the demo shows."""

    PERSONS = "persons"
    """Two agencies, ten thousand persons, a hundred bad documents, one population register."""
    GOVERNMENT = "government"
    """Ten agencies, nine kinds of documents, and a violation of every family of rules."""


def demo(
    folder: Annotated[
        Path, typer.Option(help="Everything the demo makes lies here; emptied first.", file_okay=False)
    ] = Path("build/demo"),
    scenario: Annotated[
        Scenario,
        typer.Option(
            help="persons: two agencies and a population register that links their persons. "
            "government: ten agencies, nine kinds of documents, every family of rules broken on purpose."
        ),
    ] = Scenario.PERSONS,
    persons: Annotated[
        int, typer.Option(min=20, max=5000, help="Persons of each agency (scenario persons).")
    ] = 5000,
    bad: Annotated[
        int, typer.Option(min=0, max=1000, help="Bad documents mixed in (scenario persons).")
    ] = 132,
    documents: Annotated[
        int, typer.Option(min=1, max=1000, help="Documents under each agreement (scenario government).")
    ] = 30,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the broker running.")] = False,
) -> None:
    """Run the main job on real data, with a real Kafka, and say what happened.

    Scenario persons: two agencies publish their persons as signed documents, bad documents are mixed in and refused,
    a population register links the persons, and the auditor verifies the whole log. Two witnesses and a time-stamping
    authority (where there is openssl) vouch for it; it is archived, evidence about one document is handed over, the
    content of another is erased by order, and the archive verifies without the bus; figures in FOLDER/report.json.

    Scenario government: ten agencies exchange births, marriages, companies, licences, notices, awards, notarial acts,
    fines and payments; what breaks a rule is refused, held or warned of, each by its rule; figures in
    FOLDER/government.json.
    """
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    if scenario is Scenario.GOVERNMENT:
        problems = _government(folder, documents, console, is_keeping=keep)
    else:
        problems = _persons(folder, persons, bad, console, is_keeping=keep)
    if problems:
        raise typer.Exit(1)


def _persons(folder: Path, persons: int, bad: int, console: Console, *, is_keeping: bool) -> list[str]:
    import asyncio

    from govbus.cli.demo.run import run_demo
    from govbus.cli.demo.stage import DemoSize
    from govbus.cli.demo.summary import print_summary, write_report

    outcome = asyncio.run(run_demo(folder, DemoSize(persons, bad), console=console, is_keeping=is_keeping))
    write_report(folder / "report.json", outcome)
    print_summary(console, folder, outcome, is_kept=is_keeping)
    return outcome.problems


def _government(folder: Path, documents: int, console: Console, *, is_keeping: bool) -> list[str]:
    import asyncio

    from govbus.cli.demo.government.course import run_government
    from govbus.cli.demo.government.summary import print_summary, write_report

    outcome = asyncio.run(run_government(folder, documents, console=console, is_keeping=is_keeping))
    write_report(folder / "government.json", outcome)
    print_summary(console, folder, outcome, is_kept=is_keeping)
    return outcome.problems
