"""From a key reference and a certificate file to a signer: the one way in which govbus opens a private key."""

from __future__ import annotations

from pathlib import Path

from govbus.errors import ConfigError, MissingPartError
from govbus.service.keys.secrets import Secret, no_secret, secret_from_pin_source
from govbus.signing.algorithms import Algorithm, PrivateKey
from govbus.signing.certificates import Certificate
from govbus.signing.key_uri import FileKey, TokenKey, parse_key_reference
from govbus.signing.signer import KeySigner, load_private_key

KEY_BYTES_MAX = 65_536


def open_private_key(reference: str, *, folder: Path = Path(), secret: Secret = no_secret) -> PrivateKey:
    """Return the private key that a reference names.

    Args:
        reference: ``file:`` or bare path, or ``pkcs11:`` URI.
        folder: that a relative path is taken from.
        secret: password of the file, or PIN where the URI has no ``pin-source``.

    Raises:
        ConfigError: if it cannot be read or opened.
        MissingPartError: if it is on a token and the extra for tokens is not installed.
        SignerUnavailableError: if the token is away.
        AlgorithmError: if the key is outside the pinned list (rule SEC-4).
    """
    parsed = parse_key_reference(reference)
    if isinstance(parsed, FileKey):
        path = folder / parsed.path
        return load_private_key(read_octets(path), name=str(path), password=secret())
    return _token_key(parsed, secret)


def open_signer(
    reference: str,
    certificate: Path,
    *,
    kid: str,
    folder: Path = Path(),
    secret: Secret = no_secret,
) -> KeySigner:
    """Return the signer with a private key and its certificate.

    Args:
        reference: of the key, as for `open_private_key`.
        certificate: PEM file.
        kid: name for people.
        folder: that relative paths are taken from.
        secret: password or PIN.

    Raises:
        ConfigError: if one cannot be read, or the key is not the certificate's.
        UntrustedKeyError: if the certificate cannot be read.
        AlgorithmError: if the key is outside the pinned list (rule SEC-4).
        MissingPartError: as for `open_private_key`.
        SignerUnavailableError: as for `open_private_key`.
    """
    parsed = Certificate.from_pem(read_octets(folder / certificate))
    key = open_private_key(reference, folder=folder, secret=secret)
    return KeySigner.of_pair(key, parsed, kid=kid)


def read_octets(path: Path) -> bytes:
    """Read a small file.

    Raises:
        ConfigError: if it cannot be read or is too long to be a key or certificate.
    """
    try:
        with path.open("rb") as file:
            octets = file.read(KEY_BYTES_MAX + 1)
    except OSError as err:
        raise ConfigError(
            f"{path} cannot be read: {err.strerror}",
            remedy="check the paths in the agency profile or on the command line",
        ) from err
    if len(octets) > KEY_BYTES_MAX:
        raise ConfigError(f"{path} is over {KEY_BYTES_MAX} bytes, so it is no key and no certificate")
    return octets


def _token_key(reference: TokenKey, secret: Secret) -> PrivateKey:
    try:
        from govbus.service.keys.token_keys import open_token_key  # noqa: PLC0415  # an optional extra
    except ImportError as err:
        raise missing_token_support() from err
    return open_token_key(reference, token_secret(reference, secret))


def generate_on_token(reference: TokenKey, algorithm: Algorithm, secret: Secret = no_secret) -> None:
    """Make a key pair on a token.

    Raises:
        ConfigError: if one of this name is there, or the token refuses.
        MissingPartError: if the extra for tokens is not installed.
        SignerUnavailableError: if the token is away.
    """
    try:
        from govbus.service.keys.token import generate_token_key  # noqa: PLC0415  # an optional extra
    except ImportError as err:
        raise missing_token_support() from err
    generate_token_key(reference, algorithm, token_secret(reference, secret))


def token_secret(reference: TokenKey, secret: Secret = no_secret) -> Secret:
    """Return where the PIN of a token comes from: what its reference says, else what was given."""
    return secret_from_pin_source(reference.pin_source) if reference.pin_source else secret


def missing_token_support() -> MissingPartError:
    """Return the error that says how to get token support."""
    return MissingPartError(
        "keys on tokens need python-pkcs11, which is not installed", remedy="pip install 'govbus[hsm]'"
    )
