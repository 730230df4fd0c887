"""``govbus flow``: what flows under which agreement, what is overdue, and where documents are missing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from govbus.service.flow_report import FlowReport

FINDINGS_EXIT_CODE = 2


def flow(
    authority: Annotated[
        Path, typer.Option(help="Certificate of the governing authority, which signs the directory (PEM).")
    ],
    agreement: Annotated[str | None, typer.Option(help="Show one agreement only.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show every agreement with its last delivery, and every origin whose indexes have a gap.

    Exit code 0: nothing is overdue or missing; 2: something is; 1: something else is in the way.
    """
    import asyncio
    import json
    import sys

    from rich.console import Console

    from govbus.service.directory.publishing import read_certificates, read_directory
    from govbus.service.flow_report import flow_report
    from govbus.service.processes import clock_ms
    from govbus.service.wiring import transport_of
    from govbus.settings import Settings

    transport = transport_of(Settings.from_environment())

    async def read() -> FlowReport:
        reader = await read_directory(transport, read_certificates(authority))
        if reader.current is None:
            raise typer.BadParameter("no directory has been published", param_hint="--authority")
        return await flow_report(transport, reader.current, clock_ms())

    with Console(file=sys.stderr).status("reading the message log"):
        report = asyncio.run(read())
    rows = [row for row in _rows(report) if agreement in {None, row["agreement"]}]
    gaps = [
        {"origin": str(gap.origin), "expected": gap.expected, "held": list(gap.held)} for gap in report.gaps
    ]
    if as_json:
        typer.echo(json.dumps({"flows": rows, "gaps": gaps}, indent=1))
    else:
        _print(rows, gaps)
    if gaps or any(row["findings"] for row in rows):
        raise typer.Exit(FINDINGS_EXIT_CODE)


def _rows(report: FlowReport) -> list[dict[str, Any]]:
    from govbus.document.encoding import time_text

    return [
        {
            "agreement": one.agreement.id,
            "mode": one.agreement.mode.value,
            "origin": None if one.origin is None else str(one.origin),
            "documents": one.documents,
            "last": None if one.last_ms is None else time_text(one.last_ms),
            "frequency": one.frequency,
            "findings": [f"{breach.rule} {breach.detail}" for breach in one.breaches],
        }
        for one in report.flows
    ]


def _print(rows: list[dict[str, Any]], gaps: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("agreement", "origin", "documents", "last", "frequency", "")
    for row in rows:
        state = "; ".join(row["findings"]) or ("test" if row["mode"] == "test" else "")
        table.add_row(
            row["agreement"],
            row["origin"] or "nothing yet",
            str(row["documents"]),
            row["last"] or "",
            row["frequency"],
            state,
        )
    console = Console()
    console.print(table)
    for gap in gaps:
        held = ", ".join(map(str, gap["held"][:10]))
        console.print(
            f"SEQ-1 {gap['origin']}: index {gap['expected']} is missing, held behind it: {held}",
            highlight=False,
            markup=False,
        )
