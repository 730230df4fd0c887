"""Timestamp authorities for tests: the real one of openssl, and one whose clock, certificate and words a test sets.

`OpensslTsa` answers over HTTP and says what the time is. `FakeTsa` makes tokens of any year in memory, and lets a test
change one thing before everything is signed again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from govbus.message_log.timestamp import Timestamp
from govbus.service.openssl_tsa import OpensslTsa

__all__ = ["Authority", "FakeTsa", "OpensslTsa", "issue"]

POLICY = "1.3.6.1.4.1.57264.2.2"
YEAR_MS = 365 * 86_400_000
LAST_MS = 99 * YEAR_MS
"""Until when certificates are valid unless told."""
TIME_STAMPING: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.TIME_STAMPING,)

_ML_DSA_OIDS: dict[Any, str] = {
    mldsa.MLDSA44PrivateKey: "2.16.840.1.101.3.4.3.17",
    mldsa.MLDSA65PrivateKey: "2.16.840.1.101.3.4.3.18",
    mldsa.MLDSA87PrivateKey: "2.16.840.1.101.3.4.3.19",
}


@dataclass(frozen=True)
class Authority:
    """A key and the certificate for it."""

    key: Any
    certificate: x509.Certificate


def issue(
    common_name: str,
    *,
    issuer: Authority | None = None,
    key: Any = None,
    not_before_ms: int = 0,
    not_after_ms: int = LAST_MS,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> Authority:
    """Return a certificate with exactly these extensions; without an issuer it signs itself.

    Args:
        common_name: of the subject.
        issuer: who signs.
        key: of the subject; a new P-256 key where none is given.
        not_before_ms: first valid moment, milliseconds since 1970.
        not_after_ms: last valid moment.
        extensions: each with whether it is critical.
    """
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    signing_key = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_moment(not_before_ms))
        .not_valid_after(_moment(not_after_ms))
    )
    for extension, is_critical in extensions:
        builder = builder.add_extension(extension, critical=is_critical)
    has_hash = isinstance(signing_key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
    return Authority(key, builder.sign(signing_key, hashes.SHA256() if has_hash else None))


def root(common_name: str = "Test root", **options: Any) -> Authority:
    """Return a certificate authority; options as for `issue`."""
    extensions = [(x509.BasicConstraints(ca=True, path_length=None), True)]
    return issue(common_name, **({"extensions": extensions} | options))


@dataclass
class FakeTsa:
    """An authority in memory."""

    root: Authority
    own: Authority
    hash_name: str = "sha256"
    """Of digest and signature."""
    chain: Sequence[x509.Certificate] = ()
    """Further certificates to send, in this order."""
    serial: int = field(default=0)

    @classmethod
    def make(
        cls,
        *,
        not_before_ms: int = 0,
        not_after_ms: int = LAST_MS,
        key: Any = None,
        issuer: Authority | None = None,
        usage: Sequence[x509.ObjectIdentifier] = TIME_STAMPING,
        is_usage_critical: bool = True,
        **options: Any,
    ) -> FakeTsa:
        """Return an authority under a root of its own, or under an issuer."""
        parent = issuer or root()
        extensions = [(x509.ExtendedKeyUsage(list(usage)), is_usage_critical)] if usage else []
        own = issue(
            "Test TSA",
            issuer=parent,
            key=key,
            not_before_ms=not_before_ms,
            not_after_ms=not_after_ms,
            extensions=extensions,
        )
        return cls(parent, own, **options)

    @property
    def anchors(self) -> list[x509.Certificate]:
        """What to trust."""
        return [self.root.certificate]

    def stamp(self, text: bytes, at_ms: int, **options: Any) -> Timestamp:
        """Return a timestamp, read but not verified; options as for `response`."""
        return Timestamp.from_response(self.response(text, at_ms, **options))

    def response(
        self,
        text: bytes,
        at_ms: int,
        *,
        nonce: int | None = None,
        imprint_hash: str = "sha256",
        edit_info: Callable[[dict[str, Any]], None] = lambda _: None,
        edit_attributes: Callable[[list[Any]], None] = lambda _: None,
        edit_signed: Callable[[dict[str, Any]], None] = lambda _: None,
    ) -> bytes:
        """Return a TimeStampResp.

        Args:
            text: what to stamp.
            at_ms: what the authority's clock says, milliseconds since 1970.
            nonce: to repeat.
            imprint_hash: of the text.
            edit_info: changes the fields of TSTInfo before anything is hashed.
            edit_attributes: changes the list of signed attributes before they are signed.
            edit_signed: changes the fields of SignedData after everything was signed.
        """
        self.serial += 1
        info: dict[str, Any] = {
            "version": "v1",
            "policy": POLICY,
            "message_imprint": {
                "hash_algorithm": {"algorithm": imprint_hash},
                "hashed_message": hashlib.new(imprint_hash, text).digest(),
            },
            "serial_number": self.serial,
            "gen_time": _moment(at_ms),
        }
        if nonce is not None:
            info["nonce"] = nonce
        edit_info(info)
        content = tsp.TSTInfo(info).dump()
        signed = {
            "version": "v3",
            "digest_algorithms": [{"algorithm": self.hash_name}],
            "encap_content_info": {
                "content_type": "tst_info",
                "content": core.ParsableOctetString(content),
            },
            "certificates": [_certificate(one) for one in (self.own.certificate, *self.chain)],
            "signer_infos": [self._signer_info(content, edit_attributes)],
        }
        edit_signed(signed)
        token = cms.ContentInfo({"content_type": "signed_data", "content": cms.SignedData(signed)})
        return bytes(tsp.TimeStampResp({"status": {"status": "granted"}, "time_stamp_token": token}).dump())

    def _signer_info(self, content: bytes, edit_attributes: Callable[[list[Any]], None]) -> dict[str, Any]:
        certificate = _certificate(self.own.certificate)
        der = self.own.certificate.public_bytes(Encoding.DER)
        attributes: list[Any] = [
            {"type": "content_type", "values": ["tst_info"]},
            {"type": "message_digest", "values": [hashlib.new(self.hash_name, content).digest()]},
            {
                "type": "signing_certificate_v2",
                "values": [{"certs": [{"cert_hash": hashlib.sha256(der).digest()}]}],
            },
        ]
        edit_attributes(attributes)
        encoded = cms.CMSAttributes([cms.CMSAttribute(one) for one in attributes])
        algorithm, signature = self._sign(encoded.dump())
        sid = {"issuer": certificate.issuer, "serial_number": certificate.serial_number}
        return {
            "version": "v1",
            "sid": cms.SignerIdentifier({"issuer_and_serial_number": sid}),
            "digest_algorithm": {"algorithm": self.hash_name},
            "signed_attrs": encoded,
            "signature_algorithm": algorithm,
            "signature": signature,
        }

    def _sign(self, message: bytes) -> tuple[dict[str, Any], bytes]:
        key: Any = self.own.key
        digest = getattr(hashes, self.hash_name.upper())()
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return {"algorithm": f"{self.hash_name}_ecdsa"}, key.sign(message, ec.ECDSA(digest))
        if isinstance(key, rsa.RSAPrivateKey):
            scheme = padding.PSS(padding.MGF1(digest), digest.digest_size)
            return _pss(self.hash_name, digest.digest_size), key.sign(message, scheme, digest)
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return {"algorithm": "ed25519"}, key.sign(message)
        name = next(oid for kind, oid in _ML_DSA_OIDS.items() if isinstance(key, kind))
        return {"algorithm": name}, key.sign(message)


def _pss(hash_name: str, salt_bytes: int) -> dict[str, Any]:
    parameters = {
        "hash_algorithm": {"algorithm": hash_name},
        "mask_gen_algorithm": {"algorithm": "mgf1", "parameters": {"algorithm": hash_name}},
        "salt_length": salt_bytes,
    }
    return {"algorithm": "rsassa_pss", "parameters": algos.RSASSAPSSParams(parameters)}


def _certificate(certificate: x509.Certificate) -> Any:
    return asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))


def _moment(time_ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)
