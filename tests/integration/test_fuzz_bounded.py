"""A short campaign of atheris on every entry point; ``make fuzz`` runs the long one."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TARGET_TIME_MAX_S = 30
"""Where a machine is busy, a target does less instead of lasting longer."""
CAMPAIGN_TIME_MAX_S = 900


def _campaign(*arguments):
    command = [sys.executable, "-m", "tests.fuzz.campaign", *arguments]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=CAMPAIGN_TIME_MAX_S,
        check=False,
    )


needs_atheris = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None,
    reason="atheris is not installed: it needs Linux and a Python below 3.14",
)


@needs_atheris
def test_no_input_of_a_short_campaign_fails(tmp_path):
    """Some thousand inputs at every entry point: each gives a value, a finding or an error that callers await."""
    run = _campaign(
        "--bounded", "--seed", "1", "--jobs", "2", "--seconds", str(TARGET_TIME_MAX_S), "--out", str(tmp_path)
    )
    rows = [line.split() for line in run.stdout.splitlines()[1:]]

    assert 0 == run.returncode, run.stdout + run.stderr
    assert len(rows) > 20
    assert [] == [row[0] for row in rows if not int(row[1]) or not int(row[2])]


@needs_atheris
def test_a_failing_input_is_kept_and_told(tmp_path):
    """A target that fails ends the campaign with exit code 1, and its input stays in a file that the table names."""
    run = _campaign("--bounded", "--seed", "1", "--seconds", "10", "--out", str(tmp_path), "self_test")
    (kept,) = (tmp_path / "self_test").glob("crash-*")

    assert 1 == run.returncode
    assert str(kept) in run.stdout
    assert kept.read_bytes().startswith(b"!")
