"""``govbus tsa``: a timestamp authority for trying things out, which is none for anybody else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="A timestamp authority for trying things out; NOT for production.", no_args_is_help=True
)


@app.callback()
def tsa() -> None:
    """A timestamp authority for trying things out; NOT for production."""


@app.command()
def serve(
    folder: Annotated[
        Path,
        typer.Argument(help="Folder of its key and certificates; made where there is none.", file_okay=False),
    ],
    http: Annotated[
        str, typer.Option(help="Address and port to listen on; port 0 for any that is free.")
    ] = "127.0.0.1:7318",
    key: Annotated[str, typer.Option(help="Key of a new authority: p256 or rsa.")] = "p256",
    days: Annotated[
        int, typer.Option(min=1, max=3650, help="How long a new authority's certificate is valid.")
    ] = 365,
) -> None:
    """Answer RFC 3161 queries with `openssl ts -reply`, until stopped. NOT for production.

    Its key lies unencrypted in the folder and its time is this machine's: what it stamps proves nothing to others.
    """
    import asyncio

    from govbus.errors import ConfigError
    from govbus.service.openssl_tsa import OpensslTsa
    from govbus.service.processes import run_until_stopped

    host, _, port = http.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:  # noqa: PLR2004  # the highest port
        raise ConfigError(f"--http: expected address:port, found {http!r}")
    authority = OpensslTsa(folder, host=host, port=int(port), key_kind=key, valid_days=days)

    async def answer(stop: asyncio.Event) -> None:
        with authority:
            typer.echo(
                f"NOT for production: timestamps at {authority.url}, trust {authority.ca_file}", err=True
            )
            await stop.wait()

    run_until_stopped(answer, is_retrying=False)
