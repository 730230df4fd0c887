"""Manifests: what a segment of an archive holds, each chained to the one before by its hash.

The head says which ranges the segment covers; under an empty line stand lines as ``sha256sum`` writes them, so that
``sed '1,/^$/d' manifest | sha256sum -c`` checks every file by hand.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from govbus.document.ids import AgencyId
from govbus.errors import LogIntegrityError, MetadataError
from govbus.message_log.heads import head_origin
from govbus.message_log.keys import log_origin
from govbus.signing.merkle import HASH_BYTES

FORMAT = "govbus/archive/v1"
MANIFEST_BYTES_MAX = 4_000_000
"""A full segment has about 600 files of 110 bytes a line."""

_NUMBER = r"(0|[1-9][0-9]{0,18})"
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_LOG = re.compile(rf"log {_NUMBER} {_NUMBER} {_NUMBER} ([A-Za-z0-9+/]{{43}}=)", re.ASCII)
_HEADS = re.compile(rf"heads {_NUMBER} {_NUMBER} ([A-Za-z0-9+/]{{43}}=)", re.ASCII)
_RANGE = re.compile(rf"(directory|revocations|checkpoints) {_NUMBER} {_NUMBER}", re.ASCII)
_SEGMENT = re.compile(_NUMBER, re.ASCII)
_COUNT = re.compile(rf"missing {_NUMBER}", re.ASCII)
_EVIDENCE = re.compile(rf"evidence (?:none|{_NUMBER} cosignatures {_NUMBER} timestamps {_NUMBER})", re.ASCII)
_FILE = re.compile(r"([0-9a-f]{64})  ((?:tiles|segments)/[A-Za-z0-9._/-]{1,480})", re.ASCII)


class Range(NamedTuple):
    """What is new in a segment, from the first up to, not including, the last."""

    start: int
    end: int


class TreeRange(NamedTuple):
    """Entries of one log that are new in a segment."""

    start: int
    """Index of the first."""
    end: int
    """The log's size with them."""
    root: bytes
    """Root over the first `end` entries, 32 bytes."""


class EvidenceLine(NamedTuple):
    """The head checkpoint that covers a segment, and what others have put under it."""

    size: int
    cosignatures: int
    """Signature lines that are not the log's own."""
    timestamps: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What one segment holds."""

    bus: AgencyId
    segment: int
    """From 1."""
    previous: str | None
    """Hex SHA-256 of the manifest before; None in the first."""
    logs: Mapping[int, TreeRange]
    """By log partition; every partition that the bus had then, without gaps from 0."""
    heads: TreeRange
    """The log of the partitions' checkpoints."""
    directory: Range
    """Offsets of records on ``govbus.directory``."""
    revocations: Range
    """Offsets of records on ``govbus.revocations``."""
    checkpoints: Range
    """Offsets of records on ``govbus.checkpoints``."""
    missing: int
    """Entries whose outbox record the broker no longer had."""
    evidence: EvidenceLine | None
    """None where there was no head checkpoint yet that covers the segment."""
    files: Mapping[str, str]
    """Path from the archive's root to hex SHA-256, of every file that the segment added but ``values``."""

    @property
    def entries(self) -> int:
        """Entries of the message log that are new in the segment."""
        return sum(log.end - log.start for log in self.logs.values())

    def ranges(self) -> dict[str, TreeRange]:
        """Return what is new of every log, by origin, the log of checkpoints last."""
        by_origin = {log_origin(self.bus, partition): log for partition, log in self.logs.items()}
        return {**by_origin, head_origin(self.bus): self.heads}

    def record_range(self, name: str) -> Range:
        """Return the range of ``directory``, ``revocations`` or ``checkpoints``."""
        return {
            "directory": self.directory,
            "revocations": self.revocations,
            "checkpoints": self.checkpoints,
        }[name]

    def to_text(self) -> str:
        """Return the manifest's text; the inverse of `from_text`."""
        lines = [FORMAT, f"bus {self.bus}", f"segment {self.segment}", f"previous {self.previous or 'none'}"]
        lines += [f"log {number} {_tree_text(log)}" for number, log in sorted(self.logs.items())]
        lines.append(f"heads {_tree_text(self.heads)}")
        for name in ("directory", "revocations", "checkpoints"):
            start, end = self.record_range(name)
            lines.append(f"{name} {start} {end}")
        lines.append(f"missing {self.missing}")
        if self.evidence is None:
            lines.append("evidence none")
        else:
            size, cosignatures, timestamps = self.evidence
            lines.append(f"evidence {size} cosignatures {cosignatures} timestamps {timestamps}")
        lines.append("")
        lines += [f"{digest}  {path}" for path, digest in sorted(self.files.items())]
        return "\n".join(lines) + "\n"

    @classmethod
    def from_bytes(cls, octets: bytes) -> Manifest:
        """Parse a manifest.

        Raises:
            LogIntegrityError: if it breaks the grammar, or is not the one spelling of what it says.
        """
        if len(octets) > MANIFEST_BYTES_MAX:
            raise _malformed(f"{len(octets)} bytes")
        try:
            manifest = _parsed(octets.decode("ascii"))
        except UnicodeDecodeError as err:
            raise _malformed("not ASCII") from err
        if manifest.to_text().encode("ascii") != octets:
            raise _malformed("lines out of order, or written in another way")
        return manifest


def manifest_digest(octets: bytes) -> str:
    """Return the hex SHA-256 that the next manifest names."""
    return hashlib.sha256(octets).hexdigest()


def _tree_text(log: TreeRange) -> str:
    return f"{log.start} {log.end} {base64.b64encode(log.root).decode('ascii')}"


def _parsed(text: str) -> Manifest:
    head, separator, tail = text.partition("\n\n")
    lines = head.split("\n")[::-1]  # the next one last: taking it from the front would move all others
    if not separator or lines.pop() != FORMAT:
        raise _malformed(f"no {FORMAT}, or no empty line")
    bus, segment, previous = (_field(lines, name) for name in ("bus", "segment", "previous"))
    logs: dict[int, TreeRange] = {}
    while lines and lines[-1].startswith("log "):
        number, *log = _match(_LOG, lines)
        logs[int(number)] = _tree(*log)
    heads = _tree(*_match(_HEADS, lines))
    ranges = {name: _range(start, end) for name, start, end in (_match(_RANGE, lines) for _ in range(3))}
    (missing,) = _match(_COUNT, lines)
    evidence = _match(_EVIDENCE, lines)
    if lines or sorted(logs) != list(range(len(logs))) or len(ranges) != 3:  # noqa: PLR2004  # three topics
        raise _malformed("lines too many, or log partitions that do not follow one another")
    if not _SEGMENT.fullmatch(segment) or (previous != "none" and not _HASH.fullmatch(previous)):
        raise _malformed("the number of the segment or the hash of the one before")
    try:
        agency = AgencyId.from_text(bus)
    except MetadataError as err:
        raise _malformed(err.message) from err
    return Manifest(
        bus=agency,
        segment=int(segment),
        previous=None if previous == "none" else previous,
        logs=logs,
        heads=heads,
        directory=ranges["directory"],
        revocations=ranges["revocations"],
        checkpoints=ranges["checkpoints"],
        missing=int(missing),
        evidence=EvidenceLine(*map(int, evidence)) if evidence[0] is not None else None,
        files=_files(tail),
    )


def _field(lines: list[str], name: str) -> str:
    line = lines.pop() if lines else ""
    if not line.startswith(name + " "):
        raise _malformed(f"expected {name}")
    return line[len(name) + 1 :]


def _match(pattern: re.Pattern[str], lines: list[str]) -> tuple[Any, ...]:
    match = pattern.fullmatch(lines.pop() if lines else "")
    if match is None:
        raise _malformed(f"expected {pattern.pattern.split(' ', 1)[0]}")
    return match.groups()


def _tree(start: str, end: str, root: str) -> TreeRange:
    first, last = _range(start, end)
    octets = base64.b64decode(root)
    if len(octets) != HASH_BYTES:
        raise _malformed("a root has 32 bytes")
    return TreeRange(first, last, octets)


def _range(start: str, end: str) -> Range:
    if int(start) > int(end):
        raise _malformed(f"the range {start} to {end}")
    return Range(int(start), int(end))


def _files(tail: str) -> dict[str, str]:
    files: dict[str, str] = {}
    for line in tail.removesuffix("\n").split("\n") if tail else []:
        match = _FILE.fullmatch(line)
        if match is None or ".." in line or "//" in line:
            raise _malformed("a line of a file")
        files[match[2]] = match[1]
    return files


def _malformed(detail: str) -> LogIntegrityError:
    return LogIntegrityError(f"the manifest does not follow docs/specs/archive.md: {detail}")
