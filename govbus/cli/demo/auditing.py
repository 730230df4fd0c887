"""The audit at a demo's end: the whole log verified, trusting only the authority's certificate and the log's keys."""

from __future__ import annotations

from collections.abc import Callable

from govbus.audit.report import AuditReport
from govbus.audit.verify import verify
from govbus.cli.demo.stage import Stage
from govbus.service.directory.publishing import read_certificates, read_directory


async def audit_stage(stage: Stage, progress: Callable[[str, int, int], None]) -> AuditReport:
    """Return the auditor's report on everything that happened on a stage.

    Args:
        stage: whose broker still runs.
        progress: told what is being done, how much of it is, and how much there is.
    """
    reader = await read_directory(stage.transport, read_certificates(stage.sample.authority_certificate))
    newest = reader.current.version if reader.current is not None else 0
    versions = {number: reader.at(number) for number in range(1, newest + 1)}
    return await verify(
        stage.transport,
        bus=stage.directory.bus,
        keys=stage.log_keys.public,
        directories={number: one for number, one in versions.items() if one is not None},
        progress=progress,
    )


def audit_problems(report: AuditReport) -> list[str]:
    """Return what is not as it should be in a report."""
    problems = [] if report.is_clean else [finding.to_text() for finding in report.findings[:10]]
    return [*problems, *([f"{report.pending} records have no decision"] if report.pending else [])]
