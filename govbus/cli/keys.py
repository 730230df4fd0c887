"""``govbus keys``: private keys in files and on tokens, and how one takes over from another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from govbus.cli.key_options import PasswordFileOption
from govbus.cli.send import ProfileOption

if TYPE_CHECKING:
    from govbus.service.agency_profile import AgencyProfile, SealKey
    from govbus.service.keys.rotation import KeyDirectory
    from govbus.service.keys.secrets import Secret
    from govbus.service.keys.showing import KeyReport
    from govbus.signing.algorithms import Algorithm

app = typer.Typer(help="Private keys: make them, look at them, change them over.", no_args_is_help=True)

PasswordVariableOption = Annotated[
    str, typer.Option(help="Environment variable with the key's password or the token's PIN.")
]
UnencryptedOption = Annotated[
    bool, typer.Option("--unencrypted", help="Write the file without a password: whoever reads it can sign.")
]


@app.command()
def generate(
    key: Annotated[str, typer.Argument(help="Where: a new PEM file, or a pkcs11: URI with object= and id=.")],
    subject: Annotated[str, typer.Option(help="Name for the certificate, such as 'Tax office seal'.")],
    organisation: Annotated[str, typer.Option(help="Organisation for the certificate.")] = "",
    algorithm: Annotated[
        str, typer.Option(help="Ed25519, ES256, PS256, ML-DSA-44, ML-DSA-65 or ML-DSA-87.")
    ] = "Ed25519",
    csr: Annotated[
        Path | None, typer.Option(help="Where the signing request goes. Default: beside the key.")
    ] = None,
    password_variable: PasswordVariableOption = "",
    password_file: PasswordFileOption = None,
    unencrypted: UnencryptedOption = False,
) -> None:
    """Make a private key and the signing request that a certificate authority answers with a certificate."""
    from govbus.service.keys.making import KeyPlan, make_key
    from govbus.signing.key_uri import FileKey, parse_key_reference

    reference = parse_key_reference(key)
    if csr is None:
        stem = Path(reference.path).name.split(".")[0] if isinstance(reference, FileKey) else reference.label
        folder = Path(reference.path).parent if isinstance(reference, FileKey) else Path()
        csr = folder / f"{stem or 'key'}.csr.pem"
    secret = new_secret(key, password_variable, password_file, unencrypted=unencrypted)
    make_key(KeyPlan(key, algorithm_of_name(algorithm), subject, organisation, csr, secret))
    typer.echo(f"made {reference}\nsend {csr} to your certificate authority, such as: govbus pki issue")


@app.command()
def show(
    certificate: Annotated[
        Path | None, typer.Argument(help="A certificate (PEM). Default: the keys of the profile.")
    ] = None,
    profile: ProfileOption = Path("agency.yaml"),
    directory: Annotated[
        bool, typer.Option("--directory", help="Read the directory, and say to whom it binds each key.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show algorithm, thumbprint, validity and, from the directory, the binding of keys.

    Exits with 1 where a key cannot be used: it does not open, its certificate is not valid, revoked or not bound.
    """
    import json

    from govbus.service.keys.opening import read_octets
    from govbus.service.keys.showing import report
    from govbus.service.processes import clock_ms
    from govbus.signing.certificates import Certificate

    at_ms = clock_ms()
    if certificate is not None:
        parsed = Certificate.from_pem(read_octets(certificate))
        if directory:
            from govbus.service.agency_profile import AgencyProfile

            known = _directory(AgencyProfile.from_file(profile))
            reports = [report(parsed, at_ms=at_ms, directory=known)]
        else:
            reports = [report(parsed, at_ms=at_ms)]
    else:
        reports = _profile_reports(profile, at_ms, is_directory_read=directory)
    if as_json:
        typer.echo(json.dumps([one.to_json(at_ms) for one in reports], indent=2, ensure_ascii=False))
    else:
        _print(reports, at_ms)
    if any(one.problem for one in reports):
        raise typer.Exit(1)


@app.command()
def rotate(
    profile: ProfileOption = Path("agency.yaml"),
    kind: Annotated[str, typer.Option(help="seal, twin or officer.")] = "seal",
    key: Annotated[
        str, typer.Option(help="Where the next key goes. Default: beside the old one, with today's date.")
    ] = "",
    algorithm: Annotated[str, typer.Option(help="Of the next key. Default: that of the old one.")] = "",
    subject: Annotated[str, typer.Option(help="For the certificate. Default: that of the old one.")] = "",
    organisation: Annotated[
        str, typer.Option(help="For the certificate. Default: that of the old one.")
    ] = "",
    password_variable: PasswordVariableOption = "",
    password_file: PasswordFileOption = None,
    unencrypted: UnencryptedOption = False,
) -> None:
    """Make the next key beside the old one, and print the steps in which it takes over.

    Nothing is changed that is in use: the old key signs until the directory binds the next one.
    """
    from govbus.service.agency_profile import AgencyProfile
    from govbus.service.keys.making import KeyPlan, make_key, names_of, next_key
    from govbus.service.keys.opening import read_octets
    from govbus.service.processes import clock_ms
    from govbus.signing.certificates import Certificate

    loaded = AgencyProfile.from_file(profile)
    old = _newest(loaded, kind)
    certificate = Certificate.from_pem(read_octets(old.certificate))
    old_subject, old_organisation = ("", "") if subject else names_of(certificate)
    following = next_key(old.key, old.certificate, clock_ms(), wanted=key)
    variable = password_variable or ("" if password_file else old.password_variable)
    secret = new_secret(
        following.reference, variable, password_file or old.password_file, unencrypted=unencrypted
    )
    make_key(
        KeyPlan(
            following.reference,
            algorithm_of_name(algorithm) if algorithm else certificate.algorithm,
            subject or old_subject,
            organisation or old_organisation,
            following.request,
            secret,
        )
    )
    typer.echo(_steps(profile, kind, loaded, following.reference, following.certificate, following.request))


def _steps(
    profile: Path, kind: str, loaded: AgencyProfile, reference: str, certificate: Path, request: Path
) -> str:
    keys = _kinds(loaded)[kind]
    return f"""made {reference}

1. Have your certificate authority answer {request}; put its certificate at
     {certificate}
2. Add the key in {profile}, beside the old one:
     {kind}:
       - key: {keys[-1].key}
         certificate: {keys[-1].certificate}
       - key: {reference}
         certificate: {certificate}
   and start `govbus adapter publish` anew; documents wait in the spool meanwhile. The old key goes on signing.
3. Give the certificate to the governing authority, which adds it to agencies/{loaded.agency}.yaml and runs
     govbus directory apply
4. The publisher takes the new key by itself, a minute after the directory binds it. See that it does:
     govbus keys show --directory --profile {profile}
5. Once the old certificate has expired, or is revoked, take the old key out of {profile} and destroy it.
   Its certificate stays in the directory: what it signed stays good.
"""


def _kinds(loaded: AgencyProfile) -> dict[str, tuple[SealKey, ...]]:
    return {"seal": loaded.seal, "twin": loaded.twin, "officer": loaded.officer}


def _newest(loaded: AgencyProfile, kind: str) -> SealKey:
    from govbus.errors import ConfigError

    keys = _kinds(loaded).get(kind)
    if not keys:
        raise ConfigError(
            f"expected --kind seal, twin or officer, found {kind!r}"
            if keys is None
            else f"the profile has no {kind} to rotate",
            remedy="make a first one with: govbus keys generate",
        )
    return keys[-1]


def new_secret(reference: str, variable: str, file: Path | None, *, unencrypted: bool) -> Secret:
    """Return where the password of a new key comes from: asked for where nothing says it."""
    from govbus.errors import ConfigError
    from govbus.service.keys.secrets import no_secret, secret_from_file, secret_from_variable
    from govbus.signing.key_uri import TokenKey, parse_key_reference

    if file is not None:
        return secret_from_file(file)
    if variable:
        return secret_from_variable(variable)
    parsed = parse_key_reference(reference)
    if unencrypted or (isinstance(parsed, TokenKey) and parsed.pin_source):
        return no_secret
    what = "PIN of the token" if isinstance(parsed, TokenKey) else "Password for the new key"
    typed: str = typer.prompt(what, hide_input=True, confirmation_prompt=not isinstance(parsed, TokenKey))
    if not typed:
        raise ConfigError("an empty password protects nothing", remedy="say --unencrypted if you mean that")
    octets = typed.encode("utf-8")
    return lambda: octets


def algorithm_of_name(name: str) -> Algorithm:
    """Return the pinned algorithm of this name; ConfigError for any other."""
    from govbus.errors import ConfigError
    from govbus.signing.algorithms import Algorithm

    try:
        return Algorithm(name)
    except ValueError as err:
        raise ConfigError(f"expected an algorithm of {', '.join(Algorithm)}, found {name!r}") from err


def _profile_reports(profile: Path, at_ms: int, *, is_directory_read: bool) -> list[KeyReport]:
    from govbus.errors import GovbusError
    from govbus.service.agency_profile import AgencyProfile
    from govbus.service.keys.opening import read_octets
    from govbus.service.keys.showing import report
    from govbus.signing.certificates import Certificate

    loaded = AgencyProfile.from_file(profile)
    known = _directory(loaded) if is_directory_read else None
    reports = []
    for kind, keys in _kinds(loaded).items():
        for key in keys:
            certificate = Certificate.from_pem(read_octets(key.certificate))
            try:
                kid, error = key.signer(loaded.agency).kid, ""
            except GovbusError as err:
                kid, error = key.kid, err.message
            reports.append(
                report(
                    certificate,
                    at_ms=at_ms,
                    kind=kind,
                    kid=kid,
                    reference=key.key,
                    error=error,
                    directory=known,
                    agency=loaded.agency,
                )
            )
    return reports


def _directory(loaded: AgencyProfile) -> KeyDirectory:
    import asyncio

    from govbus.errors import DirectoryError
    from govbus.service.directory.publishing import read_directory
    from govbus.service.wiring import transport_of
    from govbus.settings import Settings

    transport = transport_of(Settings.from_environment())
    current = asyncio.run(read_directory(transport, loaded.authority_certificates())).current
    if current is None:
        raise DirectoryError("no directory has been published under the profile's authority")
    return current


def _print(reports: list[KeyReport], at_ms: int) -> None:
    from rich.console import Console
    from rich.table import Table

    from govbus.document.encoding import time_text

    console = Console(soft_wrap=True, highlight=False)
    for one in reports:
        certificate, binding = one.certificate, one.binding
        table = Table.grid(padding=(0, 2))
        for name, text in (
            ("kind", one.kind),
            ("kid", one.kid),
            ("key", one.reference),
            ("subject", certificate.subject),
            ("algorithm", str(certificate.algorithm)),
            ("thumbprint", certificate.thumbprint),
            ("valid", f"{time_text(certificate.not_before_ms)} to {time_text(certificate.not_after_ms)}"),
            ("days left", str(one.days_left(at_ms))),
            ("bound to", f"{binding.agency} as {binding.role}" if binding is not None else ""),
            ("problem", one.problem),
        ):
            if text:
                table.add_row(name, text)
        console.print(table)
        console.print()
