"""``govbus kafka``: a real single-node Apache Kafka on this machine, without Docker, root or Java."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from govbus.service.embedded_kafka import EmbeddedKafka

app = typer.Typer(
    help="A real single-node Apache Kafka on this machine, for a first look and for development. "
    "In production, point --bootstrap-servers at a cluster instead.",
    no_args_is_help=True,
)

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data", help="Folder for its data and log. Default: kafka in GOVBUS_DATA_FOLDER.", file_okay=False
    ),
]


def _broker(
    data: Path | None, *, heap_mb: int = 512, settings: dict[str, str] | None = None
) -> EmbeddedKafka:
    from govbus.service.embedded_kafka import EmbeddedKafka
    from govbus.settings import Settings

    folder = data if data is not None else Settings.from_environment().data_folder / "kafka"
    return EmbeddedKafka(folder, heap_mb=heap_mb, settings=settings or {})


def _parse_settings(texts: list[str]) -> dict[str, str]:
    """Reads ``name=value`` texts."""
    pairs = [text.partition("=") for text in texts]
    for text, (name, equals, _) in zip(texts, pairs, strict=True):
        if not (name and equals):
            raise typer.BadParameter(f"expected name=value, found {text!r}", param_hint="--set")
    return {name: value for name, _, value in pairs}


def _print_status(broker: EmbeddedKafka) -> bool:
    """Prints what is known about a broker and returns whether it serves."""
    from rich.console import Console
    from rich.table import Table

    status = broker.status()
    state = "serving" if status.is_ready else "starting or stuck" if status.is_running else "not running"
    table = Table.grid(padding=(0, 2))
    table.add_row("Apache Kafka", state)
    table.add_row("bootstrap servers", status.bootstrap_servers or "none yet: it was never started here")
    if status.pid is not None:
        table.add_row("process", str(status.pid))
    table.add_row("log", str(status.log_file))
    Console(soft_wrap=True).print(table)
    return status.is_ready


@app.command()
def start(
    data: DataOption = None,
    heap_mb: Annotated[int, typer.Option(help="Size of its Java heap, megabytes.")] = 512,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="A Kafka property, name=value; may be given again.")
    ] = None,
    timeout_s: Annotated[float, typer.Option(help="Longest wait until it serves, seconds.")] = 60.0,
) -> None:
    """Starts the broker and returns when it serves; the first start fetches Apache Kafka (45 MB)."""
    broker = _broker(data, heap_mb=heap_mb, settings=_parse_settings(setting or []))
    broker.start(timeout_s)
    _print_status(broker)


@app.command()
def stop(
    data: DataOption = None,
    timeout_s: Annotated[float, typer.Option(help="Longest wait before it is killed, seconds.")] = 30.0,
) -> None:
    """Stops the broker of a data folder, and no other process."""
    broker = _broker(data)
    was_running = broker.status().is_running
    broker.stop(timeout_s)
    typer.echo("stopped" if was_running else "it was not running")


@app.command()
def status(data: DataOption = None) -> None:
    """Says whether the broker of a data folder serves, where, and where its log is; exit code 1 if not."""
    if not _print_status(_broker(data)):
        raise typer.Exit(1)
