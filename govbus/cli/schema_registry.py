"""``govbus schema-registry``: the directory's schemas where stock Avro clients look for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from govbus.service.schema_registry.published import PublishedSchema

app = typer.Typer(
    help="The directory's schemas where stock Avro clients look for them: a registry of our own, or another one.",
    no_args_is_help=True,
)

AuthorityOption = Annotated[
    Path, typer.Option(help="Certificate of the governing authority (PEM).", dir_okay=False)
]
UrlArgument = Annotated[str, typer.Argument(help="Where its REST interface begins.")]
CredentialOption = Annotated[
    Path | None,
    typer.Option(help="File with name:secret, or with a bearer token.", dir_okay=False),
]
AuthoritiesOption = Annotated[
    Path | None, typer.Option("--ca", help="Certificates that its TLS may come from (PEM).", dir_okay=False)
]


@app.command()
def serve(
    authority: AuthorityOption,
    port: Annotated[int, typer.Option(help="Port; 0 for any that is free.", min=0, max=65_535)] = 8081,
    database: Annotated[
        Path | None,
        typer.Option(
            help="Its SQLite file. Default: schema-registry.sqlite in the data folder.", dir_okay=False
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but loopback needs --clients and TLS.")
    ] = "127.0.0.1",
    clients: Annotated[
        Path | None, typer.Option(help="File of the clients that may use it.", dir_okay=False)
    ] = None,
    tls_certificate: Annotated[Path | None, typer.Option(help="For https (PEM).", dir_okay=False)] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key (PEM).", dir_okay=False)] = None,
    plain_http: Annotated[
        bool, typer.Option("--plain-http", help="Without TLS: a proxy in front encrypts.")
    ] = False,
) -> None:
    """Serve every schema of the bus, and those that clients register, until stopped."""
    from govbus import telemetry
    from govbus.service.directory.follower import DirectoryFollower
    from govbus.service.directory.publishing import read_certificates
    from govbus.service.processes import clock_ms, run_until_stopped
    from govbus.service.schema_registry.server import RegistrySocket, serve_schema_registry
    from govbus.service.wiring import transport_of
    from govbus.settings import Settings

    settings = Settings.from_environment()
    telemetry.configure_logging()
    file = database or settings.data_folder / "schema-registry.sqlite"
    file.parent.mkdir(parents=True, exist_ok=True)
    transport = transport_of(settings, client_id="govbus-schema-registry")
    place = RegistrySocket(host, port, clients, tls_certificate, tls_key, plain_http)
    run_until_stopped(
        lambda stopping: serve_schema_registry(
            DirectoryFollower(
                transport,
                read_certificates(authority),
                clock_ms=clock_ms,
                seen_file=file.with_suffix(".directory.json"),
            ),
            database=file,
            place=place,
            stopping=stopping,
            on_start=lambda url: typer.echo(f"schema registry at {url}"),
        )
    )


@app.command()
def sync(
    url: UrlArgument,
    authority: AuthorityOption,
    credential: CredentialOption = None,
    certificates: AuthoritiesOption = None,
) -> None:
    """Import the directory's schemas into another registry under the same ids; say what differs there."""
    _compare(url, authority, credential, certificates, is_import=True)


@app.command()
def check(
    url: UrlArgument,
    authority: AuthorityOption,
    credential: CredentialOption = None,
    certificates: AuthoritiesOption = None,
) -> None:
    """Say where another registry differs from the directory; change nothing."""
    _compare(url, authority, credential, certificates, is_import=False)


@app.command()
def credential(
    name: Annotated[str, typer.Argument(help="Name of the client.")],
    write: Annotated[bool, typer.Option("--write", help="It may register schemas, not only read.")] = False,
) -> None:
    """Make a secret for a client, and the line for --clients that lets it in."""
    from govbus.service.schema_registry.access import Role, new_credential

    secret, line = new_credential(name, Role.WRITE if write else Role.READ)
    typer.echo(f"for the client: {name}:{secret}")
    typer.echo(f"for --clients:  {line}")


def _compare(
    url: str, authority: Path, credential_file: Path | None, certificates: Path | None, *, is_import: bool
) -> None:
    import asyncio

    from govbus.service.schema_registry.sync import RemoteRegistry, registry_differences, sync_registry

    secret = _secret(credential_file) if credential_file is not None else ""
    work = sync_registry if is_import else registry_differences

    async def run() -> tuple[int, list[str]]:
        schemas = await _published(authority)
        async with RemoteRegistry(url, credential=secret, authorities=certificates) as registry:
            return len(schemas), [str(one) for one in await work(registry, schemas)]

    count, differences = asyncio.run(run())
    for difference in differences:
        typer.echo(difference, err=True)
    if differences:
        typer.echo(f"{len(differences)} of {count} differ", err=True)
        raise typer.Exit(1)
    typer.echo(f"{count} versions are there, under the ids of the directory")


async def _published(authority: Path) -> list[PublishedSchema]:
    """Return every schema that any version of the directory published; where they differ, as the last one says."""
    from govbus.errors import DirectoryError
    from govbus.service.directory.publishing import read_certificates, read_directory
    from govbus.service.schema_registry.published import published_schemas
    from govbus.service.wiring import transport_of
    from govbus.settings import Settings

    reader = await read_directory(transport_of(Settings.from_environment()), read_certificates(authority))
    if reader.current is None:
        raise DirectoryError("no directory has been published under this authority")
    found: dict[tuple[str, int], PublishedSchema] = {}
    for version in range(1, reader.current.version + 1):
        directory = reader.at(version)
        if directory is not None:
            found |= {(one.subject, one.version): one for one in published_schemas(directory)}
    return [one for _, one in sorted(found.items())]


def _secret(path: Path) -> str:
    from govbus.errors import ConfigError

    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(f"{path} cannot be read") from err
