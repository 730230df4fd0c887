"""``govbus check``: what the bus would say, before anything is sent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from govbus.document.ids import Origin
    from govbus.routing.directory.model import Directory
    from govbus.service.agency_profile import AgencyProfile
    from govbus.service.document_check import DocumentCheck

app = typer.Typer(help="Say before sending what the bus would say.", no_args_is_help=True)

REFUSED_EXIT_CODE = 2


@app.callback()
def check() -> None:
    """Say before sending what the bus would say."""


@app.command()
def document(
    file: Annotated[
        Path,
        typer.Argument(
            help='JSON file {"record": {…}, "body": {…}, "subject": "…", "attributes": {…}}, as govbus send takes it; '
            "- reads it from standard input."
        ),
    ],
    agreement: Annotated[
        str | None,
        typer.Option(help="Exchange agreement to send under. Default: the agency's only active one."),
    ] = None,
    ce_type: Annotated[
        str | None,
        typer.Option("--type", help="Type of the document (ce_type). Default: the package's only one."),
    ] = None,
    profile: Annotated[
        Path | None,
        typer.Option(
            help="Agency profile: who you are, and who signs the directory (YAML). Default: agency.yaml, unless the "
            "agreement of a folder says who sends."
        ),
    ] = None,
    directory: Annotated[
        Path | None,
        typer.Option(
            help="Folder of directory files to judge by, offline. Default: the directory of the running bus.",
            file_okay=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Judge a document by the rules of the bus without sending it.

    The router's own code decides, so its answer is the same, but for what only the bus knows: what was sent before
    (SEQ-1, CE-4, DRM-7) and your keys (SEC-4, SEC-6).

    Exit code 0: would be accepted, perhaps with warnings; 2: would be refused or quarantined; 1: cannot be checked.
    """
    from govbus.cli.send import read_document
    from govbus.service.document_builder import DocumentBuilder
    from govbus.service.document_check import check_document
    from govbus.service.processes import clock_ms
    from govbus.service.sending import DocumentText, supplied_agreement

    value, source = read_document(file)
    text = DocumentText.from_value(value, source)
    now_ms = clock_ms()
    found, origin, own = _place(profile, directory, agreement, now_ms)
    chosen = supplied_agreement(found, origin.agency, agreement)
    builder = DocumentBuilder(found, origin, chosen, ce_type)
    result = check_document(builder, found, text, at_ms=now_ms, own=own)
    _print_json(result) if as_json else _print(result)
    if result.outcome.value != "accepted":
        raise typer.Exit(REFUSED_EXIT_CODE)


def _place(
    profile: Path | None, folder: Path | None, agreement: str | None, at_ms: int
) -> tuple[Directory, Origin, frozenset[str] | None]:
    """Return the directory to judge by, the outbox that would send, and thumbprints of its profile's certificates."""
    import asyncio

    from govbus.document.ids import Origin
    from govbus.errors import ConfigError, DirectoryError
    from govbus.service.agency_profile import AgencyProfile
    from govbus.service.directory.publishing import read_directory
    from govbus.service.wiring import transport_of
    from govbus.settings import Settings

    if folder is not None:
        found = _folder_directory(folder, at_ms)
        if profile is not None:
            sender = AgencyProfile.from_file(profile)
            return found, sender.origin, _thumbprints(sender)
        named = found.agreement(agreement) if agreement is not None else None
        if named is None:
            raise ConfigError(
                "expected the name of an agreement of the folder, because nothing else says who sends",
                remedy=f"name it with --agreement: {', '.join(sorted(found.agreements))}",
            )
        return found, Origin(named.supplier, "main"), None
    own = AgencyProfile.from_file(Path("agency.yaml") if profile is None else profile)
    transport = transport_of(Settings.from_environment(), client_id=str(own.agency))
    current = asyncio.run(read_directory(transport, own.authority_certificates())).current
    if current is None:
        raise DirectoryError(
            "no directory by this governing authority has been published",
            remedy="check offline with --directory FOLDER",
        )
    current.require_current(at_ms)
    return current, own.origin, _thumbprints(own)


def _thumbprints(profile: AgencyProfile) -> frozenset[str]:
    return frozenset(certificate.thumbprint for certificate in profile.certificates())


def _folder_directory(folder: Path, at_ms: int) -> Directory:
    from govbus.routing.directory.build import build_directory
    from govbus.service.directory.publishing import read_folder

    files = read_folder(folder, at_ms=at_ms)
    day_ms = 86_400_000
    return build_directory(
        files.content, version=1, issued_ms=at_ms, expires_ms=at_ms + files.validity_days * day_ms
    )


def check_fields(result: DocumentCheck) -> dict[str, Any]:
    """Return what ``--json`` prints."""
    return {
        "outcome": result.outcome.value,
        "agreement": result.agreement,
        "complete": result.is_complete,
        "findings": [
            {
                "rule": one.rule,
                "severity": one.severity.value,
                "field": one.field,
                "detail": one.detail,
                "citation": one.citation,
                "accepted": one.accepted,
            }
            for one in result.findings
        ],
    }


def _print_json(result: DocumentCheck) -> None:
    import json

    typer.echo(json.dumps(check_fields(result), indent=2, ensure_ascii=False))


def _print(result: DocumentCheck) -> None:
    from rich.console import Console

    console = Console(soft_wrap=True, highlight=False)
    colour = "green" if result.outcome.value == "accepted" else "red"
    words = f"would be {result.outcome.value}" if result.is_complete else "cannot be sent as it is"
    console.print(f"[bold {colour}]{words}[/] under agreement {result.agreement}")
    for finding in result.findings:
        console.print(
            f"  {finding.rule} ({finding.severity.name.lower()}) {finding.field}: {finding.detail}\n"
            f"    accepted: {finding.accepted}\n"
            f"    asked by: {finding.citation}",
            markup=False,
        )
