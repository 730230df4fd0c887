"""Rules of the house that no linter has."""

import ast
import re
import runpy
from pathlib import Path

import pytest

from govbus.routing.rules.catalogue import RULES

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "govbus").rglob("*.py"))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "schemas").rglob("*.md")])
FUNCTION_LINES_MAX, MODULE_LINES_MAX = 70, 500
BANNED_NAMES = {"util", "utils", "helper", "helpers", "common", "manager", "misc"}


def relative(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_modules_are_small_and_say_what_they_are_for(path):
    """A module has a docstring, at most 500 lines and functions of at most 70."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    long = [
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno + 1 > FUNCTION_LINES_MAX
    ]

    assert [] == long
    assert MODULE_LINES_MAX >= text.count("\n")
    assert ast.get_docstring(tree)
    assert path.stem not in BANNED_NAMES


def test_no_leftovers():
    """No leftover markers stand in the code."""
    marker = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")) + r")\b")
    found = [
        relative(path)
        for path in [*MODULES, *sorted((ROOT / "tests").rglob("*.py"))]
        if marker.search(path.read_text(encoding="utf-8"))
    ]

    assert [] == found


@pytest.mark.parametrize("path", PAGES, ids=relative)
def test_pages_have_one_title_and_links_that_lead_somewhere(path):
    """A page has one title, and every link to a file of ours leads to one."""
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)

    assert 1 == len(re.findall(r"^# ", text, flags=re.MULTILINE))
    assert [] == [link for link in links if not (path.parent / link).exists()]


def test_every_test_says_what_it_shows():
    """Every test has a docstring that states the behaviour."""
    silent = [
        f"{relative(path)}:{node.name}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]

    assert [] == silent


def test_every_schema_has_an_example():
    """Every shipped schema has an example beside it."""
    schemas = sorted((ROOT / "schemas").rglob("*.avsc"))

    assert schemas
    assert [] == [relative(one) for one in schemas if not one.with_name("v1.example.json").exists()]


def test_rules_pages():
    """The pages about rules are what their generator writes, every rule with an example each way, and no others."""
    pages = runpy.run_path(str(ROOT / "tools" / "rules_docs.py"))["pages"]()
    docs = ROOT / "docs"
    committed = [docs / "rules.md", *(docs / "rules").glob("*.md")]

    assert pages.keys() == {str(path.relative_to(docs)) for path in committed}
    assert [] == [
        name for name, text in pages.items() if text != (docs / name).read_text(encoding="utf-8")
    ], "to be written again with: make docs"
    sections = "".join(text for name, text in pages.items() if name != "rules.md")
    assert list(RULES) == re.findall(r"^## (.*)$", sections, flags=re.MULTILINE)
    assert len(RULES) == len(re.findall(r"^Passes:$", sections, flags=re.MULTILINE))


def test_nothing_private_is_committed():
    """No private key and no path of a developer's machine stands in a file of ours."""
    private = "PRIVATE" + " KEY-----"
    found = [
        relative(path)
        for folder in ("govbus", "schemas", "docs", "tests", "deploy", "bench", "tools", "locks")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.is_file()
        and path.suffix in {".py", ".md", ".json", ".yaml", ".txt", ".sh", ".pem", ".avsc"}
        and private in path.read_text(encoding="utf-8")
    ]

    assert [] == found
