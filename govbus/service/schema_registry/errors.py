"""What the registry answers when it cannot do what was asked: Confluent's error codes and their HTTP status."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from govbus.document.finding import Breach

BREACHES_TOLD_MAX: Final = 10
"""Breaches in one message; the author mends these and sees the rest next time."""


class RegistryError(Exception):
    """A request that cannot be answered as asked; the message is for the client."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        """Confluent's ``error_code``: the HTTP status, or five digits that begin with it."""
        self.message = message

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.code if self.code < 1000 else self.code // 100  # noqa: PLR2004  # five digits begin with it


def subject_not_found(subject: str) -> RegistryError:
    """Return 40401."""
    return RegistryError(40401, f"Subject '{subject}' not found.")


def version_not_found(version: int) -> RegistryError:
    """Return 40402."""
    return RegistryError(40402, f"Version {version} not found.")


def schema_not_found(what: str = "") -> RegistryError:
    """Return 40403."""
    return RegistryError(40403, f"Schema {what} not found" if what else "Schema not found")


def invalid_schema(message: str) -> RegistryError:
    """Return 42201."""
    return RegistryError(42201, f"Invalid schema: {message}")


def invalid_version(text: str) -> RegistryError:
    """Return 42202."""
    return RegistryError(
        42202,
        f"The specified version '{text[:40]}' is not a valid version id. "
        'Allowed values are between [1, 2^31-1] and the string "latest"',
    )


def not_permitted(message: str) -> RegistryError:
    """Return 42205."""
    return RegistryError(42205, message)


def breaches_text(breaches: Iterable[Breach]) -> str:
    """Return breaches as one message: rule, place and detail of each."""
    told = [f"{one.rule} at {one.field or 'the schema'}: {one.detail}" for one in breaches]
    more = f"; and {len(told) - BREACHES_TOLD_MAX} more" if len(told) > BREACHES_TOLD_MAX else ""
    return "; ".join(told[:BREACHES_TOLD_MAX]) + more
