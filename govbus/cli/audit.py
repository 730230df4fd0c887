"""``govbus audit``: verify what a bus has recorded, without trusting its operator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from govbus.audit.report import AuditReport

app = typer.Typer(help="Verify what a bus has recorded, without trusting its operator.", no_args_is_help=True)

EXIT_FINDINGS, EXIT_NOT_CHECKED = 1, 2


@app.callback()
def audit() -> None:
    """Verify what a bus has recorded, without trusting its operator."""


@app.command()
def verify(
    authority: Annotated[
        Path, typer.Option(help="Certificate of the governing authority (PEM).", dir_okay=False)
    ],
    log_keys: Annotated[
        Path, typer.Option(help="Folder with the log's public keys (log-*.pub.pem).", file_okay=False)
    ],
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(help="A checkpoint that you kept from before; may be repeated.", dir_okay=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Read every topic again, check every hash, signature and tree, and take every decision again.

    Exit code 0: the log verifies; 1: it does not, and every difference is named; 2: it could not be checked.
    """
    import asyncio
    import sys

    from govbus.errors import GovbusError

    try:
        report = asyncio.run(_verify(authority, log_keys, checkpoint or []))
    except (GovbusError, OSError) as err:
        print(f"govbus: {err}", file=sys.stderr)  # noqa: T201  # exit code 2 says that nothing was established
        raise typer.Exit(EXIT_NOT_CHECKED) from err
    typer.echo(report.to_json() if as_json else report.to_text())
    if not report.is_clean:
        raise typer.Exit(EXIT_FINDINGS)


async def _verify(authority: Path, log_keys: Path, checkpoints: list[Path]) -> AuditReport:
    from rich.console import Console
    from rich.progress import Progress

    from govbus.audit.verify import verify as verify_bus
    from govbus.cli.message_log import ED25519_PUBLIC, ML_DSA_PUBLIC
    from govbus.errors import MissingPartError
    from govbus.message_log.keys import LogPublicKeys
    from govbus.service.directory.publishing import read_certificates, read_directory
    from govbus.service.wiring import transport_of
    from govbus.settings import Settings

    transport = transport_of(Settings.from_environment(), client_id="govbus-audit")
    keys = LogPublicKeys.from_pem(
        (log_keys / ED25519_PUBLIC).read_bytes(), (log_keys / ML_DSA_PUBLIC).read_bytes()
    )
    reader = await read_directory(transport, read_certificates(authority))
    if reader.current is None:
        raise MissingPartError("no directory has been published under this authority")
    versions = {number: reader.at(number) for number in range(1, reader.current.version + 1)}
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("audited", total=None)
        return await verify_bus(
            transport,
            bus=reader.current.bus,
            keys=keys,
            directories={number: one for number, one in versions.items() if one is not None},
            known_checkpoints=[path.read_text(encoding="utf-8") for path in checkpoints],
            progress=lambda what, done, total: progress.update(
                task, description=what, completed=done, total=total
            ),
        )
