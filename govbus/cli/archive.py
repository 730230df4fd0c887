"""``govbus archive``: the bus's whole message log in a folder that needs no bus to be read."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from govbus.cli import archive_renew

if TYPE_CHECKING:
    from govbus.audit.archive.report import ArchiveReport
    from govbus.service.archive.segments import Written

app = typer.Typer(
    help="The bus's whole message log in a folder that needs no bus to be read.", no_args_is_help=True
)
app.command("renew")(archive_renew.renew)
app.command("rehash")(archive_renew.rehash)

EXIT_FINDINGS, EXIT_NOT_CHECKED = 1, 2
EVERY_DEFAULT = "6h"
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SPAN = re.compile(r"([1-9][0-9]{0,5})([smhd])", re.ASCII)
_RANGE = re.compile(r"([1-9][0-9]{0,7})(?:\.\.([1-9][0-9]{0,7}))?", re.ASCII)

FolderArgument = Annotated[Path, typer.Argument(help="Folder of the archive.", file_okay=False)]
BusOption = Annotated[str, typer.Option(help="The bus's id, such as bus.example.")]
LogKeysOption = Annotated[
    Path, typer.Option(help="Folder with the log's public keys (log-*.pub.pem).", file_okay=False)
]
AuthorityOption = Annotated[
    Path, typer.Option(help="Certificate of the governing authority (PEM).", dir_okay=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]
ProcessesOption = Annotated[
    int | None, typer.Option(help="Processes to work with; one for each core unless told.", min=1, max=256)
]


@app.command()
def write(
    folder: FolderArgument,
    bus: BusOption,
    log_keys: LogKeysOption,
    close: Annotated[bool, typer.Option("--close", help="Write a last segment that is not full.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until stopped.")] = False,
    every: Annotated[
        str, typer.Option(help="With --follow: close a segment this often, such as 6h.")
    ] = EVERY_DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """Append what the bus has decided to an archive, in segments that signed checkpoints cover.

    Exit code 0: written; 1: written, but the broker no longer had some outbox records; 2: could not be written.
    """
    import asyncio
    import json
    import logging
    from dataclasses import asdict

    from govbus import telemetry
    from govbus.audit.archive.staging import ArchiveLock
    from govbus.errors import GovbusError

    try:
        every_s = _span_s(every)
        with ArchiveLock(folder):
            if follow:
                _follow(folder, bus, log_keys, every_s)
                return
            telemetry.configure_logging(level=logging.WARNING)  # what is printed is the report alone
            written = asyncio.run(_write(folder, bus, log_keys, close=close))
    except (GovbusError, OSError) as err:
        raise _not_done(err) from err
    typer.echo(json.dumps(asdict(written), indent=2) if as_json else _text(written))
    if written.missing:
        raise typer.Exit(EXIT_FINDINGS)


@app.command()
def verify(
    folder: FolderArgument,
    authority: AuthorityOption,
    log_keys: LogKeysOption,
    segment: Annotated[str, typer.Option(help="Only these segments: 7, or 3..9.")] = "",
    tsa_ca: Annotated[
        list[Path] | None,
        typer.Option(
            "--tsa-ca",
            help="Root certificates (PEM) of timestamp authorities, past ones too; may be repeated.",
            dir_okay=False,
        ),
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(help="C2SP tlog-policy with the witnesses that count.", dir_okay=False)
    ] = None,
    processes: ProcessesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check every file, hash, tree, chain and value of an archive; no bus is needed.

    With --policy and --tsa-ca also who but the operator vouches for each segment, and until when.

    Exit code 0: the archive is whole; 1: it is not, and every difference is named; 2: it could not be checked.
    """
    from govbus.audit.archive.reader import Archive
    from govbus.audit.archive.verify import verify_archive
    from govbus.cli.audit_options import read_anchors
    from govbus.cli.public_keys import read_public_keys
    from govbus.errors import GovbusError
    from govbus.message_log.policy import Policy
    from govbus.service.archive.checking import check_evidence
    from govbus.service.directory.publishing import read_certificates
    from govbus.service.processes import clock_ms

    try:
        keys = read_public_keys(log_keys)
        anchors = [one for path in tsa_ca or () for one in read_anchors(path)]
        witnesses = Policy.from_bytes(policy.read_bytes()) if policy is not None else None
        with _progress("segments verified") as progress:
            report = verify_archive(
                folder,
                keys=keys,
                authority=read_certificates(authority),
                segments=_range(segment),
                processes=processes,
                progress=progress,
            )
        check_evidence(
            Archive(folder), report, keys=keys, policy=witnesses, anchors=anchors, at_ms=clock_ms()
        )
    except (GovbusError, OSError) as err:
        raise _not_done(err) from err
    _print(report, as_json=as_json)


@app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(help="Archive to take over.", file_okay=False)],
    folder: FolderArgument,
    authority: AuthorityOption,
    log_keys: LogKeysOption,
    segment: Annotated[
        str,
        typer.Option(help="Only these segments: 7, or 3..9; into an empty folder, they are an increment."),
    ] = "",
    processes: ProcessesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verify an archive and take over its segments into another place; a fork is refused.

    The source may hold only the segments that follow those in the folder, as an increment on a medium does.

    Exit code 0: taken over, or there already; 1: the source is not whole, and nothing was taken over; 2: refused.
    """
    from govbus.audit.archive.staging import ArchiveLock
    from govbus.cli.public_keys import read_public_keys
    from govbus.errors import GovbusError
    from govbus.service.archive.importing import import_archive
    from govbus.service.directory.publishing import read_certificates

    try:
        with ArchiveLock(folder), _progress("segments verified") as progress:
            imported = import_archive(
                source,
                folder,
                keys=read_public_keys(log_keys),
                authority=read_certificates(authority),
                processes=processes,
                progress=progress,
                segments=_range(segment),
            )
    except (GovbusError, OSError) as err:
        raise _not_done(err) from err
    typer.echo(f"{imported.added} segments taken over, {imported.present} were there already", err=True)
    _print(imported.report, as_json=as_json)


async def _write(folder: Path, bus: str, log_keys: Path, *, close: bool) -> Written:
    from govbus.cli.public_keys import read_public_keys
    from govbus.document.ids import AgencyId
    from govbus.service.archive.writing import write_archive
    from govbus.service.wiring import transport_of
    from govbus.settings import Settings

    transport = transport_of(Settings.from_environment(), client_id="govbus-archive")
    with _progress("entries archived") as progress:
        return await write_archive(
            transport,
            folder,
            bus=AgencyId.from_text(bus),
            keys=read_public_keys(log_keys),
            close=close,
            progress=progress,
        )


def _follow(folder: Path, bus: str, log_keys: Path, every_s: int) -> None:
    from govbus import telemetry
    from govbus.cli.public_keys import read_public_keys
    from govbus.document.ids import AgencyId
    from govbus.service.archive.following import ArchiveService
    from govbus.service.processes import clock_ms, run_until_stopped
    from govbus.service.wiring import transport_of
    from govbus.settings import Settings

    settings = Settings.from_environment()
    telemetry.configure_logging()
    telemetry.serve_metrics(settings.metrics_port)
    service = ArchiveService(
        transport_of(settings, client_id="govbus-archive"),
        folder,
        bus=AgencyId.from_text(bus),
        keys=read_public_keys(log_keys),
        every_s=every_s,
        clock_ms=clock_ms,
    )
    run_until_stopped(service.run)


@contextlib.contextmanager
def _progress(description: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on standard error while the block runs."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task(description, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=max(done, total))


def _span_s(text: str) -> int:
    """Return the seconds of a span such as ``6h``."""
    from govbus.errors import ConfigError

    match = _SPAN.fullmatch(text)
    if match is None:
        raise ConfigError(f"--every must be a number and s, m, h or d, found {text!r}", remedy="such as 6h")
    return int(match[1]) * _SECONDS[match[2]]


def _range(text: str) -> tuple[int, int] | None:
    """Return first and last segment of ``7`` or ``3..9``; None for all."""
    from govbus.errors import ConfigError

    if not text:
        return None
    match = _RANGE.fullmatch(text)
    if match is None:
        raise ConfigError(
            f"--segment must be a number or a range, found {text!r}", remedy="such as 7 or 3..9"
        )
    return int(match[1]), int(match[2] or match[1])


def _text(written: Written) -> str:
    """Return what was written, for people."""
    lines = [f"{written.segments:,} segments with {written.entries:,} log entries written"]
    if written.waiting:
        lines.append(f"{written.waiting:,} entries wait until a segment is full; --close writes them now")
    if written.missing:
        lines.append(
            f"LOST: {written.missing:,} outbox records are no longer on the broker; only their entries are archived"
        )
    if written.skipped:
        lines.append(
            f"{written.skipped:,} outbox records have no entry in the log and are not archived: run `audit verify`"
        )
    if written.unproven:
        lines.append(
            f"{written.unproven:,} segments are not covered by a timestamp yet; a later segment will be"
        )
    return "\n".join(lines)


def _print(report: ArchiveReport, *, as_json: bool) -> None:
    typer.echo(report.to_json() if as_json else report.to_text())
    if not report.is_clean:
        raise typer.Exit(EXIT_FINDINGS)


def _not_done(err: Exception) -> typer.Exit:
    """Say why nothing was established, and return what ends the command so."""
    typer.echo(f"govbus: {err}", err=True)
    return typer.Exit(EXIT_NOT_CHECKED)
