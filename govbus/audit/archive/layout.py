"""Where everything lies in an archive (``docs/specs/archive.md``)."""

from __future__ import annotations

import re
from pathlib import Path

SEGMENT_ENTRIES_MAX = 65_536
"""Entries of the message log in one segment."""

TILES, SEGMENTS, RENEWALS, STAGING = "tiles", "segments", "renewals", ".staging"
CHECKPOINT = "checkpoint"
"""Newest signed checkpoint below a log's tiles; the only file that is ever replaced."""
MANIFEST = "manifest"
DOCUMENTS, VALUES, POSITIONS = "documents", "values", "positions"
DIRECTORY, REVOCATIONS, CHECKPOINTS = "directory", "revocations", "checkpoints"
RECORD_FILES = (DIRECTORY, REVOCATIONS, CHECKPOINTS)
"""Files of whole records; each is the topic ``govbus.<name>`` in the range that the manifest states."""
EVIDENCE = "evidence"
CERTIFICATES = "certificates"
REVOCATIONS_IN_FORCE = "revocations-in-force"
LOG_KEY_FILES = ("log-ed25519.pub.pem", "log-ml-dsa-44.pub.pem")

_SEGMENT = re.compile(r"[0-9]{8}", re.ASCII)


def segment_path(number: int) -> str:
    """Return the path of a segment's folder from the archive's root, such as ``segments/00000001``."""
    return f"{SEGMENTS}/{number:08}"


def tiles_path(origin: str) -> str:
    """Return the path of a log's C2SP ``tlog-tiles`` prefix, such as ``tiles/bus.example/log/3``."""
    return f"{TILES}/{origin}"


def segment_numbers(folder: Path) -> list[int]:
    """Return the numbers of the segments that are there, in order."""
    segments = folder / SEGMENTS
    if not segments.is_dir():
        return []
    return sorted(int(path.name) for path in segments.iterdir() if _SEGMENT.fullmatch(path.name))
