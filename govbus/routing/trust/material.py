"""Revocation lists (RFC 5280) and OCSP responses (RFC 6960): what they say about a certificate, and whether it holds.

Only the plain forms are understood: complete lists that an authority signs about its own certificates, and responses
by the authority or by a responder that it certified for that. Indirect and delta lists, and anything critical that
is not known here, are refused as RFC 5280 demands.
"""

from __future__ import annotations

import enum
import functools
import hashlib
from datetime import datetime
from typing import Any, ClassVar, Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, SignatureAlgorithmOID

from govbus.errors import UntrustedKeyError
from govbus.routing.trust.path import key_usage_of
from govbus.signing.algorithms import algorithm_of
from govbus.signing.certificates import Certificate

MATERIAL_BYTES_MAX: Final = 900_000
"""Below Kafka's usual limit of a record; an authority with longer lists is asked by OCSP."""
CRL_CONTENT_TYPE: Final = "application/pkix-crl"
OCSP_CONTENT_TYPE: Final = "application/ocsp-response"
RESPONSES_MAX: Final = 256
"""Certificates that one OCSP response may be about."""
COMPROMISES: Final = frozenset(
    {x509.ReasonFlags.key_compromise, x509.ReasonFlags.ca_compromise, x509.ReasonFlags.aa_compromise}
)
"""Reasons that say that somebody else may have the key."""
_STRONG: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_NAME_HASHES: Final = (hashes.SHA1, *_STRONG)
"""Hashes by which an OCSP response may name the issuer; they protect nothing (RFC 5019 section 2.1.1)."""


class Saying(enum.Enum):
    """What an authority says of one certificate."""

    GOOD = "good"
    REVOKED = "revoked"
    ON_HOLD = "on hold"
    """Revoked for now: the only revocation that can be taken back (RFC 5280 section 5.3.1)."""
    UNKNOWN = "unknown"
    """The responder does not know the certificate."""


class Status(NamedTuple):
    """What one list or response says about one certificate."""

    saying: Saying
    this_update_ms: int
    next_update_ms: int
    """Until when it may be relied on; its own time where the authority promises nothing."""
    revoked_ms: int = 0
    is_compromised: bool = False


class Material:
    """A revocation list or an OCSP response, read but not yet believed."""

    content_type: ClassVar[str]
    """Media type of its record."""

    def __init__(self, der: bytes) -> None:
        self.der = der
        self.digest = hashlib.sha256(der).hexdigest()
        """Hex SHA-256 of its octets: the key of its record."""
        self._verified: dict[str, str] = {}
        """By the issuer's thumbprint, why it does not hold; empty where it does."""

    def verify(self, issuer: Certificate) -> None:
        """Check that it is the issuer's word.

        Raises:
            UntrustedKeyError: if it is not (rule SEC-11).
        """
        known = self._verified.get(issuer.thumbprint)
        if known is None:
            known = self._verified[issuer.thumbprint] = self._fault(issuer)
        if known:
            raise _refused(known)

    def status_of(self, subject: Certificate, issuer: Certificate) -> Status | None:
        """Return what it says about a certificate, None where it is about others; believe it after `verify` alone."""
        raise NotImplementedError

    def is_about(self, issuer: Certificate) -> bool:
        """Return whether it says that it is by this authority, or about its certificates; `verify` says if so."""
        raise NotImplementedError

    def _fault(self, issuer: Certificate) -> str:
        """Return why it is not the issuer's word, empty where it is."""
        try:
            self._require(issuer)
        except UntrustedKeyError as err:
            return err.message
        except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
            return f"its signature by {issuer.subject} does not hold"
        return ""

    def _require(self, issuer: Certificate) -> None:
        raise NotImplementedError


class RevocationList(Material):
    """A complete certificate revocation list."""

    content_type = CRL_CONTENT_TYPE

    def __init__(self, der: bytes) -> None:
        super().__init__(der)
        self._crl = x509.load_der_x509_crl(der)
        self.issuer_name = self._crl.issuer.public_bytes()
        self.issuer_text = self._crl.issuer.rfc4514_string()
        self.this_update_ms = _ms(self._crl.last_update_utc)
        following = self._crl.next_update_utc
        self.next_update_ms = self.this_update_ms if following is None else _ms(following)
        self._scope = _scope_of(self._crl)
        self._entries = {one.serial_number: _entry_of(one) for one in self._crl}

    @property
    def count(self) -> int:
        """How many certificates it says are revoked."""
        return len(self._entries)

    def is_about(self, issuer: Certificate) -> bool:
        """See `Material.is_about`."""
        return self.issuer_name == facts_of(issuer).name

    def share_entries(self, before: RevocationList) -> None:
        """Keep no entries of its own where those of the list before are the same, as they are most of the time."""
        if self._entries == before._entries:
            self._entries = before._entries

    def revoked_ms(self, serial: int) -> int | None:
        """Return since when the certificate with a serial number is revoked, None where the list does not name it."""
        entry = self._entries.get(serial)
        return None if entry is None else entry[0]

    def status_of(self, subject: Certificate, issuer: Certificate) -> Status | None:  # noqa: ARG002  # in `verify`
        """See `Material.status_of`."""
        facts = facts_of(subject)
        if self.issuer_name != facts.issuer_name or not self._scope.covers(facts):
            return None
        entry = self._entries.get(facts.serial)
        if entry is None:
            return Status(Saying.GOOD, self.this_update_ms, self.next_update_ms)
        revoked_ms, reason = entry
        return _revoked(revoked_ms, reason, self.this_update_ms, self.next_update_ms)

    def _require(self, issuer: Certificate) -> None:
        if not self.is_about(issuer):
            raise _refused(f"the list is by {self.issuer_text}, not by {issuer.subject}")
        usage = key_usage_of(parsed_of(issuer))
        if usage is not None and not usage.crl_sign:
            raise _refused(f"certificate {issuer.subject} may not sign revocation lists (cRLSign)")
        if not isinstance(self._crl.signature_hash_algorithm, (*_STRONG, type(None))):
            raise _refused("the list is signed over a hash that is too weak")
        if not self._crl.is_signature_valid(issuer.public_key):
            raise InvalidSignature


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
        self.produced_ms = _ms(self._response.produced_at_utc)
        self._singles: dict[int, list[ocsp.OCSPSingleResponse]] = {}
        for number, single in enumerate(self._response.responses):
            if number >= RESPONSES_MAX:
                raise ValueError("too many responses")
            self._singles.setdefault(single.serial_number, []).append(single)

    @property
    def serials(self) -> frozenset[int]:
        """Serial numbers of the certificates that it is about."""
        return frozenset(self._singles)

    def is_about(self, issuer: Certificate) -> bool:
        """See `Material.is_about`."""
        return any(_names(single, issuer) for singles in self._singles.values() for single in singles)

    @property
    def responder_serial(self) -> int | None:
        """Serial number of the responder's certificate that the response carries, None where it carries none."""
        responder = self._responder()
        return None if responder is None else responder.serial_number

    def status_of(self, subject: Certificate, issuer: Certificate) -> Status | None:
        """See `Material.status_of`; of several answers about one certificate, the last made counts."""
        answers = [
            _status_of(single)
            for single in self._singles.get(facts_of(subject).serial, ())
            if _names(single, issuer)
        ]
        return max(answers, key=lambda one: one.this_update_ms) if answers else None

    def _responder(self) -> x509.Certificate | None:
        """Return the certificate among those carried that the response names as its responder."""
        certificates = self._response.certificates
        return next((one for one in certificates if _is_responder(self._response, one)), None)

    def _require(self, issuer: Certificate) -> None:
        """Check the signature, by the issuer or a responder of its own (RFC 6960 section 4.2.2.2)."""
        response, signer = self._response, parsed_of(issuer)
        if not self.is_about(issuer):
            raise _refused(f"the response is about certificates of another authority than {issuer.subject}")
        responder = self._responder()
        if responder is not None and responder != signer:
            self._require_responder(responder, issuer)
            signer = responder
        elif not _is_responder(response, signer):
            raise _refused(
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
            raise _refused(f"the responder's certificate was not issued by {issuer.subject}") from err
        try:
            purposes = responder.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except x509.ExtensionNotFound:
            purposes = x509.ExtendedKeyUsage([])
        if ExtendedKeyUsageOID.OCSP_SIGNING not in purposes:
            raise _refused("the responder's certificate is not for answering (id-kp-OCSPSigning)")
        usage = key_usage_of(responder)
        if usage is not None and not (usage.digital_signature or usage.content_commitment):
            raise _refused("the responder's key is not for signing (digitalSignature)")
        algorithm_of(responder.public_key())
        first_ms, last_ms = _ms(responder.not_valid_before_utc), _ms(responder.not_valid_after_utc)
        if not first_ms <= self.produced_ms <= last_ms:
            raise _refused("the responder's certificate was not valid when it answered")


def read_material(der: bytes) -> RevocationList | OcspResponse:
    """Read a revocation list or an OCSP response, whichever it is.

    Raises:
        UntrustedKeyError: if it is neither, too long, or of a form that is not understood (rule SEC-11).
    """
    if len(der) > MATERIAL_BYTES_MAX:
        raise _refused(f"{len(der)} bytes, at most {MATERIAL_BYTES_MAX} are read")
    for kind in (RevocationList, OcspResponse):
        try:
            return kind(der)
        except UntrustedKeyError:
            raise
        except Exception:  # noqa: BLE001, S112  # the parsers raise many kinds, all meaning that it is not one
            continue
    raise _refused("neither a revocation list nor a successful OCSP response, DER")


def parsed_of(certificate: Certificate) -> x509.Certificate:
    """Return a certificate in the form of the library, parsed once."""
    return _parsed(certificate.der)


@functools.lru_cache(maxsize=4096)
def _parsed(der: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(der)


class Facts(NamedTuple):
    """What is looked up in a certificate for every record about it."""

    name: bytes
    """Of its subject, DER."""
    issuer_name: bytes
    serial: int
    is_authority: bool
    places: frozenset[str]
    """Where its list is to be had."""


def facts_of(certificate: Certificate) -> Facts:
    """Return what is looked up in a certificate, read once."""
    return _facts(certificate.der)


@functools.lru_cache(maxsize=4096)
def _facts(der: bytes) -> Facts:
    parsed = _parsed(der)
    return Facts(
        parsed.subject.public_bytes(),
        parsed.issuer.public_bytes(),
        parsed.serial_number,
        _is_authority(parsed),
        frozenset(list_places(parsed)),
    )


class _Scope(NamedTuple):
    """Which of the issuer's certificates a list is about (RFC 5280 section 5.2.5)."""

    is_users_only: bool = False
    is_authorities_only: bool = False
    places: frozenset[str] = frozenset()
    """Distribution points that the list is a part for; empty where it is for all."""

    def covers(self, certificate: Facts) -> bool:
        if self.is_users_only and certificate.is_authority:
            return False
        if self.is_authorities_only and not certificate.is_authority:
            return False
        return not self.places or not self.places.isdisjoint(certificate.places)


def list_places(certificate: x509.Certificate) -> list[str]:
    """Return where a certificate says that its revocation list is to be had, URIs."""
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return []
    return [uri for point in points if point.crl_issuer is None for uri in _uris(point.full_name)]


def responder_places(certificate: x509.Certificate) -> list[str]:
    """Return where a certificate says that its status can be asked for by OCSP, URIs."""
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return []
    return _uris([one.access_location for one in access if one.access_method == x509.OID_OCSP])


def _uris(names: list[x509.GeneralName] | None) -> list[str]:
    return [name.value for name in names or () if isinstance(name, x509.UniformResourceIdentifier)]


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _scope_of(crl: x509.CertificateRevocationList) -> _Scope:
    scope = _Scope()
    for extension in crl.extensions:
        value = extension.value
        if isinstance(value, x509.IssuingDistributionPoint):
            scope = _scope_of_point(value)
        elif isinstance(value, x509.DeltaCRLIndicator):
            raise _refused("a delta revocation list, where a complete one is expected")
        elif extension.critical:
            raise _refused(f"a critical extension that is not understood ({extension.oid.dotted_string})")
    return scope


def _scope_of_point(point: x509.IssuingDistributionPoint) -> _Scope:
    if point.indirect_crl or point.only_some_reasons or point.only_contains_attribute_certs:
        raise _refused("an indirect or partial revocation list, where a complete one is expected")
    places = frozenset(_uris(point.full_name))
    if point.relative_name is not None or (point.full_name and not places):
        raise _refused("a revocation list for a place that is no URI, which is not understood")
    return _Scope(point.only_contains_user_certs, point.only_contains_ca_certs, places)


def _entry_of(revoked: x509.RevokedCertificate) -> tuple[int, x509.ReasonFlags | None]:
    reason = None
    for extension in revoked.extensions:
        if isinstance(extension.value, x509.CRLReason):
            reason = extension.value.reason
        elif extension.critical:
            raise _refused("an entry with a critical extension that is not understood")
    return _ms(revoked.revocation_date_utc), reason


def _revoked(
    revoked_ms: int, reason: x509.ReasonFlags | None, this_update_ms: int, next_update_ms: int
) -> Status:
    if reason is x509.ReasonFlags.remove_from_crl:
        return Status(Saying.GOOD, this_update_ms, next_update_ms)
    saying = Saying.ON_HOLD if reason is x509.ReasonFlags.certificate_hold else Saying.REVOKED
    return Status(saying, this_update_ms, next_update_ms, revoked_ms, reason in COMPROMISES)


def _status_of(single: ocsp.OCSPSingleResponse) -> Status:
    this_update_ms = _ms(single.this_update_utc)
    following = single.next_update_utc
    next_update_ms = this_update_ms if following is None else _ms(following)
    match single.certificate_status:
        case ocsp.OCSPCertStatus.GOOD:
            return Status(Saying.GOOD, this_update_ms, next_update_ms)
        case ocsp.OCSPCertStatus.REVOKED if single.revocation_time_utc is not None:
            revoked_ms = _ms(single.revocation_time_utc)
            return _revoked(revoked_ms, single.revocation_reason, this_update_ms, next_update_ms)
        case _:
            return Status(Saying.UNKNOWN, this_update_ms, next_update_ms)


def _names(single: ocsp.OCSPSingleResponse, issuer: Certificate) -> bool:
    """Return whether an answer is about a certificate of this issuer (RFC 6960 section 4.1.1, CertID)."""
    if not isinstance(single.hash_algorithm, _NAME_HASHES):
        return False
    named = (single.issuer_name_hash, single.issuer_key_hash)
    return named == _name_hashes(issuer.der, type(single.hash_algorithm))


@functools.lru_cache(maxsize=1024)
def _name_hashes(der: bytes, algorithm: type[hashes.HashAlgorithm]) -> tuple[bytes, bytes]:
    """Return the hashes by which OCSP names an issuer: of its name and of its key."""
    issuer = _parsed(der)
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
    if not isinstance(algorithm, (*_STRONG, type(None))):
        raise _refused("the response is signed over a hash that is too weak")
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


def _ms(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000


def _refused(detail: str) -> UntrustedKeyError:
    return UntrustedKeyError(detail, rule="SEC-11", field="govbus.revocations")
