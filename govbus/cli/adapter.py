"""``govbus adapter``: an agency's system becomes documents, and a spool reaches the bus."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import typer

from govbus.cli.send import AgreementOption, NextIndexOption, ProfileOption, TypeOption

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from govbus.adapters.spool import SpoolStats

app = typer.Typer(help="Read an agency's system into its spool, and publish the spool.", no_args_is_help=True)


@app.command()
def run(
    mapping: Annotated[Path, typer.Argument(help="How columns become fields (YAML).")],
    source: Annotated[Path, typer.Argument(help="The CSV file, with a header row.")],
    profile: ProfileOption = Path("agency.yaml"),
    agreement: AgreementOption = None,
    ce_type: TypeOption = None,
    next_index: NextIndexOption = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on reading rows that are added, until stopped.")
    ] = False,
    interval_s: Annotated[float, typer.Option(min=0.01, help="With --follow, pause between two looks.")] = 5,
    publish: Annotated[
        bool, typer.Option(help="Publish as well. Without it, `govbus adapter publish` does.")
    ] = True,
) -> None:
    """Send the rows of a CSV file as documents, from where the last run ended.

    The place in the file and the documents move in one transaction, so a run may be killed and started again at any
    time. A row that cannot be read stops the run and is named.
    """
    from govbus import telemetry
    from govbus.adapters.csv_mapping import CsvMapping
    from govbus.service.agency_profile import AgencyProfile
    from govbus.service.outbox_processes import CsvJob, send_csv
    from govbus.service.processes import run_until_stopped
    from govbus.service.wiring import transport_of
    from govbus.settings import Settings

    settings = Settings.from_environment()
    telemetry.configure_logging()
    telemetry.serve_metrics(settings.metrics_port)
    job = CsvJob(
        profile=AgencyProfile.from_file(profile),
        mapping=CsvMapping.from_yaml(_text(mapping), str(mapping)),
        source=source,
        agreement_id=agreement,
        ce_type=ce_type,
        next_index=next_index,
        follow_interval_s=interval_s if follow else None,
        is_publishing=publish,
    )
    transport = transport_of(settings, client_id=str(job.profile.agency))
    with _Progress() as progress:
        run_until_stopped(
            lambda stopping: send_csv(transport, job, stopping, on_progress=progress.show), is_retrying=follow
        )
    progress.summary()


@app.command()
def publish(
    profile: ProfileOption = Path("agency.yaml"),
    next_index: NextIndexOption = None,
    once: Annotated[bool, typer.Option("--once", help="Publish what is there, then end.")] = False,
) -> None:
    """Publish a spool to the bus until stopped: sign, send in order, forget once the broker has it.

    While the broker is away the documents wait. SIGTERM sends what is left, for a bounded time.
    """
    from govbus import telemetry
    from govbus.service.agency_profile import AgencyProfile
    from govbus.service.outbox_processes import publish_spool
    from govbus.service.processes import run_until_stopped
    from govbus.service.wiring import transport_of
    from govbus.settings import Settings

    settings = Settings.from_environment()
    telemetry.configure_logging()
    telemetry.serve_metrics(settings.metrics_port)
    loaded = AgencyProfile.from_file(profile)
    transport = transport_of(settings, client_id=str(loaded.agency))

    async def serve(stopping: asyncio.Event) -> None:
        published = await publish_spool(transport, loaded, stopping, next_index=next_index, is_once=once)
        typer.echo(f"{published} documents published")

    run_until_stopped(serve, is_retrying=not once)


@app.command()
def status(profile: ProfileOption = Path("agency.yaml")) -> None:
    """Say how the spool stands: what waits, since when, and how far signing and publishing are."""
    from rich.console import Console
    from rich.table import Table

    from govbus.service.agency_profile import AgencyProfile
    from govbus.service.processes import clock_ms

    loaded = AgencyProfile.from_file(profile)
    with loaded.open_spool() as spool:
        stats = spool.stats(clock_ms())
    table = Table.grid(padding=(0, 2))
    table.add_row("spool", str(loaded.spool))
    table.add_row("origin", str(loaded.origin))
    table.add_row("waiting", f"{stats.documents} documents, {stats.size_bytes} bytes")
    table.add_row("oldest", f"{stats.oldest_age_s:.1f} s")
    table.add_row("next index", str(stats.next_index))
    table.add_row("signed up to", str(stats.sealed_next))
    table.add_row("published up to", str(stats.published_next))
    Console(soft_wrap=True, highlight=False).print(table)


def _text(path: Path) -> str:
    from govbus.errors import ConfigError

    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(f"{path} cannot be read: {err}") from err


class _Progress:
    """Shows counts on a terminal while a run lasts, and sums up after it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._console = Console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=self._console
        )
        self._task = self._progress.add_task("reading", total=None)
        self._put = 0
        self._stats: SpoolStats | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    @property
    def show(self) -> Callable[[int, SpoolStats], None]:
        """Told documents put by this run, and how the spool stands."""
        return self._show

    def _show(self, put: int, stats: SpoolStats) -> None:
        self._put, self._stats = put, stats
        self._progress.update(self._task, description=f"{put} documents put, {stats.documents} in the spool")

    def summary(self) -> None:
        """Print what the run did."""
        left = self._stats.documents if self._stats is not None else 0
        typer.echo(f"{self._put} documents put, {left} left in the spool")
