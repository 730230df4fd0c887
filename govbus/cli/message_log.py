"""``govbus log``: the service that signs checkpoints of the message log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The service that signs checkpoints of the message log.", no_args_is_help=True)

KeysArgument = Annotated[Path, typer.Argument(help="Folder of the log's two private keys.", file_okay=False)]
ED25519_KEY, ML_DSA_KEY = "log-ed25519.key.pem", "log-ml-dsa-44.key.pem"
ED25519_PUBLIC, ML_DSA_PUBLIC = "log-ed25519.pub.pem", "log-ml-dsa-44.pub.pem"


@app.command()
def keys(folder: KeysArgument) -> None:
    """Make the log's keys; auditors get the two public ones."""
    import os

    from govbus.errors import ConfigError
    from govbus.message_log.keys import LogKeys

    folder.mkdir(parents=True, exist_ok=True)
    made = LogKeys.generate()
    private = zip((ED25519_KEY, ML_DSA_KEY), made.to_pem(), strict=True)
    public = zip((ED25519_PUBLIC, ML_DSA_PUBLIC), made.public.to_pem(), strict=True)
    try:
        for name, pem in private:
            with os.fdopen(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(pem)
    except FileExistsError as err:
        raise ConfigError(
            f"{err.filename} exists", remedy="keys are never overwritten; name another folder"
        ) from err
    for name, pem in public:
        (folder / name).write_bytes(pem)
    typer.echo(f"wrote {folder}: keep *.key.pem with the log service, give *.pub.pem to auditors")


@app.command()
def serve(
    keys: Annotated[Path, typer.Option(help="Folder that `govbus log keys` made.", file_okay=False)],
    bus: Annotated[str, typer.Option(help="The bus's id, such as bus.example: begins every log's origin.")],
    data: Annotated[
        Path | None, typer.Option(help="Folder for what was signed. Default: your data folder.")
    ] = None,
) -> None:
    """Sign a checkpoint of every log partition that grew, each second, until stopped."""
    from govbus import telemetry
    from govbus.document.ids import AgencyId
    from govbus.errors import ConfigError
    from govbus.message_log.keys import LogKeys
    from govbus.service.log.service import LogService
    from govbus.service.log.state import LogState
    from govbus.service.processes import clock_ms, run_until_stopped
    from govbus.service.wiring import transport_of
    from govbus.settings import Settings

    settings = Settings.from_environment()
    telemetry.configure_logging()
    telemetry.serve_metrics(settings.metrics_port)
    try:
        log_keys = LogKeys.from_pem((keys / ED25519_KEY).read_bytes(), (keys / ML_DSA_KEY).read_bytes())
    except OSError as err:
        raise ConfigError(
            f"{err.filename} cannot be read: {err.strerror}", remedy="make keys with `govbus log keys`"
        ) from err
    folder = data if data is not None else settings.data_folder / "log"
    folder.mkdir(parents=True, exist_ok=True)
    state = LogState(folder / "signed.db")
    try:
        service = LogService(
            transport_of(settings, client_id="govbus-log"),
            bus=AgencyId.from_text(bus),
            keys=log_keys,
            state=state,
            tiles=folder / "tiles",
            clock_ms=clock_ms,
            interval_s=settings.message_log.checkpoint_interval_s,
        )
        run_until_stopped(service.run)
    finally:
        state.close()
