"""``govbus pki``: a certificate authority for tests and small deployments."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from govbus.cli.key_options import PasswordFileOption

if TYPE_CHECKING:
    import asyncio

app = typer.Typer(
    help="A certificate authority in a folder, for tests and small deployments. Any other CA's certificates serve "
    "as well.",
    no_args_is_help=True,
)

FolderArgument = Annotated[Path, typer.Argument(help="Folder of the authority.", file_okay=False)]


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="New folder.", file_okay=False)],
    name: Annotated[str, typer.Option(help="Name of the authority.")],
    under: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the authority that issues it. Default: none, it is a root.", file_okay=False
        ),
    ] = None,
    algorithm: Annotated[str, typer.Option(help="Of its key.")] = "ES256",
    days: Annotated[int, typer.Option(min=1, help="How long its certificate is valid.")] = 3650,
    path_length: Annotated[
        int | None,
        typer.Option(
            min=0, max=3, help="Authorities below it, one under the other. Default: 1 for a root, else 0."
        ),
    ] = None,
    url: Annotated[
        str, typer.Option(help="Where `govbus pki serve` will be reached; goes into its certificates.")
    ] = "",
    password_file: PasswordFileOption = None,
    under_password_file: Annotated[
        Path | None, typer.Option(help="File with the password of the issuing authority's key.")
    ] = None,
    unencrypted: Annotated[
        bool, typer.Option("--unencrypted", help="Write its key without a password, for tests.")
    ] = False,
) -> None:
    """Make an authority: a root, or one under another."""
    from govbus.cli.keys import algorithm_of_name, new_secret
    from govbus.service.keys.secrets import secret_from_file
    from govbus.service.pki.folder import CERTIFICATE, AuthorityFolder, AuthorityPlan
    from govbus.service.processes import clock_ms

    plan = AuthorityPlan(
        name=name,
        algorithm=algorithm_of_name(algorithm),
        days=days,
        at_ms=clock_ms(),
        url=url,
        path_length=path_length if path_length is not None else int(under is None),
    )
    AuthorityFolder.create(
        folder,
        plan,
        secret=new_secret(str(folder), "", password_file, unencrypted=unencrypted),
        above=AuthorityFolder(under) if under is not None else None,
        above_secret=secret_from_file(under_password_file),
    )
    typer.echo(
        f"made {folder}: give {folder / CERTIFICATE} to whoever is to trust it, and keep its key off line"
    )


@app.command()
def issue(
    folder: FolderArgument,
    csr: Annotated[
        Path | None,
        typer.Option(help="Signing request, as `govbus keys generate` writes it.", dir_okay=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Where the certificate goes. Default: beside the request, or NAME.cert.pem."),
    ] = None,
    role: Annotated[str, typer.Option(help="seal: an agency's, by machine; officer: a person's.")] = "seal",
    subject: Annotated[str, typer.Option(help="Common name. Default: what the request says.")] = "",
    organisation: Annotated[str, typer.Option(help="Organisation that goes with --subject.")] = "",
    days: Annotated[int, typer.Option(min=1, help="How long it is valid from now on.")] = 730,
    valid_from: Annotated[
        str,
        typer.Option(
            help="First valid moment, such as 2027-03-01T12:00:00.000Z, for documents that wait. Default: now."
        ),
    ] = "",
    algorithm: Annotated[str, typer.Option(help="Of the fresh key, where there is no request.")] = "Ed25519",
    key: Annotated[
        Path | None, typer.Option(help="Where the fresh key goes, where there is no request.", dir_okay=False)
    ] = None,
    key_password_file: Annotated[
        Path | None, typer.Option(help="File with the password for the fresh key.", dir_okay=False)
    ] = None,
    unencrypted: Annotated[
        bool, typer.Option("--unencrypted", help="Write the fresh key without a password, for tests.")
    ] = False,
    password_file: PasswordFileOption = None,
) -> None:
    """Issue a certificate for a signing request, or with a fresh key (for tests: a key is best made by its owner)."""
    from govbus.cli.keys import algorithm_of_name, new_secret
    from govbus.document.encoding import time_ms_from_text
    from govbus.errors import ConfigError
    from govbus.service.keys.files import require_absent, write_new
    from govbus.service.keys.making import KeyPlan, make_key
    from govbus.service.keys.opening import read_octets
    from govbus.service.keys.secrets import secret_from_file
    from govbus.service.pki.folder import AuthorityFolder
    from govbus.service.processes import clock_ms
    from govbus.signing.certificates import CertificateRole

    if role not in set(CertificateRole):
        raise ConfigError(f"expected --role seal or officer, found {role!r}")
    if csr is None:
        if key is None or not subject:
            raise ConfigError("expected --csr, or --subject and --key for a fresh key")
        csr = key.with_name(f"{key.name.split('.')[0]}.csr.pem")
        secret = new_secret(str(key), "", key_password_file, unencrypted=unencrypted)
        make_key(KeyPlan(str(key), algorithm_of_name(algorithm), subject, organisation, csr, secret))
    certificate = out if out is not None else csr.with_name(f"{csr.name.split('.')[0]}.cert.pem")
    require_absent({"certificate": certificate})
    pem = AuthorityFolder(folder).issue_for_request(
        read_octets(csr),
        role=CertificateRole(role),
        days=days,
        at_ms=clock_ms(),
        secret=secret_from_file(password_file),
        subject=subject,
        organisation=organisation,
        from_ms=time_ms_from_text(valid_from) if valid_from else None,
    )
    write_new(certificate, pem, is_private=False)
    typer.echo(f"issued {certificate}: give it to the governing authority, for the directory")


@app.command()
def revoke(
    folder: FolderArgument,
    certificate: Annotated[str, typer.Argument(help="Certificate file, or serial number in hexadecimal.")],
    reason: Annotated[
        str,
        typer.Option(
            help="unspecified, keyCompromise, cACompromise, affiliationChanged, superseded, "
            "cessationOfOperation, privilegeWithdrawn or aACompromise."
        ),
    ] = "unspecified",
    since: Annotated[
        str,
        typer.Option(
            help="Signatures from then on are not to be trusted, such as 2027-03-01T12:00:00.000Z. "
            "Default: now."
        ),
    ] = "",
    password_file: PasswordFileOption = None,
) -> None:
    """Revoke a certificate from a date on, and sign a new revocation list."""
    from govbus.document.encoding import time_ms_from_text
    from govbus.errors import ConfigError
    from govbus.service.keys.secrets import secret_from_file
    from govbus.service.pki.folder import CRL, AuthorityFolder, serial_of
    from govbus.service.pki.register import REASONS, reason_of
    from govbus.service.processes import clock_ms

    if reason not in REASONS:
        raise ConfigError(f"expected a reason of {', '.join(REASONS)}, found {reason!r}")
    at_ms = clock_ms()
    AuthorityFolder(folder).revoke(
        serial_of(certificate),
        revoked_ms=time_ms_from_text(since) if since else at_ms,
        reason=reason_of(reason),
        at_ms=at_ms,
        secret=secret_from_file(password_file),
    )
    typer.echo(
        f"revoked, and signed {folder / CRL}: tell the governing authority, so that the directory says it as well"
    )


@app.command()
def crl(
    folder: FolderArgument,
    days: Annotated[int, typer.Option(min=1, help="Until the next list is there at the latest.")] = 7,
    password_file: PasswordFileOption = None,
) -> None:
    """Sign the next revocation list, as a timer does each day; renews the OCSP responder's key where it is due."""
    from govbus.service.keys.secrets import secret_from_file
    from govbus.service.pki.folder import CRL, AuthorityFolder
    from govbus.service.processes import clock_ms

    AuthorityFolder(folder).sign_crl(at_ms=clock_ms(), secret=secret_from_file(password_file), days=days)
    typer.echo(f"signed {folder / CRL}")


@app.command()
def serve(
    folders: Annotated[list[Path], typer.Argument(help="Folders of authorities.", file_okay=False)],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any.")] = 8089,
) -> None:
    """Answer for certificates until stopped: revocation lists and OCSP, over plain HTTP, because both are signed.

    Needs only the responders' keys; the authorities' own may be elsewhere.
    """
    from govbus import telemetry
    from govbus.service.pki.server import serving
    from govbus.service.processes import clock_ms, run_until_stopped

    telemetry.configure_logging()

    async def run(stopping: asyncio.Event) -> None:
        async with serving(folders, clock_ms, host=host, port=port) as url:
            typer.echo(f"serving {', '.join(folder.resolve().name for folder in folders)} on {url}")
            await stopping.wait()

    run_until_stopped(run, is_retrying=False)
