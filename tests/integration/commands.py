"""Runs govbus as its users do, in a data folder of the test's own."""

import os
import subprocess
import sys


def commands_in(folder, *, timeout_s):
    """Return what runs a command, for so long at most: it wants an exit code and returns what was printed."""
    environment = {**os.environ, "GOVBUS_DATA_FOLDER": str(folder), "COLUMNS": "200"}
    environment.pop("GOVBUS_KAFKA__BOOTSTRAP_SERVERS", None)

    def govbus(*arguments, code=0):
        done = subprocess.run(
            [sys.executable, "-m", "govbus", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert code == done.returncode, done.stdout + done.stderr
        return done.stdout

    return govbus
