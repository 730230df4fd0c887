"""``govbus witness``: cosigns checkpoints of message logs, on a machine that the bus's operator does not run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from govbus.message_log.policy import Policy

app = typer.Typer(
    help="Cosigns checkpoints of message logs, on a machine that the bus's operator does not run.",
    no_args_is_help=True,
)

Ed25519Option = Annotated[
    str,
    typer.Option(
        help="Ed25519 key elsewhere, such as on a token: pkcs11:... . It serves this witness and nothing else."
    ),
]
PasswordFileOption = Annotated[
    Path | None, typer.Option(help="Its first line is the password of the keys, or the PIN.", dir_okay=False)
]
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
    ed25519: Ed25519Option = "",
    password_file: PasswordFileOption = None,
) -> None:
    """Make a witness's keys and its empty memory; print its verifier keys as lines for a policy."""
    from govbus.errors import ConfigError
    from govbus.service.keys.secrets import secret_from_file
    from govbus.service.witness.keys import make_witness

    called = policy_name or name
    if called == "none" or any(word.split() != [word] for word in (called, url) if word):
        raise ConfigError("a name in a policy and a URL hold no space, and a name is not none")
    made = make_witness(folder, name, ed25519=ed25519, secret=secret_from_file(password_file))
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
    ed25519: Ed25519Option = "",
    password_file: PasswordFileOption = None,
) -> None:
    """Answer add-checkpoint and sign-subtree, and show the latest checkpoints to monitors, until stopped."""
    import asyncio

    from govbus import telemetry
    from govbus.service.keys.secrets import secret_from_file
    from govbus.service.processes import clock_ms, run_until_stopped
    from govbus.service.witness.keys import open_memory, read_witness
    from govbus.service.witness.server import HttpPlace, running_witness
    from govbus.settings import Settings

    settings = Settings.from_environment()
    place, policy = HttpPlace.from_text(http), _policy(logs)
    pair = read_witness(keys, ed25519=ed25519, secret=secret_from_file(password_file))
    store = open_memory(keys, pair.vkeys)
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

    from govbus.service.witness.keys import open_memory, read_verifier_keys

    name, vkeys = read_verifier_keys(folder)
    store = open_memory(folder, vkeys)
    try:
        latest, refused = store.all_latest(), store.refused()
    finally:
        store.close()
    if json_output:
        found = {
            "name": name,
            "verifier_keys": list(vkeys),
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
        typer.echo(f"witness {name}")
        for origin, one in latest.items():
            typer.echo(f"{origin}: size {one.size}, root {one.root.hex()}, cosigned {_time(one.time_s)}")
        for entry in refused:
            kind = "FORK of" if entry.is_fork else "refused"
            typer.echo(f"{kind} {entry.origin}: size {entry.size}, {_time(entry.time_s)}: {entry.reason}")
    if any(entry.is_fork for entry in refused):
        raise typer.Exit(1)


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
