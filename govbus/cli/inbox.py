"""``govbus inbox``: what an agency has received, documents and receipts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from govbus.document.record import Record

app = typer.Typer(help="What an agency has received: documents and receipts.", no_args_is_help=True)

AgencyArgument = Annotated[str, typer.Argument(help="Whose inbox, such as population-register.example.")]


@app.command("list")
def list_(
    agency: AgencyArgument,
    limit: Annotated[int, typer.Option(min=1, help="How many of the newest to show.")] = 20,
    receipts: Annotated[
        bool | None, typer.Option("--receipts/--documents", help="Only one of the two kinds.")
    ] = None,
) -> None:
    """List the newest records of an inbox."""
    import asyncio
    from collections import deque

    from govbus.service.scanning import scan
    from govbus.service.tracing import inbox_of, receipt_of
    from govbus.service.wiring import transport_of
    from govbus.settings import Settings

    transport = transport_of(Settings.from_environment())

    async def newest() -> tuple[int, deque[Record]]:
        kept: deque[Record] = deque(maxlen=limit)
        count = 0
        async for record in scan(transport, [inbox_of(agency)]):
            if receipts is None or receipts is (receipt_of(record) is not None):
                count += 1
                kept.append(record)
        return count, kept

    count, kept = asyncio.run(newest())
    for record in kept:
        typer.echo(_line(record))
    typer.echo(f"{len(kept)} of {count} records in the inbox of {agency}")


@app.command()
def receipts(
    agency: AgencyArgument,
    output: Annotated[
        Path, typer.Option(help="File to write; what is there is replaced.", dir_okay=False, writable=True)
    ],
) -> None:
    """Write every receipt of an inbox to a file, to keep out of the operator's hands and bring to an audit."""
    import asyncio

    from govbus.audit.archive.records import pack_records
    from govbus.service.scanning import scan
    from govbus.service.tracing import inbox_of, receipt_of
    from govbus.service.wiring import transport_of
    from govbus.settings import Settings

    transport = transport_of(Settings.from_environment())

    async def kept() -> list[Record]:
        return [one async for one in scan(transport, [inbox_of(agency)]) if receipt_of(one) is not None]

    found = asyncio.run(kept())
    output.write_bytes(pack_records(found))
    typer.echo(f"wrote {len(found)} receipts to {output}")


@app.command()
def show(
    agency: AgencyArgument,
    document_id: Annotated[str, typer.Argument(help="Id of the document or receipt (ce_id).")],
    authority: Annotated[
        typer.FileText, typer.Option(help="Certificate of the governing authority, to verify with (PEM).")
    ],
) -> None:
    """Verify one record of an inbox and show everything in it."""
    import asyncio
    import json
    from pathlib import Path

    from govbus.errors import MissingPartError
    from govbus.service.delivered import DeliveredDocument, DeliveredReceipt, read_delivered
    from govbus.service.directory.publishing import read_certificates, read_directory
    from govbus.service.revocations.following import read_state
    from govbus.service.scanning import scan
    from govbus.service.tracing import inbox_of
    from govbus.service.wiring import transport_of
    from govbus.settings import Settings
    from govbus.signing.verifier import VerifiedSignatures

    transport = transport_of(Settings.from_environment())

    async def find() -> Record | None:
        async for record in scan(transport, [inbox_of(agency)]):
            if dict(record.headers).get("ce_id") == document_id.encode():
                return record
        return None

    record = asyncio.run(find())
    if record is None:
        raise MissingPartError(f"the inbox of {agency} has no record {document_id}")
    reader = asyncio.run(read_directory(transport, read_certificates(Path(authority.name))))
    if reader.current is None:
        raise MissingPartError("no directory has been published under this authority")
    known = asyncio.run(read_state(transport))
    delivered = read_delivered(record, reader.current, VerifiedSignatures(), known)
    for name, value in record.headers:
        if name.startswith("ce_") or name in {"content-type", "gb-stmt", "gb-route"}:
            typer.echo(f"{name}: {value.decode('utf-8', 'replace').rstrip()}")
    match delivered:
        case DeliveredDocument():
            typer.echo(json.dumps(delivered.value, indent=1, ensure_ascii=False, default=str))
            typer.echo("verified: signatures, hashes, schema and agreement hold")
        case DeliveredReceipt():
            typer.echo(str(delivered.receipt))
            typer.echo("verified: signed by the bus")
        case _:
            typer.echo(f"NOT verified: {delivered.rule} {delivered.field}: {delivered.reason}", err=True)
            raise typer.Exit(1)


@app.command()
def follow(agency: AgencyArgument) -> None:
    """Print what comes to an inbox, from the beginning, until stopped with Ctrl-C."""
    import asyncio

    from govbus.service.processes import run_until_stopped
    from govbus.service.scanning import scan
    from govbus.service.tracing import inbox_of
    from govbus.service.wiring import transport_of
    from govbus.settings import Settings

    transport = transport_of(Settings.from_environment())

    async def print_all(stopping: asyncio.Event) -> None:
        async for record in scan(transport, [inbox_of(agency)], follow=True, stopping=stopping):
            typer.echo(_line(record))

    run_until_stopped(print_all, is_retrying=False)


def _line(record: Record) -> str:
    """Return one line about a record: when, what, which, from whom."""
    from govbus.document.encoding import time_text
    from govbus.service.tracing import receipt_of, title_of

    receipt = receipt_of(record)
    if receipt is None:
        document_id, type_, source = title_of(record)
        return f"{time_text(record.timestamp_ms)}  document  {document_id}  {type_}  from {source}"
    last = "" if receipt.index is None else f" index {receipt.index}"
    if receipt.index is not None and receipt.count > 1:
        last = f" indexes {receipt.index} to {receipt.index + receipt.count - 1}"
    findings = "".join(f"  {one.rule}: {one.detail}" for one in receipt.findings)
    return (
        f"{time_text(record.timestamp_ms)}  receipt   {receipt.decision.value:<11} "
        f"{receipt.origin or receipt.source}{last}{findings}"
    )
