"""``govbus archive renew`` and ``rehash``: keep evidence good for longer than certificates and hashes last."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from cryptography import x509

    from govbus.audit.archive.reader import Archive
    from govbus.service.archive_renewal import Renewed
    from govbus.service.timestamps import TimestampAuthority

T = TypeVar("T")

EXIT_FINDINGS, EXIT_NOT_CHECKED = 1, 2

ArchiveArgument = Annotated[Path, typer.Argument(help="Folder of the archive.", file_okay=False)]
TsaOption = Annotated[
    list[str] | None,
    typer.Option(
        "--tsa",
        help="URL of an RFC 3161 timestamp authority; may be repeated. "
        "Default: GOVBUS_MESSAGE_LOG__TIMESTAMP_AUTHORITIES.",
    ),
]
CaOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--tsa-ca",
        help="Root certificates (PEM) of timestamp authorities, past ones too; may be repeated.",
        dir_okay=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def renew(
    archive: ArchiveArgument,
    tsa: TsaOption = None,
    tsa_ca: CaOption = None,
    due_days: Annotated[
        int, typer.Option(min=0, max=3650, help="Renew what certificates prove for less than so many days.")
    ] = 90,
    all_: Annotated[
        bool, typer.Option("--all", help="Renew everything, due or not: for when an algorithm weakens.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Ask no authority; verify all renewals and say what is due.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Stamp evidence again before the certificates of its timestamps end.

    Exit code 0: nothing is due, or all that was due is renewed; 1: something is due and was not renewed, or --check
    found something wrong; 2: it could not be checked.
    """
    import asyncio

    from govbus.service.archive_renewal import check_renewed, renew_archive
    from govbus.service.processes import clock_ms

    def work() -> tuple[Renewed, dict[str, Any]]:
        place, authorities, anchors = _prepared(archive, tsa, tsa_ca)
        with _progress("renewed segments") as progress:
            renewed = asyncio.run(
                renew_archive(
                    place,
                    [] if check else authorities,
                    anchors,
                    clock_ms=clock_ms,
                    due_days=due_days,
                    is_all=all_,
                    progress=progress,
                )
            )
        found: dict[str, Any] = {}
        if check:
            with _progress("entries under SHA-512") as progress:
                evidence = check_renewed(place, anchors, at_ms=clock_ms(), progress=progress)
            found = {
                "earlier_renewals": evidence.renewals,
                "earlier_rehashes": evidence.rehashes,
                "erased": evidence.erased,
                "problems": evidence.problems,
            }
        return renewed, found

    renewed, found = _or_not_checked(work)
    _print_renewed(renewed, found, as_json=as_json)
    if renewed.is_due or found.get("problems"):
        raise typer.Exit(EXIT_FINDINGS)


def rehash(
    archive: ArchiveArgument,
    tsa: TsaOption = None,
    tsa_ca: CaOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hash all entries, values and files again under SHA-512, and have that stamped while SHA-256 still holds.

    Run `govbus archive verify` before. Exit code 0: written; 2: it could not be done, and nothing was written.
    """
    import asyncio
    import json

    from govbus.service.archive_renewal import rehash_archive

    def work() -> dict[str, Any]:
        place, authorities, anchors = _prepared(archive, tsa, tsa_ca)
        with _progress("entries under SHA-512") as progress:
            path, statement = asyncio.run(rehash_archive(place, authorities, anchors, progress=progress))
        return {
            "written": path,
            "entries": sum(log.size for log in statement.logs.values()),
            "logs": {number: log.second_root.hex() for number, log in statement.logs.items()},
            "files": statement.files[0],
        }

    result = _or_not_checked(work)
    if as_json:
        typer.echo(json.dumps(result))
    else:
        typer.echo(
            f"wrote {result['written']}: {result['entries']} entries and {result['files']} other files"
        )


def _prepared(
    folder: Path, urls: list[str] | None, ca_files: list[Path] | None
) -> tuple[Archive, list[TimestampAuthority], list[x509.Certificate]]:
    """Return the archive, whom to ask, and whom to trust."""
    from govbus.audit.archive.reader import Archive
    from govbus.errors import ConfigError
    from govbus.service.timestamps import TimestampAuthority, authority_of, read_anchors
    from govbus.settings import Settings

    anchors = [certificate for file in ca_files or [] for certificate in read_anchors(file)]
    if urls:
        if not anchors:
            raise ConfigError("--tsa needs --tsa-ca", remedy="name the root certificates of the authority")
        authorities = [
            TimestampAuthority(f"tsa{number}", url, anchors) for number, url in enumerate(urls, start=1)
        ]
    else:
        configured = Settings.from_environment().message_log.timestamp_authorities
        authorities = [authority_of(settings) for settings in configured]
        anchors += [certificate for authority in authorities for certificate in authority.anchors]
    if not anchors:
        raise ConfigError(
            "no timestamp authority is trusted", remedy="give --tsa-ca, or configure timestamp authorities"
        )
    return Archive(folder), authorities, anchors


def _or_not_checked(work: Callable[[], T]) -> T:
    import sys

    from govbus.errors import GovbusError

    try:
        return work()
    except (GovbusError, OSError) as err:
        print(f"govbus: {err}", file=sys.stderr)  # noqa: T201  # exit code 2 says that nothing was established
        raise typer.Exit(EXIT_NOT_CHECKED) from err


def _progress(what: str) -> AbstractContextManager[Callable[[int], None]]:
    from contextlib import contextmanager

    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    @contextmanager
    def shown() -> Iterator[Callable[[int], None]]:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task(what, total=None)
            yield lambda done: progress.update(task, completed=done)

    return shown()


def _print_renewed(renewed: Renewed, found: dict[str, Any], *, as_json: bool) -> None:
    import dataclasses
    import json

    from govbus.document.encoding import time_text

    due = None if renewed.next_due_ms is None else time_text(renewed.next_due_ms)
    if as_json:
        fields = dataclasses.asdict(renewed)
        fields.pop("next_due_ms")
        typer.echo(json.dumps({**fields, "next_end": due, **found}))
        return
    for path in renewed.paths:
        typer.echo(f"wrote {path}")
    lines = [
        f"renewed: {renewed.segments} segments, {renewed.rehashes} rehashes, {renewed.renewals} renewals",
        *(f"not stamped: {failure}" for failure in renewed.failures),
        *(f"lapsed before it was renewed: {path}" for path in renewed.lapsed),
        *(f"wrong: {problem}" for problem in found.get("problems", ())),
    ]
    if renewed.unproven:
        lines.append(f"the newest {renewed.unproven} segments are under no timestamp yet")
    if renewed.is_due:
        lines.append("something is due and was not renewed")
    if due is not None:
        lines.append(f"the first timestamp that nothing renews yet ends at {due}")
    typer.echo("\n".join(lines))
