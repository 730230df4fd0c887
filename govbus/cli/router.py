"""``govbus router``: one router process; start as many as there is work for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from govbus.cli.key_options import PasswordFileOption


def router(
    key: Annotated[
        str, typer.Option(help="Private key of the bus, which signs receipts: PEM file or pkcs11: URI.")
    ],
    certificate: Annotated[Path, typer.Option(help="Its certificate (PEM).")],
    authority: Annotated[
        Path, typer.Option(help="Certificate of the governing authority, which signs the directory (PEM).")
    ],
    password_file: PasswordFileOption = None,
    name: Annotated[str, typer.Option(help="Name of this process in logs and routes.")] = "router-1",
    data: Annotated[
        Path | None, typer.Option(help="Folder for what can be rebuilt. Default: your data folder.")
    ] = None,
) -> None:
    """Route documents until stopped: decide, deliver, answer, exactly once.

    Any number of routers share the work. SIGTERM finishes the open transactions first.
    """
    from govbus import telemetry
    from govbus.service.keys.opening import open_signer
    from govbus.service.keys.secrets import secret_from_file
    from govbus.service.processes import relax_garbage_collection, run_until_stopped
    from govbus.service.router.wiring import run_router
    from govbus.service.wiring import transport_of
    from govbus.settings import Settings

    settings = Settings.from_environment()
    telemetry.configure_logging()
    telemetry.serve_metrics(settings.metrics_port)
    signer = open_signer(key, certificate, kid="bus/router", secret=secret_from_file(password_file))
    transport = transport_of(settings, client_id=name)
    folder = data if data is not None else settings.data_folder / name
    folder.mkdir(parents=True, exist_ok=True)
    relax_garbage_collection()
    run_until_stopped(
        lambda stopping: run_router(
            transport,
            settings.router,
            signer=signer,
            authority_file=authority,
            name=name,
            data_folder=folder,
            stopping=stopping,
        )
    )
