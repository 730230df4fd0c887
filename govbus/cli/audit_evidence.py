"""``govbus audit prove|export|verify-bundle``: evidence about one document, to be given away."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

import typer

if TYPE_CHECKING:
    from govbus.audit.bundle.assemble import LoggedEntry
    from govbus.audit.bundle.contents import TrustPart
    from govbus.document.ids import AgencyId
    from govbus.message_log.policy import Policy
    from govbus.service.evidence.bus import Evidences, Progress
    from govbus.transport.base import Transport

Found = TypeVar("Found")

DocumentArgument = Annotated[str, typer.Argument(help="The document's id (ce_id).")]
AuthorityOption = Annotated[
    Path, typer.Option(help="Certificate of the governing authority (PEM).", dir_okay=False)
]
LogKeysOption = Annotated[
    Path, typer.Option(help="Folder with the log's public keys (log-*.pub.pem).", file_okay=False)
]
ArchiveOption = Annotated[
    Path | None, typer.Option(help="Search this archive instead of the bus.", file_okay=False)
]
AgencyOption = Annotated[
    str | None, typer.Option(help="Whose document, where several agencies have one of this id.")
]
PolicyOption = Annotated[
    Path | None, typer.Option(help="Witnesses and their quorum (C2SP tlog-policy).", dir_okay=False)
]
TsaOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--tsa-ca", help="Certificate of a time-stamping authority or its issuer (PEM).", dir_okay=False
    ),
]


def prove(
    document_id: DocumentArgument,
    authority: AuthorityOption,
    log_keys: LogKeysOption,
    archive: ArchiveOption = None,
    policy: PolicyOption = None,
    agency: AgencyOption = None,
    output: Annotated[Path, typer.Option(help="Folder to write into.", file_okay=False)] = Path(),
) -> None:
    """Write the proofs that a document's decision stands in the log.

    Three files: ID.entry (the log entry), ID.tlog-proof (its place under a checkpoint of its log partition) and
    ID.heads.tlog-proof (that checkpoint's place under a head that witnesses cosigned), C2SP tlog-proof both.
    """
    logged = _run(_Search(document_id, agency, authority, log_keys, archive, policy), _logged)
    output.mkdir(parents=True, exist_ok=True)
    files = {f"{document_id}.entry": logged.value, f"{document_id}.tlog-proof": logged.proof.encode("utf-8")}
    if logged.head_proof is not None:
        files[f"{document_id}.heads.tlog-proof"] = logged.head_proof.encode("utf-8")
    for name, octets in files.items():
        (output / name).write_bytes(octets)
        typer.echo(f"wrote {output / name}")
    if logged.head_proof is None:
        typer.echo("no head checkpoint covers it yet: only the operator has signed the log", err=True)


def export(
    document_id: DocumentArgument,
    authority: AuthorityOption,
    log_keys: LogKeysOption,
    archive: ArchiveOption = None,
    policy: PolicyOption = None,
    agency: AgencyOption = None,
    tsa_ca: TsaOption = None,
    output: Annotated[
        Path | None, typer.Option(help="File to write. Default: ID.evidence.zip here.", dir_okay=False)
    ] = None,
) -> None:
    """Write an evidence bundle: everything about one document in one ZIP file.

    It has a page for people and verify.sh, which needs only openssl, sha256sum and a POSIX shell.
    """
    from govbus.audit.bundle.assemble import assemble
    from govbus.audit.bundle.zip_file import bundle_files, pack

    found, bus = _run(_Search(document_id, agency, authority, log_keys, archive, policy), _everything)
    trust = _trust(authority, log_keys, policy, tsa_ca or [])
    evidence = assemble(
        found.logged, found.parts, found.directory, bus=bus, trust=trust, revocations=found.revocations
    )
    path = output if output is not None else Path(f"{document_id}.evidence.zip")
    path.write_bytes(pack(bundle_files(evidence)))
    typer.echo(f"wrote {path}: check it with `govbus verify {path}`, or unpack it and run `sh verify.sh`")


class _Search(NamedTuple):
    """What is searched, and where."""

    document_id: str
    agency: str | None
    authority: Path
    log_keys: Path
    archive: Path | None
    policy: Path | None


def _run(search: _Search, find: Callable[[_Search, Progress], Coroutine[Any, Any, Found]]) -> Found:
    """Return what a search finds, and show how far it is."""
    import asyncio

    from rich.console import Console

    with Console(stderr=True).status("searching") as status:

        def progress(what: str, done: int) -> None:
            status.update(f"searching the {what}: {done:,}")

        return asyncio.run(find(search, progress))


async def _everything(search: _Search, progress: Progress) -> tuple[Evidences, str]:
    """Return what there is about a document, and the id of the bus."""
    from govbus.audit.archive.reader import Archive
    from govbus.cli.public_keys import read_public_keys
    from govbus.service.evidence.archive import search_archive
    from govbus.service.evidence.bus import search_bus

    keys, policy = read_public_keys(search.log_keys), _policy(search.policy)
    if search.archive is not None:
        folder = Archive(search.archive)
        found = search_archive(
            folder, search.document_id, keys=keys, policy=policy, agency=search.agency, progress=progress
        )
        return found, folder.segment(folder.numbers[-1]).manifest.bus.text
    transport, bus = await _bus(search.authority)
    found = await search_bus(
        transport,
        search.document_id,
        bus=bus,
        keys=keys,
        policy=policy,
        agency=search.agency,
        progress=progress,
    )
    return found, bus.text


async def _logged(search: _Search, progress: Progress) -> LoggedEntry:
    """Return the log entry about a document with its proofs; the document itself may be gone."""
    from govbus.audit.archive.reader import Archive
    from govbus.cli.public_keys import read_public_keys
    from govbus.errors import MissingPartError
    from govbus.service.evidence.archive import search_archived_log
    from govbus.service.evidence.bus import search_log

    keys, policy = read_public_keys(search.log_keys), _policy(search.policy)
    if search.archive is None:
        transport, bus = await _bus(search.authority)
        return await search_log(
            transport,
            search.document_id,
            bus=bus,
            keys=keys,
            policy=policy,
            agency=search.agency,
            progress=progress,
        )
    folder = Archive(search.archive)
    last = folder.last()
    if last is None:
        raise MissingPartError(f"{folder.folder} holds no segment of an archive")
    return search_archived_log(
        folder,
        search.document_id,
        bus=last.manifest.bus,
        keys=keys,
        policy=policy,
        agency=search.agency,
        progress=progress,
    )[0]


async def _bus(authority: Path) -> tuple[Transport, AgencyId]:
    """Return the broker, and whose bus it is by the directory that the authority signed."""
    from govbus.errors import MissingPartError
    from govbus.service.directory.publishing import read_certificates, read_directory
    from govbus.service.wiring import transport_of
    from govbus.settings import Settings

    transport = transport_of(Settings.from_environment(), client_id="govbus-audit")
    reader = await read_directory(transport, read_certificates(authority))
    if reader.current is None:
        raise MissingPartError("no directory has been published under this authority")
    return transport, reader.current.bus


def _policy(path: Path | None) -> Policy | None:
    from govbus.message_log.policy import Policy

    return Policy.from_bytes(path.read_bytes()) if path is not None else None


def _trust(authority: Path, log_keys: Path, policy: Path | None, tsa_ca: list[Path]) -> TrustPart:
    from govbus.audit.bundle.contents import TrustPart, certificates_in
    from govbus.cli.public_keys import read_public_keys

    keys = read_public_keys(log_keys)
    ed25519, ml_dsa_44 = keys.to_pem()
    return TrustPart(
        authority=certificates_in(authority.name, authority.read_bytes()),
        log_ed25519_pem=ed25519,
        log_ml_dsa_44_pem=ml_dsa_44,
        handovers=keys.handover_notes,
        policy=policy.read_text(encoding="utf-8") if policy is not None else None,
        tsa=tuple(der for path in tsa_ca for der in certificates_in(path.name, path.read_bytes())),
    )


def verify_bundle(
    bundle: Annotated[
        Path, typer.Argument(help="An evidence bundle: .zip, or the folder it was unpacked into.")
    ],
    trust: Annotated[
        Path | None,
        typer.Option(help="Folder with keys of your own, laid out like trust/ in a bundle.", file_okay=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Check an evidence bundle; the same as `govbus verify BUNDLE`."""
    from govbus.cli.verify import verify

    verify(bundle, trust=trust, as_json=as_json)
