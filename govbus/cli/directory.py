"""``govbus directory``: who takes part, by which certificates, and who may send what to whom."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from govbus.cli.key_options import PasswordFileOption

if TYPE_CHECKING:
    from govbus.routing.directory.model import Directory

app = typer.Typer(
    help="The directory: agencies, certificates, taxonomies, data assets, packages and agreements, written as "
    "files, signed by the governing authority, followed by every process.",
    no_args_is_help=True,
)

FolderArgument = Annotated[Path, typer.Argument(help="Folder of directory files.", file_okay=False)]


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="New folder.", file_okay=False)],
    government: Annotated[
        bool,
        typer.Option(
            "--government",
            help="A whole government: ten agencies, nine kinds of documents, eleven agreements.",
        ),
    ] = False,
) -> None:
    """Write a sample directory with fresh keys, to begin from."""
    from govbus.service.government_directory import write_government_directory
    from govbus.service.processes import clock_ms
    from govbus.service.sample_directory import write_sample_directory

    write = write_government_directory if government else write_sample_directory
    sample = write(folder, at_ms=clock_ms())
    typer.echo(
        f"wrote {folder}: change its files, then\n"
        f"  govbus directory check {folder}\n"
        f"  govbus directory apply {folder} --key {sample.authority_key} "
        f"--certificate {sample.authority_certificate}"
    )


@app.command()
def check(folder: FolderArgument) -> None:
    """Say of every mistake in the files where it is, and which rule it breaks; warnings alone do no harm."""
    from govbus.service.directory.publishing import read_folder

    files = read_folder(folder)
    for problem in files.problems:
        typer.echo(f"warning: {problem}" if problem.is_warning else str(problem), err=True)
    if not all(problem.is_warning for problem in files.problems):
        raise typer.Exit(1)
    content = files.content
    counts = (
        (content.agencies, "agencies"),
        (content.taxonomies, "taxonomies"),
        (content.assets, "data assets"),
        (content.packages, "packages"),
        (content.agreements, "agreements"),
        (content.codes, "code lists"),
    )
    told = ", ".join(f"{len(entries)} {words}" for entries, words in counts if entries)
    typer.echo(
        f"{content.bus.id}: {told}, {len(files.problems) or 'no'} {'warnings' if files.problems else 'mistakes'}"
    )


@app.command()
def schema(
    kind: Annotated[
        str | None,
        typer.Argument(help="bus, agency, taxonomy, asset, package, agreement or codes. Default: all."),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Write a file for each kind here.", file_okay=False)
    ] = None,
) -> None:
    """Print the JSON Schemas of the YAML files, or write them for an editor."""
    import json

    from govbus.errors import ConfigError
    from govbus.routing.directory.editor import editor_schema, schema_file
    from govbus.routing.directory.file_models import FILE_MODELS

    if kind is not None and kind not in FILE_MODELS:
        raise ConfigError(f"expected one of {', '.join(FILE_MODELS)}, found {kind!r}")
    schemas = {one: editor_schema(one) for one in (FILE_MODELS if kind is None else (kind,))}
    if folder is None:
        told = schemas if kind is None else schemas[kind]
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for one, content in schemas.items():
            text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
            (folder / schema_file(one)).write_text(text, encoding="utf-8")
    except OSError as err:
        raise ConfigError(f"{folder} cannot be written: {err.strerror}") from err
    typer.echo(f"wrote {len(schemas)} schemas to {folder}")


@app.command()
def apply(
    folder: FolderArgument,
    key: Annotated[
        str, typer.Option(help="Private key of the governing authority: PEM file or pkcs11: URI.")
    ],
    certificate: Annotated[Path, typer.Option(help="Its certificate (PEM).", dir_okay=False)],
    password_file: PasswordFileOption = None,
    authority: Annotated[
        Path | None,
        typer.Option(help="Certificates that earlier versions were signed with (PEM).", dir_okay=False),
    ] = None,
) -> None:
    """Sign the directory and publish it as the next version; does nothing where nothing has changed."""
    import asyncio

    from govbus.service.directory.publishing import publish_directory, read_certificates, read_folder
    from govbus.service.keys.opening import open_signer
    from govbus.service.keys.secrets import secret_from_file
    from govbus.service.processes import clock_ms
    from govbus.service.wiring import transport_of
    from govbus.settings import Settings

    files = read_folder(folder)
    signer = open_signer(
        key,
        certificate,
        kid=f"{files.content.bus.id}/authority",
        secret=secret_from_file(password_file),
    )
    publication = asyncio.run(
        publish_directory(
            transport_of(Settings.from_environment()),
            files,
            signer,
            authority=read_certificates(authority) if authority is not None else (),
            at_ms=clock_ms(),
        )
    )
    version = publication.directory.version
    if publication.is_new:
        typer.echo(f"published version {version}, {publication.entries_new} entries new")
    else:
        typer.echo(f"nothing to do: version {version} says the same")


@app.command()
def show(
    authority: Annotated[
        Path, typer.Option(help="Certificate of the governing authority (PEM).", dir_okay=False)
    ],
    version: Annotated[
        int | None, typer.Argument(help="Version to show. Default: the latest.", min=1)
    ] = None,
) -> None:
    """Show the published directory once its signatures have been checked."""
    import asyncio

    from govbus.errors import DirectoryError
    from govbus.service.directory.publishing import read_certificates, read_directory
    from govbus.service.wiring import transport_of
    from govbus.settings import Settings

    reader = asyncio.run(
        read_directory(transport_of(Settings.from_environment()), read_certificates(authority))
    )
    directory = reader.current if version is None else reader.at(version)
    if directory is None:
        what = "no directory" if version is None else f"no version {version} of the directory"
        raise DirectoryError(f"{what} has been published under this authority")
    _print(directory)


def _print(directory: Directory) -> None:
    from rich.console import Console
    from rich.table import Table

    from govbus.document.encoding import time_text

    console = Console()
    console.print(
        f"[bold]{directory.bus}[/bold] {directory.name}, version {directory.version} by {directory.authority}, "
        f"issued {time_text(directory.issued_ms)}, expires {time_text(directory.expires_ms)}, "
        f"profiles {' '.join(sorted(directory.profiles))}",
        highlight=False,
    )
    agencies = Table("Agency", "Name", "Certificate", "Good until", "Revoked", box=None, header_style="bold")
    for agency in sorted(directory.agencies.values(), key=lambda agency: agency.id):
        trusted = [one for one in directory.certificates.values() if one.agency == agency.id]
        if not trusted:
            agencies.add_row(agency.id.text, agency.name, "none", "", "")
        for one in trusted:
            agencies.add_row(
                agency.id.text,
                agency.name,
                f"{one.certificate.thumbprint[:12]}… {one.certificate.algorithm}",
                time_text(one.certificate.not_after_ms)[:10],
                time_text(one.revoked_ms) if one.revoked_ms is not None else "",
            )
    packages = Table("Package", "Name", "Types", "Schema ids", "Delivery", box=None, header_style="bold")
    for package in sorted(directory.packages.values(), key=lambda package: package.id):
        packages.add_row(
            package.id.text,
            package.name,
            ", ".join(package.types),
            ", ".join(map(str, package.schema_ids)),
            package.delivery,
        )
    agreements = Table(
        "Agreement", "Package", "From", "To", "Good until", "Status", box=None, header_style="bold"
    )
    for agreement in sorted(directory.agreements.values(), key=lambda agreement: agreement.id):
        agreements.add_row(
            agreement.id,
            agreement.package.text,
            agreement.supplier.text,
            ", ".join(map(str, agreement.consumers)),
            time_text(agreement.valid_to_ms)[:10],
            agreement.status,
        )
    assets = Table("Data asset", "Title", "Steward", "Access level", "Topics", box=None, header_style="bold")
    for asset in sorted(directory.assets.values(), key=lambda asset: asset.id):
        assets.add_row(
            asset.id,
            asset.title,
            asset.steward.agency.text,
            asset.access_level,
            ", ".join(f"{one.taxonomy}/{one.topic}" for one in asset.topics),
        )
    for table in (agencies, assets, packages, agreements):
        console.print()
        console.print(table)
