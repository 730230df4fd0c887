"""Detached signatures: what is signed verifies, and every pinned field is enforced."""

import base64
import json

import pytest

from govbus.document.encoding import base64url
from govbus.errors import AlgorithmError, ConfigError, SignatureError, UntrustedKeyError
from govbus.signing.algorithms import Algorithm, algorithm_of, verify
from govbus.signing.certificates import Certificate
from govbus.signing.issuing import CertificateAuthority, private_key_new, private_key_pem
from govbus.signing.jws import SIGNATURE_BYTES_MAX, STATEMENT_TYP, DetachedSignature, sign_detached
from govbus.signing.signer import KeySigner

from .conftest import DAY_MS, NOW_MS, make_signer

PAYLOAD = b"a payload. with dots\nand lines\n"


def _protected(octets):
    return json.loads(base64.urlsafe_b64decode(octets.split(b"..")[0] + b"=="))


def _resigned(signer, **changes):
    """Return a signature whose header is changed and which is signed again over the changed header."""
    header = _protected(sign_detached(signer, PAYLOAD, typ=STATEMENT_TYP, at_ms=NOW_MS)) | changes
    header = {name: value for name, value in header.items() if value is not ...}
    protected = base64url(json.dumps(header).encode()).encode()
    return protected + b".." + base64url(signer.sign(protected + b"." + PAYLOAD)).encode()


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_signs_and_verifies(signers, algorithm):
    """Each pinned algorithm signs, and verifies over exactly these bytes."""
    signer = signers[algorithm]
    signature = DetachedSignature.from_bytes(sign_detached(signer, PAYLOAD, typ=STATEMENT_TYP, at_ms=NOW_MS))
    signature.verify(signer.certificate, PAYLOAD)

    assert (algorithm, STATEMENT_TYP, NOW_MS // 1000) == (
        signature.algorithm,
        signature.typ,
        signature.issued_at_s,
    )
    assert signer.certificate.thumbprint == signature.thumbprint
    with pytest.raises(SignatureError):
        signature.verify(signer.certificate, PAYLOAD + b"x")


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_any_flipped_bit_of_the_signature_is_refused(signers, algorithm):
    """A signature with one bit changed does not verify."""
    signer = signers[algorithm]
    signature = signer.sign(PAYLOAD)
    for position in (0, len(signature) // 2, len(signature) - 1):
        broken = bytearray(signature)
        broken[position] ^= 1
        with pytest.raises(SignatureError):
            verify(signer.certificate.public_key, bytes(broken), PAYLOAD)
    for broken in (b"", signature[:-1], signature + b"\x00"):
        with pytest.raises(SignatureError):
            verify(signer.certificate.public_key, broken, PAYLOAD)


@pytest.mark.parametrize(
    "changes",
    [
        {"b64": True},
        {"b64": ...},
        {"crit": ...},
        {"crit": []},
        {"crit": ["b64", "exp"]},
        {"typ": ...},
        {"typ": 1},
        {"kid": ...},
        {"iat": "soon"},
        {"iat": True},
        {"x5t#S256": ...},
        {"x5t#S256": "short"},
    ],
)
def test_header_fields_are_pinned(signers, changes):
    """A header field that is missing or of another shape refuses under SEC-3, although the signature holds."""
    with pytest.raises(SignatureError) as caught:
        DetachedSignature.from_bytes(_resigned(signers[Algorithm.ED25519], **changes))

    assert ("SEC-3", "gb-sig") == (caught.value.rule, caught.value.field)


@pytest.mark.parametrize("name", ["none", "HS256", "EdDSA", "RS256", "ES384", None, 7, ["ES256"]])
def test_other_algorithms_are_refused(signers, name):
    """An algorithm outside the list refuses under SEC-4."""
    with pytest.raises(AlgorithmError) as caught:
        DetachedSignature.from_bytes(_resigned(signers[Algorithm.ED25519], alg=name))

    assert "SEC-4" == caught.value.rule


def test_algorithm_must_fit_the_key(signers):
    """An algorithm of the list that is not the key's refuses under SEC-4."""
    signer = signers[Algorithm.ED25519]
    signature = DetachedSignature.from_bytes(_resigned(signer, alg="ES256"))
    with pytest.raises(AlgorithmError) as caught:
        signature.verify(signer.certificate, PAYLOAD)

    assert "SEC-4" == caught.value.rule


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"..",
        b"a..",
        b"..b",
        b"a.b.c",
        b"e30..YQ",
        b"bm8..YQ",
        b"W10..YQ",
        b"eyJhIjoxLCJhIjoxfQ..YQ",
        b"eyI=..YQ",
        b"\xff..YQ",
        b"A" * 2000 + b"..YQ",
        b"A" * SIGNATURE_BYTES_MAX + b"..YQ",
    ],
)
def test_malformed_signatures_are_refused(octets):
    """What is no detached JWS is refused, not crashed on."""
    with pytest.raises(SignatureError):
        DetachedSignature.from_bytes(octets)


def test_signature_text_has_no_spare_bits(signers):
    """The signature's base64url has zero spare bits, so that one signature has one text."""
    octets = sign_detached(signers[Algorithm.ED25519], PAYLOAD, typ=STATEMENT_TYP, at_ms=NOW_MS)
    other = octets[:-1] + (b"B" if octets[-1:] == b"A" else bytes([octets[-1] + 1]))
    with pytest.raises(SignatureError):
        DetachedSignature.from_bytes(other)


def test_weak_and_foreign_keys_are_refused():
    """RSA below 3,072 bits, other curves and other things are no keys for govbus."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    for key in (rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1()), "key"):
        with pytest.raises(AlgorithmError, match="SEC-4|expected a key"):
            algorithm_of(key)


def test_signer_needs_its_own_key(signers, authority):
    """A key that is not the certificate's, or cannot be read, is refused."""
    one = authority.issue("a", not_before_ms=NOW_MS, not_after_ms=NOW_MS + DAY_MS)
    two = authority.issue("b", not_before_ms=NOW_MS, not_after_ms=NOW_MS + DAY_MS)
    with pytest.raises(ConfigError, match="not the key"):
        KeySigner.from_pem(one.key_pem, two.certificate_pem, kid="a")
    with pytest.raises(ConfigError, match="cannot be read"):
        KeySigner.from_pem(b"no key", two.certificate_pem, kid="a")
    assert "PRIVATE" not in repr(signers[Algorithm.ED25519])


def test_encrypted_keys_need_their_password(authority):
    """An encrypted key is read with its password only."""
    issued = authority.issue("a", not_before_ms=NOW_MS, not_after_ms=NOW_MS + DAY_MS)
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    encrypted = private_key_pem(load_pem_private_key(issued.key_pem, None), b"secret")
    KeySigner.from_pem(encrypted, issued.certificate_pem, kid="a", password=b"secret")
    with pytest.raises(ConfigError):
        KeySigner.from_pem(encrypted, issued.certificate_pem, kid="a")


def test_certificates_are_issued_by_their_anchor(signers, authority):
    """A certificate leads to the anchor that issued it, to no other, and never to a certificate that is no CA."""
    anchor = Certificate.from_pem(authority.certificate_pem)
    certificate = signers[Algorithm.ML_DSA_65].certificate
    certificate.verify_issued_by(anchor)
    stranger = CertificateAuthority.create("govbus test CA", Algorithm.ES256, at_ms=NOW_MS)
    for wrong in (Certificate.from_pem(stranger.certificate_pem), certificate):
        with pytest.raises(UntrustedKeyError):
            certificate.verify_issued_by(wrong)
    with pytest.raises(UntrustedKeyError):
        Certificate.from_pem("no certificate")
    with pytest.raises(UntrustedKeyError):
        Certificate.from_der(b"\x30")


@pytest.mark.parametrize("algorithm", [Algorithm.ES256, Algorithm.PS256, Algorithm.ML_DSA_44])
def test_authorities_of_other_algorithms_issue(algorithm):
    """An authority may use any pinned algorithm."""
    authority = CertificateAuthority.create("other CA", algorithm, at_ms=NOW_MS - DAY_MS)
    signer = make_signer(authority, "tax.example", days_before=1)

    signer.certificate.verify_issued_by(Certificate.from_pem(authority.certificate_pem))
    assert algorithm is algorithm_of(private_key_new(algorithm))


def test_authority_without_a_key_issues_nothing(authority):
    """An authority whose key cannot be read says so."""
    broken = CertificateAuthority(authority.certificate_pem, b"no key")
    with pytest.raises(ConfigError):
        broken.issue("a", not_before_ms=NOW_MS, not_after_ms=NOW_MS + DAY_MS)
