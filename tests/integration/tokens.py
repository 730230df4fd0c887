"""SoftHSM2 tokens for tests: a real PKCS#11 library whose tokens are folders."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

PIN: Final = "4711-0815"
_LIBRARIES: Final = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)


class Tokens:
    """A folder of tokens that this process's library and ``softhsm2-util`` both see."""

    def __init__(self, folder: Path) -> None:
        """Point SoftHSM at the folder, for as long as the process lives: its library is loaded once."""
        self.folder = folder / "tokens"
        self.folder.mkdir()
        self.library = next(path for path in _LIBRARIES if Path(path).exists())
        self.pin_file = folder / "pin"
        self.pin_file.write_text(PIN + "\n")
        configuration = folder / "softhsm2.conf"
        configuration.write_text(
            f"directories.tokendir = {self.folder}\nobjectstore.backend = file\nlog.level = ERROR\n"
        )
        os.environ["SOFTHSM2_CONF"] = str(configuration)

    def create(self, label: str) -> None:
        """Make a token."""
        subprocess.run(
            [
                "softhsm2-util",
                "--init-token",
                "--free",
                "--label",
                label,
                "--so-pin",
                "87654321",
                "--pin",
                PIN,
            ],
            check=True,
            capture_output=True,
        )

    def uri(self, label: str, name: str = "", key_id: str = "", *, pin_source: str | None = None) -> str:
        """Return the reference of a key."""
        parts = [f"token={label}"]
        if name:
            parts.append(f"object={name}")
        if key_id:
            parts.append(f"id={key_id}")
        source = f"file:{self.pin_file}" if pin_source is None else pin_source
        query = f"module-path={self.library}" + (f"&pin-source={source}" if source else "")
        return f"pkcs11:{';'.join(parts)}?{query}"

    def pull_out(self) -> None:
        """Take every token away."""
        self.folder.rename(self.folder.with_name("away"))

    def put_back(self) -> None:
        """Put them in again."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.with_name("away").rename(self.folder)


def tokens_or_skip(folder: Path) -> Tokens:
    """Return tokens in a folder; skips where SoftHSM2 is not installed, which tools/check.sh does not let pass."""
    if shutil.which("softhsm2-util") is None:
        pytest.skip("softhsm2-util is not installed: bash tools/system_packages.sh")
    return Tokens(folder)
