"""``make conformance``: what passed, failed and was left out, set by set; nothing that is not used goes unnoticed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "conformance.py"
GOOD = """
    import pytest

    pytestmark = pytest.mark.conformance_set("alpha")

    def test_many(record_property):
        record_property("cases", 17)
        record_property("left_out", "case 3: torn")

    @pytest.mark.parametrize("number", [1, 2, 3])
    @pytest.mark.conformance_set("niem/x/file.json", "vectors/y.json")
    def test_each(number):
        if number == 3:
            pytest.skip("three is not for us")
"""


@pytest.fixture
def run(tmp_path):
    """Runs the tool over one module of tests and a folder of data with three sets."""
    for name in ("data/alpha/one.json", "data/niem/x/file.json", "data/vectors/y.json", "data/README.md"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")

    def run_tool(module, data=tmp_path / "data"):
        tests = tmp_path / "tests"
        tests.mkdir(exist_ok=True)
        (tests / "test_module.py").write_text(re.sub("^    ", "", module, flags=re.MULTILINE))
        environment = {**os.environ, "GOVBUS_CONFORMANCE_DATA": str(data)}
        return subprocess.run(
            [sys.executable, str(TOOL), str(tests)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run_tool


def row(output, name):
    """Return the numbers of a set in the summary: cases, passed, failed, skipped."""
    summary = output[output.index("All sets") :]
    return [
        int(number)
        for number in re.search(rf"^{name} +(\d+) +(\d+) +(\d+) +(\d+)", summary, re.MULTILINE).groups()
    ]


def test_every_set_has_its_numbers(run):
    """Cases, tests and skips are counted under each set that a test names, with the reasons beside them."""
    result = run(GOOD)

    assert 0 == result.returncode, result.stdout + result.stderr
    assert [17, 1, 0, 0] == row(result.stdout, "alpha")
    assert [2, 2, 0, 1] == row(result.stdout, "niem/x")
    assert [2, 2, 0, 1] == row(result.stdout, "vectors/y.json")
    assert "case 3: torn" in result.stdout
    assert "three is not for us" in result.stdout


def test_a_failure_is_told(run):
    """A case that fails stands in the table of its set, and in the exit code."""
    result = run(GOOD + "\n    def test_wrong():\n        assert 1 == 2\n")

    assert 1 == result.returncode
    assert [17, 1, 1, 0] == row(result.stdout, "alpha")
    assert "assert 1 == 2" in result.stdout


def test_a_set_that_nobody_asks_is_told(run):
    """A set of the folder that no test names fails, however well the others do."""
    result = run(GOOD.replace(', "vectors/y.json"', ""))

    assert 1 == result.returncode
    assert "not used: vectors/y.json" in result.stdout


def test_a_set_that_is_only_skipped_is_no_success(run):
    """Where a machine lacks what a set needs, its numbers are zero and the summary says why nothing was run."""
    result = run(GOOD.replace("if number == 3", "if number"))

    assert 0 == result.returncode
    assert [0, 0, 0, 3] == row(result.stdout, "niem/x")
    assert "nothing was run: three is not for us" in result.stdout


def test_a_marker_that_names_nothing_is_told(run):
    """A misspelt set is an error of its own."""
    result = run(GOOD.replace('"alpha"', '"alpa"'))

    assert 2 == result.returncode
    assert "a marker names no set of the folder" in result.stdout
    assert "alpa" in result.stdout


def test_without_data_there_is_no_success(run, tmp_path):
    """A folder that is not there is an error, never a run in which everything was skipped."""
    result = run(GOOD, tmp_path / "nowhere")

    assert 2 == result.returncode
    assert "GOVBUS_CONFORMANCE_DATA" in result.stderr


def test_a_module_that_cannot_be_read_is_told(run, tmp_path):
    """A module that cannot be imported fails the run, and the others are counted all the same."""
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_broken.py").write_text("import nothing_of_this_name\n")
    result = run(GOOD)

    assert 1 == result.returncode
    assert "nothing_of_this_name" in result.stdout
    assert [17, 1, 0, 0] == row(result.stdout, "alpha")
