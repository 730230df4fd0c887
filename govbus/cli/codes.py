"""``govbus codes``: the dated lists that rules go by, and how a further edition gets into the directory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from govbus.routing.codes import CodeList, CodeLists, Edition
    from govbus.routing.codes.files import Difference

FILE_BYTES_MAX = 20_000_000
SHOWN_CODES_MAX = 20
"""Codes of each kind of difference that are named; the rest are counted."""

app = typer.Typer(
    help="The code lists that rules go by: CUI categories, countries, bureau codes and others, each edition dated "
    "and with its source.",
    no_args_is_help=True,
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
FolderOption = Annotated[
    Path | None,
    typer.Option(
        "--directory",
        help="Folder of directory files, whose lists stand in place of the shipped ones.",
        file_okay=False,
        exists=True,
    ),
]
ListArgument = Annotated[str, typer.Argument(metavar="id", help="Id of a list, such as cui-categories.")]


@app.command("list")
def list_codes(
    list_id: Annotated[
        str | None,
        typer.Argument(metavar="[id]", help="One list, with all its editions. Default: all lists."),
    ] = None,
    directory: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the code lists, or the editions of one: since when, from which source, how many codes."""
    lists = _lists(directory)
    chosen = [_required(lists, list_id)] if list_id is not None else list(lists.lists.values())
    if as_json:
        _print_json([_list_fields(one) for one in chosen])
    elif list_id is not None:
        _print_editions(chosen[0])
    else:
        _print_lists(chosen)


@app.command()
def show(
    list_id: ListArgument,
    code: Annotated[str | None, typer.Argument(metavar="[code]", help="One code, such as PRVCY.")] = None,
    at: Annotated[
        str | None,
        typer.Option(
            help="By the edition in force at this day or RFC 3339 time. Default: now.", metavar="TIME"
        ),
    ] = None,
    directory: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the codes of a list that are in force, or what is known of one."""
    from govbus.errors import ConfigError

    edition = _required(_lists(directory), list_id).at(_time_ms(at))
    if code is not None and code not in edition.codes:
        raise ConfigError(
            f"{list_id} has no code {code[:60]!r} in the edition in force",
            remedy=f"see: govbus codes show {list_id}",
        )
    chosen = edition.codes if code is None else {code: edition.codes[code]}
    if as_json:
        _print_json({name: dict(facts) for name, facts in chosen.items()})
    elif code is not None:
        for name, fact in edition.codes[code].items():
            typer.echo(f"{name}: {_text(fact)}")
    else:
        _print_codes(edition)


@app.command()
def update(
    file: Annotated[
        Path, typer.Argument(help="A list with its new edition (YAML or JSON).", exists=True, dir_okay=False)
    ],
    directory: Annotated[
        Path,
        typer.Option(
            "--directory", help="Folder of directory files to write to.", file_okay=False, exists=True
        ),
    ],
    check: Annotated[
        bool, typer.Option("--check", help="Show what would change, and write nothing.")
    ] = False,
) -> None:
    """Add an edition of a list to a folder of directory files; earlier editions stay.

    Every mistake in the file is located, and what the edition changes is shown. It takes effect when
    `govbus directory apply` publishes the folder.
    """
    from govbus.routing.codes.files import code_list_yaml, continued

    found = _read(file)
    existing = _lists(directory).lists.get(found.id)
    whole = found if existing is None else continued(existing, found)
    _print_update(found, existing)
    target = _target(directory, found.id)
    if check:
        typer.echo(f"nothing was written; without --check: {target}")
        return
    _write(target, code_list_yaml(whole))
    typer.echo(f"wrote {target}; publish it with: govbus directory apply {directory}")


def _lists(directory: Path | None) -> CodeLists:
    """Return the shipped lists, with those of a folder of directory files in their place."""
    from govbus.routing.codes import CodeLists

    shipped = CodeLists.shipped()
    if directory is None:
        return shipped
    folder = directory / "codes"
    return shipped.replaced([_read(path) for path in sorted(folder.glob("*.y*ml"))])


def _read(path: Path) -> CodeList:
    """Return the list in a file, or print every mistake in it and leave."""
    from govbus.errors import ConfigError
    from govbus.routing.codes.files import read_code_list

    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise ConfigError(f"{path} is over {FILE_BYTES_MAX} bytes")
        octets = path.read_bytes()
    except OSError as err:
        raise ConfigError(f"{path} cannot be read: {err.strerror}") from err
    found, problems = read_code_list(octets)
    for problem in problems:
        typer.echo(f"{path}: {problem}", err=True)
    if found is None:
        raise typer.Exit(1)
    return found


def _required(lists: CodeLists, list_id: str) -> CodeList:
    from govbus.errors import ConfigError

    found = lists.lists.get(list_id)
    if found is None:
        raise ConfigError(
            f"there is no list {list_id[:60]!r}", remedy=f"the lists are {', '.join(lists.lists)}"
        )
    return found


def _target(directory: Path, list_id: str) -> Path:
    """Return the file of a list: the one that the folder has already, whatever its name, or a new one."""
    for path in sorted((directory / "codes").glob("*.y*ml")):
        if _read(path).id == list_id:
            return path
    return directory / "codes" / f"{list_id}.yaml"


def _write(path: Path, text: str) -> None:
    """Replace a file as a whole, so that nobody ever reads half of it."""
    from govbus.errors import ConfigError

    fresh = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(exist_ok=True)
        fresh.write_text(text, "utf-8")
        fresh.replace(path)
    except OSError as err:
        raise ConfigError(f"{path} cannot be written: {err.strerror}") from err


def _time_ms(text: str | None) -> int:
    from govbus.errors import ConfigError, MetadataError
    from govbus.routing.codes.lists import moment_ms
    from govbus.service.processes import clock_ms

    if text is None:
        return clock_ms()
    try:
        return moment_ms(text)
    except MetadataError as err:
        raise ConfigError("--at: expected a day such as 2026-01-31 or an RFC 3339 time") from err


def _list_fields(one: CodeList) -> dict[str, Any]:
    """Return a list as its file has it, with the number of codes in place of the codes."""
    from govbus.routing.codes.files import code_list_value

    value = code_list_value(one)
    for edition in value["editions"]:
        edition["codes"] = len(edition["codes"])
    return value


def _print_json(value: Any) -> None:
    import json

    typer.echo(json.dumps(value, indent=1, ensure_ascii=False))


def _print_lists(chosen: list[CodeList]) -> None:
    from rich.console import Console
    from rich.table import Column, Table

    from govbus.routing.codes.files import moment_text

    now_ms = _time_ms(None)
    table = Table(
        Column("List", no_wrap=True),
        "Editions",
        "In force from",
        "Codes",
        "Source",
        box=None,
        header_style="bold",
    )
    for one in chosen:
        edition = one.at(now_ms)
        table.add_row(
            one.id,
            str(len(one.editions)),
            moment_text(edition.from_ms),
            str(len(edition.codes)),
            f"{edition.source}, {edition.source_date}",
        )
    console = Console(highlight=False, markup=False)
    console.print(table)
    console.print(f"\n{len(chosen)} lists; govbus codes list ID shows the editions of one")


def _print_editions(one: CodeList) -> None:
    from rich.console import Console
    from rich.table import Table

    from govbus.routing.codes.files import moment_text

    table = Table("From", "Source", "Source date", "Codes", box=None, header_style="bold")
    for edition in one.editions:
        table.add_row(
            moment_text(edition.from_ms), edition.source, edition.source_date, str(len(edition.codes))
        )
    console = Console(highlight=False, markup=False)
    console.print(f"{one.id}: {one.title}\n")
    console.print(table)


def _print_codes(edition: Edition) -> None:
    from rich.console import Console
    from rich.table import Table

    names = list(dict.fromkeys(name for facts in edition.codes.values() for name in facts))
    table = Table("Code", *(name.capitalize() for name in names), box=None, header_style="bold")
    for code, facts in edition.codes.items():
        table.add_row(code, *(_text(facts.get(name, "")) for name in names))
    Console(highlight=False, markup=False).print(table)


def _text(fact: Any) -> str:
    return ", ".join(fact) if isinstance(fact, list) else str(fact)


def _print_update(found: CodeList, existing: CodeList | None) -> None:
    """Print what every edition of an update changes in the one before it."""
    from govbus.routing.codes.files import difference, moment_text

    before = existing.editions[-1] if existing is not None else None
    for edition in found.editions:
        head = f"{found.id} from {moment_text(edition.from_ms)} ({edition.source}, {edition.source_date})"
        if before is None:
            typer.echo(f"{head}: a new list of {len(edition.codes)} codes")
        else:
            typer.echo(f"{head}: {len(edition.codes)} codes, {len(before.codes)} before")
            _print_difference(difference(before, edition))
        before = edition


def _print_difference(found: Difference) -> None:
    if not found:
        typer.echo("  nothing differs but the date")
    for what, codes in zip(("added", "removed", "changed"), found, strict=True):
        if codes:
            more = f" and {len(codes) - SHOWN_CODES_MAX} more" if len(codes) > SHOWN_CODES_MAX else ""
            typer.echo(f"  {what} {len(codes)}: {', '.join(codes[:SHOWN_CODES_MAX])}{more}")
