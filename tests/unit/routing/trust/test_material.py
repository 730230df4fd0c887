"""Revocation lists and OCSP responses: each test breaks one thing about the material."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from govbus.errors import UntrustedKeyError
from govbus.routing.trust.material import Saying
from govbus.routing.trust.reading import MATERIAL_BYTES_MAX, read_material
from govbus.signing.algorithms import Algorithm
from govbus.signing.certificate_building import StatusUrls
from govbus.signing.certificates import Certificate
from govbus.signing.issuing import CertificateAuthority, IssuedKey
from tests.unit.routing.trust.pki import (
    DAY_MS,
    HOUR_MS,
    NOW_MS,
    SPAN,
    UPDATE,
    authority,
    flipped,
    key_of,
    list_builder,
    list_of,
    parsed,
    response_of,
    seal,
    signed,
)
from tests.unit.routing.trust.test_path import rebuilt, usage

PINNED = [Algorithm.ED25519, Algorithm.ES256, Algorithm.PS256, Algorithm.ML_DSA_44, Algorithm.ML_DSA_65]


def certificate(pem):
    return Certificate.from_pem(pem)


def believed(der, root, pem=None):
    """Return what material says about a certificate once it is the authority's word."""
    material = read_material(der)
    material.verify(certificate(root.certificate_pem))
    return None if pem is None else material.status_of(certificate(pem), certificate(root.certificate_pem))


@pytest.mark.parametrize("algorithm", PINNED)
def test_list_of_every_algorithm(algorithm):
    """A list says who is revoked since when, and that all others are good; a flipped bit in its signature is found."""
    root = authority(algorithm=algorithm)
    bad, good = seal(root, "bad").certificate_pem, seal(root, "good").certificate_pem
    der = list_of(root, (bad, NOW_MS - HOUR_MS, x509.ReasonFlags.superseded))
    status = believed(der, root, bad)
    assert (Saying.REVOKED, NOW_MS - HOUR_MS, False) == (
        status.saying,
        status.revoked_ms,
        status.is_compromised,
    )
    assert Saying.GOOD is believed(der, root, good).saying
    with pytest.raises(UntrustedKeyError, match="does not hold"):
        believed(flipped(der), root)


@pytest.mark.parametrize("algorithm", PINNED)
def test_response_of_every_algorithm(algorithm):
    """A response by the authority itself holds; a flipped bit in its signature is found."""
    root = authority(algorithm=algorithm)
    pem = seal(root).certificate_pem
    der = response_of(root, pem)
    assert Saying.GOOD is believed(der, root, pem).saying
    with pytest.raises(UntrustedKeyError, match="does not hold"):
        believed(flipped(der), root)


def test_list_of_another_authority():
    """A list under another name is not this authority's."""
    with pytest.raises(UntrustedKeyError, match="is by CN=Other, not by CN=Root"):
        believed(list_of(authority("Other")), authority())


def test_list_by_another_key_under_the_same_name():
    """A list under the same name by another key is not this authority's."""
    with pytest.raises(UntrustedKeyError, match="does not hold"):
        believed(list_of(authority()), authority())


def test_list_by_one_that_may_not_sign_lists():
    """An authority whose key usage lacks cRLSign signs no lists."""
    root = authority()
    weak = rebuilt(
        root.certificate_pem, root, without=(x509.KeyUsage,), extensions=[(usage(key_cert_sign=True), True)]
    )
    material = read_material(list_of(root))
    material.verify(certificate(root.certificate_pem))
    with pytest.raises(UntrustedKeyError, match="cRLSign"):
        material.verify(certificate(weak))


def test_list_over_a_broken_hash():
    """A signature over a short hash is not believed, though the library can verify it."""
    root = authority(algorithm=Algorithm.PS256)
    der = list_of(root)
    assert believed(der, root) is None
    weak = list_builder(root).sign(key_of(root), hashes.SHA224()).public_bytes(Encoding.DER)
    with pytest.raises(UntrustedKeyError, match="hash that is too weak"):
        believed(weak, root)


@pytest.mark.parametrize(
    ("extension", "critical", "fault"),
    [
        (x509.DeltaCRLIndicator(1), True, "delta"),
        (
            x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00"),
            True,
            "critical extension",
        ),
        (
            x509.IssuingDistributionPoint(None, None, False, False, None, True, False),
            True,
            "indirect or partial",
        ),
        (
            x509.IssuingDistributionPoint(
                None,
                None,
                False,
                False,
                frozenset([x509.ReasonFlags.key_compromise]),
                False,
                False,
            ),
            True,
            "indirect or partial",
        ),
    ],
    ids=["delta", "unknown", "indirect", "some reasons"],
)
def test_form_of_a_list_that_is_not_understood(extension, critical, fault):
    """Lists that need more than a look for a serial number are refused."""
    with pytest.raises(UntrustedKeyError, match=fault):
        read_material(list_of(authority(), extension=extension, critical=critical))


def test_entry_with_a_critical_extension():
    """An entry that says something critical that is not understood spoils the list (RFC 5280 section 5.3)."""
    root = authority()
    entry = (
        x509.RevokedCertificateBuilder()
        .serial_number(7)
        .revocation_date(parsed(root.certificate_pem).not_valid_before_utc)
        .add_extension(
            x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.99999.2"), b"\x05\x00"), critical=True
        )
    )
    der = signed(list_builder(root).add_revoked_certificate(entry.build()), key_of(root)).public_bytes(
        Encoding.DER
    )
    with pytest.raises(UntrustedKeyError, match="an entry with a critical extension"):
        read_material(der)


def test_list_for_a_part_of_the_certificates():
    """A list for one distribution point says nothing about certificates that name another, or none."""
    here = authority("Root", urls=StatusUrls(crl="http://pki.example/1.crl"))
    there = CertificateAuthority(
        here.certificate_pem, here.key_pem, StatusUrls(crl="http://pki.example/2.crl")
    )
    nowhere = CertificateAuthority(here.certificate_pem, here.key_pem)
    place = x509.IssuingDistributionPoint(
        [x509.UniformResourceIdentifier("http://pki.example/1.crl")],
        None, False, False, None, False, False,
    )  # fmt: skip
    der = list_of(here, extension=place, critical=True)
    assert Saying.GOOD is believed(der, here, seal(here).certificate_pem).saying
    assert believed(der, here, seal(there).certificate_pem) is None
    assert believed(der, here, seal(nowhere).certificate_pem) is None


@pytest.mark.parametrize(("is_users_only", "covers_user"), [(True, True), (False, False)])
def test_list_for_users_or_authorities_only(is_users_only, covers_user):
    """A list for authorities says nothing about others, and the other way round."""
    root = authority(path_length=1)
    place = x509.IssuingDistributionPoint(
        None,
        None,
        is_users_only,
        not is_users_only,
        None,
        False,
        False,
    )
    der = list_of(root, extension=place, critical=True)
    assert covers_user is (believed(der, root, seal(root).certificate_pem) is not None)
    middle = root.intermediate("Middle", **SPAN).certificate_pem
    assert covers_user is (believed(der, root, middle) is None)


def test_hold_and_release():
    """A hold is told from a revocation, and an entry that releases one is none."""
    root = authority()
    pem = seal(root).certificate_pem
    held = believed(list_of(root, (pem, NOW_MS, x509.ReasonFlags.certificate_hold)), root, pem)
    assert Saying.ON_HOLD is held.saying
    freed = believed(list_of(root, (pem, NOW_MS, x509.ReasonFlags.remove_from_crl)), root, pem)
    assert Saying.GOOD is freed.saying


@pytest.mark.parametrize("reason", ["key_compromise", "ca_compromise", "aa_compromise"])
def test_compromises(reason):
    """Reasons that say that somebody else may have the key are told from others."""
    root = authority()
    pem = seal(root).certificate_pem
    assert believed(list_of(root, (pem, NOW_MS, x509.ReasonFlags[reason])), root, pem).is_compromised


def responder_of(root, *, eku=ExtendedKeyUsageOID.OCSP_SIGNING, **options):
    """Return a responder that an authority certified."""
    issued = root.issue_responder(**{**SPAN, **options})
    pem = rebuilt(
        issued.certificate_pem,
        root,
        without=(x509.ExtendedKeyUsage,),
        extensions=[] if eku is None else [(x509.ExtendedKeyUsage([eku]), False)],
    )
    return IssuedKey(issued.key_pem, pem)


def test_delegated_responder():
    """An authority may certify a responder for this purpose."""
    root = authority()
    pem = seal(root).certificate_pem
    assert Saying.GOOD is believed(response_of(root, pem, by=responder_of(root)), root, pem).saying


@pytest.mark.parametrize("eku", [None, ExtendedKeyUsageOID.SERVER_AUTH])
def test_delegated_responder_without_the_purpose(eku):
    """A certificate of the authority for something else answers nothing: every agency would have one."""
    root = authority()
    pem = seal(root).certificate_pem
    with pytest.raises(UntrustedKeyError, match="id-kp-OCSPSigning"):
        believed(response_of(root, pem, by=responder_of(root, eku=eku)), root)


def test_delegated_responder_of_another_authority():
    """Another authority's responder does not answer for this one."""
    root = authority()
    pem = seal(root).certificate_pem
    with pytest.raises(UntrustedKeyError, match="was not issued by CN=Root"):
        believed(response_of(root, pem, by=responder_of(authority())), root)


def test_delegated_responder_that_had_expired():
    """A responder answers while its certificate is valid."""
    root = authority()
    pem = seal(root).certificate_pem
    old = responder_of(root, not_after_ms=SPAN["not_before_ms"] + DAY_MS)
    with pytest.raises(UntrustedKeyError, match="was not valid when it answered"):
        believed(response_of(root, pem, by=old), root)


def test_response_of_a_stranger():
    """Without a certificate only the authority itself answers."""
    root, other = authority(), authority()
    pem = seal(root).certificate_pem
    builder = ocsp.OCSPResponseBuilder().add_response(
        parsed(pem),
        parsed(root.certificate_pem),
        hashes.SHA256(),
        ocsp.OCSPCertStatus.GOOD,
        parsed(pem).not_valid_before_utc,
        None,
        None,
        None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, parsed(other.certificate_pem))
    der = signed(builder, key_of(other)).public_bytes(Encoding.DER)
    with pytest.raises(UntrustedKeyError, match="another responder"):
        believed(der, root)


def test_response_about_a_certificate_of_another_authority():
    """A serial number alone names nothing: an answer about another authority's certificate is not about this one."""
    root, other = authority(), authority("Other")
    pem = seal(root).certificate_pem
    with pytest.raises(UntrustedKeyError, match="of another authority"):
        believed(response_of(other, pem), root)
    material = read_material(response_of(other, pem))
    assert material.status_of(certificate(pem), certificate(root.certificate_pem)) is None


def test_response_of_an_authority_that_is_not_a_root():
    """An answer names the authority that issued the certificate, not the one above it."""
    root = authority(path_length=1)
    middle = root.intermediate("Middle", **SPAN)
    pem = seal(middle).certificate_pem
    assert Saying.GOOD is believed(response_of(middle, pem), middle, pem).saying
    with pytest.raises(UntrustedKeyError, match="of another authority"):
        believed(response_of(middle, pem), root)


def test_unknown_to_the_responder():
    """A responder may say that it does not know."""
    root = authority()
    pem = seal(root).certificate_pem
    der = response_of(root, pem, status=ocsp.OCSPCertStatus.UNKNOWN)
    assert Saying.UNKNOWN is believed(der, root, pem).saying


def test_revoked_by_response():
    """A response says since when and why."""
    root = authority()
    pem = seal(root).certificate_pem
    der = response_of(
        root,
        pem,
        status=ocsp.OCSPCertStatus.REVOKED,
        revoked_ms=NOW_MS - HOUR_MS,
        reason=x509.ReasonFlags.key_compromise,
    )
    status = believed(der, root, pem)
    assert (Saying.REVOKED, NOW_MS - HOUR_MS, True) == (
        status.saying,
        status.revoked_ms,
        status.is_compromised,
    )


def test_what_the_small_authority_says():
    """Lists and responses of `govbus pki` are understood."""
    root = authority()
    pem, responder = seal(root).certificate_pem, root.issue_responder(**SPAN)
    revoked = root.revoked_of(pem, NOW_MS - HOUR_MS)
    for der in (
        root.crl([revoked], **UPDATE),
        root.ocsp_response(pem, revoked, **UPDATE),
        root.ocsp_response(pem, revoked, responder=responder, **UPDATE),
    ):
        assert NOW_MS - HOUR_MS == believed(der, root, pem).revoked_ms


@pytest.mark.parametrize(
    "der",
    [
        b"",
        b"no DER",
        ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER).public_bytes(
            Encoding.DER
        ),
    ],
    ids=["nothing", "noise", "try later"],
)
def test_neither(der):
    """What is neither list nor successful response is refused."""
    with pytest.raises(UntrustedKeyError, match="neither"):
        read_material(der)


def test_bound():
    """Nothing longer than the bound is read."""
    with pytest.raises(UntrustedKeyError, match="at most"):
        read_material(bytes(MATERIAL_BYTES_MAX + 1))


def test_certificate_named_by_an_unknown_hash():
    """A response that names its certificate by a hash that is not known is refused when it is read."""
    root = authority()
    der = response_of(root, seal(root).certificate_pem)
    sha1 = bytes.fromhex("06052b0e03021a")
    assert 1 == der.count(sha1)
    with pytest.raises(UntrustedKeyError, match="neither"):
        read_material(der.replace(sha1, sha1[:-1] + b"\x7a"))
