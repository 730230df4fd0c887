"""Says who holds a data folder: a small file naming a process, believed only while that process lives.

The file outlives a ``kill -9``, so it never counts by itself. The process it names must be alive *and* run
the very command it ran when the file was written; a process id that went to somebody else does not hold.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from govbus.errors import ConfigError

LOCK_FILE_NAME = "broker.lock"
TAKE_ATTEMPTS_MAX = 3
COMMAND_LOOKS_MAX = 100
COMMAND_PAUSE_S = 0.01


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a folder."""

    pid: int
    command_sha256: str
    """SHA-256 of the process's command line, hex: tells it from a later process of the same id."""
    is_broker: bool
    """True for the broker, False for the process that is about to start one."""

    @classmethod
    def of_process(cls, pid: int, *, is_broker: bool) -> Holder:
        """Describes a running process; one that was started this moment may not show its command yet.

        Raises:
            ConfigError: There is no such process.
        """
        for _ in range(COMMAND_LOOKS_MAX):
            command = _command_sha256(pid)
            if command is not None:
                return cls(pid=pid, command_sha256=command, is_broker=is_broker)
            if not psutil.pid_exists(pid):
                break
            time.sleep(COMMAND_PAUSE_S)
        raise ConfigError(f"process {pid} ended before it could be written down")

    @property
    def is_alive(self) -> bool:
        """Whether that very process still runs."""
        return _command_sha256(self.pid) == self.command_sha256


def _command_sha256(pid: int) -> str | None:
    """Returns the sum of a live process's command line, None where it is gone, dead, hidden or not there yet."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        command = process.cmdline()
        # On a busy machine a new process is seen before its command is; no command would then be its name for good.
        return hashlib.sha256("\0".join(command).encode()).hexdigest() if command else None
    except psutil.Error:
        return None


def read_holder(folder: Path) -> Holder | None:
    """Returns who holds the folder, or None where nobody does: no file, half a file, or a dead process."""
    try:
        content = json.loads((folder / LOCK_FILE_NAME).read_text(encoding="utf-8"))
        holder = Holder(**content)
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return holder if holder.is_alive else None


def take(folder: Path) -> None:
    """Takes the folder for the calling process.

    Two starters that meet on the lock of a dead one could both get here; Kafka's own lock inside its data
    then stops the second broker.

    Raises:
        ConfigError: A live process holds the folder; the error names it.
    """
    own = Holder.of_process(os.getpid(), is_broker=False)
    for _ in range(TAKE_ATTEMPTS_MAX):
        try:
            with (folder / LOCK_FILE_NAME).open("x", encoding="utf-8") as file:
                json.dump(asdict(own), file)
        except FileExistsError:
            holder = read_holder(folder)
            if holder is not None:
                raise _held_error(folder, holder) from None
            release(folder)
        else:
            return
    raise ConfigError(f"could not take the folder {folder}", remedy="is another start under way there?")


def _held_error(folder: Path, holder: Holder) -> ConfigError:
    if holder.is_broker:
        return ConfigError(
            f"the folder {folder} is held by the broker with process id {holder.pid}",
            remedy="stop that one first, or use another folder",
        )
    return ConfigError(
        f"the folder {folder} is held by process {holder.pid}, which is starting a broker there",
        remedy="wait until it is done, or use another folder",
    )


def hand_over(folder: Path, holder: Holder) -> None:
    """Replaces the holder in one step; only who holds the folder may do so."""
    scratch = folder / f"{LOCK_FILE_NAME}.new"
    scratch.write_text(json.dumps(asdict(holder)), encoding="utf-8")
    scratch.replace(folder / LOCK_FILE_NAME)


def release(folder: Path) -> None:
    """Lets the folder go."""
    (folder / LOCK_FILE_NAME).unlink(missing_ok=True)
