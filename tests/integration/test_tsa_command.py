"""``govbus tsa serve`` answers as an authority does, until it is told to stop."""

import re
import signal
import subprocess
import sys

from govbus.message_log.timestamp import Timestamp
from govbus.service.timestamps import TimestampAuthority, read_anchors

STOP_TIMEOUT_S = 20


async def test_it_stamps_until_stopped(tmp_path):
    """The command says where it answers and what to trust; SIGTERM ends it with exit code 0."""
    command = [sys.executable, "-m", "govbus", "tsa", "serve", str(tmp_path), "--http", "127.0.0.1:0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)  # noqa: ASYNC220  # started once
    try:
        line = process.stderr.readline()
        assert line.startswith("NOT for production")
        url = re.search(r"http://\S+/", line)[0]
        anchors = read_anchors(tmp_path / "ca.pem")

        der = await TimestampAuthority("trial", url, anchors).stamp(b"text")
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(STOP_TIMEOUT_S)
        process.stderr.close()

    assert Timestamp.from_response(der).verify(b"text", anchors)
    assert 0 == code
