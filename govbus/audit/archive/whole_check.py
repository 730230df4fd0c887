"""Checking what concerns all segments of an archive together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from govbus.audit.archive import layout
from govbus.audit.archive.certificates import CertificatePool
from govbus.audit.archive.erasure_check import Absent, ErasureCheck
from govbus.audit.archive.manifest import Manifest
from govbus.audit.archive.reader import Archive, Segment
from govbus.audit.archive.report import ArchiveReport, finding
from govbus.audit.archive.segment_check import SegmentResult
from govbus.audit.archive.staging import ready_segments, staging_path
from govbus.audit.report import Check
from govbus.document.record import Record
from govbus.errors import DirectoryError, GovbusError, LogIntegrityError, MissingPartError
from govbus.message_log.keys import LogPublicKeys
from govbus.routing.directory.records import DirectoryReader
from govbus.signing.certificates import Certificate

_OWN_PLACES = (layout.STAGING + "/", layout.RENEWALS + "/")
"""What is being written, and renewals, which are followed by themselves (``docs/specs/renewal.md``)."""


class WholeCheck:
    """What concerns all segments together."""

    def __init__(self, archive: Archive, keys: LogPublicKeys, report: ArchiveReport) -> None:
        self._archive = archive
        self._keys = keys
        self._report = report
        self._last: Manifest | None = None
        try:
            segment = archive.segment(report.last)
            self._last, report.digest = segment.manifest, segment.digest
        except (LogIntegrityError, MissingPartError):
            pass  # said of the segment

    def check_directories(self, authority: Sequence[Certificate], results: Iterable[SegmentResult]) -> None:
        """Every version of the directory is signed, and what decisions rest on is there by then."""
        reader, pool = DirectoryReader(authority), CertificatePool()
        needed = {result.number: result for result in results}
        revocations = 0
        for number in range(1, self._report.last + 1):
            path = layout.segment_path(number)
            try:
                segment = self._archive.segment(number)
                self._apply(reader, pool, segment)
                revocations += sum(1 for _ in segment.records(layout.REVOCATIONS))
            except (LogIntegrityError, MissingPartError):
                continue  # said of the segment
            result = needed.get(number)
            if (
                result is not None
                and result.directory_version
                and reader.at(result.directory_version) is None
            ):
                expected = f"version {result.directory_version}, which decisions rest on"
                self._find(Check.DIRECTORY, f"{path}/{layout.DIRECTORY}", expected, "not there by then")
            if result is not None and result.revocations > revocations:
                expected = f"{result.revocations} records, which decisions rest on"
                self._find(Check.DIRECTORY, f"{path}/{layout.REVOCATIONS}", expected, f"{revocations}")
            if result is not None:
                self._check_certificates(result, pool)
        if reader.waiting:
            self._find(
                Check.DIRECTORY, layout.SEGMENTS, "a whole directory", f"one that lacks {reader.waiting}"
            )
        self._report.directories = reader.current.version if reader.current is not None else 0

    def _apply(self, reader: DirectoryReader, pool: CertificatePool, segment: Segment) -> None:
        path = f"{layout.segment_path(segment.manifest.segment)}/{layout.DIRECTORY}"
        for record in segment.records(layout.DIRECTORY):
            pool.take_directory([record.value])
            try:
                reader.apply(record)
            except DirectoryError as err:
                expected = "records that the governing authority signed"
                self._find(Check.DIRECTORY, path, expected, err.message, record.offset)

    def _check_certificates(self, result: SegmentResult, pool: CertificatePool) -> None:
        """Certificates that accepted documents rest on are there, those the directory has, and their issuers.

        A signature of a document that was refused may name a certificate that nobody knows.
        """
        needed = result.relied_on | pool.needed(result.named | result.relied_on)
        for thumbprint in sorted(needed - result.certificates):
            name = f"{layout.EVIDENCE}/{layout.CERTIFICATES}/{thumbprint}.der"
            path = f"{layout.segment_path(result.number)}/{name}"
            expected = "a certificate that signatures of the segment rest on"
            self._find(Check.CERTIFICATE, path, expected, "none")

    def check_elsewhere(self, results: Iterable[SegmentResult]) -> None:
        """Compare checkpoints whose size lies in another segment than they do."""
        if self._last is None:
            return
        sizes = {origin: log.end for origin, log in self._last.ranges().items()}
        trees = {origin: self._archive.tree(origin, size) for origin, size in sizes.items()}
        for result in results:
            path = f"{layout.segment_path(result.number)}/{layout.CHECKPOINTS}"
            for origin, size, root, offset in result.elsewhere:
                try:
                    found = trees[origin].root(size).hex() if origin in trees else "no such log"
                except GovbusError as err:
                    found = err.message
                if found != root.hex():
                    self._find(
                        Check.TREE, path, f"root {root.hex()} for {size} entries", found, offset, origin
                    )

    def check_absent(self, authority: Sequence[Certificate], results: list[SegmentResult]) -> None:
        """Values may be gone only where the log says that they were erased, by an order of somebody who may give it."""
        if not any(result.absent or result.erased for result in results):
            return
        check = ErasureCheck(self._archive, authority)
        check.read([result.number for result in results if result.erased], is_told=True)
        absent = [(result.number, Absent(*one)) for result in results for one in result.absent]
        unexplained = [one for one in absent if not check.explains(one[1])]
        if unexplained:
            # Orders come later than what they are about: perhaps behind the segments that were asked for.
            check.read([one for one in self._archive.numbers if one > self._report.last], is_told=False)
            unexplained = [one for one in unexplained if not check.explains(one[1])]
        self._report.erased += len(absent) - len(unexplained)
        self._report.extend(check.findings)
        for number, one in unexplained:
            path = f"{layout.segment_path(number)}/{layout.VALUES}"
            expected = f"the value of {one.source}, or an entry about its erasure"
            self._report.extend(
                [finding(Check.VALUE, path, expected, "neither", entry=one.number, origin=one.origin)]
            )

    def check_checkpoint_files(self) -> None:
        """Each log's newest checkpoint is one that is archived, signed, and of the tree as the archive has it."""
        if self._last is None:
            return
        for origin, log in self._last.ranges().items():
            path = f"{layout.tiles_path(origin)}/{layout.CHECKPOINT}"
            try:
                note = (self._archive.folder / path).read_bytes()
            except OSError:
                if log.end and self._has_checkpoint(origin):
                    self._find(Check.CHECKPOINT, path, "the newest signed checkpoint", "none")
                continue
            try:
                checkpoint = self._keys.open(note, origin)
                root = self._archive.tree(origin, log.end).root(checkpoint.size)
                is_right = root == checkpoint.root and self._is_archived(note)
            except GovbusError as err:
                self._find(Check.CHECKPOINT, path, "a checkpoint signed by the log's keys", err.message)
                continue
            if not is_right:
                self._find(Check.CHECKPOINT, path, "a checkpoint that a segment holds too", "another")

    def _has_checkpoint(self, origin: str) -> bool:
        start = origin.encode("utf-8") + b"\n"
        return any((record.value or b"").startswith(start) for record in self._newest_records())

    def _is_archived(self, note: bytes) -> bool:
        return any(record.value == note for record in self._newest_records())

    def _newest_records(self) -> Iterator[Record]:
        """Yield archived checkpoints, of the newest segments first."""
        for number in reversed(self._archive.numbers):
            try:
                yield from self._archive.segment(number).records(layout.CHECKPOINTS)
            except (LogIntegrityError, MissingPartError):
                continue

    def check_places(self) -> None:
        """No file stands in the archive that no manifest names."""
        named = self._named()
        for path in sorted(self._archive.folder.rglob("*")):
            text = path.relative_to(self._archive.folder).as_posix()
            if not path.is_dir() and text not in named and not text.startswith(_OWN_PLACES):
                self._find(Check.ARCHIVE, text, "only files that a manifest names", "another file")
        numbers = self._archive.numbers
        if numbers != list(range(1, len(numbers) + 1)):
            missing = sorted(set(range(1, numbers[-1] + 1)) - set(numbers))
            self._find(Check.ARCHIVE, layout.SEGMENTS, "segments without gap", f"no segments {missing[:10]}")

    def _named(self) -> set[str]:
        """Return every path that a manifest names, and those that none does."""
        named: set[str] = set()
        for number in self._archive.numbers:
            path = layout.segment_path(number)
            named |= {f"{path}/{layout.MANIFEST}", f"{path}/{layout.VALUES}"}
            try:
                manifest = self._archive.segment(number).manifest
            except (LogIntegrityError, MissingPartError):
                continue
            named |= manifest.files.keys()
            named |= {f"{layout.tiles_path(origin)}/{layout.CHECKPOINT}" for origin in manifest.ranges()}
        for number in ready_segments(self._archive.folder):
            self._report.notes.append(
                f"segment {number} waits to be put into place: run `govbus archive write` again"
            )
            staged = (
                staging_path(self._archive.folder, number) / layout.segment_path(number) / layout.MANIFEST
            )
            if staged.exists():
                named |= Manifest.from_bytes(staged.read_bytes()).files.keys()
        return named

    def _find(
        self,
        check: Check,
        path: str,
        expected: str,
        found: str,
        offset: int | None = None,
        origin: str | None = None,
    ) -> None:
        self._report.extend([finding(check, path, expected, found, offset=offset, origin=origin)])
