"""``govbus registry``: shared registries fed from the bus."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from govbus.service.registry_service import PopulationRegister

app = typer.Typer(help="Shared registries fed from the bus.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="Which registry: population.")]
DatabaseOption = Annotated[Path, typer.Option(help="Its SQLite file.", dir_okay=False)]


@app.command()
def serve(
    name: NameArgument,
    agency: Annotated[str, typer.Option(help="Whose inbox to read, such as population-register.example.")],
    authority: Annotated[
        Path, typer.Option(help="Certificate of the governing authority (PEM).", dir_okay=False)
    ],
    database: DatabaseOption,
    package: Annotated[
        list[str] | None, typer.Option(help="A published package to read as well; may be repeated.")
    ] = None,
) -> None:
    """Apply each document of an inbox exactly once, until stopped."""
    from govbus import telemetry
    from govbus.document import topics
    from govbus.document.ids import AgencyId, PackageId
    from govbus.service.directory.publishing import read_certificates
    from govbus.service.processes import run_until_stopped
    from govbus.service.registry_service import serve_population
    from govbus.service.wiring import transport_of
    from govbus.settings import Settings

    _require_population(name)
    settings = Settings.from_environment()
    telemetry.configure_logging()
    telemetry.serve_metrics(settings.metrics_port)
    names = [topics.inbox(AgencyId.from_text(agency))]
    names += [topics.publication(PackageId.from_text(one)) for one in package or []]
    transport = transport_of(settings, client_id=f"govbus-registry-{name}")
    database.parent.mkdir(parents=True, exist_ok=True)
    run_until_stopped(
        lambda stopping: serve_population(
            transport,
            database_file=database,
            topics=names,
            name=f"govbus-registry-{name}",
            authority=read_certificates(authority),
            stopping=stopping,
        )
    )


@app.command()
def stats(name: NameArgument, database: DatabaseOption) -> None:
    """Print what a registry holds and did."""
    with _register(name, database) as register:
        for what, count in register.stats()._asdict().items():
            typer.echo(f"{what}: {count}")


@app.command()
def held(name: NameArgument, database: DatabaseOption) -> None:
    """List the records that are held for a steward because they contradict the registry (rule DED-1)."""
    with _register(name, database) as register:
        held_now = register.held()
    for one in held_now:
        breach = one.breach
        typer.echo(
            f"{one.record.source}  {one.record.record_id}  {breach.rule} {breach.field}: {breach.detail}"
        )
    typer.echo(f"{len(held_now)} records held")


@contextlib.contextmanager
def _register(name: str, database: Path) -> Iterator[PopulationRegister]:
    """Open a registry that is there already, for as long as it is looked at."""
    from govbus.errors import MissingPartError
    from govbus.service.registry_service import PopulationRegister

    _require_population(name)
    if not database.exists():
        raise MissingPartError(
            f"there is no registry {database}", remedy="start it with `govbus registry serve`"
        )
    register = PopulationRegister(database)
    try:
        yield register
    finally:
        register.close()


def _require_population(name: str) -> None:
    if name != "population":
        raise typer.BadParameter(f"expected population, found {name}", param_hint="NAME")
