"""The demo: two agencies, ten thousand persons, a hundred bad documents, one real broker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    folder: Annotated[
        Path, typer.Option(help="Everything the demo makes lies here; emptied first.", file_okay=False)
    ] = Path("build/demo"),
    persons: Annotated[int, typer.Option(min=20, max=5000, help="Persons of each agency.")] = 5000,
    bad: Annotated[int, typer.Option(min=0, max=1000, help="Bad documents mixed in.")] = 132,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the broker running.")] = False,
) -> None:
    """Run the main job on real data, with a real Kafka, and say what happened.

    Two agencies publish their persons as signed documents, bad documents are mixed in and refused, a population
    register links the persons, and the auditor verifies the whole log. The figures go to FOLDER/report.json.
    """
    import asyncio

    from rich.console import Console

    from govbus.cli.demo.run import run_demo
    from govbus.cli.demo.stage import DemoSize
    from govbus.cli.demo.summary import print_summary, write_report

    console = Console(highlight=False, soft_wrap=True)
    outcome = asyncio.run(run_demo(folder, DemoSize(persons, bad), console=console, is_keeping=keep))
    write_report(folder / "report.json", outcome)
    print_summary(console, folder, outcome, is_kept=keep)
    if outcome.problems:
        raise typer.Exit(1)
