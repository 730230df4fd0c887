"""The demo's processes: each command of govbus runs on its own, as in production, with its output in ``logs/``."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from govbus.errors import MissingPartError

READY_INTERVAL_S = 0.1
START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 20.0
NO_BUS = "127.0.0.1:1"
"""Where no broker answers."""


class Processes:
    """Processes by their names."""

    def __init__(self, folder: Path, bootstrap_servers: str) -> None:
        """Prepare to run commands in a folder and on a broker."""
        self._logs = folder / "logs"
        self._environment = environment_of(folder, bootstrap_servers)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *arguments: str, settings: Mapping[str, str] | None = None) -> None:
        """Start a command; settings are added to its environment."""
        self._logs.mkdir(exist_ok=True)
        with self._log_file(name).open("wb") as output:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", "govbus", *arguments],
                env={**self._environment, **(settings or {})},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    async def wait_for(self, name: str, sign: str) -> str:
        """Wait until a process says something in its log, and return that line.

        Raises:
            MissingPartError: if a process ends.
            TimeoutError: if it says nothing in time.
        """
        async with asyncio.timeout(START_TIMEOUT_S):
            while True:
                text = await asyncio.to_thread(self._log_file(name).read_text, "utf-8", "replace")
                *lines, _ = text.split("\n")  # what comes after the last line feed is not whole yet
                for line in lines:
                    if sign in line:
                        return line
                self.require_running()
                await asyncio.sleep(READY_INTERVAL_S)

    def require_running(self) -> None:
        """Check that none has ended.

        Raises:
            MissingPartError: naming the process and its last line.
        """
        for name, process in self._processes.items():
            if process.poll() is not None:
                log_file = self._log_file(name)
                last = log_file.read_text("utf-8", "replace").strip().splitlines()[-1:]
                raise MissingPartError(f"the {name} process ended: {''.join(last)}", remedy=f"see {log_file}")

    async def stop(self, *names: str) -> None:
        """Ask processes to stop and wait until they have; all that are left where none is named."""
        chosen = [self._processes.pop(name) for name in names or tuple(self._processes)]
        for process in chosen:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        for process in chosen:
            try:
                await asyncio.to_thread(process.wait, STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()

    def _log_file(self, name: str) -> Path:
        return self._logs / f"{name}.log"


class Done(NamedTuple):
    """How a command ended."""

    code: int
    """Its exit code."""
    output: str
    """What it printed for its caller; the rest is in the log."""


class Commands:
    """Runs commands to their end, as an operator or an auditor would."""

    def __init__(self, folder: Path, bootstrap_servers: str) -> None:
        """Prepare to run commands in a folder, on a broker or on none."""
        self._log_file = folder / "logs" / "evidence.log"
        self._environment = environment_of(folder, bootstrap_servers)
        self._environment_without_bus = environment_of(folder, NO_BUS)

    async def run(self, *arguments: str, without_bus: bool = False) -> Done:
        """Run a command; without the bus it finds nothing where a broker would be."""
        environment = self._environment_without_bus if without_bus else self._environment
        with self._log_file.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "govbus", *arguments),
                env=environment,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
            try:
                output, _ = await process.communicate()
            except asyncio.CancelledError:
                process.kill()
                raise
            if process.returncode:
                log.write(output)
        return Done(process.returncode or 0, output.decode("utf-8", "replace"))


def environment_of(folder: Path, bootstrap_servers: str) -> dict[str, str]:
    """Return the environment of a command that works in a folder and on a broker."""
    return {
        **os.environ,
        "GOVBUS_KAFKA__BOOTSTRAP_SERVERS": bootstrap_servers,
        "GOVBUS_DATA_FOLDER": str(folder),
    }


def run_govbus(folder: Path, bootstrap_servers: str, *arguments: str) -> None:
    """Run a command on the demo's broker and wait for its end."""
    subprocess.run(
        [sys.executable, "-m", "govbus", *arguments],
        env=environment_of(folder, bootstrap_servers),
        check=True,
        stdout=subprocess.DEVNULL,
    )
