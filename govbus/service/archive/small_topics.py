"""Directory and revocation material: topics of few records that an archive takes whole."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from cryptography.x509 import ocsp

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
        self._in_force: dict[bytes | None, tuple[int | None, Record]] = {}
        """Last moment that a record speaks for, in milliseconds since 1970, and the record."""
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

    def in_force(self, at_ms: int) -> list[Record]:
        """Return the revocation material that speaks for a moment or a later one, in the order of the topic.

        Args:
            at_ms: milliseconds since 1970; what ended before is forgotten.
        """
        self._in_force = {
            key: (until_ms, record)
            for key, (until_ms, record) in self._in_force.items()
            if until_ms is None or until_ms >= at_ms
        }
        return sorted((record for _, record in self._in_force.values()), key=lambda record: record.offset)

    def _remember(self, name: str, records: Sequence[Record]) -> None:
        if name == layout.DIRECTORY:
            self.certificates.take_directory(record.value for record in records)
            return
        for record in records:
            try:
                self._in_force[record.key] = _until_ms(record.value or b""), record
            except ValueError:
                continue  # no revocation material; it stands in the record file all the same


def _until_ms(value: bytes) -> int | None:
    """Return the last ``nextUpdate`` of a revocation list or an OCSP response; None where one has none.

    Raises:
        ValueError: if it is neither.
    """
    try:
        moments = [x509.load_der_x509_crl(value).next_update_utc]
    except ValueError:
        moments = [one.next_update_utc for one in ocsp.load_der_ocsp_response(value).responses]
    known = [int(moment.timestamp() * 1000) for moment in moments if moment is not None]
    return max(known) if known and len(known) == len(moments) else None
