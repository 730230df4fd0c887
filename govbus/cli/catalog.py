"""``govbus catalog``: find what a bus has registered and accepted, and write it down as others read it."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from govbus.routing.directory.model import Directory
    from govbus.service.catalogue.database import CatalogueDatabase, Results

app = typer.Typer(
    help="The catalogue: search assets, packages, schemas, agreements, taxonomies and accepted documents by what "
    "they say about themselves; export DCAT-US, AsyncAPI and Open Data Contracts; import contracts.",
    no_args_is_help=True,
)


class KindName(enum.StrEnum):
    """What can be searched for."""

    ASSET = "asset"
    PACKAGE = "package"
    SCHEMA = "schema"
    AGREEMENT = "agreement"
    DOCUMENT = "document"
    TAXONOMY = "taxonomy"


class ExportForm(enum.StrEnum):
    """What can be exported."""

    DCAT_US_1_1 = "dcat-us-1.1"
    DCAT_US_3_0 = "dcat-us-3.0"
    ASYNCAPI = "asyncapi"
    ODCS = "odcs"


FolderOption = Annotated[
    Path | None,
    typer.Option("--directory", help="Folder of directory files, instead of a running bus.", file_okay=False),
]
AuthorityOption = Annotated[
    Path | None,
    typer.Option(
        help="Certificate of the governing authority (PEM); needed for a running bus.", dir_okay=False
    ),
]
DataOption = Annotated[
    Path | None, typer.Option(help="Folder for the index, which can be rebuilt. Default: your data folder.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RefreshOption = Annotated[
    bool, typer.Option("--refresh/--no-refresh", help="Read on in the message log first.")
]


@app.command()
def search(
    words: Annotated[
        list[str] | None, typer.Argument(help="Words to look for; each matches words that begin with it.")
    ] = None,
    kind: Annotated[list[KindName] | None, typer.Option(help="Only this kind; may be repeated.")] = None,
    agency: Annotated[str | None, typer.Option(help="Id of an agency that has to do with it.")] = None,
    topic: Annotated[
        str | None, typer.Option(help="Topic, with its taxonomy or without: example-topics/taxes, or taxes.")
    ] = None,
    classification: Annotated[str | None, typer.Option(help="Such as confidential.")] = None,
    access_level: Annotated[str | None, typer.Option(help="Such as public.")] = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="Day or RFC 3339 time: about this or later.")
    ] = None,
    to: Annotated[str | None, typer.Option(help="Day or RFC 3339 time: about this or earlier.")] = None,
    limit: Annotated[int, typer.Option(help="Results at most.", min=1, max=1000)] = 20,
    facets: Annotated[bool, typer.Option("--facets", help="Show how many results have each value.")] = False,
    as_json: JsonOption = False,
    directory: FolderOption = None,
    authority: AuthorityOption = None,
    data: DataOption = None,
    refresh: RefreshOption = True,
) -> None:
    """Find what is registered on a bus, and what it accepted, by words, agency, topic, time and classification.

    Of documents the index has headers, record metadata and the place in the message log; never the body.
    """
    import json
    from contextlib import closing

    from govbus.service.catalogue.items import Kind
    from govbus.service.catalogue.query import Query

    query = Query(
        " ".join(words or ()),
        tuple(Kind(one.value) for one in kind or ()),
        agency,
        topic,
        classification,
        access_level,
        _moment(from_, "--from", day_offset_ms=0),
        _moment(to, "--to", day_offset_ms=86_400_000 - 1),
        limit,
    )
    with closing(_catalogue(directory, authority, data, is_fresh=refresh)) as catalogue:
        results = catalogue.search(query)
    if as_json:
        typer.echo(json.dumps(_results_json(results), indent=1, ensure_ascii=False))
    else:
        _print(results, facets=facets)


@app.command()
def show(
    kind: Annotated[KindName, typer.Argument(help="What kind of thing it is.")],
    identifier: Annotated[str, typer.Argument(metavar="ID", help="Its id, as a search shows it.")],
    directory: FolderOption = None,
    authority: AuthorityOption = None,
    data: DataOption = None,
    refresh: RefreshOption = True,
) -> None:
    """Show everything that the catalogue has about one thing, as JSON.

    Exit code 1: there is no such thing.
    """
    import json
    from contextlib import closing

    from govbus.errors import MissingPartError
    from govbus.service.catalogue.items import Kind

    with closing(_catalogue(directory, authority, data, is_fresh=refresh)) as catalogue:
        found = catalogue.get(Kind(kind.value), identifier)
    if not found:
        raise MissingPartError(
            f"there is no {kind.value} {identifier}", remedy="look for it: govbus catalog search"
        )
    for one in found:
        typer.echo(json.dumps(one.detail, indent=1, ensure_ascii=False))


@app.command()
def index(
    authority: Annotated[
        Path, typer.Option(help="Certificate of the governing authority (PEM).", dir_okay=False)
    ],
    data: DataOption = None,
) -> None:
    """Bring the index up to date with a running bus: its directory, and every document accepted since last time."""
    import asyncio
    from contextlib import closing

    from govbus.service.catalogue.indexing import refresh as refresh_index
    from govbus.service.wiring import transport_of
    from govbus.settings import Settings

    settings = Settings.from_environment()
    with closing(_database(data)) as catalogue:
        directory, done = asyncio.run(
            refresh_index(transport_of(settings, client_id="govbus-catalog"), catalogue, authority)
        )
    missing = f", {done.missing} no longer in their outbox" if done.missing else ""
    typer.echo(
        f"directory version {directory.version}; {done.entries} log entries read, {done.documents} documents added"
        f"{missing}"
    )


@app.command()
def findings(
    authority: AuthorityOption = None,
    data: DataOption = None,
    refresh: RefreshOption = True,
    as_json: JsonOption = False,
) -> None:
    """Say which documents of one supplier share a record_id without a relation that says why (rule REC-1).

    Exit code 0: none; 2: some.
    """
    import json
    from contextlib import closing

    from govbus.service.catalogue.findings import flow_findings

    with closing(_catalogue(None, authority, data, is_fresh=refresh)) as catalogue:
        found = flow_findings(catalogue)
    if as_json:
        typer.echo(json.dumps([one.to_json() for one in found], indent=1, ensure_ascii=False))
    else:
        for one in found:
            finding = one.finding
            typer.echo(
                f"{finding.rule} {finding.severity.value} {one.source} document {one.document_id}: "
                f"{finding.field}: {finding.detail} ({finding.citation})"
            )
        typer.echo(f"{len(found)} findings")
    if found:
        raise typer.Exit(2)


@app.command()
def export(
    form: Annotated[ExportForm, typer.Argument(help="What to write.")],
    agreement: Annotated[str | None, typer.Argument(help="Id of the agreement; for odcs alone.")] = None,
    output: Annotated[
        Path | None, typer.Option(help="File to write. Default: standard output.", dir_okay=False)
    ] = None,
    server: Annotated[
        str | None, typer.Option(help="host:port of the Kafka broker, to be written into addresses.")
    ] = None,
    directory: FolderOption = None,
    authority: AuthorityOption = None,
) -> None:
    """Write the directory as a DCAT-US catalogue or an AsyncAPI document, or an agreement as an Open Data Contract."""
    text = _exported(form, agreement, _directory(directory, authority), server)
    if output is None:
        typer.echo(text, nl=False)
        return
    from govbus.errors import ConfigError

    try:
        output.write_text(text, encoding="utf-8", newline="\n")
    except OSError as err:
        raise ConfigError(f"{output} cannot be written: {err.strerror}") from err
    typer.echo(f"wrote {output}", err=True)


@app.command("import-odcs")
def import_odcs(
    file: Annotated[Path, typer.Argument(help="Open Data Contract (YAML).", dir_okay=False)],
    directory: Annotated[
        Path, typer.Option("--directory", help="Folder of directory files.", file_okay=False)
    ],
) -> None:
    """Write an Open Data Contract as files of a directory: the agreement, its package, the payload schema.

    No file is overwritten. `govbus directory check` then says what the directory still lacks.
    """
    from govbus.service.catalogue.contract_files import import_contract

    done = import_contract(file, directory)
    for name in done.written:
        typer.echo(f"wrote {name}")
    for name in done.kept:
        typer.echo(f"left as it is: {name}")
    for part in done.left_out:
        typer.echo(f"the directory has no place for: {part}", err=True)
    for problem in done.problems:
        typer.echo(f"still to be filled in: {problem}", err=True)


def _exported(form: ExportForm, agreement_id: str | None, directory: Directory, server: str | None) -> str:
    import json

    from govbus.errors import ConfigError, MissingPartError
    from govbus.routing.catalogue.asyncapi import asyncapi_document
    from govbus.routing.catalogue.dcat_us_1_1 import dcat_us_1_1
    from govbus.routing.catalogue.dcat_us_3_0 import dcat_us_3_0
    from govbus.routing.catalogue.odcs_export import contract_of
    from govbus.routing.catalogue.odcs_yaml import contract_yaml

    if form is ExportForm.ODCS:
        if agreement_id is None:
            raise ConfigError(
                "an Open Data Contract is one agreement", remedy="name it: export odcs AGREEMENT"
            )
        agreement = directory.agreement(agreement_id)
        if agreement is None:
            raise MissingPartError(
                f"there is no agreement {agreement_id}",
                remedy="govbus catalog search --kind agreement lists them",
            )
        return contract_yaml(contract_of(directory, agreement, broker=server))
    if agreement_id is not None:
        raise ConfigError(f"{form.value} describes the whole directory", remedy="leave the agreement out")
    writers = {
        ExportForm.DCAT_US_1_1: dcat_us_1_1,
        ExportForm.DCAT_US_3_0: dcat_us_3_0,
        ExportForm.ASYNCAPI: asyncapi_document,
    }
    return json.dumps(writers[form](directory, broker=server), indent=2, ensure_ascii=False) + "\n"


def _directory(folder: Path | None, authority: Path | None) -> Directory:
    """Return the directory of a folder, or else the one in force on the bus."""
    import asyncio

    from govbus.routing.directory.build import build_directory
    from govbus.service.catalogue.indexing import require_current
    from govbus.service.directory.publishing import read_certificates, read_directory, read_folder
    from govbus.service.processes import clock_ms
    from govbus.service.wiring import transport_of
    from govbus.settings import Settings

    if folder is not None:
        at_ms = clock_ms()
        files = read_folder(folder, at_ms=at_ms)
        expires_ms = at_ms + files.validity_days * 86_400_000
        return build_directory(files.content, version=1, issued_ms=at_ms, expires_ms=expires_ms)
    certificates = read_certificates(_required(authority))
    transport = transport_of(Settings.from_environment(), client_id="govbus-catalog")
    return require_current(asyncio.run(read_directory(transport, certificates)))


def _required(authority: Path | None) -> Path:
    from govbus.errors import ConfigError

    if authority is None:
        raise ConfigError(
            "whose directory is it?",
            remedy="name a folder with --directory, or for a running bus the authority's certificate with --authority",
        )
    return authority


def _database(data: Path | None) -> CatalogueDatabase:
    from govbus.errors import ConfigError
    from govbus.service.catalogue.database import CatalogueDatabase
    from govbus.settings import Settings

    folder = data if data is not None else Settings.from_environment().data_folder / "catalogue"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as err:
        raise ConfigError(f"{folder} cannot be made: {err.strerror}") from err
    return CatalogueDatabase(folder / "index.sqlite")


def _catalogue(
    folder: Path | None, authority: Path | None, data: Path | None, *, is_fresh: bool
) -> CatalogueDatabase:
    """Return the index to search: of a folder, made at once, or of the bus, read on first unless told otherwise."""
    import asyncio

    from govbus.service.catalogue.database import CatalogueDatabase
    from govbus.service.catalogue.indexing import refresh
    from govbus.service.catalogue.items import directory_items
    from govbus.service.wiring import transport_of
    from govbus.settings import Settings

    if folder is not None:
        catalogue = CatalogueDatabase(":memory:")
        catalogue.replace_directory(directory_items(_directory(folder, None)), str(folder))
        return catalogue
    if is_fresh:
        _required(authority)
    catalogue = _database(data)
    if is_fresh:
        transport = transport_of(Settings.from_environment(), client_id="govbus-catalog")
        try:
            asyncio.run(refresh(transport, catalogue, _required(authority)))
        except BaseException:
            catalogue.close()
            raise
    return catalogue


def _moment(text: str | None, option: str, *, day_offset_ms: int) -> int | None:
    """Return milliseconds of a day or a time."""
    from govbus.document.encoding import time_ms_from_text
    from govbus.errors import ConfigError, MetadataError

    if text is None:
        return None
    try:
        if len(text) == len("2026-01-31"):
            return time_ms_from_text(f"{text}T00:00:00Z") + day_offset_ms
        return time_ms_from_text(text)
    except MetadataError as err:
        raise ConfigError(f"{option}: expected a day such as 2026-01-31 or an RFC 3339 time") from err


def _results_json(results: Results) -> dict[str, Any]:
    from govbus.document.encoding import time_text

    return {
        "matches": results.matches,
        "facets": results.facets,
        "items": [
            {
                "kind": one.kind,
                "id": one.id,
                "title": one.title,
                "classification": one.classification,
                "access_level": one.access_level,
                "from": None if one.from_ms is None else time_text(one.from_ms),
                "to": None if one.to_ms is None else time_text(one.to_ms),
                "detail": one.detail,
            }
            for one in results.items
        ],
    }


def _print(results: Results, *, facets: bool) -> None:
    from rich.console import Console
    from rich.table import Column, Table

    from govbus.document.encoding import time_text

    console = Console()
    whole = Column("Id", overflow="fold")  # so that it can be copied
    table = Table("Kind", whole, "Title", "Classification", "Time", box=None, header_style="bold")
    for one in results.items:
        time = "" if one.from_ms is None else time_text(one.from_ms)[:10]
        if one.to_ms is not None and one.to_ms != one.from_ms:
            time += f" to {time_text(one.to_ms)[:10]}"
        table.add_row(one.kind, _safe(one.id), _safe(one.title), one.classification or "", time)
    console.print(table)
    console.print(f"{results.matches} found, {len(results.items)} shown", highlight=False)
    if facets:
        for name, counts in results.facets.items():
            values = ", ".join(f"{_safe(value)} {count}" for value, count in counts.items())
            console.print(f"[bold]{name}[/bold]: {values}", highlight=False)


def _safe(text: str) -> str:
    """Return a text of a document as a terminal may show it: no markup and no control characters."""
    from rich.markup import escape

    return escape("".join(one if one.isprintable() else "�" for one in text))
