"""New keys: in an encrypted file or on a token, with the request that a certificate authority answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from govbus.errors import ConfigError
from govbus.service.keys.files import require_absent, write_new
from govbus.service.keys.opening import generate_on_token, open_private_key
from govbus.service.keys.secrets import Secret, no_secret
from govbus.signing.algorithms import Algorithm
from govbus.signing.certificates import Certificate
from govbus.signing.issuing import private_key_new, private_key_pem, request_pem
from govbus.signing.key_uri import FileKey, TokenKey, parse_key_reference


@dataclass(frozen=True, slots=True)
class KeyPlan:
    """A key that is to be made."""

    reference: str
    """Where: ``file:`` or ``pkcs11:``."""
    algorithm: Algorithm
    subject: str
    """Common name for the certificate."""
    organisation: str
    request: Path
    """Where the signing request goes."""
    secret: Secret = no_secret
    """Password of the file; None leaves it unencrypted. For a token its PIN."""


def make_key(plan: KeyPlan) -> None:
    """Make a private key and the signing request for its certificate.

    Raises:
        ConfigError: if a file exists or cannot be written, or the token refuses.
        MissingPartError: if the key is for a token and the extra for tokens is not installed.
        SignerUnavailableError: if the token is away.
    """
    reference = parse_key_reference(plan.reference)
    require_absent({"signing request": plan.request})
    if isinstance(reference, FileKey):
        path = Path(reference.path)
        require_absent({"key": path})
        key = private_key_new(plan.algorithm)
        write_new(path, private_key_pem(key, plan.secret()), is_private=True)
    else:
        generate_on_token(reference, plan.algorithm, plan.secret)
        key = open_private_key(plan.reference, secret=plan.secret)
    write_new(plan.request, request_pem(key, plan.subject, plan.organisation), is_private=False)


@dataclass(frozen=True, slots=True)
class NextKey:
    """The key after an old one, and the files that belong to it."""

    reference: str
    certificate: Path
    request: Path


def next_key(old_reference: str, old_certificate: Path, at_ms: int, *, wanted: str = "") -> NextKey:
    """Name the key that follows an old one: the same name with the date, in the same folder.

    Args:
        old_reference: of the old key.
        old_certificate: its certificate's file.
        at_ms: now, milliseconds since 1970.
        wanted: reference to use instead.
    """
    date = datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d")
    stem = f"{old_certificate.name.split('.')[0].split('-20')[0]}-{date}"
    folder = old_certificate.parent
    certificate, request = folder / f"{stem}.cert.pem", folder / f"{stem}.csr.pem"
    if wanted:
        return NextKey(wanted, certificate, request)
    old = parse_key_reference(old_reference)
    if isinstance(old, TokenKey):
        label = f"{(old.label or 'key').split('-20')[0]}-{date}"
        new = replace(old, label=label, id=f"{label}".encode())
        return NextKey(str(new), certificate, request)
    return NextKey(str(Path(old.path).parent / f"{stem}.key.pem"), certificate, request)


def names_of(certificate: Certificate) -> tuple[str, str]:
    """Return common name and organisation of a certificate's subject; the second may be empty.

    Raises:
        ConfigError: if it has no common name.
    """
    name = x509.load_der_x509_certificate(certificate.der).subject
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    organisation = name.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    if not common:
        raise ConfigError(f"certificate {certificate.subject} has no common name", remedy="give --subject")
    return str(common[0].value), str(organisation[0].value) if organisation else ""
