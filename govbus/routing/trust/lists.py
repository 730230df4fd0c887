"""Revocation lists (RFC 5280 section 5).

Only the plain form is understood: a complete list that an authority signs about its own certificates. Indirect and
delta lists, and anything critical that is not known here, are refused as RFC 5280 demands.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from govbus.routing.trust.facts import Facts, facts_of, key_usage_of, moment_ms, parsed_of, uris
from govbus.routing.trust.material import STRONG_HASHES, Material, Saying, Status, refused, revoked_status
from govbus.signing.certificates import Certificate

CRL_CONTENT_TYPE: Final = "application/pkix-crl"


class RevocationList(Material):
    """A complete certificate revocation list."""

    content_type = CRL_CONTENT_TYPE

    def __init__(self, der: bytes) -> None:
        super().__init__(der)
        self._crl = x509.load_der_x509_crl(der)
        self.issuer_name = self._crl.issuer.public_bytes()
        self.issuer_text = self._crl.issuer.rfc4514_string()
        self.this_update_ms = moment_ms(self._crl.last_update_utc)
        following = self._crl.next_update_utc
        self.next_update_ms = self.this_update_ms if following is None else moment_ms(following)
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
        return revoked_status(revoked_ms, reason, self.this_update_ms, self.next_update_ms)

    def _require(self, issuer: Certificate) -> None:
        if not self.is_about(issuer):
            raise refused(f"the list is by {self.issuer_text}, not by {issuer.subject}")
        usage = key_usage_of(parsed_of(issuer))
        if usage is not None and not usage.crl_sign:
            raise refused(f"certificate {issuer.subject} may not sign revocation lists (cRLSign)")
        if not isinstance(self._crl.signature_hash_algorithm, (*STRONG_HASHES, type(None))):
            raise refused("the list is signed over a hash that is too weak")
        if not self._crl.is_signature_valid(issuer.public_key):
            raise InvalidSignature


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


def _scope_of(crl: x509.CertificateRevocationList) -> _Scope:
    scope = _Scope()
    for extension in crl.extensions:
        value = extension.value
        if isinstance(value, x509.IssuingDistributionPoint):
            scope = _scope_of_point(value)
        elif isinstance(value, x509.DeltaCRLIndicator):
            raise refused("a delta revocation list, where a complete one is expected")
        elif extension.critical:
            raise refused(f"a critical extension that is not understood ({extension.oid.dotted_string})")
    return scope


def _scope_of_point(point: x509.IssuingDistributionPoint) -> _Scope:
    if point.indirect_crl or point.only_some_reasons or point.only_contains_attribute_certs:
        raise refused("an indirect or partial revocation list, where a complete one is expected")
    places = frozenset(uris(point.full_name))
    if point.relative_name is not None or (point.full_name and not places):
        raise refused("a revocation list for a place that is no URI, which is not understood")
    return _Scope(point.only_contains_user_certs, point.only_contains_ca_certs, places)


def _entry_of(revoked: x509.RevokedCertificate) -> tuple[int, x509.ReasonFlags | None]:
    reason = None
    for extension in revoked.extensions:
        if isinstance(extension.value, x509.CRLReason):
            reason = extension.value.reason
        elif extension.critical:
            raise refused("an entry with a critical extension that is not understood")
    return moment_ms(revoked.revocation_date_utc), reason
