"""``govbus doctor``: what runs, what is missing, what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def doctor(
    authority: Annotated[
        Path | None,
        typer.Option(
            help="Certificate of the governing authority (PEM), to check the directory.", dir_okay=False
        ),
    ] = None,
) -> None:
    """Check this machine, Kafka, topics, directory and routers, and say what to do.

    Exit code 0: nothing is wrong (there may be warnings); 1: something is.
    """
    import asyncio

    from rich.console import Console

    from govbus.service.checkup import State, check_up
    from govbus.service.directory.publishing import read_certificates
    from govbus.settings import Settings

    console = Console(soft_wrap=True, highlight=False)
    certificates = read_certificates(authority) if authority is not None else ()
    marks = {
        State.GOOD: "[green]good   [/]",
        State.WARNING: "[yellow]warning[/]",
        State.BAD: "[red]bad    [/]",
    }

    async def look() -> bool:
        is_well = True
        async for check in check_up(Settings.from_environment(), certificates):
            is_well = is_well and check.state is not State.BAD
            console.print(f"{marks[check.state]}  {check.name:<10} {check.found}")
            if check.remedy:
                console.print(f"{'':<19} → {check.remedy}")
        return is_well

    if not asyncio.run(look()):
        raise typer.Exit(1)
