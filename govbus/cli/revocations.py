"""``govbus revocations``: what authorities say about certificates, brought to the bus and shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable

    from govbus.service.revocations.publishing import CertificateState

app = typer.Typer(
    help="What authorities say about the certificates of the directory: revocation lists and OCSP responses.",
    no_args_is_help=True,
)

AuthorityOption = Annotated[
    Path, typer.Option(help="Certificate of the governing authority, which signs the directory (PEM).")
]


@app.command()
def watch(
    authority: AuthorityOption,
    interval_s: Annotated[
        float, typer.Option(min=0.05, help="The longest between two looks at a source.")
    ] = 3600,
    timeout_s: Annotated[float, typer.Option(min=0.05, help="The longest for one request.")] = 20,
) -> None:
    """Get the status of every certificate of the directory before it is out of date, and publish what is new.

    Certificates say themselves where: CRL distribution points, and OCSP responders where there is no list or it cannot
    be had. Runs until stopped; one a bus is enough, several do no harm.
    """
    from govbus import telemetry
    from govbus.service.directory.publishing import read_certificates
    from govbus.service.processes import run_until_stopped
    from govbus.service.revocations.wiring import run_watch
    from govbus.service.wiring import transport_of
    from govbus.settings import Settings

    settings = Settings.from_environment()
    telemetry.configure_logging()
    telemetry.serve_metrics(settings.metrics_port)
    folder = settings.data_folder / "revocations"
    folder.mkdir(parents=True, exist_ok=True)
    transport = transport_of(settings, client_id="govbus-revocations")
    certificates = read_certificates(authority)

    async def serve(stopping: asyncio.Event) -> None:
        await run_watch(
            transport,
            certificates,
            seen_file=folder / "directory.json",
            interval_s=interval_s,
            timeout_s=timeout_s,
            stopping=stopping,
        )

    run_until_stopped(serve)


@app.command("list")
def list_states(
    authority: AuthorityOption,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Show what is known of every certificate of the directory.

    Exit code 1 where a certificate whose status the bus asks for has none that serves, or none that is recent.
    """
    import asyncio
    import json

    from govbus.service.directory.publishing import read_certificates
    from govbus.service.revocations.publishing import UNSERVED
    from govbus.service.revocations.wiring import read_states
    from govbus.service.wiring import transport_of
    from govbus.settings import Settings

    states, count = asyncio.run(
        read_states(transport_of(Settings.from_environment()), read_certificates(authority))
    )
    if as_json:
        fields = {"records": count, "certificates": [one.to_fields() for one in states]}
        typer.echo(json.dumps(fields, indent=1))
    else:
        _show(states, count)
    if any(one.is_asked_for and one.state in UNSERVED for one in states):
        raise typer.Exit(1)


@app.command("import")
def import_file(
    file: Annotated[
        Path, typer.Argument(help="Revocation list (DER or PEM) or OCSP response (DER).", dir_okay=False)
    ],
    authority: AuthorityOption,
) -> None:
    """Publish a revocation list or OCSP response by hand, once an authority of the directory answers for it."""
    import asyncio

    from govbus.errors import ConfigError
    from govbus.service.directory.publishing import read_certificates
    from govbus.service.revocations.publishing import pem_or_der
    from govbus.service.revocations.wiring import import_material
    from govbus.service.wiring import transport_of
    from govbus.settings import Settings

    try:
        der = pem_or_der(file.read_bytes())
    except OSError as err:
        raise ConfigError(f"{file} cannot be read: {err.strerror}") from err
    transport = transport_of(Settings.from_environment())
    issuer, is_new = asyncio.run(import_material(transport, read_certificates(authority), der))
    typer.echo(f"published, by {issuer.subject}" if is_new else f"known already, by {issuer.subject}")


def _show(states: Iterable[CertificateState], count: int) -> None:
    from rich.console import Console
    from rich.table import Table

    from govbus.document.encoding import time_text

    table = Table("certificate", "issued by", "state", "revoked from", "next update", "asked for", box=None)
    for one in states:
        table.add_row(
            one.subject,
            one.issuer,
            one.state,
            "" if one.revoked_ms is None else time_text(one.revoked_ms),
            "" if one.next_update_ms is None else time_text(one.next_update_ms),
            "yes" if one.is_asked_for else "no",
        )
    console = Console(soft_wrap=True, highlight=False)
    console.print(table)
    console.print(f"{count} records of revocation material")
