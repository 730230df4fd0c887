"""The threat model's tables and these tests are the same list: no row without a test, and no test without a row."""

import ast
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "auditing" / "threat-model.md"
TABLES = {
    "Outsiders": ("test_outsiders.py", "test_real_router.py"),
    "A colluding operator": ("test_operator.py", "test_operator_archive.py"),
}
HONEST = re.compile(r"test_(honest|the_genuine|signing_again_without)")
"""Tests of what attacks begin with."""


def _rows(title):
    """Return the first column of the table under a heading, as names of tests begin."""
    section = PAGE.read_text(encoding="utf-8").split(f"\n## {title}\n")[1].split("\n## ")[0]
    cells = [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("|")]
    return ["test_" + re.sub(r"[^a-z0-9]+", "_", cell.lower()).strip("_") for cell in cells[2:]]


def _tests(files):
    """Return the names of every test in some files."""
    names = []
    for name in files:
        tree = ast.parse((Path(__file__).parent / name).read_text(encoding="utf-8"))
        functions = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        names += [node.name for node in functions if node.name.startswith("test_")]
    return names


@pytest.mark.parametrize("title", TABLES)
def test_every_row_has_a_test(title):
    """What the page says is caught has a test that its name leads to."""
    rows, tests = _rows(title), _tests(TABLES[title])
    assert len(rows) >= 8
    assert [] == [row for row in rows if not any(_is_of(test, row) for test in tests)]


@pytest.mark.parametrize("title", TABLES)
def test_every_test_has_a_row(title):
    """What is tested stands on the page."""
    rows, tests = _rows(title), _tests(TABLES[title])
    astray = [test for test in tests if not any(_is_of(test, row) for row in rows)]
    assert [] == [test for test in astray if not HONEST.match(test)]


def test_every_material_of_the_operator_s_table_is_tried():
    """Each kind of outside material that the page trusts catches something by itself."""
    tests = _tests(TABLES["A colluding operator"])
    for material in ("witness", "time_stamps", "receipts", "auditors_checkpoint", "unseen_without_outside"):
        assert any(material in test for test in tests), material


def _is_of(test, row):
    return test == row or test.startswith(row + "__")
