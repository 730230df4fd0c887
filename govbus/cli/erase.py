"""``govbus erase``: take the content of a document away, and leave the proof."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from govbus.cli.key_options import PasswordFileOption

if TYPE_CHECKING:
    from govbus.document.record import Record
    from govbus.service.erasure.erasing import ErasureReport
    from govbus.signing.signer import Signer

EXIT_PENDING = 3


def erase(
    document_id: Annotated[str, typer.Argument(help="The document's id (ce_id).")],
    authority: Annotated[
        str,
        typer.Option(help="By which order or law, in one line without personal data; it stays in the log."),
    ],
    directory_authority: Annotated[
        Path, typer.Option(help="Certificate of the governing authority, which signs the directory (PEM).")
    ],
    archive: Annotated[
        list[Path],
        typer.Option(help="Every folder that the archive is kept in; may be repeated.", file_okay=False),
    ],
    key: Annotated[
        str, typer.Option(help="Private key of the bus or of the document's agency: PEM file or pkcs11: URI.")
    ],
    certificate: Annotated[Path, typer.Option(help="Its certificate (PEM).", dir_okay=False)],
    agency: Annotated[
        str | None, typer.Option(help="Whose document, where several agencies have one of this id.")
    ] = None,
    password_file: PasswordFileOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Remove value and salt of a document everywhere the bus keeps them, and log that it was done.

    Log, statement and signatures still verify; nothing about the content can be computed from what remains.
    A place that has to wait, because somebody has not read it yet, is named; run the same command again later.
    Exit code 0: erased everywhere; 3: some places have to wait.
    """
    import asyncio

    from govbus.service.keys.opening import open_signer
    from govbus.service.keys.secrets import secret_from_file

    signer = open_signer(key, certificate, kid="erasure", secret=secret_from_file(password_file))
    if not yes:
        typer.confirm(f"Erase the content of document {document_id} for good?", abort=True)
    report = asyncio.run(_erase(document_id, authority, directory_authority, archive, signer, agency))
    typer.echo(_json(report) if as_json else _text(report))
    if not report.is_complete:
        raise typer.Exit(EXIT_PENDING)


async def _erase(
    document_id: str,
    authority: str,
    directory_authority: Path,
    archives: list[Path],
    signer: Signer,
    agency: str | None,
) -> ErasureReport:
    from govbus.audit.archive.reader import Archive
    from govbus.document import topics
    from govbus.errors import MissingPartError
    from govbus.service.directory.publishing import read_certificates, read_directory
    from govbus.service.erasure.erasing import Erasure, erase
    from govbus.service.processes import clock_ms
    from govbus.service.replay.sources import revocations_of
    from govbus.service.scanning import scan
    from govbus.service.wiring import transport_of
    from govbus.settings import Settings
    from govbus.transport.base import partition_counts

    transport = transport_of(Settings.from_environment(), client_id="govbus-erase")
    reader = await read_directory(transport, read_certificates(directory_authority))
    if reader.current is None:
        raise MissingPartError("no directory has been published under this authority")
    records: list[Record] = []
    if topics.REVOCATIONS in await partition_counts(transport):
        records = [one async for one in scan(transport, [topics.REVOCATIONS])]
    erasure = Erasure(document_id, authority, [signer], reader.current, revocations_of(records), agency)
    return await erase(transport, [Archive(folder) for folder in archives], erasure, clock_ms=clock_ms)


def _text(report: ErasureReport) -> str:
    lines = [
        f"{place.state:<8}{place.where}" + (f": {place.reason}" if place.reason else "")
        for place in report.places
    ]
    lines.append(f"logged  {len(report.facts)} entries say that the content was erased")
    lines.append(
        "The content of the document is erased; the agencies that received it erase their own copies."
        if report.is_complete
        else "Some places have to wait; run the same command again."
    )
    return "\n".join(lines)


def _json(report: ErasureReport) -> str:
    import json

    return json.dumps(
        {
            "document": report.document_id,
            "complete": report.is_complete,
            "facts": [str(entry.source) for entry in report.facts],
            "places": [
                {"where": place.where, "state": place.state.value, "reason": place.reason}
                for place in report.places
            ],
        },
        indent=2,
    )
