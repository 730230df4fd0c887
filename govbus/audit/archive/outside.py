"""Who but the operator vouches for each segment of an archive, and until when.

A head checkpoint that covers a segment covers all before it too, because the trees are one history: that is what
verifying the segments shows. So a segment with nothing of its own stands under the next one that has something.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography import x509

from govbus.audit.archive import layout
from govbus.audit.archive.reader import Archive, Segment
from govbus.audit.archive.renewals import read_chain, segment_stamps
from govbus.audit.archive.report import ArchiveReport, finding
from govbus.audit.report import Check
from govbus.document.encoding import time_text
from govbus.errors import GovbusError, NoteError, TimestampError
from govbus.message_log.heads import head_origin
from govbus.message_log.keys import LogPublicKeys
from govbus.message_log.policy import Policy
from govbus.message_log.renewal import RenewalChain

NO_POLICY = "cosignatures of witnesses were not checked: give --policy"
NO_ANCHORS = "timestamps, renewals and rehashes were not checked: give --tsa-ca"


@dataclass(frozen=True, slots=True)
class Cover:
    """What vouches for one segment."""

    segment: int
    witnesses: tuple[str, ...] = ()
    """Names by the policy, where its quorum is met."""
    witnessed_by: int | None = None
    """Segment whose evidence holds their cosignatures."""
    stamped_by: int | None = None
    """Segment whose evidence holds the timestamp."""
    until_ms: int | None = None
    """Until when that timestamp and its renewals prove it, milliseconds since 1970."""

    @property
    def is_operator_alone(self) -> bool:
        """Whether nobody else vouches for the segment."""
        return self.witnessed_by is None and self.stamped_by is None

    def to_json(self) -> dict[str, Any]:
        """Return the same for machines."""
        return {
            "segment": self.segment,
            "witnesses": list(self.witnesses),
            "witnessed_by_segment": self.witnessed_by,
            "stamped_by_segment": self.stamped_by,
            "proven_until": None if self.until_ms is None else time_text(self.until_ms),
            "operator_alone": self.is_operator_alone,
        }

    def to_text(self) -> str:
        """Return one line for people."""
        parts = []
        if self.stamped_by is not None and self.until_ms is not None:
            parts.append(f"timestamp in segment {self.stamped_by}, proven until {time_text(self.until_ms)}")
        if self.witnessed_by is not None:
            parts.append(f"cosigned by {', '.join(self.witnesses)} in segment {self.witnessed_by}")
        return f"segment {self.segment}: {'; '.join(parts) or 'only the operator signed it'}"


def check_outside(
    archive: Archive,
    report: ArchiveReport,
    *,
    keys: LogPublicKeys,
    policy: Policy | None,
    anchors: Sequence[x509.Certificate],
) -> None:
    """Say in a report who vouches for each of its segments; what does not hold is a finding.

    Args:
        archive: that was verified.
        report: on it.
        keys: the log's public keys.
        policy: whose witnesses count; without one, no cosignature does.
        anchors: certificates of timestamp authorities that are trusted; without any, no timestamp counts.
    """
    if policy is None:
        report.notes.append(NO_POLICY)
    if not anchors:
        report.notes.append(NO_ANCHORS)
    if policy is None and not anchors:
        return
    chain = _chain(archive, anchors, report) if anchors else None
    cover = Cover(0)
    covers: list[Cover] = []
    for number in range(report.last, report.first - 1, -1):
        witnesses, witnessed_by = cover.witnesses, cover.witnessed_by
        stamped_by, until_ms = cover.stamped_by, cover.until_ms
        try:
            segment = archive.segment(number)
            if policy is not None and (names := _witnesses(segment, report, keys, policy)):
                witnesses, witnessed_by = names, number
            if chain is not None and (until := _until_ms(segment, chain, anchors, report)) is not None:
                stamped_by, until_ms = number, until
        except GovbusError:
            pass  # said of the segment
        cover = Cover(number, witnesses, witnessed_by, stamped_by, until_ms)
        covers.append(cover)
    report.covers = covers[::-1]


def _chain(
    archive: Archive, anchors: Sequence[x509.Certificate], report: ArchiveReport
) -> RenewalChain | None:
    try:
        return read_chain(archive, anchors)
    except GovbusError as err:
        expected = "renewals that follow one another, each under a timestamp that holds"
        report.extend([finding(Check.TIMESTAMP, layout.RENEWALS, expected, err.message)])
        return None


def _notes(segment: Segment) -> Iterator[tuple[str, bytes]]:
    folder = f"{layout.segment_path(segment.manifest.segment)}/{layout.EVIDENCE}/"
    for path in segment.manifest.files:
        if path.startswith(folder) and path.endswith(".note"):
            yield path, segment.read(f"{layout.EVIDENCE}/{path.removeprefix(folder)}")


def _witnesses(
    segment: Segment, report: ArchiveReport, keys: LogPublicKeys, policy: Policy
) -> tuple[str, ...]:
    """Return the witnesses that cosigned, where they are as many as the policy asks for."""
    origin = head_origin(segment.manifest.bus)
    found: tuple[str, ...] = ()
    for path, note in _notes(segment):
        try:
            opened = policy.open(
                note, origin, log_verifiers=keys.signing(note, origin), is_every_log_key_required=True
            )
        except NoteError as err:
            expected = "a head checkpoint whose cosignatures hold"
            report.extend([finding(Check.COSIGNATURE, path, expected, err.message, origin=origin)])
            continue
        if opened.is_quorum and len(opened.cosignatures) > len(found):
            found = tuple(one.name for one in opened.cosignatures)
    return found


def _until_ms(
    segment: Segment, chain: RenewalChain, anchors: Sequence[x509.Certificate], report: ArchiveReport
) -> int | None:
    """Return until when the segment's own timestamps and their renewals prove it; None where it has none."""
    path = f"{layout.segment_path(segment.manifest.segment)}/{layout.EVIDENCE}"
    expected = "a timestamp by a trusted authority that holds"
    try:
        stamps = segment_stamps(segment, anchors)
    except TimestampError as err:
        report.extend([finding(Check.TIMESTAMP, path, expected, err.message)])
        return None
    until: int | None = None
    for stamp in stamps:
        try:
            held_ms = chain.held_until_ms(stamp.path, stamp.digests, stamp.ends_ms)
        except TimestampError as err:
            report.extend([finding(Check.TIMESTAMP, stamp.path, expected, err.message)])
        else:
            until = held_ms if until is None else max(until, held_ms)
    return until
