"""Directory and revocation material: topics of few records that an archive takes whole."""

from __future__ import annotations

from collections.abc import Sequence

from govbus.audit.archive import layout
from govbus.audit.archive.certificates import CertificatePool
from govbus.audit.archive.manifest import Range
from govbus.audit.archive.reader import Archive, Segment
from govbus.document.record import Record


class SmallTopics:
    """What an archive has of them, and what is new."""

    def __init__(self, archive: Archive, last: Segment | None) -> None:
        """Read what is archived.

        Raises:
            MissingPartError: if a file is not there.
            LogIntegrityError: if one does not follow the format.
        """
        self.certificates = CertificatePool()
        """Every certificate that the directory has named."""
        names = (layout.DIRECTORY, layout.REVOCATIONS)
        self._archived = {
            name: last.manifest.record_range(name).end if last is not None else 0 for name in names
        }
        self._new: dict[str, list[Record]] = {name: [] for name in names}
        self._ends = dict(self._archived)
        self._in_force: dict[bytes | None, Record] = {}
        for name in names:
            self._remember(name, list(archive.records(name)))

    def take(self, name: str, records: Sequence[Record]) -> None:
        """Take what is new of a topic."""
        self._new[name] += records
        if records:
            self._ends[name] = records[-1].offset + 1
        self._remember(name, records)

    def pop(self, name: str) -> tuple[Range, list[Record]]:
        """Return what the next segment holds of a topic, and take it for archived."""
        taken = Range(self._archived[name], self._ends[name]), self._new[name]
        self._archived[name], self._new[name] = self._ends[name], []
        return taken

    def in_force(self) -> list[Record]:
        """Return the newest revocation material under every key, in the order of the topic."""
        return sorted(self._in_force.values(), key=lambda record: record.offset)

    def _remember(self, name: str, records: Sequence[Record]) -> None:
        if name == layout.DIRECTORY:
            self.certificates.take_directory(record.value for record in records)
        else:
            self._in_force |= {record.key: record for record in records}
