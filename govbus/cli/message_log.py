"""``govbus log``: the service that signs checkpoints of the message log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from govbus.cli.key_options import PasswordFileOption

if TYPE_CHECKING:
    from govbus.message_log.keys import LogKeys, LogPublicKeys
    from govbus.service.log.signing_keys import SigningKeys

app = typer.Typer(help="The service that signs checkpoints of the message log.", no_args_is_help=True)

KeysArgument = Annotated[Path, typer.Argument(help="Folder of the log's two private keys.", file_okay=False)]
ED25519_KEY, ML_DSA_KEY = "log-ed25519.key.pem", "log-ml-dsa-44.key.pem"
ED25519_PUBLIC, ML_DSA_PUBLIC = "log-ed25519.pub.pem", "log-ml-dsa-44.pub.pem"


Ed25519Option = Annotated[
    str,
    typer.Option(
        "--ed25519",
        help="Where the Ed25519 key is, such as a pkcs11: URI. Default: in the folder. The ML-DSA-44 key is in the "
        "folder always.",
    ),
]


@app.command()
def keys(folder: KeysArgument, ed25519: Ed25519Option = "", password_file: PasswordFileOption = None) -> None:
    """Make the log's keys; auditors get the two public ones.

    With a password file the private ones are encrypted. An Ed25519 key on a token is made before, with `govbus keys
    generate`, and never leaves it.
    """
    from govbus.message_log.keys import LogKeys
    from govbus.service.keys.files import require_absent, write_new
    from govbus.service.keys.opening import open_private_key
    from govbus.service.keys.secrets import secret_from_file
    from govbus.signing.issuing import private_key_pem

    names = (ED25519_KEY, ML_DSA_KEY, ED25519_PUBLIC, ML_DSA_PUBLIC)
    require_absent({f"new {name}": folder / name for name in names})
    secret = secret_from_file(password_file)
    made = LogKeys.generate()
    if ed25519:
        made = LogKeys.of(open_private_key(ed25519, secret=secret), made.ml_dsa_44)
    else:
        write_new(folder / ED25519_KEY, private_key_pem(made.ed25519, secret()), is_private=True)
    write_new(folder / ML_DSA_KEY, private_key_pem(made.ml_dsa_44, secret()), is_private=True)
    for name, pem in zip((ED25519_PUBLIC, ML_DSA_PUBLIC), made.public.to_pem(), strict=True):
        write_new(folder / name, pem, is_private=False)
    typer.echo(f"wrote {folder}: keep *.key.pem with the log service, give *.pub.pem to auditors")


BusOption = Annotated[str, typer.Option(help="The bus's id, such as bus.example: begins every log's origin.")]
PolicyOption = Annotated[
    Path | None,
    typer.Option(
        "--witnesses", help="C2SP tlog-policy file: witnesses with URLs, and the quorum.", dir_okay=False
    ),
]
DataOption = Annotated[
    Path | None, typer.Option(help="Folder for state and tiles. Default: your data folder.")
]


@app.command()
def vkeys(
    folder: KeysArgument,
    bus: BusOption,
    partition: Annotated[
        int | None, typer.Option(help="Of this partition of the log, which no witness sees.", min=0)
    ] = None,
) -> None:
    """Print the lines by which witnesses and verifiers know the log of heads (C2SP tlog-policy)."""
    from govbus.document.ids import AgencyId
    from govbus.message_log.heads import head_origin
    from govbus.message_log.keys import log_origin
    from govbus.service.log.key_folder import pair_folder

    owner = AgencyId.from_text(bus)
    origin = head_origin(owner) if partition is None else log_origin(owner, partition)
    known = _public_keys(folder)
    pairs = list(known.pairs())
    pending = pair_folder(folder, len(pairs))
    if pending.exists():
        pairs.append(_pair(pending))
    for pair in pairs:
        for verifier in pair.verifiers(origin):
            typer.echo(f"log {verifier.to_vkey()}")


@app.command()
def rotate(
    folder: KeysArgument, ed25519: Ed25519Option = "", password_file: PasswordFileOption = None
) -> None:
    """Make the pair of keys that is to follow; the log service hands over to it when it is started again.

    Before that, give witnesses the lines of `govbus log vkeys`, or they refuse what the new pair signs.
    """
    from govbus.message_log.keys import LogKeys
    from govbus.service.keys.opening import open_private_key
    from govbus.service.keys.secrets import secret_from_file
    from govbus.service.log.key_folder import write_next_pair

    _public_keys(folder)
    secret = secret_from_file(password_file)
    made = LogKeys.generate()
    if ed25519:
        made = LogKeys.of(open_private_key(ed25519, secret=secret), made.ml_dsa_44)
    path = write_next_pair(folder, made, secret(), ed25519)
    typer.echo(
        f"wrote {path}: give witnesses the lines of `govbus log vkeys`, then start the log service again"
    )


@app.command()
def serve(
    keys: Annotated[Path, typer.Option(help="Folder that `govbus log keys` made.", file_okay=False)],
    bus: BusOption,
    data: DataOption = None,
    ed25519: Ed25519Option = "",
    password_file: PasswordFileOption = None,
    witnesses: PolicyOption = None,
    http: Annotated[
        str,
        typer.Option(help="Serve tiles and checkpoints at host:port; 127.0.0.1:7381 for this machine only."),
    ] = "",
) -> None:
    """Sign a checkpoint of every log partition that grew, each second, and have it witnessed, until stopped."""
    import asyncio
    import contextlib

    from govbus import telemetry
    from govbus.document.ids import AgencyId
    from govbus.service.log.locking import StateLock
    from govbus.service.log.state import LogState
    from govbus.service.log.tile_server import serving_tiles
    from govbus.service.log.wiring import STATE_FILE, TILES_FOLDER, log_service_of, read_policy
    from govbus.service.processes import clock_ms, run_until_stopped
    from govbus.service.wiring import transport_of
    from govbus.service.witness.server import HttpPlace
    from govbus.settings import Settings

    settings = Settings.from_environment()
    telemetry.configure_logging()
    telemetry.serve_metrics(settings.metrics_port)
    log_keys, bus_id = _signing_keys(keys, ed25519, password_file), AgencyId.from_text(bus)
    policy = read_policy(witnesses) if witnesses is not None else None
    place = HttpPlace.from_text(http) if http else None
    folder = data if data is not None else settings.data_folder / "log"
    folder.mkdir(parents=True, exist_ok=True)
    with StateLock(folder), contextlib.closing(LogState(folder / STATE_FILE)) as state:
        service = log_service_of(
            settings.message_log,
            transport_of(settings, client_id="govbus-log"),
            bus=bus_id,
            keys=log_keys,
            state=state,
            folder=folder,
            policy=policy,
            clock_ms=clock_ms,
        )

        async def run(stopping: asyncio.Event) -> None:
            async with contextlib.AsyncExitStack() as stack:
                if place is not None:
                    serving = serving_tiles(bus_id, folder / TILES_FOLDER, place)
                    typer.echo(f"tiles at {await stack.enter_async_context(serving)}", err=True)
                await service.run(stopping)

        run_until_stopped(run)


@app.command()
def status(
    bus: BusOption,
    data: DataOption = None,
    witnesses: PolicyOption = None,
    keys: Annotated[
        Path | None,
        typer.Option(
            help="Folder with the log's public keys: read the topic instead of the state.", file_okay=False
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Show how far the log is signed, witnessed and timestamped: from the service's state, or from the topic."""
    import asyncio
    import contextlib

    from govbus.document.ids import AgencyId
    from govbus.errors import MissingPartError
    from govbus.service.log.state import LogState
    from govbus.service.log.status import status_of_state, status_of_topic
    from govbus.service.log.wiring import STATE_FILE, read_policy
    from govbus.service.processes import clock_ms
    from govbus.service.wiring import transport_of
    from govbus.settings import Settings

    settings = Settings.from_environment()
    bus_id = AgencyId.from_text(bus)
    policy = read_policy(witnesses) if witnesses is not None else None
    if keys is not None:
        transport = transport_of(settings, client_id="govbus-log-status")
        found = asyncio.run(status_of_topic(transport, bus_id, _public_keys(keys), policy))
    else:
        file = (data if data is not None else settings.data_folder / "log") / STATE_FILE
        if not file.exists():
            raise MissingPartError(
                f"{file} is not there",
                remedy="name the service's folder by --data, or read the topic with --keys",
            )
        with contextlib.closing(LogState(file, is_read_only=True)) as state:
            found = status_of_state(state, bus_id, policy)
    typer.echo(found.to_json(clock_ms()) if json else found.to_text(clock_ms()))


def _signing_keys(folder: Path, ed25519: str, password_file: Path | None) -> SigningKeys:
    """Open the pair that signs now and the one to follow; earlier private keys are not needed."""
    from govbus.service.log.key_folder import is_pending, keep_note, pair_folder, read_notes
    from govbus.service.log.signing_keys import SigningKeys

    number = len(read_notes(folder))
    current = _private_keys(pair_folder(folder, number), "" if number else ed25519, password_file)
    pending = None
    if is_pending(folder):
        pending = _private_keys(pair_folder(folder, number + 1), "", password_file)
    known = _public_keys(folder) if number else None
    return SigningKeys(current, known=known, pending=pending, keep=keep_note(folder))


def _private_keys(folder: Path, ed25519: str, password_file: Path | None) -> LogKeys:
    from govbus.message_log.keys import LogKeys
    from govbus.service.keys.opening import open_private_key
    from govbus.service.keys.secrets import secret_from_file
    from govbus.service.log.key_folder import ED25519_URI

    secret = secret_from_file(password_file)
    uri = folder / ED25519_URI
    if not ed25519 and uri.exists():
        ed25519 = uri.read_text(encoding="utf-8").strip()
    return LogKeys.of(
        *(
            open_private_key(reference, secret=secret)
            for reference in (ed25519 or str(folder / ED25519_KEY), str(folder / ML_DSA_KEY))
        )
    )


def _public_keys(folder: Path) -> LogPublicKeys:
    from govbus.service.log.key_folder import read_log_keys

    return read_log_keys(folder)


def _pair(folder: Path) -> LogPublicKeys:
    from govbus.message_log.keys import LogPublicKeys

    return LogPublicKeys.from_pem(_read(folder / ED25519_PUBLIC), _read(folder / ML_DSA_PUBLIC))


def _read(file: Path) -> bytes:
    from govbus.errors import ConfigError

    try:
        return file.read_bytes()
    except OSError as err:
        raise ConfigError(
            f"{file} cannot be read: {err.strerror}", remedy="make keys with `govbus log keys`"
        ) from err
