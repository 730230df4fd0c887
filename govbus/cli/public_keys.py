"""Public keys that auditors are given as files."""

from __future__ import annotations

from pathlib import Path

from govbus.errors import ConfigError
from govbus.message_log.keys import LogPublicKeys

ED25519_PUBLIC, ML_DSA_PUBLIC = "log-ed25519.pub.pem", "log-ml-dsa-44.pub.pem"


def read_public_keys(folder: Path) -> LogPublicKeys:
    """Return the public keys of a message log.

    Raises:
        ConfigError: if one is missing or cannot be read.
    """
    try:
        return LogPublicKeys.from_pem(
            (folder / ED25519_PUBLIC).read_bytes(), (folder / ML_DSA_PUBLIC).read_bytes()
        )
    except OSError as err:
        raise ConfigError(
            f"{err.filename} cannot be read: {err.strerror}",
            remedy="ask the operator for the public keys that `govbus log keys` wrote",
        ) from err
