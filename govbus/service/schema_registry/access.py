"""Who may use the registry: everyone on this machine, or those whose secret stands in a file as a hash.

Each line of the file is ``<role> <name> <hex SHA-256 of the secret>``. Secrets are made by the program and have 256
bits, so a plain hash keeps them. Clients show them as HTTP basic (name and secret) or bearer (the secret).
"""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from govbus.errors import ConfigError
from govbus.service.schema_registry.errors import RegistryError

SECRET_BYTES: Final = 32
CLIENTS_MAX: Final = 10_000
_LINE = re.compile(r"(read|write) ([A-Za-z0-9._@-]{1,100}) ([0-9a-f]{64})", re.ASCII)


class Role(enum.StrEnum):
    """What a client may do."""

    READ = "read"
    WRITE = "write"
    """Read, register, delete and change settings."""


class Client(NamedTuple):
    """A client that the file names."""

    role: Role
    name: str
    secret_hash: bytes


class Access:
    """Decides about requests by their ``Authorization``."""

    def __init__(self, clients: Mapping[bytes, Client] | None = None) -> None:
        """Make it.

        Args:
            clients: by the hash of their secret; None lets everyone do everything, for loopback alone.
        """
        self._clients = clients

    @classmethod
    def from_file(cls, path: Path) -> Access:
        """Read the file.

        Raises:
            ConfigError: if it cannot be read, or a line is not as above; the line itself is not repeated.
        """
        try:
            lines = path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as err:
            raise ConfigError(f"{path} cannot be read as a file of clients") from err
        clients: dict[bytes, Client] = {}
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.startswith("#"):
                continue
            found = _LINE.fullmatch(line.strip())
            if found is None or len(clients) >= CLIENTS_MAX:
                raise ConfigError(
                    f"{path} line {number}: expected role, name and the hash of a secret",
                    remedy="make lines with: govbus schema-registry credential NAME",
                )
            secret_hash = bytes.fromhex(found[3])
            clients[secret_hash] = Client(Role(found[1]), found[2], secret_hash)
        return cls(clients)

    def check(self, authorization: str | None, *, is_change: bool) -> None:
        """Check that a client may go on.

        Args:
            authorization: the header, or None.
            is_change: whether it asks for more than reading.

        Raises:
            RegistryError: 40101 if nobody known asks, 40301 if the client may only read.
        """
        if self._clients is None:
            return
        name, secret = _credentials(authorization or "")
        client = self._clients.get(hashlib.sha256(secret).digest())
        if client is None or not (name is None or hmac.compare_digest(name, client.name.encode())):
            raise RegistryError(40101, "Unauthorized")
        if is_change and client.role is not Role.WRITE:
            raise RegistryError(40301, "This client may only read")


def new_credential(name: str, role: Role) -> tuple[str, str]:
    """Return a new secret, and the line for the file that lets it in.

    Raises:
        ConfigError: if the name has other characters than letters, digits, ``.``, ``_``, ``@`` and ``-``.
    """
    secret = secrets.token_urlsafe(SECRET_BYTES)
    line = f"{role} {name} {hashlib.sha256(secret.encode()).hexdigest()}"
    if _LINE.fullmatch(line) is None:
        raise ConfigError("a name has 1 to 100 letters, digits and . _ @ -")
    return secret, line


def _credentials(authorization: str) -> tuple[bytes | None, bytes]:
    """Return the name, None where the scheme has none, and the secret."""
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return None, rest.strip().encode("utf-8", "replace")
    if scheme.lower() == "basic":
        try:
            name, _, secret = base64.b64decode(rest.strip(), validate=True).partition(b":")
        except (binascii.Error, ValueError):
            return b"", b""
        return name, secret
    return b"", b""
