"""Where each rule stands in the code and in the tests: read from the sources, so that nobody has to keep it true."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from govbus.routing.rules.catalogue import FAMILIES, RULES
from govbus.routing.rules.rule import Rule

PACKAGE: Final = Path(__file__).parents[1]
"""Folder of the installed package ``govbus``."""
TESTS: Final = PACKAGE.parent / "tests"
"""Folder of the tests; only a checkout has one."""
_APART: Final = ("testing", "cli")
"""Parts of the package that show rules and enforce none."""


class CodePlace(NamedTuple):
    """A function or class that names a rule."""

    module: str
    """Dotted name, or for tests the path from the checkout."""
    name: str
    """Qualified name in the module; empty for the module itself."""
    line: int

    def __str__(self) -> str:
        return f"{self.module}:{self.name}" if self.name else self.module


class RuleCoverage(NamedTuple):
    """One rule, and where it is enforced and shown."""

    rule: Rule
    family: str
    code: tuple[CodePlace, ...]
    """What enforces it."""
    tests: tuple[CodePlace, ...]
    """Tests that name it, besides the one that runs its examples; none where the tests are not installed."""


def coverage() -> tuple[RuleCoverage, ...]:
    """Return where every rule stands, family by family."""
    code, tests = code_places(), places_in_tests()
    return tuple(
        RuleCoverage(rule, family, code.get(rule.id, ()), tests.get(rule.id, ()))
        for family, module in FAMILIES.items()
        for rule in module.RULES
    )


@functools.cache
def code_places() -> Mapping[str, tuple[CodePlace, ...]]:
    """Return by rule id what in the package names a rule, the rule's own definition left out."""
    files = (
        (path, ".".join(("govbus", *path.relative_to(PACKAGE).with_suffix("").parts)))
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).parts[0] not in _APART
    )
    return _places(files)


@functools.cache
def places_in_tests() -> Mapping[str, tuple[CodePlace, ...]]:
    """Return by rule id the tests that name a rule; nothing where the tests are not installed."""
    return _places((path, str(path.relative_to(TESTS.parent))) for path in sorted(TESTS.rglob("test_*.py")))


def _places(files: Iterator[tuple[Path, str]]) -> dict[str, tuple[CodePlace, ...]]:
    places: dict[str, dict[CodePlace, None]] = {}
    for path, module in files:
        for rule, name, line in _mentions(ast.parse(path.read_text(encoding="utf-8")), ()):
            known = places.setdefault(rule, {})
            if not any((one.module, one.name) == (module, name) for one in known):
                known[CodePlace(module, name, line)] = None
    return {rule: tuple(found) for rule, found in places.items()}


def _mentions(node: ast.AST, scope: tuple[str, ...]) -> Iterator[tuple[str, str, int]]:
    """Yield rule id, qualified name and line of every place that names a rule as a text."""
    if _is_definition(node):
        return
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        scope = (*scope, node.name)
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in RULES:
        yield node.value, ".".join(scope), node.lineno
    for child in ast.iter_child_nodes(node):
        yield from _mentions(child, scope)


def _is_definition(node: ast.AST) -> bool:
    """Return whether a node is a call of `Rule`: what a rule says, not what enforces it."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Rule"
