"""``govbus topics``: the topics that a bus needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from govbus.transport.base import TopicSpec

app = typer.Typer(
    help="The topics that a bus needs, from topics.yaml and the directory.", no_args_is_help=True
)

FolderArgument = Annotated[Path, typer.Argument(help="Folder of directory files.", file_okay=False)]
PlanOption = Annotated[
    Path | None, typer.Option("--plan", help="topics.yaml. Default: the one that ships with govbus.")
]


@app.command("list")
def list_(folder: FolderArgument, plan: PlanOption = None) -> None:
    """List the topics that the directory in a folder needs."""
    for spec in _specs(folder, plan):
        settings = " ".join(f"{name}={value}" for name, value in spec.settings.items())
        typer.echo(f"{spec.name}  partitions={spec.partitions}  {settings}")


@app.command()
def apply(folder: FolderArgument, plan: PlanOption = None) -> None:
    """Create the topics that are missing; those that exist stay as they are."""
    import asyncio

    from govbus.service.topics_service import apply_topics
    from govbus.service.wiring import transport_of
    from govbus.settings import Settings

    specs = _specs(folder, plan)
    created = asyncio.run(apply_topics(transport_of(Settings.from_environment()), specs))
    for name in created:
        typer.echo(f"created {name}")
    typer.echo(f"{len(specs)} topics: {len(created)} created, {len(specs) - len(created)} were there")


def _specs(folder: Path, plan: Path | None) -> list[TopicSpec]:
    from govbus.service.directory.publishing import read_folder
    from govbus.service.topics_service import default_topics_file, directory_topic_specs, read_topic_plans
    from govbus.settings import Settings

    plans = read_topic_plans(plan if plan is not None else default_topics_file())
    return directory_topic_specs(
        plans, read_folder(folder).content, Settings.from_environment().kafka.replication_factor
    )
