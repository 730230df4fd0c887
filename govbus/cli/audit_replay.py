"""``govbus audit replay``: the whole log once more, in its original order."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from govbus.audit.replay import Replayed
    from govbus.routing.directory.model import Directory
    from govbus.service.replay.republishing import Republisher
    from govbus.service.replay.sources import ReplaySource

EXIT_FINDINGS, EXIT_NOT_CHECKED = 1, 2


def replay(
    authority: Annotated[
        Path, typer.Option(help="Certificate of the governing authority (PEM).", dir_okay=False)
    ],
    archive: Annotated[
        Path | None, typer.Option(help="Replay this archive instead of the bus.", file_okay=False)
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(help="Publish the documents again to this empty cluster, host:port[,host:port]."),
    ] = None,
    since: Annotated[str | None, typer.Option(help="Show decisions from this time on (RFC 3339).")] = None,
    until: Annotated[str | None, typer.Option(help="Show decisions before this time (RFC 3339).")] = None,
    agency: Annotated[str | None, typer.Option(help="Show this agency's documents only.")] = None,
    package: Annotated[str | None, typer.Option(help="Show this package's accepted documents only.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show differences only.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object a line.")] = False,
) -> None:
    """Print every decision in its original order, decide again by the directory of that time, and show differences.

    With --to, every document is besides published again, in order, with its key, headers, partition and time; a router
    there decides afresh. What is shown can be narrowed; what is decided and published is always all of it.
    Exit code 0: every decision is the same, and with --to every document was published; 1: not so; 2: it could not be
    replayed.
    """
    import asyncio
    import sys

    from govbus.errors import GovbusError

    try:
        wanted = _Wanted.of(since, until, agency, package, quiet=quiet, as_json=as_json)
        differing = asyncio.run(_replay(_source(archive), authority, to, wanted))
    except (GovbusError, OSError) as err:
        print(f"govbus: {err}", file=sys.stderr)  # noqa: T201  # exit code 2 says that nothing was established
        raise typer.Exit(EXIT_NOT_CHECKED) from err
    if differing:
        raise typer.Exit(EXIT_FINDINGS)


def _source(archive: Path | None) -> ReplaySource:
    from govbus.audit.archive.reader import Archive
    from govbus.service.replay.sources import ArchiveSource, BusSource
    from govbus.service.wiring import transport_of
    from govbus.settings import Settings

    if archive is not None:
        return ArchiveSource.of(Archive(archive))
    return BusSource.of(transport_of(Settings.from_environment(), client_id="govbus-audit"))


class _Wanted:
    """What is to be shown, and how."""

    def __init__(self, show: Callable[[Replayed], bool], *, as_json: bool) -> None:
        self.is_shown = show
        self.as_json = as_json
        self.directories: dict[int, Directory] = {}

    @classmethod
    def of(
        cls,
        since: str | None,
        until: str | None,
        agency: str | None,
        package: str | None,
        *,
        quiet: bool,
        as_json: bool,
    ) -> _Wanted:
        from govbus.audit.replay import is_about
        from govbus.document.encoding import time_ms_from_text

        since_ms = time_ms_from_text(since) if since is not None else None
        until_ms = time_ms_from_text(until) if until is not None else None

        def is_shown(replayed: Replayed) -> bool:
            if replayed.findings:
                return True  # a difference is never hidden
            time_ms = replayed.entry.time_ms if replayed.entry is not None else 0
            return (
                not quiet
                and (since_ms is None or time_ms >= since_ms)
                and (until_ms is None or time_ms < until_ms)
                and is_about(replayed, agency=agency, package=package, directories=wanted.directories)
            )

        wanted = cls(is_shown, as_json=as_json)
        return wanted


async def _replay(source: ReplaySource, authority: Path, to: str | None, wanted: _Wanted) -> int:
    """Return how many entries differ from what deciding again gives."""
    from rich.console import Console
    from rich.progress import Progress

    from govbus.audit.replay import Replay
    from govbus.service.directory.publishing import read_certificates
    from govbus.service.replay.sources import directories_of, revocations_of

    await source.load()
    directories = directories_of(source.directory_records, read_certificates(authority))
    wanted.directories = directories
    again = Replay(directories, revocations_of(source.revocation_records))
    differing = shown = total = missing = 0
    try:
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("replayed", total=source.entries)
            async with _republisher(source, directories, to) as republisher:
                async for step in source.steps():
                    replayed = again.take(step)
                    if republisher is not None:
                        await republisher.publish(replayed.record)
                        missing += _is_missing(replayed)
                    total += replayed.entry is not None
                    differing += bool(replayed.findings)
                    progress.advance(task)
                    if wanted.is_shown(replayed):
                        shown += 1
                        typer.echo(_json(replayed) if wanted.as_json else _text(replayed))
    finally:
        again.close()
    typer.echo(f"{total:,} entries replayed, {shown:,} shown, {differing:,} differ", err=True)
    if missing:
        typer.echo(
            f"{missing:,} documents are no longer kept and were not published: what comes after them in their "
            "outboxes may be decided otherwise there",
            err=True,
        )
    return differing + missing


def _is_missing(replayed: Replayed) -> bool:
    """Return whether an entry is a decision about a record that is not kept."""
    from govbus.document.finding import Outcome

    entry = replayed.entry
    return entry is not None and entry.decision is not Outcome.ERASED and replayed.record is None


def _republisher(
    source: ReplaySource, directories: dict[int, Directory], to: str | None
) -> AbstractAsyncContextManager[Republisher | None]:
    import contextlib

    from govbus.service.replay.republishing import Republisher
    from govbus.transport.kafka import KafkaConnection, KafkaTransport

    if to is None:
        return contextlib.nullcontext()
    transport = KafkaTransport(KafkaConnection(to, client_id="govbus-replay"))
    return Republisher(transport, source, directories[max(directories)])


def _text(replayed: Replayed) -> str:
    entry = replayed.entry
    if entry is None:
        lines = ["-"]
    else:
        from govbus.audit.expectations import statement_of
        from govbus.document.encoding import time_text

        statement = statement_of(entry)
        about = f"{statement.origin} {statement.index}" if statement is not None else str(entry.source)
        rules = ",".join(sorted({one.rule for one in entry.findings}))
        again = "same" if replayed.is_decided_again else "not decided again"
        lines = [
            f"{time_text(entry.time_ms)} {replayed.partition}/{replayed.number} {entry.decision.value:<11} "
            f"{about} {entry.document_id or '-'} {rules or '-'} "
            + ("DIFFERS" if replayed.findings else again)
        ]
    lines += [f"    {finding.to_text()}" for finding in replayed.findings]
    return "\n".join(lines)


def _json(replayed: Replayed) -> str:
    import json

    from govbus.audit.expectations import statement_of
    from govbus.document.encoding import time_text

    entry = replayed.entry
    about: dict[str, Any] = {"log_partition": replayed.partition, "log_index": replayed.number}
    if entry is not None:
        statement = statement_of(entry)
        about |= {
            "time": time_text(entry.time_ms),
            "decision": entry.decision.value,
            "source": str(entry.source),
            "origin": str(statement.origin) if statement is not None else None,
            "index": statement.index if statement is not None else None,
            "document": entry.document_id,
            "agreement": entry.agreement,
            "directory_version": entry.directory_version,
            "revocations": entry.revocations,
            "rules": sorted({one.rule for one in entry.findings}),
            "recipients": list(entry.recipients),
        }
    about["decided_again"] = replayed.is_decided_again
    about["differences"] = [finding.to_json() for finding in replayed.findings]
    return json.dumps(about, separators=(",", ":"))
