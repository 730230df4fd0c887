"""Detached JWS with unencoded payload: the content of a ``gb-sig`` header.

RFC 7515 appendix F and RFC 7797; header fields as in JAdES-B (ETSI TS 119 182-1). By hand, without this code:
``{ printf '%s.' "$PROTECTED"; cat statement; } | openssl pkeyutl -verify ...`` (``docs/specs/signatures.md``).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from govbus.document.encoding import base64url, from_base64url
from govbus.errors import AlgorithmError, MetadataError, SignatureError
from govbus.signing.algorithms import Algorithm, verify
from govbus.signing.certificates import Certificate
from govbus.signing.signer import Signer

STATEMENT_TYP = "govbus-statement"
BATCH_TYP = "govbus-batch"
RECEIPT_TYP = "govbus-receipt"
DIRECTORY_TYP = "govbus-directory"

SIGNATURE_BYTES_MAX = 8192
PROTECTED_BYTES_MAX = 1024
_SHAPE = re.compile(rb"([A-Za-z0-9_-]+)\.\.([A-Za-z0-9_-]+)")
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")


def sign_detached(signer: Signer, payload: bytes, *, typ: str, at_ms: int) -> bytes:
    """Return the ``gb-sig`` value of a signature over the payload.

    Args:
        signer: whose key signs.
        payload: the statement, batch text or other bytes, as they are sent.
        typ: what kind of payload it is, one of the ``*_TYP`` constants.
        at_ms: when it is signed, milliseconds since 1970.
    """
    protected = protected_header(signer, typ=typ, at_ms=at_ms)
    return join_detached(protected, signer.sign(signing_input(protected, payload)))


def protected_header(signer: Signer, *, typ: str, at_ms: int) -> bytes:
    """Return the base64url header of a signature; arguments as for `sign_detached`."""
    header = {
        "alg": str(signer.certificate.algorithm),
        "b64": False,
        "crit": ["b64"],
        "iat": at_ms // 1000,
        "kid": signer.kid,
        "typ": typ,
        "x5t#S256": signer.certificate.thumbprint,
    }
    return base64url(json.dumps(header, separators=(",", ":")).encode("utf-8")).encode("ascii")


def join_detached(protected: bytes, signature: bytes) -> bytes:
    """Return the ``gb-sig`` value of a base64url header and the octets of a signature."""
    return protected + b".." + base64url(signature).encode("ascii")


def signing_input(protected: bytes, payload: bytes) -> bytes:
    """Return what is signed (RFC 7797 section 3): base64url header, a dot, the payload as it is."""
    return protected + b"." + payload


@dataclass(frozen=True, slots=True)
class DetachedSignature:
    """A parsed ``gb-sig``: well formed, not yet verified."""

    algorithm: Algorithm
    typ: str
    thumbprint: str
    kid: str
    issued_at_s: int
    _protected: bytes
    _signature: bytes

    @classmethod
    def from_bytes(cls, octets: bytes) -> DetachedSignature:
        """Parse ``base64url(header)..base64url(signature)``.

        Raises:
            SignatureError: if the form or a header field is not as pinned (rule SEC-3).
            AlgorithmError: if ``alg`` is outside the pinned list (rule SEC-4).
        """
        match = _SHAPE.fullmatch(octets) if len(octets) <= SIGNATURE_BYTES_MAX else None
        if match is None:
            raise _malformed("expected base64url(header)..base64url(signature)")
        protected, signature_text = match.groups()
        try:
            signature = from_base64url(signature_text.decode("ascii"))
        except MetadataError as err:
            raise _malformed(err.message) from err
        header = _protected_header(protected)
        return cls(
            algorithm=_algorithm(header.get("alg")),
            typ=header["typ"],
            thumbprint=header["x5t#S256"],
            kid=header["kid"],
            issued_at_s=header["iat"],
            _protected=protected,
            _signature=signature,
        )

    def verify(self, certificate: Certificate, payload: bytes) -> None:
        """Check the signature over the payload under a certificate.

        Raises:
            AlgorithmError: if ``alg`` does not fit the certificate's key (rule SEC-4).
            SignatureError: if the signature does not hold (rule SEC-3).
        """
        if self.algorithm is not certificate.algorithm:
            raise AlgorithmError(
                f"alg is {self.algorithm}, but the certificate's key is for {certificate.algorithm}",
                rule="SEC-4",
                field="gb-sig",
            )
        verify(certificate.public_key, self._signature, signing_input(self._protected, payload))


def _protected_header(protected: bytes) -> dict[str, Any]:
    """Return the protected header once every pinned field has its pinned shape."""
    if len(protected) > PROTECTED_BYTES_MAX:
        raise _malformed(f"protected header over {PROTECTED_BYTES_MAX} bytes")
    try:
        header = json.loads(from_base64url(protected.decode("ascii")), object_pairs_hook=_without_repeats)
    except (MetadataError, ValueError, RecursionError) as err:
        raise _malformed("protected header is not a JSON object") from err
    if not isinstance(header, dict):
        raise _malformed("protected header is not a JSON object")
    if header.get("b64") is not False or header.get("crit") != ["b64"]:
        raise _malformed('expected "b64":false and "crit":["b64"]')
    for name, kind in (("typ", str), ("kid", str), ("iat", int)):
        if type(header.get(name)) is not kind:
            raise _malformed(f"expected {name} as {kind.__name__}")
    thumbprint = header.get("x5t#S256")
    if type(thumbprint) is not str or _THUMBPRINT.fullmatch(thumbprint) is None:
        raise _malformed("expected x5t#S256 as the base64url SHA-256 of a certificate")
    return header


def _algorithm(name: object) -> Algorithm:
    try:
        return Algorithm(name)  # type: ignore[arg-type]  # any other value is refused right here
    except ValueError as err:
        raise AlgorithmError(
            f"alg must be one of {', '.join(Algorithm)}", rule="SEC-4", field="gb-sig"
        ) from err


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise ValueError("a name stands twice")
    return names


def _malformed(detail: str) -> SignatureError:
    return SignatureError(f"signature: {detail}", rule="SEC-3", field="gb-sig")
