"""OCSP responses (RFC 6960), by the authority itself or by a responder that it certified for this."""

from __future__ import annotations

import functools
from typing import Any, Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, SignatureAlgorithmOID

from govbus.routing.trust.facts import facts_of, key_usage_of, moment_ms, parsed_der, parsed_of
from govbus.routing.trust.material import STRONG_HASHES, Material, Saying, Status, refused, revoked_status
from govbus.signing.algorithms import algorithm_of
from govbus.signing.certificates import Certificate

OCSP_CONTENT_TYPE: Final = "application/ocsp-response"
RESPONSES_MAX: Final = 256
"""Certificates that one OCSP response may be about."""
_NAME_HASHES: Final = (hashes.SHA1, *STRONG_HASHES)
"""Hashes by which an OCSP response may name the issuer; they protect nothing (RFC 5019 section 2.1.1)."""


class OcspResponse(Material):
    """A successful answer about one certificate or several."""

    content_type = OCSP_CONTENT_TYPE

    def __init__(self, der: bytes) -> None:
        super().__init__(der)
        self._response = ocsp.load_der_ocsp_response(der)
        if self._response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise ValueError("not a successful response")
        if any(one.critical for one in self._response.extensions):
            raise ValueError("critical extension")
        self.produced_ms = moment_ms(self._response.produced_at_utc)
        # Everything is read here, so that what is odd is refused here: looking at it later cannot fail.
        self._answers: dict[int, list[_Answer]] = {}
        number = -1
        for number, single in enumerate(self._response.responses):  # counts beyond the loop
            if number >= RESPONSES_MAX:
                raise ValueError("too many responses")
            self._answers.setdefault(single.serial_number, []).append(_answer_of(single))
        if number == 0 and any(one.critical for one in self._response.single_extensions):
            raise ValueError("critical extension")
        certificates = self._response.certificates
        self._responder = next((one for one in certificates if _is_responder(self._response, one)), None)

    @property
    def serials(self) -> frozenset[int]:
        """Serial numbers of the certificates that it is about."""
        return frozenset(self._answers)

    def is_about(self, issuer: Certificate) -> bool:
        """See `Material.is_about`."""
        return any(one.is_about(issuer) for answers in self._answers.values() for one in answers)

    @property
    def responder_serial(self) -> int | None:
        """Serial number of the responder's certificate that the response carries, None where it carries none."""
        return None if self._responder is None else self._responder.serial_number

    def status_of(self, subject: Certificate, issuer: Certificate) -> Status | None:
        """See `Material.status_of`; of several answers about one certificate, the last made counts."""
        answers = self._answers.get(facts_of(subject).serial, ())
        found = [one.status for one in answers if one.is_about(issuer)]
        return max(found, key=lambda one: one.this_update_ms) if found else None

    def _require(self, issuer: Certificate) -> None:
        """Check the signature, by the issuer or a responder of its own (RFC 6960 section 4.2.2.2)."""
        response, signer = self._response, parsed_of(issuer)
        if not self.is_about(issuer):
            raise refused(f"the response is about certificates of another authority than {issuer.subject}")
        responder = self._responder
        if responder is not None and responder != signer:
            self._require_responder(responder, issuer)
            signer = responder
        elif not _is_responder(response, signer):
            raise refused(
                f"the response names another responder than {issuer.subject}, without a certificate"
            )
        _verify_signature(
            signer.public_key(),
            response.signature_algorithm_oid,
            response.signature_hash_algorithm,
            response.signature,
            response.tbs_response_bytes,
        )

    def _require_responder(self, responder: x509.Certificate, issuer: Certificate) -> None:
        """Check that the issuer itself certified the responder, for this, and that it was valid when it answered."""
        try:
            responder.verify_directly_issued_by(parsed_of(issuer))
        except (InvalidSignature, ValueError, TypeError) as err:
            raise refused(f"the responder's certificate was not issued by {issuer.subject}") from err
        try:
            purposes = responder.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except x509.ExtensionNotFound:
            purposes = x509.ExtendedKeyUsage([])
        if ExtendedKeyUsageOID.OCSP_SIGNING not in purposes:
            raise refused("the responder's certificate is not for answering (id-kp-OCSPSigning)")
        usage = key_usage_of(responder)
        if usage is not None and not (usage.digital_signature or usage.content_commitment):
            raise refused("the responder's key is not for signing (digitalSignature)")
        algorithm_of(responder.public_key())
        first_ms, last_ms = (
            moment_ms(responder.not_valid_before_utc),
            moment_ms(responder.not_valid_after_utc),
        )
        if not first_ms <= self.produced_ms <= last_ms:
            raise refused("the responder's certificate was not valid when it answered")


class _Answer(NamedTuple):
    """What a response says about one certificate, and how it names its issuer (RFC 6960 section 4.1.1, CertID)."""

    algorithm: type[hashes.HashAlgorithm]
    issuer_name_hash: bytes
    issuer_key_hash: bytes
    status: Status

    def is_about(self, issuer: Certificate) -> bool:
        """Return whether the certificate is one of this issuer."""
        return self[1:3] == _name_hashes(issuer.der, self.algorithm)


def _answer_of(single: ocsp.OCSPSingleResponse) -> _Answer:
    algorithm = type(single.hash_algorithm)
    if algorithm not in _NAME_HASHES:
        raise ValueError("a hash that is not known")
    return _Answer(algorithm, single.issuer_name_hash, single.issuer_key_hash, _status_of(single))


def _status_of(single: ocsp.OCSPSingleResponse) -> Status:
    this_update_ms = moment_ms(single.this_update_utc)
    following = single.next_update_utc
    next_update_ms = this_update_ms if following is None else moment_ms(following)
    match single.certificate_status:
        case ocsp.OCSPCertStatus.GOOD:
            return Status(Saying.GOOD, this_update_ms, next_update_ms)
        case ocsp.OCSPCertStatus.REVOKED if single.revocation_time_utc is not None:
            revoked_ms = moment_ms(single.revocation_time_utc)
            return revoked_status(revoked_ms, single.revocation_reason, this_update_ms, next_update_ms)
        case _:
            return Status(Saying.UNKNOWN, this_update_ms, next_update_ms)


@functools.lru_cache(maxsize=1024)
def _name_hashes(der: bytes, algorithm: type[hashes.HashAlgorithm]) -> tuple[bytes, bytes]:
    """Return the hashes by which OCSP names an issuer: of its name and of its key."""
    issuer = parsed_der(der)
    # A request is how the library lets us hash a key; the name in it would be that of the issuer's own issuer.
    asked = ocsp.OCSPRequestBuilder().add_certificate(issuer, issuer, algorithm()).build()
    digest = hashes.Hash(algorithm())
    digest.update(issuer.subject.public_bytes())
    return digest.finalize(), asked.issuer_key_hash


def _is_responder(response: ocsp.OCSPResponse, certificate: x509.Certificate) -> bool:
    """Return whether the response names the holder of a certificate as its responder."""
    if response.responder_name is not None:
        return response.responder_name == certificate.subject
    # RFC 6960 section 4.2.1 hashes the key as RFC 5280 section 4.2.1.2 (1) does.
    return (
        response.responder_key_hash
        == x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest
    )


def _verify_signature(
    key: Any,
    oid: x509.ObjectIdentifier,
    algorithm: hashes.HashAlgorithm | None,
    signature: bytes,
    octets: bytes,
) -> None:
    """Check a signature over a response; raises as the library does."""
    if not isinstance(algorithm, (*STRONG_HASHES, type(None))):
        raise refused("the response is signed over a hash that is too weak")
    if isinstance(key, ec.EllipticCurvePublicKey) and algorithm is not None:
        key.verify(signature, octets, ec.ECDSA(algorithm))
    elif isinstance(key, rsa.RSAPublicKey) and algorithm is not None:
        is_pss = oid == SignatureAlgorithmOID.RSASSA_PSS
        scheme = (
            padding.PSS(padding.MGF1(algorithm), padding.PSS.DIGEST_LENGTH) if is_pss else padding.PKCS1v15()
        )
        key.verify(signature, octets, scheme, algorithm)
    elif algorithm is None and not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        key.verify(signature, octets)
    else:
        raise InvalidSignature
