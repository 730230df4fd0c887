"""Frames are read from files one at a time, and a file that ends inside one is refused."""

import pytest

from govbus.audit.archive.values import frames_in, pack_frame
from govbus.errors import LogIntegrityError, MissingPartError

FRAMES = [b"one", b"", bytes(300_000), b"last"]


def test_frames(tmp_path):
    """Every frame comes back, empty ones too."""
    (tmp_path / "values").write_bytes(b"".join(map(pack_frame, FRAMES)))

    assert FRAMES == list(frames_in(tmp_path / "values"))


@pytest.mark.parametrize("cut", [1, 4, 5, 7])
def test_cut_short(tmp_path, cut):
    """A file that is cut short is refused after the frames before, wherever the cut lies."""
    (tmp_path / "values").write_bytes(b"".join(map(pack_frame, FRAMES))[:-cut])
    found = []

    with pytest.raises(LogIntegrityError):
        found.extend(frame for frame in frames_in(tmp_path / "values"))
    assert FRAMES[:3] == found


def test_length_beyond_the_file(tmp_path):
    """A length that a file cannot have takes no memory."""
    (tmp_path / "values").write_bytes(b"\xff\xff\xff\xffx")

    with pytest.raises(LogIntegrityError):
        list(frames_in(tmp_path / "values"))


def test_no_file(tmp_path):
    """A file that is not there is said to be missing."""
    with pytest.raises(MissingPartError):
        list(frames_in(tmp_path / "values"))
