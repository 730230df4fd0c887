"""Authorities, certificates and material for the tests of trust, from the library itself where a fault is wanted."""

from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import ocsp

from govbus.document.ids import AgencyId
from govbus.routing.trust.path import issuers_of
from govbus.routing.trust.status import RevocationRecords
from govbus.signing.algorithms import Algorithm
from govbus.signing.certificate_building import StatusUrls
from govbus.signing.certificates import Certificate, CertificateRole, TrustedCertificate
from govbus.signing.issuing import CertificateAuthority
from govbus.signing.signature_policy import ProvenSignature

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
NOW_MS = 1_795_466_700_000
SPAN = {"not_before_ms": NOW_MS - 30 * DAY_MS, "not_after_ms": NOW_MS + 300 * DAY_MS}
UPDATE = {"this_update_ms": NOW_MS - HOUR_MS, "next_update_ms": NOW_MS + DAY_MS}
URLS = StatusUrls(crl="http://pki.example/list.crl", ocsp="http://pki.example/ocsp")
TAX = AgencyId("tax.example")


def authority(
    name="Root",
    algorithm=Algorithm.ED25519,
    *,
    path_length=0,
    urls=StatusUrls(),  # noqa: B008  # a value
):
    return CertificateAuthority.create(
        name, algorithm, at_ms=NOW_MS - 60 * DAY_MS, path_length=path_length, urls=urls
    )


def seal(issuer, name="tax.example", algorithm=Algorithm.ED25519, **options):
    return issuer.issue(name, algorithm, **{**SPAN, **options})


def parsed(pem):
    return x509.load_pem_x509_certificate(pem)


def trusted_of(pem, *anchors, chain=(), role=CertificateRole.SEAL):
    issuers = issuers_of(
        pem.decode(), tuple(one.decode() for one in chain), tuple(one.decode() for one in anchors), role
    )
    return TrustedCertificate(Certificate.from_pem(pem), TAX, None, role, issuers)


def signature_of(trusted):
    return (ProvenSignature(trusted, is_over_batch=False),)


def state_of(*materials):
    records = RevocationRecords()
    for der in materials:
        records.add(der)
    return records.state()


def moment(time_ms):
    return datetime.fromtimestamp(time_ms // 1000, UTC)


def signed(builder, key):
    is_hashed = isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
    return builder.sign(key, hashes.SHA256() if is_hashed else None)


def key_of(issued):
    return serialization.load_pem_private_key(issued.key_pem, None)


def list_builder(issuer, *entries, this_update_ms=NOW_MS - HOUR_MS, next_update_ms=NOW_MS + DAY_MS):
    """Return a list in the making; entries are (certificate PEM, revoked at, reason)."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(parsed(issuer.certificate_pem).subject)
        .last_update(moment(this_update_ms))
        .next_update(moment(next_update_ms))
    )
    for pem, revoked_ms, reason in entries:
        entry = (
            x509.RevokedCertificateBuilder()
            .serial_number(parsed(pem).serial_number)
            .revocation_date(moment(revoked_ms))
        )
        if reason is not None:
            entry = entry.add_extension(x509.CRLReason(reason), critical=False)
        builder = builder.add_revoked_certificate(entry.build())
    return builder


def list_of(issuer, *entries, extension=None, critical=False, **options):
    builder = list_builder(issuer, *entries, **options)
    if extension is not None:
        builder = builder.add_extension(extension, critical=critical)
    return signed(builder, key_of(issuer)).public_bytes(serialization.Encoding.DER)


def response_of(
    issuer, pem, *, by=None, status=ocsp.OCSPCertStatus.GOOD, revoked_ms=None, reason=None, **times
):
    """Return an OCSP response by the issuer itself, or by the responder given."""
    times = {**UPDATE, **times}
    own, signer = parsed(issuer.certificate_pem), issuer if by is None else by
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            parsed(pem),
            own,
            hashes.SHA1(),  # noqa: S303  # names the issuer, as most responders do
            status,
            moment(times["this_update_ms"]),
            moment(times["next_update_ms"]),
            None if revoked_ms is None else moment(revoked_ms),
            reason,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, parsed(signer.certificate_pem))
    )
    if by is not None:
        builder = builder.certificates([parsed(by.certificate_pem)])
    return signed(builder, key_of(signer)).public_bytes(serialization.Encoding.DER)


def flipped(der):
    """Return the same with the last bit of the signature changed."""
    return der[:-1] + bytes([der[-1] ^ 1])
