"""The demo's evidence bundle, checked as whoever receives it would: by the library, and by its own script."""

from __future__ import annotations

import enum
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from govbus.cli.verify import verify_bundle_file

TOOLS: Final = ("openssl", "sha256sum")
"""What verify.sh needs besides a shell."""
SCRIPT_TIMEOUT_S = 60
_NOT_CHECKED = 2


class Script(enum.StrEnum):
    """How verify.sh ended."""

    VERIFIED = "verified"
    FAILED = "failed"
    NOT_CHECKED = "not checked"
    """The openssl of this machine cannot check the signatures."""
    NOT_RUN = "not run"
    """The machine lacks a tool that it needs."""


def bundle_problems(bundle: Path, trust: Path, *, steps: tuple[str, ...]) -> list[str]:
    """Check a bundle under an auditor's own keys.

    Args:
        bundle: the ZIP file.
        trust: folder of the keys.
        steps: names of those that must not be left out for want of material.

    Returns:
        What does not hold.

    Raises:
        ConfigError: if bundle or keys cannot be read.
    """
    report = verify_bundle_file(bundle, trust)
    problems = [f"{one.name}: {one.text}" for one in report.steps if one.result == "failed"]
    proven = {one.name for one in report.steps if one.result == "ok"}
    return problems + [f"{name}: nothing of it in the bundle" for name in steps if name not in proven]


def run_script(bundle: Path, trust: Path) -> Script:
    """Unpack a bundle and run its verify.sh under an auditor's own keys."""
    shell = shutil.which("sh")
    if shell is None or not all(map(shutil.which, TOOLS)):
        return Script.NOT_RUN
    with tempfile.TemporaryDirectory() as unpacked:
        with zipfile.ZipFile(bundle) as files:
            files.extractall(unpacked)
        done = subprocess.run(
            [shell, str(Path(unpacked) / "verify.sh"), str(trust.resolve())],
            capture_output=True,
            timeout=SCRIPT_TIMEOUT_S,
            check=False,
        )
    if done.returncode == _NOT_CHECKED:
        return Script.NOT_CHECKED
    return Script.FAILED if done.returncode else Script.VERIFIED
