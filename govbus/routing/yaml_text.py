"""Reads YAML in which every scalar is text: ``no`` stays ``no``, ``0002`` stays ``0002`` and a day stays a day."""

from __future__ import annotations

import re
from typing import Any

import yaml

VALUES_MAX = 2_000_000
"""Texts, lists and mappings in one file, each alias counted as all that it stands for."""
_PROBLEM_CHARACTERS_MAX = 200
_SURROGATES = re.compile("[\ud800-\udfff]")
"""Escapes can write them; no UTF-8 can."""


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

    def construct_scalar(self, node: yaml.ScalarNode) -> str:
        text = str(super().construct_scalar(node))
        if not text.isascii() and _SURROGATES.search(text) is not None:
            detail = "expected a text of Unicode characters, found half of a pair"
            raise yaml.constructor.ConstructorError(None, None, detail, node.start_mark)
        return text

    def construct_document(self, node: yaml.Node) -> Any:
        # A few aliases of aliases are a short file, and would keep whoever walks its value busy for days.
        if _expanded(node, {}) > VALUES_MAX:
            detail = f"aliases stand for over {VALUES_MAX} values"
            raise yaml.constructor.ConstructorError(None, None, detail, node.start_mark)
        return super().construct_document(node)


def _expanded(node: yaml.Node, sizes: dict[int, int]) -> int:
    """Return how many values a node stands for; one inside itself counts nothing, and the constructor refuses it."""
    known = sizes.get(id(node))
    if known is not None:
        return known
    sizes[id(node)] = 0
    match node:
        case yaml.MappingNode():
            size = sum(_expanded(part, sizes) for pair in node.value for part in pair)
        case yaml.SequenceNode():
            size = sum(_expanded(part, sizes) for part in node.value)
        case _:
            size = 0
    sizes[id(node)] = size + 1
    return size + 1


def yaml_text(octets: bytes) -> Any:
    """Return the value of a YAML file in UTF-8: text, lists and mappings.

    Raises:
        YamlTextError: if it is no YAML, has a name twice in one mapping, or nests too deep.
    """
    try:
        return yaml.load(octets.decode("utf-8"), _Loader)  # noqa: S506  # a BaseLoader: it makes nothing but text
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as err:
        raise YamlTextError(_words(err)) from err


def _words(err: Exception) -> str:
    if isinstance(err, yaml.MarkedYAMLError) and err.problem_mark is not None:
        mark = err.problem_mark
        problem = str(err.problem)[:_PROBLEM_CHARACTERS_MAX]
        return f"line {mark.line + 1}, column {mark.column + 1}: {problem}"
    return "is not a YAML file in UTF-8"
