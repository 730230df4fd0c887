"""What the demo says about its evidence: a few lines for people, and the same figures as JSON values."""

from __future__ import annotations

from typing import Any, Final

from govbus.cli.demo.bundle import Script
from govbus.cli.demo.evidence import BUNDLE, EvidenceOutcome
from govbus.document.encoding import time_text

_MEGABYTE: Final = 1_000_000
_SECONDS_CHARACTERS: Final = len("2026-11-24T19:43:24")
_SCRIPTS: Final = {
    Script.VERIFIED: "by govbus and by its own verify.sh",
    Script.FAILED: "by govbus; [red]not by its verify.sh[/]",
    Script.NOT_CHECKED: "by govbus; verify.sh needs a newer openssl than this machine has",
    Script.NOT_RUN: "by govbus; verify.sh was not run, for it needs sh, openssl and sha256sum",
}


def evidence_report(evidence: EvidenceOutcome) -> dict[str, Any]:
    """Return the figures by their names in ``report.json``."""
    return {
        "log_entries": evidence.entries,
        "witnesses": list(evidence.witnesses),
        "cosigned_entries": evidence.cosigned,
        "cosigned_until": _time(evidence.cosigned_ms),
        "timestamp_authority": evidence.has_authority,
        "timestamps": evidence.timestamps,
        "stamped_entries": evidence.stamped,
        "stamped_until": _time(evidence.stamped_ms),
        "archive": {
            "segments": evidence.archive_segments,
            "bytes": evidence.archive_bytes,
            "write_s": round(evidence.archive_write_s, 1),
            "verify_s": round(evidence.archive_verify_s, 1),
            "verified": evidence.is_archive_verified,
        },
        "bundle": {
            "document": evidence.bundle_document,
            "verified": evidence.is_bundle_verified,
            "verify_sh": evidence.script.value,
        },
        "erasure": {"document": evidence.erased_document, "erased": evidence.is_erased},
    }


def evidence_lines(evidence: EvidenceOutcome) -> list[str]:
    """Return what there is to say, one line each."""
    return [
        _cosigned(evidence),
        _stamped(evidence),
        _archived(evidence),
        _bundle(evidence),
        _erased(evidence),
    ]


def _time(time_ms: int | None) -> str | None:
    return time_text(time_ms) if time_ms is not None else None


def _until(time_ms: int | None) -> str:
    """Return when the last came, for people: to the second."""
    return f", until {time_text(time_ms)[:_SECONDS_CHARACTERS]}Z" if time_ms is not None else ""


def _cosigned(evidence: EvidenceOutcome) -> str:
    who = " and ".join(evidence.witnesses)
    covered = _of(evidence.cosigned, evidence.entries)
    return f"{covered} log entries cosigned by the witnesses {who}{_until(evidence.cosigned_ms)}"


def _stamped(evidence: EvidenceOutcome) -> str:
    if not evidence.has_authority:
        return "no time stamps: they need the openssl command, which this machine lacks"
    covered = _of(evidence.stamped, evidence.entries)
    return (
        f"{evidence.timestamps:,} time stamps (RFC 3161) over {covered} entries{_until(evidence.stamped_ms)}"
    )


def _archived(evidence: EvidenceOutcome) -> str:
    verdict = "[green]verifies[/]" if evidence.is_archive_verified else "[red]does not verify[/]"
    return (
        f"archive of {evidence.archive_segments:,} segments, {evidence.archive_bytes / _MEGABYTE:,.1f} MB, written in "
        f"{evidence.archive_write_s:.1f} s: {verdict} without the bus, in {evidence.archive_verify_s:.1f} s"
    )


def _bundle(evidence: EvidenceOutcome) -> str:
    if not evidence.is_bundle_verified:
        return f"[red]{BUNDLE} about one document does not verify[/]"
    return (
        f"{BUNDLE} about one document [green]verifies[/] under an auditor's keys, {_SCRIPTS[evidence.script]}"
    )


def _erased(evidence: EvidenceOutcome) -> str:
    if not evidence.is_erased:
        return "[red]one document was to be erased by order, and was not, or something no longer verifies[/]"
    return "one document erased by order: its value is gone, and the archive's audit [green]verifies[/] all the same"


def _of(count: int, total: int) -> str:
    return f"all {total:,}" if count == total else f"{count:,} of {total:,}"
