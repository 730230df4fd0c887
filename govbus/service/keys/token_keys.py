"""Keys on tokens as private keys of ``cryptography``: whatever signs with a key from a file signs with one of these."""

from __future__ import annotations

import hashlib
from typing import Any, Final, NoReturn, Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

from govbus.errors import ConfigError
from govbus.service.keys.secrets import Secret
from govbus.service.keys.token import TokenHandle
from govbus.signing.algorithms import Algorithm, PrivateKey
from govbus.signing.key_uri import TokenKey

_P256_OCTETS: Final = 32


def open_token_key(reference: TokenKey, secret: Secret) -> PrivateKey:
    """Return the private key that a reference names.

    Raises:
        ConfigError: if library, PIN or key do not fit.
        SignerUnavailableError: if the token is away.
    """
    handle = TokenHandle(reference, secret)
    match handle.algorithm:
        case Algorithm.ED25519:
            return TokenEd25519Key(handle)
        case Algorithm.ES256:
            return TokenP256Key(handle)
        case _:
            return TokenRsaKey(handle)


class _OnToken:
    """What a key on a token has in common with the others, and what it cannot do."""

    def __init__(self, handle: TokenHandle) -> None:
        self._handle = handle

    def public_key(self) -> Any:
        """Return the public half; errors as for `TokenHandle.public_key`."""
        return self._handle.public_key()

    def private_bytes(self, *_: object) -> NoReturn:
        """Refuse."""
        raise _refused()

    def private_bytes_raw(self) -> NoReturn:
        """Refuse."""
        raise _refused()

    def private_numbers(self) -> NoReturn:
        """Refuse."""
        raise _refused()

    def exchange(self, *_: object) -> NoReturn:
        """Refuse."""
        raise _refused()

    def decrypt(self, *_: object) -> NoReturn:
        """Refuse."""
        raise _refused()

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._handle.reference})"


class TokenEd25519Key(_OnToken, ed25519.Ed25519PrivateKey):
    """An Ed25519 key on a token."""

    def sign(self, data: Any) -> bytes:
        """Return the signature (RFC 8032)."""
        return self._handle.sign_ed25519(bytes(data))


class TokenP256Key(_OnToken, ec.EllipticCurvePrivateKey):
    """A P-256 key on a token."""

    @property
    def curve(self) -> ec.EllipticCurve:
        """P-256."""
        return ec.SECP256R1()

    @property
    def key_size(self) -> int:
        """Bits of the curve."""
        return self.curve.key_size

    def sign(self, data: Any, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """Return the DER signature over the SHA-256 of the data."""
        if not isinstance(signature_algorithm.algorithm, hashes.SHA256):
            raise _refused()
        octets = self._handle.sign_p256(hashlib.sha256(data).digest())
        return utils.encode_dss_signature(
            int.from_bytes(octets[:_P256_OCTETS], "big"), int.from_bytes(octets[_P256_OCTETS:], "big")
        )


class TokenRsaKey(_OnToken, rsa.RSAPrivateKey):
    """An RSA key on a token."""

    @property
    def key_size(self) -> int:
        """Bits of the modulus."""
        return int(self.public_key().key_size)

    def sign(self, data: Any, padding: Any, algorithm: Any) -> bytes:
        """Return the signature with SHA-256, PSS or PKCS#1 v1.5 as asked."""
        if not isinstance(algorithm, hashes.SHA256):
            raise _refused()
        if isinstance(padding, _PKCS1):
            return self._handle.sign_pkcs1(bytes(data))
        return self._handle.sign_pss(bytes(data))


_PKCS1: Final = padding.PKCS1v15


def _refused() -> ConfigError:
    return ConfigError("a key on a token signs with SHA-256 and does nothing else; it never leaves the token")
