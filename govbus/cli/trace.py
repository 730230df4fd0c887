"""``govbus trace``: the way of one document, hop by hop."""

from __future__ import annotations

from typing import Annotated

import typer


def trace(
    document_id: Annotated[str, typer.Argument(help="The document's id (ce_id).")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show every hop of one document with its time, the decision about it, and its receipt."""
    import asyncio
    import json
    import sys

    from rich.console import Console

    from govbus.document.encoding import time_text
    from govbus.service.tracing import trace_document
    from govbus.service.wiring import transport_of
    from govbus.settings import Settings

    transport = transport_of(Settings.from_environment())
    console = Console(soft_wrap=True)
    with Console(file=sys.stderr).status("reading the message log"):
        found = asyncio.run(trace_document(transport, document_id))
    if as_json:
        hops = [
            {"time": time_text(hop.time_ms), "what": hop.what, "where": hop.where, "detail": hop.detail}
            for hop in found.hops
        ]
        typer.echo(json.dumps({"document_id": document_id, "hops": hops}, indent=1))
        return
    console.print(f"document {document_id}", highlight=False)
    for hop in found.hops:
        console.print(
            f"  {time_text(hop.time_ms)}  [bold]{hop.what:<20}[/bold] {hop.where}\n{'':<28}  {hop.detail}",
            highlight=False,
        )
