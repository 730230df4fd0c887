"""The audit at a demo's end: the whole log verified, trusting only what an auditor holds for himself."""

from __future__ import annotations

from collections.abc import Callable

from govbus.audit.report import AuditReport
from govbus.cli.demo.stage import Stage
from govbus.service.auditing.verifying import Request, verify_bus_fully
from govbus.service.directory.publishing import read_certificates


async def audit_stage(
    stage: Stage, progress: Callable[[str, int, int], None], request: Request | None = None
) -> AuditReport:
    """Return the auditor's report on everything that happened on a stage.

    Args:
        stage: whose broker still runs.
        progress: told what is being done, how much of it is, and how much there is.
        request: keys of the auditor; without it, the authority's certificate and the log's keys alone.
    """
    if request is None:
        authority = read_certificates(stage.sample.authority_certificate)
        request = Request(authority, stage.log_keys.public)
    return await verify_bus_fully(stage.transport, request, progress=progress)


def audit_problems(report: AuditReport) -> list[str]:
    """Return what is not as it should be in a report."""
    problems = [] if report.is_clean else [finding.to_text() for finding in report.findings[:10]]
    return [*problems, *([f"{report.pending} records have no decision"] if report.pending else [])]
