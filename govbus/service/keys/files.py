"""Key files: made once, for their owner alone, and never overwritten."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from govbus.errors import ConfigError

PRIVATE_MODE: Final = 0o600
PUBLIC_MODE: Final = 0o644


def write_new(path: Path, octets: bytes, *, is_private: bool) -> None:
    """Write a file that must not exist yet, and see it to the disk.

    Raises:
        ConfigError: if it exists or cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = PRIVATE_MODE if is_private else PUBLIC_MODE
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(descriptor)
    except FileExistsError as err:
        raise ConfigError(
            f"{path} exists", remedy="keys and certificates are never overwritten; choose another name"
        ) from err
    except OSError as err:
        raise ConfigError(f"{path} cannot be written: {err.strerror}") from err


def replace_file(path: Path, octets: bytes, *, is_private: bool) -> None:
    """Write a file that readers may have open: they see the old one or the new one, whole.

    Raises:
        ConfigError: if it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    write_new(temporary, octets, is_private=is_private)
    try:
        temporary.replace(path)
    except OSError as err:
        temporary.unlink(missing_ok=True)
        raise ConfigError(f"{path} cannot be written: {err.strerror}") from err


def require_absent(paths: Mapping[str, Path]) -> None:
    """Check that none of some files exists, before anything is made.

    Args:
        paths: by what they are.

    Raises:
        ConfigError: naming the first that exists.
    """
    for what, path in paths.items():
        if path.exists():
            raise ConfigError(
                f"{path} exists, so the {what} would overwrite it",
                remedy="keys and certificates are never overwritten; choose another name",
            )
