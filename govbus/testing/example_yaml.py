"""Reads the YAML of rule examples, and lays one example over the base of all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

_SCALARS = {
    "tag:yaml.org,2002:null": r"null|~|",
    "tag:yaml.org,2002:bool": r"true|false",
    "tag:yaml.org,2002:int": r"-?(?:0|[1-9][0-9]*)",
    "tag:yaml.org,2002:float": r"-?(?:0|[1-9][0-9]*)\.[0-9]+",
}
"""The scalars of YAML 1.2's core schema that examples need; whatever else is written is text, such as days."""


class _Loader(yaml.SafeLoader):
    """Reads as JSON would: ``no`` stays text, and so do ``115:11`` and ``2026-11-23``."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # PyYAML's own seam


for _tag, _pattern in _SCALARS.items():
    _Loader.add_implicit_resolver(_tag, re.compile(f"^(?:{_pattern})$"), None)


def example_fields(text: str) -> dict[str, Any]:
    """Return the keys of an example.

    Raises:
        ValueError: if it is no YAML mapping.
    """
    fields = yaml.load(text, _Loader)  # noqa: S506  # a SafeLoader with fewer scalars
    if not isinstance(fields, dict):
        raise ValueError(f"expected a mapping, found {type(fields).__name__}")  # noqa: TRY004  # a value, not a type
    return fields


def merged(base: Any, change: Any) -> Any:
    """Return the base with an example laid over it: mappings by name, everything else as a whole.

    A name whose value is null leaves the mapping.
    """
    if not (isinstance(base, Mapping) and isinstance(change, Mapping)):
        return change
    whole = {name: value for name, value in base.items() if name not in change}
    for name, value in change.items():
        if value is not None:
            whole[name] = merged(base.get(name), value)
    return whole
