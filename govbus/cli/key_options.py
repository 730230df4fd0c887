"""Options that commands with private keys share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PasswordFileOption = Annotated[
    Path | None,
    typer.Option(help="File with the key's password or PIN, where it has one.", dir_okay=False),
]
