"""The way to an anchor: each test breaks one thing about it."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ObjectIdentifier

from govbus.errors import AlgorithmError, UntrustedKeyError
from govbus.routing.trust import path
from govbus.routing.trust.path import CHAIN_CERTIFICATES_MAX, issuers_of
from govbus.signing.algorithms import Algorithm
from govbus.signing.certificates import CertificateRole
from tests.unit.routing.trust.pki import (
    DAY_MS,
    NOW_MS,
    SPAN,
    authority,
    flipped,
    key_of,
    parsed,
    seal,
    signed,
    trusted_of,
)


def pem_of(certificate):
    return certificate.public_bytes(Encoding.PEM)


def rebuilt(pem, issuer, *, without=(), extensions=()):
    """Return a certificate with the same key and names, some extensions left out and others added."""
    old = parsed(pem)
    builder = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(old.issuer)
        .public_key(old.public_key())
        .serial_number(old.serial_number)
        .not_valid_before(old.not_valid_before_utc)
        .not_valid_after(old.not_valid_after_utc)
    )
    for one in old.extensions:
        if not isinstance(one.value, without):
            builder = builder.add_extension(one.value, one.critical)
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    return pem_of(signed(builder, key_of(issuer)))


def usage(**bits):
    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign crl_sign"
        " encipher_only decipher_only"
    )
    return x509.KeyUsage(**{name: bits.get(name, False) for name in names.split()})


@pytest.mark.parametrize(
    "algorithm", [Algorithm.ED25519, Algorithm.ES256, Algorithm.PS256, Algorithm.ML_DSA_65]
)
def test_way_through_an_intermediate(algorithm):
    """A certificate leads through those between to the anchor, in every pinned algorithm."""
    root = authority(algorithm=algorithm, path_length=1)
    middle = root.intermediate("Middle", algorithm, **SPAN)
    pem = seal(middle, algorithm=algorithm).certificate_pem
    trusted = trusted_of(pem, root.certificate_pem, chain=[middle.certificate_pem])
    assert ["CN=Middle", "CN=Root"] == [one.subject for one in trusted.issuers]


@pytest.mark.parametrize("algorithm", [Algorithm.ED25519, Algorithm.ML_DSA_65])
@pytest.mark.parametrize("which", ["leaf", "middle"])
def test_signature_on_the_way_is_wrong(algorithm, which, monkeypatch):
    """A flipped bit in a signature is found, both by the check of the library and by path validation without it."""
    root = authority(algorithm=algorithm, path_length=1)
    middle = root.intermediate("Middle", algorithm, **SPAN).certificate_pem
    pem = seal(root.intermediate("Middle", algorithm, **SPAN)).certificate_pem
    issuer = root.intermediate("Middle", algorithm, **SPAN)
    pem, middle = seal(issuer, algorithm=algorithm).certificate_pem, issuer.certificate_pem
    bad = flipped(parsed(pem if which == "leaf" else middle).public_bytes(Encoding.DER))
    bad_pem = pem_of(x509.load_der_x509_certificate(bad))
    leaf, between = (bad_pem, middle) if which == "leaf" else (pem, bad_pem)
    with pytest.raises(UntrustedKeyError, match="was not issued by"):
        trusted_of(leaf, root.certificate_pem, chain=[between])
    monkeypatch.setattr(path.Certificate, "verify_issued_by", lambda *_: None)
    with pytest.raises(UntrustedKeyError, match="does not lead to the anchor"):
        trusted_of(leaf, root.certificate_pem, chain=[between])


def test_wrong_issuer():
    """A certificate of another authority with the same name does not lead to this one."""
    with pytest.raises(UntrustedKeyError, match="was not issued by an anchor"):
        trusted_of(seal(authority()).certificate_pem, authority().certificate_pem)


def test_chain_is_missing():
    """What stands between is not looked for anywhere."""
    root = authority(path_length=1)
    pem = seal(root.intermediate("Middle", **SPAN)).certificate_pem
    with pytest.raises(UntrustedKeyError, match="was not issued by an anchor"):
        trusted_of(pem, root.certificate_pem)


def test_chain_in_the_wrong_order():
    """Each certificate of the chain issued the one before it."""
    root = authority(path_length=2)
    upper = root.intermediate("Upper", path_length=1, **SPAN)
    lower = upper.intermediate("Lower", **SPAN)
    pem = seal(lower).certificate_pem
    assert 3 == len(
        trusted_of(pem, root.certificate_pem, chain=[lower.certificate_pem, upper.certificate_pem]).issuers
    )
    with pytest.raises(UntrustedKeyError, match="was not issued by CN=Upper"):
        trusted_of(pem, root.certificate_pem, chain=[upper.certificate_pem, lower.certificate_pem])


def test_intermediate_is_no_authority():
    """A certificate for signing issues nothing."""
    root = authority(path_length=1)
    leaf = seal(root, "middle")
    fake = type(root)(leaf.certificate_pem, leaf.key_pem)
    with pytest.raises(UntrustedKeyError, match="is no CA"):
        trusted_of(seal(fake).certificate_pem, root.certificate_pem, chain=[leaf.certificate_pem])


def test_intermediate_may_not_sign_certificates():
    """An authority whose key usage lacks keyCertSign issues nothing."""
    root = authority(path_length=1)
    middle = root.intermediate("Middle", **SPAN)
    weak = rebuilt(
        middle.certificate_pem, root, without=(x509.KeyUsage,), extensions=[(usage(crl_sign=True), True)]
    )
    pem = seal(middle).certificate_pem
    with pytest.raises(UntrustedKeyError, match="does not lead to the anchor"):
        trusted_of(pem, root.certificate_pem, chain=[weak])


def test_path_length_of_an_intermediate():
    """An authority that may issue only for signing has no authority under it."""
    root = authority(path_length=2)
    upper = root.intermediate("Upper", path_length=0, **SPAN)
    lower = upper.intermediate("Lower", **SPAN)
    with pytest.raises(UntrustedKeyError, match="does not lead to the anchor"):
        trusted_of(
            seal(lower).certificate_pem,
            root.certificate_pem,
            chain=[lower.certificate_pem, upper.certificate_pem],
        )


def test_path_length_of_the_anchor():
    """The anchor's own path length counts."""
    root = authority(path_length=0)
    middle = root.intermediate("Middle", **SPAN)
    with pytest.raises(UntrustedKeyError, match="does not lead to the anchor"):
        trusted_of(seal(middle).certificate_pem, root.certificate_pem, chain=[middle.certificate_pem])


def test_unknown_critical_extension():
    """What is critical and not understood refuses (RFC 5280 section 4.2)."""
    root = authority()
    unknown = x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
    pem = seal(root).certificate_pem
    assert trusted_of(rebuilt(pem, root, extensions=[(unknown, False)]), root.certificate_pem).issuers
    with pytest.raises(UntrustedKeyError, match="does not lead to the anchor"):
        trusted_of(rebuilt(pem, root, extensions=[(unknown, True)]), root.certificate_pem)


def test_key_usage_of_a_seal():
    """A key for key agreement seals nothing; one that says nothing may."""
    root = authority()
    pem = seal(root).certificate_pem
    other = rebuilt(pem, root, without=(x509.KeyUsage,), extensions=[(usage(key_agreement=True), True)])
    with pytest.raises(UntrustedKeyError, match="lacks digitalSignature"):
        trusted_of(other, root.certificate_pem)
    assert trusted_of(rebuilt(pem, root, without=(x509.KeyUsage,)), root.certificate_pem).issuers


def test_key_usage_of_an_officer():
    """An officer's certificate says that it commits to content: one for logging in does not serve."""
    root = authority()
    login = rebuilt(
        seal(root).certificate_pem,
        root,
        without=(x509.KeyUsage,),
        extensions=[(usage(digital_signature=True), True)],
    )
    silent = rebuilt(seal(root).certificate_pem, root, without=(x509.KeyUsage,))
    officer = seal(root, role=CertificateRole.OFFICER).certificate_pem
    assert trusted_of(officer, root.certificate_pem, role=CertificateRole.OFFICER).issuers
    assert trusted_of(login, root.certificate_pem).issuers
    for pem in (login, silent):
        with pytest.raises(UntrustedKeyError, match="lacks contentCommitment"):
            trusted_of(pem, root.certificate_pem, role=CertificateRole.OFFICER)


def test_never_valid_together():
    """A path whose certificates are never valid at one time is none."""
    root = authority(path_length=1)
    middle = root.intermediate(
        "Middle", not_before_ms=NOW_MS - 50 * DAY_MS, not_after_ms=NOW_MS - 40 * DAY_MS
    )
    with pytest.raises(UntrustedKeyError, match="never valid at the same time"):
        trusted_of(seal(middle).certificate_pem, root.certificate_pem, chain=[middle.certificate_pem])


def test_expired_intermediate():
    """Signatures made after the intermediate expired are refused; those before stay good."""
    root = authority(path_length=1)
    middle = root.intermediate("Middle", not_before_ms=NOW_MS - 50 * DAY_MS, not_after_ms=NOW_MS)
    trusted = trusted_of(seal(middle).certificate_pem, root.certificate_pem, chain=[middle.certificate_pem])
    trusted.require_valid_at(NOW_MS)
    with pytest.raises(UntrustedKeyError, match="which issued .* was not valid"):
        trusted.require_valid_at(NOW_MS + 1000)


def test_key_of_an_intermediate_is_pinned():
    """Algorithms outside the pinned list are refused on the whole way."""
    root = authority()
    pem = seal(root).certificate_pem
    with pytest.raises(AlgorithmError):
        issuers_of(pem.decode(), (P384,), (root.certificate_pem.decode(),), CertificateRole.SEAL)


def test_bound_of_the_chain():
    """The chain has a bound that a directory's entries keep to."""
    from govbus.routing.directory.parts import CertificatePart

    with pytest.raises(ValueError, match="at most"):
        CertificatePart(pem="x", chain=("x",) * (CHAIN_CERTIFICATES_MAX + 1))


def _p384():
    from cryptography.hazmat.primitives.asymmetric import ec

    root = authority()
    old = parsed(root.certificate_pem)
    key = ec.generate_private_key(ec.SECP384R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(old.subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(old.not_valid_before_utc)
        .not_valid_after(old.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    return pem_of(signed(builder, key)).decode()


P384 = _p384()


def test_extension_that_cannot_be_read():
    """A certificate whose distribution point is no such thing is refused when the directory is read, not later."""
    root = authority()
    odd = x509.UnrecognizedExtension(ObjectIdentifier("2.5.29.31"), b"\x04\x03abc")
    pem = rebuilt(seal(root).certificate_pem, root, extensions=[(odd, False)])
    with pytest.raises(UntrustedKeyError, match="cannot be read"):
        trusted_of(pem, root.certificate_pem)
