"""The signature inside an RFC 3161 token: CMS SignedData with one signer (RFC 5652), over asn1crypto.

It is read here, and not by ``rfc3161-client``, because that refuses a token whose certificates do not stand in DER
order, which is how OpenSSL writes a chain. The order is no part of what is signed. The tests hold this module to the
verdicts of both ``rfc3161-client`` and ``openssl ts -verify``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from asn1crypto import cms, core, parser
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from govbus.errors import SignatureError, TimestampError
from govbus.signing import algorithms

HASHES: Final[dict[str, type[hashes.SHA256 | hashes.SHA384 | hashes.SHA512]]] = {
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}
"""Hashes that a timestamp may use, by their names in hashlib; SHA-1 and SHA-224 are refused."""
RSA_BITS_MIN = 2048
"""Public TSAs still sign with 2,048 bits; less is refused."""
CERTIFICATES_MAX = 16
"""Certificates in one token."""
NAME_CHARACTERS_MAX = 40
"""Of an algorithm or policy in an error: an unknown one is named by its OID, which may be as long as the token."""

_SET: Final = (0, 1, 17)
"""Class, method and tag of a SET."""
_CURVES = ("secp256r1", "secp384r1", "secp521r1")
_ML_DSA_OIDS: Final = {
    "2.16.840.1.101.3.4.3.17": mldsa.MLDSA44PublicKey,
    "2.16.840.1.101.3.4.3.18": mldsa.MLDSA65PublicKey,
    "2.16.840.1.101.3.4.3.19": mldsa.MLDSA87PublicKey,
}
"""RFC 9882: ML-DSA in CMS."""


@dataclass(frozen=True, slots=True)
class SignedContent:
    """A SignedData with one signer; nothing in it is verified yet."""

    content: bytes
    """DER of the TSTInfo."""
    certificates: tuple[x509.Certificate, ...]
    """As sent, in any order; may lack all but the signer's."""
    signer: x509.Certificate
    _info: cms.SignerInfo
    _attributes_octets: bytes
    """Content octets of the signed attributes as received: asn1crypto encodes anew what it has looked into."""

    @classmethod
    def from_content_info(cls, token: cms.ContentInfo) -> SignedContent:
        """Read a time stamp token.

        Raises:
            TimestampError: if it is not a SignedData around a TSTInfo, has not exactly one signer, or lacks the
                signer's certificate.
            ValueError: and other errors of the parser, where the structure is broken.
        """
        if token["content_type"].native != "signed_data":
            raise TimestampError("expected a time stamp token of CMS type SignedData")
        data = token["content"]
        encapsulated = data["encap_content_info"]
        if encapsulated["content_type"].native != "tst_info":
            raise TimestampError("expected a time stamp token around a TSTInfo (RFC 3161 section 2.4.2)")
        if len(data["signer_infos"]) != 1:
            raise TimestampError(f"expected one signer, found {len(data['signer_infos'])}")
        info = data["signer_infos"][0]
        attributes = info["signed_attrs"]
        octets = b"" if isinstance(attributes, core.Void) else attributes.contents
        certificates = _certificates(data["certificates"])
        signer = _signer(info["sid"], certificates)
        return cls(bytes(encapsulated["content"]), certificates, signer, info, octets)

    def verify(self) -> None:
        """Check everything that the signer's key vouches for: content, certificate, signed attributes.

        Raises:
            TimestampError: naming the step that failed.
        """
        digest = self._info["digest_algorithm"]["algorithm"].native
        if digest not in HASHES:
            raise TimestampError(
                f"expected one of {', '.join(HASHES)} as digest, found {digest[:NAME_CHARACTERS_MAX]}"
            )
        # Step 1: the signed attributes are about this content.
        attributes = self._attributes()
        if _only(attributes, "content_type").native != "tst_info":
            raise TimestampError("the signed attributes are about another type of content")
        if _only(attributes, "message_digest").native != hashlib.new(digest, self.content).digest():
            raise TimestampError("the message digest attribute is not the hash of the content")
        # Step 2: they name this certificate, so that another one for the same key cannot take its place.
        self._verify_certificate_id(attributes)
        # Step 3: the key signed them, as the SET that RFC 5652 section 5.4 says and in the order received.
        signed = parser.emit(*_SET, self._attributes_octets)
        _verify_signature(self.signer.public_key(), self._info, digest, signed)

    def _attributes(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if isinstance(self._info["signed_attrs"], core.Void):
            raise TimestampError("the token has no signed attributes")
        for attribute in self._info["signed_attrs"]:
            name = attribute["type"].native
            if name in found:
                raise TimestampError("a signed attribute stands twice (RFC 5652 section 5.3)")
            found[name] = attribute["values"]
        return found

    def _verify_certificate_id(self, attributes: dict[str, Any]) -> None:
        """Check ESSCertIDv2 (RFC 5816), or the ESSCertID with SHA-1 that RFC 3161 section 2.4.1 asks for."""
        der = self.signer.public_bytes(Encoding.DER)
        if "signing_certificate_v2" in attributes:
            first = _only(attributes, "signing_certificate_v2")["certs"][0]
            name = first["hash_algorithm"]["algorithm"].native
            if name not in HASHES:
                raise TimestampError(
                    f"the signing certificate is named by {name[:NAME_CHARACTERS_MAX]}, which is refused"
                )
            expected = hashlib.new(name, der).digest()
        else:
            first = _only(attributes, "signing_certificate")["certs"][0]
            # Only a second preimage of the TSA's own certificate would do harm, and SHA-1 still resists that.
            expected = hashlib.sha1(der, usedforsecurity=False).digest()
        if first["cert_hash"].native != expected:
            raise TimestampError("the signed attributes name another certificate than the signer's")


def _only(attributes: dict[str, Any], name: str) -> Any:
    """Return the one value of a signed attribute."""
    values = attributes.get(name, ())
    if len(values) != 1:
        raise TimestampError(f"expected one value of the signed attribute {name}, found {len(values)}")
    return values[0]


def _certificates(members: Any) -> tuple[x509.Certificate, ...]:
    """Return the certificates of a set that can be read; another that cannot is as good as absent."""
    if isinstance(members, core.Void):
        return ()
    if len(members) > CERTIFICATES_MAX:
        raise TimestampError(f"a token may have {CERTIFICATES_MAX} certificates, found {len(members)}")
    found = []
    for member in members:
        if member.name != "certificate":
            continue
        try:
            certificate = x509.load_der_x509_certificate(member.chosen.dump())
            # What is read lazily is read now, where an error is expected.
            _ = certificate.subject, certificate.issuer, certificate.public_key(), certificate.extensions
        except Exception:  # noqa: BLE001, S112  # the parser raises many kinds, all meaning the same here
            continue
        found.append(certificate)
    return tuple(found)


def _signer(sid: Any, certificates: tuple[x509.Certificate, ...]) -> x509.Certificate:
    """Return the certificate that a SignerIdentifier names."""
    for certificate in certificates:
        if sid.name == "issuer_and_serial_number":
            issuer = sid.chosen["issuer"].dump()
            is_named = (
                certificate.serial_number == sid.chosen["serial_number"].native
                and certificate.issuer.public_bytes() == issuer
            )
        else:
            is_named = _key_identifier(certificate) == sid.chosen.native
        if is_named:
            return certificate
    raise TimestampError("the token lacks the certificate of its signer")


def _key_identifier(certificate: x509.Certificate) -> bytes | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return None


def _verify_signature(key: Any, info: cms.SignerInfo, digest: str, signed: bytes) -> None:
    """Check a signature under one of the pinned algorithms of RFC 5754, 4056, 8419 and 9882."""
    algorithm = info["signature_algorithm"]["algorithm"]
    name = algorithm.native
    signature = info["signature"].native
    # Algorithms such as sha256_rsa bring their hash; rsassa_pkcs1v15 uses that of the digest.
    hash_name = name.split("_")[0] if name.split("_")[0] in HASHES else digest
    try:
        match key:
            case rsa.RSAPublicKey() if key.key_size >= RSA_BITS_MIN and name == "rsassa_pss":
                scheme, pss_hash = _pss(info["signature_algorithm"]["parameters"])
                key.verify(signature, signed, scheme, pss_hash)
            case rsa.RSAPublicKey() if key.key_size >= RSA_BITS_MIN and name in {
                "rsassa_pkcs1v15",
                f"{hash_name}_rsa",
            }:
                key.verify(signature, signed, padding.PKCS1v15(), HASHES[hash_name]())
            case ec.EllipticCurvePublicKey() if key.curve.name in _CURVES and name in {
                "ecdsa",
                f"{hash_name}_ecdsa",
            }:
                key.verify(signature, signed, ec.ECDSA(HASHES[hash_name]()))
            case ed25519.Ed25519PublicKey() if name == "ed25519":
                algorithms.verify(key, signature, signed)
            case mldsa.MLDSA44PublicKey() | mldsa.MLDSA65PublicKey() | mldsa.MLDSA87PublicKey() if isinstance(
                key, _ML_DSA_OIDS.get(algorithm.dotted, ())
            ):
                algorithms.verify(key, signature, signed)
            case _:
                raise TimestampError(
                    f"signature algorithm {name[:NAME_CHARACTERS_MAX]} with a key {type(key).__name__} is not accepted"
                )
    except (InvalidSignature, SignatureError, ValueError) as err:
        raise TimestampError("the signature of the time stamp token does not hold") from err


def _pss(parameters: Any) -> tuple[padding.PSS, hashes.HashAlgorithm]:
    """Return the padding of RSASSA-PSS with one hash throughout (RFC 4056)."""
    hash_name = parameters["hash_algorithm"]["algorithm"].native
    mask = parameters["mask_gen_algorithm"]
    mask_hash = mask["parameters"]["algorithm"].native if mask["algorithm"].native == "mgf1" else ""
    if hash_name not in HASHES or mask_hash != hash_name:
        names = f"{hash_name[:NAME_CHARACTERS_MAX]} and {mask_hash[:NAME_CHARACTERS_MAX] or 'another mask'}"
        raise TimestampError(f"RSASSA-PSS with {names} is not accepted")
    algorithm = HASHES[hash_name]()
    return padding.PSS(padding.MGF1(algorithm), int(parameters["salt_length"].native)), algorithm
