"""What a machine keeps of the directory: the last version it has seen, and a copy for when the broker is away.

Both are files beside each other. The copy holds the signed records as the topic has them, and whoever loads it
verifies them again, so it is worth no more to somebody who alters it than the topic is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import structlog

from govbus.document import topics
from govbus.document.record import SIGNATURE, Record
from govbus.errors import ConfigError, DirectoryError
from govbus.routing.directory.records import DirectoryReader
from govbus.signing.certificates import Certificate

logger = structlog.get_logger(__name__)

COPY_BYTES_MAX = 300_000_000


class DirectoryMemory:
    """The file that remembers the last version seen, and the copy beside it (``<name>.records``)."""

    def __init__(self, seen_file: Path) -> None:
        self._seen_file = seen_file
        self.copy_file = seen_file.with_name(seen_file.name + ".records")

    def check(self, reader: DirectoryReader) -> None:
        """Refuse a topic or a copy that has lost or replaced a version that this machine has seen, or a part of it.

        Raises:
            DirectoryError: if it has.
            ConfigError: if the file that remembers cannot be read.
        """
        if not self._seen_file.exists():
            return
        try:
            seen = json.loads(self._seen_file.read_bytes())
            version, digest = int(seen["version"]), str(seen["manifest"])
        except (OSError, ValueError, KeyError, TypeError) as err:
            raise ConfigError(
                f"{self._seen_file} cannot be read",
                remedy="delete it once you know that the directory is the newest",
            ) from err
        head_version = 0 if reader.head is None else reader.head.version
        if reader.digest(version) != digest or head_version < version:
            raise DirectoryError(
                f"the bus has lost or replaced version {version} of the directory, which was seen here before",
                remedy=f"find out who did; delete {self._seen_file} only if that is explained",
            )

    def remember(self, reader: DirectoryReader) -> None:
        """Keep the reader's last version, and a copy of the records that lead to it.

        The copy is written first: a machine that stops in between has a copy that is newer than what it remembers,
        and never the other way round.
        """
        head = reader.head
        if head is None:
            return
        self._seen_file.parent.mkdir(parents=True, exist_ok=True)
        _write(self.copy_file, _lines(reader))
        _write(self._seen_file, [json.dumps({"version": head.version, "manifest": head.digest})])

    def load(self, authority: Sequence[Certificate]) -> DirectoryReader | None:
        """Return what the copy says once every signature in it has been verified; None where there is no copy.

        Records that do not hold are left out, as they are of the topic.

        Raises:
            DirectoryError: if the copy is damaged, or lacks what was seen.
        """
        try:
            if self.copy_file.stat().st_size > COPY_BYTES_MAX:
                raise DirectoryError(f"{self.copy_file} is over {COPY_BYTES_MAX} bytes")
            octets = self.copy_file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as err:
            raise DirectoryError(f"{self.copy_file} cannot be read: {err.strerror}") from err
        reader = DirectoryReader(authority)
        for offset, record in enumerate(self._records(octets)):
            try:
                reader.apply(record._replace(offset=offset))
            except DirectoryError as err:
                logger.warning("record of the directory's copy left out", line=offset + 1, reason=err.message)
        self.check(reader)
        return reader

    def _records(self, octets: bytes) -> Iterator[Record]:
        try:
            for line in octets.splitlines():
                key, value, signature = json.loads(line)
                headers = () if signature is None else ((SIGNATURE, signature.encode("ascii")),)
                yield Record(topics.DIRECTORY, 0, 0, 0, key.encode("ascii"), value.encode("utf-8"), headers)
        except (ValueError, TypeError, AttributeError, RecursionError) as err:
            raise DirectoryError(f"{self.copy_file} is damaged", remedy="delete it") from err


def _lines(reader: DirectoryReader) -> Iterator[str]:
    """Yield one line for each record: a JSON list of key, value and signature."""
    for record in reader.records():
        signature = dict(record.headers).get(SIGNATURE)
        fields = (record.key, record.value, signature)
        yield json.dumps([None if one is None else one.decode("utf-8") for one in fields])


def _write(path: Path, lines: Iterable[str]) -> None:
    """Replace a file as a whole, so that whoever reads it finds the old or the new one."""
    draft = path.with_name(path.name + ".new")
    with draft.open("w", encoding="utf-8") as file:
        for line in lines:
            file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
