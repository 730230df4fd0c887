"""``govbus witness``: cosigns checkpoints of message logs, on a machine that the bus's operator does not run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from govbus.message_log.policy import Policy
    from govbus.service.witness.keys import WitnessKeys
    from govbus.service.witness.store import WitnessStore

app = typer.Typer(
    help="Cosigns checkpoints of message logs, on a machine that the bus's operator does not run.",
    no_args_is_help=True,
)

FolderArgument = Annotated[Path, typer.Argument(help="Folder of one witness.", file_okay=False)]


@app.command()
def keys(
    folder: FolderArgument,
    name: Annotated[
        str, typer.Option(help="Name of the witness: a URL without scheme, such as court.example/witness.")
    ],
    url: Annotated[
        str, typer.Option(help="Where logs will reach it, such as https://witness.court.example.")
    ] = "",
    policy_name: Annotated[str, typer.Option(help="What a policy calls it. Default: its name.")] = "",
) -> None:
    """Make a witness's keys and its empty memory; print its verifier keys as lines for a policy."""
    from govbus.errors import ConfigError
    from govbus.service.witness.keys import make_witness

    called = policy_name or name
    if called == "none" or any(word.split() != [word] for word in (called, url) if word):
        raise ConfigError("a name in a policy and a URL hold no space, and a name is not none")
    made = make_witness(folder, name)
    typer.echo(f"wrote {folder}: the whole folder stays on the machine of the witness", err=True)
    typer.echo(made.policy_lines(called, url), nl=False)


@app.command()
def serve(
    keys: Annotated[Path, typer.Option(help="Folder that `govbus witness keys` made.", file_okay=False)],
    logs: Annotated[
        Path,
        typer.Option(help="C2SP tlog-policy file; its log lines say which logs are served.", dir_okay=False),
    ],
    http: Annotated[
        str, typer.Option(help="Address and port to listen on; port 0 for any that is free.")
    ] = "127.0.0.1:7380",
    every_log_key: Annotated[
        bool,
        typer.Option(
            "--every-log-key", help="Ask for signatures by all keys of a log, not just by one of them."
        ),
    ] = False,
) -> None:
    """Answer add-checkpoint and sign-subtree, and show the latest checkpoints to monitors, until stopped."""
    import asyncio

    from govbus import telemetry
    from govbus.service.processes import clock_ms, run_until_stopped
    from govbus.service.witness.server import HttpPlace, running_witness
    from govbus.settings import Settings

    settings = Settings.from_environment()
    place, policy = HttpPlace.from_text(http), _policy(logs)
    pair, store = _opened(keys)
    telemetry.configure_logging()
    telemetry.serve_metrics(settings.metrics_port)

    async def run(stopping: asyncio.Event) -> None:
        async with running_witness(
            pair, store, policy, place, clock_ms=clock_ms, is_every_log_key_required=every_log_key
        ) as url:
            typer.echo(f"witness {pair.name} at {url}")
            await stopping.wait()

    try:
        run_until_stopped(run, is_retrying=False)
    finally:
        store.close()


@app.command()
def show(
    folder: FolderArgument,
    json_output: Annotated[bool, typer.Option("--json", help="For machines: one JSON object.")] = False,
) -> None:
    """Show what a witness cosigned last and what it refused; exit code 1 if a log has two histories."""
    import json

    pair, store = _opened(folder)
    try:
        latest, refused = store.all_latest(), store.refused()
    finally:
        store.close()
    if json_output:
        found = {
            "name": pair.name,
            "verifier_keys": list(pair.vkeys),
            "logs": [
                {
                    "origin": origin,
                    "size": one.size,
                    "root": one.root.hex(),
                    "time_s": one.time_s,
                    "note": one.note,
                }
                for origin, one in latest.items()
            ],
            "refused": [one._asdict() | {"root": one.root.hex()} for one in refused],
        }
        typer.echo(json.dumps(found, ensure_ascii=False))
    else:
        typer.echo(f"witness {pair.name}")
        for origin, one in latest.items():
            typer.echo(f"{origin}: size {one.size}, root {one.root.hex()}, cosigned {_time(one.time_s)}")
        for entry in refused:
            kind = "FORK of" if entry.is_fork else "refused"
            typer.echo(f"{kind} {entry.origin}: size {entry.size}, {_time(entry.time_s)}: {entry.reason}")
    if any(entry.is_fork for entry in refused):
        raise typer.Exit(1)


def _opened(folder: Path) -> tuple[WitnessKeys, WitnessStore]:
    from govbus.service.witness.keys import open_memory, read_witness

    keys = read_witness(folder)
    return keys, open_memory(folder, keys)


def _policy(path: Path) -> Policy:
    from govbus.errors import ConfigError
    from govbus.message_log.policy import Policy

    try:
        return Policy.from_bytes(path.read_bytes())
    except OSError as err:
        raise ConfigError(f"{path} cannot be read: {err.strerror}") from err


def _time(seconds: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).isoformat()
