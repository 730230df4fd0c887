"""Tests of the lock that keeps a spool to one publisher."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from govbus.adapters.spool_lock import SpoolPublisherLock
from govbus.errors import SpoolError

HOLDER = """
import sys, time
from pathlib import Path
from govbus.adapters.spool_lock import SpoolPublisherLock
SpoolPublisherLock(Path(sys.argv[1])).acquire()
print("held", flush=True)
time.sleep(60)
"""


def test_one_publisher(spool_path):
    """The second publisher is told at once; after the first is done it may."""
    with SpoolPublisherLock(spool_path), pytest.raises(SpoolError, match="another process publishes"):
        SpoolPublisherLock(spool_path).acquire()
    second = SpoolPublisherLock(spool_path)
    with second:
        pass
    second.release()


def test_killed_holder_lets_go(spool_path):
    """A lock dies with its process, however that ends."""
    with subprocess.Popen([sys.executable, "-c", HOLDER, spool_path], stdout=subprocess.PIPE) as holder:
        assert b"held\n" == holder.stdout.readline()
        with pytest.raises(SpoolError):
            SpoolPublisherLock(spool_path).acquire()
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    with SpoolPublisherLock(spool_path):
        pass


def test_path_that_cannot_be_used(tmp_path):
    """A lock that cannot be made is an error of ours."""
    (tmp_path / "file").touch()
    with pytest.raises(SpoolError, match="file"):
        SpoolPublisherLock(tmp_path / "file" / "below").acquire()
