"""What the audit commands share: options to objects, progress on stderr, report on stdout, exit codes."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from govbus.audit.evidence.audit import Progress
    from govbus.audit.report import AuditReport
    from govbus.service.auditing.verifying import Request
    from govbus.transport.base import Transport

EXIT_FINDINGS, EXIT_NOT_CHECKED = 1, 2


def print_report(run: Callable[[], AuditReport], *, as_json: bool) -> None:
    """Run an audit, print its report, and end with the exit code that says what came out."""
    from govbus.errors import GovbusError

    try:
        report = run()
    except (GovbusError, OSError) as err:
        print(f"govbus: {err}", file=sys.stderr)  # noqa: T201  # exit code 2 says that nothing was established
        raise typer.Exit(EXIT_NOT_CHECKED) from err
    typer.echo(report.to_json() if as_json else report.to_text())
    if not report.is_clean:
        raise typer.Exit(EXIT_FINDINGS)


def read_request(
    authority: Path,
    log_keys: Path,
    checkpoints: Sequence[Path] | None,
    policy: Path | None,
    tsa_ca: Sequence[Path] | None,
    processes: int | None,
) -> Request:
    """Read every file that the auditor brings.

    Raises:
        ConfigError: if one cannot be read.
        UntrustedKeyError: if a certificate cannot be parsed.
    """
    from govbus.cli.public_keys import read_public_keys
    from govbus.message_log.policy import Policy
    from govbus.service.auditing.verifying import Request
    from govbus.service.directory.publishing import read_certificates

    return Request(
        authority=read_certificates(authority),
        keys=read_public_keys(log_keys),
        checkpoints=read_notes(checkpoints),
        policy=Policy.from_bytes(policy.read_bytes()) if policy is not None else None,
        timestamp_anchors=tuple(one for path in tsa_ca or () for one in read_anchors(path)),
        processes=processes_of(processes),
    )


def with_range(
    request: Request,
    since: str | None,
    until: str | None,
    agencies: Sequence[str] | None,
    packages: Sequence[str] | None,
) -> Request:
    """Narrow a request down.

    Raises:
        MetadataError: if a time is not RFC 3339.
    """
    from govbus.document.encoding import time_ms_from_text

    return dataclasses.replace(
        request,
        since_ms=time_ms_from_text(since) if since is not None else None,
        until_ms=time_ms_from_text(until) if until is not None else None,
        agencies=tuple(agencies or ()),
        packages=tuple(packages or ()),
    )


def with_receipts(request: Request, paths: Sequence[Path] | None) -> Request:
    """Add the receipts that agencies kept.

    Raises:
        LogIntegrityError: if a file is none of receipts.
    """
    from govbus.audit.archive.records import unpack_records

    records = [record for path in paths or () for record in unpack_records(path.read_bytes(), path.name)]
    return dataclasses.replace(request, receipts=tuple(records))


def read_anchors(path: Path) -> list[Certificate]:
    """Return the certificates of a PEM file.

    Raises:
        ConfigError: if it holds none.
    """
    from cryptography.x509 import load_pem_x509_certificates

    from govbus.errors import ConfigError

    try:
        return load_pem_x509_certificates(path.read_bytes())
    except ValueError as err:
        raise ConfigError(f"{path} holds no PEM certificate") from err


def read_notes(paths: Sequence[Path] | None) -> tuple[str, ...]:
    """Return the texts of some files."""
    return tuple(path.read_text(encoding="utf-8") for path in paths or ())


def processes_of(wanted: int | None) -> int:
    """Return how many processes to use."""
    from govbus.audit.evidence.pool import processes_default

    return wanted if wanted is not None else processes_default()


def make_transport() -> Callable[[], Transport]:
    """Return what makes a client of the bus that the settings name, here or in another process.

    Raises:
        MissingPartError: if there is none.
    """
    import functools

    from govbus.service.wiring import bootstrap_servers
    from govbus.settings import Settings
    from govbus.transport.kafka import KafkaConnection, KafkaTransport

    servers = bootstrap_servers(Settings.from_environment())
    return functools.partial(KafkaTransport, KafkaConnection(servers, client_id="govbus-audit"))


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """Show on stderr how far an audit is."""
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    with Bars(console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield show
