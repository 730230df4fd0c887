"""Checks of what a request names: subjects, versions and schemas."""

from __future__ import annotations

import json
import re
from typing import Any, Final
from uuid import UUID

from govbus.errors import SchemaError
from govbus.schemas.canonical import schema_hash
from govbus.service.schema_registry.errors import RegistryError, invalid_schema, invalid_version

VERSION_MAX: Final = 2**31 - 1
SUBJECT_CHARACTERS_MAX: Final = 500
LATEST: Final = frozenset({"latest", "-1"})

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_RESERVED_SUBJECTS = frozenset({"__GLOBAL", "__EMPTY"})


def guid_of(digest: str) -> str:
    """Return the GUID of a content: the first half of its SHA-256, in the form of a UUID."""
    return str(UUID(digest[:32]))


def parse_schema(text: object) -> Any:
    """Return a schema as JSON values.

    Raises:
        RegistryError: 42201 if it is no JSON, or an object has a key twice.
    """
    if not isinstance(text, str):
        raise invalid_schema("expected a string with the schema as JSON")
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as err:
        raise invalid_schema(
            "the text is not JSON, or an object has a key twice, or it nests too deep"
        ) from err


def check_subject(subject: str) -> None:
    """Check the name of a subject.

    Raises:
        RegistryError: 42208.
    """
    if (
        not subject.strip()
        or len(subject) > SUBJECT_CHARACTERS_MAX
        or _CONTROL.search(subject)
        or subject in _RESERVED_SUBJECTS
    ):
        raise RegistryError(
            42208, f"A subject has 1 to {SUBJECT_CHARACTERS_MAX} characters, none of them a control character"
        )
    if subject.startswith(":."):
        raise RegistryError(42208, "This registry has the default context only")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key stands twice")
    return made


def digest_of(definition: Any) -> str:
    """Return the hash of a schema's content (`govbus.schemas.canonical`).

    Raises:
        RegistryError: 42201 if it has no canonical JSON.
    """
    try:
        return schema_hash(definition)
    except SchemaError as err:
        raise invalid_schema(err.message) from err


def version_number(text: str) -> int | None:
    """Return a version number, None for the latest.

    Raises:
        RegistryError: 42202.
    """
    if text in LATEST:
        return None
    if not re.fullmatch(r"[0-9]{1,10}", text, re.ASCII) or not 1 <= int(text) <= VERSION_MAX:
        raise invalid_version(text)
    return int(text)
