"""Programs of others that run in Node: installed by their lock below ``build``, once for a lock."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INSTALL_TIMEOUT_S = 600


def installed(name, script="check.js"):
    """Return node and the folder of a tool of ``tools/<name>``, installed by its lock; skip where there is no Node."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not there: bash tools/system_packages.sh")
    tool, built = ROOT / "tools" / name, ROOT / "build" / name
    lock = (tool / "package-lock.json").read_bytes()
    stamp = built / "installed"
    if not stamp.exists() or stamp.read_bytes() != lock:
        shutil.rmtree(built, ignore_errors=True)
        shutil.copytree(tool, built)
        subprocess.run(
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=built,
            check=True,
            timeout=INSTALL_TIMEOUT_S,
            capture_output=True,
        )
        stamp.write_bytes(lock)
    shutil.copy(tool / script, built)
    return node, built
