"""``govbus audit``: verify what a bus has recorded, without trusting its operator."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from govbus.cli import audit_options

if TYPE_CHECKING:
    from govbus.audit.report import AuditReport
    from govbus.service.auditing.verifying import Request

app = typer.Typer(help="Verify what a bus has recorded, without trusting its operator.", no_args_is_help=True)


class Level(enum.StrEnum):
    """How deep an audit looks."""

    EVIDENCE = "evidence"
    """Hashes, signatures, certificates, order and trees: what was sent, by whom, and that nothing was removed."""
    FULL = "full"
    """The same, and every decision is taken again; on a bus, every delivery and receipt is compared, too."""


AuthorityOption = Annotated[
    Path, typer.Option(help="Certificate of the governing authority (PEM).", dir_okay=False)
]
LogKeysOption = Annotated[
    Path, typer.Option(help="Folder with the log's public keys (log-*.pub.pem).", file_okay=False)
]
ArchiveOption = Annotated[
    Path | None, typer.Option(help="Audit this archive instead of the bus.", file_okay=False)
]
CheckpointOption = Annotated[
    list[Path] | None,
    typer.Option(help="A checkpoint that you kept from before; may be repeated.", dir_okay=False),
]
PolicyOption = Annotated[
    Path | None,
    typer.Option(help="Witnesses that you trust and their quorum (C2SP tlog-policy).", dir_okay=False),
]
TsaOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--tsa-ca",
        help="Certificate of a timestamp authority, or of its issuer (PEM); may be repeated.",
        dir_okay=False,
    ),
]
ReceiptsOption = Annotated[
    list[Path] | None,
    typer.Option(
        help="Receipts that an agency kept (`govbus inbox receipts`); may be repeated.", dir_okay=False
    ),
]
ProcessesOption = Annotated[
    int | None, typer.Option(min=1, help="How many processes to use; one a core unless given.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]


@app.callback()
def audit() -> None:
    """Verify what a bus has recorded, without trusting its operator."""


@app.command()
def verify(
    authority: AuthorityOption,
    log_keys: LogKeysOption,
    archive: ArchiveOption = None,
    level: Annotated[Level, typer.Option(help="How deep to look.")] = Level.FULL,
    since: Annotated[str | None, typer.Option(help="Check decisions from this time on (RFC 3339).")] = None,
    until: Annotated[str | None, typer.Option(help="Check decisions before this time (RFC 3339).")] = None,
    agency: Annotated[
        list[str] | None, typer.Option(help="Check this sender's documents only; may be repeated.")
    ] = None,
    package: Annotated[
        list[str] | None, typer.Option(help="Check this package's documents only; may be repeated.")
    ] = None,
    checkpoint: CheckpointOption = None,
    policy: PolicyOption = None,
    tsa_ca: TsaOption = None,
    receipts: ReceiptsOption = None,
    processes: ProcessesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read a bus or an archive again; check every hash, signature, certificate, number and tree, and decide again.

    With a range, every entry is still hashed into its tree, and only those in the range are checked; the report says
    which. On a bus a range needs --level evidence. Exit code 0: everything verifies; 1: it does not, and every
    difference is named with its place; 2: it could not be checked.
    """

    def run() -> AuditReport:
        request = audit_options.read_request(authority, log_keys, checkpoint, policy, tsa_ca, processes)
        request = audit_options.with_receipts(request, receipts)
        return _verify(audit_options.with_range(request, since, until, agency, package), archive, level)

    audit_options.print_report(run, as_json=as_json)


def _verify(request: Request, archive: Path | None, level: Level) -> AuditReport:
    import asyncio

    from govbus.service.auditing import verifying

    with audit_options.shown_progress() as progress:
        if archive is not None:
            return verifying.verify_archive(archive, request, is_full=level is Level.FULL, progress=progress)
        transport = audit_options.make_transport()
        if level is Level.EVIDENCE:
            return asyncio.run(verifying.verify_bus(transport, request, progress=progress))
        return asyncio.run(verifying.verify_bus_fully(transport(), request, progress=progress))


@app.command()
def fsck(
    log_keys: LogKeysOption,
    bus: Annotated[str, typer.Option(help="Id of the bus, such as bus.example.")],
    archive: Annotated[Path | None, typer.Option(help="Look at this archive.", file_okay=False)] = None,
    tiles: Annotated[
        str | None, typer.Option(help="Look at these tiles: a folder, or the URL of the log service.")
    ] = None,
    checkpoint: CheckpointOption = None,
    processes: ProcessesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compute every tree again from its entries, and compare roots, tiles and checkpoints.

    Of the bus (the default), an archive, or tiles as the log service publishes them. Exit code 0: all is as it must
    be; 1: it is not, and every difference is named with its place; 2: it could not be checked.
    """

    def run() -> AuditReport:
        from govbus.cli.public_keys import read_public_keys
        from govbus.document.ids import AgencyId
        from govbus.service.auditing.fsck import fsck_archive, fsck_bus, fsck_tiles

        keys, name, notes = (
            read_public_keys(log_keys),
            AgencyId.from_text(bus),
            audit_options.read_notes(checkpoint),
        )
        with audit_options.shown_progress() as progress:
            if archive is not None:
                return fsck_archive(
                    archive,
                    name,
                    keys,
                    notes,
                    processes=audit_options.processes_of(processes),
                    progress=progress,
                )
            if tiles is not None:
                return fsck_tiles(tiles, name, keys, notes, progress=progress)
            return fsck_bus(audit_options.make_transport(), name, keys, notes, progress=progress)

    audit_options.print_report(run, as_json=as_json)
