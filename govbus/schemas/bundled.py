"""The schemas that come with govbus, read from the wheel or from a checkout's ``schemas`` folder."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from govbus.errors import MissingPartError


@functools.cache
def folder() -> Path:
    """Return the folder of the shipped schemas.

    Raises:
        MissingPartError: if the installation lacks it.
    """
    here = Path(__file__).resolve().parent
    for candidate in (here / "_bundled", here.parent.parent / "schemas"):
        if (candidate / "core").is_dir():
            return candidate
    raise MissingPartError("the schemas that come with govbus are missing", remedy="install govbus again")


def definition(name: str) -> dict[str, Any]:
    """Return a shipped schema as written.

    Args:
        name: its place below ``schemas`` without the ending, such as ``core/log_entry/v1``.

    Raises:
        MissingPartError: if there is none of that name.
    """
    try:
        text = (folder() / f"{name}.avsc").read_text("utf-8")
    except FileNotFoundError as err:
        raise MissingPartError(f"there is no shipped schema {name!r}") from err
    return json.loads(text)  # type: ignore[no-any-return]
