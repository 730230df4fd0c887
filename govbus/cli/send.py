"""``govbus send``: one document, from a JSON file or from options, to the receipt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from govbus.document.decision import Receipt
    from govbus.service.sending import DocumentText

ProfileOption = Annotated[
    Path, typer.Option(help="Agency profile: who you are, your keys, your spool (YAML).")
]
AgreementOption = Annotated[
    str | None,
    typer.Option(help="Exchange agreement to send under. Default: your only active one."),
]
TypeOption = Annotated[
    str | None,
    typer.Option("--type", help="Type of the document (ce_type). Default: the package's only one."),
]
NextIndexOption = Annotated[
    int | None,
    typer.Option(
        min=0, help="Where a new spool starts. Default: one above what your outbox on the bus holds."
    ),
]
REFUSED_EXIT_CODE = 2


def send(
    document: Annotated[
        Path | None,
        typer.Argument(
            help='JSON file {"record": {…}, "body": {…}, "subject": "…", "attributes": {…}}; - reads it from '
            "standard input. Left out, everything comes from --set. Of the record only what the directory does not "
            "know is needed: record_id and description, as a rule."
        ),
    ] = None,
    values: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="A field, such as body.surname=Smith; JSON where it parses as such. May be repeated.",
        ),
    ] = None,
    profile: ProfileOption = Path("agency.yaml"),
    agreement: AgreementOption = None,
    ce_type: TypeOption = None,
    next_index: NextIndexOption = None,
    officer: Annotated[
        bool,
        typer.Option(
            "--officer",
            help="Sign as the officer of the profile too. Without it the officer signs where package or agreement ask.",
        ),
    ] = False,
    wait: Annotated[bool, typer.Option(help="Wait for the receipt.")] = True,
    timeout_s: Annotated[
        float, typer.Option(min=0.1, help="How long to wait for the broker and the receipt.")
    ] = 30,
) -> None:
    """Send one document, and print what became of it.

    Exit code 0: accepted (or sent, with --no-wait); 2: refused or quarantined; 1: something else is in the way.
    """
    import asyncio
    import logging

    from govbus import telemetry
    from govbus.service.sending import DocumentText

    telemetry.configure_logging(level=logging.WARNING)
    value, source = (
        ({"record": {}, "body": {}}, "the options") if document is None else read_document(document)
    )
    for text in values or []:
        _set(value, text)
    receipt = asyncio.run(
        _send(
            DocumentText.from_value(value, source),
            profile,
            agreement,
            ce_type,
            next_index,
            officer=officer,
            wait=wait,
            timeout_s=timeout_s,
        )
    )
    if receipt is not None and receipt.decision.value not in {"accepted", "duplicate"}:
        raise typer.Exit(REFUSED_EXIT_CODE)


async def _send(
    text: DocumentText,
    profile_file: Path,
    agreement_id: str | None,
    ce_type: str | None,
    next_index: int | None,
    *,
    officer: bool,
    wait: bool,
    timeout_s: float,
) -> Receipt | None:
    from govbus.service.agency_profile import AgencyProfile
    from govbus.service.processes import clock_ms
    from govbus.service.sending import ReceiptWatch, SenderParts, send_document
    from govbus.service.sending_setup import SendingSetup
    from govbus.service.wiring import transport_of
    from govbus.settings import Settings

    profile = AgencyProfile.from_file(profile_file)
    transport = transport_of(Settings.from_environment(), client_id=str(profile.agency))
    setup = await SendingSetup.prepare(transport, profile, next_index=next_index)
    origin = setup.profile.origin
    watch = ReceiptWatch(setup.transport, origin.agency, setup.directory)
    with setup.spool as spool:
        builder = setup.builder(agreement_id, ce_type, is_officer_asked=officer)
        outgoing, template = builder.build(text, at_ms=clock_ms())
        parts = SenderParts(spool, setup.signers, setup.transport, template, clock_ms, timeout_s)
        try:
            if wait:
                await watch.start()
            index = await send_document(parts, outgoing)
            _print_sent(outgoing.document_id, str(origin), index)
            if not wait:
                return None
            receipt = await watch.receipt(origin, index, timeout_s=timeout_s)
        finally:
            await watch.stop()
    _print_receipt(receipt)
    return receipt


def read_document(document: Path) -> tuple[dict[str, Any], str]:
    """Return the JSON value of a document's file, or of standard input for ``-``, and the name of its source.

    Raises:
        ConfigError: if it cannot be read, or is no JSON object.
    """
    import json
    import sys

    from govbus.errors import ConfigError

    source = "standard input" if str(document) == "-" else str(document)
    try:
        octets = sys.stdin.buffer.read() if str(document) == "-" else document.read_bytes()
        value = json.loads(octets)
    except OSError as err:
        raise ConfigError(f"{source} cannot be read: {err.strerror}") from err
    except ValueError as err:
        raise ConfigError(f"{source} is not JSON: {err}") from err
    if not isinstance(value, dict):
        raise ConfigError(f"{source}: expected a JSON object with record and body")
    return value, source


def _set(value: dict[str, Any], text: str) -> None:
    """Put ``path.to.field=value`` into a document."""
    import json

    path, equals, raw = text.partition("=")
    *parents, last = path.split(".")
    if not equals or not all([*parents, last]):
        raise typer.BadParameter(f"expected field=value, found {text!r}", param_hint="--set")
    node = value
    for parent in parents:
        node = node.setdefault(parent, {})
        if not isinstance(node, dict):
            raise typer.BadParameter(f"{parent} in {path} is a value already", param_hint="--set")
    try:
        node[last] = json.loads(raw)
    except ValueError:
        node[last] = raw


def _print_sent(document_id: str, origin: str, index: int) -> None:
    from rich.console import Console

    Console(soft_wrap=True, highlight=False).print(
        f"document {document_id}\nsent as index {index} of {origin}"
    )


def _print_receipt(receipt: Receipt) -> None:
    from rich.console import Console

    console = Console(soft_wrap=True, highlight=False)
    colour = "green" if receipt.decision.value in {"accepted", "duplicate"} else "red"
    console.print(
        f"receipt: [bold {colour}]{receipt.decision.value}[/] (stands in the outbox at {receipt.source})"
    )
    for finding in receipt.findings:
        console.print(
            f"  {finding.rule} {finding.field}: {finding.detail}\n"
            f"    accepted: {finding.accepted}\n"
            f"    asked by: {finding.citation}",
            markup=False,
        )
