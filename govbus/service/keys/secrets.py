"""Passwords and PINs: read where they lie at the moment they are needed, never part of an argument or a log line."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from govbus.errors import ConfigError

SECRET_BYTES_MAX = 1024
Secret = Callable[[], bytes | None]
"""Returns a password or PIN, None where there is none."""


def no_secret() -> bytes | None:
    """Return None: there is no password."""
    return None


def secret_from_variable(name: str) -> Secret:
    """Return a reader of an environment variable; an empty name is no secret."""
    if not name:
        return no_secret

    def read() -> bytes | None:
        value = os.environ.get(name)
        if value is None:
            raise ConfigError(f"environment variable {name} is not set; it holds the password of a key")
        return value.encode("utf-8")

    return read


def secret_from_file(path: Path | None) -> Secret:
    """Return a reader of the first line of a file; None is no secret."""
    if path is None:
        return no_secret

    def read() -> bytes | None:
        try:
            with path.open("rb") as file:
                octets = file.read(SECRET_BYTES_MAX + 1)
        except OSError as err:
            raise ConfigError(
                f"{path} cannot be read: {err.strerror}; it holds the password of a key"
            ) from err
        if len(octets) > SECRET_BYTES_MAX:
            raise ConfigError(f"{path} is over {SECRET_BYTES_MAX} bytes; it should hold one password")
        return octets.split(b"\n")[0].rstrip(b"\r")

    return read


def secret_from_pin_source(source: str) -> Secret:
    """Return a reader of what a key reference's ``pin-source`` names; an empty one is no secret."""
    kind, _, place = source.partition(":")
    return secret_from_file(Path(place)) if kind == "file" else secret_from_variable(place)
