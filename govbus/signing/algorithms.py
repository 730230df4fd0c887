"""The pinned signature algorithms (rule SEC-4) and their JOSE octets.

RFC 7518 (ES256, PS256), RFC 8037 and RFC 9864 (Ed25519), RFC 9964 (ML-DSA). There is no negotiation: the algorithm
is the one that fits the certificate's key. Ed25519 acceptance is pinned to the strict rules of
``docs/specs/signatures.md``, so that two honest verifiers never disagree about one signature.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa, utils

from govbus.errors import AlgorithmError, SignatureError

RSA_BITS_MIN = 3072

PublicKey = (
    ed25519.Ed25519PublicKey
    | ec.EllipticCurvePublicKey
    | rsa.RSAPublicKey
    | mldsa.MLDSA44PublicKey
    | mldsa.MLDSA65PublicKey
    | mldsa.MLDSA87PublicKey
)
PrivateKey = (
    ed25519.Ed25519PrivateKey
    | ec.EllipticCurvePrivateKey
    | rsa.RSAPrivateKey
    | mldsa.MLDSA44PrivateKey
    | mldsa.MLDSA65PrivateKey
    | mldsa.MLDSA87PrivateKey
)


class Algorithm(enum.StrEnum):
    """A pinned algorithm, by its fully specified JOSE name."""

    ED25519 = "Ed25519"
    ES256 = "ES256"
    PS256 = "PS256"
    ML_DSA_44 = "ML-DSA-44"
    ML_DSA_65 = "ML-DSA-65"
    ML_DSA_87 = "ML-DSA-87"


_PSS: Final = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
_P256_OCTETS: Final = 32
_ED25519_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
_ED25519_SMALL_ORDER: Final = frozenset(
    bytes.fromhex(low[:62]) + bytes([int(low[62:], 16) | sign])
    for low in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    )
    for sign in (0x00, 0x80)
)
"""The 14 encodings of points of small order on edwards25519, non-canonical ones included."""


def algorithm_of(key: Any) -> Algorithm:
    """Return the algorithm that fits a public or private key.

    Raises:
        AlgorithmError: if the key is of a kind or strength outside the pinned list (rule SEC-4).
    """
    match key:
        case ed25519.Ed25519PublicKey() | ed25519.Ed25519PrivateKey():
            return Algorithm.ED25519
        case ec.EllipticCurvePublicKey() | ec.EllipticCurvePrivateKey() if isinstance(
            key.curve, ec.SECP256R1
        ):
            return Algorithm.ES256
        case rsa.RSAPublicKey() | rsa.RSAPrivateKey() if key.key_size >= RSA_BITS_MIN:
            return Algorithm.PS256
        case mldsa.MLDSA44PublicKey() | mldsa.MLDSA44PrivateKey():
            return Algorithm.ML_DSA_44
        case mldsa.MLDSA65PublicKey() | mldsa.MLDSA65PrivateKey():
            return Algorithm.ML_DSA_65
        case mldsa.MLDSA87PublicKey() | mldsa.MLDSA87PrivateKey():
            return Algorithm.ML_DSA_87
        case _:
            raise AlgorithmError(
                f"expected a key for one of {', '.join(Algorithm)} (RSA of {RSA_BITS_MIN} bits or more), "
                f"found {type(key).__name__}",
                rule="SEC-4",
            )


def sign(key: PrivateKey, message: bytes) -> bytes:
    """Return the JOSE octets of the signature over the message.

    Raises:
        AlgorithmError: if the key is outside the pinned list.
    """
    algorithm_of(key)
    match key:
        case ec.EllipticCurvePrivateKey():
            r, s = utils.decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(_P256_OCTETS, "big") + s.to_bytes(_P256_OCTETS, "big")
        case rsa.RSAPrivateKey():
            return key.sign(message, _PSS, hashes.SHA256())
        case _:
            return key.sign(message)


def verify(key: PublicKey, signature: bytes, message: bytes) -> None:
    """Check a signature given as JOSE octets.

    Raises:
        AlgorithmError: if the key is outside the pinned list (rule SEC-4).
        SignatureError: if the signature does not hold (rule SEC-3).
    """
    algorithm = algorithm_of(key)
    try:
        match key:
            case ed25519.Ed25519PublicKey():
                _require_strict_ed25519(key.public_bytes_raw(), signature)
                key.verify(signature, message)
            case ec.EllipticCurvePublicKey():
                key.verify(_der_of_p256(signature), message, ec.ECDSA(hashes.SHA256()))
            case rsa.RSAPublicKey():
                key.verify(signature, message, _PSS, hashes.SHA256())
            case _:
                key.verify(signature, message)
    except (InvalidSignature, ValueError) as err:
        raise _wrong(algorithm) from err


def verifier_of(key: PublicKey) -> Callable[[bytes, bytes], None]:
    """Return `verify` for one key: takes signature and message, and does once what is the same for all of them.

    Raises:
        AlgorithmError: if the key is outside the pinned list (rule SEC-4).
    """
    algorithm = algorithm_of(key)
    if not isinstance(key, ed25519.Ed25519PublicKey) or key.public_bytes_raw() in _ED25519_SMALL_ORDER:
        return functools.partial(verify, key)
    holds = key.verify

    def verify_strictly(signature: bytes, message: bytes) -> None:
        if (
            signature[:32] in _ED25519_SMALL_ORDER
            or int.from_bytes(signature[32:], "little") >= _ED25519_ORDER
        ):
            raise _wrong(algorithm)
        try:
            holds(signature, message)
        except (InvalidSignature, ValueError) as err:
            raise _wrong(algorithm) from err

    return verify_strictly


def _wrong(algorithm: Algorithm) -> SignatureError:
    return SignatureError(
        f"the {algorithm} signature does not hold over these bytes", rule="SEC-3", field="gb-sig"
    )


def _require_strict_ed25519(public: bytes, signature: bytes) -> None:
    """Refuse what some verifiers accept: small-order A or R, and S not below the group order."""
    if (
        len(signature) != 64  # noqa: PLR2004  # RFC 8032 section 5.1.6: R and S of 32 octets
        or public in _ED25519_SMALL_ORDER
        or signature[:32] in _ED25519_SMALL_ORDER
        or int.from_bytes(signature[32:], "little") >= _ED25519_ORDER
    ):
        raise _wrong(Algorithm.ED25519)


def _der_of_p256(signature: bytes) -> bytes:
    if len(signature) != 2 * _P256_OCTETS:
        raise _wrong(Algorithm.ES256)
    return utils.encode_dss_signature(
        int.from_bytes(signature[:_P256_OCTETS], "big"),
        int.from_bytes(signature[_P256_OCTETS:], "big"),
    )
