"""Opening keys from files, and where their passwords come from."""

import sys

import pytest

from govbus.errors import AlgorithmError, ConfigError, MissingPartError
from govbus.service.keys.opening import KEY_BYTES_MAX, open_private_key, open_signer
from govbus.service.keys.secrets import SECRET_BYTES_MAX, secret_from_file, secret_from_variable
from govbus.signing.algorithms import Algorithm, algorithm_of
from govbus.signing.issuing import CertificateAuthority, private_key_new, private_key_pem

AT_MS = 1_767_225_600_000
DAY_MS = 86_400_000


@pytest.mark.parametrize("algorithm", list(Algorithm))
@pytest.mark.parametrize("reference", ["seal.pem", "file:seal.pem"])
def test_an_encrypted_file_opens_with_its_password(tmp_path, algorithm, reference):
    """A key of every pinned algorithm is read from an encrypted file below the folder."""
    (tmp_path / "seal.pem").write_bytes(private_key_pem(private_key_new(algorithm), b"open sesame"))
    key = open_private_key(reference, folder=tmp_path, secret=lambda: b"open sesame")
    assert algorithm is algorithm_of(key)


def test_a_wrong_password_and_a_missing_file_are_told(tmp_path):
    """Each says which file, and neither says the password."""
    (tmp_path / "seal.pem").write_bytes(private_key_pem(private_key_new(Algorithm.ED25519), b"right"))
    with pytest.raises(ConfigError, match=r"seal\.pem cannot be read") as caught:
        open_private_key("seal.pem", folder=tmp_path, secret=lambda: b"wrong-password")
    assert "wrong-password" not in str(caught.value)
    with pytest.raises(ConfigError, match="No such file"):
        open_private_key("absent.pem", folder=tmp_path)
    (tmp_path / "long.pem").write_bytes(bytes(KEY_BYTES_MAX + 1))
    with pytest.raises(ConfigError, match="no key and no certificate"):
        open_private_key("long.pem", folder=tmp_path)


def test_a_key_outside_the_pinned_list_is_refused(tmp_path):
    """An RSA key of 2,048 bits does not open (rule SEC-4)."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    weak = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (tmp_path / "weak.pem").write_bytes(private_key_pem(weak))
    with pytest.raises(AlgorithmError):
        open_private_key("weak.pem", folder=tmp_path)


def test_a_signer_needs_the_certificate_of_its_key(tmp_path):
    """Key and certificate that belong together open, those that do not are refused."""
    authority = CertificateAuthority.create("A", at_ms=AT_MS)
    for name in ("one", "two"):
        issued = authority.issue(name, not_before_ms=AT_MS, not_after_ms=AT_MS + DAY_MS)
        (tmp_path / f"{name}.key.pem").write_bytes(issued.key_pem)
        (tmp_path / f"{name}.cert.pem").write_bytes(issued.certificate_pem)
    signer = open_signer("one.key.pem", tmp_path / "one.cert.pem", kid="one", folder=tmp_path)
    assert "CN=one" == signer.certificate.subject
    with pytest.raises(ConfigError, match="not the key of its certificate"):
        open_signer("one.key.pem", tmp_path / "two.cert.pem", kid="one", folder=tmp_path)


def test_a_token_without_the_extra_says_what_to_install(monkeypatch):
    """Without python-pkcs11 a pkcs11: reference names the extra that is missing."""
    for name in [one for one in sys.modules if one.startswith("govbus.service.keys.token")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    with pytest.raises(MissingPartError, match=r"govbus\[hsm\]"):
        open_private_key("pkcs11:token=a?module-path=/lib/x.so")


def test_secrets_are_read_when_they_are_needed(tmp_path, monkeypatch):
    """A variable or file may come later than its reader; one that is absent or too long is an error."""
    from_variable, from_file = secret_from_variable("TEST_SECRET"), secret_from_file(tmp_path / "secret")
    with pytest.raises(ConfigError, match="TEST_SECRET is not set"):
        from_variable()
    with pytest.raises(ConfigError, match="cannot be read"):
        from_file()
    monkeypatch.setenv("TEST_SECRET", "a b")
    (tmp_path / "secret").write_bytes(b"c d\r\nsecond line")
    assert (b"a b", b"c d") == (from_variable(), from_file())
    (tmp_path / "secret").write_bytes(bytes(SECRET_BYTES_MAX + 1))
    with pytest.raises(ConfigError, match="should hold one password"):
        from_file()
    assert secret_from_variable("")() is None
    assert secret_from_file(None)() is None
