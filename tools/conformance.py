"""Runs every case that others made, and says for each of their sets what passed, what failed and what was left out.

``make conformance`` runs it. The folder of data is the one that GOVBUS_CONFORMANCE_DATA names, else
../shared/conformance. A test names its set with the marker ``conformance_set`` (tests/conformance/README.md). A set
that no test names is an error, unless `NOT_USED` says why.

Exit code 0: nothing failed; 1: something did, or a set is not used; 2: there is no data, or a marker names none of it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
TESTS = ROOT / "tests" / "conformance"
VARIABLE = "GOVBUS_CONFORMANCE_DATA"
DATA_DEFAULT = ROOT.parent / "shared" / "conformance"
COLLECTIONS = ("niem", "vectors")
"""Folders of the data that hold several sets."""
WIDTH_MIN = 120
"""Columns of the tables, so that names stay whole where the output is a file."""
UNNAMED = "of our own"
"""Where tests without a set are shown."""
NOT_USED: dict[str, str] = {}
"""Sets that no test uses, and why."""


def data_sets(data: Path) -> list[str]:
    """Return the sets in a folder of data: its folders, and what lies in a collection."""
    sets = []
    for path in sorted(data.iterdir()):
        if path.is_dir():
            inner = sorted(path.iterdir()) if path.name in COLLECTIONS else [path]
            sets += [str(one.relative_to(data)) for one in inner]
    return sets


def set_of(name: str, sets: list[str]) -> str | None:
    """Return the set that a marker means: it may name a file inside one."""
    return next((one for one in sets if name == one or name.startswith(f"{one}/")), None)


@dataclass
class Row:
    """What became of one test function, all its parameters together."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    cases: int = 0
    notes: list[str] = field(default_factory=list)
    """Why something was skipped or left out."""

    def take(self, report: pytest.TestReport) -> None:
        """Add the report of one run of the function."""
        if report.failed:
            self.failed += 1
        elif report.skipped:
            self.skipped += 1
            self._note(_reason(report))
        elif report.when == "call":
            properties = dict(report.user_properties)
            self.passed += 1
            self.cases += int(str(properties.get("cases", 1)))
            if "left_out" in properties:
                self._note(str(properties["left_out"]))

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def _reason(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    return str(report.longrepr)


class SetReport:
    """A pytest plugin that groups what it sees by set."""

    def __init__(self, data: Path) -> None:
        self._sets = data_sets(data)
        self.rows: dict[str, dict[str, Row]] = {}
        """By set and test function."""
        self.unknown: list[str] = []
        """Markers that name no set of the folder."""
        self._sets_of: dict[str, list[str]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Note the sets of every test: the marker nearest to it counts."""
        for item in items:
            marker = item.get_closest_marker("conformance_set")
            named = [str(name) for name in marker.args] if marker is not None else []
            found = [set_of(name, self._sets) for name in named]
            self.unknown += [
                f"{item.nodeid}: {name}" for name, one in zip(named, found, strict=True) if one is None
            ]
            self._sets_of[item.nodeid] = [one for one in found if one is not None] or [UNNAMED]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count one test under each of its sets."""
        function = report.nodeid.partition("[")[0].rpartition("/")[2]
        for name in self._sets_of.get(report.nodeid, [UNNAMED]):
            self.rows.setdefault(name, {}).setdefault(function, Row()).take(report)

    @property
    def unused(self) -> list[str]:
        """Sets of the folder that no test is about."""
        return [name for name in self._sets if not self.rows.get(name)]

    def _of(self, name: str) -> Iterator[Row]:
        yield from self.rows.get(name, {}).values()

    def print(self, console: Console) -> None:
        """Print a table for each set, and one of all."""
        names = [*self._sets, *([UNNAMED] if UNNAMED in self.rows else [])]
        for name in names:
            if self.rows.get(name):
                console.print(_set_table(name, self.rows[name]))
                console.print()
        console.print(self._summary(names))

    @staticmethod
    def _note(name: str, rows: list[Row]) -> str:
        if not rows:
            return NOT_USED.get(name, "NOT USED: no test names it")
        is_run = any(row.passed or row.failed for row in rows)
        return (
            ""
            if is_run
            else f"nothing was run: {'; '.join({note: None for row in rows for note in row.notes})}"
        )

    def _summary(self, names: list[str]) -> Table:
        table = _table("All sets", "set")
        table.add_column("note")
        for name in names:
            rows = list(self._of(name))
            table.add_row(name, *_numbers(rows), self._note(name, rows))
        return table


def _set_table(name: str, rows: dict[str, Row]) -> Table:
    table = _table(name, "test")
    table.add_column("skipped or left out, and why")
    for function, row in rows.items():
        table.add_row(function.replace(".py::", "\n  "), *_numbers([row]), "\n".join(row.notes))
    return table


def _table(title: str, first: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column(first, overflow="fold")
    for column in ("cases", "passed", "failed", "skipped"):
        table.add_column(column, justify="right")
    return table


def _numbers(rows: list[Row]) -> list[str]:
    return [str(sum(getattr(row, name) for row in rows)) for name in ("cases", "passed", "failed", "skipped")]


def run(tests: Path, data: Path, console: Console) -> int:
    """Run the tests over the data, print the tables, and return the exit code."""
    os.environ[VARIABLE] = str(data)
    report = SetReport(data)
    code = pytest.main(
        [
            str(tests),
            "-qq",
            "--tb=short",
            "-p",
            "no:cacheprovider",
            "--continue-on-collection-errors",
            "--rootdir",
            str(ROOT),
            "-c",
            str(ROOT / "pyproject.toml"),
        ],
        plugins=[report],
    )
    console.print()
    report.print(console)
    unused = [name for name in report.unused if name not in NOT_USED]
    for line in report.unknown:
        console.print(f"a marker names no set of the folder: {line}")
    for name in unused:
        console.print(f"not used: {name}; mark a test with it, or say why in tools/conformance.py")
    if report.unknown:
        return 2
    return 1 if code != pytest.ExitCode.OK or unused else 0


def main() -> int:
    """Run everything, or the tests of a folder that is given."""
    tests = Path(sys.argv[1]) if len(sys.argv) > 1 else TESTS
    data = Path(os.environ.get(VARIABLE) or DATA_DEFAULT).resolve()
    if not data.is_dir():
        print(f"there is no folder {data}; name the data of others with {VARIABLE}", file=sys.stderr)
        return 2
    return run(tests, data, Console(width=max(WIDTH_MIN, Console().width), highlight=False))


if __name__ == "__main__":
    sys.exit(main())
