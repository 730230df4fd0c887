"""Reads and writes the YAML of an Open Data Contract: the values of JSON, and nothing that YAML has besides.

Days stay texts, ``no`` stays a text, names stand once, and a value has no anchors: nobody can make a small file large.
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from govbus.routing.yaml_text import YamlTextError

CONTRACT_BYTES_MAX: Final = 1_000_000
NESTING_MAX: Final = 100

_NULL = re.compile(r"(?:~|null|Null|NULL|)\Z")
_BOOLEAN = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})\Z")
_FLOAT = re.compile(r"[-+]?[0-9]{1,40}\.[0-9]{0,40}(?:[eE][-+][0-9]{1,2})?\Z")
_STRING_TAG: Final = "tag:yaml.org,2002:str"


class _Loader(yaml.BaseLoader):
    """Makes the values of JSON; refuses names that stand twice, anchors, and tags."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise _problem("an alias is not allowed here", self._mark())
        self._depth += 1
        if self._depth > NESTING_MAX:
            raise _problem(f"nested deeper than {NESTING_MAX}", self._mark())
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def _mark(self) -> yaml.Mark:
        mark: yaml.Mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # PyYAML has no types here
        return mark

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: ARG002, FBT001, FBT002  # PyYAML's signature
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        return super().construct_object(node, deep=True)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002  # PyYAML's signature
        found: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _problem("expected a name", key.start_mark)
            if key.value in found:
                raise _problem(f"{key.value[:60]!r} stands twice", key.start_mark)
            found[key.value] = self.construct_object(value, deep=deep)
        return found


def _problem(words: str, mark: yaml.Mark) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, words, mark)


def _scalar(node: yaml.ScalarNode) -> Any:
    text = str(node.value)
    if node.style is not None:
        return text
    if _NULL.match(text):
        return None
    if _BOOLEAN.match(text):
        return text.lower() == "true"
    if _INTEGER.match(text):
        return int(text)
    return float(text) if _FLOAT.match(text) else text


def contract_value(octets: bytes) -> Any:
    """Return the value of a contract.

    Raises:
        YamlTextError: if it is no such YAML in UTF-8, or is beyond a bound; the text says where.
    """
    if len(octets) > CONTRACT_BYTES_MAX:
        raise YamlTextError(f"is over {CONTRACT_BYTES_MAX} bytes")
    try:
        return yaml.load(octets.decode("utf-8"), _Loader)  # noqa: S506  # makes nothing but the values of JSON
    except yaml.MarkedYAMLError as err:
        if err.problem_mark is None:
            raise YamlTextError("is not a YAML file") from err
        mark = err.problem_mark
        raise YamlTextError(f"line {mark.line + 1}, column {mark.column + 1}: {err.problem}") from err
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as err:
        raise YamlTextError("is not a YAML file in UTF-8") from err


class _Dumper(yaml.SafeDumper):
    """Writes no anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  # PyYAML's signature
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    """Write a text; one with a line break that only Unicode knows is quoted, because readers fold such breaks."""
    style = '"' if any(one in text for one in "\x85\u2028\u2029") else None
    return dumper.represent_scalar(_STRING_TAG, text, style=style)


_Dumper.add_representer(str, _text)


def contract_yaml(value: Any) -> str:
    """Return a contract, or another plain value, as YAML in the order of its fields."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return text
