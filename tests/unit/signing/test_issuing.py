"""The small authority: what its certificates say, and what it says about them afterwards."""

import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from govbus.errors import AlgorithmError, ConfigError
from govbus.signing.algorithms import Algorithm
from govbus.signing.certificate_building import StatusUrls
from govbus.signing.certificates import Certificate, CertificateRole
from govbus.signing.issuing import CertificateAuthority, private_key_new, request_pem
from govbus.signing.signer import KeySigner
from govbus.signing.status_building import OCSP_REQUEST_BYTES_MAX, RevokedCertificate
from tests.unit.signing.conftest import DAY_MS, NOW_MS

SPAN = {"not_before_ms": NOW_MS, "not_after_ms": NOW_MS + DAY_MS}
UPDATE = {"this_update_ms": NOW_MS, "next_update_ms": NOW_MS + DAY_MS}


class Register:
    """Knows what one authority issued and revoked."""

    def __init__(self, *certificates: bytes, revoked: RevokedCertificate | None = None) -> None:
        self._issued = {parsed(one).serial_number for one in certificates}
        self._revoked = revoked

    def is_issued(self, serial: int) -> bool:
        return serial in self._issued

    def revoked(self, serial: int) -> RevokedCertificate | None:
        return self._revoked if self._revoked is not None and self._revoked.serial == serial else None


def parsed(pem: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem)


def usage(pem: bytes) -> tuple[bool, bool]:
    found = parsed(pem).extensions.get_extension_for_class(x509.KeyUsage).value
    return found.digital_signature, found.content_commitment


def ask(certificate: bytes, issuer: bytes, *, digest=None, nonce: bytes | None = None) -> bytes:
    builder = ocsp.OCSPRequestBuilder().add_certificate(
        parsed(certificate), parsed(issuer), digest or hashes.SHA256()
    )
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(serialization.Encoding.DER)


def test_roles_have_the_key_usage_of_the_profile(authority):
    """A seal may authenticate and commit, an officer only commits."""
    assert (True, True) == usage(authority.issue("a", **SPAN).certificate_pem)
    officer = authority.issue("b", **SPAN, organisation="Tax", role=CertificateRole.OFFICER)
    assert (False, True) == usage(officer.certificate_pem)
    assert "CN=b,O=Tax" == parsed(officer.certificate_pem).subject.rfc4514_string()


def test_key_identifiers_lead_from_a_certificate_to_its_issuer(authority):
    """The authority key identifier of what is issued is the subject key identifier of the issuer."""
    issued = parsed(authority.issue("a", **SPAN).certificate_pem)
    own = parsed(authority.certificate_pem).extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    issuer = issued.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    assert own.value.digest == issuer.value.key_identifier


def test_certificates_say_where_to_ask_once_the_authority_has_addresses():
    """CRL, OCSP and issuer addresses stand in what is issued; without them there is no such extension."""
    silent = CertificateAuthority.create("silent", at_ms=NOW_MS).issue("a", **SPAN)
    with pytest.raises(x509.ExtensionNotFound):
        parsed(silent.certificate_pem).extensions.get_extension_for_class(x509.CRLDistributionPoints)
    urls = StatusUrls("http://ca.example/ca.crl", "http://ca.example/ocsp", "http://ca.example/ca.cer")
    issued = CertificateAuthority.create("a", at_ms=NOW_MS, urls=urls).issue("a", **SPAN)
    extensions = parsed(issued.certificate_pem).extensions
    place = extensions.get_extension_for_class(x509.CRLDistributionPoints).value[0]
    assert [x509.UniformResourceIdentifier(urls.crl)] == place.full_name
    access = extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    assert {
        AuthorityInformationAccessOID.OCSP: urls.ocsp,
        AuthorityInformationAccessOID.CA_ISSUERS: urls.issuer,
    } == {one.access_method: one.access_location.value for one in access}


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_an_intermediate_of_any_algorithm_issues_under_its_root(algorithm):
    """Each certificate of the chain is issued by the one above it, and path lengths count down."""
    root = CertificateAuthority.create("root", algorithm, at_ms=NOW_MS, path_length=1)
    middle = root.intermediate("middle", algorithm, **SPAN)
    leaf = Certificate.from_pem(middle.issue("leaf", algorithm, **SPAN).certificate_pem)
    leaf.verify_issued_by(Certificate.from_pem(middle.certificate_pem))
    Certificate.from_pem(middle.certificate_pem).verify_issued_by(Certificate.from_pem(root.certificate_pem))
    lengths = [
        parsed(one.certificate_pem)
        .extensions.get_extension_for_class(x509.BasicConstraints)
        .value.path_length
        for one in (root, middle)
    ]
    assert [1, 0] == lengths


def test_openssl_accepts_the_chain_and_the_revocation_list(tmp_path):
    """`openssl verify` with CRL checking accepts a good certificate and names a revoked one."""
    root = CertificateAuthority.create("root", Algorithm.ES256, at_ms=NOW_MS, path_length=1)
    middle = root.intermediate("middle", Algorithm.ES256, **SPAN)
    good, bad = (middle.issue(name, **SPAN).certificate_pem for name in ("good", "bad"))
    lists = [
        root.crl(**UPDATE),
        middle.crl([middle.revoked_of(bad, NOW_MS, x509.ReasonFlags.key_compromise)], **UPDATE),
    ]
    pem = [x509.load_der_x509_crl(one).public_bytes(serialization.Encoding.PEM) for one in lists]
    for name, octets in {
        "root": root.certificate_pem, "middle": middle.certificate_pem, "crls": b"".join(pem),
        "good": good, "bad": bad,
    }.items():  # fmt: skip
        (tmp_path / name).write_bytes(octets)

    def verdict(name: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["openssl", "verify", "-attime", str(NOW_MS // 1000 + 60), "-crl_check_all", "-CRLfile", "crls",
             "-CAfile", "root", "-untrusted", "middle", name],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert 0 == verdict("good").returncode, verdict("good").stderr
    assert "certificate revoked" in verdict("bad").stderr


def test_a_request_gives_name_and_key_and_the_authority_the_rest(authority):
    """The certificate has the request's name and key, and the usage that the authority chose."""
    key = private_key_new(Algorithm.ES256)
    pem = authority.issue_for_request(
        request_pem(key, "Officer", "Tax"), **SPAN, role=CertificateRole.OFFICER
    )
    assert "CN=Officer,O=Tax" == parsed(pem).subject.rfc4514_string()
    assert (False, True) == usage(pem)
    assert key.public_key() == parsed(pem).public_key()
    renamed = authority.issue_for_request(request_pem(key, "Officer"), **SPAN, subject="Other")
    assert "CN=Other" == parsed(renamed).subject.rfc4514_string()


def test_a_request_that_its_key_did_not_sign_is_refused(authority):
    """A flipped bit in the signature of a request refuses it, and so do octets that are no request."""
    request = x509.load_pem_x509_csr(request_pem(private_key_new(Algorithm.ED25519), "a"))
    octets = bytearray(request.public_bytes(serialization.Encoding.DER))
    octets[-1] ^= 1
    with pytest.raises(ConfigError, match="not signed by the key"):
        authority.issue_for_request(bytes(octets), **SPAN)
    with pytest.raises(ConfigError, match="expected a certificate signing request"):
        authority.issue_for_request(b"nothing", **SPAN)


def test_a_request_with_a_key_outside_the_pinned_list_is_refused(authority):
    """An RSA key of 2,048 bits gets no certificate (rule SEC-4)."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    weak = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with pytest.raises(AlgorithmError):
        authority.issue_for_request(request_pem(weak, "a"), **SPAN)


@pytest.mark.parametrize("algorithm", [Algorithm.ED25519, Algorithm.ES256, Algorithm.PS256])
def test_a_revocation_list_has_number_times_and_reasons(algorithm):
    """The list is signed, numbered, dated, and gives the date and reason of each revocation."""
    authority = CertificateAuthority.create("a", algorithm, at_ms=NOW_MS)
    revoked = [
        RevokedCertificate(7, NOW_MS - DAY_MS, x509.ReasonFlags.key_compromise),
        RevokedCertificate(8, NOW_MS),
    ]
    found = x509.load_der_x509_crl(authority.crl(revoked, number=12, **UPDATE))
    assert found.is_signature_valid(parsed(authority.certificate_pem).public_key())
    assert 12 == found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    assert (NOW_MS + DAY_MS) // 1000 == found.next_update_utc.timestamp()
    first = found.get_revoked_certificate_by_serial_number(7)
    assert (NOW_MS - DAY_MS) // 1000 == first.revocation_date_utc.timestamp()
    assert (
        x509.ReasonFlags.key_compromise
        == first.extensions.get_extension_for_class(x509.CRLReason).value.reason
    )
    assert not list(found.get_revoked_certificate_by_serial_number(8).extensions)


def test_ocsp_says_good_revoked_and_unknown(authority):
    """The three answers, with the request's nonce given back."""
    good, bad, strange = (
        authority.issue(name, **SPAN).certificate_pem for name in ("good", "bad", "strange")
    )
    register = Register(good, bad, revoked=authority.revoked_of(bad, NOW_MS, x509.ReasonFlags.superseded))
    responder = authority.ocsp_responder()
    answers = [
        ocsp.load_der_ocsp_response(
            responder.answer(ask(one, authority.certificate_pem, nonce=b"n" * 16), register, **UPDATE)
        )
        for one in (good, bad, strange)
    ]
    assert [
        ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED, ocsp.OCSPCertStatus.UNKNOWN,
    ] == [one.certificate_status for one in answers]  # fmt: skip
    assert NOW_MS // 1000 == answers[1].revocation_time_utc.timestamp()
    assert b"n" * 16 == answers[0].extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
    parsed(authority.certificate_pem).public_key().verify(answers[0].signature, answers[0].tbs_response_bytes)


def test_a_responder_of_its_own_key_carries_its_certificate(authority):
    """A delegated answer holds a certificate for OCSP signing that the authority issued."""
    issued = authority.issue("a", **SPAN).certificate_pem
    responder = authority.issue_responder(**SPAN)
    answer = ocsp.load_der_ocsp_response(authority.ocsp_response(issued, **UPDATE, responder=responder))
    (carried,) = answer.certificates
    carried.verify_directly_issued_by(parsed(authority.certificate_pem))
    purposes = carried.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [ExtendedKeyUsageOID.OCSP_SIGNING] == list(purposes)
    assert ocsp.OCSPCertStatus.GOOD == answer.certificate_status


@pytest.mark.parametrize(
    ("request_of", "status"),
    [
        (lambda own, other, pem: b"nothing", ocsp.OCSPResponseStatus.MALFORMED_REQUEST),
        (
            lambda own, other, pem: bytes(OCSP_REQUEST_BYTES_MAX + 1),
            ocsp.OCSPResponseStatus.MALFORMED_REQUEST,
        ),
        (lambda own, other, pem: ask(pem, other), ocsp.OCSPResponseStatus.UNAUTHORIZED),
        (
            lambda own, other, pem: ask(pem, own, digest=hashes.SHA512()),
            ocsp.OCSPResponseStatus.UNAUTHORIZED,
        ),
    ],
)
def test_requests_that_cannot_be_answered_are_told_why(authority, request_of, status):
    """Malformed or endless requests, and ones about another issuer, get the unsigned answers of RFC 6960."""
    issued = authority.issue("a", **SPAN).certificate_pem
    other = CertificateAuthority.create("other", at_ms=NOW_MS).certificate_pem
    request = request_of(authority.certificate_pem, other, issued)
    answer = authority.ocsp_responder().answer(request, Register(issued), **UPDATE)
    assert status == ocsp.load_der_ocsp_response(answer).response_status


def test_names_and_validity_are_checked(authority):
    """A name over 64 characters or empty, and a validity that ends before it begins, are refused."""
    for name in ("", "x" * 65):
        with pytest.raises(ConfigError, match="1 to 64"):
            authority.issue(name, **SPAN)
    with pytest.raises(ConfigError, match="must not end before"):
        authority.issue("a", not_before_ms=NOW_MS, not_after_ms=NOW_MS - DAY_MS)


def test_an_issued_key_signs(authority):
    """Key and certificate of an issued key belong together."""
    issued = authority.issue("a", **SPAN)
    KeySigner.from_pem(issued.key_pem, issued.certificate_pem, kid="a")


def test_an_authority_that_is_not_a_root_answers_requests():
    """A request names the authority that issued the certificate, not the one above it."""
    above = CertificateAuthority.create("above", at_ms=NOW_MS, path_length=1)
    own = above.intermediate("own", **SPAN)
    pem = own.issue("a", **SPAN).certificate_pem
    answer = own.ocsp_responder().answer(ask(pem, own.certificate_pem), Register(pem), **UPDATE)
    found = ocsp.load_der_ocsp_response(answer)
    assert ocsp.OCSPResponseStatus.SUCCESSFUL == found.response_status
    assert ocsp.OCSPCertStatus.GOOD == found.certificate_status
