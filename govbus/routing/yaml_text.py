"""Reads YAML in which every scalar is text: ``no`` stays ``no``, ``0002`` stays ``0002`` and a day stays a day."""

from __future__ import annotations

from typing import Any

import yaml


class YamlTextError(ValueError):
    """A file that is no such YAML; the text says in which line and column."""


class _Loader(yaml.BaseLoader):
    """Makes nothing but text, lists and mappings; refuses names that stand twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002  # PyYAML's signature
        names: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "expected a name", key.start_mark)
            if key.value in names:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key.value!r} stands twice", key.start_mark
                )
            names.add(key.value)
        return super().construct_mapping(node, deep)


def yaml_text(octets: bytes) -> Any:
    """Return the value of a YAML file in UTF-8: text, lists and mappings.

    Raises:
        YamlTextError: if it is no YAML, has a name twice in one mapping, or nests too deep.
    """
    try:
        return yaml.load(octets.decode("utf-8"), _Loader)  # noqa: S506  # a BaseLoader: it makes nothing but text
    except (yaml.YAMLError, ValueError, RecursionError) as err:
        raise YamlTextError(_words(err)) from err


def _words(err: Exception) -> str:
    if isinstance(err, yaml.MarkedYAMLError) and err.problem_mark is not None:
        mark = err.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {err.problem}"
    return "is not a YAML file in UTF-8"
