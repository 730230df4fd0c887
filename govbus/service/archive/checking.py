"""Verifying an archive together with the evidence that is outside the operator's control."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cryptography import x509

from govbus.audit.archive import layout
from govbus.audit.archive.outside import check_outside
from govbus.audit.archive.reader import Archive
from govbus.audit.archive.report import ArchiveReport, finding
from govbus.audit.report import Check
from govbus.errors import GovbusError
from govbus.message_log.keys import LogPublicKeys
from govbus.message_log.policy import Policy
from govbus.service.archive_renewal import check_renewed


def check_evidence(
    archive: Archive,
    report: ArchiveReport,
    *,
    keys: LogPublicKeys,
    policy: Policy | None,
    anchors: Sequence[x509.Certificate],
    at_ms: int,
    progress: Callable[[int], None] = lambda _: None,
) -> None:
    """Check witnesses, timestamps, renewals and rehashes, and say in the report who vouches for what.

    Args:
        archive: that was verified.
        report: on it.
        keys: the log's public keys.
        policy: whose witnesses count, or None.
        anchors: certificates of timestamp authorities that are trusted.
        at_ms: up to when everything must be proven, milliseconds since 1970.
        progress: told how many entries have been read for rehashes.
    """
    check_outside(archive, report, keys=keys, policy=policy, anchors=anchors)
    if not anchors:
        return
    expected = "evidence that is proven without a gap up to now"
    try:
        problems = check_renewed(archive, anchors, at_ms=at_ms, progress=progress).problems
    except GovbusError as err:
        problems = [err.message]
    # What `check_outside` found of the same timestamp is not said twice.
    said = {one.found for one in report.findings}
    report.extend(
        finding(Check.TIMESTAMP, layout.SEGMENTS, expected, problem)
        for problem in problems
        if problem not in said
    )
